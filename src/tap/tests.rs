//! Who gets which request, and how many.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use super::*;
use crate::guard::{Event, HoldEnd};

/// Where a listener's requests go.
#[derive(Debug, Clone, Default)]
struct Shelf {
    told: Arc<Mutex<Vec<Arc<Told>>>>,
    full: bool,
}

impl Sink for Shelf {
    fn offer(&self, told: Arc<Told>) -> bool {
        if !self.full {
            self.told.lock().unwrap().push(told);
        }
        !self.full
    }
}

fn listener(wanted: Wanted, memory: &Arc<Memory>) -> (Arc<Listener>, Shelf) {
    let shelf = Shelf::default();
    (Arc::new(Listener::new(wanted, Arc::clone(memory), Box::new(shelf.clone()))), shelf)
}

fn many(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// A request of this key with header v1 by `client_id`.
fn frame(api_key: i16, version: i16, client_id: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = [api_key.to_be_bytes(), version.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 7]);
    bytes.extend(u16::try_from(client_id.len()).unwrap().to_be_bytes());
    bytes.extend(client_id.as_bytes());
    bytes.extend(body);
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
}

/// Metadata v1 for these topics.
fn metadata(client_id: &str, topics: &[&str]) -> Vec<u8> {
    let mut body = u32::try_from(topics.len()).unwrap().to_be_bytes().to_vec();
    for topic in topics {
        body.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        body.extend(topic.as_bytes());
    }
    frame(3, 1, client_id, &body)
}

const HEARTBEAT: i16 = 12;

/// Heartbeat v1's answer with this code.
fn beaten(code: i16) -> Vec<u8> {
    let bytes = [&[0, 0, 0, 7, 0, 0, 0, 0][..], &code.to_be_bytes()].concat();
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
}

fn choose(listeners: &[Arc<Listener>], api_key: i16, frame: &[u8], now: u64) -> Option<Box<Tapped>> {
    let request = Request { api_key, api_version: 1, frame_bytes: frame.len(), ..Request::default() };
    Tapped::choose(listeners, request, frame, &|_| None, now)
}

fn deliver(tapped: Box<Tapped>) {
    let peer = "127.0.0.1:5".parse().unwrap();
    tapped.deliver(Delivery { at_micros: 1, peer, local: None, node_id: None, home: None });
}

/// Whether a listener that wants `wanted` gets a request with this answer, having been kept from these errors.
fn gets(wanted: Wanted, api_key: i16, frame: &[u8], answer: &[u8], absorbed: &[i16]) -> bool {
    let (listener, shelf) = listener(wanted, &Arc::default());
    let Some(mut tapped) = choose(&[listener], api_key, frame, 1) else { return false };
    absorbed.iter().for_each(|code| tapped.note(&Event::Absorbed { api_key, code: *code }));
    tapped.answered(answer, Answer { frame_bytes: answer.len(), ..Answer::default() }, &|_| None);
    tapped.ended(End::Answered, 2);
    deliver(tapped);
    shelf.told.lock().unwrap().len() == 1
}

