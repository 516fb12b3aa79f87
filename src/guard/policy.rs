//! The snapshot of the guard's settings and of the open windows that sessions work by.

use std::collections::BTreeSet;
use std::time::Duration;

pub use crate::config::Absorb;

/// What a window covers: everything, or what is named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    #[default]
    All,
    Only(BTreeSet<String>),
}

impl Scope {
    fn covers(&self, name: &[u8]) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(names) => std::str::from_utf8(name).is_ok_and(|name| names.contains(name)),
        }
    }
}

/// One open window, as far as traffic is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WindowScope {
    pub topics: Scope,
    pub client_ids: Scope,
}

/// What sessions work by. Never changed, only replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Grows with every snapshot.
    pub generation: u64,
    pub absorb: Absorb,
    /// Nothing is changed, held or resent; what would have been is counted (`guard.mode = "watch"`).
    pub watch_only: bool,
    /// The windows that are open now.
    pub windows: Vec<WindowScope>,
    /// Topics whose `acks` stay as the client sent them: with one broker down acks=all would fail there.
    pub left_alone: BTreeSet<String>,
    /// Brokers that are draining or drained: what any broker can answer goes to others.
    pub draining: BTreeSet<i32>,
    /// Those of them that lead nothing: nothing has to go there, and nobody is sent there.
    pub avoided: BTreeSet<i32>,
    /// The longest a request is held, from its arrival (`guard.hold_max`).
    pub hold_max: Duration,
    /// The longest Metadata, FindCoordinator and ApiVersions are held, from their arrival (`guard.hold_lookup_max`).
    pub hold_lookup_max: Duration,
    /// Bytes held over all sessions of one thread; beyond it reading pauses (`guard.held_bytes_max`, divided by the threads).
    pub held_bytes_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            generation: 0,
            absorb: Absorb::Always,
            watch_only: false,
            windows: Vec::new(),
            left_alone: BTreeSet::new(),
            draining: BTreeSet::new(),
            avoided: BTreeSet::new(),
            // A crashed KRaft broker is replaced only after its 9 s session.
            hold_max: Duration::from_secs(15),
            // franz-go gives Metadata, FindCoordinator and ApiVersions ten seconds.
            hold_lookup_max: Duration::from_secs(8),
            held_bytes_max: 256 << 20,
        }
    }
}

impl Policy {
    /// Whether errors and lost brokers are absorbed now.
    pub fn absorbs(&self) -> bool {
        match self.absorb {
            Absorb::Always => true,
            Absorb::Window => !self.windows.is_empty(),
            Absorb::Never => false,
        }
    }

    /// Whether a window is open for anybody.
    pub fn is_window_open(&self) -> bool {
        !self.windows.is_empty()
    }

    /// Whether a window is open that covers this client. No client id is the empty one.
    pub fn covers_client(&self, client_id: &[u8]) -> bool {
        self.windows.iter().any(|window| window.client_ids.covers(client_id))
    }

    /// Whether a Produce of this client to `topic` gets acks=all and, where it has none, a producer id.
    pub fn raises(&self, client_id: &[u8], topic: &[u8]) -> bool {
        let covered = self.windows.iter().any(|window| window.client_ids.covers(client_id) && window.topics.covers(topic));
        covered && !std::str::from_utf8(topic).is_ok_and(|topic| self.left_alone.contains(topic))
    }
}
