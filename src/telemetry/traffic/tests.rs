use super::*;
use crate::session::Departed;

fn totals(produces: u64, fetches: u64) -> BTreeMap<Option<i32>, NodeTotals> {
    let of = |requests| Departed { requests, frame_bytes: 100 * requests };
    BTreeMap::from([(Some(1), NodeTotals { sessions: 2, sent: Departures { kinds: [of(produces), of(fetches), of(7)] }, received_bytes: 0 })])
}

#[test]
fn rates_are_of_the_last_ten_seconds_and_of_the_last_minute() {
    let (mut traffic, begun) = (Traffic::default(), Instant::now());
    // 10 Produce requests a second for two minutes, then 50 a second for 10 s.
    let mut produces = 0;
    for second in 0..=130 {
        traffic.note(begun + Duration::from_secs(second), totals(produces, 3));
        produces += if second < 120 { 10 } else { 50 };
    }
    let now = traffic.by_node(begun + Duration::from_secs(130))[&Some(1)];
    assert_eq!((now.now.produce, now.now.produce_bytes, now.now.fetch, now.now.other), (50.0, 5000.0, 0.0, 0.0));
    let minute = (50.0 * 10.0 + 10.0 * 50.0) / 60.0;
    assert!((now.minute.produce - minute).abs() < 1e-9, "{:?}", now.minute);
    assert_eq!((now.totals.sessions, now.now.requests(), now.now.bytes), (2, 50.0, 5000.0));
    assert!(traffic.looks.len() <= LOOKS_MAX);
}

#[test]
fn a_beginning_is_shorter_than_what_rates_are_of() {
    let (mut traffic, begun) = (Traffic::default(), Instant::now());
    assert!(traffic.by_node(begun).is_empty());
    traffic.note(begun, BTreeMap::new());
    assert!(traffic.by_node(begun).is_empty());
    traffic.note(begun, totals(5, 0));
    assert_eq!(traffic.by_node(begun)[&Some(1)].now, Rates::default(), "no time has gone by");
    traffic.note(begun + Duration::from_secs(2), totals(9, 1));
    let node = traffic.by_node(begun + Duration::from_secs(2))[&Some(1)];
    assert_eq!((node.now.produce, node.now.fetch), (4.5, 0.5), "a broker that was not there had nothing");
    assert_eq!(node.now, node.minute);
}

#[test]
fn the_last_produce_or_fetch_has_an_age_and_other_requests_have_none() {
    let (mut traffic, begun) = (Traffic::default(), Instant::now());
    let at = |second| begun + Duration::from_secs(second);
    traffic.note(at(0), totals(0, 0));
    assert_eq!(traffic.by_node(at(0))[&Some(1)].records_asked_ago, None, "7 others alone");
    for (second, produces, fetches, ago) in [(1, 1, 0, 0), (5, 1, 0, 4), (6, 1, 1, 0), (9, 1, 1, 3)] {
        traffic.note(at(second), totals(produces, fetches));
        let found = traffic.by_node(at(second))[&Some(1)].records_asked_ago;
        assert_eq!(found, Some(Duration::from_secs(ago)), "at {second} s");
    }
}
