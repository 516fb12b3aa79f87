//! What is true in the cluster, for tests and displays: all of it, whoever has heard of it.

use super::broker::Phase;
use super::image::{NodeId, SettingOf, Tp};
use super::{Model, StoredBatch};

/// The cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterState {
    pub brokers: Vec<BrokerState>,
    /// By topic, then index; internal topics too.
    pub partitions: Vec<PartitionState>,
    /// What brokers and topics have set, as `broker 1` or `topic orders`, key and value.
    pub settings: Vec<(String, String, String)>,
}

/// A broker at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    pub id: NodeId,
    pub phase: Phase,
    pub paused: bool,
    /// As the controller sees it.
    pub fenced: bool,
}

/// A partition at one moment, as the controller has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    pub topic: String,
    pub partition: i32,
    /// -1: nobody.
    pub leader: NodeId,
    pub leader_epoch: i32,
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
    /// Replicas that are being copied to.
    pub adding: Vec<NodeId>,
    /// Of the leader's own replica, once it knows that it is the leader; else the highest there is.
    pub high_watermark: i64,
    pub log_end: i64,
    /// Whether the leader has heard that it leads in this epoch.
    pub leader_ready: bool,
    pub copies: Vec<ReplicaState>,
}

/// One broker's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaState {
    pub node: NodeId,
    pub log_start: i64,
    pub log_end: i64,
    pub high_watermark: i64,
}

impl ClusterState {
    pub fn broker(&self, id: NodeId) -> Option<&BrokerState> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionState> {
        self.partitions.iter().find(|state| state.topic == topic && state.partition == partition)
    }

    /// Every broker runs, every partition has a leader that knows it, and every replica is in sync.
    pub fn is_healthy(&self) -> bool {
        let whole = |partition: &PartitionState| partition.leader_ready && partition.isr.len() == partition.replicas.len();
        let fine = |broker: &BrokerState| broker.phase == Phase::Running && !broker.paused && !broker.fenced;
        self.brokers.iter().all(fine) && self.partitions.iter().all(whole)
    }
}

impl Model {
    /// The cluster now.
    pub fn snapshot(&self) -> ClusterState {
        let fenced = |id| self.controller.alive(id).is_none();
        let brokers = self.brokers.values().map(|broker| BrokerState { id: broker.id, phase: broker.phase, paused: broker.paused, fenced: fenced(broker.id) });
        let partitions = self.controller.topics().flat_map(|topic| (0..).zip(&topic.partitions).map(move |(index, partition)| (topic, index, partition)));
        let partitions = partitions.map(|(topic, index, partition)| {
            let tp = Tp { topic: topic.id, partition: index };
            let copy = |&node: &NodeId| {
                let replica = self.replica(node, tp)?;
                Some(ReplicaState { node, log_start: replica.log.start_offset(), log_end: replica.log.end_offset(), high_watermark: replica.high_watermark })
            };
            let copies: Vec<ReplicaState> = partition.replicas.iter().filter_map(copy).collect();
            let leading = self.replica(partition.leader, tp).and_then(|replica| replica.leader()).map(|leader| leader.epoch);
            let known = copies.iter().find(|copy| copy.node == partition.leader);
            let most = |value: fn(&ReplicaState) -> i64| known.map_or_else(|| copies.iter().map(value).max().unwrap_or(0), value);
            PartitionState {
                topic: topic.name.clone(),
                partition: index,
                leader: partition.leader,
                leader_epoch: partition.leader_epoch,
                replicas: partition.replicas.clone(),
                isr: partition.isr.clone(),
                adding: partition.adding.clone(),
                high_watermark: most(|copy| copy.high_watermark),
                log_end: most(|copy| copy.log_end),
                leader_ready: leading == Some(partition.leader_epoch),
                copies,
            }
        });
        let settings = self.controller.settings().map(|(of, key, value)| {
            let of = match of {
                SettingOf::Broker(node) => format!("broker {node}"),
                SettingOf::Topic(id) => format!("topic {}", self.controller.topic(*id).map_or("", |topic| topic.name.as_str())),
            };
            (of, key.to_owned(), value.to_owned())
        });
        ClusterState { brokers: brokers.collect(), partitions: partitions.collect(), settings: settings.collect() }
    }

    /// The batches that are in a partition's log below the high watermark: what a consumer can read. Without a leader, those of the replica that knows most.
    pub fn committed(&self, topic: &str, partition: i32) -> Vec<StoredBatch> {
        let Some(topic) = self.controller.topic_named(topic) else {
            return Vec::new();
        };
        let tp = Tp { topic: topic.id, partition };
        let leader = self.controller.partition(tp).and_then(|image| self.replica(image.leader, tp));
        let most = || self.brokers.values().filter_map(|broker| broker.replicas.get(&tp)).max_by_key(|replica| replica.high_watermark);
        let replica = leader.or_else(most);
        replica.map(|replica| replica.log.read(replica.log.start_offset(), replica.high_watermark, usize::MAX)).unwrap_or_default()
    }

    /// Every batch in one broker's copy, committed or not.
    pub fn stored_at(&self, node: NodeId, topic: &str, partition: i32) -> Vec<StoredBatch> {
        let tp = self.controller.topic_named(topic).map(|topic| Tp { topic: topic.id, partition });
        tp.and_then(|tp| self.replica(node, tp)).map(|replica| replica.log.batches().cloned().collect()).unwrap_or_default()
    }
}
