//! A member of a classic consumer group: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, OffsetFetch, OffsetCommit, LeaveGroup.

mod assignment;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::consumer_protocol_assignment::{ConsumerProtocolAssignment, TopicPartition};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolSubscription, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::fetcher::{self, Positions};
use super::{Lane, RETRY_BACKOFF};
use crate::demo::book::MemberPage;
use crate::demo::client::{ClientError, Connection, REBALANCE_IN_PROGRESS, check_code, topic_name};
use crate::wire::WireError;
use assignment::{assigned, share_of, with_version};

/// `session.timeout.ms`.
const SESSION_TIMEOUT_MS: i32 = 45_000;
/// How long a rebalance waits for members (`max.poll.interval.ms`).
const REBALANCE_TIMEOUT_MS: i32 = 10_000;
/// Between two heartbeats: a rebalance is heard of so soon.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Heartbeats between two commits.
const COMMIT_EVERY: u32 = 2;
const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";
/// The coordinator has forgotten the member.
const UNKNOWN_MEMBER_ID: i16 = 25;
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
            Err(error) => member.lane.book.group_error(&error),
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
    /// Finds the coordinator, joins, and stays until told to leave or until something goes wrong that ends the membership.
    async fn be_one(&mut self, leave: &CancellationToken) -> Result<(), ClientError> {
        let mut connection = self.to_coordinator().await?;
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
                Err(error) => {
                    if error.code() == Some(UNKNOWN_MEMBER_ID) {
                        self.id = StrBytes::default();
                    }
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn to_coordinator(&self) -> Result<Connection, ClientError> {
        let client_id = format!("demo-{}", self.lane.side.group());
        let address = self.find_coordinator(&client_id).await?;
        Connection::open(address, &client_id).await
    }

    /// Gets over the loss of the coordinator or its move, as client libraries do: finds it and connects again, and is the same member still.
    ///
    /// # Errors
    /// What it was, when it was anything else.
    async fn get_over(&self, connection: &mut Connection, error: ClientError) -> Result<(), ClientError> {
        let mut error = error;
        loop {
            if !error.is_retriable() || error.code() == Some(REBALANCE_IN_PROGRESS) {
                return Err(error);
            }
            self.lane.book.group_error(&error);
            sleep(RETRY_BACKOFF).await;
            match self.to_coordinator().await {
                Ok(found) => {
                    *connection = found;
                    return Ok(());
                }
                Err(next) => error = next,
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
            check_code("JoinGroup", answer.error_code)?;
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
        let offsets = loop {
            match self.committed(connection).await {
                Ok(offsets) => break offsets,
                Err(error) => self.get_over(connection, error).await?,
            }
        };
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
                    self.commit_surely(connection).await?;
                    return self.leave(connection).await;
                }
            }
            let alive = self.heartbeat(connection).await;
            let alive = match alive {
                Err(error) if error.code() != Some(REBALANCE_IN_PROGRESS) => {
                    self.get_over(connection, error).await?;
                    continue;
                }
                other => other,
            };
            if alive.is_err() {
                fetchers.shutdown().await;
            }
            beats += 1;
            if alive.is_err() || beats.is_multiple_of(COMMIT_EVERY) {
                self.commit_surely(connection).await?;
            }
            alive?;
        }
    }

    async fn heartbeat(&self, connection: &mut Connection) -> Result<(), ClientError> {
        let request = HeartbeatRequest::default().with_group_id(self.group()).with_generation_id(self.generation).with_member_id(self.id.clone());
        check_code("Heartbeat", connection.ask(&request).await?.error_code)
    }

    /// Commits, wherever the coordinator goes meanwhile.
    async fn commit_surely(&mut self, connection: &mut Connection) -> Result<(), ClientError> {
        while let Err(error) = self.commit(connection).await {
            self.get_over(connection, error).await?;
        }
        Ok(())
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
