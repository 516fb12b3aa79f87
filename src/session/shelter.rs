//! What a session keeps while brokers are away: requests that are held, sent again and sent elsewhere, until their answers can be given.
//!
//! The ring of the session stays the order of answers: a request that comes here leaves [`Kind::Sheltered`] in its place there, and its answer takes that
//! place. A [`Call`] is one such request. Produce goes by [`lanes`], one for each partition in trouble; what belongs to a group or a transaction goes by
//! [`groups`], one for each coordinator; everything else is an errand of its own ([`errands`]). All of them travel on [`detours`],
//! or, for a client that nobody else can log in, on the home's connection ([`own_way`]).
//!
//! **Invariant: order.** A lane sends its batches in the order in which the client did, on one connection at a time, and nothing of its partition goes by the
//! home upstream meanwhile.
//!
//! **Invariant: no duplicate.** What may be in a log is sent again only under a producer id ([`crate::guard::decide`]).
//!
//! **Invariant: a hold ends.** Every call has a deadline, and the client's leaving ends it at once.
//!
//! [`Kind::Sheltered`]: super::in_flight::Kind

pub(super) mod admit;
pub(super) mod detours;
pub(super) mod errands;
pub(super) mod farewell;
pub(super) mod groups;
pub(super) mod home;
pub(super) mod lanes;
mod outcome;
pub(super) mod own_way;
pub(super) mod pump;
mod search;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::pace::Pace;
use crate::cluster::TopicKey;
use crate::protocol::produce::{Layout, PartitionResult};
use detours::{Attempt, Detours};
use groups::{Group, GroupKey};
use lanes::Lane;

/// A partition as requests name it.
pub(super) type Partition = (TopicKey, i32);

/// Everything of a session that is not on its plain way.
pub(super) struct Shelter {
    /// By their `seq`: the order of arrival.
    pub(super) calls: BTreeMap<u64, Call>,
    pub(super) lanes: HashMap<Partition, Lane>,
    pub(super) groups: HashMap<GroupKey, Group>,
    pub(super) detours: Detours,
    /// Attempts on the home's own connection, in the order of their answers ([`own_way`]).
    at_home: VecDeque<Attempt>,
    pub(super) pace: Pace,
}

impl Shelter {
    pub(super) fn new(seed: u64) -> Self {
        let (calls, lanes, groups) = (BTreeMap::new(), HashMap::new(), HashMap::new());
        Shelter { calls, lanes, groups, detours: Detours::default(), at_home: VecDeque::new(), pace: Pace::new(seed) }
    }

    /// Nothing is kept: the session can go on without it.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.lanes.is_empty() && self.groups.is_empty() && self.detours.is_empty() && self.at_home.is_empty()
    }
}

/// One request that is sheltered.
pub(super) struct Call {
    /// As it came, or with `acks` and producer ids written into it.
    pub(super) frame: Bytes,
    pub(super) correlation_id: i32,
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) arrived: u64,
    pub(super) deadline: u64,
    /// The client waits for an answer (not so with acks=0).
    pub(super) is_owed: bool,
    /// As in its entry of the ring, where it has one.
    pub(super) partitions: u64,
    /// Since when it is held; `None`: it only goes another way.
    pub(super) held_since: Option<u64>,
    /// At least a part of it got no answer of a broker.
    pub(super) was_given_up: bool,
    /// Its answer was given; it stays only until what is on its way has come back.
    pub(super) is_answered: bool,
    /// Of its parts, those that are on their way.
    pub(super) outstanding: usize,
    pub(super) job: Job,
}

/// What there is to do for a call.
pub(super) enum Job {
    Produce(Produce),
    Errand(errands::Errand),
}

/// A Produce, taken apart.
pub(super) struct Produce {
    pub(super) layout: Layout,
    pub(super) throttle_ms: i32,
    /// In the order of the request.
    pub(super) batches: Vec<Batch>,
}

/// One partition's batch of a sheltered Produce.
pub(super) struct Batch {
    pub(super) partition: Partition,
    pub(super) stage: Stage,
    /// With which a detour gets it: 1 for the client's 0, so that it is answered.
    pub(super) acks: i16,
    pub(super) was_ambiguous: bool,
    pub(super) has_producer_id: bool,
    pub(super) numbered_here: bool,
    /// It gets a producer id before it is sent.
    pub(super) needs_number: bool,
    /// What a broker said last.
    pub(super) last_error: i16,
}

/// Where a batch stands.
///
/// ```text
/// Waiting ──sent──▶ Sent ──answered──▶ Done
///    ▲               │                  ▲
///    └──to be resent─┘   Waiting ──given up
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Sent,
    Done(PartitionResult),
}
