//! Rehearsal: what would the restart of a broker do now? Said for a graceful stop and for a crash, before either happens.
//!
//! Partitions come from one [`Census`]: what moves, and to whom, follows from Kafka's own rule. Requests come from the traffic of now: how many would be held
//! is a rate times a time, and both are told, so that whoever reads it can put other times in.

mod election;
mod held;
mod sentences;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gate::{Guarantee, PartitionName, may_stop};
use super::{Census, Partition};
use crate::guard::deadline::{self, Library};
pub use election::Expected;
pub use held::Held;

/// What goes to the broker now, in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Traffic {
    /// Sessions whose requests go to it.
    pub sessions: u64,
    pub produce: f64,
    pub fetch: f64,
    pub other: f64,
    /// Bytes of the Produce requests, and of all the others.
    pub produce_bytes: f64,
    pub other_bytes: f64,
}

/// One client of the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    pub client_id: String,
    pub library: Library,
    /// After how long it gives up a Produce; `None`: it has sent none.
    pub produce_limit: Option<Duration>,
    /// Why it cannot be sheltered in full, as the end of a sentence about it.
    pub hindrance: Option<&'static str>,
    /// Whether that hindrance lets the loss of the broker reach it.
    pub sees_losses: bool,
}

/// What Leeward may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Errors and lost brokers are kept from clients (`guard.absorb`, `guard.mode`).
    pub absorbs: bool,
    pub window_open: bool,
    /// `guard.hold_max`.
    pub hold_max: Duration,
    /// `guard.held_bytes_max`.
    pub held_bytes_max: u64,
}

/// How a broker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// SIGTERM: it hands over what it leads before it goes.
    Graceful,
    /// SIGKILL, or its machine is lost: the controller has to find out.
    Crash,
}

/// What a restart of the broker would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    pub node_id: i32,
    /// Clients whose requests go to it, and requests in a second.
    pub sessions: u64,
    pub requests_per_second: Rates,
    pub graceful: Act,
    pub crash: Act,
    /// Clients that cannot be sheltered in full, whatever the stop.
    pub unsheltered: Vec<Concern>,
    /// What one should know besides, in sentences.
    pub notes: Vec<String>,
}

/// Requests in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    pub produce: f64,
    pub fetch: f64,
    pub other: f64,
}

/// One way in which it stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    pub stop: Stop,
    /// Partitions whose leader it is, and who leads them then.
    pub moves: Vec<Moved>,
    /// Partitions that nobody leads until it is back.
    pub offline: Vec<PartitionName>,
    /// Partitions with a leader and too few replicas in sync for acks=all until it is back.
    pub not_writable: Vec<PartitionName>,
    /// Partitions of other leaders at which acks=all waits until the broker has left the ISR; a graceful stop has none.
    pub stalled: Vec<PartitionName>,
    /// How long its partitions have no leader.
    pub expected: Expected,
    pub held: Held,
    /// Clients that give up before the election is over.
    pub timed_out: Vec<Concern>,
    /// Whether a client would see an error.
    pub errors: bool,
}

/// A partition that gets another leader.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moved {
    #[serde(flatten)]
    pub partition: PartitionName,
    /// The next replica in the order of preference that is in sync and there.
    pub to: i32,
}

/// Something about a client, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Concern {
    /// Empty where it gives none.
    pub client_id: String,
    /// Its connections of which this is so.
    pub connections: u64,
    pub text: String,
}

/// There is no such broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no broker {node_id}: {known} are known; leeward cluster lists them")]
pub struct NoSuchBroker {
    pub node_id: i32,
    pub known: String,
}

