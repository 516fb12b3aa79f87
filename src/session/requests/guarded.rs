//! Requests that are kept until they are answered, and what a window asks of a Produce.

use bytes::{Bytes, BytesMut};

use super::super::in_flight::{Batches, Kind, Owed};
use super::super::numbers::ProducerId;
use super::super::{Close, CloseCause, Hindrance, Home, Moment, Observer, Outbox, Session};
use crate::cluster::TopicKey;
use crate::guard::Event;
use crate::guard::event::NotNumbered;
use crate::protocol::coordinator;
use crate::protocol::peek::Peek;
use crate::protocol::produce::{self, BatchLayout, Layout, Topic};
use crate::session::shelter::pump::{OWN_CLIENT_ID, PRODUCER_ID_VERSION};
use crate::tap::End;
use crate::wire::api;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{RequestHeader, WireError};

/// The largest request that is kept until it is answered; a larger one passes as it comes, and shares its broker's fate.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// Requests up to this size are copied to be kept: a copy of this many bytes costs less than a buffer of the pool that cannot be used meanwhile.
const COPIED_BYTES_MAX: usize = 32 * 1024;

/// Numbered Produce requests of a partition without an answer. Brokers recognise the last five batches of a producer id in a partition
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`); one more on its way could not be sent again safely.
const NUMBERED_MAX: usize = 5;

/// Codes with which a broker says that it gives a producer id later: 7 REQUEST_TIMED_OUT, 14 to 16 (a fresh broker says 14 for a moment), 51, 56, 89.
const PRODUCER_ID_LATER: [i16; 7] = [7, 14, 15, 16, 51, 56, 89];

/// The pause before it is asked again.
const PRODUCER_ID_PAUSE: u64 = 50_000_000;

/// What is to be done with a request whose head was read.
pub(super) enum Guarded {
    /// It passes, and nothing of it is kept.
    Plain,
    /// All of it has to be there first.
    Gather,
    /// Something else has to happen first.
    Wait,
    /// A producer id has to be asked for at the home.
    AskProducerId,
    Whole(Intent),
}

/// What a window asks of a Produce.
#[derive(Default)]
pub(in crate::session) struct Intent {
    /// `acks` becomes -1.
    raise: bool,
    /// Its batches get producer ids.
    pub(in crate::session) number: bool,
    /// Why its batches get none although they should.
    not_numbered: Option<NotNumbered>,
    layout: Option<Layout>,
    /// By topic of the layout, whether no window asks anything of it, where that differs from topic to topic; else empty.
    alone: Vec<bool>,
}

impl Intent {
    fn asks_of(&self, batch: &BatchLayout) -> bool {
        !self.alone.get(batch.topic).copied().unwrap_or(false)
    }

    /// Whether this batch's `acks` become -1.
    pub(in crate::session) fn raises(&self, batch: &BatchLayout) -> bool {
        self.raise && self.asks_of(batch)
    }

    /// Whether this batch gets a producer id.
    pub(in crate::session) fn numbers(&self, batch: &BatchLayout) -> bool {
        self.number && self.asks_of(batch) && batch.head.as_ref().is_some_and(|head| head.producer_id < 0)
    }

    /// Whether its topics need different `acks`, which one request cannot have.
    fn divides(&self) -> bool {
        self.raise && !self.alone.is_empty()
    }
}

/// For what the next Produce waits, so that batches with and without a number of Leeward's do not overtake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Quiet {
    /// For an answer to one of the numbered requests that share one of these partitions, a set of bits.
    Fewer(u64),
    /// The same for those without a number: for all their answers.
    Plain(u64),
    /// The same for those with a number: for all their answers.
    Numbered(u64),
    /// For a producer id.
    ProducerId,
}

impl Session {
    /// Whether what the next Produce waits for has come.
    pub(super) fn is_quiet_over(&mut self, now: u64) -> bool {
        let over = match self.quiet {
            None => true,
            Some(Quiet::Fewer(partitions)) => self.numbered_with(partitions) < NUMBERED_MAX,
            Some(Quiet::Plain(partitions)) => self.plain_with(partitions) == 0,
            Some(Quiet::Numbered(partitions)) => self.numbered_with(partitions) == 0,
            Some(Quiet::ProducerId) => !self.numbers.asked && now >= self.numbers.retry_at,
        };
        if over {
            self.quiet = None;
        }
        over
    }

    /// `frame`: all of the request where it is there, else nothing.
    pub(super) fn guard_next<O: Observer>(&mut self, peek: &Peek, frame_bytes: usize, frame: &[u8], moment: &Moment<'_, O>) -> Result<Guarded, Close> {
        let shelters = self.shelters(moment);
        let in_window = peek.produce.is_some() && moment.policy.is_window_open() && !moment.policy.watch_only;
        let numbers_left = peek.produce.is_some() && self.numbers.is_ready();
        if self.client_id.is_empty() && moment.policy.absorbs() {
            self.note_client_id(frame);
        }
        if frame_bytes > KEPT_BYTES_MAX {
            self.note_hindrance(Hindrance::LargeRequests);
            // Nobody is there any more to whom it could pass.
            return self.end_in_sight().map_or(Ok(Guarded::Plain), Err);
        }
        // Who the client is has to be known whenever absorption begins.
        let is_login = matches!(peek.api_key, api::SASL_HANDSHAKE | api::SASL_AUTHENTICATE);
        if !(shelters || in_window || numbers_left || is_login || self.shelter.is_some()) {
            return Ok(Guarded::Plain);
        }
        if matches!(peek.api_key, api::SASL_HANDSHAKE) && peek.api_version == 0 {
            return Ok(Guarded::Plain);
        }
        if frame.is_empty() {
            return Ok(Guarded::Gather);
        }
        if peek.produce.is_none() {
            return Ok(Guarded::Whole(Intent::default()));
        }
        self.guard_produce(peek, frame, in_window, moment)
    }

    fn guard_produce<O: Observer>(&mut self, peek: &Peek, frame: &[u8], in_window: bool, moment: &Moment<'_, O>) -> Result<Guarded, Close> {
        let intent = if in_window { self.intent(peek, frame, moment).map_err(malformed)? } else { Intent::default() };
        let wait = match &intent.layout {
            Some(layout) if intent.number => self.before_numbered(&intent, layout, frame),
            Some(_) | None => self.before_plain(frame)?,
        };
        if wait.is_some() {
            self.quiet = wait;
            return Ok(Guarded::Wait);
        }
        if intent.number && self.home != Home::Down && !self.can_number(&intent, frame) {
            if self.numbers.asked || moment.now < self.numbers.retry_at {
                self.quiet = Some(Quiet::ProducerId);
                return Ok(Guarded::Wait);
            }
            return Ok(Guarded::AskProducerId);
        }
        Ok(Guarded::Whole(intent))
    }

    /// For what batches wait that are to be numbered, partition by partition.
    fn before_numbered(&mut self, intent: &Intent, layout: &Layout, frame: &[u8]) -> Option<Quiet> {
        let (numbered, plain) = (self.numbered_in_flight(), self.plain_in_flight());
        if self.numbers.fresh != 0 && self.numbered_with(self.numbers.fresh) == 0 {
            self.numbers.fresh = 0;
        }
        if numbered < NUMBERED_MAX && plain == 0 && self.numbers.fresh == 0 {
            return None;
        }
        let partitions = self.partitions_of(layout, frame, |batch| intent.numbers(batch));
        if self.numbered_with(partitions) >= NUMBERED_MAX {
            return Some(Quiet::Fewer(partitions));
        }
        // Without a home everything waits in the order of its partition anyway.
        if self.home == Home::Down {
            return None;
        }
        if self.plain_with(partitions) > 0 {
            return Some(Quiet::Plain(partitions));
        }
        // A broker that knows nothing of a producer id takes any sequence as its first (since 2.5), so the second batch may not be on its way before the first is
        // in.
        let fresh = partitions & self.numbers.fresh;
        (fresh != 0 && self.numbered_with(fresh) > 0).then_some(Quiet::Numbered(fresh))
    }

    /// For what batches wait that stay as they are, when others of their partitions were numbered.
    fn before_plain(&mut self, frame: &[u8]) -> Result<Option<Quiet>, Close> {
        if !self.numbers.is_ready() || self.home == Home::Down || self.numbered_in_flight() == 0 {
            return Ok(None);
        }
        let layout = produce::parse(frame).map_err(malformed)?;
        let partitions = self.partitions_of(&layout, frame, |_| true);
        Ok((self.numbered_with(partitions) > 0).then_some(Quiet::Numbered(partitions)))
    }

    /// What the open windows ask of this Produce.
    fn intent<O: Observer>(&self, peek: &Peek, frame: &[u8], moment: &Moment<'_, O>) -> Result<Intent, WireError> {
        if !moment.policy.covers_client(self.client_id.as_bytes()) {
            return Ok(Intent::default());
        }
        let layout = produce::parse(frame)?;
        let mut intent = Intent::default();
        if !layout.topics.iter().all(|topic| self.is_covered(topic.topic(frame), moment)) {
            intent.alone = layout.topics.iter().map(|topic| !self.is_covered(topic.topic(frame), moment)).collect();
            // To divide a request takes detours.
            if !intent.alone.contains(&false) || !self.shelters(moment) {
                return Ok(Intent::default());
            }
        }
        intent.raise = peek.produce.is_some_and(|produce| produce.acks == 0 || produce.acks == 1);
        let asked = || layout.batches.iter().filter(|batch| intent.asks_of(batch));
        let plain = asked().any(|batch| batch.head.as_ref().is_some_and(|head| head.producer_id < 0));
        intent.not_numbered = if asked().any(|batch| batch.head.is_none()) {
            Some(NotNumbered::OldFormat)
        } else if plain && !self.shelters(moment) {
            Some(NotNumbered::Unsheltered)
        } else if plain && self.numbers.refused {
            Some(NotNumbered::Refused)
        } else {
            None
        };
        intent.number = plain && !layout.transactional && intent.not_numbered.is_none() && matches!(layout.acks, -1..=1);
        Ok(Intent { layout: Some(layout), ..intent })
    }

    /// Whether every batch that has no producer id could get one now.
    fn can_number(&self, intent: &Intent, frame: &[u8]) -> bool {
        let Some(layout) = &intent.layout else { return true };
        self.numbers.is_ready()
            || layout.batches.iter().all(|batch| partition(layout, batch, frame).is_some_and(|partition| self.numbers.can_number(&partition)))
    }

    /// The partitions of those of its batches that count, as a set of bits.
    fn partitions_of(&mut self, layout: &Layout, frame: &[u8], counts: impl Fn(&BatchLayout) -> bool) -> u64 {
        let partitions = layout.batches.iter().filter(|batch| counts(batch)).filter_map(|batch| partition(layout, batch, frame));
        partitions.fold(0, |all, partition| all | self.numbers.bit(&partition))
    }

    /// Takes a whole request from the client's bytes at `passed`.
    #[expect(clippy::too_many_arguments, reason = "what was read of the request, and the three that every step has")]
    pub(super) fn take_whole<O: Observer>(
        &mut self,
        buffer: &mut BytesMut,
        passed: &mut usize,
        frame_bytes: usize,
        peek: &Peek,
        intent: Intent,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> Result<(), Close> {
        if !moment.policy.avoided.is_empty() || self.avoids_home {
            self.choose_home(peek.api_key, moment);
        }
        let owed = self.owed(peek, frame_bytes, moment);
        let frame = buffer.get(*passed..*passed + frame_bytes).unwrap_or_default();
        self.tap_request(&owed, peek.produce.map(|produce| produce.acks), frame, moment);
        if let Some(produce) = peek.produce {
            self.take_produce(buffer, passed, owed, produce.acks, intent, moment, outbox)
        } else {
            self.take_other(buffer, passed, owed, moment, outbox)
        }
    }

    #[expect(clippy::too_many_arguments, reason = "as take_whole")]
    fn take_produce<O: Observer>(
        &mut self,
        buffer: &mut BytesMut,
        passed: &mut usize,
        mut owed: Owed,
        client_acks: i16,
        mut intent: Intent,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> Result<(), Close> {
        let range = *passed..*passed + owed.frame_bytes;
        let Some(frame) = buffer.get_mut(range) else { return Ok(()) };
        if intent.raise {
            self.tell_of(owed.seq, moment, Event::AcksRaised);
        }
        if let Some(layout) = intent.layout.as_mut().filter(|_| intent.raise && intent.alone.is_empty()) {
            produce::set_acks(frame, layout, -1);
            layout.acks = -1;
        }
        if let Some(reason) = intent.not_numbered {
            self.tell_of(owed.seq, moment, Event::NotNumbered { reason });
        }
        if client_acks == 0 {
            owed.kind = Kind::Swallow;
        }
        if intent.divides() || self.is_produce_in_trouble(frame, moment) {
            let layout = match intent.layout.take() {
                Some(layout) => layout,
                None => produce::parse(frame).map_err(malformed)?,
            };
            owed.partitions = if intent.number { self.partitions_of(&layout, frame, |batch| intent.numbers(batch)) } else { 0 };
            let frame = kept(buffer, passed, owed.frame_bytes, outbox, false);
            self.shelter_produce(owed, frame, layout, &intent, moment);
            return Ok(());
        }
        if let Some(layout) = intent.layout.as_ref().filter(|_| intent.number) {
            owed.batches = Batches::Numbered;
            let (batches, partitions) = self.number(frame, layout, &intent);
            owed.partitions = partitions;
            self.tell_of(owed.seq, moment, Event::Numbered { batches });
        } else if self.numbers.is_ready() {
            let layout = produce::parse(frame).map_err(malformed)?;
            owed.partitions = self.partitions_of(&layout, frame, |_| true);
        }
        self.want_home_behind(buffer, passed, &mut owed, outbox);
        if client_acks == 0 && !intent.raise {
            self.departures.add(owed.api_key, owed.frame_bytes);
            self.tap_end(owed.seq, End::Unanswered, moment.now);
            *passed += owed.frame_bytes;
            return Ok(());
        }
        let frame = kept(buffer, passed, owed.frame_bytes, outbox, true);
        self.push(owed, Some(frame));
        Ok(())
    }

    /// Numbers every batch that is to get a producer id; each can, see [`Session::can_number`]. Gives how many, and of which partitions they are.
    fn number(&mut self, frame: &mut [u8], layout: &Layout, intent: &Intent) -> (u32, u64) {
        let (mut numbered, mut partitions) = (0, 0);
        for batch in &layout.batches {
            let Some(head) = batch.head.as_ref().filter(|_| intent.numbers(batch)) else { continue };
            let Some(partition) = partition(layout, batch, frame) else { continue };
            let Some((producer, sequence)) = self.numbers.next(&partition, head.last_offset_delta) else { continue };
            if produce::number(frame, batch, producer.id, producer.epoch, sequence).is_ok() {
                numbered += 1;
                let bit = self.numbers.bit(&partition);
                partitions |= bit;
                if sequence == 0 {
                    self.numbers.fresh |= bit;
                }
            }
        }
        (numbered, partitions)
    }

    fn take_other<O: Observer>(
        &mut self,
        buffer: &mut BytesMut,
        passed: &mut usize,
        mut owed: Owed,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> Result<(), Close> {
        let range = *passed..*passed + owed.frame_bytes;
        let frame = buffer.get(range).unwrap_or_default();
        match owed.api_key {
            api::SASL_HANDSHAKE => {
                self.identity.handshake(frame, owed.api_version);
                if self.identity.is_bound() {
                    self.note_hindrance(Hindrance::Login);
                }
                owed.kind = Kind::Handshake;
            }
            api::SASL_AUTHENTICATE => {
                self.identity.authenticate(frame);
                owed.kind = Kind::Handshake;
            }
            _ => self.session_timeout = coordinator::session_timeout(frame).or(self.session_timeout),
        }
        if let Some(plan) = self.detour_plan(frame, owed.api_key, owed.api_version, moment.now) {
            let frame = kept(buffer, passed, owed.frame_bytes, outbox, false);
            self.shelter_request(owed, frame, plan, moment);
            return Ok(());
        }
        if let Some(close) = self.cannot_shelter(owed.api_key) {
            return Err(close);
        }
        self.want_home_behind(buffer, passed, &mut owed, outbox);
        let frame = kept(buffer, passed, owed.frame_bytes, outbox, true);
        self.push(owed, Some(frame));
        Ok(())
    }

    /// Wants the home for a request; what is put in for that comes behind what has passed, and before the request.
    fn want_home_behind(&mut self, buffer: &mut BytesMut, passed: &mut usize, owed: &mut Owed, outbox: &mut Outbox) {
        if self.home != Home::Wanted {
            outbox.to_home.push_front_of(buffer, *passed);
            *passed = 0;
            self.want_home(owed.arrived, outbox);
            let seq = self.next_seq();
            self.tap_moved(owed.seq, seq);
            owed.seq = seq;
        }
    }

    /// Asks the home for a producer id, in its order.
    pub(super) fn ask_producer_id(&mut self, now: u64, outbox: &mut Outbox) {
        self.want_home(now, outbox);
        self.numbers.asked = true;
        let correlation_id = self.own_correlation_id();
        let frame = coordinator::init_producer_id_request(PRODUCER_ID_VERSION, correlation_id, Some(OWN_CLIENT_ID));
        self.push_own(frame, Kind::ProducerId, now, outbox);
    }

    /// InitProducerId was answered. False: it is no answer to that.
    pub(in crate::session) fn producer_id_answered<O: Observer>(&mut self, version: i16, frame: &[u8], moment: &Moment<'_, O>) -> bool {
        self.numbers.asked = false;
        match coordinator::init_producer_id_response(version, frame) {
            Ok(Ok((id, epoch))) => self.numbers.given(ProducerId { id, epoch }),
            Ok(Err(code)) if PRODUCER_ID_LATER.contains(&code) => self.numbers.retry_at = moment.now + PRODUCER_ID_PAUSE,
            Ok(Err(_)) => self.numbers.refused = true,
            Err(_) => return false,
        }
        true
    }

    /// Whether an open window asks something of this client's batches for this topic.
    pub(in crate::session) fn is_covered<O>(&self, topic: Option<Topic<'_>>, moment: &Moment<'_, O>) -> bool {
        let raises = |topic: &str| moment.policy.raises(self.client_id.as_bytes(), topic.as_bytes());
        match topic {
            Some(Topic::Name(name)) => raises(name),
            Some(Topic::Id(id)) => moment.leaders.names.get(&id).is_none_or(|name| raises(name)),
            None => false,
        }
    }

    fn note_client_id(&mut self, frame: &[u8]) {
        if let Ok(header) = RequestHeader::parse(frame.get(LENGTH_BYTES..).unwrap_or_default())
            && let Some(client_id) = header.client_id.and_then(|bytes| std::str::from_utf8(bytes).ok())
            && *client_id != *self.client_id
        {
            self.client_id = client_id.into();
            self.about_changes += 1;
        }
    }
}

/// Takes the request at `passed` out of the buffer to be kept; with `forward` its bytes are next for the home, too.
fn kept(buffer: &mut BytesMut, passed: &mut usize, frame_bytes: usize, outbox: &mut Outbox, forward: bool) -> Bytes {
    if frame_bytes <= COPIED_BYTES_MAX && forward {
        let copy = Bytes::copy_from_slice(buffer.get(*passed..*passed + frame_bytes).unwrap_or_default());
        *passed += frame_bytes;
        return copy;
    }
    outbox.to_home.push_front_of(buffer, *passed);
    *passed = 0;
    let frame = buffer.split_to(frame_bytes).freeze();
    if forward {
        outbox.to_home.push(frame.clone());
    }
    if frame_bytes <= COPIED_BYTES_MAX { Bytes::copy_from_slice(&frame) } else { frame }
}

fn partition(layout: &Layout, batch: &BatchLayout, frame: &[u8]) -> Option<(TopicKey, i32)> {
    let topic = match layout.topic(frame, batch)? {
        Topic::Name(name) => TopicKey::Name(name.into()),
        Topic::Id(id) => TopicKey::Id(id),
    };
    Some((topic, batch.partition))
}

fn malformed(error: WireError) -> Close {
    Close::new(CloseCause::MalformedRequest, format!("Produce: {error}"))
}
