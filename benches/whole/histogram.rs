//! Latencies, counted in buckets that are at most 1/128 of their value wide.

use std::time::Duration;

const SUB_BITS: u32 = 7;
const SUB: u64 = 1 << SUB_BITS;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; ((64 - SUB_BITS as usize) + 1) * SUB as usize], total: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// The lower end of the bucket below which the share `q` (0 to 1) of all values lies.
    pub(crate) fn quantile(&self, q: f64) -> Duration {
        let wanted = (q * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(lower_end(index as u64));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let shift = (64 - SUB_BITS).saturating_sub(nanos.leading_zeros() + 1) as u64;
    (shift * SUB + (nanos >> shift)) as usize
}

fn lower_end(index: u64) -> u64 {
    if index < 2 * SUB { index } else { (index % SUB + SUB) << (index / SUB - 1) }
}
