//! From the home upstream into the shelter: answers that the client is not to see, and everything in flight when the connection goes.

use bytes::Bytes;

use super::errands::{Errand, Plan};
use super::groups::COORDINATOR_LOAD_IN_PROGRESS;
use super::lanes::Lane;
use super::outcome::{Heard, result_of};
use super::{Batch, Call, Job, Partition, Produce, Stage};
use crate::cluster::TopicKey;
use crate::guard::{Event, deadline};
use crate::protocol::list_offsets::Search;
use crate::protocol::produce::{self, Layout, Topic};
use crate::session::in_flight::{Batches, InFlight, Kind, Owed};
use crate::session::outbox::Queue;
use crate::session::responses::Response;
use crate::session::{Close, CloseCause, Home, Moment, Observer, Outbox, Session};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{WireError, api};

/// Whether an answer of the home goes on as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Examined {
    /// It does.
    Pass,
    /// The shelter has it: the client does not see it.
    Taken,
}

impl Session {
    /// Looks at a Produce answer of the home that carries an error, or that comes while partitions are in trouble. `index`: the entry in the ring.
    pub(in crate::session) fn examine_produced<O: Observer>(&mut self, index: usize, frame: &Bytes, moment: &Moment<'_, O>) -> Result<Examined, Close> {
        let malformed = |error: WireError| Close::new(CloseCause::MalformedResponse, format!("Produce response: {error}"));
        let Some(InFlight { owed, frame: Some(request) }) = self.in_flight.get(index) else { return Ok(Examined::Pass) };
        let (owed, request) = (*owed, request.clone());
        let layout = produce::parse(&request).map_err(malformed)?;
        let response = produce::parse_response(owed.api_version, &frame.slice(LENGTH_BYTES..), &layout, &request).map_err(malformed)?;
        let mut call = self.produce_call(&owed, &request, layout, moment);
        let Job::Produce(produce) = &mut call.job else { return Ok(Examined::Pass) };
        produce.throttle_ms = response.throttle_ms;
        let results: Vec<_> = (0..produce.batches.len()).map(|at| result_of(produce, at, &response.results)).collect();
        if results.iter().any(Option::is_none) {
            return Err(Close::new(CloseCause::MalformedResponse, "a Produce response without one of its partitions"));
        }
        let partitions: Vec<Partition> = produce.batches.iter().map(|batch| batch.partition.clone()).collect();
        self.home_answered_for(&partitions);
        if !call_is_in_trouble(&call, &results) {
            return Ok(Examined::Pass);
        }
        self.take_in(&owed);
        let shelter = self.shelter_mut();
        shelter.calls.insert(owed.seq, call);
        for (at, result) in results.into_iter().enumerate() {
            let Some(result) = result else { continue };
            if result.error_code == 0 {
                // Not in the queue of its partition: it never was in trouble.
                if let Some(batch) = self.shelter_mut().produce_mut(owed.seq).and_then(|produce| produce.batches.get_mut(at)) {
                    batch.stage = Stage::Done(result);
                }
                continue;
            }
            self.enqueue(owed.seq, at, moment);
            self.heard(owed.seq, at, Heard::Answer(result), moment);
        }
        self.finish_if_done(owed.seq, moment);
        self.hold_began(owed.seq, moment);
        Ok(Examined::Taken)
    }

    /// Looks at an answer in which a broker may say that the coordinator is elsewhere.
    pub(in crate::session) fn examine_coordinated<O: Observer>(&mut self, index: usize, code: i16, moment: &Moment<'_, O>) -> Examined {
        let Some(InFlight { owed, frame: Some(request) }) = self.in_flight.get(index) else { return Examined::Pass };
        let (owed, request) = (*owed, request.clone());
        if self.identity.is_bound() && self.home_node().is_none() && owed.api_key != api::FIND_COORDINATOR {
            // Whether the coordinator is elsewhere cannot be told from its node.
            return Examined::Pass;
        }
        // It was answered, and the codes can stand for a write that was applied.
        let Some(plan) = self.plan_for(&request, owed.api_key, owed.api_version, code != COORDINATOR_LOAD_IN_PROGRESS, moment.now) else {
            return Examined::Pass;
        };
        let jitter = self.shelter_mut().pace.jitter();
        match &plan {
            Plan::Answer { .. } => return Examined::Pass,
            Plan::Group(key) => {
                let home = self.home_node();
                let group = self.shelter_mut().groups.entry(key.clone()).or_default();
                group.failed(Some(code), moment.now, jitter);
                group.node_id = if code == COORDINATOR_LOAD_IN_PROGRESS { home } else { None };
            }
            Plan::Any | Plan::Node | Plan::Leaders => {}
        }
        self.tell_of(owed.seq, moment, Event::Absorbed { api_key: owed.api_key, code });
        let mut errand = Errand::new(plan);
        errand.backoff.failed(moment.now, jitter);
        self.shelter_errand(&owed, request, errand, moment);
        Examined::Taken
    }

