//! A member of a classic consumer group: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, OffsetFetch, OffsetCommit, LeaveGroup.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::fetcher::{self, Positions};
use super::{Lane, RETRY_BACKOFF};
use crate::demo::book::MemberPage;
use crate::demo::client::{ClientError, Connection, check_code, topic_name};
use crate::demo::load::PARTITIONS;
use crate::wire::{Cursor, WireError};

/// `session.timeout.ms`.
const SESSION_TIMEOUT_MS: i32 = 10_000;
/// How long a rebalance waits for members (`max.poll.interval.ms`).
const REBALANCE_TIMEOUT_MS: i32 = 10_000;
/// Between two heartbeats: a rebalance is heard of so soon.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Heartbeats between two commits.
const COMMIT_EVERY: u32 = 2;
const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;
/// The coordinator loads, is not known yet, or is another one: what a group meets when it is young or its broker goes.
const COORDINATOR: [i16; 3] = [14, 15, 16];
/// SyncGroup says which protocol it means from this version on.
const SYNC_PROTOCOL_VERSION: i16 = 5;

/// Is a member until `leave`, then commits and leaves.
pub(super) async fn run(lane: Arc<Lane>, index: usize, leave: CancellationToken) {
    let mut member =
        Member { lane, index, id: StrBytes::default(), generation: -1, partitions: Vec::new(), positions: Positions::default(), has_committed: false };
    while !leave.is_cancelled() {
        match member.be_one(&leave).await {
            Ok(()) => {}
            // A group that is young has to find its coordinator: that is no error of anybody's.
            Err(error) if member.generation < 0 && error.code().is_some_and(|code| COORDINATOR.contains(&code)) => {}
            Err(error) => member.lane.book.group_error(error.label()),
        }
        member.show(false);
        tokio::select! {
            () = sleep(RETRY_BACKOFF) => {}
            () = leave.cancelled() => {}
        }
    }
}

struct Member {
    lane: Arc<Lane>,
    index: usize,
    id: StrBytes,
    generation: i32,
    partitions: Vec<i32>,
    positions: Positions,
    /// In this generation.
    has_committed: bool,
}

impl Member {
    /// Finds the coordinator, joins, and stays until told to leave or until something goes wrong.
    async fn be_one(&mut self, leave: &CancellationToken) -> Result<(), ClientError> {
        let client_id = format!("demo-{}", self.lane.side.group());
        let address = self.find_coordinator(&client_id).await?;
        let mut connection = Connection::open(address, &client_id).await?;
        loop {
            let joined = tokio::select! {
                // A join may wait for the other member; whoever leaves meanwhile just goes.
                joined = self.join(&mut connection) => joined,
                () = leave.cancelled() => return Ok(()),
            };
            let outcome = match joined {
                Ok(()) => self.stay(&mut connection, leave).await,
                Err(error) => Err(error),
            };
            self.show(false);
            match outcome {
                // Another member came or went: join again, as the same member. That is how groups work, and no error.
                Err(error) if error.code() == Some(REBALANCE_IN_PROGRESS) => {}
                other => return other,
            }
        }
    }

    async fn find_coordinator(&self, client_id: &str) -> Result<SocketAddr, ClientError> {
        let request = FindCoordinatorRequest::default().with_key(self.text()).with_key_type(0);
        let answer = self.lane.connect(client_id).await?.ask(&request).await?;
        check_code("FindCoordinator", answer.error_code)?;
        let host = answer.host.as_str().parse().map_err(|_| WireError::BadValue { what: "the coordinator's host", offset: 0 })?;
        Ok(SocketAddr::new(host, u16::try_from(answer.port).map_err(|_| WireError::BadValue { what: "the coordinator's port", offset: 0 })?))
    }

