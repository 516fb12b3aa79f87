//! The one way of a client that nobody else can log in (SCRAM, GSSAPI): its own connection. What is sent again goes there, behind what passes.
//!
//! An attempt takes a place in the ring like any request, since its answer comes in that order; what is heard then goes to the shelter, as from a detour.
//!
//! **Invariant: bound.** Nothing of such a client is sent on another connection, and none is opened for it.

use bytes::Bytes;

use super::detours::Attempt;
use super::lanes::Next;
use super::{Batch, Lane};
use crate::cluster::{Leader, Leaders, View};
use crate::guard::decide::{self, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION};
use crate::session::in_flight::{Batches, Kind, Owed};
use crate::session::{Home, Moment, Observer, Outbox, Session};

/// What becomes of the next batch of a lane that has one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnWay {
    /// As for everybody; a leader is the home's broker.
    As(Next),
    /// Another broker leads the partition, as far as anybody knows: the client must go there itself.
    Elsewhere,
}

/// Decides it. `home`: the broker at the other end, where that is known.
pub(super) fn own_way(lane: &Lane, batch: &Batch, is_first: bool, home: Option<i32>, leaders: &Leaders, view: &View, now: u64) -> OwnWay {
    let at_home = |epoch| Leader { node_id: home.unwrap_or(-1), epoch };
    let said_elsewhere = matches!(batch.last_error, NOT_LEADER_OR_FOLLOWER | UNKNOWN_TOPIC_OR_PARTITION);
    match lane.leader(&batch.partition, leaders) {
        Some(leader) if leader.node_id < 0 => OwnWay::As(lane.next(&batch.partition, is_first, leaders, view, now)),
        Some(leader) if Some(leader.node_id) == home => OwnWay::As(lane.next(&batch.partition, is_first, leaders, view, now)),
        // It is away: another will be elected, which may be the home.
        Some(leader) if home.is_some() && !view.is_healthy(leader.node_id) => OwnWay::As(Next::NoLeader),
        Some(_) if home.is_some() => OwnWay::Elsewhere,
        // Who leads, or who the home is, nobody knows: then its own word has to do.
        Some(_) | None if said_elsewhere => OwnWay::Elsewhere,
        Some(_) | None if lane.may_send(is_first, now) => OwnWay::As(Next::Send(at_home(-1))),
        Some(_) | None => OwnWay::As(Next::Wait),
    }
}

/// What the client is told of a batch that only it can bring to the leader.
///
/// With a producer id of its own the broker drops a duplicate, and this code has it look for the leader at once.
pub(super) fn told_elsewhere(batch: &Batch) -> i16 {
    if batch.has_producer_id && !batch.numbered_here { NOT_LEADER_OR_FOLLOWER } else { decide::given_up(batch.last_error, batch.was_ambiguous) }
}

impl Session {
    /// Whether the shelter may put a request on the home's connection now: it may be in the middle of one that passes, and in a login brokers take nothing else.
    pub(super) fn is_own_way_open(&self) -> bool {
        self.home == Home::Wanted && self.request_left == 0 && !self.identity.is_under_way()
    }

    /// Whether a request to this broker can leave now. `None`: any broker.
    pub(super) fn is_way_open<O>(&self, node_id: Option<i32>, moment: &Moment<'_, O>) -> bool {
        if self.identity.is_bound() {
            return self.is_own_way_open();
        }
        self.shelter.as_ref().is_none_or(|shelter| shelter.detours.shut_until(node_id, moment.now).is_none())
    }

    /// Sends an attempt on the home's connection.
    pub(super) fn send_on_own_way(&mut self, pieces: Vec<Bytes>, attempt: Attempt, now: u64, outbox: &mut Outbox) {
        let seq = self.next_seq();
        let Attempt { bytes, correlation_id, api_key, api_version, .. } = attempt;
        self.shelter_mut().at_home.push_back(attempt);
        pieces.into_iter().for_each(|piece| outbox.to_home.push(piece));
        let (kind, batches) = (Kind::Resent, Batches::None);
        self.push(Owed { seq, correlation_id, api_key, api_version, kind, batches, partitions: 0, frame_bytes: bytes, arrived: now, sent: 0 }, None);
    }

