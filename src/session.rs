//! PURE. One client's connection as a state machine: bytes and events in, bytes and wishes out. No socket, no clock, no log.
//!
//! A [`Session`] takes requests off the client's bytes one after the other, decides what becomes of each ([`requests`]), keeps an entry for
//! each one that is owed an answer ([`in_flight`]), and matches the broker's responses against those entries ([`responses`]). What it wants
//! done it puts into an [`Outbox`]; whoever owns the sockets does it (`net::driver`).
//!
//! **Invariant: order.** What leaves for the client answers its requests in the order in which they came; a response that does not belong to
//! the oldest unanswered request ends the session.
//!
//! **Invariant: no leak.** A response whose addresses cannot all be rewritten is not handed on; the session ends instead.
//!
//! **Invariant: bounded.** Unanswered requests are bounded in number and bytes; beyond that the session takes nothing more from the client.

pub mod about;
mod around;
mod carried;
pub mod close;
mod departures;
mod identity;
mod in_flight;
mod numbers;
pub mod outbox;
mod pace;
mod requests;
mod responses;
mod sasl;
mod shelter;
pub mod stand_in;
mod tapping;
mod topics;
mod traits;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use about::{About, Hindrance};
pub use carried::{Carried, CarriedTopic, TOPICS_MAX, Way};
pub use close::{Close, CloseCause};
pub use departures::{Departed, Departures, Purpose};
pub use outbox::Outbox;
pub use shelter::detours::DetourId;
pub use stand_in::WayHome;
pub use traits::{NAME_BYTES_MAX, Software, Tally, Traits, Used, cut};

use crate::cluster::{Leaders, View};
use crate::guard::deadline::Library;
use crate::guard::{ClientRef, Event, Policy};
use crate::history::Amount;
use crate::protocol::produce::Topic;
use crate::tap::Listener;
use identity::Identity;
use in_flight::{Batches, InFlight};
use numbers::Numbers;
use pace::Backoff;
use requests::Quiet;
use responses::Response;
use sasl::Sasl;
use shelter::Shelter;
use shelter::farewell::Leaving;
use stand_in::StandIn;
use tapping::Taps;
use topics::Dice;
use traits::Portrait;

/// What a session tells about the traffic that it carries. Called on the hot path: an implementation counts, it neither locks nor allocates.
pub trait Observer {
    /// A request was read whole enough to be sent on (or answered here). `frame_bytes` includes the length field.
    fn request(&self, api_key: i16, frame_bytes: usize);
    /// A response went to the client's side. `broker_nanos`: from the request's leaving to the answer's first bytes; `own_nanos`: what Leeward
    /// spent before the request left and, where the answer had to wait for a virtual broker, after it came.
    fn response(&self, api_key: i16, frame_bytes: usize, broker_nanos: u64, own_nanos: u64);
    /// A broker's response carries this error code.
    fn error(&self, api_key: i16, code: i16);
    /// Reading from the client paused.
    fn paused(&self, reason: Pause);
    /// So much was carried for this topic; an estimate from samples, see [`topics`].
    fn topic(&self, topic: Topic<'_>, amount: Amount);
    /// The guard did something for this client.
    fn guard(&self, client: ClientRef<'_>, event: Event);
    /// Those who listen to single requests are asked about one; `None`: nobody does. Asked once for each request, so that has to be known at no cost.
    fn tap<R>(&self, ask: impl FnOnce(&[Arc<Listener>]) -> R) -> Option<R> {
        let _ = ask;
        None
    }
}

/// Why reading from a client paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pause {
    /// The broker does not take the bytes.
    BrokerBusy,
    /// Too many request bytes are unanswered.
    BytesInFlight,
    /// Too many requests are unanswered.
    RequestsInFlight,
    /// Too many bytes are held, over all sessions of the thread.
    HeldBytes,
}

impl Pause {
    /// Every reason, in the order of its index.
    pub const ALL: [Pause; 4] = [Pause::BrokerBusy, Pause::BytesInFlight, Pause::RequestsInFlight, Pause::HeldBytes];

