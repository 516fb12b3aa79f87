//! What happens, off the path of single requests: each event is one struct, and `emit` writes its log line and counts it.
//!
//! Levels: a peer that goes away is `debug`; what a client or broker did wrong is `info` or `warn`, with what was wrong; what an operator
//! should know is `info`; what an operator should do something about is `warn`. Payloads, tokens and client texts are never logged.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Refusal, Telemetry, WorkerMetrics};
use crate::config::{Change, ConfigErrors, HostPort};
use crate::session::CloseCause;

/// Targets, for `log.filter`: what an event is about, not where in the source it is written.
const SESSION: &str = "leeward::session";
const CLUSTER: &str = "leeward::cluster";
const LISTEN: &str = "leeward::listen";
const CONFIG: &str = "leeward::config";
const GUARD: &str = "leeward::guard";
const RUN: &str = "leeward::run";

/// A session has ended.
pub struct SessionClosed<'a> {
    pub peer: SocketAddr,
    /// The broker that its virtual broker stands for; `None` at the bootstrap endpoint.
    pub node_id: Option<i32>,
    pub cause: CloseCause,
    /// What exactly was wrong, in words of our own; empty where the cause says it all.
    pub detail: &'a dyn fmt::Display,
    pub requests: u64,
    pub lasted: Duration,
}

impl SessionClosed<'_> {
    pub fn emit(&self, metrics: &WorkerMetrics) {
        metrics.session_closed(self.cause);
        let Self { peer, cause, detail, requests, .. } = self;
        let (node_id, seconds) = (self.node_id, (self.lasted.as_secs_f64() * 1e3).round() / 1e3);
        match severity(self.cause) {
            Severity::Debug => debug!(target: SESSION, %peer, node_id, %cause, %detail, requests, seconds, "session closed"),
            Severity::Info => info!(target: SESSION, %peer, node_id, %cause, %detail, requests, seconds, "session closed"),
            Severity::Warn => warn!(target: SESSION, %peer, node_id, %cause, %detail, requests, seconds, "session closed"),
        }
    }
}

/// A client was turned away when it was accepted.
pub struct SessionRefused<'a> {
    pub peer: Option<SocketAddr>,
    pub reason: Refusal,
    pub detail: &'a dyn fmt::Display,
}

impl SessionRefused<'_> {
    pub fn emit(&self, metrics: &WorkerMetrics) {
        let so_far = metrics.session_refused(self.reason);
        let Self { peer, detail, .. } = self;
        let reason = self.reason.label();
        // A flood of connections must not become a flood of lines: the 1st, 2nd, 4th, 8th … is said aloud.
        if so_far.is_power_of_two() && self.reason != Refusal::Shutdown {
            warn!(target: SESSION, ?peer, reason, %detail, so_far, "connection refused");
        } else {
            debug!(target: SESSION, ?peer, reason, %detail, so_far, "connection refused");
        }
    }
}

/// One address of a broker did not accept a connection.
pub struct DialFailed<'a> {
    pub address: &'a HostPort,
    pub node_id: Option<i32>,
    pub error: &'a dyn fmt::Display,
}

impl DialFailed<'_> {
    pub fn emit(&self, metrics: &WorkerMetrics) {
        metrics.dial_failed();
        debug!(target: CLUSTER, address = %self.address, node_id = self.node_id, error = %self.error, "a broker's address does not accept");
    }
}

/// A socket is bound.
#[derive(Debug)]
pub struct Listening {
    /// `bootstrap`, `virtual broker` or `admin`.
    pub endpoint: &'static str,
    pub address: SocketAddr,
    pub node_id: Option<i32>,
}

impl Listening {
    pub fn emit(&self) {
        info!(target: LISTEN, endpoint = self.endpoint, address = %self.address, node_id = self.node_id, "listening");
    }
}

/// A broker's virtual broker could not be bound: clients are not told of that broker.
pub struct VirtualBrokerFailed<'a> {
    pub node_id: i32,
    pub port: Option<u16>,
    pub error: &'a dyn fmt::Display,
}

