use super::*;

fn range(api_key: i16, min: i16, max: i16) -> VersionRange {
    VersionRange { api_key, min, max }
}

fn feature(name: &str, min: i16, max: i16) -> Feature {
    Feature { name: name.to_owned(), min, max }
}

fn offer(ranges: &[(i16, i16, i16)]) -> Offer {
    nothing(ranges.iter().map(|(key, min, max)| range(*key, *min, *max)).collect())
}

fn full() -> Offer {
    Offer {
        ranges: vec![range(0, 0, 13), range(18, 0, 5), range(500, 1, 2)],
        supported_features: vec![feature("metadata.version", 7, 30), feature("transaction.version", 0, 2)],
        finalized_epoch: 12,
        finalized_features: vec![feature("metadata.version", 30, 30), feature("transaction.version", 0, 2)],
        zk_migration_ready: true,
    }
}

/// The body of a frame, checked.
fn body(frame: &Bytes, correlation_id: i32) -> Vec<u8> {
    assert_eq!(u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize, frame.len() - 4);
    assert_eq!(frame[4..8], correlation_id.to_be_bytes());
    frame[8..].to_vec()
}

#[test]
fn what_is_written_is_read_again() {
    for version in 0..=LAST_VERSION {
        let written = body(&encode_response(&full(), version, 9), 9);
        assert_eq!(crate::protocol::schema::check_response(18, version, &written), Ok(()));
        let mut expected = full();
        if version < 3 {
            expected = nothing(expected.ranges);
        } else if version == 3 {
            expected.supported_features.remove(1);
        }
        assert_eq!(parse_response(version, &written), Ok((0, expected)), "v{version}");
        for end in 0..written.len() {
            assert!(parse_response(version, &written[..end]).is_err(), "v{version} {end}");
        }
    }
}

#[test]
fn kafka_protocol_reads_the_same() {
    use kafka_protocol::messages::ApiVersionsResponse;
    use kafka_protocol::protocol::Decodable;
    for version in 0..=4 {
        let mut written = Bytes::from(body(&encode_response(&full(), version, 1), 1));
        let decoded = ApiVersionsResponse::decode(&mut written, version).unwrap();
        assert!(written.is_empty());
        assert_eq!(decoded.api_keys.len(), 3);
        assert_eq!(decoded.finalized_features_epoch, if version >= 3 { 12 } else { -1 });
        if version >= 3 {
            assert_eq!((decoded.finalized_features[0].max_version_level, decoded.finalized_features[1].min_version_level), (30, 0));
        }
    }
}

