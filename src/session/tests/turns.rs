//! Answers that are there before their turn, from whichever connection.

use super::*;
use crate::cluster::Leader;
use crate::cluster::leaders::{PartitionInfo, Topic};
use crate::protocol::produce::{self, PartitionResult};
use crate::session::outbox::Wish;

const NOT_ENOUGH_REPLICAS: i16 = 19;

/// A desk whose home, node 1, leads both partitions of topic `t`.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.policy.absorb = Absorb::Always;
    let leader = Leader { node_id: 1, epoch: 3 };
    let partition = PartitionInfo { leader, last_leader: Some(leader), replicas: vec![1], isr: vec![1] };
    let topic = Topic { id: None, partitions: [(0, partition.clone()), (1, partition)].into(), ..Topic::default() };
    desk.leaders.topics.insert("t".into(), topic.into());
    desk
}

/// Produce v7 with acks=all: one record of a producer id, the one with this sequence, for a partition of topic `t`.
fn record(id: i32, partition: i32, sequence: u32) -> Vec<u8> {
    let batch = batch(sequence, 7);
    let mut body = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1];
    body.put_i32(partition);
    body.put_i32(i32::try_from(batch.len()).unwrap());
    body.put_slice(&batch);
    request(api::PRODUCE, 7, id, &body)
}

fn answer(request: &[u8], code: i16) -> Bytes {
    let id = i32::from_be_bytes(request[8..12].try_into().unwrap());
    let layout = produce::parse(request).unwrap();
    produce::encode_response(7, id, &layout, request, &[PartitionResult { base_offset: 5, ..produce::failed(0, layout.batches[0].partition, code) }], 0)
}

/// The Produce requests that left by detours, each with its detour.
fn sent(desk: &mut Desk) -> Vec<(DetourId, Bytes)> {
    let sent = desk.outbox.wishes.drain(..).filter_map(|wish| if let Wish::Send { id, bytes } = wish { Some((id, bytes)) } else { None });
    let mut frames: Vec<(DetourId, BytesMut)> = Vec::new();
    for (id, piece) in sent {
        match frames.iter_mut().find(|(known, _)| *known == id) {
            Some((_, bytes)) => bytes.put_slice(&piece),
            None => frames.push((id, BytesMut::from(&piece[..]))),
        }
    }
    let produce_alone = |(id, bytes): (DetourId, BytesMut)| (bytes[4..6] == api::PRODUCE.to_be_bytes()).then(|| (id, bytes.freeze()));
    frames.into_iter().filter_map(produce_alone).collect()
}

/// The requests whose answers left for the client.
fn told(desk: &mut Desk) -> Vec<i32> {
    let bytes = desk.left_for_client();
    let mut rest = &bytes[..];
    std::iter::from_fn(|| {
        let (length, _) = rest.split_first_chunk::<4>()?;
        let (frame, behind) = rest.split_at(4 + u32::from_be_bytes(*length) as usize);
        rest = behind;
        Some(i32::from_be_bytes(frame[4..8].try_into().unwrap()))
    })
    .collect()
}

/// The last trouble of a session may be over while an answer of the home stands before that of a detour: nothing comes then to look again.
#[test]
fn an_answer_of_a_detour_does_not_wait_longer_than_that_of_the_home_before_it() {
    let mut desk = desk();
    let (first, second, third) = (record(1, 0, 0), record(2, 1, 0), record(3, 0, 1));
    desk.client(&first).unwrap();
    desk.home(&answer(&first, NOT_ENOUGH_REPLICAS)).unwrap();
    // Partition 0 is in trouble, partition 1 is not.
    desk.client(&[second.clone(), third.clone()].concat()).unwrap();
    assert_eq!(desk.left_for_home(), [first.clone(), second.clone()].concat());
    for (expected, told_now) in [(&first, vec![1]), (&third, vec![])] {
        desk.now += 1_000_000_000;
        desk.decide(Session::pump);
        let [(detour, frame)] = &sent(&mut desk)[..] else { panic!("one Produce") };
        assert_eq!(frame[8..12], expected[8..12]);
        let mut read = BytesMut::from(&answer(expected, 0)[..]);
        desk.decide(|session, moment, outbox| session.on_detour_bytes(*detour, &mut read, moment, outbox));
        assert_eq!(told(&mut desk), told_now);
    }
    assert!(!desk.session.is_sheltering(), "its trouble is over");
    desk.home(&answer(&second, 0)).unwrap();
    assert_eq!(told(&mut desk), [2, 3]);
    assert!(desk.session.is_at_rest());
}
