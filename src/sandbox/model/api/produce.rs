//! Produce and InitProducerId (`ReplicaManager.appendRecords`, `DelayedProduce`).

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::{LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{BrokerId, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse};

use super::super::Model;
use super::super::batch;
use super::super::broker::ProducerIds;
use super::super::event::LifeStep;
use super::super::image::{NodeId, Tp};
use super::super::pending::{Pending, PendingId, PendingProduce, Reply, Slot, Waits};
use super::super::producers::Sequenced;
use super::super::replica::{Replica, Role, Waiter};
use super::super::requests::{Answer, decode, now};
use super::{code, find_topic, text};

const ACKS_ALL: i16 = -1;

/// An accepted batch: where it is, and what the high watermark must reach for acks=-1.
struct Appended {
    base_offset: i64,
    /// -1 for what was appended, since topics have `CreateTime`; a duplicate is answered with its records' time (`UnifiedLog.append`).
    log_append_time_ms: i64,
    log_start: i64,
    required: i64,
}

impl Model {
    pub(super) fn produce(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: ProduceRequest = decode(reply, body)?;
        let acks = request.acks;
        let mut response = ProduceResponse::default();
        let mut slots = Vec::new();
        let mut required = Vec::new();
        for (topic_at, topic) in request.topic_data.iter().enumerate() {
            let mut answers = Vec::new();
            for (at, data) in topic.partition_data.iter().enumerate() {
                let image = &self.brokers.get(&node)?.image;
                let tp = find_topic(image, &topic.name, topic.topic_id).map(|topic| Tp { topic: topic.id, partition: data.index });
                let transactional = request.transactional_id.is_some();
                let outcome = tp.and_then(|tp| {
                    self.append(node, tp, acks, reply.version, data.records.as_deref().unwrap_or_default(), transactional).map(|done| (tp, done))
                });
                let mut answer = PartitionProduceResponse::default().with_index(data.index).with_error_code(code(&outcome)).with_base_offset(-1);
                if let Ok((tp, done)) = &outcome {
                    answer = answer.with_base_offset(done.base_offset).with_log_append_time_ms(done.log_append_time_ms);
                    if reply.version >= 5 {
                        answer = answer.with_log_start_offset(done.log_start);
                    }
                    slots.push(Slot { tp: *tp, at: (topic_at, at), waiting: true });
                    required.push(done.required);
                }
                answers.push(answer);
            }
            let named = TopicProduceResponse::default().with_partition_responses(answers);
            response.responses.push(if reply.version >= 13 { named.with_topic_id(topic.topic_id) } else { named.with_name(topic.name.clone()) });
        }
        match acks {
            0 => {
                // A client that does not wait learns of an error by losing its connection.
                let failed = response.responses.iter().flat_map(|topic| &topic.partition_responses).any(|partition| partition.error_code != 0);
                Some(if failed { Answer::Close } else { Answer::Nothing })
            }
            ACKS_ALL if !slots.is_empty() => {
                let limit = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
                let waits = slots.clone();
                let pending = self.keep(node, limit, Pending::Produce(PendingProduce { reply, response, slots }));
                for ((slot, waiting), required) in waits.iter().enumerate().zip(required) {
                    self.wait_for(node, waiting.tp, required, Waits::Produce { pending, slot });
                }
                Some(Answer::Waits)
            }
            _ => {
                self.tell_leaders(node, reply.version, &mut response);
                now(reply, &response)
            }
        }
    }

    /// Appends a client's batch as this broker believes it may.
    fn append(&mut self, node: NodeId, tp: Tp, acks: i16, version: i16, records: &[u8], transactional: bool) -> Result<Appended, ResponseError> {
        if !matches!(acks, -1..=1) {
            return Err(ResponseError::InvalidRequiredAcks);
        }
        let message_bytes_max = self.config.message_bytes_max;
        let header = batch::check(records, version, message_bytes_max)?;
        if transactional || header.is_transactional() {
            // There are no transactions here; a client cannot get this far (FindCoordinator and InitProducerId refuse it).
            return Err(ResponseError::InvalidTxnState);
        }
        let broker = self.brokers.get_mut(&node).ok_or(ResponseError::UnknownServerError)?;
        let topic = broker.image.topic(tp.topic).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let min_isr = topic.min_isr;
        broker.image.partition(tp).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let replica = broker.replicas.get_mut(&tp).ok_or(ResponseError::NotLeaderOrFollower)?;
        let Replica { log, role: Role::Leader(leader), .. } = replica else {
            return Err(ResponseError::NotLeaderOrFollower);
        };
        if acks == ACKS_ALL && leader.isr.len() < leader.effective_min_isr(min_isr) {
            return Err(ResponseError::NotEnoughReplicas);
        }
        let log_start = log.start_offset();
        if header.has_producer_id()
            && let Sequenced::Duplicate { base_offset, next_offset } = log.producers.check(&header)?
        {
            return Ok(Appended { base_offset, log_append_time_ms: header.max_timestamp, log_start, required: next_offset });
        }
        let epoch = leader.epoch;
        let base_offset = log.append_as_leader(records, epoch);
        let required = log.end_offset();
        self.appended(node, tp);
        Ok(Appended { base_offset, log_append_time_ms: -1, log_start, required })
    }

    /// Waits until the high watermark of a partition that this broker leads reaches `required`.
    pub(in super::super) fn wait_for(&mut self, node: NodeId, tp: Tp, required: i64, waits: Waits) {
        let reached = self.replica(node, tp).is_some_and(|replica| replica.high_watermark >= required);
        if reached {
            // The ISR may be too small by now; the same test as for those that waited.
            let broker = self.brokers.get(&node);
            let min_isr = broker.and_then(|broker| broker.image.topic(tp.topic)).map_or(1, |topic| topic.min_isr);
            let enough = self.replica(node, tp).and_then(Replica::leader).is_some_and(|leader| leader.isr.len() >= leader.effective_min_isr(min_isr));
            self.waited(node, &waits, if enough { Ok(()) } else { Err(ResponseError::NotEnoughReplicasAfterAppend) });
        } else if let Some(leader) = self.replica_mut(node, tp).and_then(Replica::leader_mut) {
            leader.waiters.push(Waiter { required, waits });
        } else {
            self.waited(node, &waits, Err(ResponseError::NotLeaderOrFollower));
        }
    }

    pub(in super::super) fn produce_waited(&mut self, node: NodeId, id: PendingId, slot: usize, outcome: Result<(), ResponseError>) {
        let Some(Pending::Produce(produce)) = self.brokers.get_mut(&node).and_then(|broker| broker.pending.get_mut(&id)) else {
            return;
        };
        settle(produce, slot, outcome.err());
        if produce.slots.iter().all(|slot| !slot.waiting) {
            self.finish_produce(node, id);
        }
    }

    /// Its `timeout_ms` is over: what is in the log stays there, and nobody knows for how long.
    pub(in super::super) fn produce_ends(&mut self, node: NodeId, id: PendingId) {
        if let Some(Pending::Produce(produce)) = self.brokers.get_mut(&node).and_then(|broker| broker.pending.get_mut(&id)) {
            let waiting: Vec<usize> = (0..).zip(&produce.slots).filter(|(_, slot)| slot.waiting).map(|(at, _)| at).collect();
            waiting.into_iter().for_each(|slot| settle(produce, slot, Some(ResponseError::RequestTimedOut)));
            self.finish_produce(node, id);
        }
    }

    fn finish_produce(&mut self, node: NodeId, id: PendingId) {
        if let Some(Pending::Produce(mut produce)) = self.brokers.get_mut(&node).and_then(|broker| broker.pending.remove(&id)) {
            self.tell_leaders(node, produce.reply.version, &mut produce.response);
            self.send(produce.reply, &produce.response);
        }
    }

    /// Beside NOT_LEADER_OR_FOLLOWER a broker says who leads, as far as it knows (KIP-951).
    fn tell_leaders(&self, node: NodeId, version: i16, response: &mut ProduceResponse) {
        let Some(broker) = self.brokers.get(&node).filter(|_| version >= 10) else {
            return;
        };
        let mut leaders = BTreeSet::new();
        for topic in &mut response.responses {
            let known = find_topic(&broker.image, &topic.name, topic.topic_id).map(|topic| topic.id);
            for partition in &mut topic.partition_responses {
                if partition.error_code != ResponseError::NotLeaderOrFollower.code() {
                    continue;
                }
                if let Ok(id) = known
                    && let Some(image) = broker.image.partition(Tp { topic: id, partition: partition.index })
                {
                    partition.current_leader = LeaderIdAndEpoch::default().with_leader_id(BrokerId(image.leader)).with_leader_epoch(image.leader_epoch);
                    leaders.insert(image.leader);
                }
            }
        }
        let endpoint = |leader: &super::super::image::BrokerImage| {
            NodeEndpoint::default().with_node_id(BrokerId(leader.id)).with_host(text(&leader.host)).with_port(i32::from(leader.port))
        };
        response.node_endpoints = leaders.into_iter().filter_map(|leader| broker.image.alive(leader)).map(endpoint).collect();
    }

    pub(super) fn init_producer_id(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: InitProducerIdRequest = decode(reply, body)?;
        let response = InitProducerIdResponse::default();
        if request.transactional_id.is_some() {
            return now(reply, &response.with_error_code(ResponseError::TransactionalIdAuthorizationFailed.code()));
        }
        let broker = self.brokers.get_mut(&node)?;
        match broker.producer_ids {
            ProducerIds::Here => {
                let id = self.next_producer_id;
                self.next_producer_id += 1;
                now(reply, &response.with_producer_id(id.into()).with_producer_epoch(0))
            }
            // A fresh broker has no ids yet and asks the controller for some.
            state @ (ProducerIds::None | ProducerIds::Asked) => {
                broker.producer_ids = ProducerIds::Asked;
                if state == ProducerIds::None {
                    self.plan_life(node, self.config.controller_delay, LifeStep::ProducerIdsHere);
                }
                now(reply, &response.with_error_code(ResponseError::CoordinatorLoadInProgress.code()).with_producer_id((-1).into()).with_producer_epoch(-1))
            }
        }
    }
}

fn settle(produce: &mut PendingProduce, slot: usize, error: Option<ResponseError>) {
    let Some(slot) = produce.slots.get_mut(slot).filter(|slot| slot.waiting) else {
        return;
    };
    slot.waiting = false;
    let (topic, partition) = slot.at;
    let answer = produce.response.responses.get_mut(topic).and_then(|topic| topic.partition_responses.get_mut(partition));
    if let (Some(answer), Some(error)) = (answer, error) {
        answer.error_code = error.code();
        answer.base_offset = -1;
        answer.log_start_offset = -1;
    }
}
