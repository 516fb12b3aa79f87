//! Which brokers have the replicas of each partition, and which are to have them: how a broker that joined gets its share.

mod balance;
mod estimate;
mod even;
mod glob;
mod json;
mod layout;
mod leaders;
mod plan;
mod problem;
mod proposal;
mod replicas;
pub mod run;
pub mod throttle;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use estimate::{Shorter, Time};
pub use json::JsonError;
pub use layout::{Layout, LogSizes, Part, Retention, Seat, Standing, Topic};
pub use plan::{Asked, PlanError, check, plan};
pub use proposal::{Move, Proposal, Share};

use super::census::Census;

/// The replicas that partitions are to have, by topic and index, in Kafka's order: the first is the preferred leader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment(pub BTreeMap<(Arc<str>, i32), Vec<i32>>);

impl Assignment {
    /// The replicas that every partition of a reading has. Of one that is being reassigned these are the old ones and the new ones together.
    pub fn of(census: &Census) -> Self {
        Assignment(census.partitions.iter().map(|one| ((Arc::clone(&one.topic), one.index), one.replicas.clone())).collect())
    }

    /// The replicas of one partition; `None`: nothing is said of it.
    pub fn replicas(&self, topic: &str, partition: i32) -> Option<&[i32]> {
        self.0.get(&(Arc::from(topic), partition)).map(Vec::as_slice)
    }
}