#[test]
fn filters_let_through_what_is_asked_for() {
    let clients = |names: &[&str]| Wanted { clients: names.iter().map(|name| Pattern::new(name)).collect(), ..Wanted::default() };
    let topics = |names: &[&str]| Wanted { topics: names.iter().map(|name| Pattern::new(name)).collect(), ..Wanted::default() };
    let apis = |keys: &[i16]| Wanted { apis: keys.to_vec(), ..Wanted::default() };
    let errors = |errors| Wanted { errors, ..Wanted::default() };
    let asks = metadata("orders-7", &["in", "out"]);
    let beats = frame(HEARTBEAT, 1, "orders-7", &[0, 1, b'g', 0, 0, 0, 0, 0, 1, b'm']);
    for (wanted, api_key, frame, code, absorbed, expected) in [
        (Wanted::default(), 3, &asks, 0, &[][..], true),
        (clients(&["orders-7"]), 3, &asks, 0, &[], true),
        (clients(&["orders*"]), 3, &asks, 0, &[], true),
        (clients(&["orders"]), 3, &asks, 0, &[], false),
        (clients(&["rders*"]), 3, &asks, 0, &[], false),
        (clients(&["other", "orders-*"]), 3, &asks, 0, &[], true),
        (topics(&["out"]), 3, &asks, 0, &[], true),
        (topics(&["o*"]), 3, &asks, 0, &[], true),
        (topics(&["other"]), 3, &asks, 0, &[], false),
        (topics(&["out"]), HEARTBEAT, &beats, 0, &[], false),
        (apis(&[3, 0]), 3, &asks, 0, &[], true),
        (apis(&[3, 0]), HEARTBEAT, &beats, 0, &[], false),
        (errors(Errors::Any), HEARTBEAT, &beats, 0, &[], false),
        (errors(Errors::Any), HEARTBEAT, &beats, 27, &[], true),
        (errors(Errors::Any), HEARTBEAT, &beats, 0, &[16], true),
        (errors(Errors::These(vec![16])), HEARTBEAT, &beats, 27, &[], false),
        (errors(Errors::These(vec![16, 27])), HEARTBEAT, &beats, 27, &[], true),
        (errors(Errors::These(vec![16])), HEARTBEAT, &beats, 0, &[15, 16], true),
    ] {
        let what = format!("{wanted:?} {api_key} {code} {absorbed:?}");
        assert_eq!(gets(wanted, api_key, frame, &beaten(code), absorbed), expected, "{what}");
    }
}

#[test]
fn an_error_of_leewards_own_is_one_that_is_asked_for() {
    let beats = frame(HEARTBEAT, 1, "orders-7", &[0, 1, b'g', 0, 0, 0, 0, 0, 1, b'm']);
    for (errors, expected) in [(Errors::Any, 1), (Errors::These(vec![7]), 1), (Errors::These(vec![6]), 0)] {
        let (listener, shelf) = listener(Wanted { errors, ..Wanted::default() }, &Arc::default());
        let mut tapped = choose(&[listener], HEARTBEAT, &beats, 1).unwrap();
        tapped.note(&Event::Reached { api_key: HEARTBEAT, code: 7 });
        tapped.ended(End::Answered, 2);
        deliver(tapped);
        assert_eq!(shelf.told.lock().unwrap().len(), expected);
    }
}

/// An incremental Fetch names no topic, and its answer does.
#[test]
fn a_fetch_is_asked_for_by_what_its_answer_names() {
    // v7: replica, wait, bytes, isolation, session, no topics, none forgotten.
    let asks = frame(1, 7, "c", &[&[0xff; 4][..], &[0; 12], &[0], &[0, 0, 0, 9, 0, 0, 0, 1], &[0; 8]].concat());
    let mut answer =
        [&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 5, 0, 0], &[0; 24], &[0; 4], &[0; 4]].concat();
    answer = [&u32::try_from(answer.len()).unwrap().to_be_bytes()[..], &answer].concat();
    for (topic, expected) in [("t", true), ("u", false)] {
        let (listener, shelf) = listener(Wanted { topics: vec![Pattern::new(topic)], ..Wanted::default() }, &Arc::default());
        let request = Request { api_key: 1, api_version: 7, frame_bytes: asks.len(), ..Request::default() };
        let mut tapped = Tapped::choose(&[listener], request, &asks, &|_| None, 1).unwrap();
        tapped.answered(&answer, Answer { frame_bytes: answer.len(), ..Answer::default() }, &|_| None);
        deliver(tapped);
        let told = shelf.told.lock().unwrap();
        assert_eq!(told.len() == 1, expected, "{topic}");
        assert!(told.iter().all(|told| told.answer.as_ref().unwrap().digest.topics[0].partitions[0].partition == 5));
    }
}

