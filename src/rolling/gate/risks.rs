//! What the stop of a broker would do, by partitions: the risks that Redpanda's `pre_restart_probe` names, computed from the metadata and `min.insync.replicas`.

use serde::{Deserialize, Serialize};

use super::{PartitionName, Scene};
use crate::rolling::Partition;

/// Partitions by what happens to them while the broker is away. Each is in one list at most, save the last one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risks {
    /// Their only replica is on the broker: neither written nor read.
    pub rf1_offline: Vec<PartitionName>,
    /// No other replica is in sync: without a leader, so neither written nor read.
    pub unavailable: Vec<PartitionName>,
    /// Fewer replicas in sync than `min.insync.replicas`: read, and written with acks 0 and 1 alone. Those of which that setting is not known are not here.
    pub full_acks_produce_unavailable: Vec<PartitionName>,
    /// The broker leads them, and has followers: what was acknowledged with acks=1 and not copied yet is lost.
    pub acks1_data_loss: Vec<PartitionName>,
}

impl Risks {
    pub(super) fn of(scene: &Scene<'_>) -> Self {
        let mut risks = Risks::default();
        for partition in scene.census.partitions_on(scene.node_id) {
            if let Some(list) = risks.list_of(partition, scene) {
                list.push(PartitionName::of(partition));
            }
            if partition.leader == Some(scene.node_id) && scene.in_sync_after(partition) > 0 {
                risks.acks1_data_loss.push(PartitionName::of(partition));
            }
        }
        risks
    }

    fn list_of(&mut self, partition: &Partition, scene: &Scene<'_>) -> Option<&mut Vec<PartitionName>> {
        let after = scene.in_sync_after(partition);
        if partition.replicas.len() == 1 {
            Some(&mut self.rf1_offline)
        } else if after == 0 {
            Some(&mut self.unavailable)
        } else if partition.min_insync().is_some_and(|min| after < min) {
            Some(&mut self.full_acks_produce_unavailable)
        } else {
            None
        }
    }
}
