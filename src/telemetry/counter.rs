//! A number that one thread writes and any thread reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Written by a single thread: a plain load and a plain store, without the locked instruction of an atomic addition.
/// A second writer would lose counts (never memory safety), which is why only [`super::WorkerMetrics`] can write, and it is not `Sync`.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Adds a signed difference, for gauges: the sum over threads is right even where one thread alone goes below zero.
    pub(super) fn change(&self, difference: i64) {
        self.add(difference.cast_unsigned());
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// `usize` as a counter's unit.
pub(super) fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
