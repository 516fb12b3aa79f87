//! From totals to the text that Prometheus reads (OpenMetrics).

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as OpenMetricsUnit};

use super::ClusterFigures;
use super::error_names;
use super::histogram::HistogramTotals;
use super::ledger::{Codes, Figures, GuardTotals};
use super::names::{self, Kind, Metric, Unit};
use super::nodes::NodeTotals;
use super::process::ProcessFigures;
use super::standing::{Reassignment, Standing};
use super::totals::{ApiTotals, Totals};
use super::worker::{Refusal, Side, api_index, api_name};
use crate::guard::time::Millis;
use crate::guard::{HoldEnd, NotNumbered};
use crate::rolling::reassign::run::Run;
use crate::rolling::walk::Roll;
use crate::session::{CloseCause, Departed, Pause, Purpose};
use crate::wire::{Api, api};

/// What is rendered, taken at one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) totals: Totals,
    pub(super) nodes: BTreeMap<Option<i32>, NodeTotals>,
    pub(super) guard: GuardTotals,
    pub(super) cluster: ClusterFigures,
    pub(super) standing: Standing,
    pub(super) process: ProcessFigures,
}

/// The whole exposition, its end marker included.
pub(super) fn render(scrape: Scrape) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::with_capacity(16 << 10);
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => text,
        // Writing into a String does not fail; should the encoder refuse, half an exposition would be worse than none.
        Err(fmt::Error) => "# EOF\n".to_owned(),
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out { encoder };
        self.traffic(&mut out)?;
        self.nodes(&mut out)?;
        self.in_flight(&mut out)?;
        self.guard(&mut out)?;
        self.maintenance(&mut out)?;
        self.sessions(&mut out)?;
        self.sockets(&mut out)?;
        self.cluster(&mut out)?;
        self.process(&mut out)
    }
}

impl Scrape {
    fn traffic(&self, out: &mut Out<'_>) -> fmt::Result {
        let count = |read: fn(&ApiTotals) -> u64| self.seen().map(move |(name, api)| ([("api", name)], read(api)));
        out.counters(&names::REQUESTS, count(|api| api.requests))?;
        out.counters(&names::REQUEST_BYTES, count(|api| api.request_bytes))?;
        out.counters(&names::RESPONSES, count(|api| api.broker_time.count()))?;
        out.counters(&names::RESPONSE_BYTES, count(|api| api.response_bytes))?;
        out.histograms(&names::BROKER_TIME, self.seen().map(|(name, api)| ([("api", name)], &api.broker_time)))?;
        out.histograms(&names::OWN_TIME, self.seen().map(|(name, api)| ([("api", name)], &api.own_time)))?;
        let errors = self.seen().flat_map(|(name, api)| {
            let always = move |error| ERRORS_ALWAYS.contains(&(name, error));
            let rows = api.errors.iter().enumerate().map(|(index, count)| (error_names::name(index), *count));
            rows.filter(move |(error, count)| *count > 0 || always(*error)).map(move |(error, count)| ([("api", name), ("error", error)], count))
        });
        out.counters(&names::ERRORS, errors)?;
        out.counters(&names::UNKNOWN_API, [([], self.totals.unknown_api)])
    }

    fn nodes(&self, out: &mut Out<'_>) -> fmt::Result {
        let named = || self.nodes.iter().map(|(node_id, totals)| (node_id.map_or_else(|| "unknown".to_owned(), |node_id| node_id.to_string()), totals));
        let sent: Vec<(String, &str, Departed)> = named()
            .flat_map(|(name, totals)| Purpose::ALL.iter().zip(totals.sent.kinds).map(move |(purpose, kind)| (name.clone(), purpose.label(), kind)))
            .collect();
        let rows = |read: fn(&Departed) -> u64| sent.iter().map(move |(name, kind, departed)| ([("node_id", name.as_str()), ("kind", *kind)], read(departed)));
        out.counters(&names::SENT_REQUESTS, rows(|kind| kind.requests))?;
        out.counters(&names::SENT_BYTES, rows(|kind| kind.frame_bytes))?;
        let sessions: Vec<(String, u64)> = named().map(|(name, totals)| (name, totals.sessions)).collect();
        out.gauges(&names::BROKER_SESSIONS, sessions.iter().map(|(name, sessions)| ([("node_id", name.as_str())], *sessions)))
    }