    async fn join(&mut self, connection: &mut Connection) -> Result<(), ClientError> {
        let joined = loop {
            let protocol = JoinGroupRequestProtocol::default().with_name(ASSIGNOR.into()).with_metadata(self.subscription()?);
            let request = JoinGroupRequest::default().with_group_id(self.group()).with_member_id(self.id.clone()).with_protocol_type(PROTOCOL_TYPE.into());
            let request = request.with_session_timeout_ms(SESSION_TIMEOUT_MS).with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS).with_protocols(vec![protocol]);
            let answer = connection.ask(&request).await?;
            if answer.error_code == MEMBER_ID_REQUIRED && self.id.is_empty() {
                self.id = answer.member_id;
                continue;
            }
            if let Err(error) = check_code("JoinGroup", answer.error_code) {
                // Whatever it was, the next attempt begins as a new member.
                self.id = StrBytes::default();
                return Err(error);
            }
            break answer;
        };
        self.id = joined.member_id.clone();
        self.generation = joined.generation_id;
        self.sync(connection, &joined).await
    }

    async fn sync(&mut self, connection: &mut Connection, joined: &JoinGroupResponse) -> Result<(), ClientError> {
        let mut request = SyncGroupRequest::default().with_group_id(self.group()).with_generation_id(self.generation).with_member_id(self.id.clone());
        if connection.version(14)? >= SYNC_PROTOCOL_VERSION {
            request = request.with_protocol_type(Some(PROTOCOL_TYPE.into())).with_protocol_name(Some(ASSIGNOR.into()));
        }
        if joined.leader == joined.member_id {
            let mut pages = self.lane.book.pages();
            pages.group.generations += 1;
            drop(pages);
            let mut ids: Vec<_> = joined.members.iter().map(|member| member.member_id.clone()).collect();
            ids.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            let mut assignments = Vec::new();
            for (place, id) in ids.iter().enumerate() {
                let assignment = self.assignment(&share_of(place, ids.len()))?;
                assignments.push(SyncGroupRequestAssignment::default().with_member_id(id.clone()).with_assignment(assignment));
            }
            request = request.with_assignments(assignments);
        }
        let answer = connection.ask(&request).await?;
        check_code("SyncGroup", answer.error_code)?;
        self.partitions = assigned(&answer.assignment, self.lane.topic())?;
        Ok(())
    }

    /// Reads what is assigned, shows that it lives, and commits.
    async fn stay(&mut self, connection: &mut Connection, leave: &CancellationToken) -> Result<(), ClientError> {
        let offsets = self.committed(connection).await?;
        self.positions = Positions::default();
        self.has_committed = false;
        // Aborted when dropped: nothing is read for a partition that may be another's.
        let mut fetchers = JoinSet::new();
        for (&partition, &offset) in &offsets {
            fetchers.spawn(fetcher::run(Arc::clone(&self.lane), partition, offset.max(0), Arc::clone(&self.positions)));
        }
        self.show(true);
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats: u32 = 0;
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = leave.cancelled() => {
                    fetchers.shutdown().await;
                    self.commit(connection).await?;
                    return self.leave(connection).await;
                }
            }
            let request = HeartbeatRequest::default().with_group_id(self.group()).with_generation_id(self.generation).with_member_id(self.id.clone());
            let alive = check_code("Heartbeat", connection.ask(&request).await?.error_code);
            if alive.is_err() {
                fetchers.shutdown().await;
            }
            beats += 1;
            if alive.is_err() || beats.is_multiple_of(COMMIT_EVERY) {
                self.commit(connection).await?;
            }
            alive?;
        }
    }

    async fn committed(&self, connection: &mut Connection) -> Result<BTreeMap<i32, i64>, ClientError> {
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name(self.lane.topic())).with_partition_indexes(self.partitions.clone());
        let answer = connection.ask(&OffsetFetchRequest::default().with_group_id(self.group()).with_topics(Some(vec![topic]))).await?;
        check_code("OffsetFetch", answer.error_code)?;
        let mut offsets = BTreeMap::new();
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            check_code("OffsetFetch", partition.error_code)?;
            offsets.insert(partition.partition_index, partition.committed_offset);
        }
        Ok(offsets)
    }

    async fn commit(&mut self, connection: &mut Connection) -> Result<(), ClientError> {
        let positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if positions.is_empty() {
            return Ok(());
        }
        let at = |(partition, offset)| OffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default().with_name(topic_name(self.lane.topic())).with_partitions(positions.into_iter().map(at).collect());
        let request = OffsetCommitRequest::default().with_group_id(self.group()).with_generation_id_or_member_epoch(self.generation);
        let answer = connection.ask(&request.with_member_id(self.id.clone()).with_topics(vec![topic])).await?;
        answer.topics.iter().flat_map(|topic| &topic.partitions).try_for_each(|partition| check_code("OffsetCommit", partition.error_code))?;
        self.lane.book.pages().group.commits += 1;
        if !self.has_committed {
            self.has_committed = true;
            self.show(true);
        }
        Ok(())
    }

    async fn leave(&self, connection: &mut Connection) -> Result<(), ClientError> {
        let answer = connection.ask(&LeaveGroupRequest::default().with_group_id(self.group()).with_member_id(self.id.clone())).await?;
        check_code("LeaveGroup", answer.error_code)
    }

    fn show(&self, joined: bool) {
        let partitions = if joined { self.partitions.clone() } else { Vec::new() };
        self.lane.book.member(self.index, MemberPage { partitions, joined, committed: joined && self.has_committed });
        self.lane.book.read.notify_waiters();
    }

    fn subscription(&self) -> Result<Bytes, ClientError> {
        with_version(&ConsumerProtocolSubscription::default().with_topics(vec![self.lane.topic().into()]))
    }

    fn assignment(&self, partitions: &[i32]) -> Result<Bytes, ClientError> {
        let mine = TopicPartition::default().with_topic(topic_name(self.lane.topic())).with_partitions(partitions.to_vec());
        with_version(&ConsumerProtocolAssignment::default().with_assigned_partitions(vec![mine]))
    }

    fn text(&self) -> StrBytes {
        self.lane.side.group().into()
    }

    fn group(&self) -> GroupId {
        GroupId(self.text())
    }
}

