//! Connections of a session to other brokers than its home, or to its home's broker again.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::{Bytes, BytesMut};

use super::groups::GroupKey;
use crate::cluster::View;
use crate::session::outbox::Wish;
use crate::session::pace::Backoff;
use crate::session::{Departures, Moment, Observer, Outbox, Session};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{RequestHeader, ResponseHeader, api};

/// The largest answer that is gathered from a detour: brokers' metadata of ten thousands of partitions.
pub(in crate::session) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A detour on which nothing was owed for so long is closed.
const IDLE: u64 = 20_000_000_000;

/// Names a detour for as long as the session lives.
pub type DetourId = u32;

/// The detours of a session, at most one for each broker.
#[derive(Default)]
pub(in crate::session) struct Detours {
    all: Vec<Detour>,
    last_id: DetourId,
    /// Brokers that could not be reached, and when they may be tried again.
    shut: HashMap<Option<i32>, Backoff>,
    rotation: usize,
}

struct Detour {
    id: DetourId,
    /// `None`: any broker of the configuration.
    node_id: Option<i32>,
    attempts: VecDeque<Attempt>,
    /// What was put in and not taken by [`Session::take_detour_departures`].
    departures: Departures,
    idle_since: u64,
}

/// One request that is owed an answer on a detour.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) bytes: usize,
    pub(super) correlation_id: i32,
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) what: What,
}

/// For what it was sent.
#[derive(Debug)]
pub(super) enum What {
    /// The client's name, for the broker's records.
    Announcement,
    /// The client's login.
    Login,
    /// These batches of a call.
    Batches(u64, Vec<usize>),
    /// A whole call.
    Call(u64),
    /// FindCoordinator of Leeward's own.
    Lookup(GroupKey),
    /// InitProducerId of Leeward's own.
    ProducerId,
}

/// What a new connection begins with.
pub(super) struct Opening {
    pub(super) frames: Vec<Bytes>,
}

impl Detours {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The node to ask what any broker can answer: one that is reached already, or another reachable one; one that is `draining` only where there is no other.
    pub(super) fn any(&mut self, view: &View, draining: &BTreeSet<i32>, home: Option<i32>) -> Option<i32> {
        let is_reachable = |node: i32| view.brokers.get(&node).is_some_and(|broker| broker.reachable);
        let is_good = |node: i32| is_reachable(node) && !draining.contains(&node) && !self.shut.contains_key(&Some(node));
        if let Some(node) = self.all.iter().filter_map(|detour| detour.node_id).find(|node| is_good(*node)) {
            return Some(node);
        }
        let mut nodes: Vec<i32> = view.brokers.values().filter(|broker| broker.reachable).map(|broker| broker.node_id).collect();
        nodes.sort_by_key(|node| (Some(*node) == home || draining.contains(node), self.shut.contains_key(&Some(*node))));
        let good = nodes.iter().filter(|node| is_good(**node) && Some(**node) != home).count().max(1);
        self.rotation = self.rotation.wrapping_add(1);
        nodes.get(self.rotation % good.min(nodes.len().max(1))).copied()
    }

    /// Whether a request to this node can leave now; else when it may be tried.
    pub(super) fn shut_until(&self, node_id: Option<i32>, now: u64) -> Option<u64> {
        if self.all.iter().any(|detour| detour.node_id == node_id) {
            return None;
        }
        self.shut.get(&node_id).filter(|backoff| !backoff.is_due(now)).map(Backoff::until)
    }

    /// Sends `pieces` to a node, opening the connection where there is none.
    pub(super) fn send(&mut self, node_id: Option<i32>, pieces: Vec<Bytes>, attempt: Attempt, opening: impl FnOnce() -> Opening, outbox: &mut Outbox) {
        let at = match self.all.iter().position(|detour| detour.node_id == node_id) {
            Some(at) => at,
            None => self.open(node_id, opening(), outbox),
        };
        let Some(detour) = self.all.get_mut(at) else { return };
        detour.departures.add(attempt.api_key, attempt.bytes);
        detour.attempts.push_back(attempt);
        outbox.wishes.extend(pieces.into_iter().map(|bytes| Wish::Send { id: detour.id, bytes }));
    }

