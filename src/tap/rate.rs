//! A bound on how often something happens, shared by threads.

use std::sync::atomic::{AtomicU64, Ordering};

const SECOND: u64 = 1_000_000_000;

/// What may happen at once, as a share of a second: threads give their turn to many requests in a row.
const BURST_NANOS: u64 = SECOND / 10;

/// At most so many a second, evenly, with a tenth of a second's worth at once (the generic cell rate algorithm).
#[derive(Debug)]
pub struct Rate {
    /// Nanoseconds that each takes.
    each: u64,
    /// What may be ahead of the time.
    burst: u64,
    /// When the next one would be due if they came evenly.
    due: AtomicU64,
}

impl Rate {
    /// `per_second`: at least 1.
    pub fn new(per_second: u32) -> Self {
        let each = SECOND / u64::from(per_second.max(1));
        Rate { each, burst: BURST_NANOS.max(each), due: AtomicU64::new(0) }
    }

    /// Whether one more may happen at `now`, in nanoseconds since about the same moment on every thread; if so, it is counted.
    pub fn admits(&self, now: u64) -> bool {
        let next = |due: u64| {
            let due = due.max(now) + self.each;
            (due <= now + self.burst).then_some(due)
        };
        self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}
