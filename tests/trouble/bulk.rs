//! Answers of consumers that are larger than any buffer, whole and cut.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use kafka_protocol::messages::{FetchResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use leeward::sandbox::{Fault, Sandbox};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::leeward::{Leeward, PATIENCE};
use crate::wire::{Wire, request};

pub(crate) const RECORD_BYTES: usize = 900_000;
const TOPIC: &str = "bulk";
const FETCH: i16 = 1;
const FETCH_VERSION: i16 = 11;

/// Stores so many large records in one partition; gives the virtual broker of its leader.
pub(crate) fn store(leeward: &Leeward, sandbox: &Sandbox, runtime: &tokio::runtime::Runtime, records: usize) -> SocketAddr {
    runtime.block_on(sandbox.create_topic(TOPIC, 1, 3, 1)).unwrap();
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", leeward.bootstrap.to_string()).set("linger.ms", "0").create().unwrap();
    let record = vec![b'x'; RECORD_BYTES];
    for _ in 0..records {
        runtime.block_on(producer.send(FutureRecord::<(), _>::to(TOPIC).payload(&record).partition(0), PATIENCE)).unwrap();
    }
    leeward.broker(u16::try_from(leader(sandbox)).unwrap())
}

fn leader(sandbox: &Sandbox) -> i32 {
    sandbox.state().partition(TOPIC, 0).unwrap().leader
}

/// A Fetch of everything that is stored.
pub(crate) fn fetch(id: i32) -> Vec<u8> {
    let all = i32::MAX / 2;
    let partition = FetchPartition::default().with_partition(0).with_fetch_offset(0).with_partition_max_bytes(all);
    let topic = FetchTopic::default().with_topic(TopicName(StrBytes::from_static_str(TOPIC))).with_partitions(vec![partition]);
    let fetch = FetchRequest::default().with_max_wait_ms(0).with_min_bytes(1).with_max_bytes(all).with_topics(vec![topic]);
    let mut body = BytesMut::new();
    fetch.encode(&mut body, FETCH_VERSION).unwrap();
    request(FETCH, FETCH_VERSION, id, &body)
}

/// The error of its one partition and the bytes of its records.
fn fetched(frame: Vec<u8>) -> (i16, usize) {
    let answer = FetchResponse::decode(&mut Bytes::from(frame).slice(4..), FETCH_VERSION).unwrap();
    let partition = &answer.responses[0].partitions[0];
    (partition.error_code, partition.records.as_ref().map_or(0, Bytes::len))
}

#[test]
fn inside_a_window_a_large_answer_that_is_cut_is_nothing_to_the_consumer() {
    const RECORDS: usize = 4;
    const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    let mut wire = Wire::connect(store(&leeward, &sandbox, &runtime, RECORDS));
    leeward.open_window();
    for (id, after) in (1..).zip([9, 300_000, 1_000_000, RECORDS * RECORD_BYTES]) {
        sandbox.inject(leader(&sandbox), Fault::ResetInResponse { api_key: Some(FETCH), after });
        wire.send(&fetch(id));
        let (code, records) = fetched(wire.frame().unwrap_or_else(|| panic!("the connection ended with the answer that was cut after {after} bytes")));
        assert_eq!((code, records), (NOT_LEADER_OR_FOLLOWER, 0), "what makes a consumer look for the leader, cut after {after} bytes");
        // It looks for the leader, finds the same, and asks again.
        let whole = std::iter::repeat_with(|| {
            wire.send(&fetch(100 + id));
            fetched(wire.frame().unwrap())
        });
        let (_, records) = whole.take(1_000).find(|(code, _)| *code == 0).unwrap();
        assert!(records > RECORDS * RECORD_BYTES, "{records} bytes");
    }
}

#[test]
fn outside_a_window_a_large_answer_flows_and_ends_with_its_connection() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    let mut wire = Wire::connect(store(&leeward, &sandbox, &runtime, 4));
    sandbox.inject(leader(&sandbox), Fault::ResetInResponse { api_key: Some(FETCH), after: 2_000_000 });
    wire.send(&fetch(1));
    assert!(wire.frame().is_none(), "what has left cannot be taken back");
}
