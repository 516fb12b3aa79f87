use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn reply(connection: u64, key: i16, version: i16) -> Reply {
    Reply { connection, correlation_id: 1, key, version }
}

fn join(connection: u64, member_id: &str, protocols: &[&str]) -> Join {
    Join {
        reply: reply(connection, JOIN_GROUP, 5),
        member_id: member_id.to_owned(),
        instance_id: None,
        client_id: "c".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: SECOND,
        rebalance_timeout: SECOND * 3,
        protocol_type: "consumer".to_owned(),
        protocols: protocols.iter().map(|name| ((*name).to_owned(), Bytes::from_static(b"sub"))).collect(),
    }
}

/// What was said to each connection: (connection, error, generation, members named).
fn joined(actions: &[Action]) -> Vec<(u64, i16, i32, usize)> {
    let said = |action: &Action| match action {
        Action::Joined(reply, response) => Some((reply.connection, response.error_code, response.generation_id, response.members.len())),
        Action::Synced(..) | Action::Timer(..) | Action::Store => None,
    };
    actions.iter().filter_map(said).collect()
}

fn synced(actions: &[Action]) -> Vec<(u64, i16, Bytes)> {
    let said = |action: &Action| match action {
        Action::Synced(reply, response) => Some((reply.connection, response.error_code, response.assignment.clone())),
        Action::Joined(..) | Action::Timer(..) | Action::Store => None,
    };
    actions.iter().filter_map(said).collect()
}

/// A member that has its id and joins.
fn enter(group: &mut Group, connection: u64, id: &str, actions: &mut Vec<Action>) {
    group.join(join(connection, "", &["range"]), id.to_owned(), Duration::ZERO, actions).unwrap();
    group.join(join(connection, id, &["range"]), String::new(), Duration::ZERO, actions).unwrap();
}

/// Members a and b, stable in generation 2 with a as leader.
fn stable() -> Group {
    let mut group = Group::default();
    let mut actions = Vec::new();
    enter(&mut group, 1, "a", &mut actions);
    enter(&mut group, 2, "b", &mut actions);
    group.join(join(1, "a", &["range"]), String::new(), Duration::ZERO, &mut actions).unwrap();
    let assignments = vec![("a".to_owned(), Bytes::from_static(b"A")), ("b".to_owned(), Bytes::from_static(b"B"))];
    group.sync(reply(2, 14, 3), "b", 2, Vec::new(), &mut actions).unwrap();
    group.sync(reply(1, 14, 3), "a", 2, assignments, &mut actions).unwrap();
    group.stored(2, Ok(()), &mut actions);
    assert_eq!((group.state, group.generation, group.leader.as_deref()), (GroupState::Stable, 2, Some("a")));
    assert_eq!(synced(&actions), [(1, 0, Bytes::from_static(b"A")), (2, 0, Bytes::from_static(b"B"))]);
    group
}

