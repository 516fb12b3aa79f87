//! From the client to the broker: what becomes of each request.

use bytes::{Bytes, BytesMut};

use super::in_flight::{Batches, InFlight, Kind, Owed};
use super::sasl::{self, Sasl};
use super::{Close, CloseCause, Hindrance, Home, Moment, Observer, Outbox, Pause, Session, Waiting};
use crate::guard::deadline::Library;
use crate::protocol::patch::understands;
use crate::protocol::peek::{Peek, peek};
use crate::protocol::versions;
use crate::tap::{Answer, End};
use crate::wire::api::{self, Api};
use crate::wire::frame::{LENGTH_BYTES, stranger};
use crate::wire::{FrameLength, RequestHeader, Route};

mod guarded;

use guarded::Guarded;
pub(super) use guarded::{Intent, Quiet};

/// The largest ApiVersions request: a header with the longest client id, and two names.
const API_VERSIONS_BYTES_MAX: usize = 128 * 1024;

/// Answers made here that wait for the client to take them: a flood of small ApiVersions requests must not become a larger flood in memory.
const ANSWERS_BYTES_MAX: usize = 64 * 1024;

/// What to do at the start of a frame.
enum Next {
    /// Nothing yet: more bytes, a free place, or an event is needed.
    Wait,
    /// So many bytes go to the broker as they are.
    Pass(usize),
    /// A whole ApiVersions request of so many bytes, length field included.
    ApiVersions(usize),
    /// A whole request of so many bytes, which is kept until it is answered.
    Whole(usize, Peek, Intent),
    /// A producer id has to be asked for first.
    AskProducerId,
}

