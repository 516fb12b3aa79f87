//! One request that somebody listens to, from its arrival to its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::listener::Listener;
use crate::guard::{Event, HoldEnd, NotNumbered};
use crate::protocol::digest::{self, Digest, ERRORS_MAX};
use crate::protocol::produce::Topic;
use crate::wire::RequestHeader;
use crate::wire::api;
use crate::wire::frame::LENGTH_BYTES;

/// What all requests that are looked at may take together, from their arrival until their listener has written them.
pub const KEPT_BYTES_MAX: usize = 32 << 20;

/// What one takes without its frames: itself, and as many names as a digest tells.
const TAPPED_BYTES: usize = 4096;

/// Bytes that are kept for all listeners.
#[derive(Debug, Default)]
pub struct Memory {
    kept: AtomicUsize,
}

/// A share of them, given back when it goes.
#[derive(Debug)]
struct Kept {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    /// Bytes that are kept now.
    pub fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    fn take(self: &Arc<Self>, bytes: usize) -> Option<Kept> {
        let more = |kept: usize| Some(kept + bytes).filter(|kept| *kept <= KEPT_BYTES_MAX);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Kept { memory: Arc::clone(self), bytes })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.memory.kept.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a request is and names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Empty where the request has none.
    pub client_id: Box<str>,
    /// Length of its frame, the length field included.
    pub frame_bytes: usize,
    /// As the client sent it; `None`: it is no Produce.
    pub acks: Option<i16>,
    pub digest: Digest,
}

/// The answer that the client got, or would have got.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Length of its frame, the length field included.
    pub frame_bytes: usize,
    pub digest: Digest,
    /// From the request's leaving to the answer's first bytes; of a request that was sheltered from its arrival on.
    pub broker_nanos: u64,
    /// What Leeward spent before the request left.
    pub own_nanos: u64,
}

/// What the guard did with a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarding {
    /// How long it was held, and how that ended; `None`: it was not.
    pub held: Option<(u64, HoldEnd)>,
    /// It is being held.
    is_held: bool,
    /// How often it, or a part of it, was sent again.
    pub resent: u32,
    /// Codes that the client does not see, each once.
    pub absorbed: Vec<i16>,
    /// Lost connections that the client does not see.
    pub losses: u32,
    pub acks_raised: bool,
    /// Batches that got a producer id of Leeward's.
    pub numbered: u32,
    pub not_numbered: Option<NotNumbered>,
    pub duplicates_dropped: u32,
    /// Codes that the guard could not keep from the client, or made itself; each once.
    pub reached: Vec<i16>,
}

impl Guarding {
    /// Whether it was held, or is.
    pub fn was_held(&self) -> bool {
        self.is_held || self.held.is_some()
    }

    /// Takes in what the guard tells of the request.
    pub fn note(&mut self, event: &Event) {
        match *event {
            Event::Absorbed { code, .. } => once(&mut self.absorbed, code),
            Event::AbsorbedLoss { .. } => self.losses += 1,
            Event::HoldBegan { .. } => self.is_held = true,
            Event::HoldEnded { end, nanos, .. } => (self.held, self.is_held) = (Some((nanos, end)), false),
            Event::AcksRaised => self.acks_raised = true,
            Event::Numbered { batches } => self.numbered += batches,
            Event::NotNumbered { reason } => self.not_numbered = Some(reason),
            Event::DuplicateDropped => self.duplicates_dropped += 1,
            Event::Resent { .. } => self.resent += 1,
            Event::Reached { code, .. } => once(&mut self.reached, code),
            Event::HomeLost | Event::HomeBack => {}
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client got an answer.
    Answered,
    /// The client asked for no answer (acks=0).
    Unanswered,
    /// The same, and the broker was made to answer (acks raised): the answer is for Leeward alone.
    Swallowed,
    /// The connection ended before.
    Abandoned,
}

impl End {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            End::Answered => "answered",
            End::Unanswered => "unanswered",
            End::Swallowed => "swallowed",
            End::Abandoned => "abandoned",
        }
    }
}

/// A frame's bytes from its length field on, perhaps not all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    pub bytes: Box<[u8]>,
    /// Bytes of the whole frame.
    pub length: usize,
}

/// When and where a request passed, as its thread knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// When its answer went to the client, in microseconds since 1970.
    pub at_micros: u64,
    pub peer: SocketAddr,
    /// The address of Leeward's at which the client came in, where it is known.
    pub local: Option<SocketAddr>,
    /// The broker whose virtual broker the client came to; `None`: the bootstrap endpoint.
    pub node_id: Option<i32>,
    /// The broker to which its requests go now, apart from detours; `None`: it is not known, or there is none.
    pub home: Option<i32>,
}

/// One request, as listeners get it.
#[derive(Debug)]
pub struct Told {
    pub request: Request,
    pub answer: Option<Answer>,
    pub guarding: Guarding,
    pub end: End,
    /// From its arrival to its end.
    pub nanos: u64,
    pub request_frame: Option<Frame>,
    pub answer_frame: Option<Frame>,
    pub delivery: Delivery,
    _kept: Kept,
}

/// One request that somebody listens to.
#[derive(Debug)]
pub struct Tapped {
    ears: Vec<Ear>,
    request: Request,
    answer: Option<Answer>,
    guarding: Guarding,
    end: End,
    arrived: u64,
    ended: u64,
    request_frame: Option<Frame>,
    answer_frame: Option<Frame>,
    kept: Kept,
}

#[derive(Debug)]
struct Ear {
    listener: Arc<Listener>,
    /// A topic was named that it wants.
    topic_seen: bool,
}

