//! Fetch by consumers (`ReplicaManager.fetchMessages`, `DelayedFetch`): from the leader, or with v11 and later from a follower.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};

use super::super::Model;
use super::super::broker::Broker;
use super::super::image::{BrokerImage, NodeId, Tp};
use super::super::pending::{Pending, PendingFetch, PendingId, Reply};
use super::super::replica::{Replica, Role};
use super::super::requests::{Answer, decode, now};
use super::{find_topic, text};

/// The first version in which a follower serves a consumer (KIP-392).
const FOLLOWERS_SINCE: i16 = 11;
const LEADERS_TOLD_SINCE: i16 = 16;
const READ_COMMITTED: i8 = 1;

/// What a Fetch finds now.
struct Found {
    response: FetchResponse,
    bytes: usize,
    /// An error, or logs that part: told at once.
    urgent: bool,
}

impl Model {
    pub(super) fn fetch(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let mut request: FetchRequest = decode(reply, body)?;
        if request.replica_id.0 >= 0 || request.replica_state.replica_id.0 >= 0 {
            return Some(Answer::Close);
        }
        let fresh_id = self.rng.i32(1..);
        let broker = self.brokers.get_mut(&node)?;
        if let Err(error) = broker.sessions.resolve(&mut request, reply.version, fresh_id) {
            return now(reply, &FetchResponse::default().with_error_code(error.code()));
        }
        let found = self.read(node, reply.version, &request)?;
        let max_wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let enough = found.bytes >= usize::try_from(request.min_bytes).unwrap_or(0);
        if enough || found.urgent || max_wait.is_zero() || request.topics.is_empty() {
            let response = self.filtered(node, &request, found.response);
            return now(reply, &response);
        }
        let broker = self.brokers.get(&node)?;
        let tp = |name, id, partition| find_topic(&broker.image, name, id).ok().map(|topic| Tp { topic: topic.id, partition });
        let tps: Vec<Tp> =
            request.topics.iter().flat_map(|topic| topic.partitions.iter().filter_map(|asked| tp(&topic.topic, topic.topic_id, asked.partition))).collect();
        let deadline = self.now + max_wait;
        let pending = self.keep(node, max_wait, Pending::Fetch(Box::new(PendingFetch { reply, request, tps: tps.clone(), deadline })));
        for tp in tps {
            if let Some(replica) = self.replica_mut(node, tp) {
                replica.fetches.insert(pending);
            }
        }
        Some(Answer::Waits)
    }

    /// Something may have become visible: Fetches that wait for the partition look again.
    pub(in super::super) fn wake_fetches(&mut self, node: NodeId, tp: Tp) {
        let waiting: Vec<PendingId> = self.replica(node, tp).map(|replica| replica.fetches.iter().copied().collect()).unwrap_or_default();
        for id in waiting {
            let Some(Pending::Fetch(fetch)) = self.brokers.get(&node).and_then(|broker| broker.pending.get(&id)) else {
                continue;
            };
            let min_bytes = usize::try_from(fetch.request.min_bytes).unwrap_or(0);
            if self.read(node, fetch.reply.version, &fetch.request).is_none_or(|found| found.urgent || found.bytes >= min_bytes) {
                self.fetch_ends(node, id);
            }
        }
    }

    /// Answers a Fetch that waited, with whatever is there.
    pub(in super::super) fn fetch_ends(&mut self, node: NodeId, id: PendingId) {
        let Some(Pending::Fetch(fetch)) = self.brokers.get_mut(&node).and_then(|broker| broker.pending.remove(&id)) else {
            return;
        };
        for tp in &fetch.tps {
            if let Some(replica) = self.replica_mut(node, *tp) {
                replica.fetches.remove(&id);
            }
        }
        match self.read(node, fetch.reply.version, &fetch.request) {
            Some(found) => {
                let response = self.filtered(node, &fetch.request, found.response);
                self.send(fetch.reply, &response);
            }
            None => self.close(fetch.reply.connection),
        }
    }

    fn filtered(&mut self, node: NodeId, request: &FetchRequest, mut response: FetchResponse) -> FetchResponse {
        if let Some(broker) = self.brokers.get_mut(&node) {
            broker.sessions.filter(request, &mut response);
        }
        response
    }

