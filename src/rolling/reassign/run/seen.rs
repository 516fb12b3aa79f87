//! Where the partitions of a topic are, in the eyes of a run.

use std::collections::{BTreeMap, BTreeSet};

use super::Shift;
use crate::rolling::census::{Census, Partition, Reassignment};

/// A partition as it was read, in the eyes of a run.
pub(super) enum Seen<'a> {
    /// Its topic was deleted, perhaps.
    Gone,
    Arrived(&'a Partition),
    /// On its way to where it is wanted.
    OnItsWay,
    /// On its way to where this run does not want it any more.
    Astray,
    /// On a way that is none of this run.
    Foreign(&'a Reassignment),
    Elsewhere,
}

/// One topic as it was read, by partition: a cluster has too many to look for each among all.
pub(super) struct Here<'a> {
    partitions: BTreeMap<i32, &'a Partition>,
    running: BTreeMap<i32, &'a Reassignment>,
    /// Brokers before 2.4 do not tell what is on its way.
    tells: bool,
}

impl<'a> Here<'a> {
    pub(super) fn of(census: &'a Census, topic: &str) -> Self {
        let partitions = census.partitions.iter().filter(|one| &*one.topic == topic).map(|one| (one.index, one)).collect();
        let running = census.reassignments.iter().flatten().filter(|one| &*one.topic == topic).map(|one| (one.partition, one)).collect();
        Here { partitions, running, tells: census.reassignments.is_some() }
    }

    pub(super) fn see(&self, shift: &Shift, is_back: bool) -> Seen<'a> {
        let Some(partition) = self.partitions.get(&shift.partition).copied() else { return Seen::Gone };
        let target = shift.target(is_back);
        match self.running.get(&shift.partition).copied() {
            Some(other) if is_way(other, shift.source(is_back), target) => Seen::OnItsWay,
            Some(other) if is_way(other, target, shift.source(is_back)) => Seen::Astray,
            Some(other) => Seen::Foreign(other),
            None if partition.replicas == target && target.iter().all(|node_id| partition.isr.contains(node_id)) => Seen::Arrived(partition),
            // Of brokers before 2.4 nobody hears of what is on its way; they show the new replicas when these are in sync, or as soon as they begin.
            None if partition.replicas == target && self.tells => Seen::Arrived(partition),
            None => Seen::Elsewhere,
        }
    }
}

/// Whether a reassignment goes from these replicas to those. What metadata says of the replicas meanwhile may have been read before or after it began.
fn is_way(running: &Reassignment, from: &[i32], to: &[i32]) -> bool {
    let less = |these: &[i32], those: &[i32]| these.iter().copied().filter(|node_id| !those.contains(node_id)).collect::<BTreeSet<_>>();
    let set = |node_ids: &[i32]| node_ids.iter().copied().collect::<BTreeSet<_>>();
    set(&running.adding) == less(to, from) && set(&running.removing) == less(from, to)
}