    /// The value of the metric's label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Pause::BrokerBusy => "broker_busy",
            Pause::BytesInFlight => "bytes_in_flight",
            Pause::RequestsInFlight => "requests_in_flight",
            Pause::HeldBytes => "held_bytes",
        }
    }
}

/// The bounds of one session; see [`crate::config::Limits`].
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    pub frame_bytes_max: usize,
    pub first_frame_bytes_max: usize,
    pub bytes_in_flight_max: usize,
    pub requests_in_flight_max: usize,
}

/// What a session sees of the world at one event.
pub struct Moment<'a, O> {
    /// Nanoseconds since some fixed point; never goes back.
    pub now: u64,
    pub view: &'a View,
    pub leaders: &'a Leaders,
    pub policy: &'a Policy,
    pub observer: &'a O,
    pub limits: &'a SessionLimits,
    /// Bytes that are held now, over all sessions that share `policy.held_bytes_max`.
    pub held_bytes: usize,
}

/// Whether the session has use for its home upstream.
///
/// ```text
/// Unwanted ──first request that needs a broker──▶ Wanted ──lost, refused──▶ Down ──a request that needs it, after a pause──▶ Wanted
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// Nothing was sent on yet: the broker is not dialled.
    Unwanted,
    /// Dialled or up; bytes for it may be put into the outbox at any time.
    Wanted,
    /// Its connection went, or could not be made; the client's stays.
    Down,
}

/// What a session waits for before it can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The brokers' versions: none has answered yet. Asked again when the picture of the cluster changes.
    Offer,
    /// A virtual broker for nodes that were reported in [`Outbox::learn`]. Ends with [`Session::learned`].
    Learning,
}

/// One client's connection.
pub struct Session {
    /// The node whose virtual broker the client is connected to; `None` for the bootstrap endpoint.
    node_id: Option<i32>,
    /// Where jitter begins.
    seed: u64,
    /// Bytes of the request that is passing through which have not been read.
    request_left: usize,
    response: Response,
    in_flight: VecDeque<InFlight>,
    /// Leeward's answers to ApiVersions requests that the broker hears too, for when their turn comes.
    versions_answers: VecDeque<Bytes>,
    bytes_in_flight: usize,
    /// What was put into the outbox for the home and not taken by [`Session::take_departures`].
    departures: Departures,
    home: Home,
    home_backoff: Backoff,
    /// The home is there, and everything goes around it: see [`around`].
    avoids_home: bool,
    /// The home was lost and has not answered since.
    home_was_lost: bool,
    /// The home's present connection has answered something.
    home_answered: bool,
    /// Another broker than the client means, while that is away.
    stand_in: Option<Box<StandIn>>,
    /// The home of a client that nobody else can log in is gone.
    leaving: Option<Box<Leaving>>,
    sasl: Sasl,
    identity: Identity,
    library: Library,
    /// What the member said when it joined its group.
    session_timeout: Option<Duration>,
    silent_producer: bool,
    client_id: Box<str>,
    /// The request that the client gives up first, by API key.
    shortest: Option<(i16, Duration)>,
    /// The shortest limit of its Produce requests.
    produce_limit: Option<Duration>,
    hindrance: Option<Hindrance>,
    about_changes: u32,
    /// In a box: a session that says nothing is small.
    portrait: Box<Portrait>,
    /// Chooses the frames that are looked into for their topics.
    dice: Dice,
    /// The client's own ApiVersions request, so that a broker learns its name and version when it is dialled.
    announcement: Option<Bytes>,
    waiting: Option<Waiting>,
    /// The next answer of the home waits there for its turn.
    home_blocked: bool,
    /// When it was last asked whether the home is still there.
    doubted: u64,
    /// For what the next Produce waits.
    quiet: Option<Quiet>,
    /// A response came back to wait for virtual brokers, and they were looked for already.
    learned: bool,
    /// A well-formed request was seen.
    greeted: bool,
    paused: Option<Pause>,
    requests: u64,
    /// The number of the last entry of the ring.
    last_seq: u64,
    numbers: Numbers,
    shelter: Option<Box<Shelter>>,
    /// Requests that somebody listens to.
    taps: Option<Box<Taps>>,
    /// Correlation ids of Leeward's own questions.
    own_questions: i32,
    /// Why the session has to end, found where nothing could be returned.
    doom: Option<Close>,
}

