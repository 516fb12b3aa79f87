//! Requests that arrive while something is in trouble: whether they go to the home, or here.

use bytes::Bytes;

use super::errands::{Errand, Plan, asks_coordinator, honest};
use super::groups::GroupKey;
use super::{Job, Shelter};
use crate::cluster::TopicRef;
use crate::protocol::coordinator;
use crate::protocol::produce::{self, Layout, Topic};
use crate::session::in_flight::{Batches, InFlight, Kind, Owed};
use crate::session::requests::Intent;
use crate::session::{Close, CloseCause, Home, Moment, Observer, Session};
use crate::wire::{Api, Route, api};

impl Session {
    pub(super) fn shelter_mut(&mut self) -> &mut Shelter {
        let seed = self.seed;
        self.shelter.get_or_insert_with(|| Box::new(Shelter::new(seed)))
    }

    /// Whether a Produce has to go by the lanes: its home is gone, or one of its partitions is in trouble or has moved.
    pub(in crate::session) fn is_produce_in_trouble<O>(&self, frame: &[u8], moment: &Moment<'_, O>) -> bool {
        if self.home == Home::Down || self.is_meant_for_another(frame, moment) {
            return true;
        }
        let Some(shelter) = self.shelter.as_ref().filter(|shelter| !shelter.lanes.is_empty()) else { return false };
        let Ok(layout) = produce::parse(frame) else { return false };
        layout.batches.iter().any(|batch| match layout.topic(frame, batch) {
            Some(Topic::Name(name)) => shelter.has_lane(TopicRef::Name(name), batch.partition),
            Some(Topic::Id(id)) => shelter.has_lane(TopicRef::Id(id), batch.partition),
            None => false,
        })
    }

    /// Whether another broker than the one that stands in leads one of its partitions: a refusal of this one would not prove that nobody appended it.
    fn is_meant_for_another<O>(&self, frame: &[u8], moment: &Moment<'_, O>) -> bool {
        if !self.identity.is_bound() || !self.is_stood_in_for() {
            return false;
        }
        let Ok(layout) = produce::parse(frame) else { return false };
        let leader = |batch: &produce::BatchLayout| match layout.topic(frame, batch)? {
            Topic::Name(name) => moment.leaders.leader(TopicRef::Name(name), batch.partition),
            Topic::Id(id) => moment.leaders.leader(TopicRef::Id(id), batch.partition),
        };
        layout.batches.iter().filter_map(leader).any(|leader| Some(leader.node_id) != self.home_node())
    }

    /// Takes in a Produce that does not go to the home.
    pub(in crate::session) fn shelter_produce<O: Observer>(&mut self, owed: Owed, frame: Bytes, layout: Layout, intent: &Intent, moment: &Moment<'_, O>) {
        let mut call = self.produce_call(&owed, &frame, layout, moment);
        let Job::Produce(produce) = &mut call.job else { return };
        for (batch, laid) in produce.batches.iter_mut().zip(&produce.layout.batches) {
            batch.needs_number = intent.numbers(laid);
            if intent.raises(laid) {
                batch.acks = -1;
            }
        }
        let batches = produce.batches.len();
        self.bytes_in_flight += owed.frame_bytes;
        if call.is_owed {
            let kind = Kind::Sheltered;
            let batches = if intent.number { Batches::Numbered } else { owed.batches };
            self.in_flight.push_back(InFlight { owed: Owed { kind, batches, ..owed }, frame: None });
        }
        self.shelter_mut().calls.insert(owed.seq, call);
        for at in 0..batches {
            self.enqueue(owed.seq, at, moment);
            self.fail_if_given_up(owed.seq, at, moment);
        }
        self.finish_if_done(owed.seq, moment);
    }

    /// A batch that the client sent before it heard that one before it was given up must not succeed.
    fn fail_if_given_up<O: Observer>(&mut self, seq: u64, at: usize, moment: &Moment<'_, O>) {
        let Some(shelter) = &mut self.shelter else { return };
        let Some(partition) = shelter.produce_mut(seq).and_then(|produce| produce.batches.get(at)).map(|batch| batch.partition.clone()) else { return };
        if let Some((code, _)) = shelter.lanes.get(&partition).and_then(|lane| lane.given_up) {
            self.fail_batch(seq, at, code, &partition, moment);
        }
    }

    /// What becomes of a request, other than Produce, that should not go to the home now. `None`: it should.
    pub(in crate::session) fn detour_plan(&self, frame: &[u8], api_key: i16, api_version: i16, now: u64) -> Option<Plan> {
        let is_down = self.home == Home::Down && (self.avoids_home || !self.home_backoff.is_due(now) || self.end_in_sight().is_some());
        if is_down {
            return self.plan_for(frame, api_key, api_version, false, now);
        }
        if self.is_stood_in_for() && Api::of(api_key).is_some_and(|row| row.route == Route::Node) {
            // Who stands in would answer for itself.
            return if self.identity.is_bound() { honest(frame, api_key, api_version, now) } else { Some(Plan::Node) };
        }
        let shelter = self.shelter.as_ref()?;
        if shelter.groups.is_empty() || api_key == api::FIND_COORDINATOR || !asks_coordinator(api_key) {
            return None;
        }
        let (kind, id) = coordinator::coordinator_of(frame)?;
        let key = GroupKey { kind, id: id.into() };
        shelter.groups.contains_key(&key).then_some(Plan::Group(key))
    }

    /// Takes in a request that does not go to the home.
    pub(in crate::session) fn shelter_request<O: Observer>(&mut self, owed: Owed, frame: Bytes, plan: Plan, moment: &Moment<'_, O>) {
        self.bytes_in_flight += owed.frame_bytes;
        self.in_flight.push_back(InFlight { owed: Owed { kind: Kind::Sheltered, ..owed }, frame: None });
        self.shelter_errand(&owed, frame, Errand::new(plan), moment);
    }

    /// A home that is gone, and a request that nothing here can be done for.
    pub(in crate::session) fn cannot_shelter(&self, api_key: i16) -> Option<Close> {
        let bound = Api::of(api_key).is_none_or(|row| row.route == Route::Connection);
        (self.home == Home::Down && bound)
            .then(|| Close::new(CloseCause::BrokerClosed, format!("{} can only be answered by the broker that went", api::name(api_key))))
    }
}

impl Shelter {
    fn has_lane(&self, topic: TopicRef<'_>, partition: i32) -> bool {
        self.lanes.keys().any(|(known, index)| *index == partition && known.as_ref() == topic)
    }
}