    fn in_flight(&self, out: &mut Out<'_>) -> fmt::Result {
        out.gauges(&names::IN_FLIGHT_REQUESTS, [([], self.totals.in_flight_requests)])?;
        out.gauges(&names::IN_FLIGHT_BYTES, [([], self.totals.in_flight_bytes)])?;
        out.gauges(&names::HELD_REQUESTS, [([], self.totals.held_requests)])?;
        out.gauges(&names::HELD_BYTES, [([], self.totals.held_bytes)])?;
        out.gauges(&names::HELD_BYTES_MAX, [([], self.standing.held_bytes_max)])
    }

    fn guard(&self, out: &mut Out<'_>) -> fmt::Result {
        let count = |read: fn(&Figures) -> u64| self.guarded().map(move |(name, figures)| ([("api", name)], read(figures)));
        let produce = self.guard.apis.first().map_or(&self.guard.connections, |figures| figures);
        out.counters(&names::ABSORBED_ERRORS, self.codes(&ERRORS_ALWAYS, |figures| &figures.absorbed))?;
        out.counters(&names::ABSORBED_LOSSES, count(|figures| figures.losses))?;
        out.counters(&names::HOLDS, count(|figures| figures.holds_begun))?;
        let ends = self.guarded().flat_map(|(name, figures)| HoldEnd::ALL.map(|end| ([("api", name), ("end", end.label())], figures.ended(end))));
        out.counters(&names::HOLD_ENDS, ends)?;
        out.histograms(&names::HOLD_TIME, [([], &self.guard.hold_time)])?;
        out.counters(&names::ACKS_RAISED, [([], produce.acks_raised)])?;
        out.counters(&names::NUMBERED, [([], produce.numbered)])?;
        let not_numbered = NotNumbered::ALL.iter().zip(produce.not_numbered);
        out.counters(&names::NOT_NUMBERED, not_numbered.map(|(reason, count)| ([("reason", reason.label())], count)))?;
        out.counters(&names::DUPLICATES_DROPPED, [([], produce.duplicates_dropped)])?;
        out.counters(&names::RESENT, count(|figures| figures.resent))?;
        out.counters(&names::REACHED_ERRORS, self.codes(&REACHED_ALWAYS, |figures| &figures.reached))?;
        out.counters(&names::HOME_LOST, [([], self.guard.connections.homes_lost)])?;
        out.counters(&names::HOME_BACK, [([], self.guard.connections.homes_back)])
    }

    fn maintenance(&self, out: &mut Out<'_>) -> fmt::Result {
        out.gauges(&names::WINDOWS_OPEN, [([], self.cluster.windows_open)])?;
        let window = |read: fn((Millis, Millis)) -> Millis| self.standing.window.map_or(0, |window| read(window) / 1000);
        out.gauges(&names::WINDOW_OPENED, [([], window(|(opened, _)| opened))])?;
        out.gauges(&names::WINDOW_EXPIRES, [([], window(|(_, expires)| expires))])?;
        out.gauges(&names::ROLL, Roll::LABELS.map(|state| ([("state", state)], u64::from(self.standing.roll == Some(state)))))?;
        self.reassignment(out)
    }

    fn reassignment(&self, out: &mut Out<'_>) -> fmt::Result {
        let Reassignment { state, partitions_moved, partitions_left, bytes_copied, bytes_left, throttle } = self.standing.reassignment.unwrap_or_default();
        out.gauges(&names::REASSIGNMENT, Run::LABELS.map(|label| ([("state", label)], u64::from(state == label))))?;
        out.gauges(&names::REASSIGNMENT_PARTITIONS, [([("progress", "moved")], partitions_moved), ([("progress", "left")], partitions_left)])?;
        out.gauges(&names::REASSIGNMENT_BYTES, [([("progress", "copied")], bytes_copied), ([("progress", "left")], bytes_left)])?;
        out.gauges(&names::REASSIGNMENT_THROTTLE, [([], throttle)])
    }

