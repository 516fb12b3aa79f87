//! What was heard of a batch, and what follows.

use bytes::Bytes;

use super::{Call, Job, Partition, Produce, Shelter, Stage};
use crate::cluster::Leader;
use crate::guard::decide::{self, REQUEST_TIMED_OUT, Verdict};
use crate::guard::{Event, HoldEnd};
use crate::protocol::produce::{self, PartitionResult};
use crate::session::in_flight::Kind;
use crate::session::{Moment, Observer, Outbox, Session};
use crate::tap::{self, End};
use crate::wire::api;
use crate::wire::frame::LENGTH_BYTES;

/// What was heard of one batch.
pub(super) enum Heard {
    Answer(PartitionResult),
    /// The connection went; `whole`: with all of the batch.
    Lost {
        whole: bool,
    },
}

impl Session {
    /// A detour answered for these batches of a call. False: it is no answer to them.
    pub(super) fn batches_answered<O: Observer>(&mut self, seq: u64, batches: &[usize], frame: &Bytes, moment: &Moment<'_, O>) -> bool {
        let Some(Call { frame: request, api_version, job: Job::Produce(produce), .. }) = self.shelter.as_mut().and_then(|shelter| shelter.calls.get_mut(&seq))
        else {
            return true;
        };
        let Ok(response) = produce::parse_response(*api_version, &frame.slice(LENGTH_BYTES..), &produce.layout, request) else { return false };
        produce.throttle_ms = produce.throttle_ms.max(response.throttle_ms);
        let heard: Vec<_> = batches.iter().map(|at| (*at, result_of(produce, *at, &response.results))).collect();
        if heard.iter().any(|(_, result)| result.is_none()) {
            return false;
        }
        for (at, result) in heard {
            self.returned(seq, at);
            if let Some(result) = result {
                self.heard(seq, at, Heard::Answer(result), moment);
            }
        }
        self.finish_if_done(seq, moment);
        true
    }

    /// The detour with these batches is gone.
    pub(super) fn batches_lost<O: Observer>(&mut self, seq: u64, batches: &[usize], whole: bool, moment: &Moment<'_, O>, _outbox: &mut Outbox) {
        if batches.iter().any(|at| self.is_sent(seq, *at)) {
            self.tell_absorbed_loss(seq, api::PRODUCE, moment);
        }
        for at in batches {
            self.returned(seq, *at);
            self.heard(seq, *at, Heard::Lost { whole }, moment);
        }
        self.finish_if_done(seq, moment);
    }

    fn is_sent(&mut self, seq: u64, at: usize) -> bool {
        let produce = self.shelter.as_mut().and_then(|shelter| shelter.produce_mut(seq));
        produce.and_then(|produce| produce.batches.get(at)).is_some_and(|batch| batch.stage == Stage::Sent)
    }

    fn returned(&mut self, seq: u64, at: usize) {
        let Some(shelter) = &mut self.shelter else { return };
        let Some(call) = shelter.calls.get_mut(&seq) else { return };
        call.outstanding = call.outstanding.saturating_sub(1);
        let Job::Produce(produce) = &call.job else { return };
        if let Some(lane) = produce.batches.get(at).and_then(|batch| shelter.lanes.get_mut(&batch.partition)) {
            lane.returned();
        }
    }

    /// Decides what becomes of a batch that is without a result.
    pub(super) fn heard<O: Observer>(&mut self, seq: u64, at: usize, heard: Heard, moment: &Moment<'_, O>) {
        let Some(verdict) = self.judge(seq, at, &heard, moment) else { return };
        let code = match &heard {
            Heard::Answer(result) => result.error_code,
            Heard::Lost { .. } => 0,
        };
        match (verdict, heard) {
            (Verdict::Deliver, Heard::Answer(result)) => {
                if self.was_dropped(seq, at, &result, moment) {
                    self.tell_of(seq, moment, Event::DuplicateDropped);
                }
                self.deliver_batch(seq, at, result, moment);
            }
            (Verdict::Success, Heard::Answer(result)) => {
                self.tell_of(seq, moment, Event::DuplicateDropped);
                self.deliver_batch(seq, at, PartitionResult { error_code: 0, ..result }, moment);
            }
            (Verdict::GiveUp(code), _) => self.give_up_batch(seq, at, code, moment),
            (Verdict::Deliver | Verdict::Success, Heard::Lost { .. }) => self.give_up_batch(seq, at, REQUEST_TIMED_OUT, moment),
            (Verdict::Resend(_) | Verdict::Renumber, heard) => {
                if code != 0 {
                    self.tell_of(seq, moment, Event::Absorbed { api_key: api::PRODUCE, code });
                }
                self.again(seq, at, verdict, &heard, moment);
            }
        }
    }

