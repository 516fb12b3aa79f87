//! Which of its replicas is a partition's preferred leader: evened out with the fewest changes, and without a copy.

use super::even::{Cost, Row, Spread};
use super::problem::{Grid, Problem};

/// Leaderships being moved between the replicas of their partitions.
///
/// A move costs, in this order: uneven loads, changes of leaders, leaders of one topic crowded on one broker.
pub(super) struct Leaders<'a> {
    problem: &'a Problem,
    /// The replicas that each partition is to have.
    lists: &'a [Vec<usize>],
    now: Vec<Option<usize>>,
    loads: Vec<i64>,
    led: Vec<Vec<usize>>,
    crowd: Grid<u16>,
}

impl<'a> Leaders<'a> {
    /// Whoever leads goes on where it can. Else whoever is the first of those that stay and serve, since it has the data already.
    pub(super) fn new(problem: &'a Problem, lists: &'a [Vec<usize>]) -> Self {
        let brokers = problem.brokers.len();
        let mut leaders = Leaders {
            problem,
            lists,
            now: Vec::with_capacity(lists.len()),
            loads: vec![0; brokers],
            led: vec![Vec::new(); brokers],
            crowd: Grid::new(problem.topics, brokers),
        };
        for (thing, (item, list)) in problem.partitions.iter().zip(lists).enumerate() {
            let stays = |broker: &&usize| list.contains(broker);
            let able = |broker: &&usize| problem.is_target(**broker);
            let first = item.replicas.first().filter(stays);
            let leader = first.or_else(|| item.replicas.iter().filter(stays).find(able)).or_else(|| list.iter().find(able)).or(list.first()).copied();
            leaders.now.push(leader);
            if let Some(leader) = leader.filter(|leader| problem.is_target(*leader)) {
                leaders.enter(thing, leader, 1);
            }
        }
        leaders
    }

    /// Each partition's replicas with its leader in front, the others in their order.
    pub(super) fn lists(&self) -> Vec<Vec<usize>> {
        let order =
            |(list, leader): (&Vec<usize>, &Option<usize>)| leader.iter().chain(list.iter().filter(|broker| Some(**broker) != *leader)).copied().collect();
        self.lists.iter().zip(&self.now).map(order).collect()
    }

    fn enter(&mut self, thing: usize, broker: usize, by: i8) {
        if let Some(load) = self.loads.get_mut(broker) {
            *load += i64::from(by);
        }
        if let Some(led) = self.led.get_mut(broker) {
            if by > 0 {
                led.push(thing);
            } else if let Some(at) = led.iter().position(|other| *other == thing) {
                led.swap_remove(at);
            }
        }
        let topic = self.problem.partitions.get(thing).map_or(usize::MAX, |item| item.topic);
        self.crowd.change(topic, broker, |count| count.saturating_add_signed(i16::from(by)));
    }

    fn cost(&self, thing: usize, from: usize, to: usize) -> Option<Cost> {
        let item = self.problem.partitions.get(thing)?;
        let was = item.replicas.first().copied();
        let changed = |broker: usize| i64::from(was != Some(broker));
        let crowd = |broker: usize| i64::from(self.crowd.get(item.topic, broker));
        Some(Cost([0, changed(to) - changed(from), crowd(to) - crowd(from) + 1, 0, 0]))
    }
}

impl Spread for Leaders<'_> {
    fn loads(&self) -> &[i64] {
        &self.loads
    }

    fn step(&self, from: usize) -> Option<(usize, usize)> {
        let load = *self.loads.get(from)?;
        let lower = self.row(from).into_iter().enumerate().filter_map(|(to, edge)| {
            let (there, (cost, thing)) = (*self.loads.get(to)?, edge?);
            (there <= load - 2).then_some((there, cost, to, thing))
        });
        lower.min().map(|(_, _, to, thing)| (to, thing))
    }

    fn row(&self, from: usize) -> Row {
        let mut row: Row = vec![None; self.problem.brokers.len()];
        for thing in self.led.get(from).into_iter().flatten() {
            for to in self.lists.get(*thing).into_iter().flatten().filter(|to| **to != from && self.problem.is_target(**to)) {
                let (Some(cell), Some(cost)) = (row.get_mut(*to), self.cost(*thing, from, *to)) else { continue };
                if cell.is_none_or(|known| (cost, *thing) < known) {
                    *cell = Some((cost, *thing));
                }
            }
        }
        row
    }

    fn work(&self) -> u64 {
        self.lists.iter().map(|list| list.len() as u64).sum::<u64>() + (self.loads.len() * self.loads.len()) as u64
    }

    fn shift(&mut self, thing: usize, from: usize, to: usize) -> bool {
        let may = self.now.get(thing) == Some(&Some(from)) && self.problem.is_target(to) && self.lists.get(thing).is_some_and(|list| list.contains(&to));
        if may {
            self.enter(thing, from, -1);
            self.enter(thing, to, 1);
            self.now.get_mut(thing).into_iter().for_each(|leader| *leader = Some(to));
        }
        may
    }
}