#[test]
fn a_member_without_an_id_gets_one_and_begins_the_first_round() {
    let mut group = Group::default();
    let mut actions = Vec::new();
    group.join(join(1, "", &["range"]), "a".to_owned(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!(joined(&actions), [(1, ResponseError::MemberIdRequired.code(), -1, 0)]);
    assert_eq!(group.state, GroupState::Empty);
    group.join(join(1, "a", &["range"]), String::new(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!(joined(&actions)[1..], [(1, 0, 1, 1)]);
    assert_eq!(group.state, GroupState::Completing);
}

#[test]
fn old_clients_join_without_an_id() {
    let mut group = Group::default();
    let mut actions = Vec::new();
    let old = Join { reply: reply(1, JOIN_GROUP, 3), ..join(1, "", &["range"]) };
    group.join(old, "a".to_owned(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!(joined(&actions), [(1, 0, 1, 1)]);
}

#[test]
fn the_first_round_gathers_members_until_its_timer() {
    let mut group = Group::default();
    let mut actions = Vec::new();
    for (connection, id) in [(1, "a"), (2, "b")] {
        group.join(Join { reply: reply(connection, JOIN_GROUP, 3), ..join(connection, "", &["range"]) }, id.to_owned(), SECOND, &mut actions).unwrap();
    }
    assert_eq!(joined(&actions), []);
    assert!(actions.contains(&Action::Timer(SECOND, GroupTimer::Rebalance { generation: 0 })));
    group.timer(GroupTimer::Rebalance { generation: 0 }, &mut actions);
    assert_eq!(joined(&actions), [(1, 0, 1, 2), (2, 0, 1, 0)]);
}

#[test]
fn each_request_is_answered_by_the_state() {
    use ResponseError::{IllegalGeneration, RebalanceInProgress, UnknownMemberId};
    let preparing = || {
        let mut group = stable();
        enter(&mut group, 3, "c", &mut Vec::new());
        assert_eq!(group.state, GroupState::Preparing);
        group
    };
    let completing = || {
        let mut group = stable();
        group.leave("b", None, &mut Vec::new()).unwrap();
        group.join(join(1, "a", &["range"]), String::new(), Duration::ZERO, &mut Vec::new()).unwrap();
        assert_eq!((group.state, group.generation), (GroupState::Completing, 3));
        group
    };
    type Make<'a> = &'a dyn Fn() -> Group;
    type Row<'a> = (&'a str, Make<'a>, &'a str, i32, [Result<(), ResponseError>; 3]);
    let table: [Row<'_>; 6] = [
        // (state, member, generation): heartbeat, sync, commit
        ("stable", &stable, "b", 2, [Ok(()), Ok(()), Ok(())]),
        ("stable, stranger", &stable, "x", 2, [Err(UnknownMemberId); 3]),
        ("stable, old generation", &stable, "b", 1, [Err(IllegalGeneration); 3]),
        ("preparing", &preparing, "b", 2, [Err(RebalanceInProgress), Err(RebalanceInProgress), Ok(())]),
        ("completing", &completing, "a", 3, [Ok(()), Ok(()), Err(RebalanceInProgress)]),
        ("empty", &Group::default, "a", 0, [Err(UnknownMemberId); 3]),
    ];
    for (what, make, member, generation, expected) in table {
        let actions = &mut Vec::new();
        let heartbeat = make().heartbeat(member, generation, actions);
        let sync = make().sync(reply(9, 14, 3), member, generation, Vec::new(), actions);
        let commit = make().may_commit(member, generation);
        assert_eq!([heartbeat, sync, commit], expected, "{what}");
    }
    assert_eq!(Group::default().may_commit("", -1), Ok(()), "a consumer that is no member");
    assert_eq!(stable().may_commit("", -1), Err(UnknownMemberId));
}

#[test]
fn a_follower_that_joins_again_unchanged_disturbs_nobody() {
    let mut group = stable();
    let mut actions = Vec::new();
    group.join(join(2, "b", &["range"]), String::new(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!((joined(&actions), group.state), (vec![(2, 0, 2, 0)], GroupState::Stable));
    group.join(join(2, "b", &["range", "sticky"]), String::new(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!(group.state, GroupState::Preparing);
}

#[test]
fn who_does_not_rejoin_in_time_is_out() {
    let mut group = stable();
    let mut actions = Vec::new();
    group.join(join(1, "a", &["range"]), String::new(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!(group.heartbeat("b", 2, &mut actions), Err(ResponseError::RebalanceInProgress));
    group.timer(GroupTimer::Rebalance { generation: 2 }, &mut actions);
    assert_eq!((group.state, group.generation, group.members.len()), (GroupState::Completing, 3, 1));
    assert_eq!(joined(&actions), [(1, 0, 3, 1)]);
}

#[test]
fn a_silent_member_is_out_and_a_heard_one_is_not() {
    let mut group = stable();
    let heard = group.members["b"].heard;
    group.heartbeat("b", 2, &mut Vec::new()).unwrap();
    group.timer(GroupTimer::Session { member: "b".to_owned(), heard }, &mut Vec::new());
    assert_eq!(group.state, GroupState::Stable);
    group.timer(GroupTimer::Session { member: "b".to_owned(), heard: heard + 1 }, &mut Vec::new());
    assert_eq!((group.state, group.members.len()), (GroupState::Preparing, 1));
}

#[test]
fn an_assignment_that_cannot_be_stored_begins_a_new_round() {
    let mut group = stable();
    let mut actions = Vec::new();
    group.leave("b", None, &mut actions).unwrap();
    group.join(join(1, "a", &["range"]), String::new(), Duration::ZERO, &mut actions).unwrap();
    group.sync(reply(1, 14, 3), "a", 3, vec![("a".to_owned(), Bytes::from_static(b"A"))], &mut actions).unwrap();
    group.stored(3, Err(ResponseError::NotCoordinator), &mut actions);
    assert_eq!(synced(&actions), [(1, ResponseError::NotCoordinator.code(), Bytes::new())]);
    assert_eq!(group.state, GroupState::Preparing);
}

#[test]
fn members_need_a_common_protocol() {
    let mut group = stable();
    let refused = group.join(join(3, "", &["sticky"]), "c".to_owned(), Duration::ZERO, &mut Vec::new());
    assert_eq!(refused, Err(ResponseError::InconsistentGroupProtocol));
}

#[test]
fn a_static_member_comes_back_without_a_round() {
    let instance = |connection, member: &str| Join { instance_id: Some("i".to_owned()), ..join(connection, member, &["range"]) };
    let mut group = Group::default();
    let mut actions = Vec::new();
    group.join(instance(1, ""), "a".to_owned(), Duration::ZERO, &mut actions).unwrap();
    group.sync(reply(1, 14, 3), "a", 1, vec![("a".to_owned(), Bytes::from_static(b"A"))], &mut actions).unwrap();
    group.stored(1, Ok(()), &mut actions);
    group.join(instance(2, ""), "b".to_owned(), Duration::ZERO, &mut actions).unwrap();
    assert_eq!((group.state, group.generation), (GroupState::Stable, 1));
    actions.clear();
    group.sync(reply(2, 14, 3), "b", 1, Vec::new(), &mut actions).unwrap();
    assert_eq!(synced(&actions), [(2, 0, Bytes::from_static(b"A"))]);
    assert!(group.is_fenced("i", "a"));
    assert_eq!(group.join(instance(1, "a"), String::new(), Duration::ZERO, &mut actions), Err(ResponseError::FencedInstanceId));
}

#[test]
fn a_new_coordinator_knows_what_was_stored() {
    let mut actions = Vec::new();
    let mut restored = Group::default();
    restored.restore(stable().to_stored(), &mut actions);
    assert_eq!((restored.state, restored.generation, restored.members.len()), (GroupState::Stable, 2, 2));
    assert_eq!(restored.heartbeat("b", 2, &mut actions), Ok(()));
    assert!(actions.iter().any(|action| matches!(action, Action::Timer(_, GroupTimer::Session { member, .. }) if member == "a")));
}