    /// Whether a batch that may have been in the log was: a broker answers a duplicate with the time of its records, and what it appends with -1, unless the
    /// topic has its own time (`UnifiedLog.append`, since 1.0).
    fn was_dropped<O>(&mut self, seq: u64, at: usize, result: &PartitionResult, moment: &Moment<'_, O>) -> bool {
        let Some(batch) = self.shelter.as_mut().and_then(|shelter| shelter.produce_mut(seq)).and_then(|produce| produce.batches.get(at)) else { return false };
        let tells = || moment.leaders.topic(batch.partition.0.as_ref()).and_then(|topic| topic.has_log_append_time) == Some(false);
        result.error_code == 0 && batch.was_ambiguous && result.log_append_time_ms >= 0 && tells()
    }

    fn judge<O>(&mut self, seq: u64, at: usize, heard: &Heard, moment: &Moment<'_, O>) -> Option<Verdict> {
        let shelter = self.shelter.as_mut()?;
        let produce = shelter.produce_mut(seq)?;
        let batch = produce.batches.get(at).filter(|batch| !matches!(batch.stage, Stage::Done(_)))?;
        let mut known = decide::Batch {
            acks: batch.acks,
            has_producer_id: batch.has_producer_id,
            was_ambiguous: batch.was_ambiguous,
            earlier_unresolved: false,
            topic_known: moment.leaders.topic(batch.partition.0.as_ref()).is_some(),
            numbered_here: batch.numbered_here,
        };
        let partition = batch.partition.clone();
        known.earlier_unresolved = shelter.has_earlier(&partition, (seq, at));
        Some(match heard {
            Heard::Answer(result) => decide::answered(result.error_code, &known),
            Heard::Lost { whole } => decide::lost(*whole, &known),
        })
    }

    /// The batch has a result of a broker.
    fn deliver_batch<O: Observer>(&mut self, seq: u64, at: usize, result: PartitionResult, moment: &Moment<'_, O>) {
        let Some(shelter) = &mut self.shelter else { return };
        let Some(batch) = shelter.produce_mut(seq).and_then(|produce| produce.batches.get_mut(at)) else { return };
        let code = result.error_code;
        let (partition, numbered_here) = (batch.partition.clone(), batch.numbered_here);
        batch.stage = Stage::Done(result);
        if let Some(lane) = shelter.lanes.get_mut(&partition) {
            lane.done((seq, at));
        }
        if code != 0 {
            // A batch that the broker refuses for good leaves a gap in the sequence behind it.
            if numbered_here {
                self.numbers.spoil(&partition);
            }
            self.tell_of(seq, moment, Event::Reached { api_key: api::PRODUCE, code });
        }
    }

    /// The batch is sent again.
    fn again<O: Observer>(&mut self, seq: u64, at: usize, verdict: Verdict, heard: &Heard, moment: &Moment<'_, O>) {
        let Some(shelter) = &mut self.shelter else { return };
        let jitter = shelter.pace.jitter();
        let Some(batch) = shelter.produce_mut(seq).and_then(|produce| produce.batches.get_mut(at)) else { return };
        batch.stage = Stage::Waiting;
        let mut hint = None;
        if let Heard::Answer(result) = heard {
            batch.last_error = result.error_code;
            hint = result.current_leader.map(|(node_id, epoch)| Leader { node_id, epoch });
        }
        match verdict {
            Verdict::Resend(decide::Delivery::Ambiguous) => batch.was_ambiguous = true,
            Verdict::Renumber => batch.needs_number = true,
            Verdict::Resend(_) | Verdict::Deliver | Verdict::Success | Verdict::GiveUp(_) => {}
        }
        let partition = batch.partition.clone();
        if verdict == Verdict::Renumber {
            self.numbers.spoil(&partition);
        }
        if let Some(lane) = shelter.lanes.get_mut(&partition) {
            lane.failed((seq, at), hint, moment.now, jitter);
        }
    }

    /// The batch is not sent again, and nothing that waits behind it is: a later one must not succeed after it.
    pub(super) fn give_up_batch<O: Observer>(&mut self, seq: u64, at: usize, code: i16, moment: &Moment<'_, O>) {
        let Some(shelter) = &mut self.shelter else { return };
        let Some(partition) = shelter.produce_mut(seq).and_then(|produce| produce.batches.get(at)).map(|batch| batch.partition.clone()) else { return };
        let behind: Vec<_> =
            shelter.lanes.get(&partition).map(|lane| lane.queue.iter().copied().filter(|place| *place > (seq, at)).collect()).unwrap_or_default();
        let (last_seq, is_owed) = (self.last_seq, shelter.calls.get(&seq).is_some_and(|call| call.is_owed));
        if let Some(lane) = shelter.lanes.get_mut(&partition).filter(|_| is_owed) {
            lane.given_up = Some((code, last_seq));
        }
        self.fail_batch(seq, at, code, &partition, moment);
        for (seq, at) in behind {
            let batch = self.shelter.as_mut().and_then(|shelter| shelter.produce_mut(seq)).and_then(|produce| produce.batches.get(at));
            if let Some(batch) = batch.filter(|batch| batch.stage == Stage::Waiting) {
                let code = decide::given_up(code, batch.was_ambiguous);
                self.fail_batch(seq, at, code, &partition, moment);
                self.finish_if_done(seq, moment);
            }
        }
    }

