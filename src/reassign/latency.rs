//! What clients' writes take, from the counts that Leeward keeps of them anyway.

use std::collections::VecDeque;

use crate::telemetry::{Telemetry, Totals};
use crate::wire::api;

/// Requests below which nothing is said of the slowest hundredth.
const REQUESTS_MIN: u64 = 100;

/// Readings that are kept: with one every five seconds, the last minute.
const KEPT: usize = 13;

/// Counts of Produce requests, as they were.
#[derive(Debug, Clone, Default)]
struct Counts {
    broker: Vec<u64>,
    own: Vec<u64>,
}

/// The last minute, in readings.
#[derive(Debug, Default)]
pub(super) struct Latency {
    readings: VecDeque<Counts>,
}

impl Counts {
    fn of(totals: &Totals) -> Self {
        let produce = totals.by_api().find(|(name, _)| *name == api::name(api::PRODUCE));
        produce.map(|(_, produce)| Counts { broker: produce.broker_buckets().to_vec(), own: produce.own_buckets().to_vec() }).unwrap_or_default()
    }

    /// Microseconds in which 99 of 100 requests since `earlier` were answered: the broker's time and Leeward's own, together as long as either of both was at its worst.
    fn since(&self, earlier: &Counts) -> Option<u64> {
        let bounds = Telemetry::bounds_seconds();
        let broker = percentile(&difference(&self.broker, &earlier.broker), &bounds)?;
        Some(broker + percentile(&difference(&self.own, &earlier.own), &bounds).unwrap_or(0))
    }
}

impl Latency {
    /// Takes a reading.
    pub(super) fn note(&mut self, telemetry: &Telemetry) {
        self.keep(Counts::of(&telemetry.totals()));
    }

    fn keep(&mut self, counts: Counts) {
        self.readings.push_back(counts);
        if self.readings.len() > KEPT {
            self.readings.pop_front();
        }
    }

    /// Microseconds within which 99 of 100 Produce requests of the last minute were answered; `None`: there were too few to say.
    pub(super) fn of_minute(&self) -> Option<u64> {
        self.readings.back()?.since(self.readings.front()?)
    }

    /// The same since the latest reading but one.
    pub(super) fn lately(&self) -> Option<u64> {
        self.readings.back()?.since(self.readings.iter().rev().nth(1)?)
    }
}

fn difference(now: &[u64], earlier: &[u64]) -> Vec<u64> {
    now.iter().enumerate().map(|(at, count)| count.saturating_sub(earlier.get(at).copied().unwrap_or(0))).collect()
}

/// The 99th percentile in microseconds, evenly spread within its bucket; what is beyond the last bound counts as that.
fn percentile(counts: &[u64], bounds_seconds: &[f64]) -> Option<u64> {
    let all: u64 = counts.iter().sum();
    if all < REQUESTS_MIN {
        return None;
    }
    let wanted = (all * 99).div_ceil(100);
    let (mut below, mut lower) = (0, 0.0);
    for (at, count) in counts.iter().enumerate() {
        let upper = bounds_seconds.get(at).copied().unwrap_or(lower);
        if below + count >= wanted {
            #[expect(clippy::cast_precision_loss, reason = "a part of a bucket's requests")]
            let part = (wanted - below) as f64 / (*count).max(1) as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 30 s in microseconds")]
            return Some(((lower + (upper - lower) * part) * 1e6).round() as u64);
        }
        (below, lower) = (below + count, upper);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [f64; 3] = [0.001, 0.01, 0.1];

    #[test]
    fn the_slowest_hundredth_is_found_within_its_bucket() {
        assert_eq!(percentile(&[99, 0, 0, 0], &BOUNDS), None, "too few");
        assert_eq!(percentile(&[100, 0, 0, 0], &BOUNDS), Some(990));
        assert_eq!(percentile(&[990, 0, 10, 0], &BOUNDS), Some(1_000));
        assert_eq!(percentile(&[900, 100, 0, 0], &BOUNDS), Some(9_100), "90 of the 100 above a millisecond");
        assert_eq!(percentile(&[0, 0, 0, 200], &BOUNDS), Some(100_000), "beyond the last bound");
    }

    #[test]
    fn what_was_counted_before_does_not_count() {
        let counts = |broker: &[u64]| Counts { broker: broker.to_vec(), own: vec![0; 20] };
        let (earlier, now) = (counts(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 500]), counts(&[0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 500]));
        let lately = now.since(&earlier).unwrap();
        assert!((500..=1_000).contains(&lately), "{lately}");
        assert!(now.since(&Counts::default()).unwrap() > 25_000);
    }

    #[test]
    fn a_minute_is_twelve_readings_and_lately_is_the_last() {
        let mut latency = Latency::default();
        let keep = |latency: &mut Latency, fast, slow| {
            let mut broker = vec![0; 20];
            (broker[1], broker[12]) = (fast, slow);
            latency.keep(Counts { broker, own: vec![0; 20] });
        };
        assert_eq!((latency.of_minute(), latency.lately()), (None, None));
        keep(&mut latency, 0, 0);
        assert_eq!((latency.of_minute(), latency.lately()), (None, None), "one reading is none");
        keep(&mut latency, 0, 500);
        let slow = latency.lately().unwrap();
        assert_eq!(latency.of_minute(), Some(slow));
        for at in 1..=11 {
            keep(&mut latency, 200 * at, 500);
            assert!(latency.lately().unwrap() < slow, "what was slow was before");
            assert_eq!(latency.of_minute().map(|minute| minute > latency.lately().unwrap()), Some(true), "{at} readings later it is within the minute");
        }
        keep(&mut latency, 200 * 12, 500);
        assert_eq!(latency.of_minute(), latency.lately(), "and is so no more");
    }
}
