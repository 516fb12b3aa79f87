//! What the clients were told, compared with what the brokers store.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::journal::{Fault, Journal, Name, Place};

/// Everything in a topic, by the producer's row and the partition: numbers and offsets in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    logs: BTreeMap<(String, i32), Vec<(u64, i64)>>,
}

impl Stored {
    pub(crate) fn add(&mut self, name: Name, offset: i64) {
        self.logs.entry((name.row, name.place.partition)).or_default().push((name.place.number, offset));
    }

    pub(crate) fn names(&self) -> HashSet<Name> {
        let names = self
            .logs
            .iter()
            .flat_map(|((row, partition), log)| log.iter().map(|&(number, _)| Name { row: row.clone(), place: Place { partition: *partition, number } }));
        names.collect()
    }

    /// The logs of one producer.
    fn of<'a>(&'a self, row: &'a str) -> impl Iterator<Item = (i32, &'a [(u64, i64)])> {
        self.logs.iter().filter(move |((of, _), _)| of == row).map(|((_, partition), log)| (*partition, log.as_slice()))
    }
}

/// Enough to see where to look.
const EXAMPLES_MAX: usize = 5;

/// A producer's figures.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) errors: u64,
    /// Neither acknowledged nor failed.
    pub(crate) unanswered: u64,
    /// Acknowledged, and not stored.
    pub(crate) lost: u64,
    /// Stored more than once, each time beyond the first.
    pub(crate) duplicates: u64,
    /// Acknowledged, and stored after one that was sent later.
    pub(crate) disorder: u64,
    /// Acknowledged with an offset at which something else is stored, while it is stored elsewhere.
    pub(crate) misplaced: u64,
    /// The longest time between two acknowledgements in one partition, in milliseconds.
    pub(crate) stall: u64,
    /// How long the median record and the last one waited for an answer, in milliseconds.
    pub(crate) wait: u64,
    pub(crate) wait_max: u64,
    /// The first few of what is lost, stored again or out of order, in words.
    pub(crate) examples: Vec<String>,
}

impl Written {
    pub(crate) fn new(row: &str, journal: &Journal, stored: &Stored) -> Self {
        let told: HashMap<Place, i64> = journal.acknowledged.iter().copied().collect();
        let mut offsets: HashMap<Place, Vec<i64>> = HashMap::new();
        let (mut disorder, mut examples) = (0, Vec::new());
        for (partition, log) in stored.of(row) {
            let mut newest: Option<(u64, i64)> = None;
            for &(number, offset) in log {
                let place = Place { partition, number };
                let copies = offsets.entry(place).or_default();
                copies.push(offset);
                if copies.len() > 1 {
                    examples.push(format!("partition {partition} record {number} is stored at {copies:?}"));
                } else if told.contains_key(&place) {
                    if let Some((newer, at)) = newest.filter(|newest| newest.0 > number) {
                        disorder += 1;
                        examples.push(format!("partition {partition} record {number} is stored at {offset}, after record {newer} at {at}"));
                    }
                    newest = newest.max(Some((number, offset)));
                }
            }
        }
        let lost: Vec<(&Place, &i64)> = told.iter().filter(|(place, _)| !offsets.contains_key(place)).collect();
        examples.extend(lost.iter().map(|(place, at)| format!("partition {} record {} was told stored at {at}, and is not", place.partition, place.number)));
        examples.truncate(EXAMPLES_MAX);
        let misplaced = |(place, &offset): (&Place, &i64)| offset >= 0 && offsets.get(place).is_some_and(|stored| !stored.contains(&offset));
        let (acknowledged, errors) = (told.len() as u64, journal.failed.len() as u64);
        let mut waited = journal.waited.clone();
        waited.sort_unstable();
        let sent = journal.sent.unwrap_or(acknowledged + errors);
        Self {
            sent,
            acknowledged,
            errors,
            unanswered: sent.saturating_sub(acknowledged + errors),
            lost: lost.len() as u64,
            duplicates: offsets.values().map(|copies| copies.len() as u64 - 1).sum(),
            disorder,
            misplaced: told.iter().filter(|&told| misplaced(told)).count() as u64,
            stall: stall(&journal.progress),
            wait: waited.get(waited.len() / 2).copied().unwrap_or_default(),
            wait_max: waited.last().copied().unwrap_or_default(),
            examples,
        }
    }
}

/// A consumer's figures.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) read: u64,
    /// Stored, and never read.
    pub(crate) missed: u64,
    /// Read again. A group may do that after a rebalance.
    pub(crate) twice: u64,
    pub(crate) exceptions: u64,
    /// The longest time between two records of one partition, in milliseconds.
    pub(crate) stall: u64,
}

impl Read {
    pub(crate) fn new(journal: &Journal, stored: &HashSet<Name>) -> Self {
        let read: HashSet<&Name> = journal.read.iter().collect();
        Self {
            read: journal.read.len() as u64,
            missed: stored.iter().filter(|name| !read.contains(name)).count() as u64,
            twice: (journal.read.len() - read.len()) as u64,
            exceptions: journal.exceptions.len() as u64,
            stall: stall(&journal.progress),
        }
    }
}

/// The longest time between two events of one partition. Clients with several threads write down what comes at the same time in any order.
fn stall(progress: &BTreeMap<String, Vec<u64>>) -> u64 {
    let longest = |times: &Vec<u64>| {
        let mut times = times.clone();
        times.sort_unstable();
        times.windows(2).map(|pair| pair[1] - pair[0]).max()
    };
    progress.values().filter_map(longest).max().unwrap_or_default()
}

/// The faults of each kind (their first word), most frequent first, with the first of each.
pub(crate) fn kinds(faults: &[Fault]) -> Vec<(usize, &Fault)> {
    let mut kinds: Vec<(&str, usize, &Fault)> = Vec::new();
    for fault in faults {
        let kind = fault.said.split(' ').next().unwrap_or_default();
        match kinds.iter_mut().find(|known| known.0 == kind) {
            Some(known) => known.1 += 1,
            None => kinds.push((kind, 1, fault)),
        }
    }
    kinds.sort_by_key(|&(_, count, _)| std::cmp::Reverse(count));
    kinds.into_iter().map(|(_, count, first)| (count, first)).collect()
}

#[cfg(test)]
mod tests;
