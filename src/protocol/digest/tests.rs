use bytes::BufMut;
use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::protocol::records::{self, Plain};
use crate::protocol::schema::arbitrary;
use crate::wire::Api;

/// A frame with header v1 or v2, and client id "c".
fn request_frame(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i16(api_key);
    bytes.put_i16(version);
    bytes.put_i32(7);
    if crate::wire::api::request_header_version(api_key, version) >= 1 {
        bytes.put_slice(&[0, 1, b'c']);
    }
    if crate::wire::api::request_header_version(api_key, version) >= 2 {
        bytes.put_u8(0);
    }
    lengthened(&[&bytes, body].concat())
}

fn response_frame(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let tags: &[u8] = if crate::wire::api::response_header_version(api_key, version) >= 1 { &[0] } else { &[] };
    lengthened(&[&[0, 0, 0, 7], tags, body].concat())
}

fn lengthened(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn batch(values: &[&'static str]) -> Vec<u8> {
    let plain = |value: &&'static str| Plain { key: Some("k".into()), value: Some((*value).into()) };
    records::encode(&values.iter().map(plain).collect::<Vec<_>>(), 5_000).to_vec()
}

/// What is named as `topic partition:bytes/records!error`, and the errors.
fn told(digest: &Digest) -> String {
    let partition = |partition: &NamedPartition| {
        let bytes = partition.record_bytes.map(|bytes| format!(":{bytes}")).unwrap_or_default();
        let records = partition.records.map(|records| format!("/{records}")).unwrap_or_default();
        let error = if partition.error == 0 { String::new() } else { format!("!{}", partition.error) };
        format!("{}{bytes}{records}{error}", partition.partition)
    };
    let topic = |topic: &NamedTopic| {
        let name = topic.name.as_deref().map_or_else(|| format!("#{}", topic.id.unwrap()[0]), str::to_owned);
        [vec![name], topic.partitions.iter().map(partition).collect()].concat().join(" ")
    };
    let topics: Vec<_> = digest.topics.iter().map(topic).collect();
    format!(
        "{} {:?}{}{}",
        topics.join(", "),
        digest.errors,
        if digest.more > 0 { format!(" +{}", digest.more) } else { String::new() },
        if digest.is_whole { "" } else { " cut" }
    )
}

fn asked(api_key: i16, version: i16, body: &[u8]) -> String {
    told(&request(&request_frame(api_key, version, body), &mut |_| {}))
}

fn answered(api_key: i16, version: i16, body: &[u8]) -> String {
    told(&response(api_key, version, &response_frame(api_key, version, body), &mut |_| {}))
}

/// Produce: what stands before the topics, one topic, two partitions.
fn produce(version: i16, records: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let flexible = version >= 9;
    if version >= 3 {
        body.put_slice(if flexible { &[0] } else { &[0xff, 0xff] });
    }
    body.put_i16(-1);
    body.put_i32(30_000);
    if flexible {
        body.put_u8(2)
    } else {
        body.put_i32(1)
    }
    match version {
        13.. => body.put_slice(&[9; 16]),
        9..13 => body.put_slice(&[2, b't']),
        _ => body.put_slice(&[0, 1, b't']),
    }
    if flexible {
        body.put_u8(3)
    } else {
        body.put_i32(2)
    }
    for index in [4, 5] {
        body.put_i32(index);
        let records = if index == 4 { records } else { &[] };
        if flexible {
            assert!(records.len() < 127, "one byte tells the length");
            body.put_u8(u8::try_from(records.len()).unwrap() + 1);
        } else {
            body.put_i32(i32::try_from(records.len()).unwrap());
        }
        body.put_slice(records);
        body.put_slice(if flexible { &[0] } else { &[] });
    }
    body.put_slice(if flexible { &[0, 0] } else { &[] });
    body
}

#[test]
fn a_produce_names_topics_partitions_and_records() {
    let batch = batch(&["first", "second"]);
    let size = batch.len();
    for (version, name) in [(0, "t"), (2, "t"), (3, "t"), (8, "t"), (9, "t"), (12, "t"), (13, "#9")] {
        assert_eq!(asked(0, version, &produce(version, &batch)), format!("{name} 4:{size}/2 5:0/0 []"), "v{version}");
    }
    let mut old = batch.clone();
    old[16] = 1;
    assert_eq!(asked(0, 2, &produce(2, &old)), format!("t 4:{size} 5:0/0 []"), "a format before v2 does not count");
    assert_eq!(asked(0, 14, &[1, 2, 3]), " [] cut", "a version that is not known");
}

#[test]
fn an_answer_names_errors_where_they_are() {
    // Produce v3: two partitions, one refused; throttle.
    let body = [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2][..], &[0, 0, 0, 4, 0, 6], &[0; 16], &[0, 0, 0, 5, 0, 0], &[0; 16], &[0; 4]].concat();
    assert_eq!(answered(0, 3, &body), "t 4!6 5 [6]");
    // Fetch v0: high watermark, records.
    let body = [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1][..], &[0, 0, 0, 4, 0, 1], &[0; 8], &[0, 0, 0, 3, 1, 2, 3]].concat();
    assert_eq!(answered(1, 0, &body), "t 4:3/0!1 [1]");
    // Fetch v13: throttle, error, session, a topic by its id, watermarks, no aborted transactions, no replica, records, tags.
    let fetched = batch(&["v"]);
    let records = [&[u8::try_from(fetched.len()).unwrap() + 1][..], &fetched].concat();
    let body = [&[0; 4][..], &[0, 0], &[0; 4], &[2], &[7; 16], &[2], &[0, 0, 0, 3, 0, 0], &[0; 24], &[0], &[0xff; 4], &records, &[0], &[0], &[0]].concat();
    assert_eq!(answered(1, 13, &body), format!("#7 3:{}/1 []", fetched.len()));
    // Metadata v1: no broker, controller, a topic with error 5 and a partition with error 9.
    let body = [&[0; 4][..], &[0, 0, 0, 1], &[0, 0, 0, 1], &[0, 5, 0, 1, b't', 0], &[0, 0, 0, 1, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1], &[0; 8]].concat();
    assert_eq!(answered(3, 1, &body), "t 2!9 [5, 9]");
    // Heartbeat v1.
    assert_eq!(answered(12, 1, &[0, 0, 0, 0, 0, 27]), " [27]");
}

