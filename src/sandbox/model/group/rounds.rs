//! The rounds of a group: asking everybody to join again, beginning with those who have, answering.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};

use super::super::event::GroupTimer;
use super::{Action, Group, GroupState, Member, text};

impl Group {
    /// Asks everybody to join again.
    pub(super) fn prepare(&mut self, initial_delay: Duration, actions: &mut Vec<Action>) {
        let delay = match self.state {
            GroupState::Preparing => return,
            GroupState::Empty => initial_delay,
            GroupState::Completing | GroupState::Stable => self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default(),
        };
        self.answer_syncs(Err(ResponseError::RebalanceInProgress), actions);
        self.gathers = self.state == GroupState::Empty && !initial_delay.is_zero();
        let waits = self.state != GroupState::Empty || self.gathers;
        self.state = GroupState::Preparing;
        if waits {
            actions.push(Action::Timer(delay, GroupTimer::Rebalance { generation: self.generation }));
        }
    }

    pub(super) fn complete_if_all_joined(&mut self, actions: &mut Vec<Action>) {
        if self.state == GroupState::Preparing && !self.gathers && self.expected.is_empty() && self.members.values().all(|member| member.joining.is_some()) {
            self.complete(actions);
        }
    }

    /// The round begins with those who have joined.
    pub(super) fn complete(&mut self, actions: &mut Vec<Action>) {
        self.gathers = false;
        // A static member may be restarting: only its session's end removes it.
        self.members.retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        self.generation += 1;
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            (self.protocol, self.leader) = (None, None);
            actions.push(Action::Store);
            return;
        }
        self.state = GroupState::Completing;
        self.protocol = self.elect_protocol();
        let has_joined = |id: &String| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(has_joined) {
            self.leader = self.members.iter().filter(|(_, member)| member.joining.is_some()).min_by_key(|(_, member)| member.order).map(|(id, _)| id.clone());
        }
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in &ids {
            self.answer_join(id, actions);
            self.hear(id, actions);
        }
        let limit = self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default();
        actions.push(Action::Timer(limit, GroupTimer::Sync { generation: self.generation }));
    }

    /// Of the protocols that all members know, the one that most prefer; the first by name where votes are equal.
    fn elect_protocol(&self) -> Option<String> {
        let known_to_all = |name: &String| self.members.values().all(|member| member.protocols.iter().any(|(known, _)| known == name));
        let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known_to_all(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone())
    }

    pub(super) fn answer_join(&mut self, id: &str, actions: &mut Vec<Action>) {
        let Some(reply) = self.members.get_mut(id).and_then(|member| member.joining.take()) else {
            return;
        };
        let is_leader = self.leader.as_deref() == Some(id);
        // A leader that came back into a stable group has nothing to share out; before v9 it is told that it is not the leader.
        let skips = is_leader && self.state == GroupState::Stable;
        let lists = is_leader && (!skips || reply.version >= 9);
        let subscription = |member: &Member| member.protocols.iter().find(|(name, _)| Some(name) == self.protocol.as_ref()).map(|(_, bytes)| bytes.clone());
        let member = |(id, member): (&String, &Member)| {
            let said = JoinGroupResponseMember::default().with_member_id(text(id)).with_metadata(subscription(member).unwrap_or_default());
            said.with_group_instance_id(member.instance_id.as_deref().filter(|_| reply.version >= 5).map(text))
        };
        let members = if lists { self.members.iter().map(member).collect() } else { Vec::new() };
        let leader = if skips && reply.version < 9 { "" } else { self.leader.as_deref().unwrap_or_default() };
        let response = JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(Some(text(&self.protocol_type)).filter(|_| reply.version >= 7))
            .with_protocol_name(Some(text(self.protocol.as_deref().unwrap_or_default())))
            .with_leader(text(leader))
            .with_skip_assignment(skips && reply.version >= 9)
            .with_member_id(text(id))
            .with_members(members);
        actions.push(Action::Joined(reply, Box::new(response)));
    }

    pub(super) fn answer_syncs(&mut self, outcome: Result<(), ResponseError>, actions: &mut Vec<Action>) {
        let (kind, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in &ids {
            let Some(member) = self.members.get_mut(id) else { continue };
            let Some(reply) = member.syncing.take() else { continue };
            let response = match outcome {
                Ok(()) => {
                    let response = SyncGroupResponse::default().with_assignment(member.assignment.clone());
                    let since_5 = |string: Option<&str>| string.filter(|_| reply.version >= 5).map(text);
                    response.with_protocol_type(since_5(Some(&kind))).with_protocol_name(since_5(protocol.as_deref()))
                }
                Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
            };
            actions.push(Action::Synced(reply, Box::new(response)));
            self.hear(id, actions);
        }
    }
}