#[test]
fn a_topic_that_is_named_by_its_id_is_known_by_its_name() {
    let id = [7; 16];
    // Fetch v13: no tags in the header, wait to session, one topic with no partition, none forgotten, no rack.
    let body = [&[0][..], &[0; 16], &[0], &[0; 8], &[2], &id, &[1, 0], &[1, 1, 0]].concat();
    let asks = frame(1, 13, "c", &body);
    let wanted = || Wanted { topics: vec![Pattern::new("orders")], ..Wanted::default() };
    let request = || Request { api_key: 1, api_version: 13, frame_bytes: asks.len(), ..Request::default() };
    let (first, shelf) = listener(wanted(), &Arc::default());
    let names = |asked: [u8; 16]| (asked == id).then(|| Arc::from("orders"));
    let tapped = Tapped::choose(&[first], request(), &asks, &names, 1).unwrap();
    deliver(tapped);
    assert_eq!(shelf.told.lock().unwrap()[0].request.digest.topics[0].name.as_deref(), Some("orders"));
    let (second, shelf) = listener(wanted(), &Arc::default());
    deliver(Tapped::choose(&[second], request(), &asks, &|_| None, 1).unwrap());
    assert!(shelf.told.lock().unwrap().is_empty(), "nobody knows its name");
}

#[test]
fn one_of_so_many_is_looked_at_by_chance() {
    for sample in [2, 10, 100] {
        let wanted = Wanted { sample: many(sample), per_second: many(PER_SECOND_MAX), ..Wanted::default() };
        let (listener, _) = listener(wanted, &Arc::default());
        // Two kinds of requests in turn, a millisecond apart: each has its share.
        let mut chosen = [0_u32; 2];
        for turn in 0..40_000_u32 {
            let is_chosen = listener.looks_at(0, Box::default, u64::from(turn) * 1_000_000);
            chosen[(turn % 2) as usize] += u32::from(is_chosen);
        }
        let expected = 20_000 / sample;
        assert!(chosen.iter().all(|chosen| chosen.abs_diff(expected) < expected / 4 + 10), "1 in {sample}: {chosen:?}");
        assert_eq!(listener.standing().passed, 40_000);
    }
}

#[test]
fn what_is_too_fast_is_left_out_and_counted() {
    const MILLI: u64 = 1_000_000;
    for (per_second, every, lasts, least, most) in [(100, 1, 1000, 100, 111), (100, 10, 1000, 100, 100), (1, 1, 3000, 3, 4), (5000, 1, 1000, 1000, 1000)] {
        let (listener, _) = listener(Wanted { per_second: many(per_second), ..Wanted::default() }, &Arc::default());
        let times = (0..lasts / every).map(|turn| 1 + turn * every * MILLI);
        let chosen = times.filter(|now| listener.looks_at(0, Box::default, *now)).count() as u64;
        assert!((least..=most).contains(&chosen), "{per_second} in a second, one each {every} ms for {lasts} ms: {chosen}");
        assert_eq!(listener.standing().too_fast, lasts / every - chosen, "each that is not told is counted");
    }
}

/// Which requests have an error shows itself by their answers, so many are looked at; few are told.
#[test]
fn the_bound_is_on_what_is_told_where_that_shows_itself_late() {
    let wanted = Wanted { errors: Errors::Any, per_second: many(10), ..Wanted::default() };
    let (listener, shelf) = listener(wanted, &Arc::default());
    let beats = frame(HEARTBEAT, 1, "c", &[0, 1, b'g', 0, 0, 0, 0, 0, 1, b'm']);
    for turn in 0..1000_u64 {
        let now = 1 + turn * 1_000_000;
        let mut tapped = choose(&[Arc::clone(&listener)], HEARTBEAT, &beats, now).expect("looked at");
        let code = if turn % 2 == 0 { 27 } else { 0 };
        tapped.answered(&beaten(code), Answer::default(), &|_| None);
        tapped.ended(End::Answered, now);
        deliver(tapped);
    }
    let (told, standing) = (shelf.told.lock().unwrap().len() as u64, listener.standing());
    assert!((10..=12).contains(&told), "{told}");
    assert_eq!((standing.told, standing.too_fast, standing.passed), (told, 500 - told, 1000));
}

