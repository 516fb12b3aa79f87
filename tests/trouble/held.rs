//! What is held for a client, and what it is told, while every broker is away.

use bytes::BytesMut;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::records::{Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};

use leeward::sandbox::Fault;

use crate::leeward::{Leeward, until};
use crate::wire::{Wire, request};

const TOPIC: &str = "held";

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str(TOPIC))
}

/// Produce v7 with acks=1 and one record.
fn produce(id: i32) -> Vec<u8> {
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 0,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: NO_SEQUENCE,
        timestamp: 0,
        key: None,
        value: Some(id.to_be_bytes().to_vec().into()),
        headers: Default::default(),
    };
    let mut batch = BytesMut::new();
    RecordBatchEncoder::encode(&mut batch, [&record], &RecordEncodeOptions { version: 2, compression: Compression::None }).unwrap();
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch.freeze()));
    let topic = TopicProduceData::default().with_name(name()).with_partition_data(vec![partition]);
    let mut body = BytesMut::new();
    ProduceRequest::default().with_acks(1).with_timeout_ms(600_000).with_topic_data(vec![topic]).encode(&mut body, 7).unwrap();
    request(0, 7, id, &body)
}

#[test]
fn what_is_held_for_a_client_that_has_left_is_dropped_even_while_it_is_not_read() {
    // More than are on their way at once, so that reading is paused when the client leaves.
    const REQUESTS: i32 = 30;
    // Longer than anything here waits: nothing ends a hold but the client's leaving.
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("[guard]\nhold_max = \"5m\"");
    runtime.block_on(sandbox.create_topic(TOPIC, 1, 1, 1)).unwrap();
    leeward.open_window();
    let leader = sandbox.state().partition(TOPIC, 0).unwrap().leader;
    let address = leeward.broker(u16::try_from(leader).unwrap());
    let mut wire = Wire::connect(address);
    wire.send(&produce(0));
    assert!(wire.frame().is_some());
    sandbox.kill(leader).unwrap();
    (1..=REQUESTS).for_each(|id| wire.send(&produce(id)));
    until("requests held", || leeward.metric("leeward_held_requests") >= 5.0);
    drop(wire);
    until("that it left is noticed", || leeward.metric("leeward_held_requests") == 0.0);
    runtime.block_on(sandbox.start_broker(leader)).unwrap();
    // Whoever comes next is served, and what it sends comes right behind what was there before.
    let mut next = Wire::connect(address);
    next.send(&produce(99));
    assert!(next.frame().is_some());
    assert_eq!(sandbox.records(TOPIC, 0).unwrap().len(), 2);
}

#[test]
fn without_any_broker_metadata_names_all_of_them_and_the_last_leaders() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("[guard]\nhold_lookup_max = \"300ms\"");
    runtime.block_on(sandbox.create_topic(TOPIC, 1, 3, 2)).unwrap();
    let mut body = BytesMut::new();
    MetadataRequest::default().with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name()))])).encode(&mut body, 7).unwrap();
    let ask = |wire: &mut Wire| {
        wire.send(&request(3, 7, 5, &body));
        MetadataResponse::decode(&mut bytes::Bytes::from(wire.frame().unwrap()).slice(4..), 7).unwrap()
    };
    let mut wire = Wire::connect(leeward.bootstrap);
    until("the topic, as Leeward knows it", || ask(&mut wire).topics[0].partitions.first().is_some_and(|partition| partition.leader_id.0 > 0));
    // Control reads leaders by itself every refresh_interval.
    until("its leader in Leeward's own picture", || leeward.preflight().contains("acks=all holds"));
    for node in 1..=3 {
        sandbox.kill(node).unwrap();
    }
    until("that they are gone", || leeward.metric("leeward_broker_reachable") == 0.0);
    let answer = ask(&mut wire);
    let mut ports: Vec<i32> = answer.brokers.iter().map(|broker| broker.port - i32::from(leeward.base_port)).collect();
    ports.sort_unstable();
    assert_eq!(ports, [1, 2, 3]);
    assert_eq!((answer.topics[0].error_code, answer.topics[0].partitions[0].error_code), (0, 0), "{answer:?}");
}

#[test]
fn a_batch_that_was_there_already_is_counted_and_one_that_was_not_is_not() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic(TOPIC, 1, 3, 2)).unwrap();
    leeward.open_window();
    until("the topic's configuration", || leeward.preflight().contains("acks=all holds"));
    let leader = sandbox.state().partition(TOPIC, 0).unwrap().leader;
    let mut wire = Wire::connect(leeward.broker(u16::try_from(leader).unwrap()));
    let dropped = || leeward.metric("leeward_duplicates_dropped_total");
    let produce_key = Some(0);
    for (id, fault, was_there) in [
        (1, Fault::DropResponse { api_key: produce_key }, 1.0),
        (2, Fault::ResetOnRequest { api_key: produce_key }, 0.0),
        (3, Fault::ResetInResponse { api_key: produce_key, after: 10 }, 1.0),
    ] {
        let before = (dropped(), leeward.metric("leeward_home_lost_total"));
        sandbox.inject(leader, fault);
        wire.send(&produce(id));
        assert_eq!(wire.frame().unwrap()[..4], id.to_be_bytes());
        assert_eq!(leeward.metric("leeward_home_lost_total"), before.1 + 1.0, "the fault met this request: {fault:?}");
        assert_eq!(dropped() - before.0, was_there, "{fault:?}");
        // The next one goes by its home again, where the fault is.
        until("the home", || {
            wire.send(&crate::wire::metadata(50));
            wire.frame().is_some() && leeward.metric("leeward_home_back_total") > before.1
        });
    }
    assert_eq!(sandbox.records(TOPIC, 0).unwrap().len(), 3);
}
