//! What goes to each broker in a second: the counters of [`super::nodes`], looked at now and then.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::nodes::NodeTotals;
use crate::session::{Departures, Purpose};

/// How often the counters are looked at ([`super::Telemetry::note_traffic`]); the age of what is told is known to within this.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Over how long rates are told.
const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);

/// Looks that are kept: those of [`LONG`], and one at its far end.
const LOOKS_MAX: usize = 62;

/// What goes to one broker.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NodeTraffic {
    pub totals: NodeTotals,
    /// Over the last 10 s, or since Leeward began where that is shorter.
    pub now: Rates,
    /// The same for the last minute.
    pub minute: Rates,
    /// How long ago Leeward last saw that a Produce or a Fetch had been sent to it; `None`: not since it began. Never too long, and too short by no more
    /// than [`LOOK_EVERY`].
    pub records_asked_ago: Option<Duration>,
}

/// Requests and bytes in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    pub produce: f64,
    pub fetch: f64,
    pub other: f64,
    /// Bytes of all of them.
    pub bytes: f64,
    /// Bytes of the Produce requests alone.
    pub produce_bytes: f64,
}

impl Rates {
    /// Requests of every kind in a second.
    pub fn requests(&self) -> f64 {
        self.produce + self.fetch + self.other
    }

    fn of(from: &Departures, to: &Departures, lasted: Duration) -> Self {
        let seconds = lasted.as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        let kind = |departures: &Departures, purpose: Purpose| departures.kinds.get(purpose as usize).copied().unwrap_or_default();
        let grown = |purpose, read: fn(&crate::session::Departed) -> u64| read(&kind(to, purpose)).saturating_sub(read(&kind(from, purpose))) as f64 / seconds;
        Rates {
            produce: grown(Purpose::Produce, |kind| kind.requests),
            fetch: grown(Purpose::Fetch, |kind| kind.requests),
            other: grown(Purpose::Other, |kind| kind.requests),
            bytes: Purpose::ALL.iter().map(|purpose| grown(*purpose, |kind| kind.frame_bytes)).sum(),
            produce_bytes: grown(Purpose::Produce, |kind| kind.frame_bytes),
        }
    }
}

/// The last minute, as it was looked at.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    looks: VecDeque<Look>,
    /// When a look last found more Produce and Fetch requests than the one before.
    records_asked: BTreeMap<Option<i32>, Instant>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    nodes: BTreeMap<Option<i32>, NodeTotals>,
}

impl Traffic {
    pub(super) fn note(&mut self, at: Instant, nodes: BTreeMap<Option<i32>, NodeTotals>) {
        let before = self.looks.back();
        for (node_id, totals) in &nodes {
            let known = before.and_then(|look| look.nodes.get(node_id)).copied().unwrap_or_default();
            if records(&totals.sent) != records(&known.sent) {
                self.records_asked.insert(*node_id, at);
            }
        }
        self.looks.push_back(Look { at, nodes });
        while self.looks.len() > LOOKS_MAX {
            self.looks.pop_front();
        }
    }

    /// Every broker that something was ever sent to, as the last look found it; `at` is now.
    pub(super) fn by_node(&self, at: Instant) -> BTreeMap<Option<i32>, NodeTraffic> {
        let Some(last) = self.looks.back() else { return BTreeMap::new() };
        let of = |(node_id, totals): (&Option<i32>, &NodeTotals)| {
            let rates = |over: Duration| self.since(last, over).map(|from| self.between(from, last, *node_id)).unwrap_or_default();
            let records_asked_ago = self.records_asked.get(node_id).map(|asked| at.saturating_duration_since(*asked));
            (*node_id, NodeTraffic { totals: *totals, now: rates(SHORT), minute: rates(LONG), records_asked_ago })
        };
        last.nodes.iter().map(of).collect()
    }

    fn between(&self, from: &Look, to: &Look, node_id: Option<i32>) -> Rates {
        let sent = |look: &Look| look.nodes.get(&node_id).map(|totals| totals.sent).unwrap_or_default();
        Rates::of(&sent(from), &sent(to), to.at.saturating_duration_since(from.at))
    }

    /// The youngest look that is at least `over` older than the last one, or the oldest.
    fn since(&self, last: &Look, over: Duration) -> Option<&Look> {
        let is_far = |look: &&Look| last.at.saturating_duration_since(look.at) >= over;
        self.looks.iter().rev().find(is_far).or_else(|| self.looks.front())
    }
}

/// Produce and Fetch requests.
fn records(sent: &Departures) -> u64 {
    let kind = |purpose: Purpose| sent.kinds.get(purpose as usize).map_or(0, |kind| kind.requests);
    kind(Purpose::Produce).wrapping_add(kind(Purpose::Fetch))
}
