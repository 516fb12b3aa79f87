//! What one worker thread counts. Nothing on the path of single requests locks, allocates or waits; the guard's events go into the thread's own page
//! of the ledger, whose lock only a scrape or a report takes besides.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::counter::{Counter, wide};
use super::error_names;
use super::histogram::Histogram;
use super::ledger::{Page, lock};
use super::nodes::NodeShard;
use super::taps::Taps;
use crate::guard::{ClientRef, Event};
use crate::history::{Amount, TopicAmounts};
use crate::protocol::produce::Topic;
use crate::session::{CloseCause, Departures, Observer, Pause};
use crate::tap::Listener;
use crate::wire::Api;

/// The writing end of one thread's counters. `Send` but not `Sync` and not `Clone`: the thread that holds it is the only writer;
/// sessions of that thread share it by `Rc`.
#[derive(Debug)]
pub struct WorkerMetrics {
    shard: Arc<Shard>,
    taps: Arc<Taps>,
    /// Not shared: handed over when it is asked for.
    topics: RefCell<TopicAmounts>,
    single_writer: PhantomData<Cell<()>>,
}

/// Which side of a session a system call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Broker,
}

impl Side {
    /// Every side, in the order of its index.
    pub const ALL: [Side; 2] = [Side::Client, Side::Broker];

    /// The value of the metrics' label `side`.
    pub fn label(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Broker => "broker",
        }
    }
}

/// Why a connection was turned away before it became a session. It is in neither `session_opened` nor `session_closed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `limits.sessions_max`.
    SessionsMax,
    /// `limits.sessions_per_address_max`.
    SessionsPerAddressMax,
    /// `accept` failed: no file descriptors or no memory.
    AcceptFailed,
    /// Leeward is ending.
    Shutdown,
}

impl Refusal {
    /// Every reason, in the order of its index.
    pub const ALL: [Refusal; 4] = [Refusal::SessionsMax, Refusal::SessionsPerAddressMax, Refusal::AcceptFailed, Refusal::Shutdown];

    /// The value of the metric's label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Refusal::SessionsMax => "sessions_max",
            Refusal::SessionsPerAddressMax => "sessions_per_address_max",
            Refusal::AcceptFailed => "accept_failed",
            Refusal::Shutdown => "shutdown",
        }
    }
}

impl WorkerMetrics {
    pub(super) fn new(shard: Arc<Shard>, taps: Arc<Taps>) -> Self {
        Self { shard, taps, topics: RefCell::default(), single_writer: PhantomData }
    }

    /// A client was accepted.
    pub fn session_opened(&self) {
        self.shard.sessions_opened.add(1);
    }

    /// A session that was opened has ended; once for each.
    pub fn session_closed(&self, cause: CloseCause) {
        add_at(&self.shard.sessions_closed, cause.index(), 1);
    }

    /// A client was turned away before it became a session. Gives how often this thread has done so for this reason, this time included.
    pub fn session_refused(&self, reason: Refusal) -> u64 {
        add_at(&self.shard.sessions_refused, reason as usize, 1);
        self.shard.sessions_refused.get(reason as usize).map_or(0, Counter::value)
    }

    /// A connection to a broker is established.
    pub fn upstream_opened(&self) {
        self.shard.upstream_opened.add(1);
    }

    /// A connection to a broker that was established has ended; once for each.
    pub fn upstream_closed(&self) {
        self.shard.upstream_closed.add(1);
    }

    /// A session's home is up, and it is this broker.
    pub fn home_opened(&self, node_id: Option<i32>) {
        self.shard.nodes.row(node_id).sessions.change(1);
    }

    /// A home that was up is gone; once for each.
    pub fn home_closed(&self, node_id: Option<i32>) {
        self.shard.nodes.row(node_id).sessions.change(-1);
    }

    /// These requests were handed to a socket whose other end is this broker.
    pub fn sent(&self, node_id: Option<i32>, departures: &Departures) {
        if !departures.is_empty() {
            self.shard.nodes.row(node_id).sent(departures);
        }
    }

    /// So many bytes came from this broker.
    pub fn received(&self, node_id: Option<i32>, bytes: usize) {
        self.shard.nodes.row(node_id).received_bytes.add(wide(bytes));
    }

    /// What was carried by topic since the last time.
    pub fn take_topics(&self) -> TopicAmounts {
        self.topics.take()
    }

    /// Gives back what was taken.
    pub fn return_topics(&self, topics: TopicAmounts) {
        self.topics.borrow_mut().merge(topics);
    }

    /// One address of a broker did not accept a connection.
    pub fn dial_failed(&self) {
        self.shard.dials_failed.add(1);
    }

    /// A request with a key that Leeward does not know passes untouched.
    pub fn unknown_api(&self) {
        self.shard.unknown_api.add(1);
    }

    /// Differences of what brokers have not answered, over all sessions of this thread.
    pub fn in_flight(&self, requests: i64, frame_bytes: i64) {
        self.shard.in_flight_requests.change(requests);
        self.shard.in_flight_bytes.change(frame_bytes);
    }

    /// Differences of what is held, unanswered and not sent.
    pub fn held(&self, requests: i64, frame_bytes: i64) {
        self.shard.held_requests.change(requests);
        self.shard.held_bytes.change(frame_bytes);
    }

    /// How many pooled buffers of this thread carry bytes now, and how many wait in the pool.
    pub fn buffers(&self, out: usize, free: usize) {
        self.shard.buffers_out.set(wide(out));
        self.shard.buffers_free.set(wide(free));
    }

    /// One reading system call, with what it gave (0 where it would have blocked).
    pub fn read(&self, side: Side, bytes: usize) {
        if let Some(io) = self.shard.io.get(side as usize) {
            io.reads.add(1);
            io.read_bytes.add(wide(bytes));
        }
    }

