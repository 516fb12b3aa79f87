//! One broker's copy of a partition, and what it may do with it (`Partition.scala`, `Replica.scala`).

use std::collections::{BTreeMap, BTreeSet};

use super::image::{NodeId, PartitionImage};
use super::log::Log;
use super::pending::{PendingId, Waits};
use super::time::Time;
use std::time::Duration;

/// One broker's copy of a partition.
#[derive(Debug, Default)]
pub(super) struct Replica {
    pub(super) log: Log,
    /// Everything below it is in every in-sync replica; consumers see no further.
    pub(super) high_watermark: i64,
    pub(super) role: Role,
    /// Consumers' fetches that wait for this partition.
    pub(super) fetches: BTreeSet<PendingId>,
}

/// What the broker believes it is for the partition. A broker that has not heard of an election yet is wrong, and acts on it.
#[derive(Debug, Default)]
pub(super) enum Role {
    /// Nobody leads.
    #[default]
    Offline,
    Leader(Leader),
    Follower(Follower),
}

/// What a leader keeps.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) epoch: i32,
    /// Its log's end when it became leader.
    pub(super) epoch_start: i64,
    pub(super) isr: BTreeSet<NodeId>,
    /// A change of the ISR that the controller has been asked for.
    pub(super) asked: Option<BTreeSet<NodeId>>,
    pub(super) remotes: BTreeMap<NodeId, Remote>,
    pub(super) waiters: Vec<Waiter>,
    /// Followers whose fetch waits for something to send: (follower, fetcher).
    pub(super) parked: Vec<(NodeId, u64)>,
}

/// What a leader knows of a follower.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote {
    /// -1: it has not fetched from this leader yet.
    pub(super) end_offset: i64,
    caught_up_at: Option<Time>,
    fetched_at: Option<Time>,
    leader_end_then: i64,
}

/// What a follower keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follower {
    pub(super) leader: NodeId,
    pub(super) epoch: i32,
    /// Names one run of its fetching; messages of an earlier run are void.
    pub(super) fetcher: u64,
}

/// Something that waits until the high watermark reaches an offset.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) required: i64,
    pub(super) waits: Waits,
}

impl Replica {
    pub(super) fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Offline => None,
        }
    }

    pub(super) fn leader_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Offline => None,
        }
    }

    pub(super) fn follower(&self) -> Option<Follower> {
        match &self.role {
            Role::Follower(follower) => Some(*follower),
            Role::Leader(_) | Role::Offline => None,
        }
    }

    /// The epoch that the broker knows; `None` when nobody leads.
    pub(super) fn epoch(&self) -> Option<i32> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch),
            Role::Follower(follower) => Some(follower.epoch),
            Role::Offline => None,
        }
    }
}

impl Leader {
    /// A leader that begins now with this log end.
    pub(super) fn new(node: NodeId, partition: &PartitionImage, log_end: i64, now: Time) -> Self {
        let remote = |&id: &NodeId| {
            let caught_up_at = partition.isr.contains(&id).then_some(now);
            (id, Remote { end_offset: -1, caught_up_at, fetched_at: None, leader_end_then: 0 })
        };
        Leader {
            epoch: partition.leader_epoch,
            epoch_start: log_end,
            isr: partition.isr.iter().copied().collect(),
            asked: None,
            remotes: partition.replicas.iter().filter(|&&id| id != node).map(remote).collect(),
            waiters: Vec::new(),
            parked: Vec::new(),
        }
    }

    /// Replicas have come or gone, without another leader.
    pub(super) fn follow_replicas(&mut self, node: NodeId, partition: &PartitionImage) {
        self.remotes.retain(|id, _| partition.replicas.contains(id));
        for &id in partition.replicas.iter().filter(|&&id| id != node) {
            self.remotes.entry(id).or_insert(Remote { end_offset: -1, caught_up_at: None, fetched_at: None, leader_end_then: 0 });
        }
    }

    /// `min.insync.replicas`, but never more than there are replicas.
    pub(super) fn effective_min_isr(&self, min_isr: usize) -> usize {
        min_isr.min(self.remotes.len() + 1)
    }

    /// The ISR, and whoever the controller has been asked to add: the high watermark may not pass either.
    fn holds_back(&self, id: NodeId) -> bool {
        self.isr.contains(&id) || self.asked.as_ref().is_some_and(|asked| asked.contains(&id))
    }

