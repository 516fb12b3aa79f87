//! Beside brute force: every distribution that there is of a small cluster, and the best of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::balance::{Balanced, balance};
use super::problem::{Item, Problem, Role, Seat};

/// Crowded racks, uneven loads, copies, bytes: what a plan of replicas is measured by, apart from how topics are spread.
type Worth = (usize, usize, usize, u64);

fn seats(racks: &[usize]) -> Vec<Seat> {
    racks.iter().map(|rack| Seat { rack: *rack, role: Role::Target }).collect()
}

fn worth(problem: &Problem, lists: &[Vec<usize>]) -> Worth {
    let (mut crowded, mut copies, mut bytes) = (0, 0, 0);
    let mut loads = vec![0usize; problem.brokers.len()];
    for (item, list) in problem.partitions.iter().zip(lists) {
        let mut racks = vec![0usize; problem.racks()];
        list.iter().for_each(|broker| racks[problem.brokers[*broker].rack] += 1);
        crowded += racks.iter().map(|count| count * count).sum::<usize>();
        list.iter().filter(|broker| problem.is_target(**broker)).for_each(|broker| loads[*broker] += 1);
        let fresh = list.iter().filter(|broker| !item.replicas.contains(broker)).count();
        copies += fresh;
        bytes += fresh as u64 * item.bytes;
    }
    (crowded, loads.iter().map(|load| load * load).sum(), copies, bytes)
}

/// Every set of brokers that a partition may have: as many as now, those that keep theirs, and none that is left.
fn sets(problem: &Problem, item: &Item) -> Vec<Vec<usize>> {
    let all = 0..1usize << problem.brokers.len();
    let lists = all.map(|bits| (0..problem.brokers.len()).filter(|broker| bits >> broker & 1 == 1).collect::<Vec<_>>());
    let may = |list: &Vec<usize>| {
        (0..problem.brokers.len()).all(|broker| match problem.brokers[broker].role {
            Role::Target => true,
            Role::Keeps => list.contains(&broker) == item.replicas.contains(&broker),
            Role::Leaves => !list.contains(&broker),
        })
    };
    lists.filter(|list| list.len() == item.replicas.len()).filter(may).collect()
}

fn best(problem: &Problem, worth: &mut dyn FnMut(&[Vec<usize>]) -> Option<Worth>) -> Worth {
    fn go(choices: &[Vec<Vec<usize>>], lists: &mut Vec<Vec<usize>>, best: &mut Option<Worth>, worth: &mut dyn FnMut(&[Vec<usize>]) -> Option<Worth>) {
        let Some(next) = choices.get(lists.len()) else {
            *best = [*best, worth(lists)].into_iter().flatten().min();
            return;
        };
        for list in next {
            lists.push(list.clone());
            go(choices, lists, best, worth);
            lists.pop();
        }
    }
    let choices: Vec<_> = problem.partitions.iter().map(|item| sets(problem, item)).collect();
    let mut found = None;
    go(&choices, &mut Vec::new(), &mut found, worth);
    found.unwrap()
}

/// Uneven leaders and changed leaders.
fn leaders_worth(problem: &Problem, leaders: &[usize]) -> (usize, usize) {
    let mut loads = vec![0usize; problem.brokers.len()];
    leaders.iter().filter(|leader| problem.is_target(**leader)).for_each(|leader| loads[*leader] += 1);
    let changes = problem.partitions.iter().zip(leaders).filter(|(item, leader)| item.replicas.first() != Some(leader)).count();
    (loads.iter().map(|load| load * load).sum(), changes)
}

/// The best that can be done with these replicas. A leader that is on a broker that keeps its own stays there.
fn best_leaders(problem: &Problem, lists: &[Vec<usize>]) -> (usize, usize) {
    let choices: Vec<Vec<usize>> = problem
        .partitions
        .iter()
        .zip(lists)
        .map(|(item, list)| {
            let first = item.replicas[0];
            let able: Vec<usize> = list.iter().copied().filter(|broker| problem.is_target(*broker)).collect();
            match (list.contains(&first), problem.is_target(first)) {
                (true, false) => vec![first],
                _ if able.is_empty() => vec![list[0]],
                _ => able,
            }
        })
        .collect();
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for choice in &choices {
        all = all.iter().flat_map(|leaders| choice.iter().map(|next| [leaders.as_slice(), &[*next]].concat())).collect();
    }
    all.iter().map(|leaders| leaders_worth(problem, leaders)).min().unwrap()
}

