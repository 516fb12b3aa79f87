//! JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups, DeleteGroups.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::super::Model;
use super::super::group::{Group, GroupState, Join, join_error};
use super::super::image::NodeId;
use super::super::pending::Reply;
use super::super::requests::{Answer, decode, now};
use super::text;

/// The longest session that a member may ask for (`group.max.session.timeout.ms`, 30 min). The shortest is not bounded: tests are in a hurry.
const SESSION_TIMEOUT_MAX_MS: i32 = 1_800_000;

impl Model {
    pub(super) fn join_group(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: JoinGroupRequest = decode(reply, body)?;
        let client = self.connections.get(&reply.connection)?.clone();
        let fresh_id = format!("{}-{:016x}{:016x}", client.client_id, self.rng.u64(..), self.rng.u64(..));
        let group = request.group_id.as_str().to_owned();
        let member_id = request.member_id.clone();
        let outcome = self.coordinated(node, &group).and_then(|_| {
            if !(1..=SESSION_TIMEOUT_MAX_MS).contains(&request.session_timeout_ms) {
                return Err(ResponseError::InvalidSessionTimeout);
            }
            // v0 has no rebalance timeout of its own.
            let rebalance_ms = if reply.version >= 1 { request.rebalance_timeout_ms } else { request.session_timeout_ms };
            let join = Join {
                reply,
                member_id: request.member_id.as_str().to_owned(),
                instance_id: request.group_instance_id.map(|id| id.as_str().to_owned()),
                client_id: client.client_id,
                client_host: client.host,
                session_timeout: millis(request.session_timeout_ms),
                rebalance_timeout: millis(rebalance_ms),
                protocol_type: request.protocol_type.as_str().to_owned(),
                protocols: request.protocols.into_iter().map(|protocol| (protocol.name.as_str().to_owned(), protocol.metadata)).collect(),
            };
            let delay = self.initial_rebalance_delay();
            self.with_group(node, &group, |group, actions| group.join(join, fresh_id, delay, actions)).unwrap_or(Err(ResponseError::NotCoordinator))
        });
        match outcome {
            Ok(()) => Some(Answer::Waits),
            Err(error) => now(reply, &join_error(reply, &member_id, error)),
        }
    }

    pub(super) fn sync_group(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: SyncGroupRequest = decode(reply, body)?;
        let group = request.group_id.as_str();
        let assignments = request.assignments.iter().map(|one| (one.member_id.as_str().to_owned(), one.assignment.clone())).collect();
        let outcome = self.coordinated(node, group).and_then(|_| {
            let differs = |known: Option<&str>, said: &Option<StrBytes>| said.as_ref().is_some_and(|said| known.is_some_and(|known| known != said.as_str()));
            let known = self.known_group(node, group, &request.member_id, request.group_instance_id.as_ref())?;
            if differs(Some(&known.protocol_type), &request.protocol_type) || differs(known.protocol.as_deref(), &request.protocol_name) {
                return Err(ResponseError::InconsistentGroupProtocol);
            }
            let sync = |group: &mut Group, actions: &mut Vec<_>| group.sync(reply, &request.member_id, request.generation_id, assignments, actions);
            self.with_group(node, group, sync).unwrap_or(Err(ResponseError::NotCoordinator))
        });
        match outcome {
            Ok(()) => Some(Answer::Waits),
            Err(error) => now(reply, &SyncGroupResponse::default().with_error_code(error.code())),
        }
    }

    pub(super) fn heartbeat(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: HeartbeatRequest = decode(reply, body)?;
        let group = request.group_id.as_str();
        let outcome = self.coordinated(node, group).and_then(|_| {
            self.known_group(node, group, &request.member_id, request.group_instance_id.as_ref())?;
            let beat = |group: &mut Group, actions: &mut Vec<_>| group.heartbeat(&request.member_id, request.generation_id, actions);
            self.with_group(node, group, beat).unwrap_or(Err(ResponseError::NotCoordinator))
        });
        now(reply, &HeartbeatResponse::default().with_error_code(super::code(&outcome)))
    }

