//! The traffic's history of a running Leeward: what each look brings, and what is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::days;
use super::place::Place;
use crate::clients::Table;
use crate::cluster::Leaders;
use crate::guard::time::{Millis, millis};
use crate::history::report::Source;
use crate::history::{Amount, Day, DayNumber, History, Kind, News, OTHERS, TopicAmounts, TopicId, UNKNOWN, day_of};
use crate::telemetry::NodeTotals;

/// By broker, as the counters stood.
type Nodes = BTreeMap<Option<i32>, NodeTotals>;

/// What is known of the traffic, for whoever asks. Days before yesterday are read from the disk, which takes its time: not on a thread that others wait for.
#[derive(Debug, Clone)]
pub struct Traffic {
    pub at: Millis,
    pub history: History,
    pub problem: Option<String>,
    pub(super) place: Arc<Place>,
}

impl Traffic {
    /// All that is kept of one day.
    pub fn day(&self, day: DayNumber) -> Option<Source> {
        let recent = self.history.recent().find(|recent| recent.number == day);
        // One that is damaged was said when Leeward began.
        let kept = || days::read_bytes(&self.place, day).ok().flatten();
        recent.cloned().map(Source::Memory).or_else(|| kept().map(Source::File))
    }
}

/// The part of the register that keeps it.
pub(super) struct Keeper {
    place: Arc<Place>,
    history: History,
    /// Days that are over and not written yet.
    old: Vec<Arc<Day>>,
    nodes: Nodes,
    looked: Instant,
    /// Days that are not written as they are.
    changed: BTreeSet<DayNumber>,
    problem: Option<String>,
}

/// What is to be written.
pub(super) struct Unwritten {
    place: Arc<Place>,
    days: Vec<Arc<Day>>,
    old: usize,
}

impl Unwritten {
    pub(super) fn write(&self) -> Result<(), String> {
        days::write(&self.place, &self.days)
    }
}

impl Keeper {
    pub(super) fn open(place: Arc<Place>, at: Millis) -> Self {
        let (history, problems) = days::open(&place, day_of(at));
        for problem in &problems {
            tracing::warn!(%problem, "a part of the traffic's history was not taken over");
        }
        let problem = problems.into_iter().next();
        Keeper { place, history, old: Vec::new(), nodes: Nodes::new(), looked: Instant::now(), changed: BTreeSet::new(), problem }
    }

    /// What was carried since the last look.
    pub(super) fn note(&mut self, clients: &Table, topics: TopicAmounts, nodes: Nodes, leaders: &Leaders, at: Millis) {
        let mut news = News::default();
        by_client(clients, &mut news);
        by_topic(topics, leaders, &mut news);
        by_broker(&self.nodes, &nodes, &mut news);
        self.nodes = nodes;
        let lasted = self.looked.elapsed();
        // A clock that went back or ahead comes to days that are on the disk already.
        for day in [day_of(at), day_of(at.saturating_sub(millis(lasted)))] {
            if !self.history.has(day) {
                match days::read(&self.place, day) {
                    Ok(kept) => kept.into_iter().for_each(|kept| self.history.insert(kept)),
                    Err(problem) => tracing::warn!(%problem, "a part of the traffic's history was not taken over"),
                }
            }
        }
        self.changed.insert(self.history.note(at, lasted, &news));
        self.looked = Instant::now();
        self.old.extend(self.history.take_old(at));
    }

    pub(super) fn known(&self, at: Millis) -> Traffic {
        Traffic { at, history: self.history.clone(), problem: self.problem.clone(), place: Arc::clone(&self.place) }
    }

    /// `None`: everything is written.
    pub(super) fn unwritten(&self) -> Option<Unwritten> {
        let recent = self.history.recent().filter(|day| self.changed.contains(&day.number));
        let days: Vec<_> = self.old.iter().chain(recent).cloned().collect();
        (!days.is_empty()).then(|| Unwritten { place: Arc::clone(&self.place), days, old: self.old.len() })
    }

    /// How the write ended.
    pub(super) fn written(&mut self, unwritten: &Unwritten, result: Result<(), String>) {
        match result {
            Ok(()) => {
                self.old.drain(..unwritten.old.min(self.old.len()));
                self.changed.clear();
                self.problem = None;
            }
            Err(problem) => {
                // Days that are over have their quarter hours in the memory; their rows would fill it.
                self.old.clear();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(%problem, "the traffic's history would not outlive a restart, and has rows for two days only; see state.directory");
                }
                self.problem = Some(problem);
            }
        }
    }
}

/// Sums up by client id; the total is of all clients.
fn by_client(clients: &Table, news: &mut News) {
    let mut last: Option<(Arc<str>, Amount)> = None;
    for (key, row) in clients.rows() {
        let amount = Amount { requests: row.requests, to_brokers: row.read_bytes, to_clients: row.written_bytes };
        news.total += amount;
        match &mut last {
            // Rows are in the order of their client ids.
            Some((client_id, sum)) if **client_id == *key.client_id => *sum += amount,
            _ => news.rows.extend(last.replace((Arc::from(key.client_id), amount)).map(|(client_id, sum)| (Kind::Client, client_id, sum))),
        }
    }
    news.rows.extend(last.map(|(client_id, sum)| (Kind::Client, client_id, sum)));
}

fn by_topic(topics: TopicAmounts, leaders: &Leaders, news: &mut News) {
    let mut named: BTreeMap<Arc<str>, Amount> = BTreeMap::from([(OTHERS.into(), topics.others())]);
    for (topic, amount) in topics.into_rows() {
        let name = match topic {
            TopicId::Name(name) => name,
            // A topic that is new or was deleted.
            TopicId::Id(id) => leaders.names.get(&id).cloned().unwrap_or_else(|| UNKNOWN.into()),
        };
        *named.entry(name).or_default() += amount;
    }
    news.rows.extend(named.into_iter().map(|(name, amount)| (Kind::Topic, name, amount)));
}

fn by_broker(before: &Nodes, now: &Nodes, news: &mut News) {
    for (node_id, totals) in now {
        let known = before.get(node_id).copied().unwrap_or_default();
        let mut amount = Amount { requests: 0, to_brokers: 0, to_clients: totals.received_bytes.saturating_sub(known.received_bytes) };
        for (sent, known) in totals.sent.kinds.iter().zip(&known.sent.kinds) {
            amount.requests += sent.requests.saturating_sub(known.requests);
            amount.to_brokers += sent.frame_bytes.saturating_sub(known.frame_bytes);
        }
        let name = node_id.map_or_else(|| UNKNOWN.to_owned(), |node_id| node_id.to_string());
        news.rows.push((Kind::Broker, name.into(), amount));
    }
}
