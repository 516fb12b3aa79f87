//! What a reassignment starts from: brokers, replicas, and what they take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rolling::census::{Broker, Census};

/// The cluster as a plan needs it. Everything is in order, so that the same cluster gives the same plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// By node id.
    pub brokers: Vec<Seat>,
    /// By name.
    pub topics: Vec<Topic>,
    /// What could not be read, in sentences.
    pub gaps: Vec<String>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub node_id: i32,
    pub rack: Option<String>,
    pub standing: Standing,
}

/// Whether a broker can be given replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    Serving,
    /// Traffic is routed around it, so that it can be stopped.
    Draining,
    /// The metadata does not name it, or it does not answer.
    Away,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    pub name: String,
    /// Absent where the brokers do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// By index.
    pub partitions: Vec<Part>,
}

/// How long a topic keeps its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// `cleanup.policy` has `delete`: old records go. Else only those that were replaced.
    pub deletes: bool,
    /// `retention.ms`; -1: for ever.
    pub ms: i64,
    /// `retention.bytes` of each partition; -1: without a limit.
    pub bytes: i64,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub index: i32,
    pub leader: Option<i32>,
    /// In Kafka's order.
    pub replicas: Vec<i32>,
    /// What the leader's log takes, or else the largest one; absent where no broker tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Somebody is changing its replicas.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reassigning: bool,
}

/// What logs take, by topic and partition and by broker, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSizes(pub BTreeMap<(Arc<str>, i32), BTreeMap<i32, u64>>);

impl LogSizes {
    fn of(&self, key: &(Arc<str>, i32), leader: Option<i32>) -> Option<u64> {
        let sizes = self.0.get(key)?;
        leader.and_then(|leader| sizes.get(&leader)).or_else(|| sizes.values().max()).copied()
    }
}

impl Layout {
    pub fn of(census: &Census, draining: &BTreeSet<i32>, sizes: &LogSizes, retentions: &BTreeMap<Arc<str>, Retention>) -> Self {
        let standing = |broker: &Broker| match (draining.contains(&broker.node_id), broker.is_listed && broker.is_reachable) {
            (true, _) => Standing::Draining,
            (false, true) => Standing::Serving,
            (false, false) => Standing::Away,
        };
        let seat = |broker: &Broker| Seat { node_id: broker.node_id, rack: broker.rack.clone(), standing: standing(broker) };
        let running: BTreeSet<(&str, i32)> = census.reassignments.iter().flatten().map(|one| (&*one.topic, one.partition)).collect();
        let mut topics: BTreeMap<Arc<str>, Vec<Part>> = BTreeMap::new();
        for partition in &census.partitions {
            let key = (Arc::clone(&partition.topic), partition.index);
            topics.entry(Arc::clone(&partition.topic)).or_default().push(Part {
                index: partition.index,
                leader: partition.leader,
                replicas: partition.replicas.clone(),
                bytes: sizes.of(&key, partition.leader),
                is_reassigning: running.contains(&(&*partition.topic, partition.index)),
            });
        }
        let topic = |(name, mut partitions): (Arc<str>, Vec<Part>)| {
            partitions.sort_by_key(|part| part.index);
            Topic { retention: retentions.get(&name).copied(), name: name.to_string(), partitions }
        };
        let gaps = census.gaps.iter().map(|gap| gap.text.clone()).collect();
        Layout { brokers: census.brokers.values().map(seat).collect(), topics: topics.into_iter().map(topic).collect(), gaps }
    }

    pub(super) fn partition(&self, topic: &str, index: i32) -> Option<&Part> {
        let at = self.topics.binary_search_by(|other| other.name.as_str().cmp(topic)).ok()?;
        let partitions = &self.topics.get(at)?.partitions;
        partitions.get(partitions.binary_search_by_key(&index, |part| part.index).ok()?)
    }
}
