//! Steps a model from one wake-up to the next and keeps what it said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Request, StrBytes};

use super::super::image::NodeId;
use super::super::pending::{ConnectionId, Effect};
use super::super::records::batch_of;
use super::super::{ClusterState, Command, Input, Model, ModelConfig};
use crate::wire::{ResponseHeader, api};

pub(super) struct Driver {
    pub(super) model: Model,
    pub(super) now: Duration,
    answers: BTreeMap<ConnectionId, Vec<Bytes>>,
    pub(super) closed: BTreeSet<ConnectionId>,
    pub(super) listening: BTreeSet<NodeId>,
    /// Everything that came out, with its time: two runs of a seed must agree.
    pub(super) trace: Vec<String>,
    next_connection: ConnectionId,
}

/// A request that was sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) connection: ConnectionId,
    key: i16,
    version: i16,
}

impl Driver {
    /// Three brokers, healthy; topic `t` with one partition on all three and min ISR 2.
    pub(super) fn new(config: ModelConfig) -> Self {
        let mut driver = Driver {
            model: Model::new(config),
            now: Duration::ZERO,
            answers: BTreeMap::new(),
            closed: BTreeSet::new(),
            listening: BTreeSet::new(),
            trace: Vec::new(),
            next_connection: 0,
        };
        for node in 1..=3 {
            driver.command(Command::AddBroker { node, host: "127.0.0.1".to_owned(), port: 9_000 + node as u16 });
        }
        driver.until(ClusterState::is_healthy);
        driver.command(Command::CreateTopic { name: "t".to_owned(), partitions: 1, replication_factor: 3, min_isr: Some(2) });
        driver.until(|state| state.partition("t", 0).is_some_and(|partition| partition.leader_ready));
        driver.run(Duration::from_millis(50));
        driver
    }

    pub(super) fn command(&mut self, command: Command) {
        self.model.handle(self.now, Input::Command(command)).unwrap();
        self.drain();
    }

