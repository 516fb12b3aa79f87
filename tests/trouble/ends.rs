//! How Leeward itself begins and ends.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use leeward::sandbox::Fault;

use crate::leeward::{Leeward, until};
use crate::wire::{Wire, metadata};

#[test]
fn sigterm_lets_what_is_in_flight_finish() {
    let (mut leeward, sandbox, _runtime) = Leeward::before_sandbox("");
    let (mut busy, mut idle) = (Wire::connect(leeward.broker(1)), Wire::connect(leeward.broker(2)));
    assert!(busy.metadata().is_some() && idle.metadata().is_some());
    sandbox.inject(1, Fault::Delay(Duration::from_secs(1)));
    busy.send(&[metadata(5), metadata(6)].concat());
    until("both in flight", || leeward.metric("leeward_in_flight_requests") == 2.0);
    leeward.signal("TERM");
    assert_eq!(idle.until_closed(), b"");
    assert!(busy.frame().unwrap().starts_with(&[0, 0, 0, 5]));
    assert!(busy.frame().unwrap().starts_with(&[0, 0, 0, 6]));
    assert_eq!(busy.until_closed(), b"");
    assert!(std::net::TcpStream::connect(leeward.bootstrap).is_err(), "nobody new is accepted");
    assert_eq!(leeward.until_ended().code(), Some(0));
    leeward.line_with("ended");
}

#[test]
fn a_second_sigterm_ends_at_once() {
    let (mut leeward, sandbox, _runtime) = Leeward::before_sandbox("[limits]\nshutdown_grace = \"20s\"");
    let mut busy = Wire::connect(leeward.broker(1));
    assert!(busy.metadata().is_some());
    sandbox.inject(1, Fault::AcceptAndHang);
    sandbox.inject(1, Fault::Delay(Duration::from_secs(60)));
    busy.send(&metadata(1));
    until("it in flight", || leeward.metric("leeward_in_flight_requests") == 1.0);
    leeward.signal("TERM");
    leeward.line_with("ending");
    let started = Instant::now();
    leeward.signal("TERM");
    leeward.until_ended();
    assert!(started.elapsed() < Duration::from_secs(10), "the grace time was not waited for");
}

#[test]
fn the_grace_time_is_kept() {
    let (mut leeward, sandbox, _runtime) = Leeward::before_sandbox("[limits]\nshutdown_grace = \"1s\"");
    let mut busy = Wire::connect(leeward.broker(1));
    assert!(busy.metadata().is_some());
    sandbox.inject(1, Fault::Delay(Duration::from_secs(60)));
    busy.send(&metadata(1));
    until("it in flight", || leeward.metric("leeward_in_flight_requests") == 1.0);
    leeward.signal("TERM");
    assert_eq!(busy.until_closed(), b"");
    assert_eq!(leeward.until_ended().code(), Some(0));
    leeward.line_with("before these sessions were done");
}

#[test]
fn an_occupied_port_is_one_clear_message() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = crate::leeward::free_ports();
    for (listen, admin, key) in [(port, free, "listen.bootstrap"), (free, port, "admin.listen")] {
        let output = Command::new(env!("CARGO_BIN_EXE_leeward"))
            .args(["run", "--upstream", "127.0.0.1:1", "--listen", &format!("127.0.0.1:{listen}"), "--admin", &format!("127.0.0.1:{admin}")])
            .args(["--base-port", &(free + 1).to_string()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&port.to_string()) && said.contains(key) && said.contains("another port"), "{said}");
    }
}

#[test]
fn sighup_puts_new_limits_in_force() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("");
    leeward.signal("HUP");
    leeward.line_with("configuration reloaded");
    assert_eq!(leeward.metric("leeward_config_reloads_total"), 1.0);
}
