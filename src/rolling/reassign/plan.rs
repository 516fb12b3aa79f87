//! `leeward reassign plan`: what is asked, and the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Assignment;
use super::balance::balance;
use super::glob::is_match;
use super::layout::{Layout, Standing, Topic};
use super::problem::{Item, Problem, Role, Seat};
use super::proposal::Proposal;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The brokers that are to have all replicas. `None`: those that serve are to have equal shares, and others keep what they have.
    pub brokers: Option<BTreeSet<i32>>,
    /// Patterns of topics; none: all.
    pub topics: Vec<String>,
    pub exclude: Vec<String>,
    /// Replicas stay where they are; only their order changes.
    pub leaders_only: bool,
    /// Bytes a second, for each broker.
    pub throttle: Option<u64>,
    /// What `retention.ms` could be set to before, in milliseconds.
    pub retention_ms: i64,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("there is no broker {0} in the cluster; leeward cluster lists those that are")]
    UnknownBroker(i32),
    #[error("broker {0} does not answer, so nothing can be copied to it; start it, or leave it out of --brokers")]
    AwayBroker(i32),
    #[error("broker {0} is draining; undrain it first, or leave it out of --brokers")]
    DrainingBroker(i32),
    #[error("no broker serves that could be given anything; look at leeward cluster")]
    NoBroker,
    #[error("no topic is called {0}; leeward needs DESCRIBE on a topic to see it")]
    NoTopic(String),
    #[error(
        "{topic} has partitions of {replicas} replicas, and only {brokers} brokers are to have them; name more with --brokers, or leave it out with --exclude"
    )]
    TooFewBrokers { topic: String, replicas: usize, brokers: usize },
}

impl Asked {
    fn selects(&self, topic: &str) -> bool {
        let is_one = |patterns: &[String]| patterns.iter().any(|pattern| is_match(pattern, topic));
        (self.topics.is_empty() || is_one(&self.topics)) && !is_one(&self.exclude)
    }

    fn role(&self, node_id: i32, standing: Standing) -> Role {
        match (&self.brokers, standing) {
            (Some(brokers), _) if brokers.contains(&node_id) => Role::Target,
            (Some(_), _) => Role::Leaves,
            (None, Standing::Serving) => Role::Target,
            (None, Standing::Draining | Standing::Away) => Role::Keeps,
        }
    }
}

/// The fewest moves that even out the cluster; how and in which order of importance, [`balance`] says.
///
/// # Errors
/// What is asked for is not there, or cannot be.
pub fn plan(layout: &Layout, asked: &Asked) -> Result<Proposal, PlanError> {
    let table = Table::of(layout, asked)?;
    let balanced = balance(&table.problem, asked.leaders_only);
    let named = |list: &[usize]| list.iter().filter_map(|broker| table.node_ids.get(*broker).copied()).collect();
    let after = table.names.iter().cloned().zip(balanced.lists.iter().map(|list| named(list))).collect();
    let mut proposal = Proposal::of(layout, &Assignment(after), |topic| asked.selects(topic), asked.throttle, asked.retention_ms);
    proposal.is_fewest = Some(balanced.are_copies_fewest);
    proposal.notes.extend(notes(layout, asked, table.reassigning));
    Ok(proposal)
}

/// What another tool's plan comes to, with what speaks against it.
pub fn check(layout: &Layout, assignment: &Assignment, throttle: Option<u64>, retention_ms: i64) -> Proposal {
    let mut proposal = Proposal::of(layout, assignment, |_| true, throttle, retention_ms);
    let known: BTreeMap<i32, Standing> = layout.brokers.iter().map(|seat| (seat.node_id, seat.standing)).collect();
    let (mut problems, mut other_size) = (Vec::new(), 0);
    let mut strangers: BTreeMap<i32, usize> = BTreeMap::new();
    for ((topic, index), replicas) in &assignment.0 {
        match layout.partition(topic, *index) {
            None => problems.push(format!("there is no partition {topic}-{index}")),
            Some(part) if part.is_reassigning => problems.push(format!("{topic}-{index} is being reassigned already; wait, or cancel that first")),
            Some(part) => {
                other_size += usize::from(part.replicas.len() != replicas.len());
                let fresh = replicas.iter().filter(|node_id| !part.replicas.contains(node_id) && known.get(node_id) != Some(&Standing::Serving));
                fresh.for_each(|node_id| *strangers.entry(*node_id).or_default() += 1);
            }
        }
    }
    for (node_id, partitions) in strangers {
        let why = match known.get(&node_id) {
            None => "which is not there",
            Some(Standing::Draining) => "which is draining",
            Some(Standing::Away | Standing::Serving) => "which does not answer",
        };
        problems.push(format!("{partitions} of the copies are to go to broker {node_id}, {why}"));
    }
    if other_size > 0 {
        proposal.notes.push(format!("{other_size} partitions get another number of replicas than they have"));
    }
    if proposal.crowded_after > proposal.crowded_before {
        proposal.notes.push("more partitions than now would have replicas on one rack that could be on two".to_owned());
    }
    proposal.problems = problems;
    proposal
}

