//! What the engine looks at and chooses: bounds on work, which hold on any machine, where times do not, and the last part of a cost.

use std::cell::Cell;

use super::super::even::{POLISH_MAX, PROOF_MAX, Row, Spread, even_out};
use super::super::leaders::Leaders;
use super::super::problem::{Item, Problem, Role, Seat};
use super::super::replicas::Replicas;

/// Counts what is asked of it.
struct Counted<S> {
    inner: S,
    steps: Cell<usize>,
    rows: Cell<usize>,
    shifts: usize,
    /// What it says that a set of rows takes, instead of what it does.
    told: Option<u64>,
}

impl<S> Counted<S> {
    fn of(inner: S) -> Self {
        Counted { inner, steps: Cell::new(0), rows: Cell::new(0), shifts: 0, told: None }
    }
}

impl<S: Spread> Spread for Counted<S> {
    fn loads(&self) -> &[i64] {
        self.inner.loads()
    }

    fn step(&self, from: usize) -> Option<(usize, usize)> {
        self.steps.set(self.steps.get() + 1);
        self.inner.step(from)
    }

    fn row(&self, from: usize) -> Row {
        self.rows.set(self.rows.get() + 1);
        self.inner.row(from)
    }

    fn work(&self) -> u64 {
        self.told.unwrap_or_else(|| self.inner.work())
    }

    fn shift(&mut self, thing: usize, from: usize, to: usize) -> bool {
        self.shifts += 1;
        self.inner.shift(thing, from, to)
    }
}

/// Brokers of which the last `joined` have nothing yet, on `racks`; partitions of three replicas, each on racks of their own where there are three.
fn problem(brokers: usize, joined: usize, racks: usize, topics: usize, partitions: usize) -> Problem {
    let mut random = fastrand::Rng::with_seed(11);
    let old = brokers - joined;
    let mut item = |at: usize| {
        let mut replicas = vec![random.usize(0..old)];
        while replicas.len() < 3 {
            let next = random.usize(0..old);
            if replicas.iter().all(|other| *other != next && (racks < 3 || *other % racks != next % racks)) {
                replicas.push(next);
            }
        }
        Item { topic: at % topics, bytes: random.u64(0..1 << 30), replicas }
    };
    let partitions = (0..partitions).map(&mut item).collect();
    Problem { brokers: (0..brokers).map(|broker| Seat { rack: broker % racks, role: Role::Target }).collect(), partitions, topics }
}

#[test]
fn what_is_looked_at_grows_with_what_is_moved() {
    for (joined, racks) in [(2, 1), (2, 3), (8, 4), (10, 24)] {
        let problem = problem(24, joined, racks, 20, 1_500);
        let brokers = problem.brokers.len();
        let mut replicas = Counted::of(Replicas::new(&problem));
        assert!(even_out(&mut replicas), "few enough to be proven");
        // One look for each single move, and one at every broker to see that there is none left. Where racks stand in the way, those that may give nothing are looked at in vain.
        let in_vain = if racks == 1 || racks == brokers { 1 } else { 10 };
        assert!(replicas.steps.get() <= in_vain * (replicas.shifts + brokers), "{} looks for {} moves", replicas.steps.get(), replicas.shifts);
        let looked_at = replicas.rows.get() as u64 * replicas.work() / brokers as u64;
        assert!(looked_at <= PROOF_MAX + POLISH_MAX, "{looked_at} moves");
        let lists = replicas.inner.into_lists();
        let copied = problem.partitions.iter().zip(&lists).map(|(item, list)| list.iter().filter(|broker| !item.replicas.contains(broker)).count());
        let copies: usize = copied.sum();
        // What is moved is moved once, but for what makes room for others, and what is exchanged for fewer bytes.
        assert!(copies > 100 && replicas.shifts <= 2 * copies, "{} moves for {copies} copies", replicas.shifts);

        let mut leaders = Counted::of(Leaders::new(&problem, &lists));
        even_out(&mut leaders);
        assert!(leaders.steps.get() <= leaders.shifts + brokers, "{} looks for {} moves", leaders.steps.get(), leaders.shifts);
    }
}

#[test]
fn of_equal_replicas_those_move_that_do_not_lead() {
    let seat = Seat { rack: 0, role: Role::Target };
    let item = |topic: usize, replicas: &[usize]| Item { topic, bytes: 10, replicas: replicas.to_vec() };
    let problem = Problem { brokers: vec![seat; 3], partitions: vec![item(0, &[0, 1]), item(1, &[1, 0]), item(2, &[0, 1])], topics: 3 };
    let mut replicas = Replicas::new(&problem);
    assert!(even_out(&mut replicas));
    let lists = replicas.into_lists();
    assert_eq!(lists.iter().filter(|list| list.contains(&2)).count(), 2, "{lists:?}");
    assert!(lists.iter().zip(&problem.partitions).all(|(list, item)| list.contains(&item.replicas[0])), "{lists:?}");
}

#[test]
fn what_would_take_too_long_is_not_said_to_be_proven() {
    let problem = problem(6, 2, 1, 3, 60);
    for (told, is_proven) in [(1_000, true), (PROOF_MAX + 1, false)] {
        let mut replicas = Counted { told: Some(told), ..Counted::of(Replicas::new(&problem)) };
        assert_eq!(even_out(&mut replicas), is_proven, "{told}");
        assert_eq!(replicas.loads().iter().max().unwrap() - replicas.loads().iter().min().unwrap(), 0, "it is even all the same");
    }
}
