//! One classic group: its members and the rounds in which they share out the work (`ClassicGroup`, `GroupCoordinator.scala`). Pure even of the model: what is
//! to be said and planned comes out as [`Action`]s.

mod rounds;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::event::GroupTimer;
use super::groups::JOIN_GROUP;
use super::offsets_log::{Committed, StoredGroup, StoredMember};
use super::pending::Reply;

/// Where a group is in its rounds.
///
/// ```text
/// Empty -> Preparing (somebody joins) -> Completing (all have joined, or their time is over) -> Stable (the leader's assignment is stored)
/// Stable, Completing -> Preparing (somebody joins, leaves, or falls silent);  Preparing -> Empty (nobody is left)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum GroupState {
    #[default]
    Empty,
    Preparing,
    Completing,
    Stable,
}

/// One group.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: String,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) offsets: BTreeMap<(String, i32), Committed>,
    /// Ids given out with MEMBER_ID_REQUIRED, not used yet.
    expected: BTreeSet<String>,
    /// The first round waits for more members until its timer comes.
    gathers: bool,
    joins: u64,
}

/// One member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    /// In order of preference.
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    joining: Option<Reply>,
    syncing: Option<Reply>,
    /// How often it has been heard of; a timer of an earlier time is void.
    heard: u64,
    order: u64,
}

/// A wish to join, as the request says it.
#[derive(Debug, Clone)]
pub(super) struct Join {
    pub(super) reply: Reply,
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocol_type: String,
    pub(super) protocols: Vec<(String, Bytes)>,
}

/// What a group wants done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Joined(Reply, Box<JoinGroupResponse>),
    Synced(Reply, Box<SyncGroupResponse>),
    Timer(Duration, GroupTimer),
    /// Write the group into the offsets topic; [`Group::stored`] when it is there.
    Store,
}

impl Group {
    /// A member wants to join. `fresh_id` is an id for it if it has none; the first round of an empty group waits `initial_delay` for more.
    ///
    /// # Errors
    /// MEMBER_ID_REQUIRED comes with the id in [`Action::Joined`], not as an error here.
    pub(super) fn join(&mut self, mut join: Join, fresh_id: String, initial_delay: Duration, actions: &mut Vec<Action>) -> Result<(), ResponseError> {
        if join.protocols.is_empty() || !self.shares_protocol(&join) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        let holder = join.instance_id.as_ref().and_then(|instance| self.holder(instance));
        if join.member_id.is_empty() {
            join.member_id = fresh_id;
            match holder {
                Some(old) => return self.replace_static(&old, join, actions),
                None if join.instance_id.is_none() && join.reply.version >= 4 => {
                    self.expected.insert(join.member_id.clone());
                    actions.push(Action::Timer(join.session_timeout, GroupTimer::Session { member: join.member_id.clone(), heard: 0 }));
                    actions.push(Action::Joined(join.reply, Box::new(refused(&join, ResponseError::MemberIdRequired))));
                    return Ok(());
                }
                None => {}
            }
        } else if holder.is_some_and(|holder| holder != join.member_id) {
            return Err(ResponseError::FencedInstanceId);
        } else if !self.expected.remove(&join.member_id) && !self.members.contains_key(&join.member_id) {
            return Err(ResponseError::UnknownMemberId);
        }
        let id = join.member_id.clone();
        let known = self.members.get(&id);
        let changed = known.is_none_or(|member| member.protocols != join.protocols);
        let begins_round = match self.state {
            GroupState::Empty | GroupState::Preparing => true,
            GroupState::Completing => changed,
            GroupState::Stable => changed || self.leader.as_ref() == Some(&id),
        };
        self.protocol_type.clone_from(&join.protocol_type);
        self.put_member(&id, &join);
        self.hear(&id, actions);
        if begins_round {
            self.prepare(initial_delay, actions);
            self.complete_if_all_joined(actions);
        } else {
            self.answer_join(&id, actions);
        }
        Ok(())
    }

