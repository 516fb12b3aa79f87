//! A Produce of which a window asks something for some topics and nothing for others.

use super::*;
use crate::cluster::leaders::{PartitionInfo, Topic};
use crate::cluster::{Leader, TopicKey};
use crate::protocol::produce::{self, Layout};
use crate::session::outbox::Wish;

const COVERED: &str = "t";
const ALONE: &str = "u";

/// A desk whose window leaves [`ALONE`] alone; node 1, the home, leads both topics.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.policy = Policy { windows: vec![WindowScope::default()], left_alone: [ALONE.to_owned()].into(), ..Policy::default() };
    for name in [COVERED, ALONE] {
        let leader = Leader { node_id: 1, epoch: 3 };
        let partition = PartitionInfo { leader, last_leader: Some(leader), replicas: vec![1], isr: vec![1] };
        let topic = Topic { id: None, partitions: [(0, partition)].into(), ..Topic::default() };
        desk.leaders.topics.insert(name.into(), topic.into());
    }
    desk
}

/// Produce v7 with a record for partition 0 of each topic.
fn record_for_both(id: i32, acks: i16) -> Vec<u8> {
    let mut body = vec![0xff, 0xff];
    body.put_i16(acks);
    body.put_slice(&[0, 0, 0x75, 0x30, 0, 0, 0, 2]);
    for topic in [ALONE, COVERED] {
        let batch = batch(u32::try_from(id).unwrap(), -1);
        body.put_i16(1);
        body.put_slice(topic.as_bytes());
        body.put_slice(&[0, 0, 0, 1, 0, 0, 0, 0]);
        body.put_i32(i32::try_from(batch.len()).unwrap());
        body.put_slice(&batch);
    }
    request(api::PRODUCE, 7, id, &body)
}

/// The home's answer to InitProducerId v1: id 70.
fn producer_id(asked: &[u8]) -> Vec<u8> {
    assert_eq!(asked[4..6], api::INIT_PRODUCER_ID.to_be_bytes());
    let id = i32::from_be_bytes(asked[8..12].try_into().unwrap());
    response(id, &[&[0; 6][..], &70i64.to_be_bytes(), &[0, 0]].concat())
}

/// The Produce frames that go by detours, with the detour of each.
fn sent(desk: &mut Desk) -> Vec<(DetourId, Bytes, Layout)> {
    let mut bytes: BTreeMap<DetourId, BytesMut> = BTreeMap::new();
    for wish in desk.outbox.wishes.drain(..) {
        match wish {
            Wish::Send { id, bytes: piece } => bytes.entry(id).or_default().put_slice(&piece),
            Wish::Open { id: _, node_id } => assert_eq!(node_id, Some(1)),
            Wish::Close { .. } => {}
        }
    }
    let mut frames = Vec::new();
    for (id, mut bytes) in bytes {
        while let Some(length) = bytes.first_chunk::<4>().map(|field| u32::from_be_bytes(*field) as usize) {
            let frame = bytes.split_to(4 + length).freeze();
            let layout = produce::parse(&frame).unwrap();
            frames.push((id, frame, layout));
        }
    }
    frames
}

fn topic(layout: &Layout, frame: &[u8]) -> TopicKey {
    match layout.topics[0].topic(frame).unwrap() {
        produce::Topic::Name(name) => TopicKey::Name(name.into()),
        produce::Topic::Id(id) => TopicKey::Id(id),
    }
}

/// What is sent for one request: by topic, its acks and its batch's producer id. All of it is answered with these codes, [`ALONE`]'s first.
fn exchange(desk: &mut Desk, codes: [i16; 2]) -> Vec<(TopicKey, i16, i64)> {
    let mut seen = Vec::new();
    for (id, frame, layout) in sent(desk) {
        assert_eq!(layout.batches.len(), 1, "each topic goes by itself");
        let key = topic(&layout, &frame);
        let code = codes[usize::from(key == TopicKey::Name(COVERED.into()))];
        seen.push((key, layout.acks, layout.batches[0].head.as_ref().unwrap().producer_id));
        let correlation_id = i32::from_be_bytes(frame[8..12].try_into().unwrap());
        let results = [produce::PartitionResult { base_offset: 5, ..produce::failed(0, 0, code) }];
        let answer = produce::encode_response(7, correlation_id, &layout, &frame, &results, 0);
        let mut read = BytesMut::from(&answer[..]);
        desk.decide(|session, moment, outbox| session.on_detour_bytes(id, &mut read, moment, outbox));
    }
    seen
}

#[test]
fn topics_that_are_left_alone_do_not_keep_the_others_from_acks_all() {
    let mut desk = desk();
    desk.client(&record_for_both(1, 1)).unwrap();
    let asked = desk.left_for_home();
    desk.home(&producer_id(&asked)).unwrap();
    desk.client(&[]).unwrap();
    assert!(desk.left_for_home().is_empty(), "one request cannot have two acks");
    let seen = exchange(&mut desk, [0, 0]);
    assert_eq!(seen, [(TopicKey::Name(ALONE.into()), 1, -1), (TopicKey::Name(COVERED.into()), -1, 70)]);
    assert_eq!(desk.seen.guarded.borrow().iter().filter(|event| **event == Event::AcksRaised).count(), 1);
    let answer = desk.left_for_client();
    let told =
        produce::parse_response(7, &Bytes::copy_from_slice(&answer[4..]), &produce::parse(&record_for_both(1, 1)).unwrap(), &record_for_both(1, 1)).unwrap();
    assert_eq!(told.results.iter().map(|result| (result.topic, result.error_code, result.base_offset)).collect::<Vec<_>>(), [(0, 0, 5), (1, 0, 5)]);
    assert!(desk.session.is_at_rest());
}

#[test]
fn without_acks_the_client_hears_nothing_of_either() {
    let mut desk = desk();
    desk.client(&record_for_both(1, 0)).unwrap();
    let asked = desk.left_for_home();
    desk.home(&producer_id(&asked)).unwrap();
    desk.client(&[]).unwrap();
    // 1 for the one that is left alone: a detour is answered, so that it is known when the next may go.
    assert_eq!(exchange(&mut desk, [0, 0]), [(TopicKey::Name(ALONE.into()), 1, -1), (TopicKey::Name(COVERED.into()), -1, 70)]);
    assert!(desk.left_for_client().is_empty());
    assert!(desk.session.is_at_rest());
}

#[test]
fn what_is_left_alone_is_refused_as_ever_and_the_other_is_held() {
    const NOT_ENOUGH_REPLICAS: i16 = 19;
    const INVALID_RECORD: i16 = 87;
    let mut desk = desk();
    desk.client(&record_for_both(1, 1)).unwrap();
    let asked = desk.left_for_home();
    desk.home(&producer_id(&asked)).unwrap();
    desk.client(&[]).unwrap();
    exchange(&mut desk, [INVALID_RECORD, NOT_ENOUGH_REPLICAS]);
    assert!(desk.left_for_client().is_empty(), "one of them is not done");
    desk.now += 1_000_000_000;
    desk.decide(Session::pump);
    assert_eq!(exchange(&mut desk, [0, 0]), [(TopicKey::Name(COVERED.into()), -1, 70)]);
    let answer = desk.left_for_client();
    assert_eq!(i16::from_be_bytes(answer[23..25].try_into().unwrap()), INVALID_RECORD);
}

#[test]
fn a_connection_that_cannot_be_sheltered_goes_as_a_whole() {
    let mut desk = desk();
    desk.policy.absorb = Absorb::Never;
    let request = record_for_both(1, 1);
    desk.client(&request).unwrap();
    assert_eq!(desk.left_for_home(), request);
}
