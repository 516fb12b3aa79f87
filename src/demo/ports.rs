//! Free ports on 127.0.0.1, below the range out of which the kernel gives outgoing connections theirs.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

const PORTS: Range<u16> = 10_000..31_000;
const TRIES: usize = 200;

/// The first of `count` ports in a row that are free now.
///
/// # Errors
/// None were found.
pub(super) fn free_stretch(count: u16) -> io::Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let found = (0..TRIES).map(|_| fastrand::u16(PORTS)).find(|&first| (first..first.saturating_add(count)).all(is_free));
    found.ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, format!("there are no {count} free ports between {} and {}", PORTS.start, PORTS.end)))
}
