//! Sends what can be sent, ends what is over its time, and says when to look again.

use bytes::{Bytes, BytesMut};

use super::detours::{Attempt, What};
use super::errands::{Plan, asks_coordinator};
use super::groups::{GroupKey, LOOKUP_VERSION};
use super::lanes::Next;
use super::own_way::{OwnWay, own_way, told_elsewhere};
use super::{Job, Shelter, Stage};
use crate::cluster::{Leader, TopicKey};
use crate::guard::Event;
use crate::protocol::{coordinator, produce};
use crate::session::in_flight::{Kind, Owed};
use crate::session::requests::Quiet;
use crate::session::{Home, Moment, Observer, Outbox, Session};
use crate::wire::api;

/// A client's patience counts from its sending; the broker's own wait must end before it.
const TIMEOUT_MS_MIN: i32 = 500;

/// Every broker from 2.1 to 4.4 speaks it.
pub(in crate::session) const PRODUCER_ID_VERSION: i16 = 1;

/// Client id of the questions that Leeward asks in its own name on a client's connection.
pub(in crate::session) const OWN_CLIENT_ID: &str = "leeward";

/// How often sheltered work is looked at when nothing else calls for it.
const LOOK_AGAIN: u64 = 100_000_000;

/// What batches of a call must share to go in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SentAs {
    node_id: i32,
    acks: i16,
}

impl Session {
    /// Whether anything is sheltered, or another broker stands in for the home's: then [`Session::pump`] must be called at every event, and at [`Session::next_look`].
    pub fn is_sheltering(&self) -> bool {
        self.shelter.is_some() || self.leaving.is_some() || self.is_away_from_home()
    }

