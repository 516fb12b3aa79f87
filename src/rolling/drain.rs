//! Draining a broker: its leaderships leave it, so that it can be stopped, and come back in the order of before.
//!
//! ```text
//!             begin                     nothing is left to move
//!  (serving) ───────▶ Draining ───────────────────────────────────▶ Drained
//!     ▲                  │  ▲ ◀── a partition came that leads here ────┘ │
//!     │                  │  └── begin ──┐                               │
//!     └── all restored ──┴──────────── Undraining ◀──────── undo ────────┘
//! ```
//!
//! The order of replicas itself changes (the broker comes last), so Kafka's own preferred election keeps the drain instead of undoing it.
//!
//! **Invariant: saved before moved.** The order of a partition is in [`Drain::saved`], and that on the disk, before another one is asked for.

pub mod by_hand;
mod check;
mod plan;
mod progress;
mod restore;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use check::{Danger, dangers};
pub use plan::{Hindrance, Plan, Stuck};
pub use progress::Progress;
pub use restore::{Left, LeftAs, Restoring};

use super::census::{Census, Partition};
use crate::guard::time::Millis;

/// Brokers that are being drained or are drained: traffic is routed around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draining(pub BTreeSet<i32>);

/// Every drain that is not over, by node id. It outlives a restart of Leeward.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drains(BTreeMap<i32, Drain>);

/// One drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    pub phase: Phase,
    pub reason: String,
    pub author: String,
    /// When it began.
    pub since: Millis,
    /// The orders of replicas to come back to.
    pub saved: Vec<SavedOrder>,
}

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Leaderships are leaving.
    Draining,
    /// Whatever can leave has left.
    Drained,
    /// The saved orders are coming back.
    Undraining,
}

/// The order of a partition's replicas before the drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedOrder {
    pub topic: String,
    pub partition: i32,
    pub replicas: Vec<i32>,
    /// Whether the broker led it.
    pub led: bool,
}

/// A new order of one partition's replicas, the same ones as before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub topic: Arc<str>,
    pub partition: i32,
    pub from: Vec<i32>,
    pub to: Vec<i32>,
    /// Whether the first of `to` is still to be made the leader, and can be.
    pub elect: bool,
}

/// Why a drain does not begin or end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    #[error("broker {other} is {phase} already: with two brokers drained, one more that fails leaves partitions without a leader", phase = .phase.label())]
    Other { other: i32, phase: Phase },
    #[error("broker {0} is not draining or drained")]
    NotDraining(i32),
}

impl Phase {
    pub fn label(self) -> &'static str {
        match self {
            Phase::Draining => "draining",
            Phase::Drained => "drained",
            Phase::Undraining => "undraining",
        }
    }
}

impl Move {
    /// Whether the order is still to be changed.
    pub fn reorders(&self) -> bool {
        self.from != self.to
    }
}

impl Drains {
    pub fn get(&self, node_id: i32) -> Option<&Drain> {
        self.0.get(&node_id)
    }

    /// How many partitions a broker led before its drain: those that were moved, and those that it leads still; `None`: it is not drained.
    pub fn led_before(&self, node_id: i32, census: &Census) -> Option<usize> {
        let saved = &self.get(node_id)?.saved;
        let moved: HashSet<(&str, i32)> = saved.iter().map(|order| (&*order.topic, order.partition)).collect();
        let stayed = census.led_by(node_id).filter(|partition| !moved.contains(&(&*partition.topic, partition.index))).count();
        Some(saved.iter().filter(|order| order.led).count() + stayed)
    }

