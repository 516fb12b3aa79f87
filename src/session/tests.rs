//! Tables for each rule, and a property over whole conversations (`tests/conversation.rs`).

mod around;
mod bound;
mod conversation;
mod divided;
mod giving_up;
mod login;
mod simulation;
mod tapped;
mod topics;
mod turns;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::*;
use crate::cluster::Broker;
use crate::config::HostPort;
use crate::guard::{Absorb, NotNumbered, WindowScope};
use crate::protocol::versions::{self, Offer, VersionRange};
use crate::wire::api;

/// What a session told.
#[derive(Default)]
struct Seen {
    requests: RefCell<Vec<i16>>,
    responses: RefCell<Vec<i16>>,
    errors: RefCell<Vec<(i16, i16)>>,
    pauses: RefCell<Vec<Pause>>,
    guarded: RefCell<Vec<Event>>,
    listeners: Vec<Arc<Listener>>,
    topics: RefCell<Vec<(String, Amount)>>,
}

impl Observer for Seen {
    fn request(&self, api_key: i16, _: usize) {
        self.requests.borrow_mut().push(api_key);
    }
    fn response(&self, api_key: i16, _: usize, _: u64, _: u64) {
        self.responses.borrow_mut().push(api_key);
    }
    fn error(&self, api_key: i16, code: i16) {
        self.errors.borrow_mut().push((api_key, code));
    }
    fn paused(&self, reason: Pause) {
        self.pauses.borrow_mut().push(reason);
    }
    fn topic(&self, topic: Topic<'_>, amount: Amount) {
        self.topics.borrow_mut().push((format!("{topic:?}"), amount));
    }
    fn guard(&self, _: ClientRef<'_>, event: Event) {
        self.guarded.borrow_mut().push(event);
    }
    fn tap<R>(&self, ask: impl FnOnce(&[Arc<Listener>]) -> R) -> Option<R> {
        (!self.listeners.is_empty()).then(|| ask(&self.listeners))
    }
}

const LIMITS: SessionLimits =
    SessionLimits { frame_bytes_max: 1 << 20, first_frame_bytes_max: 4096, bytes_in_flight_max: 1 << 20, requests_in_flight_max: 100 };

/// A session with everything around it.
struct Desk {
    session: Session,
    view: View,
    leaders: Leaders,
    policy: Policy,
    seen: Seen,
    limits: SessionLimits,
    outbox: Outbox,
    from_client: BytesMut,
    from_home: BytesMut,
    now: u64,
}

impl Desk {
    fn new() -> Self {
        let (seen, outbox) = (Seen::default(), Outbox::default());
        let (from_client, from_home) = (BytesMut::new(), BytesMut::new());
        let policy = Policy { absorb: Absorb::Never, ..Policy::default() };
        let (view, leaders) = (view(&[(1, "b1", 9092)]), Leaders::default());
        Desk { session: Session::new(Some(1), 7), view, leaders, policy, seen, limits: LIMITS, outbox, from_client, from_home, now: 1 }
    }

    fn client(&mut self, bytes: &[u8]) -> Result<(), Close> {
        self.from_client.put_slice(bytes);
        let mut read = std::mem::take(&mut self.from_client);
        let result = self.decide(|session, moment, outbox| session.on_client_bytes(&mut read, moment, outbox));
        self.from_client = read;
        result
    }

    fn home(&mut self, bytes: &[u8]) -> Result<(), Close> {
        self.from_home.put_slice(bytes);
        let mut read = std::mem::take(&mut self.from_home);
        let result = self.decide(|session, moment, outbox| session.on_home_bytes(&mut read, moment, outbox));
        self.from_home = read;
        result
    }

    fn lose_home(&mut self) -> Result<(), Close> {
        self.decide(|session, moment, outbox| session.home_lost(0, Close::new(CloseCause::BrokerReset, ""), moment, outbox))
    }