    fn sessions(&self, out: &mut Out<'_>) -> fmt::Result {
        let totals = &self.totals;
        out.gauges(&names::SESSIONS, [([], totals.sessions())])?;
        out.gauges(&names::SESSIONS_MAX, [([], self.standing.sessions_max)])?;
        out.counters(&names::SESSIONS_OPENED, [([], totals.sessions_opened)])?;
        // All causes from the start: an alert on a cause must not wait for its first case.
        let closed = CloseCause::ALL.iter().zip(totals.sessions_closed);
        out.counters(&names::SESSIONS_CLOSED, closed.map(|(cause, count)| ([("cause", cause.label()), ("fault", fault(*cause))], count)))?;
        let refused = Refusal::ALL.iter().zip(totals.sessions_refused);
        out.counters(&names::SESSIONS_REFUSED, refused.map(|(reason, count)| ([("reason", reason.label())], count)))?;
        let pauses = Pause::ALL.iter().zip(totals.pauses);
        out.counters(&names::READS_PAUSED, pauses.map(|(reason, count)| ([("reason", reason.label())], count)))?;
        out.gauges(&names::UPSTREAM_CONNECTIONS, [([], totals.upstream_connections())])?;
        out.counters(&names::UPSTREAM_OPENED, [([], totals.upstream_opened)])?;
        out.counters(&names::UPSTREAM_DIALS_FAILED, [([], totals.dials_failed)])
    }

    fn sockets(&self, out: &mut Out<'_>) -> fmt::Result {
        let sides = || Side::ALL.iter().map(|side| [("side", side.label())]).zip(self.totals.io);
        out.counters(&names::READS, sides().map(|(labels, io)| (labels, io.reads)))?;
        out.counters(&names::READ_BYTES, sides().map(|(labels, io)| (labels, io.read_bytes)))?;
        out.counters(&names::WRITES, sides().map(|(labels, io)| (labels, io.writes)))?;
        out.counters(&names::WRITTEN_BYTES, sides().map(|(labels, io)| (labels, io.written_bytes)))?;
        out.gauges(&names::BUFFERS, [([("state", "out")], self.totals.buffers_out), ([("state", "free")], self.totals.buffers_free)])
    }

    fn cluster(&self, out: &mut Out<'_>) -> fmt::Result {
        let cluster = &self.cluster;
        out.gauges(&names::READY, [([], u64::from(self.standing.ready))])?;
        out.gauges(&names::BROKERS, [([], u64::try_from(cluster.reachable.len()).unwrap_or(u64::MAX))])?;
        let nodes: Vec<_> = cluster.reachable.iter().map(|(node_id, reachable)| (*node_id, node_id.to_string(), *reachable)).collect();
        let by_node = |read: &dyn Fn(i32, bool) -> bool| -> Vec<_> {
            nodes.iter().map(|(node_id, label, reachable)| ([("node_id", label.as_str())], u64::from(read(*node_id, *reachable)))).collect()
        };
        out.gauges(&names::BROKER_REACHABLE, by_node(&|_, reachable| reachable))?;
        out.gauges(&names::BROKER_DRAINING, by_node(&|node_id, _| self.standing.draining.contains(&node_id)))?;
        out.gauges(&names::VIEW_GENERATION, [([], cluster.generation)])?;
        out.counters(&names::METADATA_REFRESHES, results(cluster.refreshes_done, cluster.refreshes_failed))?;
        out.counters(&names::CONFIG_RELOADS, results(cluster.reloads_done, cluster.reloads_failed))?;
        out.gauges(&names::BUILD_INFO, [([("version", env!("CARGO_PKG_VERSION"))], 1)])
    }

