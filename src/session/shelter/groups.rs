//! One group or transactional id whose coordinator has moved, or is looked for: its requests in the order in which the client sent them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::protocol::coordinator::{self, CoordinatorKind};
use crate::session::pace::Backoff;
use crate::session::{Moment, Session};

/// Which coordinator is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::session) struct GroupKey {
    pub(super) kind: CoordinatorKind,
    pub(super) id: Arc<str>,
}

/// The requests that need one coordinator. One is on its way at a time, so that a commit that is sent again does not overtake a later one.
///
/// ```text
/// (no node) ──FindCoordinator──▶ node known ──NOT_COORDINATOR, lost──▶ (no node)
/// ```
#[derive(Debug, Default)]
pub(in crate::session) struct Group {
    /// The coordinator; `None`: it has to be looked for.
    pub(super) node_id: Option<i32>,
    /// FindCoordinator is on its way.
    pub(super) is_looked_for: bool,
    pub(super) queue: VecDeque<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) backoff: Backoff,
}

impl Group {
    pub(super) fn enqueue(&mut self, seq: u64) {
        let at = self.queue.partition_point(|other| *other < seq);
        self.queue.insert(at, seq);
    }

    /// Whether its requests can go by the home upstream again.
    pub(super) fn is_over(&self, home: Option<i32>, home_is_up: bool) -> bool {
        let is_home = home_is_up && self.node_id == home;
        self.queue.is_empty() && self.in_flight.is_none() && (self.node_id.is_none() || is_home)
    }

    /// A request has its answer, or will get none.
    pub(super) fn remove(&mut self, seq: u64) {
        self.queue.retain(|other| *other != seq);
        if self.in_flight == Some(seq) {
            self.in_flight = None;
        }
    }

    /// The coordinator answered well.
    pub(super) fn done(&mut self, seq: u64) {
        self.remove(seq);
        self.backoff.reset();
    }

    /// The request comes back; `code`: what the coordinator said, `None`: its connection went.
    pub(super) fn failed(&mut self, code: Option<i16>, now: u64, jitter: u64) {
        self.in_flight = None;
        self.backoff.failed(now, jitter);
        if code != Some(COORDINATOR_LOAD_IN_PROGRESS) {
            self.node_id = None;
        }
    }
}

pub(super) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
pub(super) const COORDINATOR_NOT_AVAILABLE: i16 = 15;

/// Every broker from 2.1 to 4.4 speaks it, for groups and for transactional ids.
pub(super) const LOOKUP_VERSION: i16 = 2;

impl Session {
    /// FindCoordinator was answered. False: it is no answer to that.
    pub(super) fn looked_up<O>(&mut self, key: &GroupKey, version: i16, frame: &Bytes, moment: &Moment<'_, O>) -> bool {
        let Ok(answer) = coordinator::find_coordinator_response(version, frame) else { return false };
        let Some(shelter) = &mut self.shelter else { return true };
        let jitter = shelter.pace.jitter();
        let Some(group) = shelter.groups.get_mut(key) else { return true };
        group.is_looked_for = false;
        match answer {
            Ok((node_id, ..)) => group.node_id = Some(node_id),
            Err(_) => group.backoff.failed(moment.now, jitter),
        }
        true
    }

    /// The connection with the question is gone.
    pub(super) fn lookup_failed<O>(&mut self, key: &GroupKey, moment: &Moment<'_, O>) {
        let Some(shelter) = &mut self.shelter else { return };
        let jitter = shelter.pace.jitter();
        if let Some(group) = shelter.groups.get_mut(key) {
            group.is_looked_for = false;
            group.backoff.failed(moment.now, jitter);
        }
    }
}
