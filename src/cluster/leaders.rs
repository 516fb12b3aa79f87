//! Who leads what, as far as anybody has asked. Leader epochs never go back.

mod book;

use std::collections::HashMap;
use std::sync::Arc;

pub use book::{LeaderBook, PartitionReport, TopicReport};

/// A topic as requests name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicRef<'a> {
    Name(&'a str),
    /// Produce v13 and later (KIP-516).
    Id([u8; 16]),
}

/// A topic as requests name it, owned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicKey {
    Name(Arc<str>),
    Id([u8; 16]),
}

impl Topic {
    /// Replicas of the partition that has the fewest.
    pub fn replication_factor(&self) -> usize {
        self.partitions.values().map(|partition| partition.replicas.len()).min().unwrap_or(0)
    }

    /// Whether acks=all would fail with one broker down although the topic has replicas on others. `None`: `min.insync.replicas` is not known.
    pub fn acks_all_would_fail(&self) -> Option<bool> {
        let (replicas, min_insync) = (self.replication_factor(), usize::try_from(self.min_insync_replicas?).unwrap_or(usize::MAX));
        Some(replicas > 1 && replicas - 1 < min_insync)
    }
}

impl TopicKey {
    pub fn as_ref(&self) -> TopicRef<'_> {
        match self {
            TopicKey::Name(name) => TopicRef::Name(name),
            TopicKey::Id(id) => TopicRef::Id(*id),
        }
    }
}

/// The leader of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// -1: the partition has none now.
    pub node_id: i32,
    /// -1: brokers before Kafka 2.1 and ZooKeeper's first metadata versions do not say.
    pub epoch: i32,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topic {
    pub id: Option<[u8; 16]>,
    /// By partition index.
    pub partitions: HashMap<i32, PartitionInfo>,
    /// `min.insync.replicas`, where it is known.
    pub min_insync_replicas: Option<u32>,
    /// Whether brokers stamp its records with their own time (`message.timestamp.type`), where it is known.
    pub has_log_append_time: Option<bool>,
}

/// What is read of a topic's configuration; `None`: not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicConfig {
    pub min_insync_replicas: Option<u32>,
    pub has_log_append_time: Option<bool>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    pub leader: Leader,
    /// The last leader that was one (`node_id` ≥ 0), for answers while there is none.
    pub last_leader: Option<Leader>,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
}

/// A picture of leaders. Never changed, only replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaders {
    /// Grows with every picture.
    pub generation: u64,
    pub topics: HashMap<Arc<str>, Arc<Topic>>,
    pub names: HashMap<[u8; 16], Arc<str>>,
}

impl Leaders {
    /// The topic as it is known.
    pub fn topic(&self, topic: TopicRef<'_>) -> Option<&Topic> {
        let name = match topic {
            TopicRef::Name(name) => name,
            TopicRef::Id(id) => self.names.get(&id)?,
        };
        self.topics.get(name).map(|topic| &**topic)
    }

    /// The leader of a partition; `None` when nothing is known of it.
    pub fn leader(&self, topic: TopicRef<'_>, partition: i32) -> Option<Leader> {
        self.topic(topic)?.partitions.get(&partition).map(|partition| partition.leader)
    }

    /// Whether `node_id` leads anything.
    pub fn leads(&self, node_id: i32) -> bool {
        self.topics.values().any(|topic| topic.partitions.values().any(|partition| partition.leader.node_id == node_id))
    }
}
