//! What must move so that a broker leads nothing, and what cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Move, reassigning};
use crate::rolling::census::{Census, Partition};

/// What a drain still has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// By topic and partition.
    pub moves: Vec<Move>,
    pub stuck: Vec<Stuck>,
    /// The partitions among both that the broker leads now.
    pub led: BTreeSet<(Arc<str>, i32)>,
}

/// A partition that stays with the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub topic: Arc<str>,
    pub partition: i32,
    pub why: Hindrance,
}

/// Why a partition cannot leave a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hindrance {
    /// It has no other replica: it goes when the broker goes.
    OneReplica,
    /// No other replica is in sync on a broker that stays.
    NoneInSync,
    /// Somebody is changing its replicas.
    Reassigning,
}

impl Hindrance {
    /// Whether it may go away by itself.
    pub fn passes(self) -> bool {
        match self {
            Hindrance::OneReplica => false,
            Hindrance::NoneInSync | Hindrance::Reassigning => true,
        }
    }
}

impl Plan {
    /// `away`: other brokers that are drained, which are to lead nothing either.
    ///
    /// The broker goes to the end of every order of which it is the first, or whose partition it leads. Whoever leads such a partition already stays its
    /// leader; else the first is the preferred leader of before, or the one among the replicas in sync that is the preferred leader of the fewest.
    pub fn of(census: &Census, node_id: i32, away: &BTreeSet<i32>) -> Self {
        let busy = reassigning(census);
        let mut plan = Plan::default();
        let (mut concerned, mut leads) = (Vec::new(), BTreeMap::<i32, usize>::new());
        for partition in &census.partitions {
            if partition.leader == Some(node_id) || partition.replicas.first() == Some(&node_id) {
                concerned.push(partition);
            } else if let Some(first) = partition.replicas.first() {
                *leads.entry(*first).or_default() += 1;
            }
        }
        concerned.sort_by(|one, other| (&one.topic, one.index).cmp(&(&other.topic, other.index)));
        for partition in concerned {
            if partition.leader == Some(node_id) {
                plan.led.insert((Arc::clone(&partition.topic), partition.index));
            }
            let stays = |id: &i32| *id != node_id && !away.contains(id) && census.brokers.get(id).is_none_or(|broker| broker.is_listed && broker.is_reachable);
            let able: Vec<i32> = partition.replicas.iter().copied().filter(|id| partition.isr.contains(id) && stays(id)).collect();
            let chosen = choose(partition, &able, &leads);
            let why = match chosen {
                _ if partition.replicas.len() <= 1 => Hindrance::OneReplica,
                _ if busy.contains(&(&*partition.topic, partition.index)) => Hindrance::Reassigning,
                None => Hindrance::NoneInSync,
                Some(first) => {
                    *leads.entry(first).or_default() += 1;
                    plan.moves.push(order(partition, node_id, first, away));
                    continue;
                }
            };
            plan.stuck.push(Stuck { topic: Arc::clone(&partition.topic), partition: partition.index, why });
        }
        plan
    }

    /// Whether nothing more can leave, now or later without somebody's doing.
    pub fn is_done(&self) -> bool {
        self.moves.is_empty() && self.stuck.iter().all(|stuck| !stuck.why.passes())
    }
}

fn choose(partition: &Partition, able: &[i32], leads: &BTreeMap<i32, usize>) -> Option<i32> {
    let stay = [partition.leader, partition.replicas.first().copied()].into_iter().flatten().find(|id| able.contains(id));
    // Of equals the one that is preferred more.
    stay.or_else(|| able.iter().copied().min_by_key(|id| leads.get(id).copied().unwrap_or_default()))
}

/// `first` in front, the others as they were, those that are away behind them, the broker last.
fn order(partition: &Partition, node_id: i32, first: i32, away: &BTreeSet<i32>) -> Move {
    let others = |is_away: bool| partition.replicas.iter().copied().filter(move |id| *id != first && *id != node_id && away.contains(id) == is_away);
    let to: Vec<i32> = std::iter::once(first).chain(others(false)).chain(others(true)).chain([node_id]).collect();
    Move { topic: Arc::clone(&partition.topic), partition: partition.index, from: partition.replicas.clone(), elect: partition.leader != Some(first), to }
}
