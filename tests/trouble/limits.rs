//! The named limits.

use std::io::Write;

use leeward::sandbox::Fault;

use crate::bulk;
use crate::leeward::{Leeward, until};
use crate::wire::{Wire, api_versions, metadata, request};

#[test]
fn sessions_are_bounded_in_all_and_for_each_address() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("[limits]\nsessions_max = 3\nsessions_per_address_max = 2");
    let (mut a, mut b) = (Wire::connect(leeward.bootstrap), Wire::connect(leeward.broker(1)));
    assert!(a.hello() && b.hello());
    assert_eq!(Wire::connect(leeward.bootstrap).until_closed(), b"");
    until("the refusal", || leeward.metric("leeward_sessions_refused_total reason=\"sessions_per_address_max\"") == 1.0);
    drop(a);
    // The place is free a moment after the session is.
    until("a place for the next", || {
        let mut next = Wire::connect(leeward.bootstrap);
        next.0.write_all(&api_versions(1)).is_ok() && next.frame().is_some()
    });
}

#[test]
fn an_idle_session_is_closed_and_a_busy_one_is_not() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox("[limits]\nidle_timeout = \"1s\"");
    let (mut idle, mut busy) = (Wire::connect(leeward.bootstrap), Wire::connect(leeward.broker(1)));
    assert!(idle.hello() && busy.hello());
    sandbox.inject(1, Fault::Delay(std::time::Duration::from_secs(3)));
    busy.send(&metadata(1));
    assert_eq!(idle.until_closed(), b"");
    assert_eq!(leeward.closed("idle"), 1.0);
    assert!(busy.frame().is_some(), "a request in flight is not idleness");
}

#[test]
fn requests_in_flight_are_bounded_and_all_are_answered() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox("[limits]\nsession_requests_in_flight_max = 3");
    sandbox.inject(1, Fault::Delay(std::time::Duration::from_millis(20)));
    let mut wire = Wire::connect(leeward.broker(1));
    let all: Vec<u8> = (0..20).flat_map(metadata).collect();
    wire.send(&all);
    for id in 0..20i32 {
        assert!(leeward.metric("leeward_in_flight_requests") <= 4.0);
        assert_eq!(wire.frame().unwrap()[..4], id.to_be_bytes());
    }
    assert!(leeward.metric("leeward_reads_paused_total reason=\"requests_in_flight\"") >= 1.0);
}

#[test]
fn a_large_fetch_flows_through_without_being_stored() {
    const RECORDS: usize = 40;
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    let leader = bulk::store(&leeward, &sandbox, &runtime, RECORDS);
    until("the borrowed buffers back", || leeward.metric("leeward_buffers state=\"out\"") == 0.0);

    let before = leeward.resident_bytes();
    let mut wire = Wire::connect(leader);
    wire.send(&bulk::fetch(9));
    // Nobody reads yet: what Leeward takes from the broker meanwhile must stay a buffer, not become the response.
    until("reading to stop", || {
        let read = || leeward.metric("leeward_read_bytes_total side=\"broker\"");
        let (first, _) = (read(), std::thread::sleep(std::time::Duration::from_millis(200)));
        first > 1e6 && read() - first < 10_000.0
    });
    assert!(leeward.resident_bytes() < before + (4 << 20), "from {before} to {}", leeward.resident_bytes());
    let frame = wire.frame().unwrap();
    assert!(frame.len() > RECORDS * bulk::RECORD_BYTES, "{} bytes", frame.len());
    assert!(leeward.resident_bytes() < before + (4 << 20), "from {before} to {}", leeward.resident_bytes());
}

#[test]
fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("[limits]\nframe_bytes_max = \"1MiB\"\nfirst_frame_bytes_max = \"64KiB\"");
    let mut wire = Wire::connect(leeward.bootstrap);
    assert!(wire.metadata().is_some());
    wire.send(&[0, 0x10, 0, 1]);
    assert_eq!(wire.until_closed(), b"");
    assert!(leeward.line_with("frame_too_large").contains("1048577"));
    let mut first = Wire::connect(leeward.bootstrap);
    first.send(&request(12, 1, 1, &vec![0; 65_536])[..64]);
    assert_eq!(first.until_closed(), b"");
}
