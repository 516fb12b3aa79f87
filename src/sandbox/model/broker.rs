//! One broker of the model: its process, what it has heard of the cluster, and its replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use super::event::Event;
use super::groups::Coordinator;
use super::image::{Image, NodeId, Tp};
use super::pending::{ConnectionId, Pending, PendingId};
use super::replica::Replica;
use super::sessions::FetchSessions;
use super::time::Time;

/// What a broker's process is doing.
///
/// ```text
/// Down -> Starting -> Running -> Stopping -> Down
///             any but Down -> Down (kill)
///          Running, Stopping <-> paused (a flag beside it: nothing is done, nothing is lost)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Loading logs, registering, catching up; its listener is closed.
    Starting,
    Running,
    /// A controlled shutdown: it serves until its leaderships have moved.
    Stopping,
    Down,
}

/// One broker.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) id: NodeId,
    pub(super) phase: Phase,
    /// Counts its processes; what an earlier one had planned is void.
    pub(super) incarnation: u64,
    pub(super) paused: bool,
    /// Counts the times it was lost and seen again; a session's end that was planned before is void.
    pub(super) watch: u64,
    /// Whether its last process ended by a controlled shutdown.
    pub(super) stopped_cleanly: bool,
    /// The metadata that it has applied, and how many records that is.
    pub(super) image: Image,
    pub(super) applied: usize,
    pub(super) replicas: BTreeMap<Tp, Replica>,
    pub(super) pending: BTreeMap<PendingId, Pending>,
    pub(super) connections: BTreeSet<ConnectionId>,
    pub(super) coordinator: Coordinator,
    pub(super) sessions: FetchSessions,
    /// Whether it has a block of producer ids to hand out.
    pub(super) producer_ids: ProducerIds,
    /// What arrived and what came due while it was paused.
    pub(super) deferred: Vec<Deferred>,
    /// One way to its leaders; another than the cluster's when a test makes it lag.
    pub(super) replication_delay: Option<Duration>,
    /// Until then it has sent or received as many bytes of copies as its throttle allows.
    pub(super) copies_until: Time,
}

/// A broker asks the controller for producer ids when the first client asks it for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProducerIds {
    None,
    Asked,
    Here,
}

/// What a paused broker will find when it goes on.
#[derive(Debug)]
pub(super) enum Deferred {
    Request { connection: ConnectionId, frame: Bytes },
    Event(Event),
}

impl Broker {
    pub(super) fn new(id: NodeId) -> Self {
        Broker {
            id,
            phase: Phase::Down,
            incarnation: 0,
            paused: false,
            watch: 0,
            stopped_cleanly: true,
            image: Image::default(),
            applied: 0,
            replicas: BTreeMap::new(),
            pending: BTreeMap::new(),
            connections: BTreeSet::new(),
            coordinator: Coordinator::default(),
            sessions: FetchSessions::default(),
            producer_ids: ProducerIds::None,
            deferred: Vec::new(),
            replication_delay: None,
            copies_until: Time::ZERO,
        }
    }

    /// Whether its process takes part in anything right now.
    pub(super) fn is_up(&self) -> bool {
        self.phase != Phase::Down
    }
}
