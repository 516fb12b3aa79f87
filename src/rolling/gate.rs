//! The restart gate: may this broker stop now?
//!
//! Decided from one [`Census`]. The ISR counts without brokers that are down or draining, whatever the metadata still says of them: a broker that was killed a
//! moment ago stays in it for seconds.

mod risks;
mod sentences;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::census::Quorum;
use super::{Census, Partition};
pub use risks::Risks;
pub use sentences::named;

/// A voter that has not had everything for so long cannot take over: more than twice the 2 s of `controller.quorum.fetch.timeout.ms`.
const VOTER_BEHIND_MS_MAX: u64 = 5000;

/// The same in records, for brokers that tell no times (before 3.4): a quorum at rest writes two in a second.
const VOTER_BEHIND_RECORDS_MAX: u64 = 20;

/// What must go on while the broker, and it alone, is away. Each holds what those after it hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Every partition keeps a leader, so one with a single replica blocks; acks=all can go on being written, and nothing that was acknowledged with it can be lost.
    /// Nothing else goes on that could undo this: no other broker is down or draining, nothing is being reassigned, and everything that had to be known is.
    ///
    /// Exempt from the writing are partitions whose replication factor is not above `min.insync.replicas`: no broker of theirs could ever stop. They are named.
    #[default]
    Strict,
    /// Every partition with more than one replica keeps a leader, also when the brokers that drain stop as well, and the controllers keep their majority.
    /// acks=all may be refused meanwhile.
    Available,
    /// Nothing: every risk is told, and none of them blocks.
    None,
}

/// May the broker stop?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub node_id: i32,
    pub guarantee: Guarantee,
    pub may_stop: bool,
    /// What stands in the way of the guarantee; none exactly when it may stop.
    pub blockers: Vec<Blocker>,
    /// What its stop would do, whatever the guarantee.
    pub risks: Risks,
    /// What one should know, in sentences.
    pub notes: Vec<String>,
}

/// Something that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    pub kind: BlockerKind,
    /// The partitions that it is about.
    pub partitions: Vec<PartitionName>,
    /// The other brokers, or voters, that it is about.
    pub brokers: Vec<i32>,
    /// What is so, why it blocks, and what to do.
    pub text: String,
}

/// Kinds of what stands in the way, the worst first: of each partition only the worst is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockerKind {
    /// No such broker is known.
    UnknownBroker,
    /// Partitions without a leader now.
    NoLeader,
    /// The broker has the only replica.
    OneReplica,
    /// The broker has the only replica that is in sync.
    OnlyInSync,
    /// acks=all is refused already.
    BelowMinIsr,
    /// acks=all would be refused with one replica less, and the broker has one of them.
    AtMinIsr,
    Reassigning,
    OtherBrokerDown,
    OtherBrokerDraining,
    /// The controllers would have no majority.
    QuorumAtRisk,
    /// Something could not be read.
    NotKnown,
}

/// A partition by its name, shown as `topic-index`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartitionName {
    pub topic: String,
    pub partition: i32,
}

/// Whether `node_id` may stop now. `draining`: the brokers that leadership is being moved away from, which may stop at any time; it may be one of them.
pub fn may_stop(census: &Census, node_id: i32, guarantee: Guarantee, draining: &BTreeSet<i32>) -> Verdict {
    let scene = Scene::new(census, node_id, draining);
    let mut blockers = Vec::new();
    if census.brokers.contains_key(&node_id) {
        if guarantee <= Guarantee::Available {
            scene.partitions(guarantee, &mut blockers);
            scene.quorum(&mut blockers);
        }
        if guarantee == Guarantee::Strict {
            scene.surroundings(&mut blockers);
        }
        blockers.sort_by_key(|blocker| blocker.kind);
    } else {
        blockers.push(scene.blocker(BlockerKind::UnknownBroker, Vec::new(), census.brokers.keys().copied().collect()));
    }
    let notes = scene.notes(guarantee);
    Verdict { node_id, guarantee, may_stop: blockers.is_empty(), blockers, risks: Risks::of(&scene), notes }
}

/// The cluster as the stop of one broker would find it.
struct Scene<'a> {
    census: &'a Census,
    node_id: i32,
    /// Brokers other than it that are named by a partition or by Leeward's picture, and do not serve.
    down: BTreeSet<i32>,
    /// Brokers other than it that drain.
    draining: BTreeSet<i32>,
}

impl<'a> Scene<'a> {
    fn new(census: &'a Census, node_id: i32, draining: &BTreeSet<i32>) -> Self {
        let serves = |node_id: &i32| census.brokers.get(node_id).is_some_and(|broker| broker.is_listed && broker.is_reachable);
        let replicas = census.partitions.iter().flat_map(|partition| &partition.replicas);
        let named: BTreeSet<i32> = replicas.chain(census.brokers.keys()).copied().collect();
        let down = named.into_iter().filter(|other| *other != node_id && !serves(other)).collect();
        let draining = draining.iter().copied().filter(|other| *other != node_id).collect();
        Scene { census, node_id, down, draining }
    }

    /// How many replicas are in sync now.
    fn in_sync(&self, partition: &Partition) -> usize {
        partition.isr.iter().filter(|replica| !self.down.contains(replica)).count()
    }

