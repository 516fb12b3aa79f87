//! Requests that somebody listens to.

use super::*;
use crate::cluster::Leader;
use crate::cluster::leaders::{PartitionInfo, Topic};
use crate::guard::HoldEnd;
use crate::session::outbox::Wish;
use crate::tap::{Delivery, End, Memory, Sink, Told, Wanted};

#[derive(Debug, Clone, Default)]
struct Shelf(Arc<std::sync::Mutex<Vec<Arc<Told>>>>);

impl Sink for Shelf {
    fn offer(&self, told: Arc<Told>) -> bool {
        self.0.lock().unwrap().push(told);
        true
    }
}

/// A desk with a listener, and where what it is told goes.
fn desk() -> (Desk, Shelf) {
    let (mut desk, shelf) = (Desk::new(), Shelf::default());
    let wanted = Wanted { per_second: 5_000.try_into().unwrap(), frame_bytes: 64, ..Wanted::default() };
    desk.seen.listeners = vec![Arc::new(Listener::new(wanted, Arc::<Memory>::default(), Box::new(shelf.clone())))];
    (desk, shelf)
}

/// As the driver does after each step.
fn told(desk: &mut Desk, shelf: &Shelf) -> Vec<Arc<Told>> {
    for tapped in desk.session.take_tapped() {
        let peer = "127.0.0.1:5".parse().unwrap();
        tapped.deliver(Delivery { at_micros: 1, peer, local: None, node_id: desk.session.node_id(), home: None });
    }
    std::mem::take(&mut *shelf.0.lock().unwrap())
}

/// Produce v7: one record for partition 0 of topic `t`.
fn record(id: i32, acks: i16) -> Vec<u8> {
    let batch = batch(1, 9);
    let mut body = vec![0xff, 0xff];
    body.put_i16(acks);
    body.put_i32(30_000);
    body.put_slice(&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]);
    body.put_i32(i32::try_from(batch.len()).unwrap());
    body.put_slice(&batch);
    request(api::PRODUCE, 7, id, &body)
}

fn recorded(id: i32, code: i16) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0];
    body.put_i16(code);
    body.put_slice(&[0; 24]);
    body.put_i32(0);
    response(id, &body)
}

fn led_by(node_id: i32, epoch: i32) -> Leaders {
    let leader = Leader { node_id, epoch };
    let partition = PartitionInfo { leader, last_leader: None, replicas: vec![1, 2], isr: vec![1, 2] };
    let topic = Topic { partitions: [(0, partition)].into(), ..Topic::default() };
    Leaders { topics: [("t".into(), Arc::new(topic))].into(), ..Leaders::default() }
}

#[test]
fn a_request_that_passes_is_told_with_its_answer() {
    for absorb in [Absorb::Never, Absorb::Always] {
        let (mut desk, shelf) = desk();
        desk.policy.absorb = absorb;
        desk.now = 1_000;
        desk.client(&record(5, 1)).unwrap();
        desk.left_for_home();
        desk.now = 4_000;
        desk.session.sent(desk.now);
        assert!(told(&mut desk, &shelf).is_empty(), "it has no answer");
        desk.now = 9_000;
        desk.home(&recorded(5, 87)).unwrap();
        let told = told(&mut desk, &shelf);
        let [told] = &told[..] else { panic!("{told:?}") };
        let (request, answer) = (&told.request, told.answer.as_ref().unwrap());
        assert_eq!((request.api_key, request.api_version, request.correlation_id, request.acks, &*request.client_id), (0, 7, 5, Some(1), "c"));
        assert_eq!((request.frame_bytes, answer.frame_bytes), (record(5, 1).len(), recorded(5, 87).len()));
        assert_eq!((answer.broker_nanos, answer.own_nanos, told.nanos, told.end), (5_000, 3_000, 8_000, End::Answered));
        assert_eq!((request.digest.topics[0].name.as_deref(), answer.digest.errors.as_slice()), (Some("t"), [87].as_slice()), "{absorb:?}");
        assert_eq!(&told.request_frame.as_ref().unwrap().bytes[..], &record(5, 1)[..64]);
        assert_eq!(&told.answer_frame.as_ref().unwrap().bytes[..], &recorded(5, 87)[..]);
        assert_eq!(told.guarding, crate::tap::Guarding::default());
        assert!(desk.session.taps.is_none(), "nothing of it stays");
    }
}

