//! The register as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clients::libraries::{Likely, likely};
use crate::clients::{self, Contact, Judgement, Key, Row, Table, Verdict, judge};
use crate::guard::time::{Millis, rfc3339};
use crate::net;
use crate::register::Known;
use crate::releases::Version;
use crate::session::Tally;
use crate::wire::api;

/// All clients of some weeks, and the connections that there are now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clients {
    /// RFC 3339, as every moment here.
    pub at: String,
    /// The oldest thing that is known here.
    pub since: String,
    /// Why this does not outlive a restart, or what of it was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The release that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incompatible_with: Option<String>,
    /// By client id and software. Those beyond 10,000 are one row, `(others)`.
    pub clients: Vec<Client>,
    /// Clients that were left out because they would go on working, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<usize>,
    pub connections: Vec<Connection>,
}

/// What is known of those that share a client id and a software.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Empty for clients that name none; cut after 120 bytes.
    pub client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<Software>,
    /// Connections now.
    pub connections: u64,
    /// Connections so far.
    pub sessions: u64,
    /// Eight at most, as with principals and groups.
    pub addresses: Vec<String>,
    /// Users of a SASL login with PLAIN or SCRAM.
    pub principals: Vec<String>,
    pub groups: Vec<String>,
    /// By the API's name.
    pub api_versions: BTreeMap<String, ApiUse>,
    /// The highest version of ApiVersions that it asked with; absent for one that never asked what is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_versions_with: Option<i16>,
    /// Of `0`, `1`, `all`, `invalid`.
    pub acks: Vec<String>,
    /// Of `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    pub compression: Vec<String>,
    /// Of `v0`, `v1`, `v2`.
    pub message_formats: Vec<String>,
    pub idempotent: bool,
    pub transactional: bool,
    /// The shortest and the longest `timeout_ms` of its Produce requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produce_timeout_ms: Option<[i32; 2]>,
    /// Of the first batches of one in 64 Produce requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batches: Option<Batches>,
    pub requests: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub produce_requests: u64,
    pub produce_bytes: u64,
    /// In the last ten seconds; of a connection, since it began.
    pub requests_per_second: f64,
    /// From the client, and to it.
    pub read_bytes_per_second: f64,
    pub written_bytes_per_second: f64,
    pub first_seen: String,
    pub last_seen: String,
    /// Since its last request.
    pub idle_seconds: f64,
    /// Topics that it was seen to write or read, by name; 32 at most.
    #[serde(default)]
    pub topics: Vec<TopicUse>,
    /// It uses topics beside these, for which there was no room.
    #[serde(default)]
    pub has_more_topics: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judged>,
}

/// A topic that a client uses. Moments are those at which a connection that did so was last active; at least one is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicUse {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_written: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_seconds_ago: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_seconds_ago: Option<f64>,
}

/// One connection now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub address: String,
    /// Whose virtual broker it came to; absent for the bootstrap endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<i32>,
    #[serde(flatten)]
    pub client: Client,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Software {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// It did not say so itself: its client id or the versions that it uses look like it.
    pub inferred: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiUse {
    pub lowest: i16,
    pub highest: i16,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batches {
    pub looked_into: u64,
    pub mean_bytes: f64,
    pub mean_records: f64,
    pub largest_bytes: u32,
}

/// What a release would do to a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<Library>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i16>,
    /// What the release takes of that API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<[i16; 2]>,
    pub last_seen: String,
    pub seen_seconds_ago: f64,
}

/// Which library it likely is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Library {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub inferred: bool,
    pub advice: String,
    pub source: String,
}

impl Clients {
    pub(in crate::admin) fn of(known: &Known, target: Option<Version>) -> Self {
        let mut connected: BTreeMap<Key, u64> = BTreeMap::new();
        let connections = known.connections.iter().map(|connection| Connection::of(connection, known.at, &mut connected)).collect();
        let client = |(key, row): (Key, &Row)| Client {
            connections: connected.get(&key).copied().unwrap_or(0),
            judgement: target.map(|target| Judged::of(judge(&key, row, target), known.at)),
            ..Client::of(&key, row, known.at)
        };
        Clients {
            at: rfc3339(known.at),
            since: rfc3339(known.since),
            problem: known.problem.clone(),
            incompatible_with: target.map(|target| target.to_string()),
            clients: known.table.rows().into_iter().map(client).collect(),
            left_out: None,
            connections,
        }
    }

    /// Those alone that would break, or of which it cannot be told; of a cluster with thousands of clients that is little.
    pub(super) fn at_risk(mut self) -> Self {
        let all = self.clients.len();
        self.clients.retain(|client| client.judgement.as_ref().is_some_and(|judged| judged.verdict != Verdict::Fine));
        self.left_out = Some(all - self.clients.len());
        self.connections.clear();
        self
    }
}

