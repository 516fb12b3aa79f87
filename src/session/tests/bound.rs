//! A client that nobody else can log in: what is done for it on its own connection, and how it ends.

use super::*;
use crate::cluster::leaders::{PartitionInfo, Topic};
use crate::cluster::{Leader, TopicKey};
use crate::guard::HoldEnd;
use crate::session::outbox::Wish;

const SECOND: u64 = 1_000_000_000;
const OFFSET: i64 = 77;

/// Produce v7: one record for partition 0 of topic `t`.
fn record(id: i32, acks: i16) -> Vec<u8> {
    let batch = batch(u32::try_from(id).unwrap(), -1);
    let mut body = vec![0xff, 0xff];
    body.put_i16(acks);
    body.put_i32(30_000);
    body.put_slice(&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]);
    body.put_i32(i32::try_from(batch.len()).unwrap());
    body.put_slice(&batch);
    request(api::PRODUCE, 7, id, &body)
}

/// The answer to it.
fn recorded(id: i32, code: i16) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0];
    body.put_i16(code);
    body.put_i64(if code == 0 { OFFSET } else { -1 });
    body.put_i64(-1);
    body.put_i64(if code == 0 { 0 } else { -1 });
    body.put_i32(0);
    response(id, &body)
}

fn led_by(node_id: i32, epoch: i32) -> Leaders {
    let leader = Leader { node_id, epoch };
    let partition = PartitionInfo { leader, last_leader: Some(Leader { node_id: 1, epoch: 1 }), replicas: vec![1, 2], isr: vec![1, 2] };
    let topic = Topic { partitions: [(0, partition)].into(), ..Topic::default() };
    Leaders { topics: [("t".into(), Arc::new(topic))].into(), ..Leaders::default() }
}

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.policy.absorb = Absorb::Always;
    desk.view = view(&[(1, "b1", 9092), (2, "b2", 9092), (3, "b3", 9092)]);
    desk.leaders = led_by(1, 1);
    desk
}

fn handshake(mechanism: &str, version: i16, id: i32) -> Vec<u8> {
    let name = [&u16::try_from(mechanism.len()).unwrap().to_be_bytes()[..], mechanism.as_bytes()].concat();
    request(api::SASL_HANDSHAKE, version, id, &name)
}

fn token(id: i32, token: &[u8]) -> Vec<u8> {
    request(api::SASL_AUTHENTICATE, 1, id, &[&u32::try_from(token.len()).unwrap().to_be_bytes()[..], token].concat())
}

fn challenge(id: i32, token: &[u8]) -> Vec<u8> {
    response(id, &[&[0, 0, 0xff, 0xff][..], &u32::try_from(token.len()).unwrap().to_be_bytes(), token, &[0; 8]].concat())
}

/// The rest of a login with SCRAM whose handshake has left.
fn prove(desk: &mut Desk) {
    desk.decide(|session, moment, _| session.home_up(moment));
    desk.home(&response(-1, &[0; 6])).unwrap();
    for (id, client, broker) in [(-2, &b"n,,n=u,r=a"[..], &b"r=ab,s=x,i=4096"[..]), (-3, b"c=biws,r=ab,p=y", b"v=z")] {
        desk.client(&token(id, client)).unwrap();
        desk.home(&challenge(id, broker)).unwrap();
    }
    desk.left_for_home();
    desk.left_for_client();
    desk.outbox.dial = false;
}

fn logged_in() -> Desk {
    let mut desk = desk();
    desk.client(&handshake("SCRAM-SHA-256", 1, -1)).unwrap();
    prove(&mut desk);
    desk
}

impl Desk {
    /// Time passes, and what waits for it happens.
    fn later(&mut self, nanos: u64) {
        self.now += nanos;
        self.decide(Session::pump);
        assert!(self.outbox.wishes.iter().all(|wish| matches!(wish, Wish::Close { .. })), "another connection: {:?}", self.outbox.wishes);
    }

    /// What left for the home, by API key.
    fn asked_of_home(&mut self) -> Vec<(i16, i32)> {
        frames(&self.left_for_home()).map(|frame| (i16::from_be_bytes([frame[4], frame[5]]), i32::from_be_bytes(frame[8..12].try_into().unwrap()))).collect()
    }
}

fn frames(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, _) = rest.split_first_chunk::<4>()?;
        let (frame, behind) = rest.split_at(4 + u32::from_be_bytes(*length) as usize);
        rest = behind;
        Some(frame)
    })
}

