//! A login whose broker is away: it goes to another broker, which stands in until that one is back.
//!
//! Credentials are the cluster's, so any of its brokers can check them; the client gets metadata, coordinators and honest errors there, in place of connections
//! that are refused.
//!
//! ```text
//! (home) ──a login cannot be brought to it──▶ Dialling another ──up──▶ Serving ──the home is back, at rest──▶ (home), or the end
//!                                               │      ▲
//!                                  none is there└▶ Waiting ──after a pause, the home first──▶
//! ```

use std::collections::BTreeSet;

use super::in_flight::{InFlight, Kind};
use super::pace::{Backoff, Pace};
use super::shelter::farewell::PARTING;
use super::shelter::home::hold_nanos;
use super::{Close, CloseCause, Departures, Home, Moment, Observer, Outbox, Session};
use crate::cluster::View;
use crate::guard::deadline;
use crate::wire::api;

/// Who is at the other end of the home's connection, or is to be.
#[derive(Debug)]
pub(super) struct StandIn {
    /// The node that is dialled or serves; that of the virtual broker itself when its turn has come again, `None` with a bootstrap endpoint.
    node_id: Option<i32>,
    stage: Stage,
    /// Nodes that could not be reached since the last pause.
    tried: Vec<i32>,
    backoff: Backoff,
    pace: Pace,
    parting: Parting,
}

/// Towards the end of a connection whose own broker is back.
#[derive(Debug, Default)]
struct Parting {
    /// Since when that one is back; 0: it is away.
    back_since: u64,
    /// Since when nothing was asked, after so many requests; 0: something is.
    rest_since: u64,
    requests: u64,
    /// Nothing more is taken from the client.
    is_shut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Dialling,
    /// Nobody could be reached: it is tried again after a pause.
    Waiting,
    /// Its connection was made.
    Serving,
}

/// Where a session goes that is at rest, and whose own broker is back.
#[derive(Debug, PartialEq, Eq)]
pub enum WayHome {
    /// It stays.
    Stay,
    /// Its login can be said again: the next request dials the broker itself.
    Redial,
    /// Only the client can log in there.
    Leave(Close),
}

impl StandIn {
    fn new(seed: u64) -> Self {
        StandIn { node_id: None, stage: Stage::Waiting, tried: Vec::new(), backoff: Backoff::default(), pace: Pace::new(seed), parting: Parting::default() }
    }

    /// The next one to be dialled: healthy, and not tried yet.
    fn next(&mut self, own: Option<i32>, view: &View, draining: &BTreeSet<i32>) -> Option<i32> {
        let healthy = |node_id: &i32| !self.tried.contains(node_id) && Some(*node_id) != own && view.is_healthy(*node_id);
        let mut candidates: Vec<i32> = view.brokers.keys().copied().filter(healthy).collect();
        if candidates.iter().any(|node_id| !draining.contains(node_id)) {
            candidates.retain(|node_id| !draining.contains(node_id));
        }
        let at = usize::try_from(self.pace.jitter()).unwrap_or(0) % candidates.len().max(1);
        candidates.get(at).copied()
    }
}

impl Parting {
    /// Whether the client has had the time to read its last answer, and nothing of it is on its way. One that asks again at once, as a consumer does, is not
    /// read any more after [`PATIENCE`].
    fn is_over(&mut self, is_at_rest: bool, requests: u64, now: u64) -> bool {
        if self.back_since == 0 {
            self.back_since = now;
        }
        if !is_at_rest {
            self.rest_since = 0;
            return false;
        }
        if self.rest_since == 0 || self.requests != requests {
            (self.rest_since, self.requests) = (now, requests);
        }
        self.is_shut |= now >= self.back_since + PATIENCE;
        now >= self.rest_since + PARTING
    }
}

/// How long a client goes on being served that never rests although its own broker is back, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

impl Session {
    /// The node at the other end of the home's connection; `None`: it is not known which broker that is.
    pub fn home_node(&self) -> Option<i32> {
        self.stand_in.as_ref().map_or(self.node_id, |stand_in| stand_in.node_id)
    }

    /// Whether another broker than the client means answers.
    pub(super) fn is_stood_in_for(&self) -> bool {
        self.home_node() != self.node_id
    }

    /// Whether another broker stands in for the home's, or is looked for.
    pub fn is_away_from_home(&self) -> bool {
        self.stand_in.is_some()
    }

