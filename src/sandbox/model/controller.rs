//! The controller: who leads, who is in an ISR, who is alive (`ReplicationControlManager`, `PartitionChangeBuilder`).

use uuid::Uuid;

use super::event::Event;
use super::image::{NO_NODE, NodeId, PartitionImage, Record, Tp};
use super::{Command, CommandError, Model};
use kafka_protocol::error::ResponseError;
use std::time::Duration;

/// A topic to be made.
#[derive(Debug, Clone)]
pub(super) struct NewTopic {
    pub(super) name: String,
    /// -1: the cluster's default.
    pub(super) partitions: i32,
    pub(super) replication_factor: i16,
    pub(super) min_isr: Option<usize>,
    /// Replicas by partition; empty: the controller chooses.
    pub(super) assignment: Vec<Vec<NodeId>>,
}

/// Partitions of one topic: enough for any test, and a bound on what one request can ask for.
const PARTITIONS_MAX: i32 = 10_000;
/// `Topic.MAX_NAME_LENGTH`.
const NAME_BYTES_MAX: usize = 249;

impl Model {
    pub(super) fn command(&mut self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::CreateTopic { name, partitions, replication_factor, min_isr } => {
                let topic = NewTopic { name: name.clone(), partitions, replication_factor, min_isr, assignment: Vec::new() };
                self.create_topic(&topic, false).map(drop).map_err(|error| CommandError::Topic { name, reason: format!("{error:?}") })
            }
            Command::AddBroker { node, host, port } => self.add_broker(node, host, port),
            Command::Stop(node) => self.stop(node),
            Command::Kill(node) => self.kill(node),
            Command::Pause(node) => self.pause(node),
            Command::Resume(node) => self.resume(node),
            Command::Start(node) => self.start(node),
            Command::SetReplicationDelay { node, delay } => self.set_replication_delay(node, delay),
        }
    }

    /// Decides: everybody will hear of it, each in its own time.
    pub(super) fn decide(&mut self, record: Record) {
        self.controller.apply(&record);
        self.records.push(record);
        let upto = self.records.len();
        let nodes: Vec<NodeId> = self.brokers.values().filter(|broker| broker.is_up()).map(|broker| broker.id).collect();
        for node in nodes {
            let delay = self.draw_up_to(self.config.metadata_delay);
            self.plan(delay, Event::Metadata { node, upto });
        }
    }

    pub(super) fn draw_up_to(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.rng.u64(0..=u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Makes a topic, or with `validate_only` says whether it could be made.
    pub(super) fn create_topic(&mut self, topic: &NewTopic, validate_only: bool) -> Result<Uuid, ResponseError> {
        if topic.name.is_empty() || topic.name.len() > NAME_BYTES_MAX || matches!(topic.name.as_str(), "." | "..") || !topic.name.chars().all(is_legal) {
            return Err(ResponseError::InvalidTopicException);
        }
        if self.controller.topic_named(&topic.name).is_some() {
            return Err(ResponseError::TopicAlreadyExists);
        }
        let assignment = if topic.assignment.is_empty() { self.assign(topic)? } else { topic.assignment.clone() };
        let known = |replicas: &Vec<NodeId>| !replicas.is_empty() && replicas.iter().all(|id| self.controller.brokers.contains_key(id));
        if !assignment.iter().all(known) {
            return Err(ResponseError::InvalidReplicaAssignment);
        }
        if validate_only {
            return Ok(Uuid::nil());
        }
        let id = Uuid::from_u64_pair(self.rng.u64(1..), self.rng.u64(..));
        let partition = |replicas: Vec<NodeId>| {
            let alive: Vec<NodeId> = replicas.iter().copied().filter(|&id| self.controller.is_eligible(id)).collect();
            let leader = alive.first().copied().unwrap_or(NO_NODE);
            let isr = if alive.is_empty() { replicas.clone() } else { alive };
            PartitionImage { replicas, isr, leader, leader_epoch: 0, adding: Vec::new(), removing: Vec::new() }
        };
        let partitions = assignment.into_iter().map(partition).collect();
        let min_isr = topic.min_isr.unwrap_or(self.config.default_min_isr);
        self.decide(Record::Topic { id, name: topic.name.clone(), min_isr, partitions });
        Ok(id)
    }

    fn assign(&mut self, topic: &NewTopic) -> Result<Vec<Vec<NodeId>>, ResponseError> {
        let partitions = if topic.partitions == -1 { self.config.default_partitions } else { topic.partitions };
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        let eligible: Vec<NodeId> = self.controller.brokers.values().filter(|broker| broker.is_eligible()).map(|broker| broker.id).collect();
        let wanted = match topic.replication_factor {
            -1 => usize::try_from(self.config.default_replication_factor).unwrap_or(1).min(eligible.len()),
            chosen => usize::try_from(chosen).map_err(|_| ResponseError::InvalidReplicationFactor)?,
        };
        if wanted == 0 || wanted > eligible.len() {
            return Err(ResponseError::InvalidReplicationFactor);
        }
        let first = self.rng.usize(..eligible.len());
        let replicas = |partition| eligible.iter().copied().cycle().skip(first + partition).take(wanted).collect();
        Ok((0..usize::try_from(partitions).unwrap_or(0)).map(replicas).collect())
    }

    pub(super) fn delete_topic(&mut self, id: Uuid) {
        self.decide(Record::TopicRemoved { id });
    }

    /// The controller has not heard of the broker for too long, or lets it stop.
    pub(super) fn fence(&mut self, node: NodeId) {
        if let Some(mut broker) = self.controller.brokers.get(&node).cloned() {
            broker.fenced = true;
            self.decide(Record::Broker(broker));
        }
        self.leave_everything(node);
    }

    /// Takes the broker out of every ISR that has another member, and its leaderships away.
    pub(super) fn leave_everything(&mut self, node: NodeId) {
        let concerned: Vec<(Tp, PartitionImage)> = self
            .controller
            .partitions()
            .filter(|(_, partition)| partition.isr.contains(&node) || partition.leader == node)
            .map(|(tp, partition)| (tp, partition.clone()))
            .collect();
        for (tp, mut partition) in concerned {
            if partition.isr.iter().any(|&id| id != node) {
                partition.isr.retain(|&id| id != node);
            }
            if partition.leader == node {
                partition.leader = self.electable(&partition).unwrap_or(NO_NODE);
                partition.leader_epoch += 1;
            }
            self.decide(Record::Partition { tp, partition });
        }
    }

    /// The first in-sync replica that may lead, in order of preference.
    fn electable(&self, partition: &PartitionImage) -> Option<NodeId> {
        partition.replicas.iter().copied().find(|&id| partition.isr.contains(&id) && self.controller.is_eligible(id))
    }

    /// The broker is alive and has caught up with the metadata: it may lead what nobody leads.
    pub(super) fn unfence(&mut self, node: NodeId) {
        if let Some(mut broker) = self.controller.brokers.get(&node).cloned() {
            broker.fenced = false;
            broker.shutting_down = false;
            self.decide(Record::Broker(broker));
        }
        let orphans: Vec<(Tp, PartitionImage)> = self
            .controller
            .partitions()
            .filter(|(_, partition)| partition.leader == NO_NODE && partition.isr.contains(&node))
            .map(|(tp, partition)| (tp, partition.clone()))
            .collect();
        for (tp, mut partition) in orphans {
            partition.leader = node;
            partition.leader_epoch += 1;
            self.decide(Record::Partition { tp, partition });
        }
    }

    /// A leader wants another ISR. Refused when it is no longer that leader, or a new member may not be in one.
    pub(super) fn alter_isr(&mut self, leader: NodeId, tp: Tp, epoch: i32, isr: Vec<NodeId>) {
        let accepted = self.controller.partition(tp).filter(|partition| (partition.leader, partition.leader_epoch) == (leader, epoch)).cloned();
        let may = |partition: &PartitionImage, id| partition.replicas.contains(&id) && (partition.isr.contains(&id) || self.controller.is_eligible(id));
        let accepted = accepted.filter(|partition| isr.iter().all(|&id| may(partition, id)));
        let answer = accepted.map(|mut partition| {
            // What the controller has taken out meanwhile stays out.
            partition.isr = isr.iter().copied().filter(|&id| self.controller.is_eligible(id) || id == leader).collect();
            let isr = partition.isr.clone();
            self.decide(Record::Partition { tp, partition });
            isr
        });
        self.complete_reassignment(tp);
        self.plan(self.config.controller_delay, Event::IsrAltered { leader, tp, epoch, isr: answer });
    }

    /// Gives a partition other replicas: the new ones are copied to, and the old ones go when these are in sync (`ReassignPartitions`, KIP-455). `None`: gives up what is on
    /// its way.
    pub(super) fn reassign(&mut self, tp: Tp, wanted: Option<Vec<NodeId>>) -> Result<(), ResponseError> {
        let now = self.controller.partition(tp).ok_or(ResponseError::UnknownTopicOrPartition)?.clone();
        let without = |these: &[NodeId], those: &[NodeId]| these.iter().copied().filter(|id| !those.contains(id)).collect::<Vec<_>>();
        if wanted.is_none() && now.adding.is_empty() && now.removing.is_empty() {
            return Err(ResponseError::NoReassignmentInProgress);
        }
        let base = without(&now.replicas, &now.adding);
        let target = wanted.unwrap_or_else(|| base.clone());
        let (adding, removing) = (without(&target, &base), without(&base, &target));
        let is_known = target.iter().all(|id| self.controller.brokers.contains_key(id)) && adding.iter().all(|&id| self.controller.alive(id).is_some());
        if target.is_empty() || !is_known || target.iter().collect::<std::collections::BTreeSet<_>>().len() != target.len() {
            return Err(ResponseError::InvalidReplicaAssignment);
        }
        let replicas = [target, removing.clone()].concat();
        let mut partition =
            PartitionImage { isr: now.isr.iter().copied().filter(|id| replicas.contains(id)).collect(), replicas, adding, removing, ..now.clone() };
        self.keep_leader(&mut partition);
        if partition != now {
            self.decide(Record::Partition { tp, partition });
        }
        self.complete_reassignment(tp);
        Ok(())
    }

    /// The old replicas go when every new one is in sync.
    fn complete_reassignment(&mut self, tp: Tp) {
        let moves = |partition: &&PartitionImage| !partition.adding.is_empty() || !partition.removing.is_empty();
        let Some(mut partition) = self.controller.partition(tp).filter(moves).cloned() else { return };
        let target: Vec<NodeId> = partition.replicas.iter().copied().filter(|id| !partition.removing.contains(id)).collect();
        if !target.iter().all(|id| partition.isr.contains(id)) {
            return;
        }
        partition.isr.retain(|id| target.contains(id));
        (partition.replicas, partition.adding, partition.removing) = (target, Vec::new(), Vec::new());
        self.keep_leader(&mut partition);
        self.decide(Record::Partition { tp, partition });
    }

    /// Who is no replica any more leads no more.
    fn keep_leader(&self, partition: &mut PartitionImage) {
        if partition.leader != NO_NODE && !partition.replicas.contains(&partition.leader) {
            partition.leader = self.electable(partition).unwrap_or(NO_NODE);
            partition.leader_epoch += 1;
        }
    }

    /// Leaderships go back to the first replica where that one is in sync (`auto.leader.rebalance.enable`).
    pub(super) fn preferred_election(&mut self, wanted: impl Fn(&str, i32) -> bool) {
        let moved = |(tp, partition): (Tp, &PartitionImage)| {
            let preferred = *partition.replicas.first()?;
            let is_wanted = self.controller.topic(tp.topic).is_some_and(|topic| wanted(&topic.name, tp.partition));
            let may = is_wanted && partition.leader != preferred && partition.isr.contains(&preferred) && self.controller.is_eligible(preferred);
            may.then(|| (tp, PartitionImage { leader: preferred, leader_epoch: partition.leader_epoch + 1, ..partition.clone() }))
        };
        let moves: Vec<(Tp, PartitionImage)> = self.controller.partitions().filter_map(moved).collect();
        for (tp, partition) in moves {
            self.decide(Record::Partition { tp, partition });
        }
    }
}

fn is_legal(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}
