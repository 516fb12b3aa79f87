//! How many requests would be held, and how much memory that takes.

use serde::{Deserialize, Serialize};

use super::{Settings, Traffic};

/// Requests of one session that are unanswered at once. Java, franz-go and an idempotent librdkafka send no more than five Produce requests before the first
/// is answered, and Leeward has no more than five numbered ones on their way, which every Produce is while a window is open.
const PRODUCES_IN_FLIGHT: f64 = 5.0;

/// A consumer has one Fetch at a broker.
const FETCHES_IN_FLIGHT: f64 = 1.0;

/// Everything else is asked one after the other, and by few.
const OTHERS_IN_FLIGHT: f64 = 1.0;

/// What would be held while the broker's partitions have no leader: at most so much, since what comes later finds the new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub produce: u64,
    pub fetch: u64,
    pub other: u64,
    /// Of all of them, after the mean of what is sent now.
    pub bytes: u64,
    /// `guard.held_bytes_max`: beyond it reading from clients pauses.
    pub bytes_max: u64,
    /// For how long, at most.
    pub seconds: f64,
}

impl Held {
    /// Rate times time, but no more than clients have unanswered at once.
    pub(super) fn of(traffic: &Traffic, election_seconds: f64, settings: Settings) -> Self {
        let bytes_max = settings.held_bytes_max;
        if !settings.absorbs {
            return Held { bytes_max, ..Held::default() };
        }
        let seconds = election_seconds.min(settings.hold_max.as_secs_f64());
        let sessions = traffic.sessions as f64;
        let most = |rate: f64, in_flight: f64| (rate * seconds).min(sessions * in_flight).ceil();
        // Without a window a librdkafka that is not idempotent sends as much as it is given.
        let produces_in_flight = if settings.window_open { PRODUCES_IN_FLIGHT } else { f64::INFINITY };
        let produce = if sessions > 0.0 { most(traffic.produce, produces_in_flight) } else { 0.0 };
        let (fetch, other) = (most(traffic.fetch, FETCHES_IN_FLIGHT), most(traffic.other, OTHERS_IN_FLIGHT));
        let bytes = produce * mean(traffic.produce_bytes, traffic.produce) + (fetch + other) * mean(traffic.other_bytes, traffic.fetch + traffic.other);
        Held { produce: whole(produce), fetch: whole(fetch), other: whole(other), bytes: whole(bytes), bytes_max, seconds }
    }

    /// Requests of every kind.
    pub fn requests(&self) -> u64 {
        self.produce.saturating_add(self.fetch).saturating_add(self.other)
    }

    /// Whether reading would pause, so that clients wait without having been read.
    pub fn is_too_much(&self) -> bool {
        self.bytes > self.bytes_max
    }
}

fn mean(bytes: f64, requests: f64) -> f64 {
    if requests > 0.0 { bytes / requests } else { 0.0 }
}

/// Of what is neither negative nor endless.
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}
