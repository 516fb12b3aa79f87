//! One reading of the cluster, as an operator needs it before touching a broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::HostPort;
use crate::protocol::versions::Offer;

/// What the brokers say of the cluster. What none of them tells is `None`, never a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    pub cluster_id: Option<String>,
    /// The active controller: of ZooKeeper's the broker, with KRaft the leader of the quorum, which need not be a broker.
    pub controller_id: Option<i32>,
    pub brokers: BTreeMap<i32, Broker>,
    /// Every partition, internal topics included, by topic and index.
    pub partitions: Vec<Partition>,
    /// Reassignments that are running (brokers since 2.4 tell them).
    pub reassignments: Option<Vec<Reassignment>>,
    /// The voters of the metadata quorum (KRaft since 3.3).
    pub quorum: Option<Quorum>,
    /// `inter.broker.protocol.version` by node id, of the brokers that work through ZooKeeper and tell it.
    pub inter_broker_protocols: BTreeMap<i32, String>,
    /// What could not be read, and why, in sentences.
    pub gaps: Vec<Gap>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What, why, and what to do, in a sentence.
    pub text: String,
    /// Brokers of this release tell it, so another try, or a right for Leeward, closes the gap; `false`: no broker here can tell it.
    pub can_close: bool,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub node_id: i32,
    /// Where it listens, as it says.
    pub address: HostPort,
    pub rack: Option<String>,
    /// Whether the metadata names it: a broker that is fenced, stopping or gone is not named.
    pub is_listed: bool,
    /// Whether its listener answered Leeward's last question.
    pub is_reachable: bool,
    /// What it answered to ApiVersions, if it ever did.
    pub offer: Option<Arc<Offer>>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub topic: Arc<str>,
    pub index: i32,
    /// `None`: it has no leader now.
    pub leader: Option<i32>,
    /// Node ids in their order of preference: the first is the preferred leader.
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    /// The topic's `min.insync.replicas`; `None`: not told.
    pub min_insync_replicas: Option<u32>,
}

/// A reassignment that is running (KIP-455).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    pub topic: Arc<str>,
    pub partition: i32,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

/// The metadata quorum (KIP-595, KIP-836).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    pub leader_id: i32,
    pub voters: Vec<Voter>,
}

/// A voter of the metadata quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voter {
    pub node_id: i32,
    /// Records that it is behind the leader; `None`: not told.
    pub lag: Option<u64>,
    /// Milliseconds since it last had everything; `None`: not told, as by brokers before 3.4.
    pub caught_up_ms_ago: Option<u64>,
}

impl Census {
    /// The partitions that have a replica on `node_id`.
    pub fn partitions_on(&self, node_id: i32) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().filter(move |partition| partition.replicas.contains(&node_id))
    }

    /// The partitions that `node_id` leads.
    pub fn led_by(&self, node_id: i32) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().filter(move |partition| partition.leader == Some(node_id))
    }
}

impl Partition {
    /// Whether replicas are missing from the ISR.
    pub fn is_under_replicated(&self) -> bool {
        self.isr.len() < self.replicas.len()
    }

    /// `min.insync.replicas` as a number of replicas; `None`: not told.
    pub fn min_insync(&self) -> Option<usize> {
        self.min_insync_replicas.map(|min| usize::try_from(min).unwrap_or(usize::MAX))
    }
}