    /// A member asks for its assignment; the leader brings everybody's.
    ///
    /// # Errors
    /// As SyncGroup's own; `Ok` where the answer comes now or later as an action.
    pub(super) fn sync(
        &mut self,
        reply: Reply,
        member_id: &str,
        generation: i32,
        assignments: Vec<(String, Bytes)>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ResponseError> {
        self.check(member_id, generation)?;
        match self.state {
            GroupState::Empty => return Err(ResponseError::UnknownMemberId),
            GroupState::Preparing => return Err(ResponseError::RebalanceInProgress),
            GroupState::Completing | GroupState::Stable => {}
        }
        self.hear(member_id, actions);
        if let Some(member) = self.members.get_mut(member_id) {
            member.syncing = Some(reply);
        }
        if self.state == GroupState::Stable {
            self.answer_syncs(Ok(()), actions);
        } else if self.leader.as_deref() == Some(member_id) {
            for (id, assignment) in assignments {
                if let Some(member) = self.members.get_mut(&id) {
                    member.assignment = assignment;
                }
            }
            actions.push(Action::Store);
        }
        Ok(())
    }

    /// The assignment of this generation is stored, or could not be.
    pub(super) fn stored(&mut self, generation: i32, outcome: Result<(), ResponseError>, actions: &mut Vec<Action>) {
        if (self.state, self.generation) != (GroupState::Completing, generation) {
            return;
        }
        match outcome {
            Ok(()) => {
                self.state = GroupState::Stable;
                self.answer_syncs(Ok(()), actions);
            }
            Err(error) => {
                self.members.values_mut().for_each(|member| member.assignment = Bytes::new());
                self.answer_syncs(Err(error), actions);
                self.prepare(Duration::ZERO, actions);
            }
        }
    }

    /// # Errors
    /// UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, or REBALANCE_IN_PROGRESS, which asks the member to join again.
    pub(super) fn heartbeat(&mut self, member_id: &str, generation: i32, actions: &mut Vec<Action>) -> Result<(), ResponseError> {
        self.check(member_id, generation)?;
        self.hear(member_id, actions);
        match self.state {
            GroupState::Empty => Err(ResponseError::UnknownMemberId),
            GroupState::Preparing => Err(ResponseError::RebalanceInProgress),
            GroupState::Completing | GroupState::Stable => Ok(()),
        }
    }

    /// # Errors
    /// UNKNOWN_MEMBER_ID.
    pub(super) fn leave(&mut self, member_id: &str, instance_id: Option<&str>, actions: &mut Vec<Action>) -> Result<(), ResponseError> {
        let id = match instance_id.and_then(|instance| self.holder(instance)) {
            Some(holder) if !member_id.is_empty() && holder != member_id => return Err(ResponseError::FencedInstanceId),
            Some(holder) => holder,
            None => member_id.to_owned(),
        };
        if self.expected.remove(&id) {
            self.complete_if_all_joined(actions);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id, actions);
        Ok(())
    }

    pub(super) fn timer(&mut self, timer: GroupTimer, actions: &mut Vec<Action>) {
        match timer {
            GroupTimer::Session { member, heard } => {
                if heard == 0 && self.expected.remove(&member) {
                    self.complete_if_all_joined(actions);
                }
                // A member whose answer we owe cannot send heartbeats.
                let silent = self.members.get(&member).is_some_and(|known| known.heard == heard && known.joining.is_none() && known.syncing.is_none());
                if silent {
                    self.remove(&member, actions);
                }
            }
            GroupTimer::Rebalance { generation } if (self.state, self.generation) == (GroupState::Preparing, generation) => self.complete(actions),
            GroupTimer::Sync { generation } if (self.state, self.generation) == (GroupState::Completing, generation) => {
                self.members.retain(|_, member| member.syncing.is_some());
                self.prepare(Duration::ZERO, actions);
                self.complete_if_all_joined(actions);
            }
            GroupTimer::Rebalance { .. } | GroupTimer::Sync { .. } => {}
        }
    }

    /// Whether a commit of this member and generation may be written (-1: a consumer that is not a member).
    pub(super) fn may_commit(&self, member_id: &str, generation: i32) -> Result<(), ResponseError> {
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        self.check(member_id, generation)?;
        if self.state == GroupState::Completing { Err(ResponseError::RebalanceInProgress) } else { Ok(()) }
    }

    /// Whether an instance id belongs to another member by now.
    pub(super) fn is_fenced(&self, instance_id: &str, member_id: &str) -> bool {
        self.holder(instance_id).is_some_and(|holder| holder != member_id)
    }

    /// The coordinator goes: whoever waits is told where it is not.
    pub(super) fn resign(&mut self, actions: &mut Vec<Action>) {
        for (id, member) in &mut self.members {
            if let Some(reply) = member.joining.take() {
                actions.push(Action::Joined(reply, Box::new(join_error(reply, id, ResponseError::NotCoordinator))));
            }
            if let Some(reply) = member.syncing.take() {
                actions.push(Action::Synced(reply, Box::new(SyncGroupResponse::default().with_error_code(ResponseError::NotCoordinator.code()))));
            }
        }
    }

    pub(super) fn to_stored(&self) -> StoredGroup {
        let chosen =
            |member: &Member| member.protocols.iter().find(|(name, _)| Some(name) == self.protocol.as_ref()).map(|(_, subscription)| subscription.clone());
        let member = |(id, member): (&String, &Member)| StoredMember {
            id: id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: member.rebalance_timeout.as_millis() as i32,
            session_timeout_ms: member.session_timeout.as_millis() as i32,
            subscription: chosen(member).unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        let members = self.members.iter().map(member).collect();
        StoredGroup {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members,
        }
    }

    /// Takes over what another coordinator stored; its members have their session from now on.
    pub(super) fn restore(&mut self, stored: StoredGroup, actions: &mut Vec<Action>) {
        self.state = if stored.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        self.generation = stored.generation;
        self.protocol_type = stored.protocol_type;
        self.leader = stored.leader;
        self.members.clear();
        for one in stored.members {
            let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            self.joins += 1;
            let member = Member {
                instance_id: one.instance_id,
                client_id: one.client_id,
                client_host: one.client_host,
                session_timeout: millis(one.session_timeout_ms),
                rebalance_timeout: millis(one.rebalance_timeout_ms),
                protocols: vec![(stored.protocol.clone().unwrap_or_default(), one.subscription)],
                assignment: one.assignment,
                joining: None,
                syncing: None,
                heard: 0,
                order: self.joins,
            };
            self.members.insert(one.id.clone(), member);
            self.hear(&one.id, actions);
        }
        self.protocol = stored.protocol;
    }

    fn check(&self, member_id: &str, generation: i32) -> Result<(), ResponseError> {
        if !self.members.contains_key(member_id) {
            return Err(ResponseError::UnknownMemberId);
        }
        if generation == self.generation { Ok(()) } else { Err(ResponseError::IllegalGeneration) }
    }

    fn holder(&self, instance_id: &str) -> Option<String> {
        self.members.iter().find(|(_, member)| member.instance_id.as_deref() == Some(instance_id)).map(|(id, _)| id.clone())
    }

    /// Whether the member could work with all the others.
    fn shares_protocol(&self, join: &Join) -> bool {
        let others: Vec<&Member> = self.members.iter().filter(|(id, _)| **id != join.member_id).map(|(_, member)| member).collect();
        let common = |name: &String| others.iter().all(|member| member.protocols.iter().any(|(known, _)| known == name));
        others.is_empty() || self.protocol_type == join.protocol_type && join.protocols.iter().any(|(name, _)| common(name))
    }

    fn put_member(&mut self, id: &str, join: &Join) {
        self.joins += 1;
        let old = self.members.get(id);
        let member = Member {
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols.clone(),
            assignment: old.map(|member| member.assignment.clone()).unwrap_or_default(),
            joining: Some(join.reply),
            syncing: None,
            heard: old.map_or(0, |member| member.heard),
            order: old.map_or(self.joins, |member| member.order),
        };
        self.members.insert(id.to_owned(), member);
    }

    /// A static member came back under a new id: it takes the old one's place, and no round begins while the group is stable and its protocols are the same.
    fn replace_static(&mut self, old: &str, join: Join, actions: &mut Vec<Action>) -> Result<(), ResponseError> {
        let Some(mut member) = self.members.remove(old) else {
            return Err(ResponseError::UnknownMemberId);
        };
        for reply in [member.joining.take(), member.syncing.take()].into_iter().flatten() {
            match reply.key {
                JOIN_GROUP => actions.push(Action::Joined(reply, Box::new(join_error(reply, old, ResponseError::FencedInstanceId)))),
                _ => actions.push(Action::Synced(reply, Box::new(SyncGroupResponse::default().with_error_code(ResponseError::FencedInstanceId.code())))),
            }
        }
        let id = join.member_id.clone();
        let is_same = member.protocols == join.protocols;
        let was_leader = self.leader.as_deref() == Some(old);
        self.members.insert(id.clone(), member);
        self.put_member(&id, &join);
        self.hear(&id, actions);
        if was_leader {
            self.leader = Some(id.clone());
        }
        if self.state == GroupState::Stable && is_same {
            self.answer_join(&id, actions);
        } else {
            self.prepare(Duration::ZERO, actions);
            self.complete_if_all_joined(actions);
        }
        Ok(())
    }

    fn hear(&mut self, id: &str, actions: &mut Vec<Action>) {
        if let Some(member) = self.members.get_mut(id) {
            member.heard += 1;
            actions.push(Action::Timer(member.session_timeout, GroupTimer::Session { member: id.to_owned(), heard: member.heard }));
        }
    }

    fn remove(&mut self, id: &str, actions: &mut Vec<Action>) {
        if let Some(member) = self.members.remove(id) {
            if let Some(reply) = member.joining {
                actions.push(Action::Joined(reply, Box::new(join_error(reply, id, ResponseError::UnknownMemberId))));
            }
            if let Some(reply) = member.syncing {
                actions.push(Action::Synced(reply, Box::new(SyncGroupResponse::default().with_error_code(ResponseError::UnknownMemberId.code()))));
            }
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = None;
        }
        self.prepare(Duration::ZERO, actions);
        self.complete_if_all_joined(actions);
    }
}

/// A refusal of a join that carries the member's id.
pub(super) fn join_error(reply: Reply, member_id: &str, error: ResponseError) -> JoinGroupResponse {
    let no_protocol = if reply.version >= 7 { None } else { Some(StrBytes::default()) };
    JoinGroupResponse::default().with_error_code(error.code()).with_generation_id(-1).with_protocol_name(no_protocol).with_member_id(text(member_id))
}

fn refused(join: &Join, error: ResponseError) -> JoinGroupResponse {
    join_error(join.reply, &join.member_id, error)
}

fn text(string: &str) -> StrBytes {
    StrBytes::from_string(string.to_owned())
}

#[cfg(test)]
mod tests;
