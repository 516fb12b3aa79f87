//! Whole conversations under every way in which a stream can be cut.

use proptest::prelude::*;

use super::*;

/// One request with what the broker answers, and what the client must get.
#[derive(Debug, Clone)]
enum Turn {
    Heartbeat { padding: usize },
    Produce { acks: i16 },
    Metadata,
    ApiVersions,
    Unknown { padding: usize },
}

impl Turn {
    fn request(&self, id: i32) -> Vec<u8> {
        match self {
            Turn::Heartbeat { padding } => request(HEARTBEAT, 1, id, &vec![7; *padding]),
            Turn::Produce { acks } => produce(id, *acks),
            Turn::Metadata => request(api::METADATA, 1, id, &[0, 0, 0, 0]),
            Turn::ApiVersions => versions::encode_request(3, id, Some("c"), Some(("lib", "1"))).to_vec(),
            Turn::Unknown { padding } => request(500, 3, id, &vec![9; *padding]),
        }
    }

    /// What the broker says and what the client hears.
    fn answer(&self, id: i32, view: &View) -> Option<(Vec<u8>, Vec<u8>)> {
        let same = |bytes: Vec<u8>| Some((bytes.clone(), bytes));
        match self {
            Turn::Heartbeat { padding } => same(response(id, &vec![0; 6 + padding])),
            Turn::Produce { acks: 0 } => None,
            Turn::Produce { .. } => same(produced(id)),
            Turn::Metadata => Some((metadata(id, 1, "b1", 9092), metadata(id, 1, "gate", 20_001))),
            Turn::ApiVersions => {
                let mine = versions::encode_response(view.offer.as_ref().unwrap(), 3, id);
                Some((response(id, b"the broker's own"), mine.to_vec()))
            }
            Turn::Unknown { padding } => same(response(id, &vec![1; *padding])),
        }
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        (0usize..200).prop_map(|padding| Turn::Heartbeat { padding }),
        (-1i16..=1).prop_map(|acks| Turn::Produce { acks }),
        Just(Turn::Metadata),
        Just(Turn::ApiVersions),
        (0usize..200).prop_map(|padding| Turn::Unknown { padding }),
    ]
}

/// Reads what the session sends on as a broker does: whole frames, answered one by one.
struct Broker {
    unread: Vec<u8>,
    answers: BTreeMap<i32, Vec<u8>>,
    asked: Vec<i32>,
    /// Every frame that came.
    got: Departures,
}

impl Broker {
    fn read(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.unread.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(length) = self.unread.first_chunk::<4>().map(|field| u32::from_be_bytes(*field) as usize) {
            if self.unread.len() < 4 + length {
                break;
            }
            let frame: Vec<u8> = self.unread.drain(..4 + length).collect();
            let id = i32::from_be_bytes(frame[8..12].try_into().unwrap());
            self.got.add(i16::from_be_bytes(frame[4..6].try_into().unwrap()), frame.len());
            self.asked.push(id);
            match self.answers.get(&id) {
                Some(answer) => out.extend_from_slice(answer),
                None if id == i32::MAX => out.extend_from_slice(&response(id, b"hello")),
                None => {}
            }
        }
        out
    }
}

/// What the client sends, what it must get, and a broker that has the answers.
fn script(turns: &[Turn], view: &View) -> (Vec<u8>, Vec<u8>, Broker) {
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    let mut broker = Broker { unread: Vec::new(), answers: BTreeMap::new(), asked: Vec::new(), got: Departures::default() };
    for (id, turn) in (1..).zip(turns) {
        sent.extend(turn.request(id));
        if let Some((says, hears)) = turn.answer(id, view) {
            broker.answers.insert(id, says);
            expected.extend(hears);
        }
    }
    (sent, expected, broker)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_the_streams_gives_the_client_the_same_answers(
        turns in prop::collection::vec(turn(), 1..30),
        cuts in prop::collection::vec(1usize..60, 1..50),
        requests_in_flight_max in 1usize..6,
    ) {
        let mut desk = Desk::new();
        desk.limits.requests_in_flight_max = requests_in_flight_max;
        let (sent, expected, mut broker) = script(&turns, &desk.view);
        let (mut got, mut to_read, mut cut) = (Vec::new(), Vec::new(), cuts.iter().cycle());
        let mut unsent = &sent[..];
        for _ in 0..100_000 {
            let n = (*cut.next().unwrap()).min(unsent.len());
            desk.client(&unsent[..n]).unwrap();
            unsent = &unsent[n..];
            to_read.extend(broker.read(&desk.left_for_home()));
            let n = (*cut.next().unwrap()).min(to_read.len());
            desk.home(&to_read.drain(..n).collect::<Vec<_>>()).unwrap();
            prop_assert!(desk.session.requests_in_flight() <= requests_in_flight_max + 1, "one place more for the announcement");
            got.extend(desk.left_for_client());
            if unsent.is_empty() && to_read.is_empty() && desk.session.is_at_rest() && desk.from_client.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, expected);
        let mut in_order = broker.asked.clone();
        in_order.retain(|id| *id != i32::MAX);
        prop_assert!(in_order.is_sorted());
        prop_assert_eq!(desk.session.take_departures(), broker.got, "what left is what came");
    }

    #[test]
    fn a_broker_that_goes_at_any_byte_leaves_a_beginning_of_what_the_client_should_have(
        turns in prop::collection::vec(turn(), 1..12),
        cut_at in 0usize..4000,
        piece in 1usize..80,
    ) {
        let mut desk = Desk::new();
        let (sent, expected, mut broker) = script(&turns, &desk.view);
        desk.client(&sent).unwrap();
        let mut says = broker.read(&desk.left_for_home());
        let whole = cut_at >= says.len();
        says.truncate(cut_at);
        for bytes in says.chunks(piece) {
            desk.home(bytes).unwrap();
        }
        let got = desk.left_for_client();
        prop_assert!(expected.starts_with(&got));
        prop_assert!(!whole || desk.session.is_at_rest(), "it comes to rest");
        prop_assert!(!desk.session.is_at_rest() || got == expected, "at rest everything is answered, to the last byte");
    }

    #[test]
    fn no_bytes_of_a_client_or_a_broker_make_it_panic(
        client in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
        home in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
    ) {
        let mut desk = Desk::new();
        let _ = desk.client(&request(api::METADATA, 9, 1, &[0, 1, 0, 0]));
        let _ = desk.client(&request(api::FETCH, 16, 2, &[0]));
        for bytes in &client {
            if desk.client(&frame(bytes)).is_err() {
                break;
            }
        }
        for bytes in &home {
            if desk.home(&frame(bytes)).is_err() {
                break;
            }
        }
    }
}