fn notes(layout: &Layout, asked: &Asked, reassigning: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if reassigning > 0 {
        notes.push(format!("{reassigning} partitions are being reassigned by somebody and are left out; plan again when that is over"));
    }
    let is_target = |seat: &&super::layout::Seat| asked.role(seat.node_id, seat.standing) == Role::Target;
    let unracked: Vec<String> = layout.brokers.iter().filter(is_target).filter(|seat| seat.rack.is_none()).map(|seat| seat.node_id.to_string()).collect();
    if !unracked.is_empty() && layout.brokers.iter().filter(is_target).any(|seat| seat.rack.is_some()) {
        notes.push(format!("broker.rack is not set on {}: each of these is taken as a rack of its own", unracked.join(", ")));
    }
    for seat in layout.brokers.iter().filter(|seat| asked.brokers.is_none() && seat.standing != Standing::Serving) {
        let why = if seat.standing == Standing::Draining { "is draining" } else { "does not answer" };
        notes.push(format!("broker {} {why}: it keeps what it has and gets nothing", seat.node_id));
    }
    notes
}

/// A layout in numbers.
struct Table {
    problem: Problem,
    /// By the number of a broker.
    node_ids: Vec<i32>,
    /// By the number of a partition.
    names: Vec<(Arc<str>, i32)>,
    reassigning: usize,
}

impl Table {
    fn of(layout: &Layout, asked: &Asked) -> Result<Self, PlanError> {
        let standings: BTreeMap<i32, Standing> = layout.brokers.iter().map(|seat| (seat.node_id, seat.standing)).collect();
        for node_id in asked.brokers.iter().flatten() {
            match standings.get(node_id) {
                Some(Standing::Serving) => {}
                Some(Standing::Draining) => return Err(PlanError::DrainingBroker(*node_id)),
                Some(Standing::Away) => return Err(PlanError::AwayBroker(*node_id)),
                None => return Err(PlanError::UnknownBroker(*node_id)),
            }
        }
        let selected: Vec<&Topic> = layout.topics.iter().filter(|topic| asked.selects(&topic.name)).collect();
        if let Some(pattern) = asked.topics.iter().find(|pattern| !layout.topics.iter().any(|topic| is_match(pattern, &topic.name))) {
            return Err(PlanError::NoTopic(pattern.clone()));
        }
        let (brokers, node_ids) = seats(layout, asked);
        let targets = brokers.iter().filter(|seat| seat.role == Role::Target).count();
        if targets == 0 {
            return Err(PlanError::NoBroker);
        }
        let numbers: BTreeMap<i32, usize> = node_ids.iter().enumerate().map(|(number, node_id)| (*node_id, number)).collect();
        let mut table = Table { problem: Problem { brokers, partitions: Vec::new(), topics: selected.len() }, node_ids, names: Vec::new(), reassigning: 0 };
        for (number, topic) in selected.into_iter().enumerate() {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            for part in &topic.partitions {
                if part.is_reassigning {
                    table.reassigning += 1;
                    continue;
                }
                if asked.brokers.is_some() && !asked.leaders_only && part.replicas.len() > targets {
                    return Err(PlanError::TooFewBrokers { topic: topic.name.clone(), replicas: part.replicas.len(), brokers: targets });
                }
                let replicas = part.replicas.iter().filter_map(|node_id| numbers.get(node_id).copied()).collect();
                table.problem.partitions.push(Item { topic: number, bytes: part.bytes.unwrap_or(0), replicas });
                table.names.push((Arc::clone(&name), part.index));
            }
        }
        Ok(table)
    }
}

/// Every broker that has a replica or could have one, by node id. One that tells no rack is a rack of its own.
fn seats(layout: &Layout, asked: &Asked) -> (Vec<Seat>, Vec<i32>) {
    let mut all: BTreeMap<i32, (Option<&str>, Standing)> = layout.brokers.iter().map(|seat| (seat.node_id, (seat.rack.as_deref(), seat.standing))).collect();
    for node_id in layout.topics.iter().flat_map(|topic| &topic.partitions).flat_map(|part| &part.replicas) {
        all.entry(*node_id).or_insert((None, Standing::Away));
    }
    let mut racks: BTreeMap<Result<&str, i32>, usize> = BTreeMap::new();
    let named = all.into_iter().map(|(node_id, (rack, standing))| (node_id, rack.ok_or(node_id), asked.role(node_id, standing)));
    let named: Vec<(i32, Result<&str, i32>, Role)> = named.collect();
    let mut brokers = Vec::new();
    for (_, rack, role) in &named {
        let next = racks.len();
        brokers.push(Seat { rack: *racks.entry(*rack).or_insert(next), role: *role });
    }
    (brokers, named.into_iter().map(|(node_id, _, _)| node_id).collect())
}
