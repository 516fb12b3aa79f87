//! The cluster's metadata as the controller decides it and as each broker has applied it: records in one order, and what they add up to.

use std::collections::BTreeMap;

use uuid::Uuid;

/// A broker's id, as in the protocol.
pub type NodeId = i32;

/// No broker.
pub const NO_NODE: NodeId = -1;

/// A partition of a topic, by the topic's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tp {
    pub topic: Uuid,
    pub partition: i32,
}

/// One decision of the controller.
#[derive(Debug, Clone)]
pub enum Record {
    Broker(BrokerImage),
    Topic {
        id: Uuid,
        name: String,
        min_isr: usize,
        partitions: Vec<PartitionImage>,
    },
    TopicRemoved {
        id: Uuid,
    },
    Partition {
        tp: Tp,
        partition: PartitionImage,
    },
    /// What a broker or a topic has set; `None`: nothing any more.
    Setting {
        of: SettingOf,
        key: String,
        value: Option<String>,
    },
}

/// What has settings of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingOf {
    Broker(NodeId),
    Topic(Uuid),
}

/// What is known of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerImage {
    pub id: NodeId,
    pub host: String,
    pub port: u16,
    /// Not alive as far as the controller knows: not in Metadata, not electable.
    pub fenced: bool,
    /// Asked to stop: not electable, not in an ISR.
    pub shutting_down: bool,
}

impl BrokerImage {
    /// Whether it may lead and be in an ISR.
    pub fn is_eligible(&self) -> bool {
        !self.fenced && !self.shutting_down
    }
}

/// What is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    pub id: Uuid,
    pub name: String,
    pub min_isr: usize,
    /// By index.
    pub partitions: Vec<PartitionImage>,
}

/// What is known of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// In order of preference.
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
    /// [`NO_NODE`]: nobody.
    pub leader: NodeId,
    pub leader_epoch: i32,
    /// Replicas that are being copied to, and those that go when that is done.
    pub adding: Vec<NodeId>,
    pub removing: Vec<NodeId>,
}

/// The sum of the records applied.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub brokers: BTreeMap<NodeId, BrokerImage>,
    topics: BTreeMap<Uuid, TopicImage>,
    ids: BTreeMap<String, Uuid>,
    settings: BTreeMap<(SettingOf, String), String>,
}

impl Image {
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Broker(broker) => {
                self.brokers.insert(broker.id, broker.clone());
            }
            Record::Topic { id, name, min_isr, partitions } => {
                self.ids.insert(name.clone(), *id);
                self.topics.insert(*id, TopicImage { id: *id, name: name.clone(), min_isr: *min_isr, partitions: partitions.clone() });
            }
            Record::TopicRemoved { id } => {
                if let Some(topic) = self.topics.remove(id) {
                    self.ids.remove(&topic.name);
                    self.settings.retain(|(of, _), _| *of != SettingOf::Topic(*id));
                }
            }
            Record::Setting { of, key, value: Some(value) } => {
                self.settings.insert((of.clone(), key.clone()), value.clone());
            }
            Record::Setting { of, key, value: None } => {
                self.settings.remove(&(of.clone(), key.clone()));
            }
            Record::Partition { tp, partition } => {
                let slot = self.topics.get_mut(&tp.topic).and_then(|topic| index(tp.partition).and_then(|at| topic.partitions.get_mut(at)));
                if let Some(slot) = slot {
                    *slot = partition.clone();
                }
            }
        }
    }

    pub fn setting(&self, of: SettingOf, key: &str) -> Option<&str> {
        self.settings.get(&(of, key.to_owned())).map(String::as_str)
    }

    pub fn settings(&self) -> impl Iterator<Item = (&SettingOf, &str, &str)> {
        self.settings.iter().map(|((of, key), value)| (of, key.as_str(), value.as_str()))
    }

    pub fn topic(&self, id: Uuid) -> Option<&TopicImage> {
        self.topics.get(&id)
    }

    pub fn topic_named(&self, name: &str) -> Option<&TopicImage> {
        self.ids.get(name).and_then(|id| self.topics.get(id))
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &TopicImage> {
        self.ids.values().filter_map(|id| self.topics.get(id))
    }

    pub fn partition(&self, tp: Tp) -> Option<&PartitionImage> {
        self.topics.get(&tp.topic).and_then(|topic| topic.partitions.get(index(tp.partition)?))
    }

    /// Every partition of every topic, topics by name.
    pub fn partitions(&self) -> impl Iterator<Item = (Tp, &PartitionImage)> {
        self.topics().flat_map(|topic| (0..).zip(&topic.partitions).map(|(partition, image)| (Tp { topic: topic.id, partition }, image)))
    }

    /// A broker that is not fenced.
    pub fn alive(&self, node: NodeId) -> Option<&BrokerImage> {
        self.brokers.get(&node).filter(|broker| !broker.fenced)
    }

    pub fn all_alive(&self) -> impl Iterator<Item = &BrokerImage> {
        self.brokers.values().filter(|broker| !broker.fenced)
    }

    pub fn is_eligible(&self, node: NodeId) -> bool {
        self.brokers.get(&node).is_some_and(BrokerImage::is_eligible)
    }
}

fn index(partition: i32) -> Option<usize> {
    usize::try_from(partition).ok()
}