    /// Sends what can go now, ends what is over its time, and hands over the answers whose turn has come.
    pub fn pump<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        self.seek_again(moment, outbox);
        self.answer_late(moment);
        if self.shelter.is_none() {
            // Behind an answer of the home there may be one of a detour, whose trouble was over before.
            self.deliver(outbox);
            return;
        }
        self.end_overdue(moment);
        self.give_own_answers(moment);
        self.send_groups(moment, outbox);
        self.send_errands(moment, outbox);
        self.send_batches(moment, outbox);
        self.leave(moment, outbox);
        self.deliver(outbox);
    }

    /// The next moment at which [`Session::pump`] may have something to do.
    pub fn next_look(&self, now: u64) -> Option<u64> {
        let quiet = (self.quiet == Some(Quiet::ProducerId)).then_some(self.numbers.retry_at.max(now + 1_000_000));
        let quiet = quiet.into_iter().chain(self.next_doubt(now)).chain(self.next_seek(now)).chain(self.next_leave()).min();
        let Some(shelter) = self.shelter.as_ref() else { return quiet };
        let open = shelter.calls.values().filter(|call| !call.is_answered);
        let next = open.clone().map(|call| call.deadline).min();
        let own = open.clone().filter_map(|call| match &call.job {
            Job::Errand(errand) => Some(match errand.plan {
                Plan::Answer { at, .. } => at,
                Plan::Any | Plan::Node | Plan::Group(_) | Plan::Leaders => errand.backoff.until().max(now + 1_000_000),
            }),
            Job::Produce(_) => None,
        });
        let waiting =
            shelter.lanes.values().filter(|lane| lane.queue.len() > lane.in_flight).map(|lane| lane.backoff.until().clamp(now + 5_000_000, now + LOOK_AGAIN));
        let groups = shelter
            .groups
            .values()
            .filter(|group| !group.queue.is_empty() && group.in_flight.is_none())
            .map(|group| group.backoff.until().max(now + 5_000_000));
        next.into_iter().chain(own).chain(waiting).chain(groups).chain(quiet).chain(shelter.detours.next_idle()).min()
    }

    fn end_overdue<O: Observer>(&mut self, moment: &Moment<'_, O>) {
        let Some(shelter) = &self.shelter else { return };
        let over: Vec<_> = shelter
            .calls
            .iter()
            .filter(|(_, call)| !call.is_answered && call.deadline <= moment.now)
            .map(|(seq, call)| (*seq, matches!(call.job, Job::Produce(_))))
            .collect();
        for (seq, is_produce) in over {
            if is_produce {
                self.give_up_produce(seq, moment);
            } else {
                self.give_up_errand(seq, moment);
            }
        }
    }

    /// Answers that are made here, when their moment comes.
    fn give_own_answers<O: Observer>(&mut self, moment: &Moment<'_, O>) {
        let Some(shelter) = &self.shelter else { return };
        let due = |job: &Job| match job {
            Job::Errand(errand) => match &errand.plan {
                Plan::Answer { at, with } if *at <= moment.now => Some(with.clone()),
                Plan::Answer { .. } | Plan::Any | Plan::Node | Plan::Group(_) | Plan::Leaders => None,
            },
            Job::Produce(_) => None,
        };
        let due: Vec<(u64, Bytes)> =
            shelter.calls.iter().filter(|(_, call)| !call.is_answered).filter_map(|(seq, call)| Some((*seq, due(&call.job)?))).collect();
        for (seq, answer) in due {
            if let Some(call) = self.shelter.as_mut().and_then(|shelter| shelter.calls.get_mut(&seq)) {
                call.was_given_up = true;
            }
            self.finish_call(seq, Some(answer), moment);
            self.drop_if_over(seq);
        }
    }

    fn send_groups<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let Some(shelter) = &self.shelter else { return };
        // What the home still owes an answer for was sent before, and may come here yet.
        let is_at_home = |owed: &&Owed| owed.kind.awaits_home() && owed.kind != Kind::Resent && asks_coordinator(owed.api_key);
        let at_home = self.in_flight.iter().map(|entry| &entry.owed).find(|owed| is_at_home(owed)).map(|owed| owed.seq);
        let is_next = |group: &super::Group| group.queue.front().is_some_and(|first| at_home.is_none_or(|at_home| *first < at_home));
        let ready = |group: &super::Group| group.in_flight.is_none() && is_next(group) && !group.is_looked_for && group.backoff.is_due(moment.now);
        let ready: Vec<(GroupKey, Option<i32>, Option<u64>)> =
            shelter.groups.iter().filter(|(_, group)| ready(group)).map(|(key, group)| (key.clone(), group.node_id, group.queue.front().copied())).collect();
        for (key, node_id, first) in ready {
            match (node_id, first) {
                (Some(node_id), Some(_)) if self.identity.is_bound() && self.home_node() != Some(node_id) => self.tell_elsewhere(&key, moment),
                (Some(node_id), Some(seq)) => {
                    if self.send_call(seq, Some(node_id), moment, outbox)
                        && let Some(group) = self.shelter_mut().groups.get_mut(&key)
                    {
                        group.in_flight = Some(seq);
                    }
                }
                (None, Some(_)) => self.look_up(key, moment, outbox),
                (_, None) => {}
            }
        }
    }

    /// Another broker is the coordinator, and only the client itself can go there.
    fn tell_elsewhere<O: Observer>(&mut self, key: &GroupKey, moment: &Moment<'_, O>) {
        let Some(group) = self.shelter_mut().groups.get_mut(key) else { return };
        let waiting: Vec<u64> = group.queue.drain(..).collect();
        // The next request asks the home again.
        group.node_id = None;
        for seq in waiting {
            self.give_up_errand(seq, moment);
        }
    }

    fn look_up<O: Observer>(&mut self, key: GroupKey, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let home = self.home_node();
        let Some(node_id) = self.reach_any(moment, home) else { return };
        let correlation_id = self.own_correlation_id();
        let frame = coordinator::find_coordinator_request(LOOKUP_VERSION, correlation_id, Some(OWN_CLIENT_ID), key.kind, &key.id);
        if let Some(group) = self.shelter_mut().groups.get_mut(&key) {
            group.is_looked_for = true;
        }
        let attempt = Attempt { bytes: frame.len(), correlation_id, api_key: api::FIND_COORDINATOR, api_version: LOOKUP_VERSION, what: What::Lookup(key) };
        self.send_on_detour(node_id, vec![frame], attempt, moment.now, outbox);
    }

    fn send_errands<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let Some(shelter) = &self.shelter else { return };
        let (home, own) = (self.home_node(), self.node_id);
        let due: Vec<(u64, bool)> = shelter
            .calls
            .iter()
            .filter(|(_, call)| !call.is_answered)
            .filter_map(|(seq, call)| match &call.job {
                Job::Errand(errand) if !errand.is_sent && errand.backoff.is_due(moment.now) => match errand.plan {
                    Plan::Any => Some((*seq, true)),
                    Plan::Node => Some((*seq, false)),
                    Plan::Group(_) | Plan::Answer { .. } | Plan::Leaders => None,
                },
                Job::Errand(_) | Job::Produce(_) => None,
            })
            .collect();
        let is_search = |job: &Job| matches!(job, Job::Errand(errand) if errand.search.is_some() && !errand.is_sent && errand.backoff.is_due(moment.now));
        let searches: Vec<u64> = shelter.calls.iter().filter(|(_, call)| !call.is_answered && is_search(&call.job)).map(|(seq, _)| *seq).collect();
        for seq in searches {
            self.send_search(seq, moment, outbox);
        }
        for (seq, any) in due {
            let to = if any { self.reach_any(moment, home) } else { Some(own) };
            if let Some(node_id) = to {
                self.send_call(seq, node_id, moment, outbox);
            }
        }
    }

    /// Where to ask what any broker can answer; `None`: nowhere now.
    fn reach_any<O>(&mut self, moment: &Moment<'_, O>, home: Option<i32>) -> Option<Option<i32>> {
        let node_id = if self.identity.is_bound() { home } else { self.shelter_mut().detours.any(moment.view, &moment.policy.draining, home) };
        self.is_way_open(node_id, moment).then_some(node_id)
    }

    fn send_call<O: Observer>(&mut self, seq: u64, node_id: Option<i32>, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        if !self.is_way_open(node_id, moment) {
            return false;
        }
        let Some(call) = self.shelter_mut().calls.get_mut(&seq) else { return false };
        let Job::Errand(errand) = &mut call.job else { return false };
        errand.is_sent = true;
        call.outstanding += 1;
        let attempt = Attempt {
            bytes: call.frame.len(),
            correlation_id: call.correlation_id,
            api_key: call.api_key,
            api_version: call.api_version,
            what: What::Call(seq),
        };
        let frame = call.frame.clone();
        self.send_on_detour(node_id, vec![frame], attempt, moment.now, outbox);
        true
    }

    pub(super) fn send_on_detour(&mut self, node_id: Option<i32>, pieces: Vec<Bytes>, attempt: Attempt, now: u64, outbox: &mut Outbox) {
        if self.identity.is_bound() {
            self.send_on_own_way(pieces, attempt, now, outbox);
            return;
        }
        let opening = self.opening();
        if let Some(shelter) = &mut self.shelter {
            shelter.detours.send(node_id, pieces, attempt, || opening, outbox);
        }
    }

    /// Every batch that may go now, one request for each call, leader and `acks`.
    fn send_batches<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let Some(shelter) = &self.shelter else { return };
        let seqs: Vec<u64> = shelter.calls.iter().filter(|(_, call)| !call.is_answered && matches!(call.job, Job::Produce(_))).map(|(seq, _)| *seq).collect();
        for seq in seqs {
            for (to, batches) in self.sendable(seq, moment, outbox) {
                self.send_some(seq, to, &batches, moment, outbox);
            }
        }
    }

    /// The batches of a call that may go now, by where and how they go.
    fn sendable<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Vec<(SentAs, Vec<(usize, Leader)>)> {
        let mut ways: Vec<(SentAs, Vec<(usize, Leader)>)> = Vec::new();
        let mut unknown: Vec<TopicKey> = Vec::new();
        let mut needs_id = false;
        let mut elsewhere: Option<(usize, i16)> = None;
        let (home, is_bound, own_way_open) = (self.home_node(), self.identity.is_bound(), self.is_own_way_open());
        let Some(shelter) = &mut self.shelter else { return ways };
        let Shelter { calls, lanes, detours, .. } = &mut **shelter;
        let Some(Job::Produce(produce)) = calls.get(&seq).map(|call| &call.job) else { return ways };
        let is_shut = |node_id| if is_bound { !own_way_open } else { detours.shut_until(Some(node_id), moment.now).is_some() };
        for (at, batch) in produce.batches.iter().enumerate().filter(|(_, batch)| batch.stage == Stage::Waiting) {
            let Some(lane) = lanes.get_mut(&batch.partition) else { continue };
            let ahead = lane.queue.iter().position(|place| *place == (seq, at)).unwrap_or(usize::MAX);
            if ahead != lane.in_flight {
                continue;
            }
            let way = if is_bound {
                own_way(lane, batch, ahead == 0, home, moment.leaders, moment.view, moment.now)
            } else {
                OwnWay::As(lane.next(&batch.partition, ahead == 0, moment.leaders, moment.view, moment.now))
            };
            let next = match way {
                OwnWay::As(next) => next,
                OwnWay::Elsewhere => {
                    unknown.push(batch.partition.0.clone());
                    elsewhere = elsewhere.or(Some((at, told_elsewhere(batch))));
                    continue;
                }
            };
            match next {
                Next::Send(leader) => {
                    if is_shut(leader.node_id) {
                        unknown.push(batch.partition.0.clone());
                    } else if batch.needs_number && !self.numbers.refused && !self.numbers.can_number(&batch.partition) {
                        needs_id = true;
                    } else {
                        let way = SentAs { node_id: leader.node_id, acks: batch.acks };
                        match ways.iter_mut().find(|(known, _)| *known == way) {
                            Some((_, batches)) => batches.push((at, leader)),
                            None => ways.push((way, vec![(at, leader)])),
                        }
                    }
                }
                Next::NoLeader => unknown.push(batch.partition.0.clone()),
                Next::Wait => {}
            }
        }
        let is_held = !unknown.is_empty() || needs_id;
        for topic in unknown {
            if !outbox.ask_leaders.contains(&topic) {
                outbox.ask_leaders.push(topic);
            }
        }
        if needs_id {
            self.ask_producer_id_elsewhere(moment, outbox);
        }
        if is_held {
            self.hold_began(seq, moment);
        }
        if let Some((at, code)) = elsewhere {
            // What is behind it goes with it, which may be in this call.
            self.give_up_batch(seq, at, code, moment);
            self.finish_if_done(seq, moment);
            return self.sendable(seq, moment, outbox);
        }
        ways
    }

    fn send_some<O: Observer>(&mut self, seq: u64, to: SentAs, batches: &[(usize, Leader)], moment: &Moment<'_, O>, outbox: &mut Outbox) {
        self.number_waiting(seq, batches, moment);
        let Some(shelter) = &mut self.shelter else { return };
        let Shelter { calls, lanes, .. } = &mut **shelter;
        let Some(call) = calls.get_mut(&seq) else { return };
        let spent_ms = i32::try_from(moment.now.saturating_sub(call.arrived) / 1_000_000).unwrap_or(i32::MAX);
        let frame = call.frame.clone();
        let Job::Produce(produce) = &mut call.job else { return };
        let indexes: Vec<usize> = batches.iter().map(|(at, _)| *at).collect();
        for (at, leader) in batches {
            let Some(batch) = produce.batches.get_mut(*at) else { continue };
            batch.stage = Stage::Sent;
            call.outstanding += 1;
            if let Some(lane) = lanes.get_mut(&batch.partition) {
                lane.sent(*leader);
            }
        }
        let timeout_ms = produce.layout.timeout_ms.saturating_sub(spent_ms).max(TIMEOUT_MS_MIN.min(produce.layout.timeout_ms));
        let pieces = produce::subset(&frame, &produce.layout, &indexes, to.acks, timeout_ms);
        let attempt = Attempt {
            bytes: pieces.iter().map(Bytes::len).sum(),
            correlation_id: call.correlation_id,
            api_key: api::PRODUCE,
            api_version: call.api_version,
            what: What::Batches(seq, indexes),
        };
        self.tell_of(seq, moment, Event::Resent { api_key: api::PRODUCE });
        self.send_on_detour(Some(to.node_id), pieces, attempt, moment.now, outbox);
    }

    /// Writes producer ids into batches that wait for one, in the order in which they go.
    fn number_waiting<O: Observer>(&mut self, seq: u64, batches: &[(usize, Leader)], moment: &Moment<'_, O>) {
        let Some(call) = self.shelter.as_mut().and_then(|shelter| shelter.calls.get_mut(&seq)) else { return };
        let Job::Produce(produce) = &mut call.job else { return };
        let wanted = batches.iter().any(|(at, _)| produce.batches.get(*at).is_some_and(|batch| batch.needs_number));
        if !wanted || self.numbers.refused {
            return;
        }
        let mut frame = BytesMut::from(&call.frame[..]);
        let mut numbered = 0;
        for (at, _) in batches {
            let (Some(batch), Some(laid)) = (produce.batches.get_mut(*at), produce.layout.batches.get(*at)) else { continue };
            let Some(head) = laid.head.as_ref().filter(|_| batch.needs_number) else { continue };
            let Some((producer, sequence)) = self.numbers.next(&batch.partition, head.last_offset_delta) else { continue };
            if produce::number(&mut frame, laid, producer.id, producer.epoch, sequence).is_ok() {
                batch.needs_number = false;
                batch.has_producer_id = true;
                batch.numbered_here = true;
                numbered += 1;
            }
        }
        call.frame = frame.freeze();
        self.tell_of(seq, moment, Event::Numbered { batches: numbered });
    }

    /// InitProducerId by a detour: the home is gone, or belongs to another partition's trouble.
    fn ask_producer_id_elsewhere<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        if self.numbers.asked || moment.now < self.numbers.retry_at {
            return;
        }
        let Some(node_id) = self.reach_any(moment, self.home_node()) else { return };
        self.numbers.asked = true;
        let correlation_id = self.own_correlation_id();
        let frame = coordinator::init_producer_id_request(PRODUCER_ID_VERSION, correlation_id, Some(OWN_CLIENT_ID));
        let attempt = Attempt { bytes: frame.len(), correlation_id, api_key: api::INIT_PRODUCER_ID, api_version: PRODUCER_ID_VERSION, what: What::ProducerId };
        self.send_on_detour(node_id, vec![frame], attempt, moment.now, outbox);
    }

    /// Lets go of what is over: lanes and groups that can go by the home again, detours that nobody uses.
    fn leave<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let (home, home_is_up) = (self.home_node(), self.home != Home::Down);
        let Some(shelter) = &mut self.shelter else { return };
        shelter.lanes.retain(|partition, lane| !lane.is_over(partition, home, home_is_up, moment.leaders));
        shelter.groups.retain(|_, group| !group.is_over(home, home_is_up));
        let could_be_home = |lane: &super::Lane, partition| lane.is_over(partition, home, true, moment.leaders);
        if self.home == Home::Down
            && !self.avoids_home
            && self.home_backoff.is_due(moment.now)
            && shelter.calls.is_empty()
            && shelter.lanes.iter().all(|(partition, lane)| could_be_home(lane, partition))
        {
            // The next request finds out whether it is back.
            shelter.lanes.clear();
            self.home = Home::Unwanted;
        }
        let nothing_left = shelter.calls.is_empty() && shelter.lanes.is_empty() && shelter.groups.is_empty();
        shelter.detours.close_idle(moment.now, nothing_left && !self.avoids_home, outbox);
        if shelter.is_empty() {
            self.shelter = None;
        }
    }

    /// Hands the answers whose turn has come to the client.
    pub(in crate::session) fn deliver(&mut self, outbox: &mut Outbox) {
        while let Some(seq) = self.next_ready() {
            if let Some(answer) = self.entry_mut(seq).and_then(|entry| entry.frame.take()) {
                outbox.to_client.push(answer);
            }
            self.remove(seq);
        }
    }

    /// The oldest request that the client waits for, if its answer is there.
    fn next_ready(&self) -> Option<u64> {
        // What the shelter has on its way at the home is nothing that the client waits for.
        let oldest = self.in_flight.iter().find(|entry| entry.owed.kind != Kind::Resent)?;
        (oldest.owed.kind == Kind::Ready).then_some(oldest.owed.seq)
    }

    /// Whether an answer stands here whose turn has come: it may not, once an event is over.
    #[cfg(test)]
    pub(in crate::session) fn withholds_answer(&self) -> bool {
        self.next_ready().is_some()
    }

    /// The client has left, or the session ends for another reason: what is held for it is dropped.
    pub fn abandon<O: Observer>(&mut self, moment: &Moment<'_, O>) {
        for (seq, call) in self.shelter.take().into_iter().flat_map(|shelter| shelter.calls) {
            if let Some(since) = call.held_since {
                let (api_key, frame_bytes) = (call.api_key, call.frame.len());
                let nanos = moment.now.saturating_sub(since);
                self.tell_of(seq, moment, Event::HoldEnded { api_key, frame_bytes, end: crate::guard::HoldEnd::Abandoned, nanos });
            }
        }
        self.tap_abandoned(moment.now);
    }
}
