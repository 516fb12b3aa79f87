//! Where every broker stands, from one [`Census`].

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Census;
use super::drain::{Drains, Phase};

/// What a broker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerState {
    /// It answers, and is in the ISR of every partition that it has a replica of.
    Serving,
    /// It answers, and lacks records of some partition: it is not in that one's ISR.
    CatchingUp,
    /// Its leaderships are being moved to others.
    Draining,
    /// What could be moved from it is moved.
    Drained,
    /// Its listener does not answer, or the metadata does not name it: it has stopped, is fenced, or is about to come or go.
    Down,
}

/// One broker's part in the cluster, in numbers of partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub state: BrokerState,
    pub leaders: usize,
    pub replicas: usize,
    /// Of those with a replica on it, such as miss replicas in their ISR.
    pub under_replicated: usize,
    /// Of those with a replica on it, such as have just `min.insync.replicas` in their ISR.
    pub at_min_isr: usize,
    /// Of those with a replica on it, such as it is not in the ISR of.
    pub out_of_sync: usize,
}

/// The whole cluster, in numbers of partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub partitions: usize,
    pub leaderless: usize,
    pub under_replicated: usize,
    pub at_min_isr: usize,
    pub below_min_isr: usize,
}

impl BrokerState {
    /// As it is shown.
    pub fn label(self) -> &'static str {
        match self {
            BrokerState::Serving => "serving",
            BrokerState::CatchingUp => "catching up",
            BrokerState::Draining => "draining",
            BrokerState::Drained => "drained",
            BrokerState::Down => "down",
        }
    }
}

/// Every broker of the census. One that is drained and down is down.
pub fn roster(census: &Census, drains: &Drains) -> BTreeMap<i32, Standing> {
    let nobody = Standing { state: BrokerState::Serving, leaders: 0, replicas: 0, under_replicated: 0, at_min_isr: 0, out_of_sync: 0 };
    let mut roster: BTreeMap<i32, Standing> = census.brokers.keys().map(|node_id| (*node_id, nobody)).collect();
    for partition in &census.partitions {
        if let Some(standing) = partition.leader.and_then(|leader| roster.get_mut(&leader)) {
            standing.leaders += 1;
        }
        for replica in &partition.replicas {
            let Some(standing) = roster.get_mut(replica) else { continue };
            standing.replicas += 1;
            standing.under_replicated += usize::from(partition.is_under_replicated());
            standing.at_min_isr += usize::from(partition.min_insync() == Some(partition.isr.len()));
            standing.out_of_sync += usize::from(!partition.isr.contains(replica));
        }
    }
    for (node_id, standing) in &mut roster {
        let serves = census.brokers.get(node_id).is_some_and(|broker| broker.is_listed && broker.is_reachable);
        let phase = drains.get(*node_id).map(|drain| drain.phase);
        standing.state = match (serves, phase, standing.out_of_sync) {
            (false, _, _) => BrokerState::Down,
            (true, Some(Phase::Draining), _) => BrokerState::Draining,
            (true, Some(Phase::Drained), _) => BrokerState::Drained,
            (true, Some(Phase::Undraining) | None, 0) => BrokerState::Serving,
            (true, Some(Phase::Undraining) | None, _) => BrokerState::CatchingUp,
        };
    }
    roster
}

/// All partitions together.
pub fn totals(census: &Census) -> Totals {
    let mut totals = Totals { partitions: census.partitions.len(), ..Totals::default() };
    for partition in &census.partitions {
        totals.leaderless += usize::from(partition.leader.is_none());
        totals.under_replicated += usize::from(partition.is_under_replicated());
        totals.at_min_isr += usize::from(partition.min_insync() == Some(partition.isr.len()));
        totals.below_min_isr += usize::from(partition.min_insync().is_some_and(|min| partition.isr.len() < min));
    }
    totals
}