    /// The home's connection could not be made, or is gone; the last `unwritten` bytes for it never left.
    ///
    /// # Errors
    /// The session has to end: it is not sheltered, or it is in the middle of something that only that connection could finish.
    pub fn home_lost<O: Observer>(&mut self, unwritten: usize, close: Close, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<(), Close> {
        if self.seek_stand_in(unwritten, moment, outbox) {
            return Ok(());
        }
        let mid_response = matches!(self.response, Response::Pass(_) | Response::Walk { .. });
        let is_bound = self.identity.is_bound();
        if !self.shelters(moment) || mid_response || (self.request_left > 0 && !is_bound) {
            self.watch_home_lost(moment);
            return Err(close);
        }
        if is_bound {
            outbox.to_home = Queue::default();
            outbox.home_bytes_needed = 0;
            self.response = Response::AtFrame;
            return self.say_farewell(unwritten, close, moment, outbox);
        }
        let stuck = |entry: &InFlight| match entry.owed.kind {
            Kind::Handshake | Kind::Token => true,
            Kind::Forward | Kind::Swallow => entry.frame.is_none(),
            Kind::Announcement | Kind::Versions | Kind::Replay | Kind::ProducerId | Kind::Resent | Kind::Sheltered | Kind::Ready => false,
        };
        if self.in_flight.iter().any(stuck) {
            return Err(close);
        }
        self.response = Response::AtFrame;
        outbox.to_home = Queue::default();
        outbox.home_bytes_needed = 0;
        let jitter = self.shelter_mut().pace.jitter();
        self.home_backoff.failed(moment.now, jitter);
        if !self.home_was_lost {
            self.tell(moment, Event::HomeLost);
        }
        self.home = Home::Down;
        self.home_was_lost = true;
        // The next time its own broker comes first again.
        self.stand_in = None;
        self.take_in_flight(unwritten, u64::MAX, moment, outbox)?;
        for lane in self.shelter_mut().lanes.values_mut() {
            lane.home_owes = 0;
        }
        self.pump(moment, outbox);
        Ok(())
    }

    /// Everything that the home owed an answer for, up to the request with the number `end`.
    pub(super) fn take_in_flight<O: Observer>(&mut self, unwritten: usize, end: u64, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<(), Close> {
        let mut left = unwritten;
        let mut owed: Vec<(bool, Owed)> = Vec::new();
        for entry in self.in_flight.iter().rev().filter(|entry| entry.owed.kind.awaits_home()) {
            owed.push((left == 0, entry.owed));
            left = left.saturating_sub(entry.owed.frame_bytes);
        }
        for (whole, owed) in owed.into_iter().rev().filter(|(_, owed)| owed.seq < end) {
            match owed.kind {
                Kind::Announcement | Kind::Replay => self.remove(owed.seq),
                Kind::ProducerId => {
                    self.remove(owed.seq);
                    self.numbers.asked = false;
                }
                Kind::Versions => {
                    let answer = self.versions_answers.pop_front();
                    if let Some(entry) = self.entry_mut(owed.seq) {
                        entry.owed.kind = Kind::Ready;
                        entry.frame = answer;
                    }
                }
                Kind::Forward | Kind::Swallow => self.take_request(&owed, whole, moment)?,
                Kind::Resent => self.own_way_lost(&owed, whole, moment, outbox),
                Kind::Handshake | Kind::Token | Kind::Sheltered | Kind::Ready => {}
            }
        }
        Ok(())
    }

    fn take_request<O: Observer>(&mut self, owed: &Owed, whole: bool, moment: &Moment<'_, O>) -> Result<(), Close> {
        let Some(request) = self.entry_mut(owed.seq).and_then(|entry| entry.frame.clone()) else { return Ok(()) };
        self.tell_absorbed_loss(owed.seq, owed.api_key, moment);
        if owed.api_key == api::PRODUCE {
            let layout = produce::parse(&request).map_err(|error| Close::new(CloseCause::MalformedRequest, format!("Produce: {error}")))?;
            let call = self.produce_call(owed, &request, layout, moment);
            self.take_in(owed);
            let batches = match &call.job {
                Job::Produce(produce) => produce.batches.len(),
                Job::Errand(_) => 0,
            };
            self.shelter_mut().calls.insert(owed.seq, call);
            for at in 0..batches {
                self.enqueue(owed.seq, at, moment);
                self.heard(owed.seq, at, Heard::Lost { whole }, moment);
            }
            self.finish_if_done(owed.seq, moment);
            self.hold_began(owed.seq, moment);
            return Ok(());
        }
        match self.plan_for(&request, owed.api_key, owed.api_version, whole, moment.now) {
            Some(plan) => {
                self.shelter_errand(owed, request, Errand::new(plan), moment);
                Ok(())
            }
            None => Err(Close::new(
                CloseCause::BrokerClosed,
                format!("{} was in flight and can only be answered by the broker that it went to", api::name(owed.api_key)),
            )),
        }
    }

    /// A client that nobody else can log in loses its connection, too.
    pub(super) fn tell_absorbed_loss<O: Observer>(&mut self, seq: u64, api_key: i16, moment: &Moment<'_, O>) {
        if !self.identity.is_bound() {
            self.tell_of(seq, moment, Event::AbsorbedLoss { api_key });
        }
    }

    /// The entry's place in the ring stays; the home owes nothing for it any more.
    fn take_in(&mut self, owed: &Owed) {
        if owed.kind == Kind::Swallow {
            // Its bytes are counted until its call is over.
            if let Some(at) = self.index_of(owed.seq) {
                self.in_flight.remove(at);
            }
        } else if let Some(entry) = self.entry_mut(owed.seq) {
            entry.owed.kind = Kind::Sheltered;
            entry.frame = None;
        }
    }

    pub(super) fn shelter_errand<O: Observer>(&mut self, owed: &Owed, request: Bytes, mut errand: Errand, moment: &Moment<'_, O>) {
        if matches!(errand.plan, Plan::Leaders) {
            errand.search = Search::of(&request).map(Box::new);
        }
        if let Some(entry) = self.entry_mut(owed.seq) {
            entry.owed.kind = Kind::Sheltered;
            entry.frame = None;
        }
        let hold = deadline::hold(moment.policy, self.library, owed.api_key, None, self.session_timeout);
        let call = Call {
            frame: request,
            correlation_id: owed.correlation_id,
            api_key: owed.api_key,
            api_version: owed.api_version,
            arrived: owed.arrived,
            deadline: owed.arrived.max(moment.now.saturating_sub(hold_nanos(hold) / 2)) + hold_nanos(hold),
            is_owed: true,
            partitions: 0,
            held_since: None,
            was_given_up: false,
            is_answered: false,
            outstanding: 0,
            job: Job::Errand(errand),
        };
        let key = match &call.job {
            Job::Errand(Errand { plan: Plan::Group(key), .. }) => Some(key.clone()),
            Job::Errand(_) | Job::Produce(_) => None,
        };
        let shelter = self.shelter_mut();
        shelter.calls.insert(owed.seq, call);
        if let Some(key) = key {
            shelter.groups.entry(key).or_default().enqueue(owed.seq);
        }
        self.hold_began(owed.seq, moment);
    }

    pub(super) fn produce_call<O>(&self, owed: &Owed, request: &Bytes, layout: Layout, moment: &Moment<'_, O>) -> Call {
        let batches = layout.batches.iter().map(|batch| {
            let topic = match layout.topic(request, batch) {
                Some(Topic::Name(name)) => TopicKey::Name(name.into()),
                Some(Topic::Id(id)) => TopicKey::Id(id),
                None => TopicKey::Name("".into()),
            };
            let has_producer_id = batch.head.as_ref().is_some_and(|head| head.producer_id >= 0);
            Batch {
                partition: (topic, batch.partition),
                stage: Stage::Waiting,
                acks: if layout.acks == 0 { 1 } else { layout.acks },
                was_ambiguous: false,
                has_producer_id,
                numbered_here: has_producer_id && owed.batches == Batches::Numbered,
                needs_number: false,
                last_error: 0,
            }
        });
        let batches: Vec<_> = batches.collect();
        let hold = deadline::hold(moment.policy, self.library, api::PRODUCE, Some(layout.timeout_ms), None);
        Call {
            frame: request.clone(),
            correlation_id: owed.correlation_id,
            api_key: api::PRODUCE,
            api_version: owed.api_version,
            arrived: owed.arrived,
            deadline: owed.arrived + hold_nanos(hold),
            is_owed: owed.kind != Kind::Swallow,
            partitions: owed.partitions,
            held_since: None,
            was_given_up: false,
            is_answered: false,
            outstanding: 0,
            job: Job::Produce(Produce { layout, throttle_ms: 0, batches }),
        }
    }

    pub(super) fn hold_began<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>) {
        let Some(call) = self.shelter.as_mut().and_then(|shelter| shelter.calls.get_mut(&seq)) else { return };
        if call.held_since.is_none() && !call.is_answered {
            call.held_since = Some(moment.now);
            let (api_key, frame_bytes) = (call.api_key, call.frame.len());
            self.tell_of(seq, moment, Event::HoldBegan { api_key, frame_bytes });
        }
    }

    /// Puts a batch into its partition's lane, making that where there is none.
    pub(super) fn enqueue<O>(&mut self, seq: u64, at: usize, moment: &Moment<'_, O>) {
        let home = self.home_node();
        let Some(partition) = self.shelter_mut().produce_mut(seq).and_then(|produce| produce.batches.get(at)).map(|batch| batch.partition.clone()) else {
            return;
        };
        if !self.shelter_mut().lanes.contains_key(&partition) {
            let lane = Lane::new(self.home_owes(&partition), home, &partition, moment.leaders);
            self.shelter_mut().lanes.insert(partition.clone(), lane);
        }
        if let Some(lane) = self.shelter_mut().lanes.get_mut(&partition) {
            lane.enqueue((seq, at));
        }
    }

    /// Requests with this partition for which the home owes an answer.
    fn home_owes(&self, partition: &Partition) -> usize {
        let names = |entry: &&InFlight| {
            let Some(frame) = entry.frame.as_ref().filter(|_| entry.owed.api_key == api::PRODUCE && entry.owed.kind.awaits_home()) else { return false };
            produce::parse(frame).is_ok_and(|layout| layout.batches.iter().any(|batch| names_partition(&layout, frame, batch, partition)))
        };
        self.in_flight.iter().filter(names).count()
    }

    fn home_answered_for(&mut self, partitions: &[Partition]) {
        let Some(shelter) = &mut self.shelter else { return };
        for partition in partitions {
            if let Some(lane) = shelter.lanes.get_mut(partition) {
                lane.home_owes = lane.home_owes.saturating_sub(1);
            }
        }
    }
}

fn names_partition(layout: &Layout, frame: &[u8], batch: &produce::BatchLayout, partition: &Partition) -> bool {
    let same_topic = match (layout.topic(frame, batch), &partition.0) {
        (Some(Topic::Name(name)), TopicKey::Name(other)) => name == &**other,
        (Some(Topic::Id(id)), TopicKey::Id(other)) => id == *other,
        _ => false,
    };
    same_topic && batch.partition == partition.1
}

/// Whether any of the results must be kept from the client. Without that the answer passes as it is.
fn call_is_in_trouble(call: &Call, results: &[Option<produce::PartitionResult>]) -> bool {
    let Job::Produce(produce) = &call.job else { return false };
    results.iter().flatten().zip(&produce.batches).any(|(result, batch)| is_guarded(result.error_code, batch.numbered_here))
}

/// Whether the guard has something to say about this code at all.
fn is_guarded(code: i16, numbered_here: bool) -> bool {
    use crate::guard::decide as code_of;
    match code {
        code_of::NOT_LEADER_OR_FOLLOWER
        | code_of::UNKNOWN_TOPIC_OR_PARTITION
        | code_of::UNKNOWN_TOPIC_ID
        | code_of::REQUEST_TIMED_OUT
        | code_of::NOT_ENOUGH_REPLICAS
        | code_of::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | code_of::KAFKA_STORAGE_ERROR
        | code_of::DUPLICATE_SEQUENCE_NUMBER
        | code_of::OUT_OF_ORDER_SEQUENCE_NUMBER => true,
        code_of::UNKNOWN_PRODUCER_ID => numbered_here,
        0 => false,
        // A batch of Leeward's numbering that is refused for good spoils its partition's sequence.
        _ => numbered_here,
    }
}

pub(in crate::session) fn hold_nanos(hold: std::time::Duration) -> u64 {
    u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX / 4)
}
