//! What operators ask for: DescribeQuorum, ListPartitionReassignments and DescribeLogDirs. The controller is never away.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
use kafka_protocol::messages::describe_quorum_response::{PartitionData, ReplicaState, TopicData};
use kafka_protocol::messages::list_partition_reassignments_response::{OngoingPartitionReassignment, OngoingTopicReassignment};
use kafka_protocol::messages::{
    BrokerId, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeQuorumRequest, DescribeQuorumResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
};

use super::super::Model;
use super::super::image::NodeId;
use super::super::pending::Reply;
use super::super::requests::{Answer, decode, now};

/// The controller's own node id, which no broker has.
const CONTROLLER: i32 = 3000;
const METADATA_TOPIC: &str = "__cluster_metadata";

impl Model {
    /// A quorum of one, that has everything.
    pub(super) fn describe_quorum(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DescribeQuorumRequest = decode(reply, body)?;
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let described = PartitionData::default().with_partition_index(partition.partition_index).with_error_message(None);
                if topic.topic_name.as_str() != METADATA_TOPIC || partition.partition_index != 0 {
                    return described.with_error_code(ResponseError::UnknownTopicOrPartition.code());
                }
                let mut voter = ReplicaState::default().with_replica_id(BrokerId(CONTROLLER)).with_log_end_offset(1);
                if reply.version >= 1 {
                    voter = voter.with_last_fetch_timestamp(1).with_last_caught_up_timestamp(1);
                }
                described.with_leader_id(BrokerId(CONTROLLER)).with_leader_epoch(1).with_high_watermark(1).with_current_voters(vec![voter])
            });
            TopicData::default().with_topic_name(topic.topic_name.clone()).with_partitions(partitions.collect())
        });
        now(reply, &DescribeQuorumResponse::default().with_error_message(None).with_topics(topics.collect()))
    }

    pub(super) fn list_reassignments(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let _: ListPartitionReassignmentsRequest = decode(reply, body)?;
        let ids = |nodes: &[NodeId]| nodes.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let topics = self.controller.topics().filter_map(|topic| {
            let moving = (0..).zip(&topic.partitions).filter(|(_, partition)| !partition.adding.is_empty() || !partition.removing.is_empty());
            let partitions: Vec<_> = moving
                .map(|(index, partition)| {
                    let told = OngoingPartitionReassignment::default().with_partition_index(index).with_replicas(ids(&partition.replicas));
                    told.with_adding_replicas(ids(&partition.adding)).with_removing_replicas(ids(&partition.removing))
                })
                .collect();
            (!partitions.is_empty()).then(|| OngoingTopicReassignment::default().with_name(super::topic_name(&topic.name)).with_partitions(partitions))
        });
        now(reply, &ListPartitionReassignmentsResponse::default().with_error_message(None).with_topics(topics.collect()))
    }

    /// One directory for each broker, with the bytes of its replicas.
    pub(super) fn describe_log_dirs(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DescribeLogDirsRequest = decode(reply, body)?;
        let broker = self.brokers.get(&node)?;
        let is_wanted = |topic: &str, index: i32| {
            let asked = request.topics.as_ref();
            asked.is_none_or(|topics| topics.iter().any(|one| one.topic.as_str() == topic && one.partitions.contains(&index)))
        };
        let mut topics = BTreeMap::<&str, Vec<DescribeLogDirsPartition>>::new();
        for (tp, replica) in &broker.replicas {
            let Some(topic) = broker.image.topic(tp.topic).filter(|topic| is_wanted(&topic.name, tp.partition)) else { continue };
            let size = i64::try_from(replica.log.bytes()).unwrap_or(i64::MAX);
            topics.entry(&topic.name).or_default().push(DescribeLogDirsPartition::default().with_partition_index(tp.partition).with_partition_size(size));
        }
        let topics =
            topics.into_iter().map(|(name, partitions)| DescribeLogDirsTopic::default().with_name(super::topic_name(name)).with_partitions(partitions));
        let directory = DescribeLogDirsResult::default().with_log_dir(super::text("/sandbox")).with_topics(topics.collect());
        now(reply, &DescribeLogDirsResponse::default().with_results(vec![directory]))
    }
}