/// What a restart of `node_id` would do. `draining`: brokers that are being drained or are drained.
pub fn rehearse(
    census: &Census,
    node_id: i32,
    traffic: &Traffic,
    clients: &[Client],
    settings: Settings,
    draining: &BTreeSet<i32>,
) -> Result<Rehearsal, NoSuchBroker> {
    if !census.brokers.contains_key(&node_id) {
        let known: Vec<String> = census.brokers.keys().map(ToString::to_string).collect();
        return Err(NoSuchBroker { node_id, known: if known.is_empty() { "none".to_owned() } else { known.join(", ") } });
    }
    let scene = Scene { census, node_id, traffic, clients, settings, draining };
    let (graceful, crash) = (scene.act(Stop::Graceful), scene.act(Stop::Crash));
    let notes = scene.notes(&graceful, &crash);
    Ok(Rehearsal {
        node_id,
        sessions: traffic.sessions,
        requests_per_second: Rates { produce: traffic.produce, fetch: traffic.fetch, other: traffic.other },
        graceful,
        crash,
        unsheltered: scene.unsheltered(),
        notes,
    })
}

/// What is known when it is asked.
struct Scene<'a> {
    census: &'a Census,
    node_id: i32,
    traffic: &'a Traffic,
    clients: &'a [Client],
    settings: Settings,
    draining: &'a BTreeSet<i32>,
}

impl Scene<'_> {
    fn act(&self, stop: Stop) -> Act {
        let expected = election::expected(self.census, self.node_id, stop);
        let (mut moves, mut offline, mut stalled) = (Vec::new(), Vec::new(), Vec::new());
        for partition in self.census.partitions_on(self.node_id) {
            let name = PartitionName::of(partition);
            match (partition.leader == Some(self.node_id), self.next_leader(partition)) {
                (true, Some(to)) => moves.push(Moved { partition: name, to }),
                (true, None) => offline.push(name),
                // A broker that stops gracefully leaves the ISR first.
                (false, _) if partition.leader.is_some() && partition.isr.contains(&self.node_id) && stop == Stop::Crash => stalled.push(name),
                (false, _) => {}
            }
        }
        moves.sort();
        // The gate's rule, which counts a broker that is draining as gone too.
        let not_writable = may_stop(self.census, self.node_id, Guarantee::None, self.draining).risks.full_acks_produce_unavailable;
        let held = Held::of(self.traffic, expected.seconds, self.settings);
        let timed_out = self.timed_out(&expected);
        let has_traffic = self.traffic.sessions > 0;
        let errors = has_traffic
            && (!offline.is_empty()
                || !not_writable.is_empty()
                || !timed_out.is_empty()
                || !self.settings.absorbs
                || self.clients.iter().any(|client| client.sees_losses)
                || held.is_too_much());
        Act { stop, moves, offline, not_writable, stalled, expected, held, timed_out, errors }
    }

    /// Kafka's rule for a leader that goes, of both controllers: the first replica in the order of preference that is in the ISR and alive.
    fn next_leader(&self, partition: &Partition) -> Option<i32> {
        let is_alive = |node_id: &i32| self.census.brokers.get(node_id).is_some_and(|broker| broker.is_listed && broker.is_reachable);
        partition.replicas.iter().copied().find(|replica| *replica != self.node_id && partition.isr.contains(replica) && is_alive(replica))
    }

    /// Clients whose Produce is answered with an error before its partition has a leader again.
    fn timed_out(&self, expected: &Expected) -> Vec<Concern> {
        let election = Duration::from_secs_f64(expected.seconds);
        let held = |limit: Duration| self.settings.hold_max.min(deadline::share(limit));
        let late = self.clients.iter().filter_map(|client| Some((client, client.produce_limit.filter(|limit| held(*limit) < election)?)));
        grouped(late.map(|(client, limit)| (client.client_id.clone(), sentences::times_out(client.library, limit, held(limit), election))))
    }

    fn unsheltered(&self) -> Vec<Concern> {
        grouped(self.clients.iter().filter_map(|client| Some((client.client_id.clone(), client.hindrance?.to_owned()))))
    }
}

/// The same said of several connections of a client is said once.
fn grouped(said: impl Iterator<Item = (String, String)>) -> Vec<Concern> {
    let mut said: Vec<_> = said.collect();
    said.sort();
    let one = |same: &[(String, String)]| {
        let (client_id, text) = same.first()?.clone();
        Some(Concern { client_id, connections: u64::try_from(same.len()).unwrap_or(u64::MAX), text })
    };
    said.chunk_by(|a, b| a == b).filter_map(one).collect()
}
