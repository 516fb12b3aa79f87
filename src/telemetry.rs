//! What Leeward tells about itself: metrics and events. Made once and handed around; there are no globals.
//!
//! Every worker thread writes counters of its own ([`WorkerMetrics`]); a scrape sums them up. What is counted off the hot path
//! (the cluster, reloads) is written through [`Telemetry`] by anybody.

mod counter;
mod histogram;
mod worker;

use std::sync::Arc;

pub use worker::{Refusal, Side, WorkerMetrics};

use worker::Shard;

/// The reading end of all counters, and the writing end of what is not on the hot path.
#[derive(Debug)]
pub struct Telemetry {
    shards: Vec<Arc<Shard>>,
}

impl Telemetry {
    /// One [`WorkerMetrics`] for each worker thread, to be given away once.
    pub fn new(workers: usize) -> (Arc<Self>, Vec<WorkerMetrics>) {
        let shards: Vec<_> = (0..workers).map(|_| Arc::new(Shard::default())).collect();
        let writers = shards.iter().map(|shard| WorkerMetrics::new(Arc::clone(shard))).collect();
        (Arc::new(Self { shards }), writers)
    }

    /// Worker threads that count.
    pub fn workers(&self) -> usize {
        self.shards.len()
    }
}
