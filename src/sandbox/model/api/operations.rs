//! What operators ask for: DescribeQuorum and ListPartitionReassignments. The controller is never away, and nothing moves between brokers.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_quorum_response::{PartitionData, ReplicaState, TopicData};
use kafka_protocol::messages::{
    BrokerId, DescribeQuorumRequest, DescribeQuorumResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
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
        now(reply, &ListPartitionReassignmentsResponse::default().with_error_message(None))
    }
}
