//! Free ports. Taken from below the range out of which the kernel gives outgoing connections theirs, so that a broker that is down for a while finds its port free again.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::Mutex;

/// For brokers, controllers, ZooKeeper and Leeward's own endpoints.
const SINGLE: Range<u16> = 20_000..32_000;
/// For Leeward's virtual brokers: a base with up to a thousand ports above it.
const BASES: Range<u16> = 10_000..19_000;

static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on 127.0.0.1 that is free now and that this process has not given out before.
pub(crate) fn free_port() -> u16 {
    base_with_free(SINGLE, &[0])
}

/// A base such that `base + offset` is free for each of the offsets.
pub(crate) fn free_base(offsets: &[i32]) -> u16 {
    base_with_free(BASES, offsets)
}

fn base_with_free(range: Range<u16>, offsets: &[i32]) -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in 0..1000 {
        let base = fastrand::u16(range.clone());
        let ports: Vec<u16> = offsets.iter().map(|&offset| base + u16::try_from(offset).unwrap()).collect();
        if ports.iter().all(|&port| !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            taken.extend(ports);
            return base;
        }
    }
    panic!("no free ports in {range:?} for the offsets {offsets:?}");
}