    fn open(&mut self, node_id: Option<i32>, opening: Opening, outbox: &mut Outbox) -> usize {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        outbox.wishes.push_back(Wish::Open { id, node_id });
        let (mut attempts, mut departures) = (VecDeque::new(), Departures::default());
        for bytes in opening.frames {
            if let Ok(header) = RequestHeader::parse(bytes.get(LENGTH_BYTES..).unwrap_or_default()) {
                let (api_key, api_version, correlation_id) = (header.api_key, header.api_version, header.correlation_id);
                let what = if api_key == api::API_VERSIONS { What::Announcement } else { What::Login };
                departures.add(api_key, bytes.len());
                attempts.push_back(Attempt { bytes: bytes.len(), correlation_id, api_key, api_version, what });
                outbox.wishes.push_back(Wish::Send { id, bytes });
            }
        }
        self.all.push(Detour { id, node_id, attempts, departures, idle_since: 0 });
        self.all.len() - 1
    }

    /// Takes a detour away, with what it owes. Its node is not tried again for a moment.
    fn take(&mut self, id: DetourId, now: u64, jitter: u64) -> Option<(Option<i32>, VecDeque<Attempt>)> {
        let at = self.all.iter().position(|detour| detour.id == id)?;
        let detour = self.all.swap_remove(at);
        self.shut.entry(detour.node_id).or_default().failed(now, jitter);
        Some((detour.node_id, detour.attempts))
    }

    fn take_departures(&mut self, id: DetourId) -> Departures {
        self.all.iter_mut().find(|detour| detour.id == id).map(|detour| std::mem::take(&mut detour.departures)).unwrap_or_default()
    }

    fn next_attempt(&mut self, id: DetourId) -> Option<&Attempt> {
        self.all.iter().find(|detour| detour.id == id)?.attempts.front()
    }

    fn answered(&mut self, id: DetourId, now: u64) -> Option<(Option<i32>, Attempt)> {
        let detour = self.all.iter_mut().find(|detour| detour.id == id)?;
        let attempt = detour.attempts.pop_front()?;
        detour.idle_since = now;
        let node_id = detour.node_id;
        self.shut.remove(&node_id);
        Some((node_id, attempt))
    }

    /// Closes what has been idle for long, and everything idle where `all`.
    pub(super) fn close_idle(&mut self, now: u64, all: bool, outbox: &mut Outbox) {
        self.all.retain(|detour| {
            let idle = detour.attempts.is_empty() && detour.idle_since > 0 && (all || now.saturating_sub(detour.idle_since) >= IDLE);
            if idle {
                outbox.wishes.push_back(Wish::Close { id: detour.id });
            }
            !idle
        });
    }

    /// When the next detour has been idle for long.
    pub(super) fn next_idle(&self) -> Option<u64> {
        self.all.iter().filter(|detour| detour.attempts.is_empty() && detour.idle_since > 0).map(|detour| detour.idle_since + IDLE).min()
    }
}

impl Session {
    /// What has left on a detour since the last call; to be asked when everything for it was handed to its socket.
    pub fn take_detour_departures(&mut self, id: DetourId) -> Departures {
        self.shelter.as_mut().map(|shelter| shelter.detours.take_departures(id)).unwrap_or_default()
    }

    /// The same where its connection is gone, and the last `unwritten` bytes for it never left.
    pub fn take_lost_detour_departures(&mut self, id: DetourId, unwritten: usize) -> Departures {
        self.take_detour_departures(id).lost(unwritten)
    }

    /// Takes whole answers from the front of `buffer`, the bytes of a detour. Gives how many bytes must be there in one piece before it can go on; 0: any.
    pub fn on_detour_bytes<O: Observer>(&mut self, id: DetourId, buffer: &mut BytesMut, moment: &Moment<'_, O>, outbox: &mut Outbox) -> usize {
        let needed = self.take_detour_answers(id, buffer, moment, outbox);
        self.pump(moment, outbox);
        needed
    }

    fn take_detour_answers<O: Observer>(&mut self, id: DetourId, buffer: &mut BytesMut, moment: &Moment<'_, O>, outbox: &mut Outbox) -> usize {
        loop {
            let Some(field) = buffer.first_chunk::<LENGTH_BYTES>() else { return 0 };
            let length = usize::try_from(i32::from_be_bytes(*field)).ok().filter(|length| (4..=ANSWER_BYTES_MAX).contains(length));
            let Some(length) = length else {
                self.break_detour(id, moment, outbox);
                return 0;
            };
            if buffer.len() < LENGTH_BYTES + length {
                return LENGTH_BYTES + length;
            }
            let frame = buffer.split_to(LENGTH_BYTES + length).freeze();
            if !self.on_detour_answer(id, frame, moment, outbox) {
                self.break_detour(id, moment, outbox);
                return 0;
            }
        }
    }