/// The partitions of the member at `place` among `members`: as `RangeAssignor` gives them.
fn share_of(place: usize, members: usize) -> Vec<i32> {
    let all: Vec<i32> = (0..PARTITIONS).collect();
    let (each, more) = (all.len() / members.max(1), all.len() % members.max(1));
    let from = place * each + place.min(more);
    all.into_iter().skip(from).take(each + usize::from(place < more)).collect()
}

/// What members tell each other begins with its version; 0 is understood by all.
fn with_version(message: &impl Encodable) -> Result<Bytes, ClientError> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    message.encode(&mut bytes, 0).map_err(|error| ClientError::Codec { what: "a consumer's metadata", cause: error.to_string() })?;
    Ok(bytes.freeze())
}

/// The partitions of `topic` in an assignment (`ConsumerProtocolAssignment.json`), read by hand because it comes from a peer; empty for a member without any.
fn assigned(assignment: &Bytes, topic: &str) -> Result<Vec<i32>, WireError> {
    if !assignment.has_remaining() {
        return Ok(Vec::new());
    }
    let mut cursor = Cursor::new(assignment);
    cursor.i16()?;
    let mut partitions = Vec::new();
    for _ in 0..cursor.array_count(false)?.unwrap_or(0) {
        let is_mine = cursor.string(false)? == topic;
        for _ in 0..cursor.array_count(false)?.unwrap_or(0) {
            let partition = cursor.i32()?;
            if is_mine {
                partitions.push(partition);
            }
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_shared_out_once_each() {
        for members in 1..6 {
            let all: Vec<i32> = (0..members).flat_map(|place| share_of(place, members)).collect();
            assert_eq!(all, (0..PARTITIONS).collect::<Vec<_>>(), "{members}");
        }
        assert_eq!((share_of(0, 2), share_of(1, 2)), (vec![0, 1], vec![2]));
    }

    #[test]
    fn an_assignment_is_read_as_it_is_written() {
        let of = |topic: &str| TopicPartition::default().with_topic(topic_name(topic)).with_partitions(vec![2, 0]);
        let bytes = with_version(&ConsumerProtocolAssignment::default().with_assigned_partitions(vec![of("other"), of("mine")])).unwrap();
        assert_eq!(assigned(&bytes, "mine").unwrap(), [2, 0]);
        assert_eq!(assigned(&Bytes::new(), "mine").unwrap(), [0_i32; 0]);
        for cut in 1..bytes.len() - 4 {
            assert!(assigned(&bytes.slice(..cut), "mine").is_err(), "{cut}");
        }
    }
}