impl Session {
    /// Takes what it can from the front of `buffer`, the client's bytes; what it leaves must be there again, with more behind it, at the next call.
    ///
    /// # Errors
    /// The session has to end: what the client sent cannot be carried.
    pub fn on_client_bytes<O: Observer>(&mut self, buffer: &mut BytesMut, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<(), Close> {
        outbox.client_bytes_needed = 0;
        let mut passed = 0;
        loop {
            let here = self.request_left.min(buffer.len() - passed);
            passed += here;
            self.request_left -= here;
            if self.request_left > 0 {
                break;
            }
            let rest = buffer.get(passed..).unwrap_or_default();
            match self.next_request(rest, moment, outbox)? {
                Next::Wait => break,
                Next::Pass(frame_bytes) => self.request_left = frame_bytes,
                Next::ApiVersions(frame_bytes) => {
                    outbox.to_home.push_front_of(buffer, passed);
                    passed = 0;
                    let frame = buffer.split_to(frame_bytes).freeze();
                    self.answer_api_versions(&frame, moment, outbox)?;
                }
                Next::Whole(frame_bytes, peek, intent) => self.take_whole(buffer, &mut passed, frame_bytes, &peek, intent, moment, outbox)?,
                Next::AskProducerId => {
                    outbox.to_home.push_front_of(buffer, passed);
                    passed = 0;
                    self.ask_producer_id(moment.now, outbox);
                }
            }
        }
        outbox.to_home.push_front_of(buffer, passed);
        self.pump(moment, outbox);
        Ok(())
    }

    /// Whether the session would take another request now. If not, reading from the client pauses.
    pub fn takes_requests<O: Observer>(&mut self, moment: &Moment<'_, O>) -> bool {
        let pause = if self.in_flight.len() >= moment.limits.requests_in_flight_max {
            Some(Pause::RequestsInFlight)
        } else if self.bytes_in_flight >= moment.limits.bytes_in_flight_max {
            Some(Pause::BytesInFlight)
        } else if self.shelter.is_some() && moment.held_bytes >= moment.policy.held_bytes_max {
            Some(Pause::HeldBytes)
        } else {
            None
        };
        if let Some(reason) = pause
            && self.paused != pause
        {
            moment.observer.paused(reason);
        }
        self.paused = pause;
        pause.is_none() && self.waiting.is_none() && self.sasl != Sasl::Offered && !self.is_parting() && self.is_quiet_over(moment.now)
    }

    fn next_request<O: Observer>(&mut self, rest: &[u8], moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<Next, Close> {
        let Some((field, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(Next::Wait) };
        if !self.takes_requests(moment) {
            return Ok(Next::Wait);
        }
        let length = match FrameLength::read(*field, moment.limits.frame_bytes_max) {
            FrameLength::Bytes(length) => length,
            FrameLength::Refused(length) => return Err(self.refused_length(*field, length, moment.limits.frame_bytes_max)),
        };
        let frame_bytes = LENGTH_BYTES + length;
        let body = behind.get(..length).unwrap_or(behind);
        let peeked = match (self.sasl, peek(body, length)) {
            (Sasl::Raw { tokens }, peeked) => match self.raw_frame(tokens, length, peeked.ok().flatten(), body) {
                RawFrame::Request(peek) => {
                    self.sasl = Sasl::None;
                    Some(peek)
                }
                RawFrame::Token => return Ok(self.pass_token(frame_bytes, moment)),
                RawFrame::Unclear => return Ok(Next::Wait),
            },
            (Sasl::None | Sasl::Offered, Ok(peeked)) => peeked,
            (Sasl::None | Sasl::Offered, Err(error)) => return Err(self.malformed(*field, error)),
        };
        let Some(peek) = peeked else { return Ok(Next::Wait) };
        self.admit(&peek, length, moment.limits.first_frame_bytes_max)?;
        if peek.api_key != api::API_VERSIONS {
            self.look_at(&peek, rest.get(..frame_bytes).unwrap_or(rest), || moment.view.offer.as_ref()?.range(peek.api_key).map(|range| range.max));
        }
        if peek.api_key == api::API_VERSIONS {
            if length > API_VERSIONS_BYTES_MAX {
                return Err(Close::new(CloseCause::FrameTooLarge, format!("an ApiVersions request of {length} bytes")));
            }
            if body.len() < length {
                outbox.client_bytes_needed = frame_bytes;
                return Ok(Next::Wait);
            }
            if outbox.to_client.len() >= ANSWERS_BYTES_MAX {
                return Ok(Next::Wait);
            }
            if moment.view.offer.is_none() {
                self.waiting = Some(Waiting::Offer);
                return Ok(Next::Wait);
            }
            return Ok(Next::ApiVersions(frame_bytes));
        }
        let whole = behind.len() >= length;
        match self.guard_next(&peek, frame_bytes, rest.get(..frame_bytes).unwrap_or_default(), moment)? {
            Guarded::Plain => {}
            Guarded::Gather if !whole => {
                outbox.client_bytes_needed = frame_bytes;
                return Ok(Next::Wait);
            }
            Guarded::Gather | Guarded::Wait => return Ok(Next::Wait),
            Guarded::Whole(intent) => {
                self.note_produced(&peek, rest.get(..frame_bytes).unwrap_or(rest), frame_bytes, moment);
                return Ok(Next::Whole(frame_bytes, peek, intent));
            }
            Guarded::AskProducerId => return Ok(Next::AskProducerId),
        }
        if moment.policy.watch_only {
            self.watch_produce(&peek, rest.get(..frame_bytes).unwrap_or_default(), moment);
        }
        self.note_produced(&peek, rest.get(..frame_bytes).unwrap_or(rest), frame_bytes, moment);
        self.forward(&peek, rest.get(..frame_bytes).unwrap_or(rest), frame_bytes, moment, outbox);
        Ok(Next::Pass(frame_bytes))
    }

    /// Refuses what a client may not send, or what could not be kept sheltered.
    fn admit(&mut self, peek: &Peek, length: usize, first_frame_bytes_max: usize) -> Result<(), Close> {
        let Peek { api_key, api_version, .. } = *peek;
        if api_key < 0 || api_version < 0 {
            return Err(Close::new(CloseCause::MalformedRequest, format!("API key {api_key}, version {api_version}")));
        }
        if !self.greeted && length > first_frame_bytes_max && api_key != api::PRODUCE {
            return Err(Close::new(
                CloseCause::FrameTooLarge,
                format!("a first request of {length} bytes; limits.first_frame_bytes_max is {first_frame_bytes_max}"),
            ));
        }
        if let Some(known) = Api::of(api_key) {
            if known.route == Route::Internal {
                return Err(Close::new(CloseCause::InternalApi, format!("{} is for brokers and controllers only", known.name)));
            }
            if !understands(api_key, api_version) {
                return Err(Close::new(CloseCause::UnsupportedVersion, format!("{} v{api_version}; v{} was offered", known.name, known.max_version)));
            }
        }
        self.greeted = true;
        Ok(())
    }

    /// Makes the entry of a request that goes to the broker as it is, dialling it for the first one. `frame`: what is there of it.
    fn forward<O: Observer>(&mut self, peek: &Peek, frame: &[u8], frame_bytes: usize, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        self.want_home(moment.now, outbox);
        let mut owed = self.owed(peek, frame_bytes, moment);
        self.tap_request(&owed, peek.produce.map(|produce| produce.acks), frame, moment);
        if peek.produce.is_some_and(|produce| produce.acks == 0) {
            self.departures.add(peek.api_key, frame_bytes);
            self.tap_end(owed.seq, End::Unanswered, moment.now);
            return; // The broker does not answer it.
        }
        if peek.api_key == api::SASL_HANDSHAKE {
            owed.kind = Kind::Handshake;
            if peek.api_version == 0 {
                self.sasl = Sasl::Offered;
                self.identity.bind();
                self.note_hindrance(Hindrance::Login);
            }
        }
        self.push(owed, None);
    }

    /// The entry of a request that was read.
    fn owed<O: Observer>(&mut self, peek: &Peek, frame_bytes: usize, moment: &Moment<'_, O>) -> Owed {
        moment.observer.request(peek.api_key, frame_bytes);
        self.requests += 1;
        if !matches!(peek.api_key, api::SASL_HANDSHAKE | api::SASL_AUTHENTICATE) {
            self.identity.is_used();
        }
        self.count_request(peek, frame_bytes, moment.now);
        if let Some(produce) = peek.produce {
            self.silent_producer = produce.acks == 0;
        }
        self.note_limit(peek);
        Owed {
            seq: self.next_seq(),
            correlation_id: peek.correlation_id,
            api_key: peek.api_key,
            api_version: peek.api_version,
            kind: Kind::Forward,
            batches: if peek.produce.is_some() { Batches::Plain } else { Batches::None },
            partitions: 0,
            frame_bytes,
            arrived: moment.now,
            sent: 0,
        }
    }

    /// Requests that Leeward puts in itself have one too: the ring is in the order of these numbers.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    pub(super) fn push(&mut self, owed: Owed, frame: Option<Bytes>) {
        debug_assert!(self.in_flight.back().is_none_or(|last| last.owed.seq < owed.seq), "the ring is in the order of its numbers");
        self.bytes_in_flight += owed.frame_bytes;
        if owed.kind.awaits_home() {
            self.departures.add(owed.api_key, owed.frame_bytes);
        }
        if self.in_flight.capacity() == 0 {
            // Many clients have one request in flight at a time.
            self.in_flight.reserve_exact(1);
        }
        self.in_flight.push_back(InFlight { owed, frame });
    }

    /// An entry of Leeward's own, for a frame that is next for the home.
    fn push_own(&mut self, frame: Bytes, kind: Kind, now: u64, outbox: &mut Outbox) {
        let Ok(header) = RequestHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default()) else { return };
        let (api_key, api_version, correlation_id) = (header.api_key, header.api_version, header.correlation_id);
        let seq = self.next_seq();
        let (batches, frame_bytes) = (Batches::None, frame.len());
        outbox.to_home.push(frame);
        self.push(Owed { seq, correlation_id, api_key, api_version, kind, batches, partitions: 0, frame_bytes, arrived: now, sent: 0 }, None);
    }

    fn want_home(&mut self, now: u64, outbox: &mut Outbox) {
        if self.home == Home::Wanted {
            return;
        }
        self.home = Home::Wanted;
        outbox.dial = true;
        if let Some(announcement) = self.announcement.clone() {
            self.push_own(announcement, Kind::Announcement, now, outbox);
        }
        // On the first connection the client has not logged in yet.
        let login: Vec<Bytes> = self.identity.frames().cloned().collect();
        for frame in login {
            self.push_own(frame, Kind::Replay, now, outbox);
        }
    }

    /// ApiVersions is Leeward's to answer: its brokers may be of several versions. The broker hears it all the same, for its own records.
    fn answer_api_versions<O: Observer>(&mut self, frame: &Bytes, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<(), Close> {
        let malformed = |error| Close::new(CloseCause::MalformedRequest, format!("ApiVersions: {error}"));
        let bytes = frame.get(LENGTH_BYTES..).unwrap_or_default();
        let header = RequestHeader::parse(bytes).map_err(malformed)?;
        let body = bytes.get(header.body..).unwrap_or_default();
        let (version, id) = (header.api_version, header.correlation_id);
        let software = if version <= VERSIONS_UNDERSTOOD { versions::parse_request(version, body).map_err(malformed)? } else { None };
        moment.observer.request(api::API_VERSIONS, frame.len());
        self.requests += 1;

        let client_id = header.client_id.and_then(|bytes| std::str::from_utf8(bytes).ok());
        let software = software.filter(|software| software.is_acceptable()).map(|software| (software.name, software.version));
        if let Some((name, _)) = software {
            self.library = Library::named(name);
        }
        self.asked_versions(version, software, frame, moment.now);
        let announcement = |id| versions::encode_request(if software.is_some() { ANNOUNCED_VERSION } else { 0 }, id, client_id, software);
        let answer = self.versions_answer(version, id, body, moment);
        // A copy of exactly its length: it is kept as long as the connection stands.
        let own = software.is_some().then(|| Bytes::copy_from_slice(&announcement(ANNOUNCEMENT_ID)));
        self.announcement = own.or(self.announcement.take());
        let is_heard = self.home == Home::Wanted;
        let owed = Owed {
            seq: self.next_seq(),
            correlation_id: id,
            api_key: api::API_VERSIONS,
            api_version: version,
            kind: if is_heard { Kind::Versions } else { Kind::Ready },
            batches: Batches::None,
            partitions: 0,
            frame_bytes: frame.len(),
            arrived: moment.now,
            sent: 0,
        };
        self.tap_request(&owed, None, frame, moment);
        if is_heard {
            outbox.to_home.push(announcement(id));
            self.versions_answers.push_back(answer);
            self.push(owed, None);
            return Ok(());
        }
        moment.observer.response(api::API_VERSIONS, answer.len(), 0, 0);
        self.tap_answer(owed.seq, &[&answer], Answer { frame_bytes: answer.len(), ..Answer::default() }, moment);
        // Its turn may not have come: what the shelter has is owed before it.
        self.push(owed, Some(answer));
        self.deliver(outbox);
        Ok(())
    }

    fn versions_answer<O>(&self, version: i16, correlation_id: i32, body: &[u8], moment: &Moment<'_, O>) -> Bytes {
        let valid = version > VERSIONS_UNDERSTOOD
            || versions::parse_request(version, body).is_ok_and(|software| software.is_none_or(|software| software.is_acceptable()));
        match &moment.view.offer {
            Some(offer) if valid => versions::encode_response(offer, version, correlation_id),
            Some(_) | None => versions::encode_refusal(versions::INVALID_REQUEST, version, correlation_id),
        }
    }

    fn raw_frame(&self, tokens: u32, length: usize, peeked: Option<Peek>, body: &[u8]) -> RawFrame {
        match peeked {
            Some(peek) if sasl::ends_raw(tokens, &peek) => RawFrame::Request(peek),
            Some(_) => RawFrame::Token,
            None if tokens == 0 || body.len() >= length.min(RAW_PEEK_BYTES) => RawFrame::Token,
            None => RawFrame::Unclear,
        }
    }

    fn pass_token<O>(&mut self, frame_bytes: usize, moment: &Moment<'_, O>) -> Next {
        if let Sasl::Raw { tokens } = &mut self.sasl {
            *tokens += 1;
        }
        let (api_key, kind, batches) = (api::SASL_AUTHENTICATE, Kind::Token, Batches::None);
        self.requests += 1;
        let seq = self.next_seq();
        self.push(Owed { seq, correlation_id: 0, api_key, api_version: 0, kind, batches, partitions: 0, frame_bytes, arrived: moment.now, sent: 0 }, None);
        Next::Pass(frame_bytes)
    }

    fn refused_length(&self, field: [u8; LENGTH_BYTES], length: i32, max: usize) -> Close {
        match stranger(field) {
            Some(protocol) if !self.greeted => Close::new(CloseCause::NotKafka, format!("the first bytes are {protocol}, this port speaks plaintext Kafka")),
            Some(_) | None => Close::new(CloseCause::FrameTooLarge, format!("a frame length of {length}; limits.frame_bytes_max is {max}")),
        }
    }

    fn malformed(&self, field: [u8; LENGTH_BYTES], error: impl std::fmt::Display) -> Close {
        match stranger(field) {
            Some(protocol) if !self.greeted => Close::new(CloseCause::NotKafka, format!("the first bytes are {protocol}, this port speaks plaintext Kafka")),
            Some(_) | None => Close::new(CloseCause::MalformedRequest, error.to_string()),
        }
    }
}

/// What a frame inside a raw SASL exchange is.
enum RawFrame {
    Token,
    Request(Peek),
    /// Too little of it has arrived to tell.
    Unclear,
}

/// Bytes after which a frame whose header does not parse is a token: more than any client's header.
const RAW_PEEK_BYTES: usize = 64;

/// The highest ApiVersions request that Leeward reads; a higher one is answered with error 35 as KIP-511 says.
const VERSIONS_UNDERSTOOD: i16 = 5;

/// The ApiVersions version with which a client's name is told to a broker: the first that carries it.
const ANNOUNCED_VERSION: i16 = 3;

/// The correlation id of the announcement. Its answer is matched by its place, so it need not be unique.
pub(super) const ANNOUNCEMENT_ID: i32 = i32::MAX;
