//! The watcher catches what it is there to catch. A listener of this process plays the broker: no Kafka is needed.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::*;
use crate::selection::{Selection, admit};

/// A listener, and rules that watch its port and let nobody pass.
fn watched_listener() -> (TcpListener, u16, Arc<Mutex<Rules>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let rules = Arc::new(Mutex::new(Rules { ports: BTreeSet::from([port]), pids: BTreeSet::new() }));
    (listener, port, rules)
}

#[test]
fn a_socket_of_this_process_is_caught() {
    let (_listener, port, rules) = watched_listener();
    let watcher = Watcher::start(rules);
    let connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let seen = watcher.finish();
    drop(connection);
    assert_eq!(seen.leaks.iter().map(|leak| (leak.pid, leak.port)).collect::<Vec<_>>(), [(std::process::id(), port)]);
    assert!(std::panic::catch_unwind(|| seen.assert_no_leak()).is_err());
}

#[test]
fn a_socket_of_another_process_over_ipv6_addresses_is_caught_and_named() {
    let Some(_admission) = admit("watch", Selection::Ci) else { return };
    let (listener, port, rules) = watched_listener();
    let watcher = Watcher::start(rules);
    // Java's sockets are IPv6 sockets with mapped addresses.
    let script = "import socket,sys; s = socket.socket(socket.AF_INET6); s.connect(('::ffff:127.0.0.1', int(sys.argv[1]))); sys.stdin.read()";
    let mut client = Command::new("python3").args(["-c", script, &port.to_string()]).stdin(Stdio::piped()).spawn().unwrap();
    let _accepted = listener.accept().unwrap();
    let pid = client.id();
    let seen = watcher.finish();
    drop(client.stdin.take());
    client.wait().unwrap();
    let leak = seen.leaks.iter().next().expect("one leak");
    assert_eq!((leak.pid, leak.port), (pid, port));
    assert!(leak.command.contains("python3"), "{leak:?}");
}

#[test]
fn exempt_ports_and_allowed_processes_pass() {
    let (_listener, port, rules) = watched_listener();
    lock(&rules).pids.insert(std::process::id());
    let watcher = Watcher::start(Arc::clone(&rules));
    let connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let seen = watcher.finish();
    seen.assert_no_leak();
    drop(connection);

    lock(&rules).pids.clear();
    let watcher = Watcher::start(Arc::clone(&rules));
    let wire = crate::wire::Wire::connect_past(&format!("127.0.0.1:{port}")).unwrap();
    let leaks = watcher.finish().leaks;
    drop(wire);
    assert!(leaks.is_empty(), "{leaks:?}");
}

#[test]
fn a_watcher_that_saw_no_socket_proves_nothing() {
    let (_listener, _port, rules) = watched_listener();
    let seen = Watcher::start(rules).finish();
    assert!(seen.looks > 0 && seen.leaks.is_empty());
    assert!(std::panic::catch_unwind(|| seen.assert_no_leak()).is_err());
}
