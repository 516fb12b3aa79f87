//! One who listens, and what it was given.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::rate::Rate;
use super::tapped::{Memory, Told};
use super::wanted::{Errors, Wanted, any_matches};

/// Listeners at a time.
pub const LISTENERS_MAX: usize = 4;

/// Requests that are looked at in a second for a listener that wants only some topics or errors: which those are shows itself only by looking.
pub const LOOKED_AT_PER_SECOND: u32 = 20_000;

/// Where a listener's events go. Never waits.
pub trait Sink: Send + Sync + fmt::Debug {
    /// False: there is no room for it.
    fn offer(&self, told: Arc<Told>) -> bool;
}

/// One who listens.
#[derive(Debug)]
pub struct Listener {
    wanted: Wanted,
    memory: Arc<Memory>,
    sink: Box<dyn Sink>,
    /// Requests that passed the filters before sampling.
    passed: AtomicU64,
    looks: Rate,
    tells: Rate,
    told: AtomicU64,
    too_fast: AtomicU64,
    not_taken: AtomicU64,
    no_memory: AtomicU64,
}

/// What a listener was given since it began, and what not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Requests of the clients and APIs that it wants, before sampling.
    pub passed: u64,
    pub told: u64,
    /// Left out: more in a second than it asked for.
    pub too_fast: u64,
    /// Left out: it did not take what it was given in time.
    pub not_taken: u64,
    /// Left out: too many bytes are kept for all listeners.
    pub no_memory: u64,
}

impl Standing {
    /// All that was left out.
    pub fn left_out(&self) -> u64 {
        self.too_fast + self.not_taken + self.no_memory
    }
}

impl Listener {
    /// `memory` is that of all listeners.
    pub fn new(wanted: Wanted, memory: Arc<Memory>, sink: Box<dyn Sink>) -> Self {
        let per_second = wanted.per_second.get();
        let looks_closely = !wanted.topics.is_empty() || wanted.errors != Errors::Whatever;
        let looks = if looks_closely { LOOKED_AT_PER_SECOND.max(per_second) } else { per_second };
        let count = || AtomicU64::new(0);
        Listener {
            looks: Rate::new(looks),
            tells: Rate::new(if looks_closely { per_second } else { u32::MAX }),
            wanted,
            memory,
            sink,
            passed: count(),
            told: count(),
            too_fast: count(),
            not_taken: count(),
            no_memory: count(),
        }
    }

    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    pub fn standing(&self) -> Standing {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Standing {
            passed: read(&self.passed),
            told: read(&self.told),
            too_fast: read(&self.too_fast),
            not_taken: read(&self.not_taken),
            no_memory: read(&self.no_memory),
        }
    }

    /// Whether a request is to be looked at, by what is known of it without a look; `client_id` is asked for only where it counts.
    pub(super) fn looks_at(&self, api_key: i16, client_id: impl FnOnce() -> Box<str>, now: u64) -> bool {
        let Wanted { apis, clients, sample, .. } = &self.wanted;
        if !(apis.is_empty() || apis.contains(&api_key)) || !(clients.is_empty() || any_matches(clients, &client_id())) {
            return false;
        }
        let passed = self.passed.fetch_add(1, Ordering::Relaxed);
        if !scattered(passed).is_multiple_of(u64::from(sample.get())) {
            return false;
        }
        let admitted = self.looks.admits(now);
        if !admitted {
            self.too_fast.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    pub(super) fn wants_topic(&self, name: &str) -> bool {
        any_matches(&self.wanted.topics, name)
    }

    pub(super) fn had_no_memory(&self) {
        self.no_memory.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands over what it wants, if it has not had enough in this second.
    pub(super) fn tell(&self, told: &Arc<Told>, now: u64) {
        let count = if !self.tells.admits(now) {
            &self.too_fast
        } else if self.sink.offer(Arc::clone(told)) {
            &self.told
        } else {
            &self.not_taken
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Another number for each number, so that one of N is no longer each Nth: clients do the same things in turn (splitmix64's finisher).
fn scattered(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
