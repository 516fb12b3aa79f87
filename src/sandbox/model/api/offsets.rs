//! ListOffsets and OffsetForLeaderEpoch (`Partition.fetchOffsetForTimestamp`, `Partition.lastOffsetForLeaderEpoch`).

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use uuid::Uuid;

use super::super::Model;
use super::super::broker::Broker;
use super::super::image::{NodeId, Tp};
use super::super::pending::Reply;
use super::super::replica::Replica;
use super::super::requests::{Answer, decode, now};
use super::fetch::readable;
use super::{code, find_topic};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// An offset, its timestamp (-1 where none was asked for) and its epoch.
type Listed = (i64, i64, i32);

impl Model {
    pub(super) fn list_offsets(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: ListOffsetsRequest = decode(reply, body)?;
        let broker = self.brokers.get(&node)?;
        let mut response = ListOffsetsResponse::default();
        for topic in &request.topics {
            let id = find_topic(&broker.image, &topic.name, Uuid::nil()).map(|topic| topic.id);
            let answer = |asked: &kafka_protocol::messages::list_offsets_request::ListOffsetsPartition| {
                let tp = id.map(|topic| Tp { topic, partition: asked.partition_index });
                let outcome = tp.and_then(|tp| list(broker, tp, asked.current_leader_epoch, asked.timestamp, reply.version));
                let (offset, timestamp, epoch) = outcome.as_ref().copied().unwrap_or((-1, -1, -1));
                let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index).with_error_code(code(&outcome));
                answer.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(if reply.version >= 4 { epoch } else { -1 })
            };
            let partitions = topic.partitions.iter().map(answer).collect();
            response.topics.push(ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        now(reply, &response)
    }

    pub(super) fn offset_for_leader_epoch(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: OffsetForLeaderEpochRequest = decode(reply, body)?;
        let broker = self.brokers.get(&node)?;
        let mut response = OffsetForLeaderEpochResponse::default();
        for topic in &request.topics {
            let id = find_topic(&broker.image, &topic.topic, Uuid::nil()).map(|topic| topic.id);
            let answer = |asked: &kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition| {
                let tp = id.map(|topic| Tp { topic, partition: asked.partition });
                let outcome = tp.and_then(|tp| readable(broker, tp, asked.current_leader_epoch, true));
                let known = outcome.as_ref().ok().and_then(|replica| replica.log.end_offset_for_epoch(asked.leader_epoch));
                let (epoch, end_offset) = known.unwrap_or((-1, -1));
                let answer = EpochEndOffset::default().with_partition(asked.partition).with_error_code(code(&outcome));
                answer.with_leader_epoch(epoch).with_end_offset(end_offset)
            };
            let partitions = topic.partitions.iter().map(answer).collect();
            response.topics.push(OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions));
        }
        now(reply, &response)
    }
}

fn list(broker: &Broker, tp: Tp, client_epoch: i32, timestamp: i64, version: i16) -> Result<Listed, ResponseError> {
    let replica = readable(broker, tp, client_epoch, true)?;
    let log = &replica.log;
    match timestamp {
        EARLIEST | EARLIEST_LOCAL => Ok((log.start_offset(), -1, log.epoch_at(log.start_offset()))),
        LATEST_TIERED => Ok((-1, -1, -1)),
        LATEST => latest(replica, version).map(|end| (end, -1, replica.epoch().unwrap_or(-1))),
        MAX_TIMESTAMP => {
            let newest = log.batches().filter(|stored| stored.header.next_offset() <= replica.high_watermark).max_by_key(|stored| stored.header.max_timestamp);
            Ok(newest.map_or((-1, -1, -1), |stored| (stored.header.next_offset() - 1, stored.header.max_timestamp, stored.header.leader_epoch)))
        }
        at => {
            let found = log.offset_for_timestamp(at, latest(replica, version)?);
            Ok(found.map_or((-1, -1, -1), |header| (header.base_offset, header.max_timestamp, header.leader_epoch)))
        }
    }
}

/// The high watermark; a new leader whose watermark has not reached its own beginning does not know it yet (KIP-207).
fn latest(replica: &Replica, version: i16) -> Result<i64, ResponseError> {
    match replica.leader() {
        Some(leader) if replica.high_watermark < leader.epoch_start => {
            Err(if version >= 5 { ResponseError::OffsetNotAvailable } else { ResponseError::LeaderNotAvailable })
        }
        Some(_) | None => Ok(replica.high_watermark),
    }
}