#[test]
fn what_its_listener_does_not_take_is_counted() {
    let shelf = Shelf { full: true, ..Shelf::default() };
    let listener = Arc::new(Listener::new(Wanted::default(), Arc::default(), Box::new(shelf)));
    deliver(choose(&[Arc::clone(&listener)], 3, &metadata("c", &[]), 1).unwrap());
    assert_eq!(listener.standing(), Standing { passed: 1, not_taken: 1, ..Standing::default() });
    assert_eq!(listener.standing().left_out(), 1);
}

#[test]
fn what_is_kept_has_a_bound_and_is_given_back() {
    let memory = Arc::<Memory>::default();
    let wanted = Wanted { frame_bytes: 1 << 20, per_second: many(PER_SECOND_MAX), ..Wanted::default() };
    let (listener, shelf) = listener(wanted, &memory);
    let asks = metadata("c", &["t"]);
    let kept: Vec<_> = (0..40).map_while(|turn| choose(&[Arc::clone(&listener)], 3, &asks, 1 + turn * 1_000_000)).collect();
    assert_eq!(kept.len(), 15, "2 MiB each, and a little");
    assert!(memory.kept() <= KEPT_BYTES_MAX);
    assert_eq!(listener.standing().no_memory, 1);
    kept.into_iter().for_each(deliver);
    assert!(memory.kept() > 0, "its listener has not written them");
    shelf.told.lock().unwrap().clear();
    assert_eq!(memory.kept(), 0);
}

#[test]
fn frames_are_kept_up_to_a_bound_and_those_with_secrets_never() {
    let (listener, shelf) = listener(Wanted { frame_bytes: 12, ..Wanted::default() }, &Arc::default());
    let listeners = [listener];
    let asks = metadata("c", &["t"]);
    deliver(choose(&listeners, 3, &asks, 1).unwrap());
    // SaslAuthenticate v0 with a token.
    let login = frame(36, 0, "c", &[0, 0, 0, 3, b'k', b'e', b'y']);
    let request = Request { api_key: 36, api_version: 0, frame_bytes: login.len(), ..Request::default() };
    deliver(Tapped::choose(&listeners, request, &login, &|_| None, 1_000_000_000).unwrap());
    let told = shelf.told.lock().unwrap();
    let frame = told[0].request_frame.as_ref().unwrap();
    assert_eq!((&frame.bytes[..], frame.length), (&asks[..12], asks.len()));
    assert!(told[1].request_frame.is_none() && told[1].request.client_id.as_ref() == "c");
}

#[test]
fn what_the_guard_did_stands_beside_the_request() {
    let mut guarding = Guarding::default();
    assert!(!guarding.was_held());
    for event in [
        Event::AcksRaised,
        Event::Numbered { batches: 2 },
        Event::HoldBegan { api_key: 0, frame_bytes: 9 },
        Event::Absorbed { api_key: 0, code: 6 },
        Event::Absorbed { api_key: 0, code: 6 },
        Event::AbsorbedLoss { api_key: 0 },
        Event::Resent { api_key: 0 },
        Event::Resent { api_key: 0 },
        Event::DuplicateDropped,
        Event::HomeLost,
    ] {
        guarding.note(&event);
    }
    assert!(guarding.was_held() && guarding.held.is_none());
    guarding.note(&Event::HoldEnded { api_key: 0, frame_bytes: 9, end: HoldEnd::Resent, nanos: 5 });
    assert_eq!((guarding.held, guarding.resent, guarding.losses, guarding.duplicates_dropped), (Some((5, HoldEnd::Resent)), 2, 1, 1));
    assert_eq!((guarding.absorbed, guarding.acks_raised, guarding.numbered), (vec![6], true, 2));
}