/// Golden bytes of v0 and v5, by hand from the message definitions.
#[test]
fn the_bytes_are_those_of_a_broker() {
    let small = Offer { finalized_epoch: 1, finalized_features: vec![feature("f", 1, 2)], ..offer(&[(18, 0, 5)]) };
    assert_eq!(encode_response(&small, 0, 7)[..], [0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5]);
    let v5 = [0, 0, 0, 7, 0, 0, 2, 0, 18, 0, 0, 0, 5, 0, 0, 0, 0, 0, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 8, 2, 2, b'f', 0, 2, 0, 1, 0];
    assert_eq!(encode_response(&small, 5, 7)[4..], v5);
    // A version that is not known: error 35 in the form of v0, with key 18 alone.
    let unknown = [0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5];
    assert_eq!(encode_response(&full(), 6, 7)[..], unknown);
    assert_eq!(encode_response(&full(), -1, 7)[..], unknown);
    assert_eq!(encode_refusal(INVALID_REQUEST, 3, 7)[..], [0, 0, 0, 12, 0, 0, 0, 7, 0, 42, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn an_old_broker_s_refusal_is_read_in_the_form_of_v0() {
    assert_eq!(parse_response(4, &[0, 35, 0, 0, 0, 0]), Ok((35, offer(&[]))));
    assert_eq!(parse_response(5, &[0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]), Ok((35, offer(&[(18, 0, 4)]))));
}

#[test]
fn hostile_counts_are_refused() {
    assert!(matches!(parse_response(0, &[0, 0, 0x7f, 0xff, 0xff, 0xff]), Err(WireError::BadLength { what: "ApiKeys", .. })));
    assert!(matches!(parse_response(3, &[0, 0, 0xff, 0xff, 0xff, 0xff, 0x07]), Err(WireError::BadLength { what: "ApiKeys", .. })));
    assert!(parse_response(0, &[0, 0, 0xff, 0xff, 0xff, 0xff]).is_err());
    assert!(parse_response(6, &[0, 0, 0, 0, 0, 0]).is_err());
    // Features: a tag of five bytes that announces billions.
    assert!(parse_response(3, &[0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x07]).is_err());
}

#[test]
fn a_client_s_software_is_read_and_judged() {
    assert_eq!(parse_request(2, &[]), Ok(None));
    assert_eq!(parse_request(6, &[1, 2, 3]), Ok(None));
    let v3 = [5, b'j', b'a', b'v', b'a', 4, b'4', b'.', b'4', 0];
    let software = ClientSoftware { name: "java", version: "4.4" };
    assert_eq!(parse_request(3, &v3), Ok(Some(software)));
    assert!(software.is_acceptable());
    let v5 = [&v3[..9], &[3, b'i', b'd', 0, 0, 0, 3, 0]].concat();
    assert_eq!(parse_request(5, &v5), Ok(Some(software)));
    assert_eq!(parse_request(5, &[&v3[..9], &[0, 255, 255, 255, 255, 0]].concat()), Ok(Some(software)));
    assert!(parse_request(5, &v3).is_err());
    for (text, good) in [("a", true), ("a-b.c", true), ("", false), ("-a", false), ("a.", false), ("a b", false), ("ä", false), ("1.0-rc1", true)] {
        assert_eq!(ClientSoftware { name: text, version: "1" }.is_acceptable(), good, "{text}");
        assert_eq!(ClientSoftware { name: "n", version: text }.is_acceptable(), good, "{text}");
    }
}

#[test]
fn a_request_never_names_a_node() {
    let frame = encode_request(5, 3, Some("me"), Some(("java", "4.4")));
    let header = crate::wire::RequestHeader::parse(&frame[4..]).unwrap();
    assert_eq!((header.api_key, header.api_version, header.correlation_id, header.client_id), (18, 4, 3, Some(&b"me"[..])));
    let body = &frame[4 + header.body..];
    assert_eq!(parse_request(4, body), Ok(Some(ClientSoftware { name: "java", version: "4.4" })));
    assert_eq!(crate::protocol::schema::check_request(18, 4, body), Ok(()));
    assert_eq!(encode_request(0, 3, None, Some(("java", "4.4")))[..], [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 3, 255, 255]);
    let replaced = encode_request(3, 3, None, Some(("bad name", "1")));
    assert_eq!(parse_request(3, &replaced[15..]).unwrap().unwrap().name, "leeward");
}

#[test]
fn the_offer_is_what_all_brokers_take() {
    let old = offer(&[(0, 0, 8), (1, 0, 11), (3, 0, 9), (4, 0, 4), (18, 0, 3), (68, 0, 0)]);
    let new = offer(&[(0, 0, 20), (1, 4, 18), (3, 0, 13), (18, 0, 6), (999, 2, 3)]);
    assert_eq!(intersect([&old, &new].into_iter()).unwrap().ranges, [range(0, 0, 8), range(1, 4, 11), range(3, 0, 9), range(18, 0, 3)]);
    // Alone: what Leeward must understand is capped, a key that it does not know passes.
    assert_eq!(intersect([&new].into_iter()).unwrap().ranges, [range(0, 0, 13), range(1, 4, 18), range(3, 0, 13), range(18, 0, 5), range(999, 2, 3)]);
    // Keys between brokers are dropped.
    assert!(intersect([&old].into_iter()).unwrap().range(4).is_none());
    // Nothing in common.
    assert_eq!(intersect([&offer(&[(2, 0, 1)]), &offer(&[(2, 2, 3)])].into_iter()).unwrap().ranges, []);
    assert_eq!(intersect([].into_iter()), None);
    // A broker that lists a key twice does not stand for two.
    assert_eq!(intersect([&offer(&[(2, 0, 1), (2, 0, 1)]), &offer(&[])].into_iter()).unwrap().ranges, []);
}

#[test]
fn features_come_from_the_newest_epoch_and_are_supported_by_all() {
    let mut older = full();
    older.finalized_epoch = 11;
    older.finalized_features.clear();
    older.supported_features = vec![feature("metadata.version", 8, 25)];
    older.zk_migration_ready = false;
    let common = intersect([&older, &full()].into_iter()).unwrap();
    assert_eq!((common.finalized_epoch, common.finalized_features.len(), common.zk_migration_ready), (12, 2, false));
    assert_eq!(common.supported_features, [feature("metadata.version", 8, 25)]);
}

#[test]
fn transactions_of_version_2_are_offered_whole_or_not_at_all() {
    let with = |produce: i16, end_txn: i16| {
        let mut offer = full();
        offer.ranges = vec![range(0, 0, produce), range(26, 0, end_txn), range(28, 0, 5)];
        intersect([&offer].into_iter()).unwrap()
    };
    let level = |features: &[Feature]| features.iter().find(|feature| feature.name == "transaction.version").map(|feature| feature.max);
    let whole = with(13, 5);
    assert_eq!((level(&whole.finalized_features), whole.range(0).unwrap().max), (Some(2), 13));
    for capped in [with(11, 5), with(13, 4)] {
        assert_eq!((level(&capped.finalized_features), level(&capped.supported_features)), (Some(1), Some(1)));
        assert_eq!([0, 26, 28].map(|key| capped.range(key).unwrap().max), [11, 4, 4]);
        assert_eq!(capped.finalized_epoch, 12);
    }
}
