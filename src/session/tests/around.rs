//! A home that is drained.

use super::*;
use crate::session::outbox::Wish;

/// A desk whose home, node 1, is drained; node 2 is there as well.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.view = view(&[(1, "b1", 9092), (2, "b2", 9093)]);
    desk.policy = Policy { draining: [1].into(), avoided: [1].into(), ..Policy::default() };
    desk
}

fn metadata_request(id: i32) -> Vec<u8> {
    request(api::METADATA, 1, id, &[0; 4])
}

/// The nodes that detours were opened to since the last call.
fn opened(desk: &mut Desk) -> Vec<Option<i32>> {
    desk.outbox.wishes.drain(..).filter_map(|wish| if let Wish::Open { node_id, .. } = wish { Some(node_id) } else { None }).collect()
}

fn leaves(desk: &mut Desk) -> bool {
    desk.decide(|session, moment, outbox| session.leaves_home(outbox.to_home.is_empty(), moment))
}

#[test]
fn a_new_session_never_goes_there() {
    let mut desk = desk();
    desk.client(&metadata_request(1)).unwrap();
    assert!(!desk.outbox.dial && desk.left_for_home().is_empty());
    assert_eq!(opened(&mut desk), [Some(2)]);
    // What only that node can say for itself it is asked.
    desk.client(&request(16, 0, 2, &[])).unwrap();
    assert_eq!(opened(&mut desk), [Some(1)], "ListGroups");
}

#[test]
fn a_session_that_is_there_leaves_when_nothing_is_owed() {
    let mut desk = desk();
    let policy = std::mem::take(&mut desk.policy);
    desk.client(&[metadata_request(1), metadata_request(2)].concat()).unwrap();
    assert!(std::mem::take(&mut desk.outbox.dial));
    desk.policy = policy;
    assert!(!leaves(&mut desk), "what was asked has not left");
    desk.left_for_home();
    desk.home(&metadata(1, 1, "b1", 9092)).unwrap();
    assert!(!leaves(&mut desk), "an answer is owed");
    desk.client(&metadata_request(3)).unwrap();
    assert_eq!(desk.left_for_home(), metadata_request(3), "until then everything goes there, in its order");
    desk.home(&[metadata(2, 1, "b1", 9092), metadata(3, 1, "b1", 9092)].concat()).unwrap();
    assert!(leaves(&mut desk));
    assert!(!leaves(&mut desk), "once");
    desk.client(&metadata_request(4)).unwrap();
    assert!(desk.left_for_home().is_empty() && opened(&mut desk) == [Some(2)]);

    // The drain is taken back: the next request goes home again.
    desk.policy = Policy::default();
    desk.client(&metadata_request(5)).unwrap();
    assert!(desk.outbox.dial, "{:?}", desk.outbox.wishes);
}

#[test]
fn a_login_goes_where_its_connection_is_for() {
    let mut desk = desk();
    desk.client(&request(api::SASL_HANDSHAKE, 1, 1, &[0, 5, b'P', b'L', b'A', b'I', b'N'])).unwrap();
    assert!(desk.outbox.dial && opened(&mut desk).is_empty());
}

#[test]
fn without_absorption_it_is_a_plain_wire() {
    let mut desk = desk();
    desk.policy.absorb = Absorb::Never;
    desk.client(&metadata_request(1)).unwrap();
    assert!(desk.outbox.dial);
    desk.left_for_home();
    desk.home(&metadata(1, 1, "b1", 9092)).unwrap();
    assert!(!leaves(&mut desk));
}

#[test]
fn what_any_broker_can_answer_goes_to_one_that_stays() {
    let mut desk = desk();
    desk.view = view(&[(1, "b1", 9092), (2, "b2", 9093), (3, "b3", 9094)]);
    desk.policy = Policy { draining: [3].into(), ..Policy::default() };
    desk.client(&metadata_request(1)).unwrap();
    desk.lose_home().unwrap();
    assert_eq!(opened(&mut desk), [Some(2)], "node 1 is gone, and node 3 is about to be");
}
