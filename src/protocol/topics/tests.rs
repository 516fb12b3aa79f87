use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::share_fetch_response::{PartitionData as SharePartition, ShareFetchableTopicResponse};
use kafka_protocol::messages::{FetchResponse, ProduceRequest, RequestHeader, ResponseHeader, ShareFetchResponse};
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::protocol::peek::peek;

const IDS: [Uuid; 3] = [Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3)];
const NAMES: [&str; 3] = ["orders", "payments", "a"];

/// Bytes of records for each partition of each topic.
const RECORDS: [&[usize]; 3] = [&[100, 7], &[3000], &[1, 0, 500]];

fn records(bytes: usize) -> Option<Bytes> {
    Some(Bytes::from(vec![0xaa; bytes]))
}

fn produce(version: i16) -> Vec<u8> {
    let topic = |(at, partitions): (usize, &&[usize])| {
        let data = |bytes: &usize| PartitionProduceData::default().with_records(records(*bytes));
        let topic = TopicProduceData::default().with_partition_data(partitions.iter().map(data).collect());
        if version >= 13 { topic.with_topic_id(IDS[at]) } else { topic.with_name(StrBytes::from_static_str(NAMES[at]).into()) }
    };
    let request = ProduceRequest::default().with_acks(1).with_topic_data(RECORDS.iter().enumerate().map(topic).collect());
    let mut frame = BytesMut::new();
    let header = RequestHeader::default().with_request_api_key(api::PRODUCE).with_request_api_version(version);
    header.with_client_id(Some(StrBytes::from_static_str("app"))).encode(&mut frame, api::request_header_version(api::PRODUCE, version)).unwrap();
    request.encode(&mut frame, version).unwrap();
    frame.to_vec()
}

fn fetched(version: i16) -> Vec<u8> {
    let topic = |(at, partitions): (usize, &&[usize])| {
        let aborted = (version >= 4).then(|| vec![AbortedTransaction::default(); at]);
        let data = |bytes: &usize| PartitionData::default().with_aborted_transactions(aborted.clone()).with_records(records(*bytes));
        let topic = FetchableTopicResponse::default().with_partitions(partitions.iter().map(data).collect());
        if version >= 13 { topic.with_topic_id(IDS[at]) } else { topic.with_topic(StrBytes::from_static_str(NAMES[at]).into()) }
    };
    let response = FetchResponse::default().with_responses(RECORDS.iter().enumerate().map(topic).collect());
    answer(api::FETCH, version, &response)
}

fn share_fetched(version: i16) -> Vec<u8> {
    let topic = |(at, partitions): (usize, &&[usize])| {
        let data = |bytes: &usize| {
            let acquired = vec![kafka_protocol::messages::share_fetch_response::AcquiredRecords::default(); at];
            SharePartition::default().with_records(records(*bytes)).with_acquired_records(acquired)
        };
        ShareFetchableTopicResponse::default().with_topic_id(IDS[at]).with_partitions(partitions.iter().map(data).collect())
    };
    answer(api::SHARE_FETCH, version, &ShareFetchResponse::default().with_responses(RECORDS.iter().enumerate().map(topic).collect()))
}

fn answer(api_key: i16, version: i16, response: &impl Encodable) -> Vec<u8> {
    let mut frame = BytesMut::new();
    ResponseHeader::default().encode(&mut frame, api::response_header_version(api_key, version)).unwrap();
    response.encode(&mut frame, version).unwrap();
    frame.to_vec()
}

fn name(topic: Topic<'_>) -> String {
    match topic {
        Topic::Name(name) => name.to_owned(),
        Topic::Id(id) => NAMES[IDS.iter().position(|known| known.as_bytes() == &id).unwrap()].to_owned(),
    }
}

/// What is found in the first `there` bytes of a frame.
fn found((api_key, version): (i16, i16), frame: &[u8], there: usize) -> Vec<(String, usize)> {
    let mut all = Vec::new();
    let bytes = &frame[..there];
    let mut note = |topic: Topic<'_>, bytes| all.push((name(topic), bytes));
    if api_key == api::PRODUCE {
        let peek = peek(frame, frame.len()).unwrap().unwrap();
        of_produce(bytes, frame.len(), version, &peek.produce.unwrap(), &mut note);
    } else {
        of_fetched(bytes, frame.len(), api_key, version, &mut note);
    }
    all
}

fn frames() -> Vec<((i16, i16), Vec<u8>)> {
    let produces = (3..=13).map(|version| ((api::PRODUCE, version), produce(version)));
    let fetches = (4..=17).map(|version| ((api::FETCH, version), fetched(version)));
    produces.chain(fetches).chain((1..=1).map(|version| ((api::SHARE_FETCH, version), share_fetched(version)))).collect()
}

#[test]
fn each_topic_gets_its_bytes_in_every_version() {
    for (kind, frame) in frames() {
        let topics = found(kind, &frame, frame.len());
        assert_eq!(topics.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), NAMES, "{kind:?}");
        for ((name, bytes), partitions) in topics.iter().zip(RECORDS) {
            let records: usize = partitions.iter().sum();
            assert!((records..records + 250).contains(bytes), "{kind:?} {name}: {bytes} for records of {records}");
        }
    }
}

#[test]
fn the_last_topic_that_is_there_takes_what_is_not() {
    for (kind, frame) in frames() {
        let all = found(kind, &frame, frame.len());
        let sum: usize = all.iter().map(|(_, bytes)| bytes).sum();
        let mut most = 0;
        for there in 0..=frame.len() {
            let some = found(kind, &frame, there);
            assert!(some.len() >= most, "{kind:?} {there}");
            most = some.len();
            let (Some((last, _)), before) = (some.last(), some.len().saturating_sub(1)) else { continue };
            assert_eq!(some[..before], all[..before], "{kind:?} {there}");
            assert_eq!((&all[before].0, some.iter().map(|(_, bytes)| bytes).sum::<usize>()), (last, sum), "{kind:?} {there}");
        }
        assert_eq!(most, 3);
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_looked_at_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 0_i16..20, length in 0_usize..300, place in 0_usize..40) {
        let peek = ProducePeek { acks: 1, acks_at: place, timeout_ms: 0 };
        let mut looked = 0;
        let mut note = |_: Topic<'_>, bytes: usize| looked += usize::from(bytes <= length.max(200));
        of_produce(&bytes, length, version, &peek, &mut note);
        of_fetched(&bytes, length, api::FETCH, version, &mut note);
        of_fetched(&bytes, length, api::SHARE_FETCH, version, &mut note);
        prop_assert!(looked <= 3 * TOPICS_MAX);
    }
}