    pub fn iter(&self) -> impl Iterator<Item = (i32, &Drain)> {
        self.0.iter().map(|(node_id, drain)| (*node_id, drain))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What sessions route around. A broker whose leaderships come back serves again.
    pub fn draining(&self) -> Draining {
        Draining(self.iter().filter(|(_, drain)| drain.phase != Phase::Undraining).map(|(node_id, _)| node_id).collect())
    }

    /// The others that are draining or drained.
    pub fn others(&self, node_id: i32) -> BTreeSet<i32> {
        self.draining().0.into_iter().filter(|other| *other != node_id).collect()
    }

    /// Begins a drain, or turns one back that is being undone. `force`: although another broker is draining.
    pub fn begin(&mut self, node_id: i32, reason: &str, author: &str, force: bool, now: Millis) -> Result<(), DrainError> {
        let phase = self.get(node_id).map(|drain| drain.phase);
        if matches!(phase, Some(Phase::Draining | Phase::Drained)) {
            return Ok(());
        }
        if let Some((other, drain)) = self.iter().find(|(other, _)| *other != node_id).filter(|_| !force) {
            return Err(DrainError::Other { other, phase: drain.phase });
        }
        let drain = self.0.entry(node_id).or_insert_with(|| Drain {
            phase: Phase::Draining,
            reason: String::new(),
            author: String::new(),
            since: now,
            saved: Vec::new(),
        });
        *drain = Drain { phase: Phase::Draining, reason: reason.to_owned(), author: author.to_owned(), since: now, saved: std::mem::take(&mut drain.saved) };
        Ok(())
    }

    /// Begins to restore what was saved.
    pub fn undo(&mut self, node_id: i32) -> Result<(), DrainError> {
        let drain = self.0.get_mut(&node_id).ok_or(DrainError::NotDraining(node_id))?;
        drain.phase = Phase::Undraining;
        Ok(())
    }

    /// Adds orders that are about to be changed. Of a partition that is there already the older one stays.
    pub fn save(&mut self, node_id: i32, orders: Vec<SavedOrder>) {
        let Some(drain) = self.0.get_mut(&node_id) else { return };
        let known: BTreeSet<(String, i32)> = drain.saved.iter().map(|saved| (saved.topic.clone(), saved.partition)).collect();
        drain.saved.extend(orders.into_iter().filter(|order| !known.contains(&(order.topic.clone(), order.partition))));
    }

    /// Whatever could leave has left, or something has come again. Gives whether that is new.
    pub fn settle(&mut self, node_id: i32, drained: bool) -> bool {
        let (from, to) = if drained { (Phase::Draining, Phase::Drained) } else { (Phase::Drained, Phase::Draining) };
        match self.0.get_mut(&node_id).filter(|drain| drain.phase == from) {
            Some(drain) => {
                drain.phase = to;
                true
            }
            None => false,
        }
    }

    /// All is restored: the broker serves. `None`: it was drained again meanwhile, or is not here.
    ///
    /// Orders in which another drained broker still stands last are that drain's to restore from now on.
    pub fn end(&mut self, node_id: i32) -> Option<Drain> {
        let is_over = self.get(node_id).is_some_and(|drain| drain.phase == Phase::Undraining);
        let ended = if is_over { self.0.remove(&node_id) } else { None };
        for other in self.0.keys().copied().collect::<Vec<_>>() {
            let shared = ended.iter().flat_map(|drain| &drain.saved).filter(|saved| saved.replicas.contains(&other));
            self.save(other, shared.map(|saved| SavedOrder { led: false, ..saved.clone() }).collect());
        }
        ended
    }

    /// Orders of these moves that are not saved yet. What another drain has changed already is saved as it was before that one.
    pub fn to_save(&self, node_id: i32, plan: &Plan) -> Vec<SavedOrder> {
        let Some(drain) = self.get(node_id) else { return Vec::new() };
        let own = by_partition(&drain.saved);
        let others = self.iter().filter(|(other, _)| *other != node_id).flat_map(|(_, drain)| &drain.saved);
        let others: HashMap<_, _> = others.map(|saved| ((saved.topic.as_str(), saved.partition), saved)).collect();
        let unsaved = plan.moves.iter().filter(|one| !own.contains_key(&(&*one.topic, one.partition)));
        let order = |one: &Move| {
            let before = others.get(&(&*one.topic, one.partition)).filter(|saved| is_same_set(&saved.replicas, &one.from));
            let replicas = before.map_or_else(|| one.from.clone(), |saved| saved.replicas.clone());
            SavedOrder { topic: one.topic.to_string(), partition: one.partition, replicas, led: plan.led.contains(&(Arc::clone(&one.topic), one.partition)) }
        };
        unsaved.map(order).collect()
    }
}

/// The partitions of a reading by topic and index.
fn partitions_by_name(census: &Census) -> HashMap<(&str, i32), &Partition> {
    census.partitions.iter().map(|partition| ((&*partition.topic, partition.index), partition)).collect()
}

fn by_partition(saved: &[SavedOrder]) -> HashMap<(&str, i32), &SavedOrder> {
    saved.iter().map(|saved| ((saved.topic.as_str(), saved.partition), saved)).collect()
}

/// Partitions whose replicas are being changed by somebody.
fn reassigning(census: &Census) -> BTreeSet<(&str, i32)> {
    census.reassignments.iter().flatten().map(|one| (&*one.topic, one.partition)).collect()
}

fn is_same_set(one: &[i32], other: &[i32]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}