#[test]
fn what_names_topics_in_other_ways_is_read_too() {
    // Metadata v1: by name. DeleteTopics v1: a list of names.
    assert_eq!(asked(3, 1, &[0, 0, 0, 1, 0, 1, b't']), "t []");
    assert_eq!(asked(20, 1, &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 9]), "t []");
    // OffsetFetch v1: partitions as numbers. v8: by group.
    assert_eq!(asked(9, 1, &[0, 1, b'g', 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, 7]), "t 6 7 []");
    assert_eq!(asked(9, 8, &[2, 2, b'g', 2, 2, b't', 2, 0, 0, 0, 6, 0, 0, 0, 0]), "t 6 []");
    // An incremental Fetch v7 that forgets a topic asks for none.
    let body = [&[0xff; 4][..], &[0; 12], &[0], &[0, 0, 0, 9, 0, 0, 0, 1], &[0; 4], &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]].concat();
    assert_eq!(asked(1, 7, &body), " []");
}

#[test]
fn what_breaks_off_is_told_as_far_as_it_is_there() {
    let batch = batch(&["first"]);
    let frame = request_frame(0, 7, &produce(7, &batch));
    let in_the_records = frame.len() - 20;
    assert_eq!(told(&request(&frame[..in_the_records], &mut |_| {})), format!("t 4:{}/1 cut", batch.len()).replace(" cut", " [] cut"));
    for length in 0..frame.len() {
        assert!(!request(&frame[..length], &mut |_| {}).is_whole);
    }
}

#[test]
fn what_is_told_has_a_bound_and_a_listener_hears_of_all() {
    let mut body = 1000_i32.to_be_bytes().to_vec();
    for index in 0..1000 {
        let name = format!("topic-{index:04}");
        body.put_i16(10);
        body.put_slice(name.as_bytes());
    }
    let mut heard = Vec::new();
    let digest = request(&request_frame(3, 1, &body), &mut |topic| {
        if let Topic::Name(name) = topic {
            heard.push(name.to_owned())
        }
    });
    assert_eq!((digest.topics.len(), digest.more, digest.is_whole), (NAMED_MAX, 1000 - NAMED_MAX, true));
    assert_eq!((heard.len(), heard[999].as_str()), (1000, "topic-0999"));
    // A count of billions ends with the bytes.
    assert!(!request(&request_frame(3, 1, &[0x7f, 0xff, 0xff, 0xff, 0, 1, b't']), &mut |_| {}).is_whole);
}

