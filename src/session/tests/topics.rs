//! What is told of topics, as it passes.

use super::*;
use crate::history::Amount;

/// Produce v3 with so many bytes of records for one topic.
fn produce(correlation_id: i32, topic: &str, records: usize) -> Vec<u8> {
    let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1];
    body.put_u16(u16::try_from(topic.len()).unwrap());
    body.extend(topic.as_bytes());
    body.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    body.put_u32(u32::try_from(records).unwrap());
    body.resize(body.len() + records, 7);
    request(api::PRODUCE, 3, correlation_id, &body)
}

/// Fetch v4 with so many bytes of records for one topic.
fn fetched(correlation_id: i32, topic: &str, records: usize) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    body.put_u16(u16::try_from(topic.len()).unwrap());
    body.extend(topic.as_bytes());
    body.extend([0, 0, 0, 1]);
    body.extend([0; 4 + 2 + 8 + 8]);
    body.extend([0xff; 4]);
    body.put_u32(u32::try_from(records).unwrap());
    body.resize(body.len() + records, 7);
    response(correlation_id, &body)
}

const RECORDS: usize = 100_000;

fn told(desk: &Desk) -> Vec<(String, Amount)> {
    desk.seen.topics.borrow().clone()
}

#[test]
fn large_frames_are_each_told_once_and_in_full() {
    for chunk in [usize::MAX, 64, 30_000] {
        let mut desk = Desk::new();
        desk.limits.first_frame_bytes_max = 1 << 20;
        let request_frame = produce(1, "orders", RECORDS);
        for bytes in request_frame.chunks(chunk.min(request_frame.len())) {
            desk.client(bytes).unwrap();
        }
        let (name, amount) = told(&desk).first().cloned().unwrap();
        assert_eq!((&*name, amount.requests, amount.to_clients), ("Name(\"orders\")", 1, 0), "{chunk}");
        assert!((RECORDS as u64..RECORDS as u64 + 40).contains(&amount.to_brokers), "{amount:?}");
        assert_eq!(told(&desk).len(), 1, "{chunk}");
    }
}

#[test]
fn what_is_fetched_is_told_as_it_goes_to_the_client() {
    let mut desk = Desk::new();
    desk.client(&request(api::FETCH, 4, 1, b"")).unwrap();
    desk.home(&fetched(1, "orders", RECORDS)).unwrap();
    let all = told(&desk);
    assert_eq!(all.len(), 1);
    assert_eq!((&*all[0].0, all[0].1.requests, all[0].1.to_brokers), ("Name(\"orders\")", 1, 0));
    assert!((RECORDS as u64..RECORDS as u64 + 60).contains(&all[0].1.to_clients), "{all:?}");
}

#[test]
fn small_frames_are_told_by_chance_and_stand_for_all() {
    let mut desk = Desk::new();
    const FRAMES: u64 = 20_000;
    for id in 0..FRAMES as i32 {
        desk.client(&produce(id, "orders", 50)).unwrap();
        desk.home(&response(id, &[0, 0, 0, 0, 0, 0, 0, 0])).unwrap();
    }
    let requests: u64 = told(&desk).iter().map(|(_, amount)| amount.requests).sum();
    assert!(told(&desk).len() < 600 && requests.abs_diff(FRAMES) < FRAMES / 5, "{requests} in {}", told(&desk).len());
}
