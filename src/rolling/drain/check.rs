//! What forbids a drain without force.

use std::collections::BTreeSet;

use crate::rolling::census::Census;

/// Partitions in one sentence; the rest are counted.
const NAMED_MAX: usize = 5;

/// Why it is dangerous to take leaderships from a broker now, in a sentence, by the check that found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// Such as `brokers`.
    pub check: &'static str,
    pub detail: String,
}

/// What is dangerous. `away`: other brokers that are drained.
pub fn dangers(census: &Census, node_id: i32, away: &BTreeSet<i32>) -> Vec<Danger> {
    let mut dangers = Vec::new();
    let down: Vec<String> =
        census.brokers.values().filter(|broker| !broker.is_listed || !broker.is_reachable).map(|broker| broker.node_id.to_string()).collect();
    if !down.is_empty() {
        let (noun, verb) = if down.len() == 1 { ("broker", "is") } else { ("brokers", "are") };
        dangers.push(Danger { check: "brokers", detail: format!("{noun} {} {verb} down, stopping or starting", down.join(", ")) });
    }
    let behind: Vec<String> = census.partitions_on(node_id).filter(|on| on.is_under_replicated()).map(|on| format!("{}-{}", on.topic, on.index)).collect();
    if !behind.is_empty() {
        let detail = format!("{} of broker {node_id} under-replicated: {}", count(behind.len(), "partition"), named(&behind));
        dangers.push(Danger { check: "replicas", detail });
    }
    if !away.is_empty() {
        let others = away.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        dangers.push(Danger { check: "drains", detail: format!("broker {others} is drained already: with one more that fails, partitions have no leader") });
    }
    dangers
}

pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

pub(super) fn named(names: &[String]) -> String {
    let first = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED_MAX { format!("{first} and {} more", names.len() - NAMED_MAX) } else { first }
}