#[test]
fn what_the_home_refuses_for_a_moment_is_held_and_sent_again_on_the_same_connection() {
    const NOT_ENOUGH_REPLICAS: i16 = 19;
    let mut desk = logged_in();
    desk.client(&[record(1, -1), record(2, -1)].concat()).unwrap();
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1), (api::PRODUCE, 2)]);
    desk.home(&[recorded(1, NOT_ENOUGH_REPLICAS), recorded(2, NOT_ENOUGH_REPLICAS)].concat()).unwrap();
    for _ in 0..3 {
        assert_eq!(desk.left_for_client(), [0u8; 0]);
        desk.later(SECOND);
        assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1)], "one by one until one is in");
        desk.home(&recorded(1, NOT_ENOUGH_REPLICAS)).unwrap();
    }
    desk.client(&request(HEARTBEAT, 1, 3, b"")).unwrap();
    assert_eq!(desk.asked_of_home(), [(HEARTBEAT, 3)], "what is in no trouble passes");
    desk.home(&response(3, &[0; 6])).unwrap();
    desk.later(SECOND);
    desk.home(&recorded(1, 0)).unwrap();
    assert_eq!(desk.left_for_client(), recorded(1, 0));
    desk.later(SECOND);
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1), (api::PRODUCE, 2)]);
    desk.home(&recorded(2, 0)).unwrap();
    assert_eq!(desk.left_for_client(), [recorded(2, 0), response(3, &[0; 6])].concat());
    assert!(desk.session.is_at_rest() && !desk.session.is_sheltering());
    let held = desk.seen.guarded.borrow().iter().filter(|event| matches!(event, Event::HoldEnded { end: HoldEnd::Resent, .. })).count();
    assert_eq!(held, 2);
}

#[test]
fn an_election_is_waited_for_and_a_leader_elsewhere_is_told_at_once() {
    const NOT_LEADER: i16 = 6;
    let mut desk = logged_in();
    desk.leaders = led_by(-1, 2);
    desk.client(&record(1, 1)).unwrap();
    desk.left_for_home();
    desk.home(&recorded(1, NOT_LEADER)).unwrap();
    desk.later(SECOND);
    assert_eq!((desk.asked_of_home(), desk.left_for_client()), (vec![], vec![]));
    assert_eq!(desk.outbox.ask_leaders, [TopicKey::Name("t".into())]);
    desk.leaders = led_by(1, 3);
    desk.later(0);
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1)], "it is the home again");
    desk.home(&recorded(1, 0)).unwrap();
    assert_eq!(desk.left_for_client(), recorded(1, 0));

    desk.client(&record(2, 1)).unwrap();
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 2)]);
    desk.leaders = led_by(2, 4);
    desk.home(&recorded(2, NOT_LEADER)).unwrap();
    assert_eq!(desk.left_for_client(), recorded(2, NOT_LEADER));
    desk.client(&record(3, 1)).unwrap();
    assert_eq!((desk.asked_of_home(), desk.left_for_client()), (vec![], recorded(3, NOT_LEADER)), "unsent");
}

#[test]
fn a_window_numbers_its_batches_so_that_ambiguous_ones_are_sent_again() {
    const AFTER_APPEND: i16 = 20;
    let mut desk = logged_in();
    desk.policy.windows = vec![WindowScope::default()];
    desk.client(&record(1, 1)).unwrap();
    let asked = desk.asked_of_home();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, api::INIT_PRODUCER_ID);
    desk.home(&response(asked[0].1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0])).unwrap();
    desk.client(&[]).unwrap();
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1)]);
    assert_eq!(desk.seen.guarded.borrow()[..], [Event::AcksRaised, Event::Numbered { batches: 1 }]);
    desk.home(&recorded(1, AFTER_APPEND)).unwrap();
    desk.later(SECOND);
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1)]);
    desk.home(&recorded(1, 0)).unwrap();
    assert_eq!(desk.left_for_client(), recorded(1, 0));
}

