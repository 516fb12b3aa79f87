//! Groups and their coordinator.

use super::Model;
use super::event::GroupTimer;
use super::image::{NodeId, Tp};
use kafka_protocol::error::ResponseError;

/// The topic of groups and their offsets.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The groups that a broker coordinates.
#[derive(Debug, Default)]
pub(super) struct Coordinator {}

/// The partition of the offsets topic that a group belongs to: Java's `String.hashCode`, without its sign.
pub(super) fn partition_of(group: &str, partitions: usize) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    (hash & i32::MAX).checked_rem(i32::try_from(partitions).unwrap_or(0)).unwrap_or(0)
}

impl Model {
    pub(super) fn lead_offsets_partition(&mut self, _node: NodeId, _tp: Tp) {}
    pub(super) fn resign_offsets_partition(&mut self, _node: NodeId, _tp: Tp) {}
    pub(super) fn coordinator_loaded(&mut self, _node: NodeId, _partition: i32, _epoch: i32) {}
    pub(super) fn group_timer(&mut self, _node: NodeId, _group: &str, _timer: GroupTimer) {}
    pub(super) fn commit_waited(&mut self, _node: NodeId, _id: u64, _outcome: Result<(), ResponseError>) {}
    pub(super) fn assignment_waited(&mut self, _node: NodeId, _group: &str, _generation: i32, _outcome: Result<(), ResponseError>) {}
}