    /// One writing system call, with what it took (0 where it would have blocked).
    pub fn write(&self, side: Side, bytes: usize) {
        if let Some(io) = self.shard.io.get(side as usize) {
            io.writes.add(1);
            io.written_bytes.add(wide(bytes));
        }
    }
}

impl Observer for WorkerMetrics {
    fn request(&self, api_key: i16, frame_bytes: usize) {
        if let Some(api) = self.shard.apis.get(api_index(api_key)) {
            api.requests.add(1);
            api.request_bytes.add(wide(frame_bytes));
        }
    }

    fn response(&self, api_key: i16, frame_bytes: usize, broker_nanos: u64, own_nanos: u64) {
        if let Some(api) = self.shard.apis.get(api_index(api_key)) {
            api.response_bytes.add(wide(frame_bytes));
            api.broker_time.observe(broker_nanos);
            api.own_time.observe(own_nanos);
        }
    }

    fn error(&self, api_key: i16, code: i16) {
        if let Some(api) = self.shard.apis.get(api_index(api_key)) {
            add_at(&api.errors, error_names::index(code), 1);
        }
    }

    fn paused(&self, reason: Pause) {
        add_at(&self.shard.pauses, reason as usize, 1);
    }

    fn topic(&self, topic: Topic<'_>, amount: Amount) {
        self.topics.borrow_mut().add(topic, amount);
    }

    fn guard(&self, client: ClientRef<'_>, event: Event) {
        lock(&self.shard.page).note(client, event, Instant::now);
    }

    fn tap<R>(&self, ask: impl FnOnce(&[Arc<Listener>]) -> R) -> Option<R> {
        self.taps.ask(ask)
    }
}

/// The counters of one thread.
#[derive(Debug)]
pub(super) struct Shard {
    /// By [`api_index`].
    pub(super) apis: Box<[ApiShard]>,
    pub(super) nodes: NodeShard,
    /// By [`Side`].
    pub(super) io: [IoShard; Side::ALL.len()],
    /// By [`CloseCause::index`].
    pub(super) sessions_closed: [Counter; CloseCause::ALL.len()],
    /// By [`Refusal`].
    pub(super) sessions_refused: [Counter; Refusal::ALL.len()],
    /// By [`Pause`].
    pub(super) pauses: [Counter; Pause::ALL.len()],
    pub(super) sessions_opened: Counter,
    pub(super) upstream_opened: Counter,
    pub(super) upstream_closed: Counter,
    pub(super) dials_failed: Counter,
    pub(super) unknown_api: Counter,
    pub(super) in_flight_requests: Counter,
    pub(super) in_flight_bytes: Counter,
    pub(super) held_requests: Counter,
    pub(super) held_bytes: Counter,
    pub(super) buffers_out: Counter,
    pub(super) buffers_free: Counter,
    /// Its part of the ledger.
    pub(super) page: Arc<Mutex<Page>>,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            apis: (0..api_slots()).map(|_| ApiShard::default()).collect(),
            nodes: NodeShard::default(),
            io: Default::default(),
            sessions_closed: Default::default(),
            sessions_refused: Default::default(),
            pauses: Default::default(),
            sessions_opened: Counter::default(),
            upstream_opened: Counter::default(),
            upstream_closed: Counter::default(),
            dials_failed: Counter::default(),
            unknown_api: Counter::default(),
            in_flight_requests: Counter::default(),
            in_flight_bytes: Counter::default(),
            held_requests: Counter::default(),
            held_bytes: Counter::default(),
            buffers_out: Counter::default(),
            buffers_free: Counter::default(),
            page: Arc::default(),
        }
    }
}

/// What is counted for one API key.
#[derive(Debug)]
pub(super) struct ApiShard {
    pub(super) requests: Counter,
    pub(super) request_bytes: Counter,
    pub(super) response_bytes: Counter,
    pub(super) broker_time: Histogram,
    pub(super) own_time: Histogram,
    /// By [`error_names::index`]. On the heap, so that the rows of the busy keys stay close together.
    pub(super) errors: Box<[Counter]>,
}

impl Default for ApiShard {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            broker_time: Histogram::default(),
            own_time: Histogram::default(),
            errors: (0..error_names::SLOTS).map(|_| Counter::default()).collect(),
        }
    }
}

/// What is counted for one side's system calls.
#[derive(Debug, Default)]
pub(super) struct IoShard {
    pub(super) reads: Counter,
    pub(super) read_bytes: Counter,
    pub(super) writes: Counter,
    pub(super) written_bytes: Counter,
}

/// One row for each known key and a last one for all the others together.
pub(super) fn api_slots() -> usize {
    Api::all().len() + 1
}

/// The label of a row.
pub(super) fn api_name(index: usize) -> &'static str {
    Api::all().get(index).map_or("Unknown", |api| api.name)
}

pub(super) fn api_index(api_key: i16) -> usize {
    let known = Api::all().len();
    usize::try_from(api_key).map_or(known, |index| index.min(known))
}

fn add_at(counters: &[Counter], index: usize, count: u64) {
    if let Some(counter) = counters.get(index) {
        counter.add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row() {
        assert_eq!([api_index(0), api_index(94), api_index(95), api_index(-1), api_index(i16::MAX)], [0, 94, 95, 95, 95]);
    }

    #[test]
    fn labels_stand_at_their_index() {
        assert!(Side::ALL.iter().enumerate().all(|(index, side)| *side as usize == index));
        assert!(Refusal::ALL.iter().enumerate().all(|(index, refusal)| *refusal as usize == index));
        assert!(Pause::ALL.iter().enumerate().all(|(index, pause)| *pause as usize == index));
    }
}
