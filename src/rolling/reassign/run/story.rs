//! How far a run is, by the bytes that are copied.

use super::{Leg, Place, Run, State, Step};
use crate::config::show_size;
use crate::guard::time::Millis;

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Topics.
    pub done: usize,
    pub of: usize,
    /// Partitions that are where they are to be, and in all.
    pub moved: usize,
    pub partitions: usize,
    /// Bytes that are where they are to be, and in all; a partition counts once for each broker that gets a copy.
    pub copied: u64,
    pub bytes: u64,
    /// 0 to 1.
    pub fraction: f64,
    /// Milliseconds that the rest takes as fast as the topic at hand goes, or else at the throttle; `None`: nothing is moving.
    pub left: Option<Millis>,
    /// Brokers whose throttle is still to be cleared.
    pub uncleared: Vec<i32>,
    /// All of this in a sentence.
    pub sentence: String,
}

impl Run {
    pub fn progress(&self, now: Millis) -> Progress {
        let is_back = self.is_back;
        let done = self.topics.iter().filter(|leg| leg.step == Step::Done).count();
        let bytes: u64 = self.topics.iter().map(|leg| leg.bytes(is_back)).sum();
        let of_leg = |leg: &Leg| if leg.step == Step::Done { leg.bytes(is_back) } else { leg.copied.min(leg.bytes(is_back)) };
        let copied: u64 = self.topics.iter().map(of_leg).sum();
        let partitions = self.topics.iter().map(|leg| leg.partitions.len()).sum();
        let moved = self.topics.iter().map(Leg::arrived).sum();
        #[expect(clippy::cast_precision_loss, reason = "a part of a whole, shown with two digits")]
        let fraction = match (bytes, self.topics.len()) {
            _ if self.is_over() => 1.0,
            (0, of) => done as f64 / of.max(1) as f64,
            (bytes, _) => copied as f64 / bytes as f64,
        };
        let broker = |place: &Place| match place {
            Place::Broker(node_id) => Some(*node_id),
            Place::Topic(_) => None,
        };
        let uncleared: Vec<i32> = if self.is_over() { self.noted.iter().filter_map(|noted| broker(&noted.place)).collect() } else { Vec::new() };
        let sentence = self.sentence(done, copied, bytes, &uncleared);
        let left = self.left_of(bytes.saturating_sub(copied), now);
        Progress { done, of: self.topics.len(), moved, partitions, copied, bytes, fraction, left, uncleared, sentence }
    }

    fn left_of(&self, rest: u64, now: Millis) -> Option<Millis> {
        let leg = self.at_hand().and_then(|at| self.topics.get(at)).filter(|leg| leg.step == Step::Moving)?;
        let took = now.saturating_sub(leg.since);
        // A speed of less than a few seconds says little.
        let (bytes, millis) = if leg.copied > 0 && took >= 3_000 && !self.is_by_hand { (leg.copied, took) } else { (self.pace.rate, 1_000) };
        u64::try_from(u128::from(rest) * u128::from(millis) / u128::from(bytes.max(1))).ok()
    }

    fn sentence(&self, done: usize, copied: u64, bytes: u64, uncleared: &[i32]) -> String {
        let of = self.topics.len();
        let far = format!("{done} of {of} topics done, {} of {} copied", in_units(copied), in_units(bytes));
        let here = || match self.at_hand().and_then(|at| self.topics.get(at)) {
            Some(leg) => {
                let waits = leg.waits_for.as_deref().map(|waits| format!(": {waits}")).unwrap_or_default();
                format!("{} is {}{waits}", leg.topic, leg.step.label())
            }
            None if self.noted.is_empty() => "nothing is on its way".to_owned(),
            None => "throttles are being cleared".to_owned(),
        };
        let still = match uncleared {
            [] => String::new(),
            brokers => {
                let brokers = brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                format!("; the throttle of broker {brokers} is cleared as soon as it answers, and holds nothing up")
            }
        };
        match &self.state {
            State::Running if self.is_back => format!("rolling back, {far}; {}", here()),
            State::Running => format!("{far}; {}", here()),
            State::Paused { by, why, .. } => format!("paused by {by} ({why}), {far}; {}", here()),
            State::Stuck { problem, hint } => format!("stopped, {far}: {problem}; {hint}; {}", here()),
            State::Done => format!("all {of} topics are where the plan wants them{still}"),
            State::RolledBack => format!("every partition has the replicas of before{still}"),
        }
    }
}

/// In the largest unit of which there are ten at least.
pub(super) fn in_units(bytes: u64) -> String {
    let unit = [1_u64 << 30, 1 << 20, 1 << 10].into_iter().find(|unit| bytes >= 10 * unit).unwrap_or(1);
    show_size(bytes / unit * unit)
}
