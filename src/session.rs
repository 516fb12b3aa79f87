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

pub mod close;
mod in_flight;
pub mod outbox;
mod requests;
mod responses;
mod sasl;

use std::collections::VecDeque;

use bytes::Bytes;

pub use close::{Close, CloseCause};
pub use outbox::Outbox;

use crate::cluster::View;
use crate::guard;
use in_flight::InFlight;
use responses::Response;
use sasl::Sasl;

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
    /// The guard did something. Off the hot path but for [`guard::Event::AcksRaised`] and [`guard::Event::Numbered`]: an implementation may take a
    /// lock that no other session's thread takes. An observer of the plain wire has no use for it.
    fn guard(&self, _client: guard::ClientRef<'_>, _event: guard::Event) {}
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
}

impl Pause {
    /// Every reason, in the order of its index.
    pub const ALL: [Pause; 3] = [Pause::BrokerBusy, Pause::BytesInFlight, Pause::RequestsInFlight];

    /// The value of the metric's label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Pause::BrokerBusy => "broker_busy",
            Pause::BytesInFlight => "bytes_in_flight",
            Pause::RequestsInFlight => "requests_in_flight",
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
    pub observer: &'a O,
    pub limits: &'a SessionLimits,
}

/// Whether the session has use for its home upstream.
///
/// ```text
/// Unwanted ──first request that needs a broker──▶ Wanted
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// Nothing was sent on yet: the broker is not dialled.
    Unwanted,
    /// Dialled or up; bytes for it may be put into the outbox at any time.
    Wanted,
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
    /// Bytes of the request that is passing through which have not been read.
    request_left: usize,
    response: Response,
    in_flight: VecDeque<InFlight>,
    /// Entries at the ring's end that have not left for the broker.
    unsent: usize,
    /// Leeward's answers to ApiVersions requests that the broker hears too, for when their turn comes.
    versions_answers: VecDeque<Bytes>,
    bytes_in_flight: usize,
    home: Home,
    sasl: Sasl,
    /// The client's own ApiVersions request, so that the broker learns its name and version when it is dialled.
    announcement: Option<Bytes>,
    waiting: Option<Waiting>,
    /// A response came back to wait for virtual brokers, and they were looked for already.
    learned: bool,
    /// A well-formed request was seen.
    greeted: bool,
    paused: Option<Pause>,
    requests: u64,
}

impl Default for Session {
    fn default() -> Self {
        Session::new()
    }
}

impl Session {
    /// A session whose client has just connected.
    pub fn new() -> Self {
        Session {
            request_left: 0,
            response: Response::AtFrame,
            in_flight: VecDeque::new(),
            unsent: 0,
            versions_answers: VecDeque::new(),
            bytes_in_flight: 0,
            home: Home::Unwanted,
            sasl: Sasl::None,
            announcement: None,
            waiting: None,
            learned: false,
            greeted: false,
            paused: None,
            requests: 0,
        }
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
        self.in_flight.is_empty() && self.request_left == 0 && between_answers
    }

    /// Whether a request has begun to pass and its end has not been read: its bytes are owed to the broker.
    pub fn is_mid_request(&self) -> bool {
        self.request_left > 0
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
        for entry in self.in_flight.iter_mut().rev().take(self.unsent) {
            entry.sent = now;
        }
        self.unsent = 0;
    }
}

#[cfg(test)]
mod tests;
