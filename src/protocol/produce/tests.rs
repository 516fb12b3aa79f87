use bytes::Bytes;
use fastrand::Rng;
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::Decodable;
use proptest::prelude::*;

use super::*;
use crate::protocol::peek::peek;
use crate::protocol::schema::arbitrary;

fn request(version: i16, rng: &mut Rng) -> Bytes {
    let mut frame = vec![0; 4];
    frame.extend([0, 0, 0, version as u8, 0, 0, 0, 7, 0, 2, b'm', b'e']);
    if version >= FLEXIBLE_SINCE {
        frame.push(0);
    }
    frame.extend(arbitrary::request(0, version, rng).unwrap());
    lengthen(frame)
}

fn lengthen(mut frame: Vec<u8>) -> Bytes {
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.into()
}

/// What a request says, in a form that does not depend on where it stands.
fn said<'a>(frame: &'a [u8], layout: &Layout, only: &[usize]) -> Vec<(Topic<'a>, i32, bool, &'a [u8])> {
    let batches = layout.batches.iter().enumerate().filter(|(index, _)| only.contains(index));
    batches.map(|(_, batch)| (layout.topic(frame, batch).unwrap(), batch.partition, batch.null, &frame[batch.records.clone()])).collect()
}

proptest! {
    #[test]
    fn a_subset_says_what_the_whole_said_of_it(version in 0..=13_i16, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let frame = request(version, &mut rng);
        let layout = parse(&frame).unwrap();
        let every: Vec<usize> = (0..layout.batches.len()).collect();
        let some: Vec<usize> = every.iter().copied().filter(|_| rng.bool()).collect();
        for only in [every, some] {
            let pieces = subset(&frame, &layout, &only, 1, 77);
            let range = frame.as_ptr_range();
            let shared: usize = pieces.iter().filter(|piece| range.contains(&piece.as_ptr())).map(Bytes::len).sum();
            let made = pieces.concat();
            prop_assert_eq!(made.len() - 4, u32::from_be_bytes(made[..4].try_into().unwrap()) as usize);
            prop_assert_eq!(&made[4..layout.acks_at], &frame[4..layout.acks_at]);
            let again = parse(&made).unwrap();
            prop_assert_eq!((again.acks, again.timeout_ms, again.transactional), (1, 77, layout.transactional));
            prop_assert_eq!(said(&made, &again, &(0..only.len()).collect::<Vec<_>>()), said(&frame, &layout, &only));
            prop_assert_eq!(shared, again.batches.iter().map(|batch| batch.records.len()).sum::<usize>());
            if version >= 3 {
                let body = RequestHeader::parse(&made[4..]).unwrap().body;
                let mut bytes = Bytes::copy_from_slice(&made[4 + body..]);
                let peer = ProduceRequest::decode(&mut bytes, version).unwrap();
                prop_assert!(bytes.is_empty());
                prop_assert_eq!(peer.topic_data.iter().map(|topic| topic.partition_data.len()).sum::<usize>(), only.len());
                prop_assert_eq!((peer.acks, peer.timeout_ms, peer.transactional_id.is_some()), (1, 77, again.transactional));
            }
        }
    }

    #[test]
    fn a_response_is_read_as_it_was_written(version in 0..=13_i16, seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let frame = request(version, &mut rng);
        let layout = parse(&frame).unwrap();
        let mut results: Vec<PartitionResult> = layout.batches.iter().map(|batch| {
            let mut result = failed(batch.topic, batch.partition, if rng.bool() { rng.i16(1..100) } else { 0 });
            result.base_offset = rng.i64(..);
            if version >= 2 { result.log_append_time_ms = rng.i64(..); }
            if version >= 5 { result.log_start_offset = rng.i64(..); }
            result
        }).collect();
        rng.shuffle(&mut results);
        let made = encode_response(version, 9, &layout, &frame, &results, 55);
        prop_assert_eq!(made.len() - 4, u32::from_be_bytes(made[..4].try_into().unwrap()) as usize);
        prop_assert_eq!(has_errors(version, &made).unwrap(), results.iter().any(|result| result.error_code != 0));
        let read = parse_response(version, &made.slice(4..), &layout, &frame).unwrap();
        prop_assert_eq!(read.throttle_ms, if version >= 1 { 55 } else { 0 });
        // Details are not empty in the bytes of v8 and later.
        let told = |results: &[PartitionResult]| {
            let mut told: Vec<_> = results.iter().map(|r| (r.topic, r.partition, r.error_code, r.base_offset, r.log_append_time_ms, r.log_start_offset)).collect();
            told.sort_unstable();
            told
        };
        prop_assert_eq!(told(&read.results), told(&results));
        prop_assert_eq!(&encode_response(version, 9, &layout, &frame, &read.results, 55), &made);
        if version >= 3 {
            let body = crate::wire::ResponseHeader::parse(&made[4..], 0, version).unwrap().body;
            let mut bytes = made.slice(4 + body..);
            let peer = ProduceResponse::decode(&mut bytes, version).unwrap();
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(peer.responses.iter().map(|topic| topic.partition_responses.len()).sum::<usize>(), results.len());
        }
    }

    #[test]
    fn changed_and_cut_bytes_never_panic(version in 0..=13_i16, seed: u64, at: prop::sample::Index, flip: u8, cut: prop::sample::Index) {
        let mut rng = Rng::with_seed(seed);
        let frame = request(version, &mut rng);
        let whole = parse(&frame).unwrap();
        prop_assert!(parse(&frame[..frame.len() - 1]).is_err());
        let mut bad = frame.to_vec();
        let at = at.index(bad.len());
        bad[at] ^= flip;
        bad.truncate(cut.index(bad.len()) + 1);
        let bad = Bytes::from(bad);
        if let Ok(layout) = parse(&bad) {
            let every: Vec<usize> = (0..layout.batches.len()).collect();
            prop_assert!(parse(&subset(&bad, &layout, &every, 0, 0).concat()).is_ok());
        }
        // A layout that belongs to other bytes finds nothing, and writes nothing outside.
        subset(&bad, &whole, &[0, 1, 2], 0, 0);
        let mut bytes = bad.to_vec();
        set_acks(&mut bytes, &whole, -1);
        set_timeout(&mut bytes, &whole, 1);
        for batch in &whole.batches {
            let _ = number(&mut bytes, batch, 1, 2, 3);
        }
        let mut response = [&[0; 8][..], &[0][..usize::from(version >= FLEXIBLE_SINCE)], &arbitrary::response(0, version, &mut rng).unwrap()].concat();
        let at = at % response.len();
        response[at] ^= flip;
        let response = Bytes::from(response);
        let _ = has_errors(version, &response);
        let _ = parse_response(version, &response.slice(4..), &whole, &frame);
    }

    #[test]
    fn a_corrected_crc_is_the_crc(seed: u64, size in 0..3000_usize, id: i64, epoch: i16, sequence: i32) {
        let mut rng = Rng::with_seed(seed);
        let mut records: Vec<u8> = (0..61 + size).map(|_| rng.u8(..)).collect();
        let length = records.len() as u32 - 12;
        records[8..12].copy_from_slice(&length.to_be_bytes());
        records[16] = 2;
        let crc = crc32c::crc32c(&records[21..]);
        records[17..21].copy_from_slice(&crc.to_be_bytes());
        let batch = BatchLayout { topic: 0, partition: 0, records: 0..records.len(), null: false, head: BatchHead::read(&records) };
        let mut corrupt = records.clone();
        *corrupt.last_mut().unwrap() ^= 1;
        for (bytes, right) in [(&mut records, true), (&mut corrupt, false)] {
            number(bytes, &batch, id, epoch, sequence).unwrap();
            let head = BatchHead::read(bytes).unwrap();
            prop_assert_eq!((head.producer_id, head.producer_epoch, head.base_sequence), (id, epoch, sequence));
            prop_assert_eq!(crc32c::crc32c(&bytes[21..]).to_be_bytes() == bytes[17..21], right);
        }
        // A second batch behind the first would be left without a sequence.
        records.push(0);
        let longer = BatchLayout { records: 0..records.len(), ..batch };
        prop_assert_eq!(number(&mut records, &longer, 0, 0, 0), Err(NotNumberable::NotOneBatch));
    }
}

