use super::*;
use crate::protocol::patch::testing::Known;

/// Runs a walk over the frame behind its length field, given so many bytes at a time; returns what a client would get and the errors reported.
fn walk(api_key: i16, version: i16, body: &[u8], chunk: usize, known: &Known) -> Result<(Vec<u8>, Vec<i16>), PatchError> {
    let mut walk = ResponseWalk::new(api_key, version, body.len()).unwrap();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let (mut from, mut to, mut wanted) = (0, 0, 0);
    loop {
        to = (to + chunk.max(wanted)).min(body.len());
        match walk.advance(&body[from..to], known, &mut |error| errors.push(error))? {
            Step::Pass { pass, need } => {
                assert!(pass <= to - from && (need > 0) == (from + pass < to), "need {need}");
                assert!(to < body.len(), "a whole frame ends");
                out.extend(&body[from..from + pass]);
                from += pass;
                wanted = need;
            }
            Step::Tail { pass, with } => {
                out.extend(&body[from..from + pass]);
                let with = with.unwrap_or_default();
                assert_eq!(out.len() + with.len(), body.len());
                out.extend(with);
                return Ok((out, errors));
            }
        }
    }
}

#[test]
fn the_walk_is_small() {
    assert!(size_of::<ResponseWalk>() <= 64, "{}", size_of::<ResponseWalk>());
}

#[test]
fn other_apis_need_no_walk_and_unknown_versions_fail() {
    assert!(ResponseWalk::new(api::METADATA, 1, 10).is_none());
    let mut walk = ResponseWalk::new(api::FETCH, 19, 10).unwrap();
    assert_eq!(walk.advance(&[0; 10], &Known::default(), &mut |_| {}), Err(PatchError::Version { api_key: 1, api_version: 19 }));
}

#[test]
fn produce_v0_reports_its_errors_at_any_split() {
    let body =
        [&[0, 0, 0, 7, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2][..], &[0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]]
            .concat();
    for chunk in 1..=body.len() {
        assert_eq!(walk(api::PRODUCE, 0, &body, chunk, &Known::default()), Ok((body.clone(), vec![6])), "{chunk}");
    }
    let mut long = body.clone();
    long.push(0);
    assert_eq!(walk(api::PRODUCE, 0, &long, 100, &Known::default()), Err(PatchError::Trailing(1)));
    for end in 0..body.len() {
        assert!(walk(api::PRODUCE, 0, &body[..end], 100, &Known::default()).is_err(), "{end}");
    }
}