/// The name of a topic that is given by its id.
pub type Names<'a> = &'a dyn Fn([u8; 16]) -> Option<Arc<str>>;

impl Tapped {
    /// Looks at a request for those who want it; `frame`: what is there of it, `now` and later times in nanoseconds.
    pub fn choose(listeners: &[Arc<Listener>], mut request: Request, frame: &[u8], names: Names<'_>, now: u64) -> Option<Box<Self>> {
        let client_id = || client_id(frame);
        let mut ears: Vec<Ear> = listeners
            .iter()
            .filter(|listener| listener.looks_at(request.api_key, client_id, now))
            .map(|listener| Ear { listener: Arc::clone(listener), topic_seen: false })
            .collect();
        let frame_bytes = frame_bytes(&ears, request.api_key)?;
        request.client_id = client_id();
        request.digest = digest::request(frame, &mut |topic| heard(&mut ears, topic, names));
        resolve(&mut request.digest, names);
        // The answer to a Fetch or a Metadata names topics of which the request says nothing.
        if request.digest.is_whole && !matches!(request.api_key, api::FETCH | api::METADATA | api::SHARE_FETCH) {
            ears.retain(Ear::has_its_topic);
        }
        let memory = Arc::clone(ears.first()?.listener.memory());
        // The answer's frame may take as much again.
        let Some(kept) = memory.take(TAPPED_BYTES + 2 * frame_bytes) else {
            ears.iter().for_each(|ear| ear.listener.had_no_memory());
            return None;
        };
        let request_frame = (frame_bytes > 0).then(|| Frame::cut(frame, request.frame_bytes, frame_bytes));
        Some(Box::new(Tapped {
            ears,
            request,
            answer: None,
            guarding: Guarding::default(),
            end: End::Abandoned,
            arrived: now,
            ended: now,
            request_frame,
            answer_frame: None,
            kept,
        }))
    }

    /// What the guard did with it.
    pub fn note(&mut self, event: &Event) {
        self.guarding.note(event);
    }

    /// Its answer; `frame`: what is there of it.
    pub fn answered(&mut self, frame: &[u8], answer: Answer, names: Names<'_>) {
        let Tapped { ears, request, .. } = self;
        let mut digest = digest::response(request.api_key, request.api_version, frame, &mut |topic| heard(ears, topic, names));
        resolve(&mut digest, names);
        let frame_bytes = frame_bytes(&self.ears, self.request.api_key).unwrap_or(0);
        self.answer_frame = (frame_bytes > 0).then(|| Frame::cut(frame, answer.frame_bytes, frame_bytes));
        self.answer = Some(Answer { digest, ..answer });
    }

    /// An error code in a part of the answer that was not there at first.
    pub fn error(&mut self, code: i16) {
        if let Some(answer) = &mut self.answer {
            once(&mut answer.digest.errors, code);
        }
    }

    /// Its part of the way is over.
    pub fn ended(&mut self, end: End, now: u64) {
        (self.end, self.ended) = (end, now);
    }

    /// Hands it to those who want it. `now`: as in [`Tapped::choose`].
    pub fn deliver(self, delivery: Delivery) {
        let Tapped { ears, request, answer, guarding, end, arrived, ended, request_frame, answer_frame, kept } = self;
        let mut codes = guarding.absorbed.clone();
        codes.extend(guarding.reached.iter().chain(answer.iter().flat_map(|answer| &answer.digest.errors)));
        let wants = |ear: &Ear| ear.has_its_topic() && ear.listener.wanted().errors.want(&codes);
        let nanos = ended.saturating_sub(arrived);
        if !ears.iter().any(wants) {
            return;
        }
        let told = Arc::new(Told { request, answer, guarding, end, nanos, request_frame, answer_frame, delivery, _kept: kept });
        ears.iter().filter(|ear| wants(ear)).for_each(|ear| ear.listener.tell(&told, ended));
    }
}

impl Ear {
    fn has_its_topic(&self) -> bool {
        self.topic_seen || self.listener.wanted().topics.is_empty()
    }
}

impl Frame {
    fn cut(bytes: &[u8], length: usize, most: usize) -> Frame {
        Frame { bytes: bytes.get(..most).unwrap_or(bytes).into(), length }
    }
}

/// Bytes of each frame that are kept; `None`: nobody wants it.
fn frame_bytes(ears: &[Ear], api_key: i16) -> Option<usize> {
    let wanted = ears.iter().map(|ear| ear.listener.wanted().frame_bytes).max()?;
    Some(if digest::holds_secrets(api_key) { 0 } else { wanted })
}

fn heard(ears: &mut [Ear], topic: Topic<'_>, names: Names<'_>) {
    for ear in ears.iter_mut().filter(|ear| !ear.topic_seen) {
        ear.topic_seen = match topic {
            Topic::Name(name) => ear.listener.wants_topic(name),
            Topic::Id(id) => names(id).is_some_and(|name| ear.listener.wants_topic(&name)),
        };
    }
}

/// Gives topics that are named by id their names, where those are known.
fn resolve(digest: &mut Digest, names: Names<'_>) {
    for topic in digest.topics.iter_mut().filter(|topic| topic.name.is_none()) {
        topic.name = topic.id.and_then(names).map(|name| Box::from(&*name));
    }
}

/// As the request's header has it.
fn client_id(frame: &[u8]) -> Box<str> {
    let header = RequestHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default());
    header.ok().and_then(|header| header.client_id).map(|client_id| String::from_utf8_lossy(client_id).into()).unwrap_or_default()
}

fn once(codes: &mut Vec<i16>, code: i16) {
    if code != 0 && !codes.contains(&code) && codes.len() < ERRORS_MAX {
        codes.push(code);
    }
}