    pub(super) fn leave_group(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: LeaveGroupRequest = decode(reply, body)?;
        let group = request.group_id.as_str();
        let coordinated = self.coordinated(node, group);
        let leavers = if reply.version >= 3 { request.members.clone() } else { vec![MemberIdentity::default().with_member_id(request.member_id.clone())] };
        let mut response = LeaveGroupResponse::default().with_error_code(super::code(&coordinated));
        for member in leavers {
            if coordinated.is_err() {
                break;
            }
            let instance_id = member.group_instance_id.as_ref().map(StrBytes::as_str);
            let leave = |group: &mut Group, actions: &mut Vec<_>| group.leave(&member.member_id, instance_id, actions);
            let exists = self.brokers.get(&node).is_some_and(|broker| broker.coordinator.groups.contains_key(group));
            let outcome = if exists { self.with_group(node, group, leave).unwrap_or(Ok(())) } else { Err(ResponseError::UnknownMemberId) };
            if reply.version >= 3 {
                let answer = MemberResponse::default().with_member_id(member.member_id.clone()).with_group_instance_id(member.group_instance_id.clone());
                response.members.push(answer.with_error_code(super::code(&outcome)));
            } else {
                response.error_code = super::code(&outcome);
            }
        }
        now(reply, &response)
    }

    pub(super) fn describe_groups(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DescribeGroupsRequest = decode(reply, body)?;
        let mut response = DescribeGroupsResponse::default();
        for id in &request.groups {
            let described = DescribedGroup::default().with_group_id(id.clone());
            let known = self.coordinated(node, id).map(|_| self.brokers.get(&node).and_then(|broker| broker.coordinator.groups.get(id.as_str())));
            response.groups.push(match known {
                Ok(Some(group)) => {
                    let stored = group.to_stored();
                    let member = |member: super::super::offsets_log::StoredMember| {
                        let described = DescribedGroupMember::default().with_member_id(text(&member.id)).with_client_id(text(&member.client_id));
                        let described = described.with_client_host(text(&member.client_host)).with_member_metadata(member.subscription);
                        let instance = member.instance_id.as_deref().filter(|_| reply.version >= 4).map(text);
                        described.with_member_assignment(member.assignment).with_group_instance_id(instance)
                    };
                    let protocol = stored.protocol.as_deref().unwrap_or_default();
                    let described =
                        described.with_group_state(StrBytes::from_static_str(state_name(group.state))).with_protocol_type(text(&stored.protocol_type));
                    described.with_protocol_data(text(protocol)).with_members(stored.members.into_iter().map(member).collect())
                }
                Ok(None) => described.with_group_state(StrBytes::from_static_str("Dead")),
                Err(error) => described.with_error_code(error.code()),
            });
        }
        now(reply, &response)
    }

    pub(super) fn list_groups(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: ListGroupsRequest = decode(reply, body)?;
        let groups = &self.brokers.get(&node)?.coordinator.groups;
        let wanted = |state: &str| request.states_filter.is_empty() || request.states_filter.iter().any(|filter| filter.eq_ignore_ascii_case(state));
        let listed = |(name, group): (&String, &Group)| {
            let state = state_name(group.state);
            let listed = ListedGroup::default().with_group_id(GroupId(text(name))).with_protocol_type(text(&group.protocol_type));
            wanted(state).then(|| if reply.version >= 4 { listed.with_group_state(StrBytes::from_static_str(state)) } else { listed })
        };
        now(reply, &ListGroupsResponse::default().with_groups(groups.iter().filter_map(listed).collect()))
    }

    pub(super) fn delete_groups(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: DeleteGroupsRequest = decode(reply, body)?;
        let mut response = DeleteGroupsResponse::default();
        for id in &request.groups_names {
            let outcome = self.coordinated(node, id).and_then(|tp| {
                let groups = &self.brokers.get(&node).ok_or(ResponseError::NotCoordinator)?.coordinator.groups;
                let group = groups.get(id.as_str()).ok_or(ResponseError::GroupIdNotFound)?;
                if group.state != GroupState::Empty {
                    return Err(ResponseError::NonEmptyGroup);
                }
                self.forget_group(node, tp, id)
            });
            response.results.push(DeletableGroupResult::default().with_group_id(id.clone()).with_error_code(super::code(&outcome)));
        }
        now(reply, &response)
    }

    /// The group as this broker knows it.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID when there is none; FENCED_INSTANCE_ID when another member has taken the instance's place.
    pub(super) fn known_group(&self, node: NodeId, group: &str, member_id: &StrBytes, instance_id: Option<&StrBytes>) -> Result<&Group, ResponseError> {
        let known = self.brokers.get(&node).and_then(|broker| broker.coordinator.groups.get(group)).ok_or(ResponseError::UnknownMemberId)?;
        if instance_id.is_some_and(|instance| known.is_fenced(instance, member_id)) {
            return Err(ResponseError::FencedInstanceId);
        }
        Ok(known)
    }
}

fn state_name(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::Preparing => "PreparingRebalance",
        GroupState::Completing => "CompletingRebalance",
        GroupState::Stable => "Stable",
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