    /// Lets `time` pass, wake-up by wake-up.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        while let Some(at) = self.model.next_wakeup().filter(|&at| at <= end) {
            self.now = at;
            self.model.advance(at);
            self.drain();
        }
        self.now = end;
        self.model.advance(end);
    }

    /// Lets time pass until it is so; fails after a minute of virtual time.
    pub(super) fn until(&mut self, is_so: impl Fn(&ClusterState) -> bool) -> ClusterState {
        let limit = self.now + Duration::from_secs(60);
        loop {
            let state = self.model.snapshot();
            if is_so(&state) {
                return state;
            }
            let at = self.model.next_wakeup().filter(|&at| at <= limit).unwrap_or_else(|| panic!("not so by {limit:?}: {state:#?}"));
            self.now = at;
            self.model.advance(at);
            self.drain();
        }
    }

    pub(super) fn leader(&self) -> NodeId {
        self.model.snapshot().partition("t", 0).unwrap().leader
    }

    /// Another broker than the leader of `t`.
    pub(super) fn followers(&self) -> Vec<NodeId> {
        (1..=3).filter(|&node| node != self.leader()).collect()
    }

    pub(super) fn connect(&mut self, node: NodeId) -> ConnectionId {
        self.next_connection += 1;
        let connection = self.next_connection;
        self.model.handle(self.now, Input::Connected { node, connection, host: "/127.0.0.1".to_owned() }).unwrap();
        self.drain();
        connection
    }

    pub(super) fn send<R: Request>(&mut self, connection: ConnectionId, version: i16, request: &R) -> Sent {
        let mut frame = BytesMut::new();
        frame.put_i16(R::KEY);
        frame.put_i16(version);
        frame.put_i32(7);
        frame.put_i16(-1);
        if api::request_header_version(R::KEY, version) >= 2 {
            frame.put_u8(0);
        }
        request.encode(&mut frame, version).unwrap();
        self.model.handle(self.now, Input::Request { connection, frame: frame.freeze() }).unwrap();
        self.drain();
        Sent { connection, key: R::KEY, version }
    }

    /// The oldest answer of the connection that was not taken yet.
    pub(super) fn answer<T: Decodable>(&mut self, sent: Sent) -> Option<T> {
        let answers = self.answers.get_mut(&sent.connection)?;
        if answers.is_empty() {
            return None;
        }
        let frame = answers.remove(0);
        let header = ResponseHeader::parse(&frame[4..], sent.key, sent.version).unwrap();
        assert_eq!(header.correlation_id, 7);
        let mut body = frame.slice(4 + header.body..);
        let answer = T::decode(&mut body, sent.version).unwrap();
        assert!(body.is_empty(), "nothing is left behind the answer");
        Some(answer)
    }

    /// Sends, lets time pass until the answer comes (a minute at most), and returns it.
    pub(super) fn ask<R: Request>(&mut self, node: NodeId, version: i16, request: &R) -> R::Response {
        let connection = self.connect(node);
        let sent = self.send(connection, version, request);
        let limit = self.now + Duration::from_secs(60);
        while self.now < limit {
            if let Some(answer) = self.answer(sent) {
                return answer;
            }
            self.run(Duration::from_millis(1));
        }
        panic!("no answer; connection closed: {}", self.closed.contains(&connection));
    }

    pub(super) fn produce(&mut self, node: NodeId, acks: i16, records: Bytes) -> PartitionProduceResponse {
        produced(&self.ask(node, 10, &produce_request(acks, records)))
    }

    /// Values that a consumer can read from this broker, or the error.
    pub(super) fn fetch(&mut self, node: NodeId, offset: i64) -> Result<Vec<Bytes>, i16> {
        let response = self.ask(node, 11, &fetch_request(offset, 0));
        let partition = &response.responses[0].partitions[0];
        if partition.error_code != 0 {
            return Err(partition.error_code);
        }
        Ok(values(partition.records.as_ref().unwrap()))
    }

    /// What a consumer could read at the end.
    pub(super) fn stored(&self) -> Vec<Bytes> {
        self.model.committed("t", 0).iter().flat_map(|batch| values(&batch.bytes)).collect()
    }

    fn drain(&mut self) {
        while let Some(effect) = self.model.next_effect() {
            self.trace.push(format!("{:?} {effect:?}", self.now));
            match effect {
                Effect::Respond { connection, frame } => self.answers.entry(connection).or_default().push(frame),
                Effect::NoResponse { .. } => {}
                Effect::Close { connection } => {
                    self.closed.insert(connection);
                }
                Effect::Listen { node } => {
                    self.listening.insert(node);
                }
                Effect::Unlisten { node } => {
                    self.listening.remove(&node);
                }
            }
        }
    }
}

pub(super) fn one(value: &str) -> Bytes {
    batch_of(&[(None, value.as_bytes())], 1_000, None)
}

/// A numbered batch of one record: producer 5.
pub(super) fn numbered(epoch: i16, sequence: i32, value: &str) -> Bytes {
    batch_of(&[(None, value.as_bytes())], 1_000, Some((5, epoch, sequence)))
}

pub(super) fn produce_request(acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic()).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

pub(super) fn produced(response: &ProduceResponse) -> PartitionProduceResponse {
    response.responses[0].partition_responses[0].clone()
}

pub(super) fn fetch_request(offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_partition(0).with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topics = vec![FetchTopic::default().with_topic(topic()).with_partitions(vec![partition])];
    FetchRequest::default().with_session_epoch(-1).with_max_wait_ms(max_wait_ms).with_min_bytes(1).with_max_bytes(1 << 20).with_topics(topics)
}

pub(super) fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

pub(super) fn fetched(response: &FetchResponse) -> Vec<Bytes> {
    response.responses.iter().flat_map(|topic| &topic.partitions).flat_map(|partition| values(partition.records.as_ref().unwrap())).collect()
}

/// The values of concatenated batches.
fn values(bytes: &Bytes) -> Vec<Bytes> {
    let mut rest = bytes.clone();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let length = 12 + i32::from_be_bytes(rest[8..12].try_into().unwrap()) as usize;
        let batch = rest.split_to(length);
        all.extend(super::super::records::records_of(&batch).unwrap().into_iter().filter_map(|(_, value)| value));
    }
    all
}
