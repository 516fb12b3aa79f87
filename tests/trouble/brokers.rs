//! Brokers that refuse, hang, reset, or answer nonsense.

use std::time::{Duration, Instant};

use leeward::sandbox::Fault;

use crate::leeward::{Leeward, PATIENCE, until};
use crate::wire::{Wire, metadata};

const METADATA: Option<i16> = Some(3);

/// A plain wire: what happens to the broker's connection happens to the client's.
const PLAIN: &str = "[guard]\nabsorb = \"never\"\n[log]\nfilter = \"debug\"";

#[test]
fn a_plain_wire_ends_the_sessions_of_a_broker_that_is_gone_and_the_bootstrap_endpoint_takes_another() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox(PLAIN);
    sandbox.kill(1).unwrap();
    until("that it is noticed", || leeward.metric("leeward_broker_reachable") == 2.0);
    let mut of_dead = Wire::connect(leeward.broker(1));
    assert!(of_dead.hello(), "a broker that is down keeps its virtual broker");
    let started = Instant::now();
    assert!(of_dead.metadata().is_none());
    assert!(started.elapsed() < PATIENCE);
    until("the cause", || leeward.closed("broker_unreachable") == 1.0);
    assert!(leeward.line_with("broker_unreachable").contains("no connection to 127.0.0.1"));
    for _ in 0..10 {
        let answer = Wire::connect(leeward.bootstrap).metadata().unwrap();
        assert!(answer.brokers.iter().all(|broker| broker.port > i32::from(leeward.base_port)), "{answer:?}");
    }
}

#[test]
fn the_virtual_broker_of_a_broker_that_is_gone_serves_by_another() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox("");
    let mut before = Wire::connect(leeward.broker(1));
    assert!(before.metadata().is_some());
    sandbox.kill(1).unwrap();
    let mut after = Wire::connect(leeward.broker(1));
    for wire in [&mut before, &mut after] {
        let answer = wire.metadata().unwrap();
        assert!(answer.brokers.iter().all(|broker| broker.port > i32::from(leeward.base_port)), "{answer:?}");
    }
}

#[test]
fn a_broker_that_hangs_costs_only_those_who_wait_for_it() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox("");
    sandbox.inject(2, Fault::AcceptAndHang);
    let mut waiting = Wire::connect(leeward.broker(2));
    waiting.send(&metadata(1));
    assert!(Wire::connect(leeward.broker(1)).metadata().is_some());
    until("the request in flight", || leeward.metric("leeward_in_flight_requests") == 1.0);
    drop(waiting);
    until("its end", || leeward.metric("leeward_in_flight_requests") == 0.0);
}

#[test]
fn a_reset_in_the_middle_of_a_response_is_nothing_to_the_client() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox("");
    for after in [0, 3, 4, 7, 8, 20] {
        let mut wire = Wire::connect(leeward.broker(1));
        assert!(wire.metadata().is_some());
        let lost = || leeward.metric("leeward_home_lost_total");
        let before = lost();
        // Leeward's own link asks for metadata too, so the fault is tried until it has met this session.
        while lost() == before {
            sandbox.inject(1, Fault::ResetInResponse { api_key: METADATA, after });
            let answer = wire.metadata().unwrap();
            assert!(answer.brokers.iter().all(|broker| broker.port > i32::from(leeward.base_port)), "{answer:?}");
        }
        sandbox.clear_faults(1);
    }
}

#[test]
fn a_plain_wire_ends_a_session_whose_response_is_cut() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox(PLAIN);
    for after in [0, 3, 4, 7, 8, 20] {
        let (mut neighbour, mut victim) = (Wire::connect(leeward.broker(1)), Wire::connect(leeward.broker(1)));
        assert!(neighbour.metadata().is_some() && victim.metadata().is_some());
        let before = leeward.closed("broker_reset") + leeward.closed("broker_closed");
        // Leeward's own link asks for metadata too, so the fault is tried until it has met this session.
        loop {
            sandbox.inject(1, Fault::ResetInResponse { api_key: METADATA, after });
            if victim.metadata().is_none() {
                break;
            }
        }
        until("the cause", || leeward.closed("broker_reset") + leeward.closed("broker_closed") > before);
        sandbox.clear_faults(1);
    }
}

#[test]
fn a_wrong_correlation_id_never_reaches_the_client() {
    let (leeward, sandbox, _runtime) = Leeward::before_sandbox("");
    let mut wire = Wire::connect(leeward.broker(3));
    loop {
        sandbox.inject(3, Fault::WrongCorrelationId { api_key: METADATA });
        wire.send(&metadata(77));
        match wire.frame() {
            Some(frame) => assert!(frame.starts_with(&[0, 0, 0, 77])),
            None => break,
        }
    }
    until("the cause", || leeward.closed("correlation_mismatch") == 1.0);
    assert!(leeward.line_with("correlation_mismatch").contains("the broker answered request"));
}

#[test]
fn a_broker_that_joins_and_one_that_moves_are_followed() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    let fourth = u16::try_from(runtime.block_on(sandbox.add_broker()).unwrap()).unwrap();
    let mut wire = Wire::connect(leeward.bootstrap);
    until("the fourth broker", || wire.metadata().unwrap().brokers.iter().any(|broker| broker.port == i32::from(leeward.base_port + fourth)));
    assert!(Wire::connect(leeward.broker(fourth)).metadata().is_some());
}

#[test]
fn without_any_broker_it_waits_says_so_and_serves_when_one_comes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sandbox = runtime.block_on(leeward::sandbox::Sandbox::start(leeward::sandbox::SandboxConfig::default())).unwrap();
    for (node, _) in sandbox.brokers() {
        sandbox.inject(node, Fault::Refuse);
    }
    let leeward = Leeward::start(&sandbox.bootstrap(), "");
    assert!(leeward.line_with("waiting: no upstream answers").contains("upstream.bootstrap"));
    let not_ready = ureq::get(format!("http://{}/readyz", leeward.admin)).config().http_status_as_error(false).build().call().unwrap();
    assert_eq!(not_ready.status(), 503);
    // A client that is there already is served as soon as a broker is.
    let mut early = Wire::connect(leeward.bootstrap);
    early.send(&crate::wire::api_versions(1));
    early.0.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(early.frame().is_none());
    early.0.set_read_timeout(Some(PATIENCE)).unwrap();
    for (node, _) in sandbox.brokers() {
        sandbox.clear_faults(node);
    }
    assert!(early.frame().is_some());
    leeward.until_ready();
}