    /// The home could not be reached, or went before it said anything; the last `unwritten` bytes for it never left. True: the login goes elsewhere, or waits.
    pub(super) fn seek_stand_in<O: Observer>(&mut self, unwritten: usize, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        let is_login = |entry: &InFlight| matches!(entry.owed.kind, Kind::Handshake | Kind::Token);
        let absorbs = moment.policy.absorbs() && !moment.policy.watch_only;
        if !absorbs || self.home_answered || !self.in_flight.iter().any(is_login) {
            return false;
        }
        // Of a connection that was never made every byte still stands in the outbox.
        if unwritten != usize::MAX {
            let Some(frames) = self.unanswered_login() else { return false };
            outbox.to_home = super::outbox::Queue::default();
            frames.into_iter().for_each(|frame| outbox.to_home.push(frame));
        }
        // All of it leaves again, for another broker.
        self.departures = Departures::default();
        for entry in self.in_flight.iter().filter(|entry| entry.owed.kind.awaits_home()) {
            self.departures.add(entry.owed.api_key, entry.owed.frame_bytes);
        }
        let (failed, seed, own) = (self.home_node(), self.seed, self.node_id);
        let stand_in = self.stand_in.get_or_insert_with(|| Box::new(StandIn::new(seed)));
        stand_in.tried.extend(failed.filter(|failed| Some(*failed) != own));
        self.dial_stand_in(moment, outbox);
        true
    }

    /// The frames of a login that nobody has answered, where all of them are kept.
    fn unanswered_login(&self) -> Option<Vec<bytes::Bytes>> {
        if self.request_left > 0 {
            return None;
        }
        let awaiting = self.in_flight.iter().filter(|entry| entry.owed.kind.awaits_home());
        awaiting.map(|entry| if entry.owed.kind == Kind::Announcement { self.announcement.clone() } else { entry.frame.clone() }).collect()
    }

    fn dial_stand_in<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let own = self.node_id;
        let Some(stand_in) = &mut self.stand_in else { return };
        match stand_in.next(own, moment.view, &moment.policy.draining) {
            Some(node_id) => {
                (stand_in.node_id, stand_in.stage) = (Some(node_id), Stage::Dialling);
                outbox.dial = true;
            }
            None => {
                let jitter = stand_in.pace.jitter();
                stand_in.backoff.failed(moment.now, jitter);
                stand_in.tried.clear();
                (stand_in.node_id, stand_in.stage) = (own, Stage::Waiting);
            }
        }
    }

    /// Goes on with a login that waits: the home comes first again.
    pub(super) fn seek_again<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let deadline = self.login_deadline(moment);
        let Some(stand_in) = &mut self.stand_in else { return };
        if stand_in.stage != Stage::Waiting {
            // Each is dialled once before the next pause, and dialling has its own end.
            return;
        }
        if moment.now >= deadline {
            self.doom = Some(Close::new(CloseCause::BrokerUnreachable, "no broker could be reached for its login within guard.hold_lookup_max"));
        } else if stand_in.backoff.is_due(moment.now) {
            stand_in.stage = Stage::Dialling;
            outbox.dial = true;
        }
    }

    fn login_deadline<O>(&self, moment: &Moment<'_, O>) -> u64 {
        let hold = deadline::hold(moment.policy, self.library, api::API_VERSIONS, None, None);
        self.in_flight.front().map_or(u64::MAX, |entry| entry.owed.arrived.saturating_add(hold_nanos(hold)))
    }

    /// When [`Session::seek_again`] has something to do.
    pub(super) fn next_seek(&self, now: u64) -> Option<u64> {
        let stand_in = self.stand_in.as_ref()?;
        let at = match (stand_in.stage, stand_in.parting.rest_since) {
            (Stage::Waiting, _) => stand_in.backoff.until(),
            (Stage::Dialling, _) | (Stage::Serving, 0) => return None,
            (Stage::Serving, rest_since) => rest_since + PARTING,
        };
        Some(at.max(now + 1_000_000))
    }

    /// The connection that was dialled is up.
    pub(super) fn stand_in_is_up(&mut self) {
        let own = self.node_id;
        if let Some(stand_in) = &mut self.stand_in {
            stand_in.stage = Stage::Serving;
            if stand_in.node_id == own {
                self.stand_in = None;
            }
        }
    }

    /// What a session does for which another broker stands in. `is_idle`: nothing is left to write, and nothing of a request has been read that is not understood.
    pub fn way_home<O>(&mut self, is_idle: bool, moment: &Moment<'_, O>) -> WayHome {
        let is_back = self.node_id.is_some_and(|own| moment.view.is_healthy(own));
        let (may_go, is_bound, requests) =
            (self.is_at_rest() && !self.identity.is_under_way() && (is_idle || self.is_parting()), self.identity.is_bound(), self.requests);
        let Some(stand_in) = self.stand_in.as_mut().filter(|stand_in| stand_in.stage == Stage::Serving) else { return WayHome::Stay };
        if !is_back {
            stand_in.parting = Parting::default();
            return WayHome::Stay;
        }
        if !is_bound && may_go {
            self.stand_in = None;
            self.home = Home::Unwanted;
            return WayHome::Redial;
        }
        if is_bound && stand_in.parting.is_over(may_go, requests, moment.now) {
            let node_id = self.node_id.unwrap_or(-1);
            return WayHome::Leave(Close::new(CloseCause::BrokerReturned, format!("node {node_id} is back, for which another stood in")));
        }
        WayHome::Stay
    }

    /// Whether nothing more is taken from the client, which is about to be sent to its own broker.
    pub(super) fn is_parting(&self) -> bool {
        self.stand_in.as_ref().is_some_and(|stand_in| stand_in.parting.is_shut)
    }
}