    /// False: the broker does not keep to the protocol.
    fn on_detour_answer<O: Observer>(&mut self, id: DetourId, frame: Bytes, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        let Some(shelter) = &mut self.shelter else { return false };
        let Some(next) = shelter.detours.next_attempt(id) else { return false };
        if correlation_id(&frame) != Some(next.correlation_id) {
            return false;
        }
        if matches!(next.what, What::Login) && login_error(&frame, next.api_key, next.api_version) != Some(0) {
            // What was sent behind it the broker has not looked at.
            self.detour_lost(id, usize::MAX, moment, outbox);
            outbox.wishes.push_back(Wish::Close { id });
            return true;
        }
        let Some((node_id, attempt)) = shelter.detours.answered(id, moment.now) else { return false };
        self.attempt_answered(attempt, node_id, frame, moment, outbox)
    }

    /// An attempt has its answer, from `node_id`. False: it is no answer to it.
    pub(super) fn attempt_answered<O: Observer>(
        &mut self,
        attempt: Attempt,
        node_id: Option<i32>,
        frame: Bytes,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> bool {
        match attempt.what {
            What::Announcement | What::Login => true,
            What::Batches(seq, batches) => self.batches_answered(seq, &batches, &frame, moment),
            What::Call(seq) => self.call_answered(seq, node_id, frame, moment, outbox),
            What::Lookup(key) => self.looked_up(&key, attempt.api_version, &frame, moment),
            What::ProducerId => self.producer_id_answered(attempt.api_version, &frame, moment),
        }
    }

    /// The connection of a detour could not be made, or is gone; the last `unwritten` bytes for it never left.
    pub fn detour_lost<O: Observer>(&mut self, id: DetourId, unwritten: usize, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let Some(shelter) = &mut self.shelter else { return };
        let jitter = shelter.pace.jitter();
        let Some((_, attempts)) = shelter.detours.take(id, moment.now, jitter) else { return };
        let mut left = unwritten;
        let mut lost = Vec::with_capacity(attempts.len());
        for attempt in attempts.into_iter().rev() {
            lost.push((left == 0, attempt));
            left = left.saturating_sub(lost.last().map_or(0, |(_, attempt)| attempt.bytes));
        }
        for (whole, attempt) in lost.into_iter().rev() {
            self.attempt_lost(attempt, whole, moment, outbox);
        }
        self.pump(moment, outbox);
    }

    /// The connection with an attempt is gone; `whole`: with all of it.
    pub(super) fn attempt_lost<O: Observer>(&mut self, attempt: Attempt, whole: bool, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        match attempt.what {
            What::Announcement | What::Login => {}
            What::Batches(seq, batches) => self.batches_lost(seq, &batches, whole, moment, outbox),
            What::Call(seq) => self.call_lost(seq, whole, moment, outbox),
            What::Lookup(key) => self.lookup_failed(&key, moment),
            What::ProducerId => self.numbers.asked = false,
        }
    }

    fn break_detour<O: Observer>(&mut self, id: DetourId, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        outbox.wishes.push_back(Wish::Close { id });
        self.detour_lost(id, 0, moment, outbox);
    }

    /// The frames with which every further connection of this client begins.
    pub(super) fn opening(&self) -> Opening {
        Opening { frames: self.announcement.iter().chain(self.identity.frames()).cloned().collect() }
    }
}

fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.get(LENGTH_BYTES..)?.first_chunk::<4>().map(|id| i32::from_be_bytes(*id))
}

/// The error code of a SaslHandshake or SaslAuthenticate answer, which stands first in both.
pub(in crate::session) fn login_error(frame: &[u8], api_key: i16, api_version: i16) -> Option<i16> {
    let bytes = frame.get(LENGTH_BYTES..)?;
    let header = ResponseHeader::parse(bytes, api_key, api_version).ok()?;
    bytes.get(header.body..)?.first_chunk::<2>().map(|code| i16::from_be_bytes(*code))
}
