//! What the gate says: what is so, why it matters, and what to do.

use super::{Blocker, BlockerKind, Guarantee, PartitionName, Scene};

/// So many partitions are named in a sentence; the list has all.
const NAMED_MAX: usize = 3;

impl Scene<'_> {
    pub(super) fn blocker(&self, kind: BlockerKind, partitions: Vec<PartitionName>, brokers: Vec<i32>) -> Blocker {
        let text = self.text(kind, &partitions, &brokers);
        Blocker { kind, partitions, brokers, text }
    }

    fn text(&self, kind: BlockerKind, partitions: &[PartitionName], brokers: &[i32]) -> String {
        let node_id = self.node_id;
        let these = named(partitions);
        let (have, they) = if partitions.len() == 1 { ("has", "it") } else { ("have", "they") };
        match kind {
            BlockerKind::UnknownBroker => {
                format!("there is no broker {node_id}: {} are known; leeward cluster lists them", ids(brokers))
            }
            BlockerKind::NoLeader => format!(
                "{these} {have} no leader, so clients cannot use {they_now} even now: bring back the brokers of {their} replicas (leeward cluster shows who is down) \
                 and ask again",
                they_now = if partitions.len() == 1 { "it" } else { "them" },
                their = if partitions.len() == 1 { "its" } else { "their" },
            ),
            BlockerKind::OneReplica => format!(
                "{these} {have} one replica, on broker {node_id}, and would be offline until it is back: add a replica on another broker \
                 (kafka-reassign-partitions), or accept that with --guarantee available"
            ),
            BlockerKind::OnlyInSync => format!(
                "{these} {have} no replica in sync that stays when broker {node_id} stops, so {they} would have no leader: wait until the others have caught up; \
                 leeward cluster shows who is catching up, down or draining"
            ),
            BlockerKind::BelowMinIsr => format!(
                "{these} {have} fewer replicas in sync than min.insync.replicas, so acks=all is refused already: wait until the missing ones have caught up, or find \
                 out why they do not (leeward cluster shows which brokers are behind)"
            ),
            BlockerKind::AtMinIsr => format!(
                "{these} {have} just as many replicas in sync as min.insync.replicas, broker {node_id} among them, and acks=all would be refused without it: wait \
                 until the missing replicas are back in the ISR"
            ),
            BlockerKind::Reassigning => self.reassigning(partitions, &these),
            BlockerKind::OtherBrokerDown => format!(
                "{} down: brokers stop one at a time; wait until {they} back, or, where {they} gone for good, move the replicas to others",
                is_are(brokers),
                they = if brokers.len() == 1 { "it is" } else { "they are" },
            ),
            BlockerKind::OtherBrokerDraining => {
                format!("{} draining, and may stop as well: finish with it first, or take the drain back (leeward broker undrain)", is_are(brokers))
            }
            BlockerKind::QuorumAtRisk => self.quorum_at_risk(brokers),
            BlockerKind::NotKnown => self.not_known(partitions, &these),
        }
    }

    fn reassigning(&self, partitions: &[PartitionName], these: &str) -> String {
        let is_here = |name: &PartitionName| {
            let mut here = self.census.partitions_on(self.node_id);
            here.any(|partition| *partition.topic == *name.topic && partition.index == name.partition)
        };
        let are = if partitions.len() == 1 { "is" } else { "are" };
        let place = if partitions.iter().any(is_here) { format!("on broker {} too", self.node_id) } else { "on other brokers".to_owned() };
        format!(
            "{these} {are} being reassigned, {place}: wait until that is done (kafka-reassign-partitions --verify, which also clears its throttle), or cancel it"
        )
    }

    fn quorum_at_risk(&self, behind: &[i32]) -> String {
        let voters = self.census.quorum.as_ref().map_or(0, |quorum| quorum.voters.len());
        let majority = voters / 2 + 1;
        if voters == 1 && behind.is_empty() {
            return format!(
                "broker {} is the only controller: no leader is elected and nothing can be changed until it is back; add controllers, or accept that with \
                 --guarantee none",
                self.node_id
            );
        }
        let who = if behind.is_empty() { String::new() } else { format!(" (not caught up: {})", ids(behind)) };
        format!(
            "fewer than {majority} of the {voters} controllers would be there and caught up without node {}{who}: no leader could be elected; wait until they have \
             caught up, see kafka-metadata-quorum describe --replication",
            self.node_id
        )
    }

    fn not_known(&self, partitions: &[PartitionName], these: &str) -> String {
        let gaps: Vec<&str> = self.census.gaps.iter().filter(|gap| gap.can_close).map(|gap| gap.text.as_str()).collect();
        if gaps.is_empty() && !partitions.is_empty() {
            return format!("min.insync.replicas of {these} is not known: ask again; if that stays so, allow Leeward's account DescribeConfigs");
        }
        format!("not everything could be read, and what is not known is not promised: {}", gaps.join("; "))
    }

    /// What one should know besides.
    pub(super) fn notes(&self, guarantee: Guarantee) -> Vec<String> {
        let mut notes = Vec::new();
        let node_id = self.node_id;
        if let Some(broker) = self.census.brokers.get(&node_id) {
            if !broker.is_reachable {
                notes.push(format!("broker {node_id} does not answer already: what is said here holds while it stays away"));
            }
            if self.census.controller_id == Some(node_id) {
                notes.push(format!("broker {node_id} is the active controller: its stop moves that too, so stop it last"));
            }
        }
        let exempt = self.census.partitions_on(node_id).filter(|partition| {
            let factor = partition.replicas.len();
            factor > 1 && partition.min_insync().is_some_and(|min| factor <= min && self.in_sync_after(partition) < min)
        });
        let exempt: Vec<PartitionName> = exempt.map(PartitionName::of).collect();
        if !exempt.is_empty() {
            let (block, their) = if exempt.len() == 1 { ("does", "its") } else { ("do", "their") };
            notes.push(format!(
                "{} cannot be written with acks=all while broker {node_id} is away, and {block} not block: {their} replication factor is not above \
                 min.insync.replicas, so that is so whenever any of {their} brokers is away; lower the setting or add replicas",
                named(&exempt)
            ));
        }
        let reassigned = self.reassigned();
        if guarantee != Guarantee::Strict && !reassigned.is_empty() {
            notes.push(format!("being reassigned: {}; it takes longer while a broker is away", named(&reassigned)));
        }
        notes.extend(self.census.gaps.iter().filter(|gap| guarantee != Guarantee::Strict || !gap.can_close).map(|gap| gap.text.clone()));
        notes
    }
}

/// `3 partitions (orders-0, orders-1, orders-2)`.
pub fn named(partitions: &[PartitionName]) -> String {
    let first: Vec<String> = partitions.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match partitions.len() {
        1 => first.concat(),
        all if all > NAMED_MAX => format!("{all} partitions ({} and {} more)", first.join(", "), all - NAMED_MAX),
        all => format!("{all} partitions ({})", first.join(", ")),
    }
}

fn is_are(brokers: &[i32]) -> String {
    if brokers.len() == 1 { format!("broker {} is", ids(brokers)) } else { format!("brokers {} are", ids(brokers)) }
}

/// `1, 2, 3`, or `none`.
fn ids(brokers: &[i32]) -> String {
    if brokers.is_empty() { "none".to_owned() } else { brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
}