    /// The home answered an attempt. False: it does not keep to the protocol.
    pub(in crate::session) fn own_way_answered<O: Observer>(&mut self, owed: &Owed, frame: Bytes, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        self.remove(owed.seq);
        let Some(attempt) = self.shelter.as_mut().and_then(|shelter| shelter.at_home.pop_front()) else { return false };
        let home = self.home_node();
        self.attempt_answered(attempt, home, frame, moment, outbox)
    }

    /// The home is gone, and with it the oldest attempt.
    pub(super) fn own_way_lost<O: Observer>(&mut self, owed: &Owed, whole: bool, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        self.remove(owed.seq);
        if let Some(attempt) = self.shelter.as_mut().and_then(|shelter| shelter.at_home.pop_front()) {
            self.attempt_lost(attempt, whole, moment, outbox);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::TopicKey;
    use crate::cluster::leaders::{PartitionInfo, Topic};
    use crate::session::shelter::Stage;
    use crate::session::tests::view;

    fn batch(last_error: i16) -> Batch {
        let partition = (TopicKey::Name("t".into()), 0);
        let (was_ambiguous, has_producer_id, numbered_here, needs_number) = (false, false, false, false);
        Batch { partition, stage: Stage::Waiting, acks: -1, was_ambiguous, has_producer_id, numbered_here, needs_number, last_error }
    }

    fn led_by(node_id: i32) -> Leaders {
        let partition = PartitionInfo { leader: Leader { node_id, epoch: 3 }, last_leader: None, replicas: Vec::new(), isr: Vec::new() };
        let topic = Topic { partitions: [(0, partition)].into(), ..Topic::default() };
        Leaders { topics: [("t".into(), Arc::new(topic))].into(), ..Leaders::default() }
    }

    #[test]
    fn only_the_home_is_asked_again_and_a_leader_elsewhere_is_told_at_once() {
        // Node 3 is away.
        let view = view(&[(1, "b1", 1), (2, "b2", 2)]);
        let send = |node_id, epoch| OwnWay::As(Next::Send(Leader { node_id, epoch }));
        for (leaders, home, last_error, expected) in [
            (led_by(1), Some(1), 19, send(1, 3)),
            (led_by(1), Some(1), 6, send(1, 3)),
            (led_by(-1), Some(1), 6, OwnWay::As(Next::NoLeader)),
            (led_by(2), Some(1), 6, OwnWay::Elsewhere),
            (led_by(2), Some(1), 0, OwnWay::Elsewhere),
            (led_by(3), Some(1), 6, OwnWay::As(Next::NoLeader)),
            (led_by(2), None, 6, OwnWay::Elsewhere),
            (led_by(2), None, 19, send(-1, -1)),
            (Leaders::default(), Some(1), 6, OwnWay::Elsewhere),
            (Leaders::default(), Some(1), 19, send(1, -1)),
        ] {
            let batch = batch(last_error);
            let way = own_way(&Lane::default(), &batch, true, home, &leaders, &view, 1);
            assert_eq!(way, expected, "home {home:?}, error {last_error}, {:?}", leaders.leader(batch.partition.0.as_ref(), 0));
        }
    }

    #[test]
    fn what_may_be_in_the_log_is_told_as_refused_only_to_whom_the_broker_knows_again() {
        let plain = |last_error, was_ambiguous| Batch { was_ambiguous, ..batch(last_error) };
        let own = Batch { has_producer_id: true, ..plain(6, true) };
        let numbered = Batch { has_producer_id: true, numbered_here: true, ..plain(6, true) };
        let table = [(plain(0, false), 6), (plain(19, false), 19), (plain(6, false), 6), (own, 6), (numbered, 7)];
        for (batch, code) in table {
            assert_eq!(told_elsewhere(&batch), code, "{}, {}", batch.last_error, batch.was_ambiguous);
        }
    }
}