#[test]
fn acks_and_timeout_are_overwritten_in_place() {
    for version in 0..=13 {
        let mut frame = request(version, &mut Rng::with_seed(3)).to_vec();
        let layout = parse(&frame).unwrap();
        set_acks(&mut frame, &layout, -1);
        set_timeout(&mut frame, &layout, 1234);
        assert_eq!(parse(&frame).unwrap(), Layout { acks: -1, timeout_ms: 1234, ..layout });
    }
}

#[test]
fn sequences_go_on_at_zero_behind_the_highest() {
    assert_eq!(next_sequence(5, 2), 8);
    assert_eq!(next_sequence(i32::MAX, 0), 0);
    assert_eq!(next_sequence(i32::MAX - 1, 3), 2);
    assert_eq!(next_sequence(-1, 0), 0);
}

#[test]
fn a_new_leader_and_details_are_read() {
    // v10: one topic "t", partition 0 with code 6, no record errors, message "no", and leader 2 in epoch 5.
    let body = [&[2, 2, b't', 2, 0, 0, 0, 0, 0, 6][..], &[0xff; 24], &[1, 3, b'n', b'o', 1, 0, 8, 0, 0, 0, 2, 0, 0, 0, 5], &[0, 0, 0, 0, 0, 0]].concat();
    let response = Bytes::from([&[0, 0, 0, 1, 0][..], &body].concat());
    let asked = [&[0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 1, 0xff, 0xff, 0][..], &[0, 0, 1, 0, 0, 0, 1, 2, 2, b't', 2, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let layout = parse(&asked).unwrap();
    let read = parse_response(10, &response, &layout, &asked).unwrap();
    let result = &read.results[0];
    assert_eq!((result.error_code, result.current_leader), (6, Some((2, 5))));
    assert_eq!(&result.details[..], &[1, 3, b'n', b'o']);
}

/// A Produce with one partition of topic `t`, whose records are these bytes.
fn one(version: i16, records: &[u8]) -> Vec<u8> {
    let flexible = version >= FLEXIBLE_SINCE;
    let mut body = vec![0, 0, 0, version as u8, 0, 0, 0, 7, 0, 2, b'm', b'e'];
    let length = u32::try_from(records.len()).unwrap();
    if flexible {
        // Tags, a null transactional id, acks, timeout, arrays of one, a name or an id.
        body.extend([0, 0, 0xff, 0xff, 0, 0, 0, 9, 2]);
        if version >= TOPIC_ID_SINCE {
            body.extend([7; 16])
        } else {
            body.extend([2, b't'])
        }
        body.extend([2, 0, 0, 0, 3, u8::try_from(length + 1).unwrap()]);
    } else {
        if version >= TRANSACTIONAL_SINCE {
            body.extend([0xff, 0xff]);
        }
        body.extend([0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 3]);
        body.extend(length.to_be_bytes());
    }
    body.extend(records);
    body
}

fn batch_v2(attributes: u8, producer_id: i64, records: i32) -> Vec<u8> {
    let mut batch = vec![0; 16];
    batch.extend([2, 0, 0, 0, 0, 0, attributes]);
    batch.extend([0; 20]);
    batch.extend(producer_id.to_be_bytes());
    batch.extend([0; 6]);
    batch.extend(records.to_be_bytes());
    batch
}

fn message(magic: u8, attributes: u8) -> Vec<u8> {
    [&[0; 16][..], &[magic, attributes], &[0; 20]].concat()
}

#[test]
fn the_first_batch_is_read_from_the_front_of_a_frame() {
    let seen = |records: &[u8], format, compression, numbered, transactional, count| Sample {
        bytes: records.len() as u32,
        records: count,
        format,
        compression,
        numbered,
        transactional,
    };
    let (old, older) = (message(1, 2), message(0, 1));
    let (zstd, txn) = (batch_v2(4, -1, 9), batch_v2(0x10, 77, 3));
    let table: [(i16, &[u8], Sample); 7] = [
        (0, &older, seen(&older, 0, 1, false, false, 1)),
        (2, &old, seen(&old, 1, 2, false, false, 1)),
        (3, &txn, seen(&txn, 2, 0, true, true, 3)),
        (8, &zstd, seen(&zstd, 2, 4, false, false, 9)),
        (9, &zstd, seen(&zstd, 2, 4, false, false, 9)),
        (12, &txn, seen(&txn, 2, 0, true, true, 3)),
        (13, &txn, seen(&txn, 2, 0, true, true, 3)),
    ];
    for (version, records, expected) in table {
        let frame = one(version, records);
        let peeked = peek(&frame, frame.len()).unwrap().unwrap().produce.unwrap();
        assert_eq!(sample(&frame, version, &peeked), Some(expected), "v{version}");
        // What is not there yet is waited for, wherever the frame is cut off.
        let last = (0..frame.len()).rev().find(|end| sample(&frame[..*end], version, &peeked).is_none()).unwrap();
        assert!((0..=last).all(|end| sample(&frame[..end], version, &peeked).is_none()), "v{version}");
    }
}

proptest! {
    #[test]
    fn a_sample_is_what_the_first_batch_says(version in 0..=13_i16, seed: u64) {
        let frame = request(version, &mut Rng::with_seed(seed));
        let layout = parse(&frame).unwrap();
        let peeked = peek(&frame[4..], frame.len() - 4).unwrap().unwrap().produce.unwrap();
        let first = layout.batches.first().filter(|batch| batch.topic == 0).and_then(|batch| batch.head);
        if let (Some(head), Some(sample)) = (first, sample(&frame[4..], version, &peeked)) {
            prop_assert_eq!((sample.numbered, sample.transactional), (head.producer_id >= 0, head.transactional));
        }
    }
}