#[test]
fn an_answer_that_comes_in_pieces_is_told_when_it_is_through() {
    let (mut desk, shelf) = desk();
    desk.client(&record(5, 1)).unwrap();
    let answer = recorded(5, 6);
    desk.home(&answer[..20]).unwrap();
    assert!(told(&mut desk, &shelf).is_empty());
    desk.home(&answer[20..]).unwrap();
    let told = told(&mut desk, &shelf);
    assert_eq!((told.len(), told[0].answer.as_ref().unwrap().digest.errors.as_slice()), (1, [6].as_slice()), "the rest was looked through as it passed");
}

#[test]
fn what_has_no_answer_is_told_at_once_or_at_the_end() {
    let (mut desk, shelf) = desk();
    desk.client(&[record(5, 0), request(HEARTBEAT, 1, 6, b"\0\x01g\0\0\0\0\0\x01m"), request(api::METADATA, 1, 7, &[0; 4])].concat()).unwrap();
    let ended = told(&mut desk, &shelf);
    assert_eq!(ended.iter().map(|told| (told.request.correlation_id, told.end)).collect::<Vec<_>>(), [(5, End::Unanswered)]);
    desk.home(&metadata(6, 1, "b1", 9092)).unwrap();
    assert_eq!(told(&mut desk, &shelf).len(), 1);
    desk.decide(|session, moment, _| session.abandon(moment));
    let ended = told(&mut desk, &shelf);
    assert_eq!(ended.iter().map(|told| (told.request.correlation_id, told.end)).collect::<Vec<_>>(), [(7, End::Abandoned)]);
}

#[test]
fn leewards_own_answer_to_api_versions_is_told_too() {
    let (mut desk, shelf) = desk();
    desk.client(&request(api::API_VERSIONS, 0, 5, &[])).unwrap();
    let told = told(&mut desk, &shelf);
    assert_eq!((told.len(), told[0].request.api_key, told[0].answer.as_ref().unwrap().broker_nanos), (1, api::API_VERSIONS, 0));
    assert_eq!(told[0].answer_frame.as_ref().unwrap().length, desk.left_for_client().len());
}

/// The home says that it does not lead the partition any more; another broker takes the records.
#[test]
fn what_the_guard_did_with_a_request_is_told_with_it() {
    let (mut desk, shelf) = desk();
    desk.policy.absorb = Absorb::Always;
    desk.policy.windows = vec![WindowScope::default()];
    desk.view = view(&[(1, "b1", 9092), (2, "b2", 9092)]);
    desk.leaders = led_by(1, 1);
    desk.now = 1_000;
    desk.client(&record(5, 1)).unwrap();
    desk.left_for_home();
    desk.session.sent(desk.now);
    desk.now = 2_000_000;
    desk.home(&recorded(5, 6)).unwrap();
    assert!(told(&mut desk, &shelf).is_empty() && desk.left_for_client().is_empty(), "it is held");
    desk.leaders = led_by(2, 2);
    desk.now = 900_000_000;
    desk.decide(|session, moment, outbox| session.pump(moment, outbox));
    let Some(Wish::Open { id, node_id: Some(2) }) = desk.outbox.wishes.pop_front() else { panic!("a detour to the new leader") };
    let sent = desk.outbox.wishes.drain(..).filter_map(|wish| if let Wish::Send { bytes, .. } = wish { Some(bytes.to_vec()) } else { None });
    let sent = sent.collect::<Vec<_>>().concat();
    desk.now = 950_000_000;
    let id_of_detour = i32::from_be_bytes(sent[8..12].try_into().unwrap());
    let mut answer = BytesMut::from(&recorded(id_of_detour, 0)[..]);
    desk.decide(|session, moment, outbox| session.on_detour_bytes(id, &mut answer, moment, outbox));
    let told = told(&mut desk, &shelf);
    let [told] = &told[..] else { panic!("{told:?}") };
    let guarding = &told.guarding;
    assert!(guarding.was_held() && guarding.acks_raised, "{guarding:?}");
    assert_eq!((guarding.held, guarding.resent, guarding.absorbed.as_slice()), (Some((948_000_000, HoldEnd::Resent)), 1, [6].as_slice()));
    assert_eq!(
        (told.request.acks, told.end, told.answer.as_ref().unwrap().digest.errors.len()),
        (Some(1), End::Answered, 0),
        "as the client sent it, and sees it"
    );
    assert_eq!(told.request_frame.as_ref().unwrap().bytes[..64], record(5, 1)[..64], "with the acks of the client");
}
