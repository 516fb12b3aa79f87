//! Latencies with an error of at most 1/32, in a table of fixed size.

use std::time::Duration;

/// Each power of two is cut into so many steps.
const STEPS: u64 = 32;
/// Powers of two above the first `STEPS` microseconds: up to about nine hours.
const POWERS: u64 = 30;

/// How often each latency came. Microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    /// Empty until the first one comes.
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, latency: Duration) {
        if self.counts.is_empty() {
            self.counts = vec![0; slot(u64::MAX) + 1];
        }
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(slot(micros)) {
            *count += 1;
            self.total += 1;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.total
    }

    /// The latency that the share `q` of all (0 to 1) does not exceed; `None` when there was none.
    pub(super) fn quantile(&self, q: f64) -> Option<Duration> {
        // Rounded up, so that the highest quantile is the slowest one.
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let slot = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_micros(upper(slot)))
    }
}

fn slot(micros: u64) -> usize {
    let power = u64::from(micros.checked_ilog2().unwrap_or(0)).saturating_sub(STEPS.ilog2().into());
    let power = power.min(POWERS);
    let step = (micros >> power).min(2 * STEPS - 1);
    // At most `(POWERS + 2) * STEPS`, which fits into any usize.
    (power * STEPS + step) as usize
}

/// The longest latency that falls into a slot.
fn upper(slot: usize) -> u64 {
    let slot = slot as u64;
    let power = (slot / STEPS).saturating_sub(1);
    let step = slot - power * STEPS;
    ((step + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_within_a_thirty_second_part() {
        for micros in (0..2_000).chain([4_095, 4_096, 123_456, 30_000_000, 3_600_000_000]) {
            let mut one = Histogram::default();
            one.add(Duration::from_micros(micros));
            let shown = u64::try_from(one.quantile(0.5).unwrap().as_micros()).unwrap();
            assert!(shown >= micros && shown - micros <= micros / STEPS, "{micros} is shown as {shown}");
        }
    }

    #[test]
    fn quantiles_count_from_below() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in 1..=100_u64 {
            histogram.add(Duration::from_micros(micros.min(30)));
        }
        histogram.add(Duration::MAX);
        assert_eq!(histogram.quantile(0.1), Some(Duration::from_micros(11)));
        assert_eq!(histogram.quantile(0.5), Some(Duration::from_micros(30)));
        assert!(histogram.quantile(1.0).unwrap() > Duration::from_secs(3_600));
        assert_eq!(histogram.count(), 101);
    }
}
