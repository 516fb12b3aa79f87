//! Which broker has a replica of what: evened out with the fewest copies.

use super::even::{Cost, Row, Spread};
use super::problem::{Grid, Item, Problem, Role};

/// Replicas being moved. A broker's place in the list is its number.
///
/// A move costs, in this order: uneven loads, copies, replicas of one topic crowded on one broker, bytes to copy,
/// preferred leaders that lose their replica. The crowd comes before the bytes, because
/// the fewest bytes alone would give a broker that joins the emptiest topics and nothing else.
pub(super) struct Replicas<'a> {
    problem: &'a Problem,
    /// The replicas of each partition, each in the place of the one that it replaces.
    now: Vec<Vec<usize>>,
    loads: Vec<i64>,
    /// What each broker has a replica of.
    on: Vec<Vec<Held>>,
    /// The partitions that each broker had a replica of and has no more: going back costs less than what is seen of [`Held`].
    gone: Vec<Vec<usize>>,
    /// By broker and rack: partitions of the broker whose replica may move to that rack.
    fitting: Grid<u32>,
    /// By broker and topic.
    crowd: Grid<u16>,
    racks: usize,
}

/// A replica on a broker, with what the cost of moving it takes. These lie side by side, because a plan for a large cluster looks at hundreds of millions.
#[derive(Debug, Clone, Copy)]
struct Held {
    thing: usize,
    topic: usize,
    /// 1: it would have to be copied there, as it was not there before.
    copied: i64,
    bytes: i64,
    /// 1: it was the preferred leader there.
    led: i64,
}

impl Held {
    fn of(thing: usize, item: &Item, broker: usize) -> Self {
        let bytes = i64::try_from(item.bytes).unwrap_or(i64::MAX);
        let copied = i64::from(!item.replicas.contains(&broker));
        Held { thing, topic: item.topic, copied, bytes, led: i64::from(item.replicas.first() == Some(&broker)) }
    }

    /// What it costs to have it on another broker instead; `here` and `there`: how many of each topic these have.
    fn cost(&self, there: &Held, here_by_topic: &[u16], there_by_topic: &[u16]) -> Cost {
        let copies = there.copied - self.copied;
        let crowd = |by_topic: &[u16]| by_topic.get(self.topic).copied().map_or(0, i64::from);
        Cost([0, copies, crowd(there_by_topic) - crowd(here_by_topic) + 1, copies.saturating_mul(self.bytes), self.led - there.led])
    }
}

impl<'a> Replicas<'a> {
    /// As they are, but for those that must move whatever the loads: away from brokers that are left, and from a rack that has too many of one partition.
    pub(super) fn new(problem: &'a Problem) -> Self {
        let (brokers, racks) = (problem.brokers.len(), problem.racks());
        let mut replicas = Replicas {
            problem,
            now: problem.partitions.iter().map(|item| item.replicas.clone()).collect(),
            loads: vec![0; brokers],
            on: vec![Vec::new(); brokers],
            gone: vec![Vec::new(); brokers],
            fitting: Grid::new(brokers, racks),
            crowd: Grid::new(brokers, problem.topics),
            racks,
        };
        for (thing, item) in problem.partitions.iter().enumerate() {
            item.replicas.iter().for_each(|broker| replicas.settle(thing, item, *broker, 1));
            replicas.weigh(thing, true);
        }
        for thing in 0..problem.partitions.len() {
            replicas.leave(thing);
            replicas.part(thing);
        }
        // What cannot be moved has no place in the loads.
        for (load, seat) in replicas.loads.iter_mut().zip(&problem.brokers) {
            *load = if seat.role == Role::Target { *load } else { 0 };
        }
        replicas
    }

    pub(super) fn into_lists(self) -> Vec<Vec<usize>> {
        self.now
    }

