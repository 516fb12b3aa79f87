//! Rates, latencies and errors of the last seconds by broker, topic, client and API, from a sample of the requests that pass.

use std::collections::{HashMap, VecDeque};

use super::{Standing, Told};
use crate::wire::api;

/// How far a picture looks back, in seconds.
pub const SECONDS: usize = 10;

/// Names of one kind that are kept for one second; what has no room is counted in the whole alone.
const NAMES_MAX: usize = 2_000;

/// APIs whose answer waits for something to happen: their time says nothing of a broker's speed.
const WAITING_APIS: [i16; 4] = [api::FETCH, 11, 14, api::SHARE_FETCH];

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    Broker,
    Topic,
    Client,
    Api,
}

impl By {
    pub const ALL: [By; 4] = [By::Broker, By::Topic, By::Client, By::Api];
}

/// The sample of the last [`SECONDS`].
#[derive(Debug, Default)]
pub struct Top {
    /// The one at hand is the last.
    seconds: VecDeque<Second>,
    before: Standing,
}

#[derive(Debug, Default)]
struct Second {
    whole: Tally,
    /// By [`By`].
    rows: [HashMap<Box<str>, Tally>; By::ALL.len()],
    /// Requests that passed, and those of them that were told; known when the second is over.
    passed: u64,
    told: u64,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    requests: u64,
    request_bytes: u64,
    response_bytes: u64,
    errors: u64,
    absorbed: u64,
    held: u64,
    broker: Vec<u8>,
    own: Vec<u8>,
}

/// One row of a picture. Rates are for each second, and are estimates where not every request was looked at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    pub name: Box<str>,
    pub requests: f64,
    pub request_bytes: f64,
    pub response_bytes: f64,
    /// Answers with an error that the client saw.
    pub errors: f64,
    /// Requests of which the guard kept an error or a lost connection from the client.
    pub absorbed: f64,
    /// Requests that were held for a while.
    pub held: f64,
    /// Of the broker, and of Leeward itself; `None`: nothing was measured.
    pub broker: Option<Latency>,
    pub own: Option<Latency>,
}

/// In nanoseconds, each at most a fifth too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
}

impl Top {
    /// Takes in one request.
    pub fn note(&mut self, told: &Told) {
        if self.seconds.is_empty() {
            self.seconds.push_back(Second::default());
        }
        let Some(second) = self.seconds.back_mut() else { return };
        let one = Tally::of(told);
        second.whole.add(&one);
        let broker = told.delivery.node_id.or(told.delivery.home).map_or_else(|| "(not known)".to_owned(), |node_id| node_id.to_string());
        second.add(By::Broker, &broker, &one);
        second.add(By::Client, if told.request.client_id.is_empty() { "(none)" } else { &told.request.client_id }, &one);
        second.add(By::Api, api::name(told.request.api_key), &one);
        for (name, part) in topics(told, &one) {
            second.add(By::Topic, name, &part);
        }
    }

    /// A second is over. `standing`: all that its listener has counted so far.
    pub fn next_second(&mut self, standing: Standing) {
        if let Some(second) = self.seconds.back_mut() {
            second.passed = standing.passed.saturating_sub(self.before.passed);
            second.told = standing.told.saturating_sub(self.before.told);
        }
        self.before = standing;
        self.seconds.push_back(Second::default());
        while self.seconds.len() > SECONDS + 1 {
            self.seconds.pop_front();
        }
    }

    /// One of how many requests was looked at, over all seconds that are over; 1: all of them.
    pub fn scale(&self) -> f64 {
        let (passed, told) = self.over().fold((0, 0), |(passed, told), second| (passed + second.passed, told + second.told));
        if told == 0 { 1.0 } else { (passed as f64 / told as f64).max(1.0) }
    }

    /// Everything together.
    pub fn whole(&self) -> Row {
        let mut whole = Tally::default();
        self.over().for_each(|second| whole.add(&second.whole));
        self.row("".into(), whole)
    }

    /// The rows with the most requests first, at most `most` of them, and how many there are besides.
    pub fn rows(&self, by: By, most: usize) -> (Vec<Row>, usize) {
        let mut all: HashMap<&str, Tally> = HashMap::new();
        for (name, tally) in self.over().filter_map(|second| second.rows.get(by as usize)).flatten() {
            all.entry(name).or_default().add(tally);
        }
        let more = all.len().saturating_sub(most);
        let mut all: Vec<(&str, Tally)> = all.into_iter().collect();
        all.sort_by(|(a, one), (b, other)| other.requests.cmp(&one.requests).then_with(|| a.cmp(b)));
        all.truncate(most);
        (all.into_iter().map(|(name, tally)| self.row(name.into(), tally)).collect(), more)
    }

