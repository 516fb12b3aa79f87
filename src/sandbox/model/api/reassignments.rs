//! AlterPartitionReassignments.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use super::super::Model;
use super::super::image::{NodeId, Tp};
use super::super::pending::Reply;
use super::super::requests::{Answer, decode, frame_of};

impl Model {
    pub(super) fn alter_partition_reassignments(&mut self, _node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: AlterPartitionReassignmentsRequest = decode(reply, body)?;
        let mut response = AlterPartitionReassignmentsResponse::default().with_error_message(None);
        for topic in request.topics {
            let mut answer = ReassignableTopicResponse::default().with_name(topic.name.clone());
            for partition in topic.partitions {
                let wanted = partition.replicas.map(|replicas| replicas.iter().map(|id| id.0).collect());
                let outcome = self.reassign_named(topic.name.as_str(), partition.partition_index, wanted);
                let result = ReassignablePartitionResponse::default().with_partition_index(partition.partition_index).with_error_message(None);
                answer.partitions.push(result.with_error_code(super::code(&outcome)));
            }
            response.responses.push(answer);
        }
        frame_of(reply, &response).map(|frame| Answer::Later(self.config.controller_delay + self.config.metadata_delay, frame))
    }

    fn reassign_named(&mut self, topic: &str, partition: i32, wanted: Option<Vec<NodeId>>) -> Result<(), ResponseError> {
        let topic = self.controller.topic_named(topic).ok_or(ResponseError::UnknownTopicOrPartition)?.id;
        self.reassign(Tp { topic, partition }, wanted)
    }
}
