//! What an operator should know before a window opens: what is dangerous, what the window cannot do, and for whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cluster::{Leaders, View};
use crate::config::Config;
use crate::session::About;
use crate::wire::api;

/// A topic on which acks=all would fail with one broker down: its replication factor less one is below `min.insync.replicas`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicRisk {
    pub topic: String,
    pub replication_factor: usize,
    pub min_insync_replicas: u32,
}

/// The shortest time after which a client gives a request up, as far as its requests say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientTimeout {
    pub client_id: String,
    pub api: String,
    pub millis: u64,
}

/// A connected client that a window cannot protect in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnshelteredClient {
    pub client_id: String,
    pub why: String,
}

/// What is known now. `None`: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreflightInput {
    pub acks_risks: Option<Vec<TopicRisk>>,
    /// Partitions, as `topic-partition`.
    pub under_replicated: Option<Vec<String>>,
    /// Node ids with what is wrong with each.
    pub brokers_down: Vec<(i32, String)>,
    /// Brokers in all; 0: the cluster is not known yet.
    pub brokers: usize,
    /// The brokers keep their metadata behind a login.
    pub closed: bool,
    pub shortest_client_timeout: Option<ClientTimeout>,
    pub unsheltered_clients: Option<Vec<UnshelteredClient>>,
    /// `guard.mode = "watch"`.
    pub watch_only: bool,
}

impl PreflightInput {
    /// What the pictures of the cluster and the configuration tell. What clients do is not in them.
    pub fn gather(view: &View, leaders: &Leaders, config: &Config) -> Self {
        let unhealthy = |listed, reachable| match (listed, reachable) {
            (true, true) => None,
            (false, true) => Some("it has left the metadata, though it answers: it is stopping or starting"),
            (true, false) => Some("it does not answer"),
            (false, false) => Some("it has left the metadata and does not answer"),
        };
        let down = view.brokers.values().filter_map(|broker| Some((broker.node_id, unhealthy(broker.listed, broker.reachable)?.to_owned())));
        PreflightInput {
            acks_risks: acks_risks(leaders),
            under_replicated: under_replicated(leaders),
            brokers_down: down.collect(),
            brokers: view.brokers.len(),
            closed: view.closed,
            watch_only: config.guard.watch_only,
            ..PreflightInput::default()
        }
    }

    /// Adds what is known of the clients that are connected.
    pub fn with_clients(self, clients: &[About]) -> Self {
        let shortest = clients.iter().filter_map(|client| Some((client, client.shortest?))).min_by_key(|(_, (_, limit))| *limit);
        let shortest = shortest.map(|(client, (api_key, limit))| ClientTimeout {
            client_id: client.client_id.to_string(),
            api: api::name(api_key).to_owned(),
            millis: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        });
        let named = |client: &About| Some((client.client_id.to_string(), client.hindrance?.meaning().to_owned()));
        let unsheltered: BTreeSet<(String, String)> = clients.iter().filter_map(named).collect();
        PreflightInput {
            shortest_client_timeout: shortest,
            unsheltered_clients: Some(unsheltered.into_iter().map(|(client_id, why)| UnshelteredClient { client_id, why }).collect()),
            ..self
        }
    }

    /// Topics whose acks stay as the client sent them.
    pub fn left_alone(&self) -> BTreeSet<String> {
        self.acks_risks.iter().flatten().map(|risk| risk.topic.clone()).collect()
    }
}

/// `None` when the configuration of a topic is not known: its risk is not, either.
fn acks_risks(leaders: &Leaders) -> Option<Vec<TopicRisk>> {
    if leaders.topics.is_empty() {
        return None;
    }
    let mut risks = Vec::new();
    for (name, topic) in &leaders.topics {
        if topic.acks_all_would_fail()? {
            let min_insync_replicas = topic.min_insync_replicas.unwrap_or_default();
            risks.push(TopicRisk { topic: name.to_string(), replication_factor: topic.replication_factor(), min_insync_replicas });
        }
    }
    risks.sort();
    Some(risks)
}

fn under_replicated(leaders: &Leaders) -> Option<Vec<String>> {
    if leaders.generation == 0 {
        return None;
    }
    let mut partitions: Vec<(&str, i32)> = Vec::new();
    for (name, topic) in &leaders.topics {
        partitions.extend(topic.partitions.iter().filter(|(_, partition)| partition.isr.len() < partition.replicas.len()).map(|(index, _)| (&**name, *index)));
    }
    partitions.sort_unstable();
    Some(partitions.into_iter().map(|(topic, index)| format!("{topic}-{index}")).collect())
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Good to know.
    Note,
    /// Leeward cannot tell.
    Unknown,
    /// A window is not opened without `force`.
    Danger,
}

