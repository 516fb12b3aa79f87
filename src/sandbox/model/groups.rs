//! A broker as coordinator of groups: it coordinates those whose partition of `__consumer_offsets` it leads, and knows of them what that partition says.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::error::ResponseError;

use super::Model;
use super::event::Event;
use super::group::{Action, Group};
use super::image::{NodeId, Tp};
use super::offsets_log::GroupRecord;
use super::pending::Waits;
use super::records::{batch_of, records_of};
use super::replica::{Replica, Role};

/// The topic of groups and their offsets.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";
pub(super) const JOIN_GROUP: i16 = 11;

/// What a broker coordinates.
#[derive(Debug, Default)]
pub(super) struct Coordinator {
    /// Partitions of the offsets topic that it leads, and whether it has read them.
    partitions: BTreeMap<i32, Owned>,
    pub(super) groups: BTreeMap<String, Group>,
}

#[derive(Debug)]
struct Owned {
    epoch: i32,
    is_loaded: bool,
}

/// The partition of the offsets topic that a group belongs to: Java's `String.hashCode`, without its sign.
pub(super) fn partition_of(group: &str, partitions: usize) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    (hash & i32::MAX).checked_rem(i32::try_from(partitions).unwrap_or(0)).unwrap_or(0)
}

impl Model {
    /// The partition of the offsets topic in which this broker keeps the group.
    ///
    /// # Errors
    /// NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, INVALID_GROUP_ID.
    pub(super) fn coordinated(&self, node: NodeId, group: &str) -> Result<Tp, ResponseError> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let broker = self.brokers.get(&node).ok_or(ResponseError::NotCoordinator)?;
        let topic = broker.image.topic_named(OFFSETS_TOPIC).ok_or(ResponseError::NotCoordinator)?;
        let partition = partition_of(group, topic.partitions.len());
        match broker.coordinator.partitions.get(&partition) {
            Some(Owned { is_loaded: true, .. }) => Ok(Tp { topic: topic.id, partition }),
            Some(_) => Err(ResponseError::CoordinatorLoadInProgress),
            None => Err(ResponseError::NotCoordinator),
        }
    }

    pub(super) fn lead_offsets_partition(&mut self, node: NodeId, tp: Tp) {
        let load = self.config.coordinator_load;
        let Some(broker) = self.brokers.get_mut(&node).filter(|broker| is_offsets(broker, tp)) else {
            return;
        };
        let epoch = broker.replicas.get(&tp).and_then(Replica::epoch).unwrap_or(-1);
        broker.coordinator.partitions.insert(tp.partition, Owned { epoch, is_loaded: false });
        let incarnation = broker.incarnation;
        self.plan(load, Event::CoordinatorLoaded { node, incarnation, partition: tp.partition, epoch });
    }

    pub(super) fn resign_offsets_partition(&mut self, node: NodeId, tp: Tp) {
        let Some(broker) = self.brokers.get_mut(&node).filter(|broker| is_offsets(broker, tp)) else {
            return;
        };
        let count = broker.image.topic(tp.topic).map_or(0, |topic| topic.partitions.len());
        broker.coordinator.partitions.remove(&tp.partition);
        let (mut gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut broker.coordinator.groups).into_iter().partition(|(name, _)| partition_of(name, count) == tp.partition);
        broker.coordinator.groups = kept;
        for (name, group) in &mut gone {
            let mut actions = Vec::new();
            group.resign(&mut actions);
            self.perform_group_actions(node, name, actions);
        }
    }

    /// Reads the partition: later records replace earlier ones.
    pub(super) fn coordinator_loaded(&mut self, node: NodeId, partition: i32, epoch: i32) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        let Some(tp) = broker.image.topic_named(OFFSETS_TOPIC).map(|topic| Tp { topic: topic.id, partition }) else {
            return;
        };
        match broker.coordinator.partitions.get_mut(&partition) {
            Some(owned) if owned.epoch == epoch => owned.is_loaded = true,
            Some(_) | None => return,
        }
        let mut stored = BTreeMap::new();
        let batches = broker.replicas.get(&tp).into_iter().flat_map(|replica| replica.log.batches());
        for (key, value) in batches.filter_map(|batch| records_of(&batch.bytes)).flatten() {
            match key.zip(value).and_then(|(key, value)| GroupRecord::decode(&key, &value)) {
                Some(GroupRecord::Offset { group, topic, partition, offset }) => {
                    broker.coordinator.groups.entry(group).or_default().offsets.insert((topic, partition), offset);
                }
                Some(GroupRecord::Group { group, state }) => {
                    stored.insert(group, state);
                }
                None => {}
            }
        }
        for (name, state) in stored {
            self.with_group(node, &name, |group, actions| group.restore(state, actions));
        }
    }

    /// Lets something happen to a group (which begins empty if it is not there), and does what comes of it.
    pub(super) fn with_group<T>(&mut self, node: NodeId, name: &str, act: impl FnOnce(&mut Group, &mut Vec<Action>) -> T) -> Option<T> {
        let groups = &mut self.brokers.get_mut(&node)?.coordinator.groups;
        let mut actions = Vec::new();
        let done = match groups.get_mut(name) {
            Some(group) => act(group, &mut actions),
            None => act(groups.entry(name.to_owned()).or_default(), &mut actions),
        };
        self.perform_group_actions(node, name, actions);
        Some(done)
    }

    fn perform_group_actions(&mut self, node: NodeId, name: &str, actions: Vec<Action>) {
        let incarnation = self.incarnation(node);
        for action in actions {
            match action {
                Action::Joined(reply, response) => self.send(reply, &*response),
                Action::Synced(reply, response) => self.send(reply, &*response),
                Action::Timer(delay, timer) => self.plan(delay, Event::Group { node, incarnation, group: name.to_owned(), timer }),
                Action::Store => self.store_group(node, name),
            }
        }
    }

    fn store_group(&mut self, node: NodeId, name: &str) {
        let Some(state) = self.brokers.get(&node).and_then(|broker| broker.coordinator.groups.get(name)).map(Group::to_stored) else {
            return;
        };
        let generation = state.generation;
        let record = GroupRecord::Group { group: name.to_owned(), state };
        let appended = self.coordinated(node, name).and_then(|tp| self.append_group_records(node, tp, &[record]).map(|required| (tp, required)));
        match appended {
            Ok((tp, required)) => self.wait_for(node, tp, required, Waits::Assignment { group: name.to_owned(), generation }),
            Err(error) => self.assignment_waited(node, name, generation, Err(error)),
        }
    }

    /// Appends records of the coordinator's own; returns what the high watermark must reach.
    pub(super) fn append_group_records(&mut self, node: NodeId, tp: Tp, records: &[GroupRecord]) -> Result<i64, ResponseError> {
        let now_ms = self.now.as_millis() as i64;
        let broker = self.brokers.get_mut(&node).ok_or(ResponseError::NotCoordinator)?;
        let min_isr = broker.image.topic(tp.topic).map_or(1, |topic| topic.min_isr);
        let Some(Replica { log, role: Role::Leader(leader), .. }) = broker.replicas.get_mut(&tp) else {
            return Err(ResponseError::NotLeaderOrFollower);
        };
        if leader.isr.len() < leader.effective_min_isr(min_isr) {
            return Err(ResponseError::NotEnoughReplicas);
        }
        let encoded: Vec<_> = records.iter().map(|record| record.encode(now_ms)).collect();
        let pairs: Vec<(Option<&[u8]>, &[u8])> = encoded.iter().map(|(key, value)| (Some(&key[..]), &value[..])).collect();
        log.append_as_leader(&batch_of(&pairs, now_ms, None), leader.epoch);
        let required = log.end_offset();
        self.appended(node, tp);
        Ok(required)
    }

    pub(super) fn assignment_waited(&mut self, node: NodeId, group: &str, generation: i32, outcome: Result<(), ResponseError>) {
        let known = self.brokers.get(&node).is_some_and(|broker| broker.coordinator.groups.contains_key(group));
        if known {
            self.with_group(node, group, |group, actions| group.stored(generation, outcome.map_err(as_coordinator_error), actions));
        }
    }

    /// How long the first round of a group waits for more members.
    pub(super) fn initial_rebalance_delay(&self) -> Duration {
        self.config.initial_rebalance_delay
    }
}

/// What a coordinator says when its own append failed (`CoordinatorOperationExceptionHelper`).
pub(super) fn as_coordinator_error(error: ResponseError) -> ResponseError {
    if matches!(error, ResponseError::NotLeaderOrFollower | ResponseError::KafkaStorageError) {
        return ResponseError::NotCoordinator;
    }
    let is_append = matches!(
        error,
        ResponseError::UnknownTopicOrPartition
            | ResponseError::NotEnoughReplicas
            | ResponseError::NotEnoughReplicasAfterAppend
            | ResponseError::RequestTimedOut
    );
    if is_append { ResponseError::CoordinatorNotAvailable } else { error }
}

fn is_offsets(broker: &super::broker::Broker, tp: Tp) -> bool {
    broker.image.topic(tp.topic).is_some_and(|topic| topic.name == OFFSETS_TOPIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_placed_as_java_places_them() {
        let hash = |group: &str| group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        assert_eq!((hash("hello"), hash("")), (99_162_322, 0));
        assert_eq!(partition_of("hello", 50), 22);
    }
}