    fn process(&self, out: &mut Out<'_>) -> fmt::Result {
        let process = &self.process;
        out.family(&names::PROCESS_CPU, process.cpu_seconds.map(|value| ([], value)), |encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, f64>(value, None)
        })?;
        out.gauges(&names::PROCESS_RSS, process.resident_bytes.map(|value| ([], value)))?;
        out.gauges(&names::PROCESS_FDS, process.open_fds.map(|value| ([], value)))?;
        out.gauges(&names::PROCESS_FDS_MAX, process.max_fds.map(|value| ([], value)))?;
        out.family(&names::PROCESS_START, process.start_seconds.map(|value| ([], value)), |encoder, value| encoder.encode_gauge(value))?;
        out.gauges(&names::PROCESS_THREADS, process.threads.map(|value| ([], value)))
    }

    /// API keys that were seen, and those that a dashboard is built on, seen or not.
    fn seen(&self) -> impl Iterator<Item = (&'static str, &ApiTotals)> {
        let names = Api::all().iter().map(|api| (api.name, ALWAYS.contains(&api.key))).chain([("Unknown", false)]);
        let rows = names.zip(&self.totals.apis);
        rows.filter(|((_, always), api)| *always || api.requests > 0 || api.broker_time.count() > 0 || api.errors.iter().any(|count| *count > 0))
            .map(|((name, _), api)| (name, api))
    }

    /// The guard's rows, as [`Scrape::seen`].
    fn guarded(&self) -> impl Iterator<Item = (&'static str, &Figures)> {
        let rows = self.guard.apis.iter().enumerate();
        let is_shown = |index: usize, figures: &Figures| ALWAYS.iter().any(|key| api_index(*key) == index) || *figures != Figures::default();
        rows.filter(move |(index, figures)| is_shown(*index, figures)).map(|(index, figures)| (api_name(index), figures))
    }

    /// Counts by API and error: those that were seen, and those of `always`.
    fn codes<'a>(
        &'a self,
        always: &'a [(&'static str, &'static str)],
        read: fn(&Figures) -> &Codes,
    ) -> impl Iterator<Item = ([(&'static str, &'static str); 2], u64)> + 'a {
        let seen = move || self.guarded().flat_map(move |(api, figures)| read(figures).by_name().map(move |(error, count)| ((api, error), count)));
        let unseen = always.iter().filter(move |pair| !seen().any(|(other, _)| other == **pair)).map(|pair| (*pair, 0));
        seen().chain(unseen).map(|((api, error), count)| ([("api", api), ("error", error)], count))
    }
}

/// API keys that a dashboard is built on.
const ALWAYS: [i16; 4] = [api::PRODUCE, api::FETCH, api::METADATA, api::API_VERSIONS];

/// What a moved leader looks like: the pairs of API and error that every restart brings, so their counters are there before it.
const ERRORS_ALWAYS: [(&str, &str); 2] = [("Produce", "NOT_LEADER_OR_FOLLOWER"), ("Fetch", "NOT_LEADER_OR_FOLLOWER")];

/// What a Produce that cannot be sheltered ends with: alerts are built on it.
const REACHED_ALWAYS: [(&str, &str); 2] = [("Produce", "NOT_LEADER_OR_FOLLOWER"), ("Produce", "REQUEST_TIMED_OUT")];

fn results(done: u64, failed: u64) -> [([(&'static str, &'static str); 1], u64); 2] {
    [([("result", "done")], done), ([("result", "failed")], failed)]
}

fn fault(cause: CloseCause) -> &'static str {
    use crate::session::close::Fault;
    match cause.fault() {
        Fault::None => "none",
        Fault::Client => "client",
        Fault::Broker => "broker",
        Fault::Leeward => "leeward",
    }
}

/// Writes one family after the other.
struct Out<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Out<'_> {
    fn counters<'l, const N: usize>(&mut self, metric: &Metric, rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>) -> fmt::Result {
        self.family(metric, rows, |encoder, value| encoder.encode_counter::<NoLabelSet, _, u64>(value, None))
    }

    fn gauges<'l, const N: usize>(&mut self, metric: &Metric, rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>) -> fmt::Result {
        self.family(metric, rows, |encoder, value| encoder.encode_gauge(value))
    }

    fn histograms<'l, const N: usize>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], &'l HistogramTotals)>,
    ) -> fmt::Result {
        self.family(metric, rows, |encoder, value| encoder.encode_histogram::<NoLabelSet>(value.sum_seconds(), value.count(), &value.in_seconds(), None))
    }

    fn family<'l, V, const N: usize>(
        &mut self,
        metric: &Metric,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); N], V)>,
        write: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
    ) -> fmt::Result {
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let unit = match metric.unit {
            Unit::None => None,
            Unit::Seconds => Some(OpenMetricsUnit::Seconds),
            Unit::Bytes => Some(OpenMetricsUnit::Bytes),
        };
        let mut encoder = self.encoder.encode_descriptor(metric.base, metric.help, unit.as_ref(), kind)?;
        for (labels, value) in rows {
            if N == 0 {
                write(&mut encoder, &value)?;
            } else {
                write(&mut encoder.encode_family(&labels)?, &value)?;
            }
        }
        Ok(())
    }
}
