//! How fast things are tried again.

/// The first pause: an election of a planned restart is over within it.
const PAUSE_MIN: u64 = 20 * MILLIS;

/// The longest pause: the stall behind the cluster's own election stays below it.
const PAUSE_MAX: u64 = 160 * MILLIS;

const MILLIS: u64 = 1_000_000;

/// Pauses that double, with jitter: a broker that comes back is not met by everybody at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    until: u64,
    pause: u64,
}

impl Backoff {
    pub(super) fn is_due(&self, now: u64) -> bool {
        now >= self.until
    }

    /// When it is due.
    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// One more failure; `jitter` is any number.
    pub(super) fn failed(&mut self, now: u64, jitter: u64) {
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        self.until = now + self.pause / 2 + jitter % (self.pause / 2).max(1);
    }

    pub(super) fn reset(&mut self) {
        *self = Backoff::default();
    }
}

/// Numbers for jitter, from a seed that is handed in (xorshift64*).
#[derive(Debug, Clone)]
pub(super) struct Pace {
    state: u64,
}

impl Pace {
    pub(super) fn new(seed: u64) -> Self {
        Pace { state: seed | 1 }
    }

    pub(super) fn jitter(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
}