    fn item(&self, thing: usize) -> Option<&'a Item> {
        self.problem.partitions.get(thing)
    }

    fn of(&self, thing: usize) -> &[usize] {
        self.now.get(thing).map_or(&[], Vec::as_slice)
    }

    /// How many replicas of a partition a rack has.
    fn in_rack(&self, thing: usize, rack: usize) -> usize {
        self.of(thing).iter().filter(|broker| self.problem.rack(**broker) == rack).count()
    }

    /// Whether a replica may go from one rack to another: none is to have more of one partition than it must.
    fn fits(&self, thing: usize, from: usize, to: usize) -> bool {
        from == to || self.in_rack(thing, from) > self.in_rack(thing, to)
    }

    fn settle(&mut self, thing: usize, item: &Item, broker: usize, by: i8) {
        if let Some(load) = self.loads.get_mut(broker) {
            *load += i64::from(by);
        }
        let had = item.replicas.contains(&broker);
        if let (Some(on), Some(gone)) = (self.on.get_mut(broker), self.gone.get_mut(broker)) {
            if by > 0 {
                on.push(Held::of(thing, item, broker));
                take(gone, |other| *other == thing);
            } else {
                take(on, |held| held.thing == thing);
                gone.extend(had.then_some(thing));
            }
        }
        self.crowd.change(broker, item.topic, |count| count.saturating_add_signed(i16::from(by)));
    }

    /// Enters into `fitting` what may be done with a partition, or takes it out.
    fn weigh(&mut self, thing: usize, enters: bool) {
        let brokers: Vec<usize> = self.of(thing).iter().copied().filter(|broker| self.problem.is_target(*broker)).collect();
        let mut counts = vec![0usize; self.racks];
        for broker in self.of(thing) {
            counts.get_mut(self.problem.rack(*broker)).into_iter().for_each(|count| *count += 1);
        }
        for broker in brokers {
            let own = self.problem.rack(broker);
            let here = counts.get(own).copied().unwrap_or(0);
            for (rack, there) in counts.iter().enumerate().filter(|(rack, there)| *rack == own || here > **there) {
                let _ = there;
                self.fitting.change(broker, rack, |count| if enters { count.saturating_add(1) } else { count.saturating_sub(1) });
            }
        }
    }

    fn put(&mut self, thing: usize, from: usize, to: usize) {
        let Some(item) = self.item(thing) else { return };
        self.weigh(thing, false);
        self.settle(thing, item, from, -1);
        self.settle(thing, item, to, 1);
        self.now.get_mut(thing).into_iter().flatten().filter(|broker| **broker == from).for_each(|broker| *broker = to);
        self.weigh(thing, true);
    }

    /// Moves a partition off brokers that are left.
    fn leave(&mut self, thing: usize) {
        while let Some(from) = self.of(thing).iter().copied().find(|broker| self.problem.role(*broker) == Role::Leaves) {
            let own = self.problem.rack(from);
            let rack = |to: usize| self.in_rack(thing, self.problem.rack(to)) - usize::from(self.problem.rack(to) == own);
            let free = self.problem.targets().filter(|to| !self.of(thing).contains(to));
            let Some(to) = free.min_by_key(|to| (rack(*to), self.loads.get(*to).copied(), *to)) else { return };
            self.put(thing, from, to);
        }
    }

    /// Moves replicas of one partition apart, until no rack has two more of them than another that has room.
    fn part(&mut self, thing: usize) {
        loop {
            let movable = self.of(thing).iter().copied().filter(|broker| self.problem.is_target(*broker));
            let key = |from: &usize| (self.in_rack(thing, self.problem.rack(*from)), self.loads.get(*from).copied(), *from);
            let Some(from) = movable.max_by_key(key) else { return };
            let free = self.problem.targets().filter(|to| !self.of(thing).contains(to));
            let there = |to: usize| self.in_rack(thing, self.problem.rack(to));
            let Some(to) = free.min_by_key(|to| (there(*to), self.loads.get(*to).copied(), *to)) else { return };
            if key(&from).0 < there(to) + 2 {
                return;
            }
            self.put(thing, from, to);
        }
    }

    /// Whether a replica may be moved.
    fn may(&self, thing: usize, from: usize, to: usize) -> bool {
        !self.of(thing).contains(&to) && self.fits(thing, self.problem.rack(from), self.problem.rack(to))
    }

    /// The cheapest that may be moved. Whether it may is asked of those alone that are cheaper than what was found before.
    fn cheapest(&self, from: usize, to: usize) -> Option<(Cost, usize)> {
        let (here, there) = (self.crowd.row(from), self.crowd.row(to));
        let mut best: Option<(Cost, usize)> = None;
        let mut offer = |cost: Cost, thing: usize| {
            if best.is_none_or(|best| (cost, thing) < best) && self.may(thing, from, to) {
                best = Some((cost, thing));
            }
        };
        for held in self.on.get(from)? {
            offer(held.cost(&Held { copied: 1, led: 0, ..*held }, here, there), held.thing);
        }
        for thing in self.gone.get(to)?.iter().copied().filter(|thing| self.of(*thing).contains(&from)) {
            let item = self.item(thing)?;
            offer(Held::of(thing, item, from).cost(&Held::of(thing, item, to), here, there), thing);
        }
        best
    }
}

/// Takes one out, wherever it stands.
fn take<T>(list: &mut Vec<T>, is_it: impl FnMut(&T) -> bool) {
    if let Some(at) = list.iter().position(is_it) {
        list.swap_remove(at);
    }
}

impl Spread for Replicas<'_> {
    fn loads(&self) -> &[i64] {
        &self.loads
    }

    fn step(&self, from: usize) -> Option<(usize, usize)> {
        let load = self.loads.get(from).filter(|_| self.problem.is_target(from))?;
        let mut lower: Vec<(i64, usize)> =
            self.problem.targets().filter_map(|to| Some((*self.loads.get(to)?, to))).filter(|(there, _)| *there <= load - 2).collect();
        lower.sort_unstable();
        let fitting = |to: usize| self.fitting.get(from, self.problem.rack(to)) > 0;
        lower.into_iter().filter(|(_, to)| fitting(*to)).find_map(|(_, to)| self.cheapest(from, to).map(|(_, thing)| (to, thing)))
    }

    fn row(&self, from: usize) -> Row {
        let brokers = self.problem.brokers.len();
        if !self.problem.is_target(from) {
            return vec![None; brokers];
        }
        (0..brokers)
            .map(
                |to| if to != from && self.problem.is_target(to) && self.fitting.get(from, self.problem.rack(to)) > 0 { self.cheapest(from, to) } else { None },
            )
            .collect()
    }

    fn work(&self) -> u64 {
        self.on.iter().map(|on| on.len() as u64).sum::<u64>() * self.problem.brokers.len() as u64
    }

    fn shift(&mut self, thing: usize, from: usize, to: usize) -> bool {
        let may = self.of(thing).contains(&from) && self.may(thing, from, to);
        if may {
            self.put(thing, from, to);
        }
        may
    }
}