    /// Everything that the client had sent was read, and the answers that it has not taken are none: it knows what was given up, and what comes is new.
    pub fn client_is_drained(&mut self) {
        let answered = self.in_flight.front().map_or(u64::MAX, |entry| entry.owed.seq - 1);
        let Some(shelter) = &mut self.shelter else { return };
        for lane in shelter.lanes.values_mut() {
            lane.given_up = lane.given_up.filter(|(_, last_seq)| *last_seq > answered);
        }
    }

    pub(super) fn fail_batch<O: Observer>(&mut self, seq: u64, at: usize, code: i16, partition: &Partition, moment: &Moment<'_, O>) {
        let Some(shelter) = &mut self.shelter else { return };
        if let Some(call) = shelter.calls.get_mut(&seq) {
            call.was_given_up = true;
        }
        let Some(produce) = shelter.produce_mut(seq) else { return };
        let topic = produce.layout.batches.get(at).map_or(0, |batch| batch.topic);
        let Some(batch) = produce.batches.get_mut(at) else { return };
        if batch.numbered_here {
            self.numbers.spoil(partition);
        }
        batch.stage = Stage::Done(produce::failed(topic, partition.1, code));
        if let Some(lane) = shelter.lanes.get_mut(partition) {
            lane.gave_up((seq, at));
        }
        self.tell_of(seq, moment, Event::Reached { api_key: api::PRODUCE, code });
    }

    /// The call's time is over: each batch without a result gets the last error that a broker gave, or one that says what is known.
    pub(super) fn give_up_produce<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>) {
        let open = |shelter: &mut Shelter| {
            let produce = shelter.produce_mut(seq)?;
            let at = produce.batches.iter().position(|batch| !matches!(batch.stage, Stage::Done(_)))?;
            produce.batches.get(at).map(|batch| (at, batch.last_error, batch.was_ambiguous || batch.stage == Stage::Sent))
        };
        while let Some((at, last_error, is_ambiguous)) = self.shelter.as_deref_mut().and_then(open) {
            let code = decide::given_up(last_error, is_ambiguous);
            self.give_up_batch(seq, at, code, moment);
        }
        self.finish_if_done(seq, moment);
    }

    /// Gives the answer of a Produce of which every batch has its result.
    pub(super) fn finish_if_done<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>) {
        let Some(call) = self.shelter.as_ref().and_then(|shelter| shelter.calls.get(&seq)) else { return };
        if !call.is_done() {
            return;
        }
        if !call.is_answered {
            let Job::Produce(produce) = &call.job else { return };
            let results: Vec<_> = produce
                .batches
                .iter()
                .filter_map(|batch| match &batch.stage {
                    Stage::Done(result) => Some(result.clone()),
                    Stage::Waiting | Stage::Sent => None,
                })
                .collect();
            let answer = produce::encode_response(call.api_version, call.correlation_id, &produce.layout, &call.frame, &results, produce.throttle_ms);
            self.finish_call(seq, Some(answer), moment);
        }
        self.drop_if_over(seq);
    }

    /// Gives a call's answer, to the ring and to the ledger.
    pub(super) fn finish_call<O: Observer>(&mut self, seq: u64, answer: Option<Bytes>, moment: &Moment<'_, O>) {
        let Some(call) = self.shelter.as_mut().and_then(|shelter| shelter.calls.get_mut(&seq)) else { return };
        call.is_answered = true;
        let (api_key, api_version, frame_bytes, arrived, is_owed) = (call.api_key, call.api_version, call.frame.len(), call.arrived, call.is_owed);
        let end = if call.was_given_up { HoldEnd::Answered } else { HoldEnd::Resent };
        if let Some(since) = call.held_since.take() {
            self.tell_of(seq, moment, Event::HoldEnded { api_key, frame_bytes, end, nanos: moment.now.saturating_sub(since) });
        }
        if !is_owed {
            self.bytes_in_flight = self.bytes_in_flight.saturating_sub(frame_bytes);
            self.tap_end(seq, End::Swallowed, moment.now);
            return;
        }
        let (Some(answer), Some(entry)) = (answer, self.entry_mut(seq)) else { return };
        entry.owed.kind = Kind::Ready;
        entry.frame = Some(answer.clone());
        let (frame_bytes, broker_nanos) = (answer.len(), moment.now.saturating_sub(arrived));
        self.note_fetched((api_key, api_version), &answer, frame_bytes, moment);
        moment.observer.response(api_key, frame_bytes, broker_nanos, 0);
        self.tap_answer(seq, &[&answer], tap::Answer { frame_bytes, broker_nanos, ..tap::Answer::default() }, moment);
    }

    pub(super) fn drop_if_over(&mut self, seq: u64) {
        if let Some(shelter) = &mut self.shelter
            && shelter.calls.get(&seq).is_some_and(|call| call.is_answered && call.outstanding == 0)
        {
            shelter.calls.remove(&seq);
        }
    }
}

/// The result of one batch of the request.
pub(super) fn result_of(produce: &Produce, at: usize, results: &[PartitionResult]) -> Option<PartitionResult> {
    let batch = produce.layout.batches.get(at)?;
    results.iter().find(|result| result.topic == batch.topic && result.partition == batch.partition).cloned()
}
