//! What Leeward tells about itself: metrics and events. Made once and handed around; there are no globals.
//!
//! Every worker thread writes counters of its own ([`WorkerMetrics`]); a scrape sums them up. What is counted off the hot path
//! (the cluster, reloads) is written through [`Telemetry`] by anybody; [`events`] does it together with the log line.

mod counter;
mod error_names;
pub mod events;
mod histogram;
pub mod ledger;
pub mod logs;
pub mod names;
mod nodes;
mod process;
mod render;
mod standing;
pub mod taps;
mod totals;
pub mod traffic;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

pub use nodes::NodeTotals;
pub use process::ProcessFigures;
pub use standing::{Reassignment, Standing};
pub use totals::{ApiTotals, Totals};
pub use worker::{Refusal, Side, WorkerMetrics};

use crate::cluster::View;
use ledger::{Episode, EpisodeKind, Ledger, Which};
use render::Scrape;
use taps::Taps;
use traffic::{NodeTraffic, Traffic};
use worker::Shard;

/// Kafka's name of an error code; `OTHER` for one that is not known.
pub fn error_name(code: i16) -> &'static str {
    error_names::name(error_names::index(code))
}

/// The error code of that name.
pub fn error_code(name: &str) -> Option<i16> {
    error_names::code(name)
}

/// The reading end of all counters, and the writing end of what is not on the hot path.
#[derive(Debug)]
pub struct Telemetry {
    shards: Vec<Arc<Shard>>,
    view: Mutex<ViewFigures>,
    refreshes_done: AtomicU64,
    refreshes_failed: AtomicU64,
    reloads_done: AtomicU64,
    reloads_failed: AtomicU64,
    windows_open: AtomicU64,
    ledger: Ledger,
    traffic: Mutex<Traffic>,
    taps: Arc<Taps>,
}

impl Telemetry {
    /// One [`WorkerMetrics`] for each worker thread, to be given away once.
    pub fn new(workers: usize) -> (Arc<Self>, Vec<WorkerMetrics>) {
        let shards: Vec<_> = (0..workers).map(|_| Arc::new(Shard::default())).collect();
        let taps = Arc::<Taps>::default();
        let writers = shards.iter().map(|shard| WorkerMetrics::new(Arc::clone(shard), Arc::clone(&taps))).collect();
        let ledger = Ledger::new(shards.iter().map(|shard| Arc::clone(&shard.page)).collect());
        let telemetry = Self {
            shards,
            view: Mutex::default(),
            refreshes_done: AtomicU64::new(0),
            refreshes_failed: AtomicU64::new(0),
            reloads_done: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            windows_open: AtomicU64::new(0),
            ledger,
            traffic: Mutex::default(),
            taps,
        };
        (Arc::new(telemetry), writers)
    }

    /// The exposition for Prometheus, in OpenMetrics text ([`Telemetry::CONTENT_TYPE`]).
    pub fn render(&self, standing: Standing) -> String {
        let (totals, nodes, guard, cluster) = (self.totals(), self.nodes(), self.ledger.totals(), self.cluster());
        render::render(Scrape { totals, nodes, guard, cluster, standing, process: ProcessFigures::read() })
    }

    /// Those who listen to single requests.
    pub fn taps(&self) -> &Arc<Taps> {
        &self.taps
    }

    /// The media type of [`Telemetry::render`].
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// All workers' counters, summed up now.
    pub fn totals(&self) -> Totals {
        Totals::of(self.shards.iter().map(|shard| &**shard))
    }

