use super::pcap::Capture;
use super::text::{left_out, lines};
use crate::admin::tap::{TapBytes, TapFrame, TapGuard, TapPartition, TapRecord, TapRequest, TapStanding, TapTopic};
use crate::cli::output::Paint;

fn request() -> TapRequest {
    TapRequest {
        at: "2026-03-01T12:00:00.250000Z".to_owned(),
        peer: "127.0.0.1:40000".to_owned(),
        local: Some("127.0.0.1:19093".to_owned()),
        client_id: "orders".to_owned(),
        node_id: Some(1),
        api: "Produce".to_owned(),
        api_version: 8,
        request_bytes: 12,
        response_bytes: Some(8),
        broker_micros: Some(1_500),
        own_micros: Some(20),
        micros: 250_000,
        acks: Some(-1),
        end: "answered".to_owned(),
        ..TapRequest::default()
    }
}

fn shown(request: &TapRequest) -> String {
    lines(request, Paint { colour: false }).join("\n")
}

#[test]
fn a_request_is_told_in_two_lines_and_more_where_there_is_more() {
    let plain = request();
    assert_eq!(
        shown(&plain),
        "12:00:00.250  Produce v8               node 1          12 B →       8 B in 1.50 ms + 0.02 ms\n              orders at 127.0.0.1:40000; acks=all"
    );
    let partition = TapPartition { partition: 4, bytes: Some(300), records: Some(3), error: None };
    let topic = |error: Option<&str>| TapTopic {
        name: Some("invoices".to_owned()),
        partitions: vec![TapPartition { error: error.map(str::to_owned), ..partition.clone() }],
        ..TapTopic::default()
    };
    let refused =
        TapTopic { partitions: vec![TapPartition { bytes: None, records: None, ..topic(Some("MESSAGE_TOO_LARGE")).partitions[0].clone() }], ..topic(None) };
    let guard = TapGuard {
        held: true,
        held_micros: Some(2_100_000),
        hold_end: Some("resent".to_owned()),
        resent: 2,
        absorbed: vec!["REQUEST_TIMED_OUT".to_owned()],
        ..TapGuard::default()
    };
    let record = TapRecord {
        topic: Some("invoices".to_owned()),
        partition: 4,
        offset: Some(1),
        value: Some(TapBytes { bytes: 3, text: Some("a\u{1b}b".to_owned()), hex: None }),
        ..TapRecord::default()
    };
    let full = TapRequest {
        topics: vec![topic(None)],
        answered: vec![refused],
        errors: vec!["MESSAGE_TOO_LARGE".to_owned()],
        guard: Some(guard),
        records: vec![record],
        ..plain.clone()
    };
    let text = shown(&full);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "orders at 127.0.0.1:40000: invoices 4 (3 records, 300 B); acks=all",
        "error MESSAGE_TOO_LARGE (invoices 4)",
        "guard: held 2100 ms, then answered by a broker; sent again 2 times; kept from the client: REQUEST_TIMED_OUT",
        "invoices 4 +1: null = \"a\\u{1b}b\"",
    ] {
        assert!(words.contains(said), "{said}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "a client's text is no command to a terminal");
    let silent = TapRequest { end: "unanswered".to_owned(), response_bytes: None, node_id: None, client_id: "x\u{7}".repeat(300), ..plain };
    let text = shown(&silent);
    assert!(text.contains("bootstrap") && text.contains("wants no answer"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100) && !text.contains('\u{7}'), "{text}");
}

#[test]
fn what_was_left_out_is_said_with_why() {
    let before = TapStanding { told: 5, left_out: 10, too_fast: 10, ..TapStanding::default() };
    let now = TapStanding { told: 9, left_out: 25, too_fast: 20, not_read: 4, no_memory: 1, ..TapStanding::default() };
    let said = left_out(&before, &now, 200);
    assert_eq!(said, "-- 15 left out: 10 more than 200 in a second (--rate, --sample), 4 not read in time, 1 for which there was no memory");
}

/// One packet of a file.
#[derive(Debug)]
struct Packet {
    micros: u64,
    length: u32,
    ip: Vec<u8>,
}

fn packets(file: &[u8]) -> Vec<Packet> {
    assert_eq!((&file[..4], &file[20..24]), (&[0xd4, 0xc3, 0xb2, 0xa1][..], &[101, 0, 0, 0][..]), "microseconds, raw IP");
    let long = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let (mut packets, mut at) = (Vec::new(), 24);
    while at < file.len() {
        let captured = long(at + 8) as usize;
        let micros = u64::from(long(at)) * 1_000_000 + u64::from(long(at + 4));
        packets.push(Packet { micros, length: long(at + 12), ip: file[at + 16..at + 16 + captured].to_vec() });
        at += 16 + captured;
    }
    packets
}

/// The Internet's checksum over bytes that have one in them is nothing.
fn sums_up(bytes: &[u8]) -> bool {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

impl Packet {
    fn ports(&self) -> (u16, u16) {
        let short = |at: usize| u16::from_be_bytes([self.ip[at], self.ip[at + 1]]);
        (short(20), short(22))
    }

    fn numbers(&self) -> (u32, u32) {
        let long = |at: usize| u32::from_be_bytes(self.ip[at..at + 4].try_into().unwrap());
        (long(24), long(28))
    }

    fn data(&self) -> &[u8] {
        &self.ip[40..]
    }

    fn holds(&self) -> bool {
        let tcp = &self.ip[20..];
        let pseudo = [&self.ip[12..20], &[0, 6], &u16::try_from(self.length - 20).unwrap().to_be_bytes()[..], tcp].concat();
        let total = u32::from(u16::from_be_bytes([self.ip[2], self.ip[3]]));
        sums_up(&self.ip[..20]) && sums_up(&pseudo) && total == self.length
    }
}

fn framed(hex: &str, bytes: usize) -> Option<TapFrame> {
    Some(TapFrame { bytes, hex: hex.to_owned(), blank: false })
}

#[test]
fn a_file_has_a_connection_with_right_numbers_for_each_client() {
    let mut file = Vec::new();
    let mut capture = Capture::new(&mut file).unwrap();
    let one = TapRequest { request_frame: framed("00000008aabbccddeeff0011", 12), response_frame: framed("0000000401020304", 8), ..request() };
    capture.add(&one).unwrap();
    capture.add(&TapRequest { peer: "127.0.0.1:40001".to_owned(), ..one.clone() }).unwrap();
    capture.add(&one).unwrap();
    capture.add(&TapRequest { request_frame: None, ..one.clone() }).unwrap();
    capture.add(&TapRequest { end: "swallowed".to_owned(), ..one }).unwrap();
    assert_eq!(
        capture.summary(),
        "4 requests with their frames, 1 without, since they may hold secrets; open it with: wireshark -d tcp.port==19093,kafka FILE"
    );
    let packets = packets(&file);
    let seen: Vec<_> = packets.iter().map(|packet| (packet.ports().0, packet.numbers(), packet.data().len())).collect();
    let hello = |client| [(client, (0, 0), 0), (19093, (0, 1), 0), (client, (1, 1), 0), (client, (1, 1), 12), (19093, (1, 13), 8)];
    let more = [(40000, (13, 9), 12), (19093, (9, 25), 8), (40000, (25, 17), 12)];
    assert_eq!(seen, [&hello(40000)[..], &hello(40001)[..], &more].concat());
    assert!(packets.iter().all(Packet::holds), "{packets:?}");
    assert_eq!((packets[3].micros, packets[4].micros), (1_772_366_400_000_000, 1_772_366_400_250_000), "when it came, and when its answer went");
    assert_eq!(packets[3].data()[..6], [0, 0, 0, 8, 0xaa, 0xbb]);
}

#[test]
fn a_large_frame_has_several_packets_and_what_is_not_there_counts() {
    let mut file = Vec::new();
    let mut capture = Capture::new(&mut file).unwrap();
    let cut = TapRequest { request_frame: framed(&"0a".repeat(40_000), 100_000), response_frame: framed("00", 8), ..request() };
    capture.add(&cut).unwrap();
    let packets = packets(&file);
    let seen: Vec<_> = packets[3..].iter().map(|packet| (packet.numbers().0, packet.data().len(), packet.length - 40)).collect();
    assert_eq!(seen, [(1, 32_768, 32_768), (32_769, 7_232, 32_768), (65_537, 0, 32_768), (98_305, 0, 1_696), (1, 1, 8)]);
    assert_eq!(packets[7].numbers().1, 100_001, "the answer acknowledges all of it");
}

#[test]
fn ipv6_has_packets_of_its_own() {
    let mut file = Vec::new();
    let mut capture = Capture::new(&mut file).unwrap();
    let six = TapRequest { peer: "[::1]:40000".to_owned(), local: Some("[::1]:19093".to_owned()), request_frame: framed("00000000", 4), ..request() };
    capture.add(&six).unwrap();
    let packets = packets(&file);
    let ip = &packets[3].ip;
    assert_eq!((ip[0] >> 4, u16::from_be_bytes([ip[4], ip[5]]), ip[6], ip.len()), (6, 24, 6, 64));
    assert!(sums_up(&[&ip[8..40], &[0, 0, 0, 24, 0, 0, 0, 6], &ip[40..]].concat()));
}
