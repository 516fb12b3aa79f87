//! What stands on a line.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::asked::Shown;
use super::contents::{TapFrame, TapRecord, frames, records};
use crate::guard::HoldEnd;
use crate::protocol::digest::{Digest, NamedPartition, NamedTopic};
use crate::tap::{Guarding, Standing, Told};
use crate::telemetry::error_name;
use crate::wire::api;

/// One line of the stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TapLine {
    Request(Box<TapRequest>),
    Standing(TapStanding),
    /// The last line, when the stream ends for a reason of Leeward's.
    End(TapEnd),
}

/// Why a stream ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TapEnd {
    pub reason: String,
}

/// What the stream has told since it began, and what not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapStanding {
    /// Requests of the clients and APIs that were asked for, before sampling.
    pub passed: u64,
    pub told: u64,
    /// All that was left out: the three below.
    pub left_out: u64,
    /// More in a second than were asked for.
    pub too_fast: u64,
    /// The stream was not read fast enough.
    pub not_read: u64,
    /// Too much is kept for all streams.
    pub no_memory: u64,
}

/// One request with its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TapRequest {
    /// When its answer went to the client. RFC 3339.
    pub at: String,
    /// Address and port of the client.
    pub peer: String,
    /// The address of Leeward's that it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    pub client_id: String,
    /// The broker whose virtual broker it came to; none with the bootstrap endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<i32>,
    /// The broker that the connection's requests go to now, apart from what is sent elsewhere; none: not known, or away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<i32>,
    pub api: String,
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Of the whole frame.
    pub request_bytes: usize,
    /// None: there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<usize>,
    /// From the request's leaving to the answer's first bytes; of a held one from its arrival on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_micros: Option<u64>,
    /// What Leeward spent before the request left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_micros: Option<u64>,
    /// From its arrival to its end.
    pub micros: u64,
    /// As the client sent it, of a Produce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acks: Option<i16>,
    /// What the request names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<TapTopic>,
    /// Partitions and topics that it names besides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What the answer names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<TapTopic>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub answered_more: usize,
    /// Error codes of the answer, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What the guard did; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<TapGuard>,
    /// Keys and values, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<TapRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_frame: Option<TapFrame>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_frame: Option<TapFrame>,
    /// answered, unanswered (acks=0), swallowed (acks=0 that was raised: the answer is Leeward's), abandoned (the connection ended before).
    pub end: String,
}

/// A topic that a request or an answer names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapTopic {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<TapPartition>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapPartition {
    pub partition: i32,
    /// Bytes of its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Records, where their format says how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the guard did with one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapGuard {
    pub held: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_micros: Option<u64>,
    /// resent, answered (with an error, its time was over) or abandoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_end: Option<String>,
    /// How often it, or a part of it, was sent again.
    pub resent: u32,
    /// Errors that the client does not see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absorbed: Vec<String>,
    /// Lost connections that it does not see.
    pub losses: u32,
    pub acks_raised: bool,
    /// Batches that got a producer id.
    pub numbered: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_numbered: Option<String>,
    /// Batches sent again that were in the log already.
    pub duplicates_dropped: u32,
    /// Errors that the guard could not keep from the client, or made itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<String>,
}

impl TapStanding {
    pub(super) fn of(standing: Standing) -> Self {
        let Standing { passed, told, too_fast, not_taken, no_memory } = standing;
        TapStanding { passed, told, left_out: standing.left_out(), too_fast, not_read: not_taken, no_memory }
    }
}

impl TapRequest {
    pub(super) fn of(told: &Told, shown: Shown) -> Self {
        let (request, delivery, answer) = (&told.request, &told.delivery, told.answer.as_ref());
        let (topics, more) = topics(&request.digest);
        let [request_frame, response_frame] = if shown.frames { frames(told, shown.permitted) } else { [None, None] };
        let (answered, answered_more) = answer.map(|answer| self::topics(&answer.digest)).unwrap_or_default();
        TapRequest {
            at: rfc3339(delivery.at_micros),
            peer: delivery.peer.to_string(),
            local: delivery.local.map(|local| local.to_string()),
            client_id: request.client_id.to_string(),
            node_id: delivery.node_id,
            home: delivery.home,
            api: api::name(request.api_key).to_owned(),
            api_key: request.api_key,
            api_version: request.api_version,
            correlation_id: request.correlation_id,
            request_bytes: request.frame_bytes,
            response_bytes: answer.map(|answer| answer.frame_bytes),
            broker_micros: answer.map(|answer| answer.broker_nanos / 1000),
            own_micros: answer.map(|answer| answer.own_nanos / 1000),
            micros: told.nanos / 1000,
            acks: request.acks,
            topics,
            more,
            answered,
            answered_more,
            errors: answer.map(|answer| names(&answer.digest.errors)).unwrap_or_default(),
            guard: TapGuard::of(&told.guarding),
            records: if shown.records && shown.permitted { records(told) } else { Vec::new() },
            request_frame,
            response_frame,
            end: told.end.label().to_owned(),
        }
    }
}

impl TapGuard {
    fn of(guarding: &Guarding) -> Option<Self> {
        if *guarding == Guarding::default() {
            return None;
        }
        let end = guarding.held.map(|(_, end): (u64, HoldEnd)| end);
        Some(TapGuard {
            held: guarding.was_held(),
            held_micros: guarding.held.map(|(nanos, _)| nanos / 1000),
            hold_end: end.map(|end| end.label().to_owned()),
            resent: guarding.resent,
            absorbed: names(&guarding.absorbed),
            losses: guarding.losses,
            acks_raised: guarding.acks_raised,
            numbered: guarding.numbered,
            not_numbered: guarding.not_numbered.map(|reason| reason.label().to_owned()),
            duplicates_dropped: guarding.duplicates_dropped,
            reached: names(&guarding.reached),
        })
    }
}

fn topics(digest: &Digest) -> (Vec<TapTopic>, usize) {
    let partition = |named: &NamedPartition| TapPartition {
        partition: named.partition,
        bytes: named.record_bytes,
        records: named.records,
        error: (named.error != 0).then(|| error_name(named.error).to_owned()),
    };
    let topic = |named: &NamedTopic| TapTopic {
        name: named.name.as_deref().map(str::to_owned),
        id: named.id.map(|id| Uuid::from_bytes(id).to_string()),
        partitions: named.partitions.iter().map(partition).collect(),
    };
    (digest.topics.iter().map(topic).collect(), digest.more)
}

fn names(codes: &[i16]) -> Vec<String> {
    codes.iter().map(|code| error_name(*code).to_owned()).collect()
}

/// To the microsecond.
fn rfc3339(at_micros: u64) -> String {
    let at = i64::try_from(at_micros).ok().and_then(|at| Timestamp::from_microsecond(at).ok()).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
