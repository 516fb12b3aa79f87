//! OffsetCommit and OffsetFetch.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::super::Model;
use super::super::groups::as_coordinator_error;
use super::super::image::{NodeId, Tp};
use super::super::offsets_log::{Committed, GroupRecord};
use super::super::pending::{Pending, PendingId, Reply, Waits};
use super::super::requests::{Answer, decode, now};
use super::{text, topic_name};

/// `offsets.commit.timeout.ms`.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4_096;

/// What a group has committed, by topic and partition; `None`: nothing.
type Found = BTreeMap<TopicName, Vec<(i32, Option<Committed>)>>;

impl Model {
    pub(super) fn offset_commit(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: OffsetCommitRequest = decode(reply, body)?;
        let group = request.group_id.as_str().to_owned();
        let appended = self.coordinated(node, &group).and_then(|tp| {
            let generation = request.generation_id_or_member_epoch;
            match self.known_group(node, &group, &request.member_id, request.group_instance_id.as_ref()) {
                Ok(known) => known.may_commit(&request.member_id, generation)?,
                // A consumer that is no member may begin a group by committing to it.
                Err(ResponseError::UnknownMemberId) if generation < 0 => {}
                Err(ResponseError::UnknownMemberId) => return Err(ResponseError::IllegalGeneration),
                Err(error) => return Err(error),
            }
            let records = self.commit_records(node, &request);
            if records.is_empty() {
                return Ok(None);
            }
            self.append_group_records(node, tp, &records).map(|required| Some((tp, required)))
        });
        match appended {
            Ok(Some((tp, required))) => {
                let pending = self.keep(node, COMMIT_TIMEOUT, Pending::Commit { reply, request: Box::new(request) });
                self.wait_for(node, tp, required, Waits::Commit { pending });
                Some(Answer::Waits)
            }
            Ok(None) => now(reply, &self.commit_answer(node, &request, Ok(()))),
            Err(error) => now(reply, &self.commit_answer(node, &request, Err(as_coordinator_error(error)))),
        }
    }