impl Session {
    /// A session whose client has just connected. `node_id`: whose virtual broker that was; `seed`: for jitter.
    pub fn new(node_id: Option<i32>, seed: u64) -> Self {
        Session {
            node_id,
            seed,
            request_left: 0,
            response: Response::AtFrame,
            in_flight: VecDeque::new(),
            versions_answers: VecDeque::new(),
            bytes_in_flight: 0,
            departures: Departures::default(),
            home: Home::Unwanted,
            home_backoff: Backoff::default(),
            avoids_home: false,
            home_was_lost: false,
            home_answered: false,
            stand_in: None,
            leaving: None,
            sasl: Sasl::None,
            identity: Identity::default(),
            library: Library::default(),
            session_timeout: None,
            silent_producer: false,
            client_id: Box::default(),
            shortest: None,
            produce_limit: None,
            hindrance: None,
            about_changes: 0,
            portrait: Box::default(),
            dice: Dice::new(seed),
            announcement: None,
            waiting: None,
            home_blocked: false,
            doubted: 0,
            quiet: None,
            learned: false,
            greeted: false,
            paused: None,
            requests: 0,
            last_seq: 0,
            numbers: Numbers::default(),
            shelter: None,
            taps: None,
            own_questions: 0,
            doom: None,
        }
    }

    /// The node whose virtual broker the client is connected to; `None` for the bootstrap endpoint.
    pub fn node_id(&self) -> Option<i32> {
        self.node_id
    }

    /// Whether a well-formed request was seen: a peer that speaks Kafka.
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// What the session waits for, apart from bytes.
    pub fn waiting(&self) -> Option<Waiting> {
        self.waiting
    }

    /// Whether every request that was read has its whole answer, and none is half read. Then a drained session may end.
    pub fn is_at_rest(&self) -> bool {
        let between_answers = match self.response {
            Response::AtFrame | Response::Drop(_) => true,
            Response::Pass(_) | Response::Walk { .. } => false,
        };
        let nothing_silent = self.shelter.as_ref().is_none_or(|shelter| shelter.calls.values().all(|call| call.is_answered));
        nothing_silent && self.in_flight.is_empty() && self.request_left == 0 && between_answers
    }

    /// Whether a request has begun to pass and its end has not been read: its bytes are owed to the broker.
    pub fn is_mid_request(&self) -> bool {
        self.request_left > 0
    }

    /// Whether the client produces without waiting for answers (acks=0): it will not learn that something was lost, and not send it again.
    pub fn is_silent_producer(&self) -> bool {
        self.silent_producer
    }

    /// Requests that were read since the session began.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Requests that are owed an answer.
    pub fn requests_in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of those requests.
    pub fn bytes_in_flight(&self) -> usize {
        self.bytes_in_flight
    }

    /// The picture of the cluster changed: what waited for it may try again.
    pub fn view_changed(&mut self) {
        if self.waiting == Some(Waiting::Offer) {
            self.waiting = None;
        }
    }

    /// The nodes of the last [`Outbox::learn`] have been dealt with: those that could be have a virtual broker now.
    pub fn learned(&mut self) {
        if self.waiting == Some(Waiting::Learning) {
            self.waiting = None;
            self.learned = true;
        }
    }

    /// Everything in the outbox for the broker was handed to its socket.
    pub fn sent(&mut self, now: u64) {
        for entry in self.in_flight.iter_mut().rev().filter(|entry| entry.owed.kind.awaits_home()) {
            if entry.owed.sent != 0 {
                break;
            }
            entry.owed.sent = now;
        }
    }

    /// What has left for the home since the last call; to be asked when everything in the outbox for it was handed to its socket.
    pub fn take_departures(&mut self) -> Departures {
        std::mem::take(&mut self.departures)
    }