#[test]
fn records_are_opened_where_they_can_be() {
    let two = [batch(&["first", "second"]), batch(&["third"])].concat();
    let values =
        |bytes: &[u8], most| contents(bytes, most).0.iter().map(|content| String::from_utf8(content.value.unwrap().to_vec()).unwrap()).collect::<Vec<_>>();
    assert_eq!(values(&two, 9), ["first", "second", "third"]);
    assert_eq!(values(&two, 2), ["first", "second"]);
    let (found, unopened) = contents(&two, 9);
    assert_eq!((found[1].offset, found[1].timestamp, found[1].key, unopened), (1, 5_000, Some(&b"k"[..]), None));
    let changed = |at: usize, to: u8| {
        let mut bytes = two.clone();
        bytes[at] = to;
        contents(&bytes, 9).1
    };
    assert_eq!(changed(22, 3), Some(Unopened::Compressed("compressed with lz4")));
    assert_eq!(changed(22, 0x20), Some(Unopened::Control));
    assert_eq!(changed(16, 1), Some(Unopened::OldFormat));
    assert_eq!(changed(22, 7), Some(Unopened::Malformed));
    assert_eq!(contents(&two[..two.len() - 1], 9).1, Some(Unopened::Cut));
    assert_eq!(contents(&two[..30], 9).1, Some(Unopened::Cut));
}

#[test]
fn a_blank_frame_has_its_lengths_and_no_record() {
    let batch = batch(&["the client's business"]);
    for version in [3, 8, 9, 12] {
        let frame = request_frame(0, version, &produce(version, &batch));
        let mut blanked = frame.clone();
        blank_request(&mut blanked);
        assert_eq!(told(&request(&blanked, &mut |_| {})), told(&request(&frame, &mut |_| {})), "v{version}");
        let at = frame.windows(batch.len()).position(|window| window == batch).unwrap();
        assert_eq!(&blanked[..at + 61], &frame[..at + 61], "the batch's head stays");
        let (records, unopened) = contents(&blanked[at..at + batch.len()], 9);
        assert_eq!((records[0].key, records[0].value, unopened), (Some(&[0][..]), Some(&[0; 21][..]), None), "as long as they were");
        assert!(!blanked.windows(8).any(|window| window == b"business"));
    }
    let mut compressed = batch.clone();
    compressed[22] = 1;
    let mut frame = request_frame(0, 8, &produce(8, &compressed));
    blank_request(&mut frame);
    assert!(!frame.windows(8).any(|window| window == b"business"));
    // A frame that was cut in the records, and one of a version that is not known.
    let mut cut = request_frame(0, 7, &produce(7, &batch));
    cut.truncate(cut.len() - 14);
    blank_request(&mut cut);
    assert!(!cut.windows(8).any(|window| window == b"business"));
    let mut strange = request_frame(0, 14, b"the client's business");
    blank_request(&mut strange);
    assert!(!strange.windows(8).any(|window| window == b"business"));
}

proptest! {
    /// Whatever comes, whole, cut or with a byte changed: no panic, and a whole one is read to its end.
    #[test]
    fn every_message_is_read_and_nothing_of_it_panics(key in 0..95_i16, version in 0..19_i16, seed: u64, cut in 0..4096_usize, flip in 0..4096_usize) {
        let mut rng = Rng::with_seed(seed);
        let Some(api) = Api::of(key) else { return Ok(()) };
        if let Some(body) = arbitrary::request(api.key, version, &mut rng) {
            let frame = request_frame(key, version, &body);
            let whole = request(&frame, &mut |_| {}).is_whole;
            prop_assert!(whole);
            for mut bytes in [frame.clone(), frame[..cut.min(frame.len())].to_vec(), frame] {
                if let Some(byte) = bytes.get_mut(flip) { *byte ^= 0x81; }
                let digest = request(&bytes, &mut |_| {});
                prop_assert!(digest.topics.iter().map(|topic| topic.partitions.len().max(1)).sum::<usize>() <= NAMED_MAX);
                let before = bytes.len();
                blank_request(&mut bytes);
                prop_assert_eq!(bytes.len(), before);
                contents(&bytes, 10);
            }
        }
        if let Some(body) = arbitrary::response(api.key, version, &mut rng) {
            let frame = response_frame(key, version, &body);
            let whole = response(key, version, &frame, &mut |_| {}).is_whole;
            prop_assert!(whole);
            for mut bytes in [frame.clone(), frame[..cut.min(frame.len())].to_vec(), frame] {
                if let Some(byte) = bytes.get_mut(flip) { *byte ^= 0x81; }
                response(key, version, &bytes, &mut |_| {});
                blank_response(key, version, &mut bytes);
            }
        }
    }
}