    fn decide<R>(&mut self, decision: impl FnOnce(&mut Session, &Moment<'_, Seen>, &mut Outbox) -> R) -> R {
        let Desk { session, view, leaders, policy, seen, limits, outbox, now, .. } = self;
        let moment = Moment { now: *now, view, leaders, policy, observer: &*seen, limits, held_bytes: 0 };
        decision(session, &moment, outbox)
    }

    /// What left for the broker since the last call.
    fn left_for_home(&mut self) -> Vec<u8> {
        take(&mut self.outbox.to_home)
    }

    fn left_for_client(&mut self) -> Vec<u8> {
        take(&mut self.outbox.to_client)
    }
}

fn take(queue: &mut outbox::Queue) -> Vec<u8> {
    let bytes: Vec<u8> = queue.pieces().flat_map(|piece| piece.to_vec()).collect();
    queue.advance(bytes.len());
    bytes
}

pub(super) fn view(nodes: &[(i32, &str, u16)]) -> View {
    let brokers = nodes.iter().map(|(node_id, host, port)| {
        let upstream = HostPort { host: (*host).to_owned(), port: *port };
        let virtual_port = 20_000 + u16::try_from(*node_id).unwrap();
        (*node_id, Broker { node_id: *node_id, upstream, rack: None, virtual_port, listed: true, is_forgotten: false, offer: None, reachable: true })
    });
    let ranges = vec![VersionRange { api_key: 3, min: 0, max: 12 }, VersionRange { api_key: 18, min: 0, max: 3 }];
    let offer = Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false };
    View { advertised_host: Arc::from("gate"), brokers: brokers.collect::<BTreeMap<_, _>>(), offer: Some(Arc::new(offer)), ..View::default() }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// A request with header v1 and client id "c".
fn request(api_key: i16, api_version: i16, id: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i16(api_key);
    bytes.put_i16(api_version);
    bytes.put_i32(id);
    bytes.put_slice(&[0, 1, b'c']);
    bytes.put_slice(body);
    frame(&bytes)
}

fn response(id: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    frame(&bytes)
}

/// Produce v7 with these acks; no topics.
fn produce(id: i32, acks: i16) -> Vec<u8> {
    let mut body = vec![0xff, 0xff];
    body.put_i16(acks);
    body.put_slice(&[0, 0, 0x75, 0x30, 0, 0, 0, 0]);
    request(api::PRODUCE, 7, id, &body)
}

/// A batch of one record, which is not looked at but for its number.
fn batch(value: u32, producer_id: i64) -> Vec<u8> {
    let mut batch = vec![0; 61];
    batch.extend(value.to_be_bytes());
    let length = (batch.len() - 12) as i32;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    batch[16] = 2;
    batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
    batch[51..53].copy_from_slice(&(if producer_id < 0 { -1i16 } else { 0 }).to_be_bytes());
    batch[53..57].copy_from_slice(&(if producer_id < 0 { -1 } else { value as i32 }).to_be_bytes());
    batch[57..61].copy_from_slice(&1i32.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// Produce v7 response without topics.
fn produced(id: i32) -> Vec<u8> {
    response(id, &[0, 0, 0, 0, 0, 0, 0, 0])
}

/// Metadata v1 response naming one broker and no topics.
fn metadata(id: i32, node_id: i32, host: &str, port: i32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 1];
    body.put_i32(node_id);
    body.put_i16(i16::try_from(host.len()).unwrap());
    body.put_slice(host.as_bytes());
    body.put_i32(port);
    body.put_slice(&[0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]);
    response(id, &body)
}

const HEARTBEAT: i16 = 12;

#[test]
fn requests_pass_as_they_are_and_their_responses_come_back_in_order() {
    let mut desk = Desk::new();
    let both = [request(HEARTBEAT, 1, 5, b"first"), request(HEARTBEAT, 1, 6, b"second")].concat();
    desk.client(&both).unwrap();
    assert!(desk.outbox.dial);
    assert_eq!(desk.left_for_home(), both);
    let answers = [response(5, &[0, 0, 0, 0, 0, 0]), response(6, &[0, 0, 0, 0, 0, 27])].concat();
    desk.home(&answers).unwrap();
    assert_eq!(desk.left_for_client(), answers);
    assert_eq!(*desk.seen.errors.borrow(), [(HEARTBEAT, 27)]);
    assert!(desk.session.is_at_rest());
}

#[test]
fn a_session_in_the_middle_of_a_response_is_not_at_rest() {
    let mut desk = Desk::new();
    desk.client(&request(HEARTBEAT, 1, 5, b"")).unwrap();
    let answer = response(5, &[0; 100]);
    desk.home(&answer[..60]).unwrap();
    assert!(!desk.session.is_at_rest(), "a drain would cut the answer");
    desk.home(&answer[60..]).unwrap();
    assert!(desk.session.is_at_rest());
}

#[test]
fn a_response_out_of_turn_ends_the_session() {
    let mut desk = Desk::new();
    desk.client(&[request(HEARTBEAT, 1, 5, b""), request(HEARTBEAT, 1, 6, b"")].concat()).unwrap();
    assert_eq!(desk.home(&response(6, &[0; 6])).unwrap_err().cause, CloseCause::CorrelationMismatch);
    let mut desk = Desk::new();
    assert_eq!(desk.home(&response(0, &[0; 6])).unwrap_err().cause, CloseCause::CorrelationMismatch);
}

#[test]
fn produce_without_acks_has_no_answer_and_no_entry() {
    let mut desk = Desk::new();
    desk.client(&[produce(1, 0), produce(2, 1), produce(3, 0), produce(4, -1)].concat()).unwrap();
    assert_eq!(desk.session.requests_in_flight(), 2);
    desk.home(&[produced(2), produced(4)].concat()).unwrap();
    assert_eq!(desk.left_for_client(), [produced(2), produced(4)].concat());
    assert_eq!(*desk.seen.requests.borrow(), [0, 0, 0, 0]);
    assert_eq!(*desk.seen.responses.borrow(), [0, 0]);
}

#[test]
fn api_versions_is_answered_here_and_told_to_the_broker_with_the_first_request() {
    let mut desk = Desk::new();
    let asked = versions::encode_request(3, 9, Some("me"), Some(("lib", "1.0")));
    desk.client(&asked).unwrap();
    assert_eq!(desk.left_for_client(), versions::encode_response(desk.view.offer.as_ref().unwrap(), 3, 9));
    assert!(!desk.outbox.dial, "no broker is needed for it");

    desk.client(&request(HEARTBEAT, 1, 10, b"")).unwrap();
    let announced = versions::encode_request(3, i32::MAX, Some("me"), Some(("lib", "1.0")));
    assert_eq!(desk.left_for_home(), [&announced[..], &request(HEARTBEAT, 1, 10, b"")].concat());
    desk.home(&[response(i32::MAX, b"whatever the broker says"), response(10, &[0; 6])].concat()).unwrap();
    assert_eq!(desk.left_for_client(), response(10, &[0; 6]));
}

#[test]
fn api_versions_on_a_live_home_is_heard_by_the_broker_and_answered_in_turn() {
    let mut desk = Desk::new();
    desk.client(&request(HEARTBEAT, 1, 1, b"")).unwrap();
    desk.left_for_home();
    desk.client(&versions::encode_request(3, 2, None, Some(("lib", "1.0")))).unwrap();
    assert_eq!(desk.left_for_home(), versions::encode_request(3, 2, None, Some(("lib", "1.0"))));
    assert_eq!(desk.left_for_client(), [0u8; 0]);
    desk.home(&response(1, &[0; 6])).unwrap();
    desk.home(&response(2, b"the broker's own versions")).unwrap();
    let mine = versions::encode_response(desk.view.offer.as_ref().unwrap(), 3, 2);
    assert_eq!(desk.left_for_client(), [&response(1, &[0; 6])[..], &mine].concat());
    assert!(desk.session.is_at_rest());
}

#[test]
fn api_versions_of_the_future_and_with_bad_names_are_answered_as_a_broker_does() {
    let mut desk = Desk::new();
    desk.client(&request(api::API_VERSIONS, 9, 4, b"\0what ever")).unwrap();
    assert_eq!(desk.left_for_client(), versions::encode_response(desk.view.offer.as_ref().unwrap(), 9, 4));
    // Header tags, then the compact names "-bad" and "1".
    desk.client(&request(api::API_VERSIONS, 3, 5, b"\0\x05-bad\x021\0")).unwrap();
    assert_eq!(desk.left_for_client(), versions::encode_refusal(versions::INVALID_REQUEST, 3, 5));
}

#[test]
fn api_versions_waits_until_a_broker_has_told_its_versions() {
    let mut desk = Desk::new();
    let offer = desk.view.offer.take();
    desk.client(&versions::encode_request(0, 1, None, None)).unwrap();
    assert_eq!(desk.session.waiting(), Some(Waiting::Offer));
    desk.view.offer = offer;
    desk.session.view_changed();
    desk.client(&[]).unwrap();
    assert_eq!(desk.left_for_client(), versions::encode_response(desk.view.offer.as_ref().unwrap(), 0, 1));
}

#[test]
fn what_is_not_kafka_is_named() {
    let table: [(&[u8], CloseCause, &str); 8] = [
        (b"GET / HTTP/1.1\r\n", CloseCause::NotKafka, "an HTTP request"),
        (&[0x16, 3, 1, 2, 0, 1, 0], CloseCause::NotKafka, "a TLS handshake"),
        (&[0x7f, 0xff, 0xff, 0xff], CloseCause::FrameTooLarge, "2147483647"),
        (&[0xff, 0xff, 0xff, 0xff], CloseCause::FrameTooLarge, "-1"),
        (&[0, 0, 0, 2, 9, 9], CloseCause::MalformedRequest, ""),
        (&[0, 0, 0, 10, 0xff, 0xfe, 0, 0, 0, 0, 0, 1, 0xff, 0xff], CloseCause::MalformedRequest, "-2"),
        (&[0, 0, 0, 10, 0, 6, 0, 0, 0, 0, 0, 1, 0xff, 0xff], CloseCause::InternalApi, "UpdateMetadata"),
        (&[0, 0, 0, 11, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0], CloseCause::UnsupportedVersion, "Metadata v99"),
    ];
    for (bytes, cause, words) in table {
        let close = Desk::new().client(bytes).unwrap_err();
        assert_eq!(close.cause, cause, "{bytes:?}: {}", close.detail);
        assert!(close.detail.contains(words), "{:?} lacks {words:?}", close.detail);
    }
}

#[test]
fn a_long_first_request_must_be_a_produce() {
    let long = vec![0; LIMITS.first_frame_bytes_max];
    assert_eq!(Desk::new().client(&request(HEARTBEAT, 1, 1, &long)).unwrap_err().cause, CloseCause::FrameTooLarge);
    let mut desk = Desk::new();
    desk.client(&request(HEARTBEAT, 1, 1, b"")).unwrap();
    desk.client(&request(HEARTBEAT, 1, 2, &long)).unwrap();
    let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 0];
    body.extend_from_slice(&long);
    Desk::new().client(&request(api::PRODUCE, 7, 1, &body)).unwrap();
}

#[test]
fn unknown_keys_pass_one_to_one() {
    let mut desk = Desk::new();
    desk.client(&request(999, 42, 7, b"of the future")).unwrap();
    assert_eq!(desk.left_for_home(), request(999, 42, 7, b"of the future"));
    desk.home(&response(7, b"so is this")).unwrap();
    assert_eq!(desk.left_for_client(), response(7, b"so is this"));
}

#[test]
fn addresses_are_rewritten_and_the_rest_is_kept() {
    let mut desk = Desk::new();
    desk.client(&request(api::METADATA, 1, 3, &[0, 0, 0, 0])).unwrap();
    desk.home(&metadata(3, 1, "b1", 9092)).unwrap();
    assert_eq!(desk.left_for_client(), metadata(3, 1, "gate", 20_001));
    assert!(desk.outbox.learn.is_empty());
}

#[test]
fn an_unknown_node_is_learned_before_anybody_hears_of_it() {
    let mut desk = Desk::new();
    desk.client(&request(api::METADATA, 1, 3, &[0, 0, 0, 0])).unwrap();
    desk.home(&metadata(3, 2, "b2", 9092)).unwrap();
    assert_eq!(desk.session.waiting(), Some(Waiting::Learning));
    assert_eq!(desk.outbox.learn[0].node_id, 2);
    assert_eq!(desk.left_for_client(), [0u8; 0]);
    desk.outbox.learn.clear();
    desk.view = view(&[(2, "b2", 9092)]);
    desk.session.learned();
    desk.home(&[]).unwrap_or_else(|close| panic!("{close:?}"));
    assert_eq!(desk.left_for_client(), metadata(3, 2, "gate", 20_002));
}

#[test]
fn a_node_that_cannot_be_sheltered_ends_the_session_and_never_leaks() {
    let mut desk = Desk::new();
    desk.client(&request(api::METADATA, 1, 3, &[0, 0, 0, 0])).unwrap();
    desk.home(&metadata(3, 2, "b2", 9092)).unwrap();
    desk.session.learned();
    assert_eq!(desk.home(&[]).unwrap_err().cause, CloseCause::NoVirtualBroker);
    assert_eq!(desk.left_for_client(), [0u8; 0]);
}

#[test]
fn a_changed_address_is_reported_without_waiting() {
    let mut desk = Desk::new();
    desk.client(&request(api::METADATA, 1, 3, &[0, 0, 0, 0])).unwrap();
    desk.home(&metadata(3, 1, "elsewhere", 1)).unwrap();
    assert_eq!(desk.left_for_client(), metadata(3, 1, "gate", 20_001));
    assert_eq!(desk.outbox.learn[0].host, "elsewhere");
}

#[test]
fn too_much_in_flight_pauses_until_something_is_answered() {
    let mut desk = Desk::new();
    desk.limits.requests_in_flight_max = 2;
    let all: Vec<u8> = (1..=3).flat_map(|id| request(HEARTBEAT, 1, id, b"")).collect();
    desk.client(&all).unwrap();
    assert_eq!(desk.session.requests_in_flight(), 2);
    assert_eq!(*desk.seen.pauses.borrow(), [Pause::RequestsInFlight]);
    desk.home(&response(1, &[0; 6])).unwrap();
    desk.client(&[]).unwrap();
    assert_eq!(desk.left_for_home(), all);

    let mut desk = Desk::new();
    desk.limits.bytes_in_flight_max = 10;
    desk.client(&all).unwrap();
    assert_eq!(desk.session.requests_in_flight(), 1, "one request always passes, however large");
    assert_eq!(*desk.seen.pauses.borrow(), [Pause::BytesInFlight]);
}

#[test]
fn latencies_are_split_at_the_moment_of_sending() {
    struct Times(RefCell<Vec<(u64, u64)>>);
    impl Observer for Times {
        fn request(&self, _: i16, _: usize) {}
        fn response(&self, _: i16, _: usize, broker: u64, own: u64) {
            self.0.borrow_mut().push((broker, own));
        }
        fn error(&self, _: i16, _: i16) {}
        fn topic(&self, _: Topic<'_>, _: Amount) {}
        fn guard(&self, _: ClientRef<'_>, _: Event) {}
        fn paused(&self, _: Pause) {}
    }
    let (times, view) = (Times(RefCell::default()), view(&[]));
    let (mut session, mut outbox) = (Session::new(None, 1), Outbox::default());
    let (leaders, policy) = (Leaders::default(), Policy { absorb: Absorb::Never, ..Policy::default() });
    let moment = |now| Moment { now, view: &view, leaders: &leaders, policy: &policy, observer: &times, limits: &LIMITS, held_bytes: 0 };
    let mut bytes = BytesMut::from(&request(HEARTBEAT, 1, 1, b"")[..]);
    session.on_client_bytes(&mut bytes, &moment(100), &mut outbox).unwrap();
    session.sent(130);
    let mut bytes = BytesMut::from(&response(1, &[0; 6])[..]);
    session.on_home_bytes(&mut bytes, &moment(1130), &mut outbox).unwrap();
    assert_eq!(*times.0.borrow(), [(1000, 30)]);
}

#[test]
fn watching_counts_what_would_be_done_and_does_nothing() {
    let mut desk = Desk::new();
    desk.policy = Policy { watch_only: true, windows: vec![WindowScope::default()], ..Policy::default() };
    // acks=1, one topic with a partition and no records.
    let produce = request(api::PRODUCE, 7, 1, &[&[0xff, 0xff, 0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1][..], &[0; 4], &[0xff; 4]].concat());
    desk.client(&produce).unwrap();
    assert_eq!(desk.left_for_home(), produce, "untouched");
    desk.client(&request(HEARTBEAT, 1, 2, b"")).unwrap();
    let partition = [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 6][..], &[0xff; 24], &[0; 4]].concat();
    desk.home(&response(1, &partition)).unwrap();
    desk.home(&response(2, &[0, 0, 0, 0, 0, 16])).unwrap();
    assert_eq!(desk.left_for_client(), [response(1, &partition), response(2, &[0, 0, 0, 0, 0, 16])].concat());
    assert_eq!(
        *desk.seen.guarded.borrow(),
        [
            Event::AcksRaised,
            // A partition without any records has no place for a number.
            Event::NotNumbered { reason: NotNumbered::OldFormat },
            Event::Absorbed { api_key: api::PRODUCE, code: 6 },
            Event::Absorbed { api_key: HEARTBEAT, code: 16 },
        ]
    );
}