    fn read(&self, node: NodeId, version: i16, request: &FetchRequest) -> Option<Found> {
        let broker = self.brokers.get(&node)?;
        let mut found = Found { response: FetchResponse::default(), bytes: 0, urgent: false };
        let mut leaders = BTreeSet::new();
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0);
        for topic in &request.topics {
            let image = find_topic(&broker.image, &topic.topic, topic.topic_id);
            let mut answer = FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_topic_id(topic.topic_id);
            for asked in &topic.partitions {
                let tp = image.map(|topic| Tp { topic: topic.id, partition: asked.partition });
                let outcome = tp.and_then(|tp| read_partition(broker, tp, version, asked, max_bytes.saturating_sub(found.bytes), found.bytes == 0));
                let blank = PartitionData::default().with_partition_index(asked.partition).with_high_watermark(-1);
                let mut data = match outcome {
                    Ok(data) => data,
                    Err(error) => {
                        let tells = version >= LEADERS_TOLD_SINCE && matches!(error, ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch);
                        let leader = tp.ok().and_then(|tp| broker.image.partition(tp)).filter(|_| tells);
                        let known =
                            leader.map(|image| LeaderIdAndEpoch::default().with_leader_id(BrokerId(image.leader)).with_leader_epoch(image.leader_epoch));
                        leaders.extend(leader.map(|image| image.leader));
                        blank.with_error_code(error.code()).with_current_leader(known.unwrap_or_default())
                    }
                };
                data.aborted_transactions = (request.isolation_level == READ_COMMITTED).then(Vec::new);
                found.bytes += data.records.as_ref().map_or(0, Bytes::len);
                found.urgent |= data.error_code != 0 || data.diverging_epoch.epoch >= 0;
                answer.partitions.push(data);
            }
            found.response.responses.push(answer);
        }
        let endpoint =
            |leader: &BrokerImage| NodeEndpoint::default().with_node_id(BrokerId(leader.id)).with_host(text(&leader.host)).with_port(i32::from(leader.port));
        found.response.node_endpoints = leaders.into_iter().filter_map(|leader| broker.image.alive(leader)).map(endpoint).collect();
        Some(found)
    }
}

/// The replica that may answer, as this broker believes; the client's leader epoch (-1: none) is compared with the broker's.
pub(super) fn readable(broker: &Broker, tp: Tp, client_epoch: i32, leader_only: bool) -> Result<&Replica, ResponseError> {
    let image = broker.image.partition(tp).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let replica = broker.replicas.get(&tp).ok_or(ResponseError::NotLeaderOrFollower)?;
    if client_epoch >= 0 && client_epoch < image.leader_epoch {
        return Err(ResponseError::FencedLeaderEpoch);
    }
    if client_epoch > image.leader_epoch {
        return Err(ResponseError::UnknownLeaderEpoch);
    }
    match replica.role {
        Role::Follower(_) | Role::Offline if leader_only => Err(ResponseError::NotLeaderOrFollower),
        Role::Leader(_) | Role::Follower(_) | Role::Offline => Ok(replica),
    }
}

fn read_partition(broker: &Broker, tp: Tp, version: i16, asked: &FetchPartition, bytes_left: usize, first: bool) -> Result<PartitionData, ResponseError> {
    let replica = readable(broker, tp, asked.current_leader_epoch, version < FOLLOWERS_SINCE)?;
    let log = &replica.log;
    let data = PartitionData::default()
        .with_partition_index(asked.partition)
        .with_high_watermark(replica.high_watermark)
        .with_last_stable_offset(replica.high_watermark)
        .with_log_start_offset(if version >= 5 { log.start_offset() } else { -1 });
    if asked.last_fetched_epoch >= 0 {
        let (epoch, end_offset) = log.end_offset_for_epoch(asked.last_fetched_epoch).unwrap_or((-1, -1));
        if epoch >= 0 && (epoch < asked.last_fetched_epoch || end_offset < asked.fetch_offset) {
            return Ok(data.with_diverging_epoch(EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset)));
        }
    }
    if asked.fetch_offset < log.start_offset() || asked.fetch_offset > log.end_offset() {
        return Err(ResponseError::OffsetOutOfRange);
    }
    let most = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(bytes_left);
    Ok(data.with_records(Some(log.read_bytes(asked.fetch_offset, replica.high_watermark, most, first))))
}
