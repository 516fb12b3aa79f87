//! Is Leeward ready to serve clients? Every check by name, with what is missing.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::cluster::View;

/// What whoever binds and ends Leeward knows; replaced as a whole when it changes. Empty until the first socket is bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    pub listeners: Vec<ListenerState>,
    /// SIGTERM came: no new clients.
    pub stopping: bool,
}

/// One socket that is listened on, or ought to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerState {
    pub endpoint: Endpoint,
    /// The broker for which a virtual broker stands.
    pub node_id: Option<i32>,
    pub address: SocketAddr,
    /// Why it is not bound; `None` when it is.
    pub error: Option<String>,
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    Bootstrap,
    VirtualBroker,
    Admin,
}

/// One condition of being ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    /// What is so, or what is missing.
    pub detail: String,
}

/// The body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    pub ready: bool,
    pub checks: Vec<Check>,
}

/// All checks over what is known now. One broker that answers is enough: sheltering clients from the others is what Leeward is for.
pub fn check(readiness: &Readiness, view: &View) -> Ready {
    let checks = vec![listeners(readiness), cluster(view), brokers(view), not_stopping(readiness)];
    Ready { ready: checks.iter().all(|check| check.ok), checks }
}

fn listeners(readiness: &Readiness) -> Check {
    let failed: Vec<_> =
        readiness.listeners.iter().filter_map(|listener| listener.error.as_ref().map(|error| format!("{}: {error}", listener.address))).collect();
    let bootstrap = readiness.listeners.iter().any(|listener| listener.endpoint == Endpoint::Bootstrap && listener.error.is_none());
    if !failed.is_empty() {
        named("listeners", false, failed.join("; "))
    } else if !bootstrap {
        named("listeners", false, "the bootstrap endpoint is not bound yet")
    } else {
        named("listeners", true, format!("{} bound", readiness.listeners.len()))
    }
}

fn cluster(view: &View) -> Check {
    if view.offer.is_none() {
        named("cluster", false, "no broker has answered yet; check upstream.bootstrap, and that a broker runs there")
    } else if view.brokers.is_empty() && view.closed {
        // Not ready would keep the very clients away from whom the brokers are learned.
        named("cluster", true, "brokers answer, but keep their metadata behind a login; they are learned from the first client, or set upstream.sasl_plain")
    } else if view.brokers.is_empty() {
        named("cluster", false, "a broker answers, but its metadata names no broker yet")
    } else {
        named("cluster", true, format!("{} brokers known", view.brokers.len()))
    }
}

fn brokers(view: &View) -> Check {
    let away: Vec<_> = view.brokers.values().filter(|broker| !broker.reachable).map(|broker| broker.node_id.to_string()).collect();
    let known = view.brokers.len();
    if known == 0 && view.closed {
        named("brokers", true, format!("{} of the configuration answer", view.bootstrap.len()))
    } else if away.is_empty() && known > 0 {
        named("brokers", true, format!("all {known} reachable"))
    } else if away.len() < known {
        named("brokers", true, format!("{} of {known} reachable; not: {}", known - away.len(), away.join(", ")))
    } else {
        named("brokers", false, if known == 0 { "none known".to_owned() } else { format!("none of {known} reachable") })
    }
}

fn not_stopping(readiness: &Readiness) -> Check {
    if readiness.stopping { named("running", false, "ending: what is in flight finishes, no new clients") } else { named("running", true, "not ending") }
}

fn named(name: &str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name: name.to_owned(), ok, detail: detail.into() }
}
