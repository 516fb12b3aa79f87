//! What is not counted but so at the moment of a scrape, and known to other modules only: they hand it in.

use std::collections::BTreeSet;

use crate::guard::time::Millis;

/// How Leeward stands at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub ready: bool,
    /// `guard.held_bytes_max`.
    pub held_bytes_max: u64,
    /// `limits.sessions_max`.
    pub sessions_max: u64,
    /// Of the windows that are open: when the first one opened, and when the first one closes by itself.
    pub window: Option<(Millis, Millis)>,
    /// The brokers that traffic is led around.
    pub draining: BTreeSet<i32>,
    /// A word of [`crate::rolling::walk::Roll::LABELS`]; `None`: there was no roll.
    pub roll: Option<&'static str>,
    /// `None`: there was no reassignment.
    pub reassignment: Option<Reassignment>,
}

/// A reassignment at one moment. All but the state is 0 where it is over, or where another Leeward carries it out: that one tells it, and nobody counts it twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reassignment {
    /// A word of [`crate::rolling::reassign::run::Run::LABELS`].
    pub state: &'static str,
    pub partitions_moved: u64,
    pub partitions_left: u64,
    pub bytes_copied: u64,
    pub bytes_left: u64,
    /// Bytes a second of each broker; 0: no throttle is set.
    pub throttle: u64,
}