impl VirtualBrokerFailed<'_> {
    pub fn emit(&self) {
        warn!(target: LISTEN, node_id = self.node_id, port = self.port, error = %self.error, "no virtual broker: free the port, or map this node in listen.virtual_brokers.ports");
    }
}

/// What became different about a broker.
pub enum BrokerChanged<'a> {
    Joined {
        node_id: i32,
        upstream: &'a HostPort,
        virtual_port: u16,
    },
    /// Metadata names another address for it.
    Moved {
        node_id: i32,
        from: &'a HostPort,
        to: &'a HostPort,
    },
    /// Metadata does not name it any more; its virtual broker stays.
    Unlisted {
        node_id: i32,
    },
    Listed {
        node_id: i32,
    },
    /// It does not answer Leeward, or not any more.
    Lost {
        node_id: i32,
        error: &'a dyn fmt::Display,
    },
    Back {
        node_id: i32,
    },
}

impl BrokerChanged<'_> {
    pub fn emit(&self) {
        match self {
            BrokerChanged::Joined { node_id, upstream, virtual_port } => info!(target: CLUSTER, node_id, %upstream, virtual_port, "broker joined"),
            BrokerChanged::Moved { node_id, from, to } => info!(target: CLUSTER, node_id, %from, %to, "broker has another address"),
            BrokerChanged::Unlisted { node_id } => info!(target: CLUSTER, node_id, "broker left the metadata"),
            BrokerChanged::Listed { node_id } => info!(target: CLUSTER, node_id, "broker is in the metadata again"),
            BrokerChanged::Lost { node_id, error } => info!(target: CLUSTER, node_id, %error, "broker does not answer"),
            BrokerChanged::Back { node_id } => info!(target: CLUSTER, node_id, "broker answers"),
        }
    }
}

/// The cluster's metadata could not be read.
pub struct RefreshFailed<'a> {
    pub address: &'a HostPort,
    pub error: &'a dyn fmt::Display,
    /// Failures since the last success, this one included.
    pub in_a_row: u64,
}

impl RefreshFailed<'_> {
    pub fn emit(&self, telemetry: &Telemetry) {
        telemetry.refresh_failed();
        let Self { address, error, in_a_row } = self;
        if in_a_row.is_power_of_two() {
            warn!(target: CLUSTER, %address, %error, in_a_row, "the cluster's metadata cannot be read");
        } else {
            debug!(target: CLUSTER, %address, %error, in_a_row, "the cluster's metadata cannot be read");
        }
    }
}

/// No upstream has answered since the start: Leeward waits and is not ready.
#[derive(Debug)]
pub struct WaitingForUpstream<'a> {
    pub bootstrap: &'a [HostPort],
    /// How often it was tried.
    pub tries: u64,
}

impl WaitingForUpstream<'_> {
    pub fn emit(&self) {
        if self.tries.is_power_of_two() {
            let bootstrap = self.bootstrap.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            warn!(target: CLUSTER, bootstrap, tries = self.tries, "waiting: no upstream answers; check upstream.bootstrap, and that a broker runs there");
        }
    }
}

/// The cluster is known: Leeward serves it.
#[derive(Debug)]
pub struct ClusterKnown<'a> {
    pub cluster_id: Option<&'a str>,
    pub brokers: usize,
}

impl ClusterKnown<'_> {
    pub fn emit(&self) {
        info!(target: CLUSTER, cluster_id = self.cluster_id, brokers = self.brokers, "cluster known");
    }
}

/// A reload has put a new configuration in force.
#[derive(Debug)]
pub struct ConfigReloaded<'a> {
    pub applied: &'a [Change],
    pub needs_restart: &'a [Change],
}