    /// Where the high watermark could be. A follower that is about to join the ISR is waited for.
    pub(super) fn candidate_watermark(&self, log_end: i64, now: Time, lag_max: Duration, is_eligible: impl Fn(NodeId) -> bool) -> i64 {
        let holders = self.remotes.iter().filter(|(id, remote)| self.holds_back(**id) || remote.is_caught_up(log_end, now, lag_max) && is_eligible(**id));
        holders.map(|(_, remote)| remote.end_offset).fold(log_end, i64::min)
    }

    /// Members of the ISR that have been behind for too long.
    pub(super) fn out_of_sync(&self, log_end: i64, now: Time, lag_max: Duration) -> Vec<NodeId> {
        let behind = |(id, remote): (&NodeId, &Remote)| (self.isr.contains(id) && !remote.is_caught_up(log_end, now, lag_max)).then_some(*id);
        self.remotes.iter().filter_map(behind).collect()
    }
}

impl Remote {
    /// A fetch from `offset` arrived.
    pub(super) fn fetched(&mut self, offset: i64, leader_end: i64, now: Time) {
        if offset >= leader_end {
            self.caught_up_at = Some(now);
        } else if offset >= self.leader_end_then && self.fetched_at.is_some() {
            self.caught_up_at = self.caught_up_at.max(self.fetched_at);
        }
        self.end_offset = offset;
        self.fetched_at = Some(now);
        self.leader_end_then = leader_end;
    }

    fn is_caught_up(&self, leader_end: i64, now: Time, lag_max: Duration) -> bool {
        self.end_offset == leader_end || self.caught_up_at.is_some_and(|at| now.saturating_sub(at) <= lag_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG_MAX: Duration = Duration::from_secs(3);

    fn at(ms: u64) -> Time {
        Duration::from_millis(ms)
    }

    fn leader() -> Leader {
        let partition = PartitionImage { replicas: vec![1, 2, 3], isr: vec![1, 2], leader: 1, leader_epoch: 4, adding: Vec::new(), removing: Vec::new() };
        Leader::new(1, &partition, 10, at(0))
    }

    #[test]
    fn the_watermark_waits_for_the_isr() {
        let mut leader = leader();
        let candidate = |leader: &Leader, eligible: bool| leader.candidate_watermark(12, at(10), LAG_MAX, |_| eligible);
        assert_eq!(candidate(&leader, true), -1);
        leader.remotes.get_mut(&2).unwrap().fetched(11, 12, at(5));
        assert_eq!(candidate(&leader, true), 11);
        leader.remotes.get_mut(&2).unwrap().fetched(12, 12, at(6));
        assert_eq!(candidate(&leader, true), 12);
        // 3 caught up with an earlier end a moment ago: it is waited for, unless it may not join.
        leader.remotes.get_mut(&3).unwrap().fetched(10, 10, at(7));
        assert_eq!(candidate(&leader, true), 10);
        assert_eq!(candidate(&leader, false), 12);
        leader.asked = Some(BTreeSet::from([1, 2, 3]));
        assert_eq!(candidate(&leader, false), 10);
    }

    #[test]
    fn a_follower_is_out_of_sync_when_it_was_behind_for_too_long() {
        let mut leader = leader();
        leader.remotes.get_mut(&2).unwrap().fetched(10, 10, at(1_000));
        assert_eq!(leader.out_of_sync(10, at(60_000), LAG_MAX), [] as [NodeId; 0], "nothing to catch up with");
        assert_eq!(leader.out_of_sync(11, at(4_000), LAG_MAX), [] as [NodeId; 0]);
        assert_eq!(leader.out_of_sync(11, at(4_001), LAG_MAX), [2]);
        // A fetch that reaches what the leader had at the previous fetch counts from that fetch.
        leader.remotes.get_mut(&2).unwrap().fetched(10, 20, at(5_000));
        leader.remotes.get_mut(&2).unwrap().fetched(20, 30, at(7_000));
        assert_eq!(leader.out_of_sync(30, at(8_000), LAG_MAX), [] as [NodeId; 0]);
        assert_eq!(leader.out_of_sync(30, at(8_001), LAG_MAX), [2]);
    }
}
