//! What clients do beside producing: sessions, coordinators, requests that cannot be read.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, FindCoordinatorRequest, GroupId, InitProducerIdRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::super::{Command, Input, ModelConfig};
use super::driver::{Driver, fetch_request, fetched, one, topic};

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("g"))
}

/// Asks until there is a coordinator that has loaded.
fn coordinator(driver: &mut Driver, ask: i32) -> i32 {
    for _ in 0..100 {
        let found = driver.ask(ask, 3, &FindCoordinatorRequest::default().with_key(group().0));
        if found.error_code == 0 {
            driver.run(Duration::from_millis(50));
            return found.node_id.0;
        }
        assert_eq!(found.error_code, 15);
        driver.run(Duration::from_millis(100));
    }
    panic!("no coordinator");
}

#[test]
fn offsets_outlive_their_coordinator() {
    let mut driver = Driver::new(ModelConfig::default());
    let first = coordinator(&mut driver, 1);
    let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(42).with_committed_metadata(None);
    let commit = OffsetCommitRequest::default().with_group_id(group()).with_generation_id_or_member_epoch(-1);
    let commit = commit.with_topics(vec![OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(vec![partition])]);
    assert_eq!(driver.ask(first, 7, &commit).topics[0].partitions[0].error_code, 0);
    let other = first % 3 + 1;
    assert_eq!(driver.ask(other, 7, &commit).topics[0].partitions[0].error_code, 16);
    driver.command(Command::Kill(first));
    driver.run(Duration::from_secs(3));
    let second = coordinator(&mut driver, other);
    assert_ne!(first, second);
    let asked = OffsetFetchRequestTopic::default().with_name(topic()).with_partition_indexes(vec![0, 1]);
    let found = driver.ask(second, 5, &OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![asked])));
    let offsets: Vec<i64> = found.topics[0].partitions.iter().map(|partition| partition.committed_offset).collect();
    assert_eq!((found.error_code, offsets), (0, vec![42, -1]));
}

#[test]
fn an_incremental_session_tells_only_news() {
    let mut driver = Driver::new(ModelConfig::default());
    let leader = driver.leader();
    driver.produce(leader, -1, one("a"));
    let full = fetch_request(0, 0).with_session_epoch(0);
    let answer = driver.ask(leader, 11, &full);
    let id = answer.session_id;
    assert!(id > 0);
    assert_eq!(fetched(&answer), ["a"]);
    let next = |epoch| fetch_request(0, 0).with_session_id(id).with_session_epoch(epoch).with_topics(Vec::new());
    let moved = fetch_request(1, 0).with_session_id(id).with_session_epoch(1);
    assert_eq!(driver.ask(leader, 11, &moved).responses.len(), 0, "the high watermark was told with the records");
    assert_eq!(driver.ask(leader, 11, &next(2)).responses.len(), 0);
    driver.produce(leader, -1, one("b"));
    assert_eq!(fetched(&driver.ask(leader, 11, &next(3))), ["b"]);
    assert_eq!(driver.ask(leader, 11, &next(7)).error_code, 71);
    let other = driver.followers()[0];
    assert_eq!(driver.ask(other, 11, &next(4)).error_code, 70);
}

#[test]
fn api_versions_of_the_future_are_answered_in_version_0() {
    let mut driver = Driver::new(ModelConfig::default());
    let connection = driver.connect(1);
    // Key 18, version 9, correlation id 7, no client id, no tags; the body is nobody's business.
    let frame = Bytes::from_static(&[0, 18, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0, 1, 2, 3]);
    let mut sent = driver.send(connection, 0, &ApiVersionsRequest::default());
    assert!(driver.answer::<kafka_protocol::messages::ApiVersionsResponse>(sent).unwrap().api_keys.len() > 15);
    driver.model.handle(driver.now, Input::Request { connection, frame }).unwrap();
    driver.run(Duration::ZERO);
    sent = driver.send(connection, 0, &ApiVersionsRequest::default());
    let answer: kafka_protocol::messages::ApiVersionsResponse = driver.answer(sent).unwrap();
    assert_eq!((answer.error_code, answer.api_keys.len()), (35, 1));
}

#[test]
fn what_cannot_be_read_closes_the_connection() {
    let table: [(&str, &'static [u8]); 6] = [
        ("nothing", &[]),
        ("half a header", &[0, 3, 0, 1, 0]),
        ("unknown key", &[3, 0xe7, 0, 1, 0, 0, 0, 7, 0xff, 0xff]),
        ("Produce v2, listed and not served", &[0, 0, 0, 2, 0, 0, 0, 7, 0xff, 0xff]),
        ("a truncated body", &[0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0]),
        ("a count beyond the frame", &[0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
    ];
    for (what, frame) in table {
        let mut driver = Driver::new(ModelConfig::default());
        let connection = driver.connect(1);
        driver.model.handle(driver.now, Input::Request { connection, frame: Bytes::from_static(frame) }).unwrap();
        driver.run(Duration::ZERO);
        assert!(driver.closed.contains(&connection), "{what}");
    }
}

#[test]
fn every_version_that_is_offered_is_answered() {
    let mut driver = Driver::new(ModelConfig::default());
    for version in 0..=13 {
        // An empty list asks for all topics in v0, null does so later.
        let all = if version == 0 { Some(Vec::new()) } else { None };
        let answer = driver.ask(1, version, &MetadataRequest::default().with_topics(all));
        assert_eq!((answer.brokers.len(), answer.topics.len()), (3, 1), "Metadata v{version}");
    }
    for version in 0..=5 {
        let error = driver.ask(2, version, &InitProducerIdRequest::default().with_transactional_id(None)).error_code;
        assert_eq!(error, if version == 0 { 14 } else { 0 }, "a fresh broker has no ids yet");
        driver.run(Duration::from_millis(10));
    }
}
