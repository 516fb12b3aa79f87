//! A reassignment as it is carried out: topic by topic, throttled, and back again if that is wanted.
//!
//! ```text
//!  of a topic:  Waiting ─▶ Throttling ─▶ Moving ─▶ Electing ─▶ Done
//!                  ▲            │           │                    │
//!                  ├── paused ──┴───────────┘                    │
//!                  └────────────────── roll back ────────────────┘
//! ```
//!
//! [`Run::advance`] compares what was read of the cluster with what is wanted, and says what is to be done about the difference. It remembers nothing of what it has
//! asked for, so that everything may be asked for twice, and a run that was broken off anywhere goes on. It is written down whenever it changes, before any of it is done.
//!
//! **Invariant: saved before moved.** The replicas of before are a part of the run from its beginning ([`Shift::from`]).
//!
//! **Invariant: throttled before moved.** Nothing is moved before every broker concerned has said that its throttle is in force.
//!
//! **Invariant: throttles are cleared.** What a broker and a topic had set before is noted before another value is set, and set again once nothing of the run is on its
//! way, however it ended. A note goes only when the old value was read, a while after it was last changed ([`Noted`]).

mod by_hand;
mod leg;
mod seen;
mod story;
mod throttles;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use by_hand::{ByHand, by_hand};
pub use leg::{Leg, Shift, Step};
pub use story::Progress;
pub use throttles::{Noted, Place, Values};

use super::Assignment;
use super::throttle::{Bounds, Pace};
use crate::guard::time::Millis;
use crate::rolling::census::Census;

/// In milliseconds.
const MINUTE: Millis = 60_000;

/// One reassignment of many partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub id: String,
    pub reason: String,
    pub author: String,
    pub begun: Millis,
    pub ended: Option<Millis>,
    /// Bytes a second.
    pub bounds: Bounds,
    /// Where every broker of the cluster was when it began (`host:port`): a Leeward that is started again while one is down finds the cluster by the others.
    pub known: Vec<String>,
    /// Brokers before Kafka 2.4 leave it to a person.
    pub is_by_hand: bool,
    /// In the order in which they go.
    pub topics: Vec<Leg>,
    /// Everything goes back to where it was.
    pub is_back: bool,
    pub pace: Pace,
    /// What brokers and topics had set before, as long as that is not set again.
    pub noted: Vec<Noted>,
    pub state: State,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum State {
    Running,
    /// By a person. With `at_once` what is on its way is given up, else it comes to its end.
    Paused {
        by: String,
        why: String,
        at_once: bool,
    },
    /// Something could not be done. What is on its way comes to its end.
    Stuck {
        problem: String,
        hint: String,
    },
    /// Everything is where the plan wants it.
    Done,
    /// Everything is where it was before.
    RolledBack,
}

/// What was read of the cluster, all of it after `read_at`.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub census: &'a Census,
    pub read_at: Millis,
    /// What is set of throttles, of those places that told; `None`: there is no such place any more.
    pub throttles: &'a BTreeMap<Place, Option<Values>>,
    /// Bytes of a partition on a broker, by node id, topic and index.
    pub sizes: &'a Sizes,
    /// Microseconds within which 99 of 100 Produce requests were answered since the pace was last looked at; `None`: there were too few to say.
    pub latency: Option<u64>,
}

/// Bytes of a partition on a broker, by node id, topic and index.
pub type Sizes = BTreeMap<(i32, String, i32), u64>;

/// Something to do now. Each is safe to do again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Set these values, and remove those that are `None`.
    Throttle { place: Place, values: Values },
    /// Give these partitions, by index, these replicas; `None`: give up what is on its way.
    Reassign { topic: String, partitions: Vec<(i32, Option<Vec<i32>>)> },
    /// Have the first replicas of these partitions lead.
    Elect { topic: String, partitions: Vec<i32> },
}

/// Why a run does not begin, in a sentence; then what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Unfit {
    pub problem: String,
    pub hint: &'static str,
    /// The assignment itself is wrong; else the cluster is not in a state for it.
    pub is_wrong: bool,
}

impl Run {
    /// What has to be moved so that the cluster has this assignment, topic by topic.
    ///
    /// # Errors
    /// The assignment names what is not there, or changes nothing; brokers that it needs are away; somebody else moves partitions.
    pub fn topics_of(census: &Census, wanted: &Assignment) -> Result<Vec<Leg>, Unfit> {
        leg::topics_of(census, wanted)
    }

    /// Goes as far as `facts` allow. What it gives is to be done after the run, as it is now, was written down.
    pub fn advance(&mut self, facts: &Facts<'_>, now: Millis) -> Vec<Act> {
        let mut acts = Vec::new();
        if !self.is_over() {
            match self.at_hand().or_else(|| self.next_topic(now)) {
                Some(at) => self.step(at, facts, &mut acts, now),
                None if self.state == State::Running => self.finish(facts, now),
                None => {}
            }
        }
        self.throttle(facts, &mut acts, now);
        acts
    }