fn holds(problem: &Problem) {
    let Balanced { lists, are_copies_fewest, are_changes_fewest } = balance(problem, false);
    for (item, list) in problem.partitions.iter().zip(&lists) {
        let set: BTreeSet<_> = list.iter().collect();
        assert!(set.len() == list.len() && sets(problem, item).contains(&set.iter().map(|broker| **broker).collect()), "{item:?} {list:?}");
    }
    let own = worth(problem, &lists);
    // Bytes can be compared where topics cannot be crowded: with one partition each.
    let has_bytes = problem.partitions.iter().map(|item| item.topic).collect::<BTreeSet<_>>().len() == problem.partitions.len();
    let of = |lists: &[Vec<usize>]| {
        let found = worth(problem, lists);
        Some(if has_bytes { found } else { (found.0, found.1, found.2, 0) })
    };
    let own = if has_bytes { own } else { (own.0, own.1, own.2, 0) };
    assert_eq!(own, best(problem, &mut { of }), "{problem:?}\n{lists:?}");
    assert!(are_copies_fewest && are_changes_fewest, "{problem:?}");
    let leaders: Vec<usize> = lists.iter().map(|list| list[0]).collect();
    assert_eq!(leaders_worth(problem, &leaders), best_leaders(problem, &lists), "{problem:?}\n{lists:?}");
}

/// Every start of three partitions with two replicas on the first three of four brokers, with every kind of racks.
#[test]
fn every_small_cluster_that_a_broker_joins() {
    let pairs = [[0, 1], [1, 0], [0, 2], [2, 0], [1, 2], [2, 1]];
    for racks in [[0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 2, 2], [0, 0, 0, 1]] {
        for start in 0..pairs.len().pow(3) {
            let list = |at: u32| pairs[start / pairs.len().pow(at) % pairs.len()].to_vec();
            let partitions = (0..3).map(|at| Item { topic: at as usize, bytes: [7, 10, 9][at as usize], replicas: list(at) }).collect();
            holds(&Problem { brokers: seats(&racks), partitions, topics: 3 });
        }
    }
}

fn problems() -> impl Strategy<Value = Problem> {
    (2..=5usize, 1..=3usize, 1..=2usize).prop_flat_map(|(brokers, racks, kind)| {
        let role = prop_oneof![8 => Just(Role::Target), 1 => Just(Role::Keeps), 1 => Just(Role::Leaves)];
        let seats = proptest::collection::vec((0..racks, role), brokers);
        let order = Just((0..brokers).collect::<Vec<_>>()).prop_shuffle();
        let item = (order, 1..=3usize, 0..3usize, 0..20u64);
        (seats, proptest::collection::vec(item, 1..=5), Just(kind)).prop_map(|(seats, items, kind)| {
            let mut brokers: Vec<Seat> = seats.into_iter().map(|(rack, role)| Seat { rack, role }).collect();
            let targets = brokers.iter().filter(|seat| seat.role == Role::Target).count();
            if targets == 0 {
                brokers[0].role = Role::Target;
            }
            let targets = targets.max(1);
            // Either those that are not to be given anything keep theirs, or they are all left.
            let leaves = brokers.iter().any(|seat| seat.role == Role::Leaves);
            brokers.iter_mut().filter(|seat| seat.role != Role::Target).for_each(|seat| seat.role = if leaves { Role::Leaves } else { Role::Keeps });
            let size = |wanted: usize| wanted.min(if leaves { targets } else { brokers.len() });
            let topic = |at: usize, topic: usize| if kind == 1 { at } else { topic };
            let items = items.iter().enumerate();
            let partitions: Vec<Item> = items
                .map(|(at, (order, replicas, own, bytes))| Item { topic: topic(at, *own), bytes: *bytes, replicas: order[..size(*replicas)].to_vec() })
                .collect();
            let topics = if kind == 1 { partitions.len() } else { 3 };
            Problem { brokers, partitions, topics }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn no_distribution_is_better(problem in problems()) {
        holds(&problem);
    }

    /// A plan that was carried out leaves nothing to do.
    #[test]
    fn a_plan_of_a_plan_is_empty(problem in problems()) {
        let first = balance(&problem, false).lists;
        let items = problem.partitions.iter().zip(&first).map(|(item, list)| Item { replicas: list.clone(), ..item.clone() });
        let done = Problem { partitions: items.collect(), ..problem.clone() };
        prop_assert_eq!(balance(&done, false).lists, first);
    }

    /// Replicas stay, and leaders are as even as these allow.
    #[test]
    fn leaders_alone(problem in problems()) {
        let lists = balance(&problem, true).lists;
        for (item, list) in problem.partitions.iter().zip(&lists) {
            prop_assert_eq!(item.replicas.iter().collect::<BTreeSet<_>>(), list.iter().collect::<BTreeSet<_>>());
        }
        let leaders: Vec<usize> = lists.iter().map(|list| list[0]).collect();
        prop_assert_eq!(leaders_worth(&problem, &leaders), best_leaders(&problem, &lists));
    }
}