    /// Looks at what was sent to each broker; to be called every [`traffic::LOOK_EVERY`].
    pub fn note_traffic(&self, at: Instant) {
        let nodes = self.nodes();
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).note(at, nodes);
    }

    /// What goes to each broker, as the last [`Telemetry::note_traffic`] found it; `None` stands for addresses of which it is not known whose they are.
    pub fn traffic(&self, at: Instant) -> BTreeMap<Option<i32>, NodeTraffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).by_node(at)
    }

    /// What was sent to each broker and came from it since the start; `None` as in [`Telemetry::traffic`].
    pub fn nodes(&self) -> BTreeMap<Option<i32>, NodeTotals> {
        nodes::totals(self.shards.iter().map(|shard| &shard.nodes))
    }

    /// Upper bounds of the buckets of latencies, in seconds, but the last bucket's, which has none.
    pub fn bounds_seconds() -> Vec<f64> {
        histogram::BOUNDS_NANOS.iter().map(|nanos| std::time::Duration::from_nanos(*nanos).as_secs_f64()).collect()
    }

    /// What the guard kept from clients, and what it did not, since the start.
    pub fn sheltered(&self) -> Sheltered {
        let totals = self.ledger.totals();
        let sum = |count: fn(&ledger::Figures) -> u64| totals.apis.iter().map(count).sum();
        Sheltered { absorbed: sum(|figures| figures.absorbed_in_all()), reached: sum(|figures| figures.reached.sum()) }
    }

    /// A new picture of the cluster was published.
    pub fn view_published(&self, view: &View) {
        let reachable = view.brokers.values().map(|broker| (broker.node_id, broker.reachable)).collect();
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = ViewFigures { generation: view.generation, reachable };
    }

    /// Leeward has read the cluster's metadata.
    pub fn refresh_done(&self) {
        self.refreshes_done.fetch_add(1, Ordering::Relaxed);
    }

    fn refresh_failed(&self) {
        self.refreshes_failed.fetch_add(1, Ordering::Relaxed);
    }

    fn reload_done(&self) {
        self.reloads_done.fetch_add(1, Ordering::Relaxed);
    }

    fn reload_failed(&self) {
        self.reloads_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// So many maintenance windows are open now.
    pub fn set_windows_open(&self, count: usize) {
        self.windows_open.store(counter::wide(count), Ordering::Relaxed);
    }

    /// A window opened (once for each), at `at`. While one is open, a further one joins its episode; a loss of the last minute becomes part of it.
    pub fn episode_began(&self, kind: EpisodeKind, reason: &str, at: SystemTime) {
        self.ledger.began(kind, reason, at);
    }

    /// What began is over (once for each beginning). The episode ends with the last of them, when no broker is away and nothing is held.
    pub fn episode_ended(&self, at: SystemTime) {
        self.ledger.ended(at);
    }

    /// A broker that had answered does not any more.
    pub fn broker_lost(&self, node_id: i32, at: SystemTime) {
        self.ledger.broker_lost(node_id, at);
    }

    /// It answers again.
    pub fn broker_back(&self, node_id: i32, at: SystemTime) {
        self.ledger.broker_back(node_id, at);
    }

    /// Ends the present episode if nothing keeps it open any more; to be called now and then.
    pub fn settle(&self, at: SystemTime) {
        self.ledger.settle(at);
    }

    /// Every episode that is kept, newest first, with its sums but without its [`Episode::account`].
    pub fn episodes(&self, at: SystemTime) -> Vec<Episode> {
        self.ledger.episodes(at)
    }

    /// One episode with everything.
    pub fn episode(&self, which: Which, at: SystemTime) -> Option<Episode> {
        self.ledger.episode(which, at)
    }

    fn cluster(&self) -> ClusterFigures {
        let view = self.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ClusterFigures {
            generation: view.generation,
            reachable: view.reachable,
            refreshes_done: self.refreshes_done.load(Ordering::Relaxed),
            refreshes_failed: self.refreshes_failed.load(Ordering::Relaxed),
            reloads_done: self.reloads_done.load(Ordering::Relaxed),
            reloads_failed: self.reloads_failed.load(Ordering::Relaxed),
            windows_open: self.windows_open.load(Ordering::Relaxed),
        }
    }
}

/// Errors that clients did not see, and those that they did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sheltered {
    /// Error codes and lost connections.
    pub absorbed: u64,
    pub reached: u64,
}

#[derive(Debug, Clone, Default)]
struct ViewFigures {
    generation: u64,
    reachable: BTreeMap<i32, bool>,
}

/// What is known about the cluster and counted off the hot path.
#[derive(Debug, Clone, Default)]
struct ClusterFigures {
    generation: u64,
    reachable: BTreeMap<i32, bool>,
    refreshes_done: u64,
    refreshes_failed: u64,
    reloads_done: u64,
    reloads_failed: u64,
    windows_open: u64,
}
