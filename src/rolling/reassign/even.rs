//! Evening out what brokers carry, by moving single things between them: a flow of least cost.
//!
//! Things (replicas, leaderships) that may lie on some brokers and not on others, and the wish that all brokers carry the same, are a flow network: from each
//! thing to the brokers that may have it, from each broker to a sink at a price that rises with its load (the square, so that the least price is the most
//! even distribution), and a price for whatever is not where it was. A distribution has the least price exactly when there is no cycle of negative price
//! among the single moves that are still possible (M. Klein, "A primal method for minimal cost flows", Management Science 14, 1967; R. Ahuja, T. Magnanti
//! and J. Orlin, "Network Flows", 1993, theorem 9.1). So: cheap single moves first, then chains of moves, then cycles until there are none. A cycle of
//! fewest moves never moves one thing twice: a longer one would hold a shorter one of negative price.

use std::collections::VecDeque;
use std::ops::Add;

/// What a move costs, compared part by part: the first part that differs decides. The first is always that of the loads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cost(pub(super) [i64; 5]);

/// The last thing that could be done from one broker to each other.
pub(super) type Row = Vec<Option<(Cost, usize)>>;

/// What is to be evened out. Brokers and things are counted from 0.
pub(super) trait Spread {
    /// How many things each broker carries.
    fn loads(&self) -> &[i64];

    /// The cheapest move from a broker to one of those that carry least, among those that carry less by two or more: (to, thing).
    fn step(&self, from: usize) -> Option<(usize, usize)>;

    /// The cheapest move from a broker to each other one.
    fn row(&self, from: usize) -> Row;

    /// What one whole set of rows takes, in moves that are looked at.
    fn work(&self) -> u64;

    /// Moves it if it may be moved now, and says so.
    fn shift(&mut self, thing: usize, from: usize, to: usize) -> bool;
}

/// So many moves are looked at for the fewest: a second, or a few. What is not proven then is told as such.
pub(super) const PROOF_MAX: u64 = 120_000_000;

/// So many are looked at for what matters less; in a cluster of a few dozen brokers that is all there are.
pub(super) const POLISH_MAX: u64 = 40_000_000;

/// Work that is left.
#[derive(Debug, Clone, Copy)]
struct Budget(u64);

impl Budget {
    fn spend(&mut self, work: u64) -> bool {
        let left = self.0.checked_sub(work);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        let mut sum = self;
        sum.0.iter_mut().zip(other.0).for_each(|(part, more)| *part = part.saturating_add(more));
        sum
    }
}

impl Cost {
    /// Only the first parts.
    fn first(self, parts: usize) -> Cost {
        let mut cost = self;
        cost.0.iter_mut().skip(parts).for_each(|part| *part = 0);
        cost
    }
}

/// Evens out. Gives whether no distribution is cheaper in the first two parts of the cost: that of the loads, and that of what moves.
pub(super) fn even_out(spread: &mut impl Spread) -> bool {
    while let Some((from, to, thing)) = by_load(spread.loads()).into_iter().find_map(|from| spread.step(from).map(|(to, thing)| (from, to, thing))) {
        if !spread.shift(thing, from, to) {
            break;
        }
    }
    let mut proof = Budget(PROOF_MAX);
    chains(spread, &mut proof);
    let proven = cancel(spread, 2, &mut proof);
    cancel(spread, 5, &mut Budget(POLISH_MAX));
    proven
}

/// Those that carry most first.
fn by_load(loads: &[i64]) -> Vec<usize> {
    let mut order: Vec<(i64, usize)> = loads.iter().enumerate().map(|(broker, load)| (-load, broker)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, broker)| broker).collect()
}

/// Chains of moves, each to the next broker, from one that carries much to one that carries less by two or more.
fn chains(spread: &mut impl Spread, budget: &mut Budget) {
    let brokers = spread.loads().len();
    let work = spread.work() / (brokers as u64).max(1);
    let mut rows: Vec<Option<Row>> = vec![None; brokers];
    'again: loop {
        for start in by_load(spread.loads()) {
            let Some(load) = spread.loads().get(start).copied() else { continue };
            if spread.loads().iter().all(|there| *there > load - 2) {
                continue;
            }
            let mut came: Vec<Option<(usize, usize)>> = vec![None; brokers];
            let (mut queue, mut best) = (VecDeque::from([start]), None);
            while let Some(at) = queue.pop_front() {
                let Some(row) = rows.get_mut(at) else { continue };
                if row.is_none() {
                    if !budget.spend(work) {
                        return;
                    }
                    *row = Some(spread.row(at));
                }
                for (to, (_, thing)) in row.iter().flatten().enumerate().filter_map(|(to, edge)| edge.map(|edge| (to, edge))) {
                    let Some(way) = came.get_mut(to).filter(|way| way.is_none() && to != start) else { continue };
                    *way = Some((at, thing));
                    queue.push_back(to);
                    let there = spread.loads().get(to).copied().unwrap_or(load);
                    if there <= load - 2 && best.is_none() {
                        best = Some(to);
                    }
                }
                if best.is_some() {
                    break;
                }
            }
            let Some(end) = best else { continue };
            let mut path = Vec::new();
            let mut at = end;
            while let Some((before, thing)) = came.get(at).copied().flatten().filter(|_| at != start) {
                path.push((before, at, thing));
                at = before;
            }
            if !walk(spread, &path) {
                return;
            }
            // Whoever has a replica of what moved may have other ways now.
            rows.iter_mut().for_each(|row| *row = None);
            continue 'again;
        }
        return;
    }
}

