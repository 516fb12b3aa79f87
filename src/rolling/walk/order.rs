//! In which order brokers go.

use std::collections::BTreeSet;

use crate::rolling::census::Census;

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("there is no broker {unknown}; known are {known}")]
    Unknown { unknown: i32, known: String },
    #[error("broker {0} is named twice")]
    Twice(i32),
    #[error("the cluster has no broker that is known")]
    Nobody,
}

/// The brokers in the order in which they go: those that are `asked` for, as they are asked for; without any, all by node id, with `by_rack` those of one rack after
/// those of another. The active controller is moved to the end, so that the cluster has a new one only once; whoever is it when its turn comes still goes last.
///
/// # Errors
/// A broker that is asked for is not known, or is asked for twice.
pub fn order(census: &Census, asked: &[i32], by_rack: bool) -> Result<Vec<i32>, OrderError> {
    let known = || census.brokers.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut seen = BTreeSet::new();
    for node_id in asked {
        if !census.brokers.contains_key(node_id) {
            return Err(OrderError::Unknown { unknown: *node_id, known: known() });
        }
        if !seen.insert(*node_id) {
            return Err(OrderError::Twice(*node_id));
        }
    }
    let mut order: Vec<i32> = if asked.is_empty() { census.brokers.keys().copied().collect() } else { asked.to_vec() };
    if order.is_empty() {
        return Err(OrderError::Nobody);
    }
    if by_rack {
        // Stable: inside a rack the order stays.
        order.sort_by_key(|node_id| census.brokers.get(node_id).and_then(|broker| broker.rack.clone()));
    }
    order.sort_by_key(|node_id| Some(*node_id) == census.controller_id);
    Ok(order)
}