#[test]
fn a_coordinator_that_loads_is_asked_again_and_one_that_moved_is_told() {
    const LOADING: i16 = 14;
    const NOT_COORDINATOR: i16 = 16;
    // Group "g", generation 1, member "m".
    let heartbeat = |id| request(HEARTBEAT, 1, id, &[0, 1, b'g', 0, 0, 0, 1, 0, 1, b'm']);
    let answer = |id, code: i16| response(id, &[&[0; 4][..], &code.to_be_bytes()].concat());
    let mut desk = logged_in();
    desk.client(&heartbeat(1)).unwrap();
    desk.left_for_home();
    desk.home(&answer(1, LOADING)).unwrap();
    desk.later(SECOND);
    assert_eq!(desk.asked_of_home(), [(HEARTBEAT, 1)]);
    desk.home(&answer(1, 0)).unwrap();
    assert_eq!(desk.left_for_client(), answer(1, 0));

    for (coordinator, told) in [(1, 0), (2, NOT_COORDINATOR)] {
        desk.client(&heartbeat(2)).unwrap();
        assert_eq!(desk.asked_of_home(), [(HEARTBEAT, 2)]);
        desk.home(&answer(2, NOT_COORDINATOR)).unwrap();
        desk.later(SECOND);
        let asked = desk.asked_of_home();
        assert_eq!((asked.len(), asked[0].0), (1, api::FIND_COORDINATOR));
        let found = [&[0; 6][..], &[0xff, 0xff], &[0, 0, 0, coordinator], &[0, 1, b'h', 0, 0, 0, 1]].concat();
        desk.home(&response(asked[0].1, &found)).unwrap();
        desk.later(SECOND);
        if told == 0 {
            assert_eq!(desk.asked_of_home(), [(HEARTBEAT, 2)]);
            desk.home(&answer(2, 0)).unwrap();
        }
        assert_eq!(desk.left_for_client(), answer(2, told), "the coordinator is {coordinator}");
    }
}

#[test]
fn in_the_middle_of_another_login_nothing_is_sent_again() {
    let mut desk = logged_in();
    desk.client(&record(1, -1)).unwrap();
    desk.left_for_home();
    desk.home(&recorded(1, 19)).unwrap();
    desk.client(&handshake("SCRAM-SHA-256", 1, -1)).unwrap();
    desk.later(SECOND);
    assert_eq!(desk.asked_of_home(), [(api::SASL_HANDSHAKE, -1)]);
    desk.home(&response(-1, &[0; 6])).unwrap();
    for (id, client, broker) in [(-2, &b"n,,n=u,r=a"[..], &b"r=ab,s=x,i=4096"[..]), (-3, b"c=biws,r=ab,p=y", b"v=z")] {
        desk.client(&token(id, client)).unwrap();
        desk.later(SECOND);
        assert_eq!(desk.asked_of_home(), [(api::SASL_AUTHENTICATE, id)]);
        desk.home(&challenge(id, broker)).unwrap();
    }
    desk.later(SECOND);
    assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1)], "the broker's proof ends it");
}

