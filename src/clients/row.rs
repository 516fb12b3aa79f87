//! What is known of the clients that share a client id and a software.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::topics::Topics;
use crate::guard::time::Millis;
use crate::session::{Tally, Traits, Used};

/// Groups, users and addresses that are kept for one row; an operator needs some of them to find the application, not all.
pub const NAMES_MAX: usize = 8;

/// One version of one API that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    #[serde(rename = "k")]
    pub api_key: i16,
    #[serde(rename = "v")]
    pub version: i16,
    /// A session's highest version of this API although a higher one was offered, or any such version of one that never asked what is offered.
    #[serde(rename = "o", default)]
    pub own: bool,
    /// When a session that used it was last active.
    #[serde(rename = "t")]
    pub last: Millis,
}

/// All that was seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub first: Millis,
    pub last: Millis,
    /// Sessions so far.
    pub sessions: u64,
    pub requests: u64,
    /// Bytes that came from the client, and that went to it.
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub produce_requests: u64,
    pub produce_bytes: u64,
    /// Batches that were looked into, with their bytes and records.
    pub sampled: u64,
    pub sampled_bytes: u64,
    pub sampled_records: u64,
    pub largest_batch: u32,
    pub uses: Vec<Use>,
    /// The highest version of ApiVersions that it asked with.
    pub asked: Option<i16>,
    pub acks: u8,
    pub compressions: u8,
    pub formats: u8,
    pub idempotent: bool,
    pub transactional: bool,
    pub produce_timeout_ms: Option<(i32, i32)>,
    pub groups: Vec<Box<str>>,
    pub principals: Vec<Box<str>>,
    pub addresses: Vec<IpAddr>,
    /// Not in files of Leewards that did not look for them.
    #[serde(default)]
    pub topics: Topics,
    /// What was counted since the last time that rates were made.
    #[serde(skip)]
    pub since: Counts,
    #[serde(skip)]
    pub rates: Rates,
}

/// What rates are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    requests: u64,
    read_bytes: u64,
    written_bytes: u64,
}

/// In the last stretch of some seconds, for each second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    pub requests: f64,
    pub read_bytes: f64,
    pub written_bytes: f64,
}

/// What is new of a session since it was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct News {
    pub(super) sessions: u64,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
}

impl Row {
    pub(super) fn note(&mut self, traits: &Traits, tally: &Tally, before: &Tally, news: News, address: IpAddr, at: Millis) {
        self.first = if self.first == 0 { at } else { self.first.min(at) };
        self.last = self.last.max(at);
        self.sessions += news.sessions;
        let requests = tally.requests.saturating_sub(before.requests);
        self.count(Counts { requests, read_bytes: news.read_bytes, written_bytes: news.written_bytes });
        self.produce_requests += tally.produce_requests.saturating_sub(before.produce_requests);
        self.produce_bytes += tally.produce_bytes.saturating_sub(before.produce_bytes);
        self.sampled += tally.sampled.saturating_sub(before.sampled);
        self.sampled_bytes += tally.sampled_bytes.saturating_sub(before.sampled_bytes);
        self.sampled_records += tally.sampled_records.saturating_sub(before.sampled_records);
        self.largest_batch = self.largest_batch.max(tally.largest_batch);
        self.asked = self.asked.max(traits.asked);
        for used in &traits.uses {
            self.note_use(used, traits.asked.is_some(), at);
        }
        self.acks |= traits.acks;
        self.compressions |= traits.compressions;
        self.formats |= traits.formats;
        self.idempotent |= traits.idempotent;
        self.transactional |= traits.transactional;
        self.produce_timeout_ms = wider(self.produce_timeout_ms, traits.produce_timeout_ms);
        traits.groups.iter().for_each(|group| keep(&mut self.groups, group));
        traits.principal.iter().for_each(|principal| keep(&mut self.principals, principal));
        keep(&mut self.addresses, &address);
        self.topics.note(&traits.topics, at);
    }

    fn note_use(&mut self, used: &Used, asked: bool, at: Millis) {
        let highest = Used::numbers(used.versions).last();
        for version in Used::numbers(used.versions) {
            // One that asks may use a lower version beside its highest one where it needs no more.
            let is_own = Used::numbers(used.chosen).any(|chosen| chosen == version) && (!asked || Some(version) == highest);
            self.add_use(Use { api_key: used.api_key, version, own: is_own, last: at });
        }
    }

    fn add_use(&mut self, other: Use) {
        match self.uses.iter_mut().find(|mine| (mine.api_key, mine.version) == (other.api_key, other.version)) {
            Some(mine) => {
                mine.own |= other.own;
                mine.last = mine.last.max(other.last);
            }
            None => self.uses.push(other),
        }
    }

    fn count(&mut self, counts: Counts) {
        self.requests += counts.requests;
        self.read_bytes += counts.read_bytes;
        self.written_bytes += counts.written_bytes;
        self.since.requests += counts.requests;
        self.since.read_bytes += counts.read_bytes;
        self.since.written_bytes += counts.written_bytes;
    }

    pub(super) fn add(&mut self, other: &Row) {
        self.first = if self.first == 0 { other.first } else { self.first.min(other.first) };
        self.last = self.last.max(other.last);
        self.sessions += other.sessions;
        self.count(Counts { requests: other.requests, read_bytes: other.read_bytes, written_bytes: other.written_bytes });
        self.produce_requests += other.produce_requests;
        self.produce_bytes += other.produce_bytes;
        self.sampled += other.sampled;
        self.sampled_bytes += other.sampled_bytes;
        self.sampled_records += other.sampled_records;
        self.largest_batch = self.largest_batch.max(other.largest_batch);
        self.asked = self.asked.max(other.asked);
        other.uses.iter().for_each(|used| self.add_use(*used));
        self.acks |= other.acks;
        self.compressions |= other.compressions;
        self.formats |= other.formats;
        self.idempotent |= other.idempotent;
        self.transactional |= other.transactional;
        self.produce_timeout_ms = wider(self.produce_timeout_ms, other.produce_timeout_ms);
        other.groups.iter().for_each(|group| keep(&mut self.groups, group));
        other.principals.iter().for_each(|principal| keep(&mut self.principals, principal));
        other.addresses.iter().for_each(|address| keep(&mut self.addresses, address));
        self.topics.add(&other.topics);
    }

    /// Makes rates of what was counted in the last `seconds`, and begins anew.
    pub(super) fn roll(&mut self, seconds: f64) {
        let Counts { requests, read_bytes, written_bytes } = std::mem::take(&mut self.since);
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        self.rates = Rates { requests: rate(requests), read_bytes: rate(read_bytes), written_bytes: rate(written_bytes) };
    }

    /// Forgets versions and topics that were last used before `moment`.
    pub(super) fn forget_before(&mut self, moment: Millis) {
        self.topics.forget_before(moment);
        self.uses.retain(|used| used.last >= moment);
    }
}

fn keep<T: PartialEq + Clone>(all: &mut Vec<T>, one: &T) {
    if all.len() < NAMES_MAX && !all.contains(one) {
        all.push(one.clone());
    }
}

fn wider(one: Option<(i32, i32)>, other: Option<(i32, i32)>) -> Option<(i32, i32)> {
    match (one, other) {
        (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
        (one, other) => one.or(other),
    }
}
