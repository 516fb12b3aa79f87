//! How fast replicas are copied: slower when what clients wait for their writes rises, faster when it does not.
//!
//! Additive increase, multiplicative decrease: a step up gives back little if it was too much, and half the rate is given up as soon as clients feel it.

use serde::{Deserialize, Serialize};

use crate::guard::time::Millis;

/// Milliseconds from one change to the next: brokers measure their quotas over some ten windows of a second, so a new rate shows in latencies only after a few.
pub const PACE_EVERY: Millis = 5_000;

/// From the least to the most in so many steps, a minute where nothing rises.
const STEPS: u64 = 12;

/// A latency has risen when it is above this many tenths of the one before.
const RISEN_TENTHS: u64 = 15;

/// And above it by so many microseconds at least: less is the grain of the histogram's buckets.
const RISEN_MICROS: u64 = 2_000;

/// Bytes a second that a broker may send, and receive, of what is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    pub min: u64,
    pub max: u64,
}

/// The rate now, and what it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Bytes a second.
    pub rate: u64,
    /// Microseconds within which 99 of 100 Produce requests of Leeward's clients were answered before anything was copied; `None`: too few were sent to say.
    pub before: Option<u64>,
    /// The same now.
    pub now: Option<u64>,
    /// When the rate was last looked at.
    pub looked: Millis,
}

impl Pace {
    /// Begins with the least.
    pub fn new(bounds: Bounds, before: Option<u64>) -> Self {
        Pace { rate: bounds.min, before, now: None, looked: 0 }
    }

    /// Whether it is time for another look.
    pub fn is_due(&self, now: Millis) -> bool {
        now.saturating_sub(self.looked) >= PACE_EVERY
    }

    /// `latency`: microseconds, as in [`Pace::before`], of the time since the last look. Without one clients cannot be hurt, so it goes up.
    pub fn look(&mut self, bounds: Bounds, latency: Option<u64>, now: Millis) {
        (self.looked, self.now) = (now, latency);
        // Clients that came later are compared with what they had at first.
        self.before = self.before.or(latency);
        let step = (bounds.max.saturating_sub(bounds.min) / STEPS).max(1);
        let rate = if self.has_risen() { self.rate / 2 } else { self.rate.saturating_add(step) };
        self.rate = rate.clamp(bounds.min, bounds.max);
    }

    /// Whether clients wait noticeably longer for their writes than before.
    pub fn has_risen(&self) -> bool {
        let (Some(before), Some(now)) = (self.before, self.now) else { return false };
        now.saturating_mul(10) > before.saturating_mul(RISEN_TENTHS) && now.saturating_sub(before) > RISEN_MICROS
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { min: 1_000, max: 13_000 };

    fn after(latencies: &[Option<u64>]) -> Vec<u64> {
        let mut pace = Pace::new(BOUNDS, Some(10_000));
        let mut rates = vec![pace.rate];
        for (at, latency) in (1..).zip(latencies) {
            pace.look(BOUNDS, *latency, at * PACE_EVERY);
            rates.push(pace.rate);
        }
        rates
    }

    #[test]
    fn it_goes_up_in_steps_and_down_by_halves() {
        assert_eq!(after(&[Some(10_000), Some(14_900), None]), [1_000, 2_000, 3_000, 4_000], "not risen, or nobody to feel it");
        assert_eq!(after(&[None, None, None, Some(15_100), Some(40_000)]), [1_000, 2_000, 3_000, 4_000, 2_000, 1_000]);
        assert_eq!(after(&[None; 14]).last(), Some(&13_000), "never above the most");
    }

    #[test]
    fn what_is_below_the_grain_of_the_histogram_is_no_rise() {
        let mut pace = Pace::new(BOUNDS, Some(500));
        pace.look(BOUNDS, Some(2_400), PACE_EVERY);
        assert!(!pace.has_risen());
        pace.look(BOUNDS, Some(2_600), PACE_EVERY);
        assert!(pace.has_risen());
    }

    #[test]
    fn without_a_latency_of_before_the_first_one_stands_for_it() {
        let mut pace = Pace::new(BOUNDS, None);
        pace.look(BOUNDS, None, PACE_EVERY);
        pace.look(BOUNDS, Some(8_000), 2 * PACE_EVERY);
        assert_eq!((pace.before, pace.has_risen()), (Some(8_000), false));
        pace.look(BOUNDS, Some(20_000), 3 * PACE_EVERY);
        assert!(pace.has_risen());
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(min in 1..u64::MAX / 4, more in 0..u64::MAX / 4, latencies in proptest::collection::vec(proptest::option::of(0..10_000_000_u64), 0..50)) {
            let bounds = Bounds { min, max: min + more };
            let mut pace = Pace::new(bounds, None);
            for (at, latency) in (1..).zip(latencies) {
                let before = pace.rate;
                pace.look(bounds, latency, at * PACE_EVERY);
                prop_assert!((min..=min + more).contains(&pace.rate));
                let follows = if pace.has_risen() { pace.rate <= before } else { pace.rate >= before };
                prop_assert!(follows);
            }
        }
    }
}