    pub(in super::super) fn commit_waited(&mut self, node: NodeId, id: PendingId, outcome: Result<(), ResponseError>) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        let Some(Pending::Commit { reply, request }) = broker.pending.remove(&id) else {
            return;
        };
        if outcome.is_ok() {
            let records = self.commit_records(node, &request);
            self.with_group(node, request.group_id.as_str(), |group, _| {
                for record in records {
                    if let GroupRecord::Offset { topic, partition, offset, .. } = record {
                        group.offsets.insert((topic, partition), offset);
                    }
                }
            });
        }
        let response = self.commit_answer(node, &request, outcome.map_err(as_coordinator_error));
        self.send(reply, &response);
    }

    /// The offsets of a request that can be committed: of partitions that exist, with metadata that is not too long.
    fn commit_records(&self, node: NodeId, request: &OffsetCommitRequest) -> Vec<GroupRecord> {
        let mut records = Vec::new();
        for topic in &request.topics {
            for partition in &topic.partitions {
                let metadata = partition.committed_metadata.as_ref().map_or("", StrBytes::as_str);
                if self.commit_error(node, &topic.name, partition.partition_index, metadata).is_none() {
                    records.push(GroupRecord::Offset {
                        group: request.group_id.as_str().to_owned(),
                        topic: topic.name.as_str().to_owned(),
                        partition: partition.partition_index,
                        offset: Committed { offset: partition.committed_offset, leader_epoch: partition.committed_leader_epoch, metadata: metadata.to_owned() },
                    });
                }
            }
        }
        records
    }

    fn commit_error(&self, node: NodeId, topic: &str, partition: i32, metadata: &str) -> Option<ResponseError> {
        let image = &self.brokers.get(&node)?.image;
        let exists = image.topic_named(topic).is_some_and(|topic| image.partition(Tp { topic: topic.id, partition }).is_some());
        match (exists, metadata.len() > METADATA_BYTES_MAX) {
            (false, _) => Some(ResponseError::UnknownTopicOrPartition),
            (true, true) => Some(ResponseError::OffsetMetadataTooLarge),
            (true, false) => None,
        }
    }

    fn commit_answer(&self, node: NodeId, request: &OffsetCommitRequest, outcome: Result<(), ResponseError>) -> OffsetCommitResponse {
        let mut response = OffsetCommitResponse::default();
        for topic in &request.topics {
            let answer = |partition: &kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition| {
                let metadata = partition.committed_metadata.as_ref().map_or("", StrBytes::as_str);
                let own = self.commit_error(node, &topic.name, partition.partition_index, metadata);
                let error = outcome.err().or(own).map_or(0, |error| error.code());
                OffsetCommitResponsePartition::default().with_partition_index(partition.partition_index).with_error_code(error)
            };
            let partitions = topic.partitions.iter().map(answer).collect();
            response.topics.push(OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        response
    }

    pub(super) fn offset_fetch(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: OffsetFetchRequest = decode(reply, body)?;
        let mut response = OffsetFetchResponse::default();
        if reply.version >= 8 {
            for group in &request.groups {
                let asked =
                    group.topics.as_ref().map(|topics| topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect::<Vec<_>>());
                let answer = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
                response.groups.push(match self.committed_offsets(node, &group.group_id, asked.as_deref()) {
                    Ok(found) => answer.with_topics(found.into_iter().map(|(name, partitions)| named_topic(name, &partitions)).collect()),
                    Err(error) => answer.with_error_code(error.code()),
                });
            }
            return now(reply, &response);
        }
        let asked = request.topics.as_ref().map(|topics| topics.iter().map(|topic| (topic.name.clone(), topic.partition_indexes.clone())).collect::<Vec<_>>());
        match self.committed_offsets(node, &request.group_id, asked.as_deref()) {
            Ok(found) => response.topics = found.into_iter().map(|(name, partitions)| old_topic(name, &partitions, reply.version, 0)).collect(),
            // v1 has no place for an error but at each partition.
            Err(error) if reply.version < 2 => {
                let unknown = |partitions: &[i32]| partitions.iter().map(|&partition| (partition, None)).collect::<Vec<_>>();
                let topics =
                    asked.unwrap_or_default().into_iter().map(|(name, partitions)| old_topic(name, &unknown(&partitions), reply.version, error.code()));
                response.topics = topics.collect();
            }
            Err(error) => response.error_code = error.code(),
        }
        now(reply, &response)
    }

    fn committed_offsets(&self, node: NodeId, group: &str, asked: Option<&[(TopicName, Vec<i32>)]>) -> Result<Found, ResponseError> {
        self.coordinated(node, group)?;
        let known = self.brokers.get(&node).and_then(|broker| broker.coordinator.groups.get(group));
        let mut found = Found::new();
        match asked {
            Some(asked) => {
                for (name, partitions) in asked {
                    let committed = |partition: i32| known.and_then(|group| group.offsets.get(&(name.as_str().to_owned(), partition))).cloned();
                    found.entry(name.clone()).or_default().extend(partitions.iter().map(|&partition| (partition, committed(partition))));
                }
            }
            None => {
                for ((topic, partition), committed) in known.into_iter().flat_map(|group| &group.offsets) {
                    found.entry(topic_name(topic)).or_default().push((*partition, Some(committed.clone())));
                }
            }
        }
        Ok(found)
    }

    /// Forgets an empty group and its offsets, in the log too.
    pub(super) fn forget_group(&mut self, node: NodeId, tp: Tp, group: &str) -> Result<(), ResponseError> {
        let broker = self.brokers.get_mut(&node).ok_or(ResponseError::NotCoordinator)?;
        let offsets = broker.coordinator.groups.get(group).map(|known| known.offsets.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        // An offset below zero is what "none" looks like to a consumer; there are no tombstones here.
        let none = Committed { offset: -1, leader_epoch: -1, metadata: String::new() };
        let records: Vec<GroupRecord> =
            offsets.into_iter().map(|(topic, partition)| GroupRecord::Offset { group: group.to_owned(), topic, partition, offset: none.clone() }).collect();
        if !records.is_empty() {
            self.append_group_records(node, tp, &records).map_err(as_coordinator_error)?;
        }
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.coordinator.groups.remove(group);
        }
        Ok(())
    }
}

fn named_topic(name: TopicName, partitions: &[(i32, Option<Committed>)]) -> OffsetFetchResponseTopics {
    let partition = |(index, committed): &(i32, Option<Committed>)| {
        let answer = OffsetFetchResponsePartitions::default().with_partition_index(*index);
        let (offset, epoch, metadata) = parts(committed.as_ref());
        answer.with_committed_offset(offset).with_committed_leader_epoch(epoch).with_metadata(Some(metadata))
    };
    OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.iter().map(partition).collect())
}

fn old_topic(name: TopicName, partitions: &[(i32, Option<Committed>)], version: i16, error: i16) -> OffsetFetchResponseTopic {
    let partition = |(index, committed): &(i32, Option<Committed>)| {
        let answer = OffsetFetchResponsePartition::default().with_partition_index(*index).with_error_code(error);
        let (offset, epoch, metadata) = parts(committed.as_ref());
        answer.with_committed_offset(offset).with_committed_leader_epoch(if version >= 5 { epoch } else { -1 }).with_metadata(Some(metadata))
    };
    OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.iter().map(partition).collect())
}

fn parts(committed: Option<&Committed>) -> (i64, i32, StrBytes) {
    committed.map_or((-1, -1, StrBytes::default()), |committed| (committed.offset, committed.leader_epoch, text(&committed.metadata)))
}
