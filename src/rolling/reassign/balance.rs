//! The fewest moves that even out racks, replicas and leaders.

use super::even::even_out;
use super::leaders::Leaders;
use super::problem::Problem;
use super::replicas::Replicas;

/// What each partition is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Balanced {
    /// In the order of the problem's partitions; the first of each is the preferred leader.
    pub(super) lists: Vec<Vec<usize>>,
    /// It is certain that no plan of fewer copies has replicas as even.
    pub(super) are_copies_fewest: bool,
    /// It is certain that, with these replicas, no plan of fewer changes of leaders has leaders as even.
    pub(super) are_changes_fewest: bool,
}

/// Evens out racks first, then replicas, then leaders. `leaders_only`: replicas stay where they are.
///
/// First each partition leaves brokers that are to be left, and racks that have two more of its replicas than another one that has room. Then replicas are
/// moved until no broker has two more than another one that could have one of them, with the fewest copies that this takes, then with topics spread over the
/// brokers, then with the fewest bytes and the fewest preferred leaders among them. Then leaders likewise, among the replicas that there are. How: see the engine, `even.rs`.
pub(super) fn balance(problem: &Problem, leaders_only: bool) -> Balanced {
    let mut are_copies_fewest = true;
    let lists = if leaders_only {
        problem.partitions.iter().map(|item| item.replicas.clone()).collect()
    } else {
        let mut replicas = Replicas::new(problem);
        are_copies_fewest = even_out(&mut replicas);
        replicas.into_lists()
    };
    let mut leaders = Leaders::new(problem, &lists);
    let are_changes_fewest = even_out(&mut leaders);
    Balanced { lists: leaders.lists(), are_copies_fewest, are_changes_fewest }
}
