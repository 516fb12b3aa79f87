use std::sync::{Arc, Mutex};

use super::super::{Delivery, Listener, Memory, Request, Sink, Tapped, Wanted};
use super::*;
use crate::guard::Event;
use crate::protocol::digest::{Digest, NamedPartition, NamedTopic};

#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<Arc<Told>>>>);

impl Sink for Seen {
    fn offer(&self, told: Arc<Told>) -> bool {
        self.0.lock().unwrap().push(told);
        true
    }
}

/// One request that took the broker so long, with its answer if it has one.
fn told(api_key: i16, client_id: &str, answer: Option<super::super::Answer>, events: &[Event]) -> Told {
    let seen = Seen::default();
    let listener = Arc::new(Listener::new(Wanted::default(), Arc::new(Memory::default()), Box::new(seen.clone())));
    let mut frame = vec![0, 0, 0, 0];
    frame.extend(api_key.to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 1]);
    frame.extend(i16::try_from(client_id.len()).unwrap().to_be_bytes());
    frame.extend(client_id.as_bytes());
    let request = Request { api_key, frame_bytes: 100, ..Request::default() };
    let mut tapped = Tapped::choose(&[listener], request, &frame, &|_| None, 0).unwrap();
    events.iter().for_each(|event| tapped.note(event));
    tapped.deliver(Delivery { at_micros: 0, peer: "127.0.0.1:1".parse().unwrap(), local: None, node_id: Some(3), home: None });
    let told = seen.0.lock().unwrap().pop().unwrap();
    let mut told = Arc::into_inner(told).unwrap();
    told.answer = answer;
    told
}

fn answer(broker_micros: u64, errors: &[i16]) -> super::super::Answer {
    let digest = Digest { errors: errors.to_vec(), ..Digest::default() };
    super::super::Answer { frame_bytes: 50, broker_nanos: broker_micros * 1000, own_nanos: 20_000, digest }
}

fn passed(passed: u64, told: u64) -> Standing {
    Standing { passed, told, ..Standing::default() }
}

fn topic(name: &str, bytes: usize, error: i16) -> NamedTopic {
    let partition = NamedPartition { record_bytes: Some(bytes), error, ..NamedPartition::default() };
    NamedTopic { name: Some(name.into()), id: None, partitions: vec![partition] }
}

#[test]
fn every_request_is_in_four_rows_and_rates_are_of_seconds_that_are_over() {
    let mut top = Top::default();
    for _ in 0..30 {
        top.note(&told(3, "orders", Some(answer(1000, &[])), &[]));
    }
    assert_eq!(top.whole().requests, 0.0, "the second is not over");
    top.next_second(passed(30, 30));
    top.next_second(passed(30, 30));
    for (by, name) in [(By::Broker, "3"), (By::Client, "orders"), (By::Api, "Metadata")] {
        let (rows, more) = top.rows(by, 5);
        let row = &rows[0];
        assert_eq!((&*row.name, row.requests, row.request_bytes, row.response_bytes, row.errors, more), (name, 15.0, 1500.0, 750.0, 0.0, 0));
    }
    assert_eq!(top.rows(By::Topic, 5), (Vec::new(), 0));
}

#[test]
fn a_part_stands_for_the_whole() {
    let mut top = Top::default();
    for _ in 0..10 {
        top.note(&told(3, "", Some(answer(1000, &[])), &[]));
    }
    top.next_second(passed(1000, 10));
    assert_eq!((top.scale(), top.whole().requests), (100.0, 1000.0));
    assert_eq!(&*top.rows(By::Client, 1).0[0].name, "(none)");
}

#[test]
fn what_is_long_ago_is_forgotten() {
    let mut top = Top::default();
    top.note(&told(3, "a", None, &[]));
    (0..=SECONDS).for_each(|_| top.next_second(passed(1, 1)));
    assert_eq!((top.whole().requests, top.rows(By::Client, 5)), (0.0, (Vec::new(), 0)));
}

#[test]
fn latencies_leave_out_what_waits_and_what_was_held() {
    let mut top = Top::default();
    for micros in 1..=100 {
        top.note(&told(3, "a", Some(answer(micros * 1000, &[])), &[]));
    }
    top.note(&told(api::FETCH, "a", Some(answer(500_000, &[])), &[]));
    // So many that they would be what the slowest of a hundred took.
    for _ in 0..5 {
        top.note(&told(3, "a", Some(answer(9_000_000, &[])), &[Event::HoldBegan { api_key: 3, frame_bytes: 100 }]));
    }
    top.next_second(passed(106, 106));
    let whole = top.whole();
    let (broker, own) = (whole.broker.unwrap(), whole.own.unwrap());
    let within_a_fifth = |nanos: u64, millis: u64| (millis * 1_000_000..=millis * 1_190_000).contains(&nanos);
    assert!(within_a_fifth(broker.p50, 50) && within_a_fifth(broker.p99, 99), "{broker:?}");
    assert!((20_000..24_000).contains(&own.p50), "{own:?}");
    assert_eq!((whole.requests, whole.held), (106.0, 5.0));
    assert_eq!(top.rows(By::Api, 9).0.iter().find(|row| &*row.name == "Fetch").unwrap().broker, None);
}

#[test]
fn a_topic_has_its_own_bytes_and_errors() {
    let mut top = Top::default();
    let mut one = told(0, "a", Some(answer(10, &[6])), &[Event::Absorbed { api_key: 0, code: 6 }]);
    one.request.digest.topics = vec![topic("t", 70, 0), topic("u", 30, 0)];
    one.answer.as_mut().unwrap().digest.topics = vec![topic("t", 0, 0), topic("u", 0, 6)];
    top.note(&one);
    top.next_second(passed(1, 1));
    let (rows, _) = top.rows(By::Topic, 9);
    let seen: Vec<_> = rows.iter().map(|row| (&*row.name, row.request_bytes, row.errors, row.absorbed)).collect();
    assert_eq!(seen, [("t", 70.0, 0.0, 1.0), ("u", 30.0, 1.0, 1.0)]);
    assert_eq!((top.whole().errors, top.whole().request_bytes), (1.0, 100.0));
}

#[test]
fn rows_and_names_are_bounded() {
    let mut top = Top::default();
    let one = told(3, "a", None, &[]);
    for client in 0..NAMES_MAX + 10 {
        let mut one = told(3, "a", None, &[]);
        one.request.client_id = client.to_string().into();
        top.note(&one);
    }
    top.note(&one);
    top.next_second(passed(1, 1));
    let (rows, more) = top.rows(By::Client, 50);
    assert_eq!((rows.len(), more), (50, NAMES_MAX - 50));
    assert_eq!(top.whole().requests, (NAMES_MAX + 11) as f64);
}

#[test]
fn steps_hold_their_times() {
    for nanos in [0, 1, 1000, 1001, 2000, 123_456, 1_000_000_000, 60_000_000_000] {
        let longest = longest(step(nanos));
        assert!(
            longest >= nanos.min(1000) && longest as f64 >= nanos as f64 * 0.999 && longest as f64 <= (nanos as f64 * 1.2).max(1000.0),
            "{nanos}: {longest}"
        );
    }
}
