//! What comes due in the model by itself.

use bytes::Bytes;

use super::batch::StoredBatch;
use super::image::{NodeId, Tp};
use super::pending::{ConnectionId, PendingId};

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Event {
    /// A broker learns the controller's records up to this many.
    Metadata {
        node: NodeId,
        upto: usize,
    },
    /// The controller gives a silent broker up.
    SessionEnds {
        node: NodeId,
        watch: u64,
    },
    /// A step in a broker's life; void when its process is another one by then.
    Life {
        node: NodeId,
        incarnation: u64,
        step: LifeStep,
    },
    /// A follower's fetch reaches its leader.
    FetchArrives {
        leader: NodeId,
        follower: NodeId,
        tp: Tp,
        fetcher: u64,
    },
    /// A follower's empty fetch has waited long enough.
    FetchEnds {
        leader: NodeId,
        follower: NodeId,
        tp: Tp,
        fetcher: u64,
    },
    /// A leader's answer reaches its follower.
    FetchAnswered {
        follower: NodeId,
        tp: Tp,
        fetcher: u64,
        answer: ReplicaAnswer,
    },
    /// A leader's wish for another ISR reaches the controller.
    AlterIsr {
        leader: NodeId,
        tp: Tp,
        epoch: i32,
        isr: Vec<NodeId>,
    },
    /// The controller's answer to it; `None` when refused.
    IsrAltered {
        leader: NodeId,
        tp: Tp,
        epoch: i32,
        isr: Option<Vec<NodeId>>,
    },
    /// A waiting request's own limit.
    PendingEnds {
        node: NodeId,
        incarnation: u64,
        pending: PendingId,
    },
    /// An answer that took the controller's time.
    Answer {
        node: NodeId,
        incarnation: u64,
        connection: ConnectionId,
        frame: Bytes,
    },
    /// A group's timer.
    Group {
        node: NodeId,
        incarnation: u64,
        group: String,
        timer: GroupTimer,
    },
    /// A coordinator has read its partition.
    CoordinatorLoaded {
        node: NodeId,
        incarnation: u64,
        partition: i32,
        epoch: i32,
    },
    PreferredElection,
}

/// A step in a broker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LifeStep {
    Register,
    Unfence,
    Listen,
    /// The controller hears that the broker wants to stop.
    WantShutdown,
    /// Has everything moved?
    MayStop,
    Exit,
    /// Look for followers that lag.
    CheckIsr,
    ProducerIdsHere,
}

/// What a leader tells a follower.
#[derive(Debug)]
pub(super) enum ReplicaAnswer {
    Data {
        batches: Vec<StoredBatch>,
        high_watermark: i64,
        log_start: i64,
    },
    /// The logs part: this epoch ends there at the leader. -1: it knows no epoch as old as the follower's last.
    Diverging {
        epoch: i32,
        end_offset: i64,
    },
    /// What the follower asks for is no longer there.
    Gone {
        log_start: i64,
    },
    /// Not the leader, or not of that epoch; or there is no such process.
    Refused,
}

/// A group's timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GroupTimer {
    /// A member has not been heard of since this many times that it was.
    Session { member: String, heard: u64 },
    /// The time to rejoin is over.
    Rebalance { generation: i32 },
    /// Members have had their time to send an assignment.
    Sync { generation: i32 },
}

impl Event {
    /// The broker whose process this happens in; `None` for the controller.
    pub(super) fn owner(&self) -> Option<NodeId> {
        match self {
            Event::Metadata { node, .. }
            | Event::PendingEnds { node, .. }
            | Event::Answer { node, .. }
            | Event::Group { node, .. }
            | Event::CoordinatorLoaded { node, .. }
            | Event::Life { node, .. } => Some(*node),
            Event::FetchArrives { leader, .. } | Event::FetchEnds { leader, .. } | Event::IsrAltered { leader, .. } => Some(*leader),
            Event::FetchAnswered { follower, .. } => Some(*follower),
            Event::SessionEnds { .. } | Event::AlterIsr { .. } | Event::PreferredElection => None,
        }
    }
}
