//! Requests that a broker has read and not answered yet.

use bytes::Bytes;
use kafka_protocol::messages::{FetchRequest, OffsetCommitRequest, ProduceResponse};

use super::image::Tp;
use super::time::Time;

/// A client's connection, as the driver names it; never used twice.
pub type ConnectionId = u64;

/// Names a request that waits.
pub type PendingId = u64;

/// Where an answer goes, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub connection: ConnectionId,
    pub correlation_id: i32,
    pub key: i16,
    pub version: i16,
}

/// A request that waits.
#[derive(Debug)]
pub enum Pending {
    Produce(PendingProduce),
    Fetch(Box<PendingFetch>),
    /// An OffsetCommit whose record waits for its replicas.
    Commit {
        reply: Reply,
        request: Box<OffsetCommitRequest>,
    },
}

/// A Produce with acks=-1 whose batches wait for their replicas.
#[derive(Debug)]
pub struct PendingProduce {
    pub reply: Reply,
    /// Success is written already where a batch waits; an error replaces it.
    pub response: ProduceResponse,
    /// What each slot is about, with its place (topic, partition) in the response, and whether it still waits.
    pub slots: Vec<Slot>,
}

/// One batch that waits.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub tp: Tp,
    pub at: (usize, usize),
    pub waiting: bool,
}

/// A consumer's Fetch that waits for enough bytes.
#[derive(Debug)]
pub struct PendingFetch {
    pub reply: Reply,
    pub request: FetchRequest,
    pub tps: Vec<Tp>,
    pub deadline: Time,
}

/// What waits for a high watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    Produce {
        pending: PendingId,
        slot: usize,
    },
    Commit {
        pending: PendingId,
    },
    /// The group's state of this generation is stored: its members may have their assignments.
    Assignment {
        group: String,
        generation: i32,
    },
}

/// What the model wants its driver to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this frame, its length in front; then read the next request.
    Respond {
        connection: ConnectionId,
        frame: Bytes,
    },
    /// Nothing is to be sent (acks=0); read the next request.
    NoResponse {
        connection: ConnectionId,
    },
    Close {
        connection: ConnectionId,
    },
    /// The broker accepts connections from now on.
    Listen {
        node: i32,
    },
    /// The broker refuses connections from now on.
    Unlisten {
        node: i32,
    },
}