impl ConfigReloaded<'_> {
    pub fn emit(&self, telemetry: &Telemetry) {
        telemetry.reload_done();
        for Change { key, old, new, .. } in self.applied {
            info!(target: CONFIG, key, old, new, "configuration changed");
        }
        for Change { key, old, new, .. } in self.needs_restart {
            warn!(target: CONFIG, key, old, new, "this change takes a restart");
        }
        info!(target: CONFIG, applied = self.applied.len(), needs_restart = self.needs_restart.len(), "configuration reloaded");
    }
}

/// A reload found errors; the configuration in force stays.
#[derive(Debug)]
pub struct ConfigRejected<'a> {
    pub errors: &'a ConfigErrors,
}

impl ConfigRejected<'_> {
    pub fn emit(&self, telemetry: &Telemetry) {
        telemetry.reload_failed();
        for error in &self.errors.0 {
            warn!(target: CONFIG, %error, "configuration rejected, the old one stays in force");
        }
    }
}

/// A maintenance window or a schedule is not as it was.
#[derive(Debug)]
pub struct MaintenanceChanged<'a> {
    /// Such as `window opened`.
    pub what: &'static str,
    pub id: &'a str,
    pub who: &'a str,
    pub why: &'a str,
}

impl MaintenanceChanged<'_> {
    pub fn emit(&self) {
        let Self { what, id, who, why } = self;
        info!(target: GUARD, id, who, why, "{what}");
    }
}

/// The system gives this process too few file descriptors for its limit of sessions.
#[derive(Debug)]
pub struct DescriptorsShort {
    pub open_files_max: u64,
    pub sessions_max: u64,
}

impl DescriptorsShort {
    /// A session needs two: the client's connection and the broker's. Some more are Leeward's own.
    pub fn needed(sessions_max: u64) -> u64 {
        sessions_max.saturating_mul(2).saturating_add(DESCRIPTORS_OWN)
    }

    pub fn emit(&self) {
        let Self { open_files_max, sessions_max } = self;
        let needed = Self::needed(*sessions_max);
        warn!(target: RUN, open_files_max, sessions_max, needed, "too few file descriptors for limits.sessions_max: raise the limit (ulimit -n), or lower limits.sessions_max");
    }
}

/// Listeners, links to the brokers, event loops, the admin endpoint.
const DESCRIPTORS_OWN: u64 = 256;

/// Leeward was told to end.
#[derive(Debug)]
pub struct ShutdownBegan {
    pub sessions: u64,
    pub grace: Duration,
}

impl ShutdownBegan {
    pub fn emit(&self) {
        info!(target: RUN, sessions = self.sessions, grace_seconds = self.grace.as_secs_f64(), "ending: no new connections, what is in flight finishes");
    }
}

/// Leeward has ended.
#[derive(Debug)]
pub struct ShutdownEnded {
    /// Sessions with something in flight that were closed because the grace time was over.
    pub forced: u64,
}

impl ShutdownEnded {
    pub fn emit(&self) {
        if self.forced == 0 {
            info!(target: RUN, "ended");
        } else {
            warn!(target: RUN, forced = self.forced, "ended before these sessions were done; limits.shutdown_grace is too short for them");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Debug,
    Info,
    Warn,
}

fn severity(cause: CloseCause) -> Severity {
    match cause {
        CloseCause::ClientClosed
        | CloseCause::ClientReset
        | CloseCause::Idle
        | CloseCause::FirstRequestTimeout
        | CloseCause::BrokerClosed
        | CloseCause::BrokerReset
        | CloseCause::BrokerUnreachable
        | CloseCause::BrokerReturned
        | CloseCause::Shutdown => Severity::Debug,
        CloseCause::NotKafka
        | CloseCause::FrameTooLarge
        | CloseCause::MalformedRequest
        | CloseCause::InternalApi
        | CloseCause::UnsupportedVersion
        | CloseCause::ClientStalled
        | CloseCause::BrokerStalled
        | CloseCause::ShutdownForced => Severity::Info,
        CloseCause::CorrelationMismatch | CloseCause::MalformedResponse | CloseCause::NoVirtualBroker => Severity::Warn,
    }
}
