//! What `/v1/status` tells, and `leeward status` shows.

use std::collections::BTreeMap;
use std::time::{Instant, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::AdminState;
use super::readiness::{Check, ListenerState, check};
use super::traffic::BrokerTraffic;
use crate::cluster::{Broker, View};
use crate::config::Config;
use crate::guard::time::{millis, rfc3339};
use crate::maintenance::api::{MaintenanceStatus, WindowView};
use crate::session::CloseCause;
use crate::telemetry::Totals;
use crate::telemetry::traffic::NodeTraffic;
use crate::wire::api;

/// A picture of a running Leeward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    /// RFC 3339.
    pub started: String,
    pub uptime_seconds: f64,
    pub ready: bool,
    pub checks: Vec<Check>,
    pub cluster: ClusterStatus,
    pub traffic: TrafficStatus,
    pub guard: GuardStatus,
    pub listeners: Vec<ListenerState>,
    pub limits: Vec<LimitStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterStatus {
    pub cluster_id: Option<String>,
    pub controller_id: Option<i32>,
    /// Counts the pictures of the cluster.
    pub generation: u64,
    /// Addresses that Leeward asks.
    pub bootstrap: Vec<String>,
    pub brokers: Vec<BrokerStatus>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerStatus {
    pub node_id: i32,
    /// Where the broker itself listens.
    pub upstream: String,
    /// Where clients are told that it listens.
    pub virtual_broker: String,
    pub rack: Option<String>,
    /// Whether metadata names it.
    pub listed: bool,
    /// Whether it answered Leeward's last question.
    pub reachable: bool,
    /// What it offers, by API name; empty until it answered.
    pub versions: BTreeMap<String, [i16; 2]>,
    /// What Leeward sends to it.
    pub traffic: BrokerTraffic,
}

/// Sums since the start, and what is now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficStatus {
    pub sessions: u64,
    pub sessions_opened: u64,
    /// Sessions that ended, by cause; causes that never came are left out.
    pub sessions_closed: BTreeMap<String, u64>,
    pub upstream_connections: u64,
    pub dials_failed: u64,
    pub requests: u64,
    pub responses: u64,
    pub in_flight_requests: u64,
    pub in_flight_bytes: u64,
    pub held_requests: u64,
    pub held_bytes: u64,
}

/// What protects the traffic now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardStatus {
    /// `guard.absorb`.
    pub absorb: String,
    /// `guard.mode`.
    pub mode: String,
    /// Maintenance windows that are open.
    pub windows: Vec<WindowView>,
}

impl From<MaintenanceStatus> for GuardStatus {
    fn from(status: MaintenanceStatus) -> Self {
        GuardStatus { absorb: status.absorb, mode: status.mode, windows: status.open }
    }
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    pub key: String,
    pub used: u64,
    pub max: u64,
}

impl Status {
    /// The status now.
    pub fn of(state: &AdminState) -> Self {
        let (view, config, readiness) = (state.view.load(), state.config.load(), state.readiness.load());
        let uptime_seconds = state.started.instant.elapsed().as_secs_f64();
        let (totals, ready) = (state.telemetry.totals(), check(&readiness, &view));
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(state.started.at.duration_since(UNIX_EPOCH).map_or(0, millis)),
            uptime_seconds,
            ready: ready.ready,
            checks: ready.checks,
            cluster: cluster(&view, &config, &state.telemetry.traffic(Instant::now())),
            traffic: traffic(&totals),
            guard: state.maintenance.status().into(),
            listeners: readiness.listeners.clone(),
            limits: limits(&config, &totals),
        }
    }
}

fn cluster(view: &View, config: &Config, traffic: &BTreeMap<Option<i32>, NodeTraffic>) -> ClusterStatus {
    ClusterStatus {
        cluster_id: view.cluster_id.clone(),
        controller_id: view.controller_id,
        generation: view.generation,
        bootstrap: config.upstream.bootstrap.iter().map(ToString::to_string).collect(),
        brokers: view.brokers.values().map(|known| broker(known, view, traffic)).collect(),
    }
}

fn broker(broker: &Broker, view: &View, traffic: &BTreeMap<Option<i32>, NodeTraffic>) -> BrokerStatus {
    let ranges = broker.offer.iter().flat_map(|offer| &offer.ranges);
    let host = view.advertised_host.to_string();
    BrokerStatus {
        node_id: broker.node_id,
        upstream: broker.upstream.to_string(),
        virtual_broker: crate::config::HostPort { host, port: broker.virtual_port }.to_string(),
        rack: broker.rack.clone(),
        listed: broker.listed,
        reachable: broker.reachable,
        versions: ranges.map(|range| (key_name(range.api_key), [range.min, range.max])).collect(),
        traffic: traffic.get(&Some(broker.node_id)).copied().map(BrokerTraffic::from).unwrap_or_default(),
    }
}

/// Unlike a metric's label, a key that Leeward does not know keeps its number here.
fn key_name(api_key: i16) -> String {
    api::Api::of(api_key).map_or_else(|| format!("key {api_key}"), |api| api.name.to_owned())
}

fn traffic(totals: &Totals) -> TrafficStatus {
    let closed = CloseCause::ALL.iter().map(|cause| (cause.label().to_owned(), totals.closed(*cause)));
    TrafficStatus {
        sessions: totals.sessions(),
        sessions_opened: totals.sessions_opened,
        sessions_closed: closed.filter(|(_, count)| *count > 0).collect(),
        upstream_connections: totals.upstream_connections(),
        dials_failed: totals.dials_failed,
        requests: totals.requests(),
        responses: totals.responses(),
        in_flight_requests: totals.in_flight_requests,
        in_flight_bytes: totals.in_flight_bytes,
        held_requests: totals.held_requests,
        held_bytes: totals.held_bytes,
    }
}

fn limits(config: &Config, totals: &Totals) -> Vec<LimitStatus> {
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let limits = &config.limits;
    let buffers = totals.buffers_out.saturating_mul(wide(limits.buffer_bytes));
    vec![
        LimitStatus { key: "limits.sessions_max".to_owned(), used: totals.sessions(), max: wide(limits.sessions_max) },
        LimitStatus { key: "limits.buffer_bytes_max".to_owned(), used: buffers, max: wide(limits.buffer_bytes_max) },
    ]
}
