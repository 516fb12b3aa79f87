//! What brings the saved orders back.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Move, SavedOrder, is_same_set, partitions_by_name, reassigning};
use crate::rolling::census::Census;

/// What an undrain still has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restoring {
    pub moves: Vec<Move>,
    /// Partitions that wait for the broker to be in sync, or for somebody's reassignment to end.
    pub waiting: Vec<(Arc<str>, i32)>,
    /// What stays as it is.
    pub left: Vec<Left>,
    /// Partitions that are as they were.
    pub restored: usize,
}

/// A partition whose saved order has no meaning any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub topic: Arc<str>,
    pub partition: i32,
    pub why: LeftAs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftAs {
    /// It has other replicas than before: somebody has reassigned it.
    Reassigned,
    /// There is no such partition any more.
    Gone,
}

impl Restoring {
    /// `away`: other brokers that are drained. They stay at the end of the orders, which come back in full when the last drain is undone.
    pub fn of(census: &Census, node_id: i32, saved: &[SavedOrder], away: &BTreeSet<i32>) -> Self {
        let (partitions, busy) = (partitions_by_name(census), reassigning(census));
        let mut restoring = Restoring::default();
        for before in saved {
            let left = |why| Left { topic: Arc::from(before.topic.as_str()), partition: before.partition, why };
            let Some(now) = partitions.get(&(before.topic.as_str(), before.partition)) else {
                restoring.left.push(left(LeftAs::Gone));
                continue;
            };
            if busy.contains(&(&*now.topic, now.index)) {
                restoring.waiting.push((Arc::clone(&now.topic), now.index));
                continue;
            }
            if !is_same_set(&now.replicas, &before.replicas) {
                restoring.left.push(left(LeftAs::Reassigned));
                continue;
            }
            let (last, first): (Vec<i32>, Vec<i32>) = before.replicas.iter().partition(|id| away.contains(id));
            let to: Vec<i32> = first.into_iter().chain(last).collect();
            let preferred = to.first().copied();
            let leads = now.leader == preferred;
            let elect = !leads && preferred.is_some_and(|id| now.isr.contains(&id));
            if now.replicas != to || elect {
                restoring.moves.push(Move { topic: Arc::clone(&now.topic), partition: now.index, from: now.replicas.clone(), to, elect });
            } else if !leads && preferred == Some(node_id) {
                restoring.waiting.push((Arc::clone(&now.topic), now.index));
            } else {
                // Another broker that is not in sync comes back in its own time.
                restoring.restored += 1;
            }
        }
        restoring
    }

    pub fn is_done(&self) -> bool {
        self.moves.is_empty() && self.waiting.is_empty()
    }
}