/// Moves all, the last one first so that no broker is too full meanwhile; or nothing, where one of them may not be moved.
fn walk(spread: &mut impl Spread, moves: &[(usize, usize, usize)]) -> bool {
    for (done, (from, to, thing)) in moves.iter().enumerate() {
        if !spread.shift(*thing, *from, *to) {
            for (from, to, thing) in moves.iter().take(done).rev() {
                spread.shift(*thing, *to, *from);
            }
            return false;
        }
    }
    true
}

/// Moves along cycles of negative cost until there is none, as far as the first parts of the cost tell.
fn cancel(spread: &mut impl Spread, parts: usize, budget: &mut Budget) -> bool {
    loop {
        let brokers = spread.loads().len();
        if !budget.spend(spread.work()) {
            return false;
        }
        let edges = Edges::of(spread, parts);
        match edges.has_negative_cycle(budget) {
            Some(false) => return true,
            Some(true) => {}
            None => return false,
        }
        let Some(cycle) = edges.shortest_negative_cycle(budget) else { return false };
        let moves: Vec<_> = cycle.into_iter().filter(|(from, to, _)| *from < brokers && *to < brokers).collect();
        if !walk(spread, &moves) {
            return false;
        }
    }
}

/// The cheapest move from each to each; the last one is the sink, which the loads are weighed with.
struct Edges {
    nodes: usize,
    rows: Vec<Row>,
}

impl Edges {
    fn of(spread: &impl Spread, parts: usize) -> Self {
        let loads = spread.loads();
        let brokers = loads.len();
        let mut rows: Vec<Row> = (0..brokers).map(|from| spread.row(from)).collect();
        for (row, load) in rows.iter_mut().zip(loads) {
            row.iter_mut().flatten().for_each(|(cost, _)| *cost = cost.first(parts));
            // One more here.
            row.push(Some((Cost([2 * load + 1, 0, 0, 0, 0]), 0)));
        }
        // One less there.
        rows.push(loads.iter().map(|load| (*load > 0).then_some((Cost([1 - 2 * load, 0, 0, 0, 0]), 0))).chain([None]).collect());
        Edges { nodes: brokers + 1, rows }
    }

    fn each(&self) -> impl Iterator<Item = (usize, usize, Cost)> {
        self.rows.iter().enumerate().flat_map(|(from, row)| row.iter().enumerate().filter_map(move |(to, edge)| edge.map(|(cost, _)| (from, to, cost))))
    }

    /// Bellman and Ford: distances settle after as many rounds as there are nodes, or never. `None`: it was not found out.
    fn has_negative_cycle(&self, budget: &mut Budget) -> Option<bool> {
        let mut distance = vec![Cost::default(); self.nodes];
        for _ in 0..=self.nodes {
            if !budget.spend((self.nodes * self.nodes) as u64) {
                return None;
            }
            let mut settled = true;
            for (from, to, cost) in self.each() {
                let through = distance.get(from).copied().unwrap_or_default() + cost;
                if let Some(known) = distance.get_mut(to).filter(|known| through < **known) {
                    *known = through;
                    settled = false;
                }
            }
            if settled {
                return Some(false);
            }
        }
        Some(true)
    }

    /// A negative cycle of the fewest moves: walks of one move, of at most two, of at most three, until one comes back cheaper than it went.
    fn shortest_negative_cycle(&self, budget: &mut Budget) -> Option<Vec<(usize, usize, usize)>> {
        let nodes = self.nodes;
        let mut walks: Vec<Vec<Option<Cost>>> = self.rows.iter().map(|row| row.iter().map(|edge| edge.map(|(cost, _)| cost)).collect()).collect();
        // By number of moves, by start, by end: where the walk was before its last move; none: the shorter walk is as good.
        let mut layers: Vec<Vec<Vec<Option<usize>>>> = Vec::new();
        for _ in 1..nodes {
            if !budget.spend((nodes * nodes * nodes) as u64) {
                return None;
            }
            let mut longer = walks.clone();
            let mut layer = vec![vec![None; nodes]; nodes];
            for ((known, longer), before) in walks.iter().zip(&mut longer).zip(&mut layer) {
                for (middle, first) in known.iter().enumerate().filter_map(|(middle, cost)| cost.map(|cost| (middle, cost))) {
                    let row = self.rows.get(middle).into_iter().flatten();
                    for ((edge, best), before) in row.zip(longer.iter_mut()).zip(before.iter_mut()) {
                        let Some((cost, _)) = edge else { continue };
                        let through = first + *cost;
                        if best.is_none_or(|best| through < best) {
                            (*best, *before) = (Some(through), Some(middle));
                        }
                    }
                }
            }
            walks = longer;
            layers.push(layer);
            let back = |start: usize| walks.get(start).and_then(|row| row.get(start).copied().flatten());
            if let Some(start) = (0..nodes).filter(|start| back(*start).is_some_and(|cost| cost < Cost::default())).min_by_key(|start| back(*start)) {
                return Some(self.follow(&layers, start));
            }
        }
        None
    }

    /// The moves of the walk from `start` to itself, the last one first.
    fn follow(&self, layers: &[Vec<Vec<Option<usize>>>], start: usize) -> Vec<(usize, usize, usize)> {
        let thing = |from: usize, to: usize| self.rows.get(from).and_then(|row| row.get(to).copied().flatten()).map_or(0, |(_, thing)| thing);
        let (mut moves, mut at) = (Vec::new(), start);
        for layer in layers.iter().rev() {
            if let Some(before) = layer.get(start).and_then(|row| row.get(at).copied().flatten()) {
                moves.push((before, at, thing(before, at)));
                at = before;
            }
        }
        moves.push((start, at, thing(start, at)));
        moves
    }
}
