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
    /// No plan of fewer copies is as even, and with these copies none of fewer changes of leaders has leaders as even.
    pub(super) is_proven: bool,
}

/// Evens out racks first, then replicas, then leaders. `leaders_only`: replicas stay where they are.
///
/// First each partition leaves brokers that are to be left, and racks that have two more of its replicas than another one that has room. Then replicas are
/// moved until no broker has two more than another one that could have one of them, with the fewest copies that this takes, then with topics spread over the
/// brokers, then with the fewest bytes and the fewest preferred leaders among them. Then leaders likewise, among the replicas that there are. How: see the engine, `even.rs`.
pub(super) fn balance(problem: &Problem, leaders_only: bool) -> Balanced {
    let mut is_proven = true;
    let lists = if leaders_only {
        problem.partitions.iter().map(|item| item.replicas.clone()).collect()
    } else {
        let mut replicas = Replicas::new(problem);
        is_proven &= even_out(&mut replicas);
        replicas.into_lists()
    };
    let mut leaders = Leaders::new(problem, &lists);
    is_proven &= even_out(&mut leaders);
    Balanced { lists: leaders.lists(), is_proven }
}
