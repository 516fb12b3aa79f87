//! What peeking and patching cost, beside decoding and encoding the same with kafka-protocol in the same run.
//!
//! `cargo bench --bench protocol`; the ratios are printed at the end.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "the bytes are made here, and the ratios are for a person")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::Criterion;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{FetchResponse, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use leeward::protocol::patch::{Addresses, Head, ResponseWalk, Step, head};
use leeward::protocol::peek::peek;
use leeward::protocol::schema::check_response;

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;

struct Three;

impl Addresses for Three {
    fn virtual_broker(&self, node_id: i32) -> Option<(&str, u16)> {
        Some(("leeward.example", 20_000 + node_id as u16))
    }
}

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

fn frame(header: &[u8], message: &impl Encodable, version: i16) -> Bytes {
    let mut out = BytesMut::from(&[&[0; 4], header].concat()[..]);
    message.encode(&mut out, version).unwrap();
    let length = out.len() as u32 - 4;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.freeze()
}

fn produce_request(version: i16) -> Bytes {
    let partition = PartitionProduceData::default().with_records(Some(Bytes::from(vec![7; 1024])));
    let topic = TopicProduceData::default().with_name(topic()).with_partition_data(vec![partition]);
    let header = RequestHeader::default().with_request_api_version(version).with_client_id(Some(StrBytes::from_static_str("producer-1")));
    let mut head = BytesMut::new();
    header.encode(&mut head, if version >= 9 { 2 } else { 1 }).unwrap();
    frame(&head, &ProduceRequest::default().with_acks(1).with_timeout_ms(30_000).with_topic_data(vec![topic]), version)
}

fn produce_response(version: i16, partitions: i32) -> Bytes {
    let partition = |index| PartitionProduceResponse::default().with_index(index).with_base_offset(99);
    let topic = TopicProduceResponse::default().with_name(topic()).with_partition_responses((0..partitions).map(partition).collect());
    frame(&[0, 0, 0, 7, 0], &ProduceResponse::default().with_responses(vec![topic]), version)
}

fn fetch_response(version: i16, records: usize) -> Bytes {
    let partition = PartitionData::default().with_high_watermark(5).with_records(Some(Bytes::from(vec![7; records])));
    let topic = FetchableTopicResponse::default().with_topic(topic()).with_partitions(vec![partition]);
    frame(&[0, 0, 0, 7, 0], &FetchResponse::default().with_responses(vec![topic]), version)
}

/// Three brokers, ten topics of a hundred partitions.
fn metadata(version: i16) -> Bytes {
    let broker = |id: i32| MetadataResponseBroker::default().with_node_id(id.into()).with_host(StrBytes::from_static_str("kafka.internal")).with_port(9092);
    let partition = |index| {
        let nodes = || vec![1.into(), 2.into(), 3.into()];
        MetadataResponsePartition::default().with_partition_index(index).with_leader_id(1.into()).with_replica_nodes(nodes()).with_isr_nodes(nodes())
    };
    let topic = |_| MetadataResponseTopic::default().with_name(Some(topic())).with_partitions((0..100).map(partition).collect());
    frame(&[0, 0, 0, 7, 0], &MetadataResponse::default().with_brokers((1..=3).map(broker).collect()).with_topics((0..10).map(topic).collect()), version)
}

fn patch_metadata(frame: &[u8], version: i16) -> usize {
    let Ok(Head::Replace { taken, with, .. }) = head(METADATA, version, frame, frame.len() - 4, &Three) else { panic!("not patched") };
    taken + with.len()
}

fn recode_metadata(frame: &Bytes, version: i16) -> usize {
    let mut message = MetadataResponse::decode(&mut frame.slice(9..), version).unwrap();
    for broker in &mut message.brokers {
        broker.host = StrBytes::from_static_str("leeward.example");
        broker.port = 20_000 + broker.node_id.0;
    }
    let mut out = BytesMut::with_capacity(frame.len() + 64);
    message.encode(&mut out, version).unwrap();
    out.len()
}

fn walk(api_key: i16, version: i16, frame: &[u8]) -> usize {
    let mut errors = 0;
    let mut walk = ResponseWalk::new(api_key, version, frame.len() - 4).unwrap();
    let Ok(Step::Tail { pass, with: None }) = walk.advance(&frame[4..], &Three, &mut |_| errors += 1) else { panic!("not walked") };
    pass + errors
}

/// Nanoseconds for one call, the best of many rounds.
fn nanos(mut call: impl FnMut() -> usize) -> f64 {
    let round = |call: &mut dyn FnMut() -> usize| {
        const CALLS: u32 = 200;
        let start = Instant::now();
        (0..CALLS).for_each(|_| {
            black_box(call());
        });
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..100).map(|_| round(&mut call)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let mut criterion = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).configure_from_args();
    for version in [7, 12] {
        let request = produce_request(version);
        criterion.bench_function(&format!("peek/produce v{version}"), |b| b.iter(|| peek(black_box(&request[4..]), request.len() - 4)));
    }
    for (name, version, partitions) in [("1 partition", 12, 1), ("1 partition", 7, 1), ("100 partitions", 12, 100)] {
        let header = if version >= 9 { 0 } else { 1 };
        let mut response = produce_response(version, partitions);
        if header == 1 {
            response = Bytes::from([&(response.len() as u32 - 5).to_be_bytes()[..], &response[4..8], &response[9..]].concat());
        }
        criterion.bench_function(&format!("walk/produce v{version}, {name}"), |b| b.iter(|| walk(PRODUCE, version, black_box(&response))));
    }
    for size in [0, 1 << 20] {
        let response = fetch_response(12, size);
        criterion.bench_function(&format!("walk/fetch v12 of {size} B"), |b| b.iter(|| walk(FETCH, 12, black_box(&response))));
    }
    let response = metadata(12);
    criterion.bench_function("metadata of 1,000 partitions/patch", |b| b.iter(|| patch_metadata(black_box(&response), 12)));
    criterion.bench_function("metadata of 1,000 partitions/decode and encode", |b| b.iter(|| recode_metadata(black_box(&response), 12)));
    criterion.bench_function("metadata of 1,000 partitions/check", |b| b.iter(|| check_response(METADATA, 12, black_box(&response[9..]))));

    let (patched, recoded) = (nanos(|| patch_metadata(black_box(&response), 12)), nanos(|| recode_metadata(black_box(&response), 12)));
    println!("metadata of 1,000 partitions: patch {patched:.0} ns, decode and encode {recoded:.0} ns, ratio {:.4} (aim: under 0.25)", patched / recoded);
    let request = produce_request(12);
    let peeked = nanos(|| peek(black_box(&request[4..]), request.len() - 4).unwrap().unwrap().produce.unwrap().acks_at);
    println!("produce header to acks: {peeked:.1} ns (aim: under 50)");
    let response = produce_response(12, 1);
    println!("walk over a produce response of 1 partition: {:.1} ns (aim: under 100)", nanos(|| walk(PRODUCE, 12, black_box(&response))));
    criterion.final_summary();
}
