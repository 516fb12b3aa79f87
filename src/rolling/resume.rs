//! After a restart: is this broker back, so that the next one may go?

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::Census;
use super::gate::{PartitionName, named};

/// May one go on?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    pub node_id: i32,
    pub may_continue: bool,
    /// What is still missing; none exactly when one may go on.
    pub missing: Vec<Missing>,
    pub share: Share,
    /// What one should know, in sentences.
    pub notes: Vec<String>,
}

/// Something that is not as it should be yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub kind: MissingKind,
    /// The partitions that it is about.
    pub partitions: Vec<PartitionName>,
    /// What is so, and what to do.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingKind {
    UnknownBroker,
    /// Its listener does not answer.
    Unreachable,
    /// The metadata does not name it.
    Unlisted,
    /// Partitions with a replica on it have no leader.
    NoLeader,
    /// It is not in the ISR of partitions with a replica on it.
    NotInSync,
}

/// How much of its load the broker has again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Partitions with a replica on it, and those among them whose ISR it is in.
    pub replicas: usize,
    pub in_sync: usize,
    /// Partitions that name it as their preferred leader, and those among them that it leads.
    pub preferred: usize,
    pub preferred_led: usize,
    /// Partitions that it leads.
    pub leaders: usize,
    /// Partitions that it led before it was drained, while the drain is not taken back.
    pub leaders_before: Option<usize>,
}

/// Whether `node_id` is back after a restart: listed, answering, in every ISR. Leaders need not be: they come back by a preferred
/// election or with the end of its drain, which is told. `leaders_before`: what it led before that.
pub fn may_continue(census: &Census, node_id: i32, leaders_before: Option<usize>) -> Return {
    let mut missing = Vec::new();
    let mut add = |kind, partitions: Vec<PartitionName>, text: String| missing.push(Missing { kind, partitions, text });
    match census.brokers.get(&node_id) {
        None => {
            let known: Vec<String> = census.brokers.keys().map(ToString::to_string).collect();
            let known = known.join(", ");
            add(MissingKind::UnknownBroker, Vec::new(), format!("there is no broker {node_id}: {known} are known; start it, or see leeward cluster"));
        }
        Some(broker) => {
            if !broker.is_reachable {
                let text = format!("broker {node_id} does not answer at {}: start it, or look into its log", broker.address);
                add(MissingKind::Unreachable, Vec::new(), text);
            }
            if !broker.is_listed {
                let text = format!("the metadata does not name broker {node_id}: it has not joined again yet; wait, or look into its log and the controller's");
                add(MissingKind::Unlisted, Vec::new(), text);
            }
        }
    }
    let here: Vec<_> = census.partitions_on(node_id).collect();
    let headless: Vec<_> = here.iter().filter(|partition| partition.leader.is_none()).map(|partition| PartitionName::of(partition)).collect();
    if !headless.is_empty() {
        let text = format!("{} with a replica on broker {node_id} without a leader: wait for the election, or bring back the other replicas", named(&headless));
        add(MissingKind::NoLeader, headless, text);
    }
    let behind = here.iter().filter(|partition| partition.leader.is_some() && !partition.isr.contains(&node_id));
    let behind: Vec<_> = behind.map(|partition| PartitionName::of(partition)).collect();
    if !behind.is_empty() {
        let text = format!("broker {node_id} is not in the ISR of {}: it copies what it missed; wait until it has caught up", named(&behind));
        add(MissingKind::NotInSync, behind, text);
    }
    let preferred = here.iter().filter(|partition| partition.replicas.first() == Some(&node_id));
    let share = Share {
        replicas: here.len(),
        in_sync: here.iter().filter(|partition| partition.isr.contains(&node_id)).count(),
        preferred: preferred.clone().count(),
        preferred_led: preferred.filter(|partition| partition.leader == Some(node_id)).count(),
        leaders: census.led_by(node_id).count(),
        leaders_before,
    };
    Return { node_id, may_continue: missing.is_empty(), missing, share, notes: share.notes(node_id) }
}

impl Share {
    fn notes(self, node_id: i32) -> Vec<String> {
        let mut notes = Vec::new();
        if self.preferred_led < self.preferred {
            notes.push(format!(
                "broker {node_id} leads {} of the {} partitions that prefer it; the others come back with the preferred election: by itself within \
                 leader.imbalance.check.interval.seconds (300) where auto.leader.rebalance.enable is on, or with kafka-leader-election --election-type preferred",
                self.preferred_led, self.preferred
            ));
        }
        if let Some(before) = self.leaders_before
            && self.leaders < before
        {
            notes.push(format!(
                "broker {node_id} leads {} partitions, and led {before} before its drain: leeward broker undrain {node_id} brings them back",
                self.leaders
            ));
        }
        notes
    }
}
