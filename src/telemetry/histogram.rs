//! Latencies in fixed buckets, written by one thread and read by any.

use super::counter::Counter;

/// Upper bounds in nanoseconds. Below a millisecond they resolve Leeward's own time, above it the brokers'; a Fetch that waits for data
/// takes 500 ms in most libraries, and what lasts beyond 30 s has run into some client's timeout.
pub(super) const BOUNDS_NANOS: [u64; 19] = [
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    30_000_000_000,
];

/// One bucket for each bound and one for what is longer.
pub(super) const BUCKETS: usize = BOUNDS_NANOS.len() + 1;

/// The live histogram of one thread.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_nanos: Counter,
}

impl Histogram {
    pub(super) fn observe(&self, nanos: u64) {
        if let Some(counter) = self.buckets.get(bucket_of(nanos)) {
            counter.add(1);
        }
        self.sum_nanos.add(nanos);
    }
}

/// A histogram summed over threads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HistogramTotals {
    pub(super) buckets: [u64; BUCKETS],
    pub(super) sum_nanos: u64,
}

impl HistogramTotals {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (total, counter) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total = total.wrapping_add(counter.value());
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(histogram.sum_nanos.value());
    }

    /// Counts one value. For a histogram behind a lock; the hot path has [`Histogram`].
    pub(super) fn observe(&mut self, nanos: u64) {
        if let Some(count) = self.buckets.get_mut(bucket_of(nanos)) {
            *count = count.wrapping_add(1);
        }
        self.sum_nanos = self.sum_nanos.wrapping_add(nanos);
    }

    pub(super) fn add_totals(&mut self, other: &HistogramTotals) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(total, count)| *total = total.wrapping_add(count));
        self.sum_nanos = self.sum_nanos.wrapping_add(other.sum_nanos);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Upper bounds in seconds, each with the number of values in its own bucket (not cumulated).
    pub(super) fn in_seconds(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_NANOS.iter().map(|nanos| seconds(*nanos)).chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        seconds(self.sum_nanos)
    }
}

fn bucket_of(nanos: u64) -> usize {
    // Eight out of ten requests fall into the first half: a binary search costs four or five comparisons wherever they fall.
    BOUNDS_NANOS.partition_point(|bound| *bound < nanos)
}

#[expect(clippy::cast_precision_loss, reason = "a sum of nanoseconds is exact up to 104 days, and rounded by less than a microsecond for centuries")]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::default();
        for nanos in [0, 5_000, 5_001, 30_000_000_000, 30_000_000_001, u64::MAX / 4] {
            histogram.observe(nanos);
        }
        let mut totals = HistogramTotals::default();
        totals.add(&histogram);
        assert_eq!((totals.buckets[0], totals.buckets[1], totals.buckets[18], totals.buckets[19]), (2, 1, 1, 2));
        assert_eq!(totals.count(), 6);
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS_NANOS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