    /// The same where the home is gone, and the last `unwritten` bytes for it never left.
    pub fn take_lost_departures(&mut self, unwritten: usize) -> Departures {
        self.take_departures().lost(unwritten)
    }

    /// The connection to the home is up.
    pub fn home_up<O: Observer>(&mut self, moment: &Moment<'_, O>) {
        self.home_answered = false;
        self.stand_in_is_up();
        if std::mem::take(&mut self.home_was_lost) {
            self.tell(moment, Event::HomeBack);
        }
    }

    /// Why the session has to end, if something since the last call said so.
    pub fn take_doom(&mut self) -> Option<Close> {
        self.doom.take()
    }

    /// Whether what happens to the home is kept from the client.
    fn shelters<O>(&self, moment: &Moment<'_, O>) -> bool {
        let is_known = self.identity.can_detour() || self.identity.is_bound();
        moment.policy.absorbs() && !moment.policy.watch_only && self.sasl == Sasl::None && is_known
    }

    fn tell<O: Observer>(&self, moment: &Moment<'_, O>, event: Event) {
        moment.observer.guard(ClientRef { client_id: &self.client_id, node_id: self.node_id }, event);
    }

    fn own_correlation_id(&mut self) -> i32 {
        self.own_questions = (self.own_questions + 1) & i32::MAX;
        self.own_questions
    }

    fn index_of(&self, seq: u64) -> Option<usize> {
        let at = self.in_flight.partition_point(|entry| entry.owed.seq < seq);
        self.in_flight.get(at).filter(|entry| entry.owed.seq == seq).map(|_| at)
    }

    fn entry_mut(&mut self, seq: u64) -> Option<&mut InFlight> {
        let at = self.index_of(seq)?;
        self.in_flight.get_mut(at)
    }

    /// Takes the entry out of the ring: nobody waits for it.
    fn remove(&mut self, seq: u64) {
        if let Some(at) = self.index_of(seq)
            && let Some(entry) = self.in_flight.remove(at)
        {
            self.bytes_in_flight -= entry.owed.frame_bytes;
        }
    }

    /// Produce requests with numbered batches that have no answer yet.
    fn numbered_in_flight(&self) -> usize {
        let silent = self.shelter.as_ref().map_or(0, |shelter| shelter.calls.values().filter(|call| !call.is_owed && !call.is_answered).count());
        self.in_flight.iter().filter(|entry| entry.owed.batches == Batches::Numbered).count() + silent
    }

    /// Those of them that share one of these partitions, a set of bits.
    fn numbered_with(&self, partitions: u64) -> usize {
        let shares = |others: u64| others == 0 || others & partitions != 0;
        let silent = |shelter: &Shelter| shelter.calls.values().filter(|call| !call.is_owed && !call.is_answered && shares(call.partitions)).count();
        let owed = self.in_flight.iter().filter(|entry| entry.owed.batches == Batches::Numbered && shares(entry.owed.partitions)).count();
        owed + self.shelter.as_deref().map_or(0, silent)
    }

    /// Produce requests as the client made them, for which the home owes an answer.
    fn plain_in_flight(&self) -> usize {
        self.plain().count()
    }

    /// Those of them that share one of these partitions, a set of bits, or of which the partitions are not known.
    fn plain_with(&self, partitions: u64) -> usize {
        self.plain().filter(|owed| owed.partitions == 0 || owed.partitions & partitions != 0).count()
    }

    fn plain(&self) -> impl Iterator<Item = &in_flight::Owed> {
        self.in_flight.iter().map(|entry| &entry.owed).filter(|owed| owed.batches == Batches::Plain && owed.kind.awaits_home())
    }

    /// Bytes of requests that are sheltered.
    pub fn held_bytes(&self) -> usize {
        self.shelter.as_ref().map_or(0, |shelter| shelter.calls.values().filter(|call| !call.is_answered).map(|call| call.frame.len()).sum())
    }

    /// Requests that are sheltered and have no answer.
    pub fn held_requests(&self) -> usize {
        self.shelter.as_ref().map_or(0, |shelter| shelter.calls.values().filter(|call| !call.is_answered).count())
    }
}

#[cfg(test)]
mod tests;