    /// How many are when the broker is away.
    fn in_sync_after(&self, partition: &Partition) -> usize {
        partition.isr.iter().filter(|replica| **replica != self.node_id && !self.down.contains(replica)).count()
    }

    /// Whether one of those is left also when every broker that drains is away.
    fn keeps_leader(&self, partition: &Partition) -> bool {
        let stays = |replica: &i32| *replica != self.node_id && !self.down.contains(replica) && !self.draining.contains(replica);
        partition.isr.iter().any(stays)
    }

    /// Why this partition is in the way, if it is.
    fn obstacle(&self, partition: &Partition, guarantee: Guarantee) -> Option<BlockerKind> {
        let is_strict = guarantee == Guarantee::Strict;
        if !partition.replicas.contains(&self.node_id) {
            return (is_strict && partition.leader.is_none()).then_some(BlockerKind::NoLeader);
        }
        if partition.replicas.len() == 1 {
            return is_strict.then_some(BlockerKind::OneReplica);
        }
        if partition.leader.is_none() {
            return Some(BlockerKind::NoLeader);
        }
        if !self.keeps_leader(partition) {
            return Some(BlockerKind::OnlyInSync);
        }
        if !is_strict {
            return None;
        }
        match partition.min_insync() {
            None => Some(BlockerKind::NotKnown),
            // Strimzi's rule: such a partition cannot be written while any broker of it is away, so it would block for ever.
            Some(min) if partition.replicas.len() <= min || self.in_sync_after(partition) >= min => None,
            Some(min) if self.in_sync(partition) < min => Some(BlockerKind::BelowMinIsr),
            Some(_) => Some(BlockerKind::AtMinIsr),
        }
    }

    fn partitions(&self, guarantee: Guarantee, blockers: &mut Vec<Blocker>) {
        let mut found: Vec<(BlockerKind, PartitionName)> = Vec::new();
        for partition in &self.census.partitions {
            found.extend(self.obstacle(partition, guarantee).map(|kind| (kind, PartitionName::of(partition))));
        }
        found.sort();
        for kind in found.chunk_by(|a, b| a.0 == b.0) {
            let Some((first, _)) = kind.first() else { continue };
            blockers.push(self.blocker(*first, kind.iter().map(|(_, name)| name.clone()).collect(), Vec::new()));
        }
    }

    fn quorum(&self, blockers: &mut Vec<Blocker>) {
        let Some(quorum) = &self.census.quorum else { return };
        let fit = self.fit_voters(quorum).count();
        if !quorum.voters.is_empty() && fit * 2 <= quorum.voters.len() {
            let behind = quorum.voters.iter().map(|voter| voter.node_id).filter(|node_id| *node_id != self.node_id);
            let behind = behind.filter(|node_id| self.fit_voters(quorum).all(|fit| fit != *node_id));
            blockers.push(self.blocker(BlockerKind::QuorumAtRisk, Vec::new(), behind.collect()));
        }
    }

    /// The voters that could elect a leader without this broker.
    fn fit_voters(&self, quorum: &'a Quorum) -> impl Iterator<Item = i32> {
        let is_fit = |voter: &&super::census::Voter| match (voter.caught_up_ms_ago, voter.lag) {
            (Some(ago), _) => ago <= VOTER_BEHIND_MS_MAX,
            (None, Some(lag)) => lag <= VOTER_BEHIND_RECORDS_MAX,
            (None, None) => false,
        };
        quorum.voters.iter().filter(is_fit).map(|voter| voter.node_id).filter(|node_id| *node_id != self.node_id && !self.down.contains(node_id))
    }

    fn surroundings(&self, blockers: &mut Vec<Blocker>) {
        let reassigned = self.reassigned();
        if !reassigned.is_empty() {
            blockers.push(self.blocker(BlockerKind::Reassigning, reassigned, Vec::new()));
        }
        if !self.down.is_empty() {
            blockers.push(self.blocker(BlockerKind::OtherBrokerDown, Vec::new(), self.down.iter().copied().collect()));
        }
        if !self.draining.is_empty() {
            blockers.push(self.blocker(BlockerKind::OtherBrokerDraining, Vec::new(), self.draining.iter().copied().collect()));
        }
        // Partitions whose min.insync.replicas is missing have said it already.
        if self.census.gaps.iter().any(|gap| gap.can_close) && blockers.iter().all(|blocker| blocker.kind != BlockerKind::NotKnown) {
            blockers.push(self.blocker(BlockerKind::NotKnown, Vec::new(), Vec::new()));
        }
    }

    /// Partitions that are being reassigned, anywhere.
    fn reassigned(&self) -> Vec<PartitionName> {
        let running = self.census.reassignments.iter().flatten();
        running.map(|moving| PartitionName { topic: moving.topic.to_string(), partition: moving.partition }).collect()
    }
}

impl PartitionName {
    pub(super) fn of(partition: &Partition) -> Self {
        PartitionName { topic: partition.topic.to_string(), partition: partition.index }
    }
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl Guarantee {
    /// As it is written in commands and queries.
    pub fn label(self) -> &'static str {
        match self {
            Guarantee::Strict => "strict",
            Guarantee::Available => "available",
            Guarantee::None => "none",
        }
    }
}
