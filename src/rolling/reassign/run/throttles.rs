//! The throttles of a run: which rates brokers have, and which replicas these hold for.
//!
//! Kafka throttles a replica that is not in sync where its broker has a rate (`leader.replication.throttled.rate` and `follower.…`, set at that broker alone, and
//! only while it runs) and the topic's list has it (`leader.replication.throttled.replicas` and `follower.…`). So of a broker that is away the rate stays until it is back,
//! and holds nothing up, because the lists are cleared at the others.
//!
//! A copy that is nearly there leaves the lists before the others ([`Shift::is_lifted`]).
//!
//! [`Shift::is_lifted`]: super::Shift::is_lifted

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Act, Facts, Leg, Run, State, Step};
use crate::guard::time::Millis;

/// What was set a moment ago may be read as it was before: brokers hear of it one after another. What is read so long after counts, in milliseconds.
const SETTLED_AFTER: Millis = 1_000;

/// What has throttles set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Rates, in bytes a second.
    Broker(i32),
    /// Lists of `partition:broker`.
    Topic(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Broker(node_id) => write!(f, "broker {node_id}"),
            Place::Topic(topic) => write!(f, "topic {topic}"),
        }
    }
}

/// What is set for leaders and for followers; `None`: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    pub leader: Option<String>,
    pub follower: Option<String>,
}

/// What a place had set before the run, until it is set again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    pub place: Place,
    pub before: Values,
    /// When another value was last asked for.
    pub set: Millis,
}

impl Run {
    /// What has to be read before the next look.
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.noted.iter().map(|noted| noted.place.clone()).collect();
        let next = self.at_hand().or_else(|| self.topics.iter().position(|leg| leg.step == Step::Waiting)).and_then(|at| self.topics.get(at));
        if let Some(leg) = next.filter(|_| !self.is_by_hand && !self.is_over()) {
            places.extend(leg.brokers().into_iter().map(Place::Broker));
            places.push(Place::Topic(leg.topic.clone()));
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Sets what is wanted and notes what was there before; sets that again where nothing is wanted any more.
    pub(super) fn throttle(&mut self, facts: &Facts<'_>, acts: &mut Vec<Act>, now: Millis) {
        let wanted = self.wanted_throttles();
        for place in wanted.keys().filter(|place| !self.noted.iter().any(|noted| noted.place == **place)).cloned().collect::<Vec<_>>() {
            if let Some(Some(before)) = facts.throttles.get(&place) {
                self.noted.push(Noted { place, before: before.clone(), set: 0 });
            }
        }
        for noted in &mut self.noted {
            let values = wanted.get(&noted.place).unwrap_or(&noted.before);
            if facts.throttles.get(&noted.place).is_some_and(|told| told.as_ref().is_some_and(|told| told != values)) {
                noted.set = now;
                acts.push(Act::Throttle { place: noted.place.clone(), values: values.clone() });
            }
        }
        let is_settled = |noted: &Noted| match facts.throttles.get(&noted.place) {
            Some(Some(told)) => *told == noted.before && facts.read_at >= noted.set + SETTLED_AFTER,
            Some(None) => true,
            None => false,
        };
        self.noted.retain(|noted| wanted.contains_key(&noted.place) || !is_settled(noted));
    }

    /// Of the places that this topic needs, those that have not told yet that they are throttled. A broker that is away copies nothing; it gets its throttle when it is back.
    pub(super) fn unthrottled(&self, at: usize, facts: &Facts<'_>) -> Vec<Place> {
        let wanted = self.topics.get(at).map(|leg| self.throttles_of(leg)).unwrap_or_default();
        // Only what is noted can be set again, and what is read just after a change may be what was before.
        let is_noted = |place: &Place| self.noted.iter().any(|noted| noted.place == *place && facts.read_at >= noted.set + SETTLED_AFTER);
        let is_set = |place: &Place, values: &Values| facts.throttles.get(place).is_some_and(|told| told.as_ref() == Some(values));
        let is_away = |place: &Place| match place {
            Place::Broker(node_id) => facts.census.brokers.get(node_id).is_none_or(|broker| !broker.is_reachable),
            Place::Topic(_) => false,
        };
        let is_fine = |place: &Place, values: &Values| is_away(place) || is_noted(place) && is_set(place, values);
        wanted.into_iter().filter(|(place, values)| !is_fine(place, values)).map(|(place, _)| place).collect()
    }

    /// Topics are throttled while they move, and brokers until the last topic has: without a list a rate holds nothing up.
    fn wanted_throttles(&self) -> BTreeMap<Place, Values> {
        let is_on = |leg: &&Leg| matches!(leg.step, Step::Throttling | Step::Moving);
        let mut wanted = self.at_hand().and_then(|at| self.topics.get(at)).filter(is_on).map(|leg| self.throttles_of(leg)).unwrap_or_default();
        if self.state == State::Running && self.topics.iter().any(|leg| leg.step != Step::Done) {
            let brokers = self.noted.iter().map(|noted| noted.place.clone()).filter(|place| matches!(place, Place::Broker(_)));
            wanted.extend(brokers.map(|place| (place, self.rates())));
        }
        wanted
    }

    fn throttles_of(&self, leg: &Leg) -> BTreeMap<Place, Values> {
        let is_back = self.is_back;
        let list = |replicas: Vec<String>| (!replicas.is_empty()).then(|| replicas.join(","));
        let copied = || leg.partitions.iter().filter(|shift| !shift.is_lifted && shift.adding(is_back).next().is_some());
        if self.is_by_hand || copied().next().is_none() {
            return BTreeMap::new();
        }
        let leaders = copied().flat_map(|shift| shift.source(is_back).iter().map(|node_id| format!("{}:{node_id}", shift.partition))).collect();
        let followers = copied().flat_map(|shift| shift.adding(is_back).map(|node_id| format!("{}:{node_id}", shift.partition))).collect();
        let mut wanted: BTreeMap<Place, Values> = leg.brokers().into_iter().map(|node_id| (Place::Broker(node_id), self.rates())).collect();
        wanted.insert(Place::Topic(leg.topic.clone()), Values { leader: list(leaders), follower: list(followers) });
        wanted
    }

    fn rates(&self) -> Values {
        let rate = Some(self.pace.rate.to_string());
        Values { leader: rate.clone(), follower: rate }
    }
}