/// Bodies by hand for versions that kafka-protocol lacks, with their error codes.
#[test]
fn removed_versions_are_walked_as_their_brokers_wrote_them() {
    let known = Known::default();
    type Golden<'a> = (i16, i16, &'a [&'a [u8]], &'a [i16]);
    let golden: [Golden<'_>; 6] = [
        // Produce v1: responses, then throttle.
        (0, 1, &[&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &[0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9], &[0, 0, 0, 5]], &[3]),
        // Produce v2: each partition with a log append time.
        (0, 2, &[&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &[0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9], &[255; 8], &[0, 0, 0, 0]], &[7]),
        // Fetch v0: no throttle; index, error, high watermark, records of three bytes.
        (1, 0, &[&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &[0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 9], &[0, 0, 0, 3, 7, 7, 7]], &[6]),
        // Fetch v3: throttle; records are null.
        (1, 3, &[&[0, 0, 0, 8, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9], &[255; 4]], &[1]),
        // Fetch v4: last stable offset and one aborted transaction.
        (1, 4, &[&[0, 0, 0, 8, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &[0, 0, 0, 0, 0, 0], &[1; 16], &[0, 0, 0, 1], &[2; 16], &[0, 0, 0, 2, 7, 7]], &[]),
        // Fetch v11: top-level error and session, log start offset, no list of aborted transactions, preferred replica.
        (
            1,
            11,
            &[&[0, 0, 0, 0, 0, 70, 0, 0, 0, 5, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &[0, 0, 0, 0, 0, 6], &[1; 24], &[255; 4], &[0, 0, 0, 2], &[0; 4]],
            &[70, 6],
        ),
    ];
    for (key, version, parts, errors) in golden {
        let body = [&[0, 0, 0, 7], &parts.concat()[..]].concat();
        assert_eq!(crate::protocol::schema::check_response(key, version, &body[4..]), Ok(()), "{key} v{version}");
        for chunk in 1..=body.len() {
            assert_eq!(walk(key, version, &body, chunk, &known), Ok((body.clone(), errors.to_vec())), "{key} v{version} in {chunk}s");
        }
        for end in 4..body.len() {
            assert!(walk(key, version, &body[..end], body.len(), &known).is_err(), "{key} v{version} cut at {end}");
        }
    }
}

/// Fetch v18 by hand: topic id, one partition with error 6, a current leader (tag 1) and an endpoint (tag 0 of the last section).
fn fetch_v18() -> Vec<u8> {
    let mut body = vec![0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 2];
    body.extend([0xab; 16]);
    body.extend([2, 0, 0, 0, 3, 0, 6]);
    body.extend([255; 24]);
    // Aborted transactions null, preferred replica -1, records of four bytes.
    body.extend([0, 255, 255, 255, 255, 5, 9, 9, 9, 9]);
    // Tags of the partition: current leader 2 at epoch 5; then the topic's.
    body.extend([1, 1, 9, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0]);
    // Node 2 at broker-2:9092 in rack r.
    body.extend([1, 0, 21, 2, 0, 0, 0, 2, 9]);
    body.extend(b"broker-2");
    body.extend([0, 0, 0x23, 0x84, 2, b'r', 0]);
    body
}

#[test]
fn a_fetch_v18_names_the_virtual_broker_at_the_same_length() {
    let body = fetch_v18();
    // "v2" is six bytes shorter than "broker-2": a fill of tag 16,383 with three bytes takes them.
    let tail = [&[2, 0, 15, 2, 0, 0, 0, 2, 3, b'v', b'2', 0, 0, 0x4e, 0x22, 2, b'r', 0][..], &[0xff, 0x7f, 3, 0, 0, 0]].concat();
    let expected = [&body[..body.len() - tail.len()], &tail].concat();
    for chunk in 1..=body.len() {
        assert_eq!(walk(api::FETCH, 18, &body, chunk, &Known::of(&[(2, "v2", 20002)])), Ok((expected.clone(), vec![6])), "{chunk}");
    }
    // A host of nine bytes fits when the rack goes; a longer one does not, and the client goes by the current leader.
    let names = |host: &str| {
        let (out, _) = walk(api::FETCH, 18, &body, body.len(), &Known::of(&[(2, host, 20002)])).unwrap();
        assert!(!out.windows(8).any(|window| window == b"broker-2"));
        out.windows(host.len()).any(|window| window == host.as_bytes())
    };
    assert_eq!([8, 9, 10, 11].map(|size| names(&"v".repeat(size))), [true, true, false, false]);
    for end in 4..body.len() {
        assert!(walk(api::FETCH, 18, &body[..end], body.len(), &Known::default()).is_err(), "{end}");
    }
}

#[test]
fn hostile_lengths_end_the_walk_at_once() {
    let known = Known::default();
    let start = |version: i16, body: &[u8], length: usize| ResponseWalk::new(api::FETCH, version, length).unwrap().advance(body, &known, &mut |_| {});
    // A topic's name, and records, that reach beyond the frame: refused though the frame has not arrived.
    assert!(matches!(start(0, &[0, 0, 0, 7, 0, 0, 0, 1, 0x7f, 0xff], 100), Err(PatchError::Truncated { .. })));
    let records = [&[0, 0, 0, 7, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0; 8], &[0x7f, 0xff, 0xff, 0xff]].concat();
    assert!(matches!(start(0, &records, 1 << 20), Err(PatchError::Truncated { .. })));
    // Null and negative counts, an overlong varint.
    assert_eq!(start(0, &[0, 0, 0, 7, 255, 255, 255, 255], 100), Err(PatchError::Null("Responses")));
    assert!(matches!(start(0, &[0, 0, 0, 7, 255, 255, 255, 254], 100), Err(PatchError::Malformed(WireError::BadLength { .. }))));
    assert!(matches!(start(12, &[0, 0, 0, 7, 255, 255, 255, 255, 255, 255], 100), Err(PatchError::Malformed(WireError::BadVarint { .. }))));
    // A tail longer than is gathered.
    let tail = [0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    assert!(matches!(start(16, &tail, TAIL_BYTES_MAX + 100), Err(PatchError::TooLarge { .. })));
}