    /// The cluster could not be read, or did not do what it was asked.
    pub fn unread(&mut self, problem: &str) {
        if let Some(leg) = self.at_hand().and_then(|at| self.topics.get_mut(at)) {
            leg.waits_for = Some(problem.to_owned());
        }
    }

    /// Something could not be done, and will not until somebody does something about it.
    pub fn failed(&mut self, problem: impl Into<String>, hint: impl Into<String>) {
        if self.state == State::Running {
            self.state = State::Stuck { problem: problem.into(), hint: hint.into() };
        }
    }

    /// Begins nothing more until it is resumed. False: there is nothing to pause.
    pub fn pause(&mut self, by: &str, why: &str, at_once: bool) -> bool {
        let can = match &self.state {
            State::Running | State::Stuck { .. } => true,
            State::Paused { at_once: already, .. } => at_once && !already,
            State::Done | State::RolledBack => false,
        };
        if can {
            self.state = State::Paused { by: by.to_owned(), why: why.to_owned(), at_once };
        }
        can
    }

    /// Goes on after a pause or a problem. False: it neither pauses nor is stuck.
    pub fn resume(&mut self) -> bool {
        let can = matches!(self.state, State::Paused { .. } | State::Stuck { .. });
        if can {
            self.state = State::Running;
        }
        can
    }

    /// Brings everything back to where it was. False: that goes on already, or is done.
    pub fn roll_back(&mut self, now: Millis) -> bool {
        if self.is_back {
            return false;
        }
        (self.is_back, self.state, self.ended) = (true, State::Running, None);
        for leg in &mut self.topics {
            leg.turn();
            match leg.step {
                // It was never touched.
                Step::Waiting if leg.begun.is_none() => leg.enter(Step::Done, now),
                Step::Waiting | Step::Done => leg.enter(Step::Waiting, now),
                Step::Throttling | Step::Moving | Step::Electing => leg.enter(Step::Throttling, now),
            }
        }
        true
    }

    /// Leeward was started again, or another one takes over: requests of before may still arrive.
    pub fn recover(&mut self, now: Millis) {
        self.noted.iter_mut().for_each(|noted| noted.set = now);
    }

    /// What writes took before the next run, if `latency` is what they took in the last minute: where this one moved partitions in that minute, what they took before it.
    pub fn before_next(&self, latency: Option<u64>, now: Millis) -> Option<u64> {
        let has_just_ended = self.ended.is_some_and(|ended| now.saturating_sub(ended) < MINUTE);
        if has_just_ended { self.pace.before } else { latency }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Done | State::RolledBack)
    }

    /// Whether nothing of it is on its way, and nothing is left to be cleared, until somebody says something.
    pub fn rests(&self) -> bool {
        self.state != State::Running && self.at_hand().is_none() && self.noted.is_empty()
    }

    /// Whether it moves partitions, or may at any moment. What is left to be cleared of brokers that are away moves nothing.
    pub fn moves(&self) -> bool {
        self.state == State::Running || self.at_hand().is_some()
    }

    /// The topic that is neither waiting nor done, as an index.
    pub fn at_hand(&self) -> Option<usize> {
        self.topics.iter().position(|leg| !matches!(leg.step, Step::Waiting | Step::Done))
    }

    /// Where it stands, in a word of [`Run::LABELS`].
    pub fn label(&self) -> &'static str {
        match &self.state {
            State::Running if self.is_back => "rolling back",
            State::Running => "running",
            State::Paused { .. } => "paused",
            State::Stuck { .. } => "stuck",
            State::Done => "done",
            State::RolledBack => "rolled back",
        }
    }

    /// Every word that [`Run::label`] may say.
    pub const LABELS: [&'static str; 6] = ["running", "rolling back", "paused", "stuck", "done", "rolled back"];

    /// Whether nothing is different but what it waits for, how much is copied, and how fast.
    pub fn is_where(&self, other: &Run) -> bool {
        let plain = |run: &Run| {
            let mut run = run.clone();
            run.pace = Pace { now: None, looked: 0, ..run.pace };
            for leg in &mut run.topics {
                (leg.copied, leg.arrived, leg.stopped, leg.waits_for) = (0, 0, None, None);
            }
            run
        };
        plain(self) == plain(other)
    }

    fn next_topic(&mut self, now: Millis) -> Option<usize> {
        if self.state != State::Running {
            return None;
        }
        let at = self.topics.iter().position(|leg| leg.step == Step::Waiting)?;
        let first = if self.is_by_hand { Step::Moving } else { Step::Throttling };
        self.topics.get_mut(at)?.enter(first, now);
        Some(at)
    }

    /// Every topic is done. It is over when what was set before is set again, except at brokers that do not answer: that comes later.
    fn finish(&mut self, facts: &Facts<'_>, now: Millis) {
        let is_away = |noted: &Noted| matches!(noted.place, Place::Broker(_)) && !facts.throttles.contains_key(&noted.place);
        if self.noted.iter().all(is_away) {
            self.state = if self.is_back { State::RolledBack } else { State::Done };
            self.ended = Some(now);
        }
    }
}