    /// Seconds that are over.
    fn over(&self) -> impl Iterator<Item = &Second> {
        self.seconds.iter().take(self.seconds.len().saturating_sub(1))
    }

    fn row(&self, name: Box<str>, mut tally: Tally) -> Row {
        let seconds = self.over().count().max(1) as f64;
        let scale = self.scale();
        let rate = |count: u64| count as f64 * scale / seconds;
        Row {
            name,
            requests: rate(tally.requests),
            request_bytes: rate(tally.request_bytes),
            response_bytes: rate(tally.response_bytes),
            errors: rate(tally.errors),
            absorbed: rate(tally.absorbed),
            held: rate(tally.held),
            broker: latency(&mut tally.broker),
            own: latency(&mut tally.own),
        }
    }
}

impl Second {
    fn add(&mut self, by: By, name: &str, one: &Tally) {
        let Some(rows) = self.rows.get_mut(by as usize) else { return };
        if let Some(tally) = rows.get_mut(name) {
            tally.add(one);
        } else if rows.len() < NAMES_MAX {
            rows.insert(name.into(), one.clone());
        }
    }
}

impl Tally {
    fn of(told: &Told) -> Self {
        let (answer, guarding) = (told.answer.as_ref(), &told.guarding);
        // A held request's time is the guard's, not the broker's.
        let timed = answer.filter(|_| !WAITING_APIS.contains(&told.request.api_key) && !guarding.was_held());
        Tally {
            requests: 1,
            request_bytes: wide(told.request.frame_bytes),
            response_bytes: answer.map_or(0, |answer| wide(answer.frame_bytes)),
            errors: u64::from(answer.is_some_and(|answer| !answer.digest.errors.is_empty())),
            absorbed: u64::from(!guarding.absorbed.is_empty() || guarding.losses > 0),
            held: u64::from(guarding.was_held()),
            broker: timed.map(|answer| step(answer.broker_nanos)).into_iter().collect(),
            own: timed.map(|answer| step(answer.own_nanos)).into_iter().collect(),
        }
    }

    fn add(&mut self, other: &Tally) {
        self.requests += other.requests;
        self.request_bytes += other.request_bytes;
        self.response_bytes += other.response_bytes;
        self.errors += other.errors;
        self.absorbed += other.absorbed;
        self.held += other.held;
        self.broker.extend(&other.broker);
        self.own.extend(&other.own);
    }
}

/// A request's share of each topic that it or its answer names: bytes of records, and its own errors.
fn topics<'a>(told: &'a Told, one: &Tally) -> Vec<(&'a str, Tally)> {
    let mut topics: Vec<(&str, Tally)> = Vec::new();
    let digests = [Some((&told.request.digest, true)), told.answer.as_ref().map(|answer| (&answer.digest, false))];
    for (digest, is_request) in digests.into_iter().flatten() {
        for named in &digest.topics {
            let Some(name) = named.name.as_deref() else { continue };
            let at = topics.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                topics.push((name, Tally { request_bytes: 0, response_bytes: 0, errors: 0, ..one.clone() }));
                topics.len() - 1
            });
            let Some((_, tally)) = topics.get_mut(at) else { continue };
            let bytes: usize = named.partitions.iter().filter_map(|partition| partition.record_bytes).sum();
            let count = if is_request { &mut tally.request_bytes } else { &mut tally.response_bytes };
            *count += wide(bytes);
            tally.errors |= u64::from(named.partitions.iter().any(|partition| partition.error != 0));
        }
    }
    topics
}

/// Steps of a quarter of an octave, from a microsecond on.
const STEPS_PER_OCTAVE: f64 = 4.0;

/// The step that a time falls into; 0: a microsecond or less.
fn step(nanos: u64) -> u8 {
    let micros = nanos as f64 / 1000.0;
    if micros <= 1.0 { 0 } else { (micros.log2() * STEPS_PER_OCTAVE).ceil().min(f64::from(u8::MAX)) as u8 }
}

/// The longest time that falls into a step, in nanoseconds.
fn longest(step: u8) -> u64 {
    ((f64::from(step) / STEPS_PER_OCTAVE).exp2() * 1000.0) as u64
}

fn latency(steps: &mut [u8]) -> Option<Latency> {
    steps.sort_unstable();
    let last = steps.len().checked_sub(1)?;
    // The least time that so many of a hundred do not exceed.
    let at = |percent: usize| steps.get((steps.len() * percent).div_ceil(100).saturating_sub(1).min(last)).map_or(0, |step| longest(*step));
    Some(Latency { p50: at(50), p99: at(99) })
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
