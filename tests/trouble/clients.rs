//! Clients that are no clients, or bad ones.

use std::io::Write;
use std::net::TcpStream;

use crate::leeward::{Leeward, until};
use crate::wire::{Wire, api_versions, metadata, request};

#[test]
fn strangers_and_nonsense_lose_their_connection_and_nobody_elses() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("");
    let mut neighbour = Wire::connect(leeward.bootstrap);
    let table: [(&[u8], &str, &str); 6] = [
        (b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", "not_kafka", "an HTTP request"),
        (&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], "not_kafka", "a TLS handshake"),
        (&[0x7f, 0xff, 0xff, 0xff, 0, 0], "frame_too_large", "2147483647"),
        (&[0xff; 64], "frame_too_large", "-1"),
        (&[0, 0, 0, 4, 1, 2, 3, 4], "malformed_request", ""),
        (&[0, 0, 0, 10, 0, 6, 0, 5, 0, 0, 0, 1, 0xff, 0xff], "internal_api", "UpdateMetadata"),
    ];
    for (bytes, cause, words) in table {
        let before = leeward.closed(cause);
        let mut stranger = Wire::connect(leeward.bootstrap);
        stranger.send(bytes);
        assert_eq!(stranger.until_closed(), b"", "{cause}: nothing is said to a stranger");
        until(cause, || leeward.closed(cause) == before + 1.0);
        let line = leeward.line_with(cause);
        assert!(line.contains(words), "{line}");
        assert!(neighbour.metadata().is_some(), "the neighbour goes on after {cause}");
    }
}

#[test]
fn one_byte_at_a_time_is_understood() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("");
    let mut slow = Wire::connect(leeward.bootstrap);
    for byte in api_versions(1).iter().copied().chain(metadata(2)) {
        slow.send(&[byte]);
    }
    assert!(slow.frame().unwrap().starts_with(&[0, 0, 0, 1]));
    assert!(slow.frame().unwrap().starts_with(&[0, 0, 0, 2]));
}

#[test]
fn a_client_that_never_reads_costs_a_bound_and_then_its_connection() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("[limits]\nwrite_timeout = \"1s\"");
    let before = leeward.resident_bytes();
    // Far more answers than sockets and buffers hold; Leeward stops reading long before they are all asked for.
    let mut deaf = TcpStream::connect(leeward.bootstrap).unwrap();
    deaf.set_write_timeout(Some(crate::leeward::PATIENCE)).unwrap();
    let flood: Vec<u8> = (0..10_000).flat_map(|id| api_versions(id).to_vec()).collect();
    let refused = (0..200).any(|_| deaf.write_all(&flood).is_err());
    assert!(refused, "the connection is closed while the client still writes");
    until("the end", || leeward.closed("client_stalled") == 1.0);
    assert!(leeward.resident_bytes() < before + (32 << 20), "from {before} to {}", leeward.resident_bytes());
    assert!(Wire::connect(leeward.bootstrap).hello());
}

#[test]
fn a_thousand_half_open_connections_are_cheap_and_end() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("[limits]\nfirst_request_timeout = \"2s\"");
    let before = leeward.resident_bytes();
    let half = metadata(1);
    let open: Vec<Wire> = (0..1000)
        .map(|index| {
            let mut wire = Wire::connect(leeward.bootstrap);
            wire.send(&half[..index % 10]);
            wire
        })
        .collect();
    until("all of them", || leeward.metric("leeward_sessions_opened_total") >= 1000.0);
    assert!(leeward.resident_bytes() < before + (16 << 20), "from {before} to {}", leeward.resident_bytes());
    let mut neighbour = Wire::connect(leeward.bootstrap);
    assert!(neighbour.metadata().is_some());
    for mut wire in open {
        assert_eq!(wire.until_closed(), b"");
    }
    until("their count", || leeward.closed("first_request_timeout") == 1000.0);
    assert!(neighbour.metadata().is_some());
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_request_is_no_trouble() {
    let (leeward, _sandbox, _runtime) = Leeward::before_sandbox("");
    let mut wire = Wire::connect(leeward.bootstrap);
    let produce = request(0, 7, 1, &[&[0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30][..], &[0; 5000]].concat());
    wire.send(&produce[..3000]);
    drop(wire);
    until("its end", || leeward.closed("client_closed") + leeward.closed("client_reset") == 1.0);
    assert_eq!(leeward.metric("leeward_in_flight_requests"), 0.0);
}