impl Level {
    pub fn label(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Unknown => "unknown",
            Level::Danger => "danger",
        }
    }
}

/// One check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub check: String,
    pub level: Level,
    pub detail: String,
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// Nothing is dangerous.
    pub safe: bool,
    pub findings: Vec<Finding>,
    /// Topics whose acks stay as the client sent them.
    pub left_alone: Vec<String>,
}

/// Names in one sentence; the rest are counted.
const NAMED_MAX: usize = 5;

impl Preflight {
    /// The findings over what is known.
    pub fn of(input: &PreflightInput) -> Self {
        let mut findings = vec![brokers(input), replicas(input), acks(input), timeout(input), clients(input)];
        if input.watch_only {
            findings.push(finding("mode", Level::Note, "guard.mode is \"watch\": nothing is changed or held, what would have been is counted".to_owned()));
        }
        let safe = findings.iter().all(|finding| finding.level != Level::Danger);
        Preflight { safe, findings, left_alone: input.left_alone().into_iter().collect() }
    }

    /// What is dangerous, as one sentence.
    pub fn dangers(&self) -> String {
        self.findings.iter().filter(|finding| finding.level == Level::Danger).map(|finding| finding.detail.as_str()).collect::<Vec<_>>().join("; ")
    }
}

fn brokers(input: &PreflightInput) -> Finding {
    let (level, detail) = if input.brokers == 0 && input.closed {
        (Level::Unknown, "the brokers keep their metadata behind a login, and no client has named them yet".to_owned())
    } else if input.brokers == 0 {
        (Level::Danger, "no broker is known yet: the cluster does not answer".to_owned())
    } else if input.brokers_down.is_empty() {
        (Level::Ok, format!("all {} healthy", input.brokers))
    } else {
        let down = input.brokers_down.iter().map(|(node_id, why)| format!("broker {node_id}: {why}"));
        (Level::Danger, named(&down.collect::<Vec<_>>(), "; "))
    };
    finding("brokers", level, detail)
}

fn replicas(input: &PreflightInput) -> Finding {
    let (level, detail) = match &input.under_replicated {
        None => (Level::Unknown, "not known: whether all replicas are in sync; look with kafka-topics.sh --describe --under-replicated-partitions".to_owned()),
        Some(partitions) if partitions.is_empty() => (Level::Ok, "all replicas are in sync".to_owned()),
        Some(partitions) => (Level::Danger, format!("{} under-replicated: {}", count(partitions.len(), "partition"), named(partitions, ", "))),
    };
    finding("replicas", level, detail)
}

fn acks(input: &PreflightInput) -> Finding {
    let (level, detail) = match &input.acks_risks {
        None => (Level::Unknown, "not known: on which topics acks=all would fail with one broker down".to_owned()),
        Some(risks) if risks.is_empty() => (Level::Ok, "acks=all holds on every topic with one broker down".to_owned()),
        Some(risks) => {
            let risky = |risk: &TopicRisk| format!("{} (replicas {}, min.insync {})", risk.topic, risk.replication_factor, risk.min_insync_replicas);
            let names: Vec<_> = risks.iter().map(risky).collect();
            (
                Level::Note,
                format!("acks=all would fail with one broker down, so acks stay as they are on {}: {}", count(risks.len(), "topic"), named(&names, ", ")),
            )
        }
    };
    finding("acks", level, detail)
}

fn timeout(input: &PreflightInput) -> Finding {
    let (level, detail) = match &input.shortest_client_timeout {
        None if input.unsheltered_clients.is_some() => (Level::Ok, "no client is connected".to_owned()),
        None => (Level::Unknown, "not known: the shortest client timeout".to_owned()),
        Some(timeout) => (Level::Note, format!("the shortest seen: {} ms, {} of client \"{}\"", timeout.millis, timeout.api, timeout.client_id)),
    };
    finding("timeouts", level, detail)
}

fn clients(input: &PreflightInput) -> Finding {
    let (level, detail) = match &input.unsheltered_clients {
        None => (Level::Unknown, "not known: which connected clients cannot be fully sheltered".to_owned()),
        Some(clients) if clients.is_empty() => (Level::Ok, "every connected client can be fully sheltered".to_owned()),
        Some(clients) => {
            let names: Vec<_> = clients.iter().map(|client| format!("\"{}\" ({})", client.client_id, client.why)).collect();
            (Level::Note, format!("not fully sheltered: {}", named(&names, ", ")))
        }
    };
    finding("clients", level, detail)
}

fn finding(check: &str, level: Level, detail: String) -> Finding {
    Finding { check: check.to_owned(), level, detail }
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn named(names: &[String], between: &str) -> String {
    let first = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(between);
    if names.len() > NAMED_MAX { format!("{first} and {} more", names.len() - NAMED_MAX) } else { first }
}
