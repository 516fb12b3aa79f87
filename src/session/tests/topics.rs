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

/// Name, written, read.
fn used(desk: &Desk) -> Vec<(String, bool, bool)> {
    desk.session.about().traits.topics.topics().iter().map(|topic| (topic.name.to_string(), topic.written, topic.read)).collect()
}

#[test]
fn the_first_topic_each_way_is_known_at_once() {
    let mut desk = Desk::new();
    desk.client(&produce(1, "orders", 50)).unwrap();
    assert_eq!(used(&desk), [("orders".to_owned(), true, false)]);
    desk.client(&produce(3, "payments", 50)).unwrap();
    assert_eq!(used(&desk).len(), 1, "further ones wait for a frame that is looked into anyway");
    let changes = desk.session.about_changes();
    desk.client(&request(api::FETCH, 4, 2, b"")).unwrap();
    desk.home(&response(1, &[0; 8])).unwrap();
    desk.home(&response(3, &[0; 8])).unwrap();
    desk.home(&fetched(2, "audit", 50)).unwrap();
    assert_eq!(used(&desk), [("audit".to_owned(), false, true), ("orders".to_owned(), true, false)]);
    assert!(desk.session.about_changes() > changes, "whoever was told is told again");
    assert!(told(&desk).len() < 2, "what is looked into for that stands for nothing");
}

#[test]
fn further_topics_are_known_by_chance_and_only_news_is_told() {
    let mut desk = Desk::new();
    for id in 0..2000 {
        desk.client(&produce(id, if id % 2 == 0 { "orders" } else { "audit" }, 50)).unwrap();
        desk.home(&response(id, &[0; 8])).unwrap();
    }
    assert_eq!(used(&desk).len(), 2);
    let changes = desk.session.about_changes();
    for id in 2000..3000 {
        desk.client(&produce(id, "orders", 50)).unwrap();
        desk.home(&response(id, &[0; 8])).unwrap();
    }
    assert_eq!(desk.session.about_changes(), changes);
}

#[test]
fn a_topic_that_is_named_by_id_has_its_name_from_the_picture() {
    let mut desk = Desk::new();
    let fetched = |correlation_id, id: u8, records: usize| {
        // Fetch v13: the header's tags, throttle time, error, session; one topic with one partition.
        let mut body = vec![0; 1 + 4 + 2 + 4];
        body.push(2);
        body.extend([id; 16]);
        body.push(2);
        body.extend([0; 4 + 2 + 8 + 8 + 8]);
        body.extend([0, 0xff, 0xff, 0xff, 0xff]);
        let mut length = records + 1;
        while length >= 0x80 {
            body.push((length & 0x7f | 0x80) as u8);
            length >>= 7;
        }
        body.push(length as u8);
        body.resize(body.len() + records, 7);
        body.extend([0; 3]);
        response(correlation_id, &body)
    };
    desk.leaders.names.insert([7; 16], "orders".into());
    for (id, topic) in [(1, 7), (2, 9)] {
        desk.client(&request(api::FETCH, 13, id, b"")).unwrap();
        desk.home(&fetched(id, topic, RECORDS)).unwrap();
    }
    assert_eq!(used(&desk), [("orders".to_owned(), false, true)], "nobody knows the name of the other");
    desk.leaders.names.insert([9; 16], "audit".into());
    desk.client(&request(api::FETCH, 13, 3, b"")).unwrap();
    desk.home(&fetched(3, 9, RECORDS)).unwrap();
    assert_eq!(used(&desk).len(), 2, "until it is there");
}