impl Client {
    fn of(key: &Key, row: &Row, at: Millis) -> Self {
        let acks = ["0", "1", "all", "invalid"];
        Client {
            client_id: key.client_id.to_string(),
            software: software(key, row),
            connections: 0,
            sessions: row.sessions,
            addresses: row.addresses.iter().map(ToString::to_string).collect(),
            principals: row.principals.iter().map(ToString::to_string).collect(),
            groups: row.groups.iter().map(ToString::to_string).collect(),
            api_versions: api_versions(row),
            asked_versions_with: row.asked,
            acks: named(&acks, row.acks),
            compression: named(&["none", "gzip", "snappy", "lz4", "zstd"], row.compressions),
            message_formats: named(&["v0", "v1", "v2"], row.formats),
            idempotent: row.idempotent,
            transactional: row.transactional,
            produce_timeout_ms: row.produce_timeout_ms.map(|(least, most)| [least, most]),
            batches: (row.sampled > 0).then(|| Batches {
                looked_into: row.sampled,
                mean_bytes: row.sampled_bytes as f64 / row.sampled as f64,
                mean_records: row.sampled_records as f64 / row.sampled as f64,
                largest_bytes: row.largest_batch,
            }),
            requests: row.requests,
            read_bytes: row.read_bytes,
            written_bytes: row.written_bytes,
            produce_requests: row.produce_requests,
            produce_bytes: row.produce_bytes,
            requests_per_second: row.rates.requests,
            read_bytes_per_second: row.rates.read_bytes,
            written_bytes_per_second: row.rates.written_bytes,
            first_seen: rfc3339(row.first),
            last_seen: rfc3339(row.last),
            idle_seconds: seconds(at, row.last),
            topics: row.topics.uses().iter().map(|topic| TopicUse::of(topic, at)).collect(),
            has_more_topics: row.topics.has_more(),
            judgement: None,
        }
    }
}

impl TopicUse {
    fn of(topic: &clients::TopicUse, at: Millis) -> Self {
        let (written, read) = (Some(topic.written).filter(|moment| *moment > 0), Some(topic.read).filter(|moment| *moment > 0));
        TopicUse {
            name: topic.name.to_string(),
            last_written: written.map(rfc3339),
            last_read: read.map(rfc3339),
            written_seconds_ago: written.map(|moment| seconds(at, moment)),
            read_seconds_ago: read.map(|moment| seconds(at, moment)),
        }
    }
}

impl Connection {
    /// As a table with this connection alone.
    fn of(connection: &net::Connection, at: Millis, connected: &mut BTreeMap<Key, u64>) -> Self {
        let mut table = Table::default();
        let contact = Contact {
            about: &connection.about,
            address: connection.peer.ip(),
            tally: connection.tally,
            before: Tally::default(),
            read_bytes: connection.read_bytes,
            written_bytes: connection.written_bytes,
            is_new: true,
        };
        table.note(&contact, connection.last);
        table.roll(seconds(at, connection.since));
        let client = table.rows().into_iter().next().map(|(key, row)| {
            let client = Client { connections: 1, first_seen: rfc3339(connection.since), ..Client::of(&key, row, at) };
            *connected.entry(key).or_default() += 1;
            client
        });
        let silent = || Client {
            connections: 1,
            first_seen: rfc3339(connection.since),
            last_seen: rfc3339(connection.last),
            idle_seconds: seconds(at, connection.last),
            ..Client::default()
        };
        Connection { address: connection.peer.to_string(), node_id: connection.node_id, client: client.unwrap_or_else(silent) }
    }
}

impl Judged {
    fn of(judgement: Judgement, at: Millis) -> Self {
        let reason = |reason: clients::Reason| Reason {
            text: reason.text,
            api: reason.used.map(|(api_key, _)| api::name(api_key).to_owned()),
            version: reason.used.map(|(_, version)| version),
            taken: reason.taken.map(|range| [range.min, range.max]),
            last_seen: rfc3339(reason.last),
            seen_seconds_ago: seconds(at, reason.last),
        };
        let library = |Likely { library, version, inferred }: Likely| Library {
            name: library.name.to_owned(),
            version,
            inferred,
            advice: library.advice.to_owned(),
            source: library.source.to_owned(),
        };
        Judged { verdict: judgement.verdict, reasons: judgement.reasons.into_iter().map(reason).collect(), library: judgement.likely.map(library) }
    }
}

fn software(key: &Key, row: &Row) -> Option<Software> {
    match &key.software {
        Some(said) => Some(Software { name: said.name.to_string(), version: Some(said.version.to_string()), inferred: false }),
        None => likely(key, row).map(|likely| Software { name: likely.library.name.to_owned(), version: likely.version, inferred: true }),
    }
}

fn api_versions(row: &Row) -> BTreeMap<String, ApiUse> {
    let mut all: BTreeMap<String, ApiUse> = BTreeMap::new();
    for used in &row.uses {
        let name = if api::Api::of(used.api_key).is_some() { api::name(used.api_key).to_owned() } else { format!("key {}", used.api_key) };
        let range = all.entry(name).or_insert(ApiUse { lowest: used.version, highest: used.version });
        *range = ApiUse { lowest: range.lowest.min(used.version), highest: range.highest.max(used.version) };
    }
    all
}

fn named(names: &[&str], bits: u8) -> Vec<String> {
    names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| (*name).to_owned()).collect()
}

/// Zero where the clock was set back.
fn seconds(at: Millis, from: Millis) -> f64 {
    at.saturating_sub(from) as f64 / 1000.0
}