#[test]
fn when_the_home_goes_everything_gets_the_answer_that_its_api_has_before_the_end() {
    let metadata_v1 = request(api::METADATA, 1, 4, &[0, 0, 0, 1, 0, 1, b't']);
    let heartbeat = request(HEARTBEAT, 1, 3, &[0, 1, b'g', 0, 0, 0, 1, 0, 1, b'm']);
    let mut desk = logged_in();
    desk.client(&record(9, -1)).unwrap();
    desk.home(&recorded(9, 19)).unwrap();
    desk.left_for_home();
    desk.client(&[heartbeat, metadata_v1].concat()).unwrap();
    let whole = desk.left_for_home().len();
    assert!(whole > 0);
    desk.client(&request(HEARTBEAT, 1, 5, &[0, 1, b'g', 0, 0, 0, 1, 0, 1, b'm'])).unwrap();
    desk.view.brokers.get_mut(&1).unwrap().reachable = false;
    desk.lose_home().unwrap();
    let told = desk.left_for_client();
    let told: Vec<&[u8]> = frames(&told).collect();
    assert_eq!(told[0], recorded(9, 19), "refused, and said so");
    assert_eq!(told[1], response(3, &[0, 0, 0, 0, 0, 16]));
    assert_eq!(told[2][4..8], [0, 0, 0, 4]);
    assert!(told[2].windows(4).any(|bytes| bytes == b"gate"), "metadata from memory, with virtual brokers");
    // Topic "t", one partition: LEADER_NOT_AVAILABLE, index 0, no leader.
    let leaderless = [b't', 0, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    assert!(told[2].windows(leaderless.len()).any(|bytes| bytes == leaderless), "its leader is away: {:?}", told[2]);
    assert_eq!(told[3], response(5, &[0, 0, 0, 0, 0, 16]));
    assert_eq!(told.len(), 4);

    desk.client(&record(6, 1)).unwrap();
    assert_eq!(desk.left_for_client(), recorded(6, 19), "sent before the client could know: as the one before it");
    assert_eq!((desk.asked_of_home(), desk.outbox.dial), (vec![], false));
    assert!(desk.session.take_doom().is_none(), "its answers are read first");
    desk.now = desk.session.next_look(desk.now).unwrap();
    desk.later(0);
    assert_eq!(desk.session.take_doom().map(|close| close.cause), Some(CloseCause::BrokerReset));
}

#[test]
fn a_client_that_goes_on_sending_is_left_all_the_same() {
    let mut desk = logged_in();
    desk.lose_home().unwrap();
    for id in 1..10 {
        desk.client(&record(id, 1)).unwrap();
        assert_eq!(desk.left_for_client(), recorded(id, 6));
        desk.later(SECOND / 100);
    }
    assert_eq!(desk.session.take_doom().map(|close| close.cause), Some(CloseCause::BrokerReset));
}

#[test]
fn behind_what_has_no_answer_here_nothing_is_answered() {
    const OF_THE_FUTURE: i16 = 999;
    let mut desk = logged_in();
    desk.client(&[record(1, -1), request(OF_THE_FUTURE, 0, 2, b""), record(3, 1)].concat()).unwrap();
    // What was refused would be sent again, if there were a way.
    desk.home(&recorded(1, 19)).unwrap();
    assert_eq!(desk.lose_home().unwrap_err().cause, CloseCause::BrokerReset);
    assert_eq!(desk.left_for_client(), recorded(1, 19));
}

#[test]
fn what_may_be_in_the_log_when_the_home_goes_is_not_told_as_refused() {
    for (unwritten, code) in [(0, 7), (1, 6)] {
        let mut desk = logged_in();
        desk.client(&record(1, -1)).unwrap();
        let reset = Close::new(CloseCause::BrokerReset, "");
        desk.decide(|session, moment, outbox| session.home_lost(unwritten, reset, moment, outbox)).unwrap();
        assert_eq!(desk.left_for_client(), recorded(1, code), "{unwritten} bytes never left");
    }
}

/// The home cannot be reached.
fn refuse(desk: &mut Desk) -> Result<(), Close> {
    desk.outbox.dial = false;
    let close = Close::new(CloseCause::BrokerUnreachable, "refused");
    desk.decide(|session, moment, outbox| session.home_lost(usize::MAX, close, moment, outbox))
}

#[test]
fn a_login_whose_broker_is_away_goes_to_another_until_that_is_back() {
    for mechanism in ["SCRAM-SHA-256", "PLAIN"] {
        let mut desk = desk();
        desk.view.brokers.get_mut(&1).unwrap().reachable = false;
        desk.view.brokers.get_mut(&2).unwrap().listed = false;
        let login = handshake(mechanism, 1, -1);
        desk.client(&login).unwrap();
        assert_eq!((desk.outbox.dial, desk.session.home_node()), (true, Some(1)), "its own broker is tried first");
        refuse(&mut desk).unwrap();
        assert_eq!((desk.outbox.dial, desk.session.home_node()), (true, Some(3)), "the one that is healthy");
        assert_eq!(desk.outbox.to_home.pieces().flatten().copied().collect::<Vec<u8>>(), login, "nothing of it is lost");
        prove(&mut desk);

        // Node APIs would be answered for the wrong node.
        desk.client(&request(16, 0, 1, b"")).unwrap();
        desk.now += SECOND;
        desk.decide(Session::pump);
        assert_eq!(desk.asked_of_home(), []);
        match mechanism {
            "PLAIN" => {
                assert!(desk.outbox.wishes.iter().any(|wish| matches!(wish, Wish::Open { node_id: Some(1), .. })), "{:?}", desk.outbox.wishes);
                desk.now += 15 * SECOND;
                desk.decide(Session::pump);
            }
            _ => assert_eq!(desk.outbox.wishes, []),
        }
        assert_eq!(desk.left_for_client(), response(1, &[0, 7, 0, 0, 0, 0]), "{mechanism}");

        desk.client(&request(HEARTBEAT, 1, 2, b"")).unwrap();
        desk.view.brokers.get_mut(&1).unwrap().reachable = true;
        assert_eq!(desk.decide(|session, moment, _| session.way_home(true, moment)), WayHome::Stay, "not in the middle of a request");
        desk.home(&response(2, &[0; 6])).unwrap();
        let way = desk.decide(|session, moment, _| session.way_home(true, moment));
        if mechanism == "PLAIN" {
            assert_eq!((way, desk.session.home_node()), (WayHome::Redial, Some(1)));
        } else {
            assert_eq!(way, WayHome::Stay, "its answer is read first");
            desk.now = desk.session.next_look(desk.now).unwrap();
            let way = desk.decide(|session, moment, _| session.way_home(true, moment));
            assert!(matches!(&way, WayHome::Leave(close) if close.cause == CloseCause::BrokerReturned), "{way:?}");
        }
    }
}

#[test]
fn a_partition_whose_leader_is_away_waits_for_the_next_one() {
    for (next, told) in [(3, 0), (2, 6)] {
        let mut desk = desk();
        desk.view.brokers.get_mut(&1).unwrap().listed = false;
        desk.view.brokers.get_mut(&2).unwrap().reachable = false;
        desk.client(&handshake("SCRAM-SHA-256", 1, -1)).unwrap();
        refuse(&mut desk).unwrap();
        prove(&mut desk);
        desk.view.brokers.get_mut(&2).unwrap().reachable = true;
        desk.client(&record(1, -1)).unwrap();
        desk.later(SECOND);
        assert_eq!((desk.asked_of_home(), desk.left_for_client()), (vec![], vec![]), "node 3 stands in, and node 1 led it last");
        desk.leaders = led_by(next, 2);
        desk.later(SECOND);
        if told == 0 {
            assert_eq!(desk.asked_of_home(), [(api::PRODUCE, 1)]);
            desk.home(&recorded(1, 0)).unwrap();
        }
        assert_eq!((desk.asked_of_home(), desk.left_for_client()), (vec![], recorded(1, told)), "led by {next}");
    }
}

#[test]
fn a_client_that_never_rests_is_sent_to_its_own_broker_all_the_same() {
    let mut desk = desk();
    desk.client(&handshake("SCRAM-SHA-256", 1, -1)).unwrap();
    refuse(&mut desk).unwrap();
    prove(&mut desk);
    for id in 1..1000 {
        desk.client(&request(HEARTBEAT, 1, id, b"")).unwrap();
        if desk.asked_of_home().is_empty() {
            desk.now += SECOND / 10;
            let way = desk.decide(|session, moment, _| session.way_home(true, moment));
            assert!(matches!(&way, WayHome::Leave(close) if close.cause == CloseCause::BrokerReturned), "{way:?}");
            return;
        }
        desk.home(&response(id, &[0; 6])).unwrap();
        desk.now += SECOND / 100;
        assert_eq!(desk.decide(|session, moment, _| session.way_home(true, moment)), WayHome::Stay);
    }
    panic!("it is served for good");
}

#[test]
fn a_login_that_no_broker_can_take_waits_for_one_and_no_longer_than_it_may() {
    for comes_back in [true, false] {
        let mut desk = desk();
        desk.view.brokers.values_mut().for_each(|broker| broker.reachable = false);
        desk.client(&handshake("GSSAPI", 0, -1)).unwrap();
        refuse(&mut desk).unwrap();
        assert!(!desk.outbox.dial && desk.session.is_sheltering());
        let mut tries = 0;
        while desk.now < 7 * SECOND {
            desk.now = desk.session.next_look(desk.now).expect("it is looked at again");
            desk.decide(Session::pump);
            if desk.outbox.dial {
                tries += 1;
                assert_eq!(desk.session.home_node(), Some(1));
                refuse(&mut desk).unwrap();
            }
        }
        assert!(tries > 5, "{tries}");
        assert!(desk.session.take_doom().is_none());
        if comes_back {
            desk.view.brokers.get_mut(&3).unwrap().reachable = true;
            desk.later(SECOND / 2);
            refuse(&mut desk).unwrap();
            assert_eq!((desk.outbox.dial, desk.session.home_node()), (true, Some(3)));
        } else {
            desk.later(2 * SECOND);
            assert_eq!(desk.session.take_doom().map(|close| close.cause), Some(CloseCause::BrokerUnreachable));
        }
    }
}

#[test]
fn a_broker_that_takes_a_login_and_goes_without_a_word_is_as_good_as_away() {
    let mut desk = desk();
    let (announcement, login) = (versions::encode_request(3, 9, Some("me"), Some(("lib", "1.0"))), handshake("SCRAM-SHA-512", 1, -1));
    desk.client(&[&announcement[..], &login].concat()).unwrap();
    desk.decide(|session, moment, _| session.home_up(moment));
    let sent = desk.left_for_home();
    desk.lose_home().unwrap();
    assert_ne!(desk.session.home_node(), Some(1));
    assert_eq!(desk.left_for_home(), sent, "all of it again, the client's name first");
}

#[test]
fn a_plain_wire_tells_the_client_that_its_broker_is_away() {
    let mut desk = desk();
    desk.policy.absorb = Absorb::Never;
    desk.client(&handshake("SCRAM-SHA-256", 1, -1)).unwrap();
    assert_eq!(refuse(&mut desk).unwrap_err().cause, CloseCause::BrokerUnreachable);
}
