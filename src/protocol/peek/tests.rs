use super::*;

const TIMEOUT_MS: i32 = 30_000;

/// Header and body of a Produce up to `timeout_ms`, written by hand.
fn produce(version: i16, client_id: Option<&[u8]>, transactional_id: Option<&[u8]>, acks: i16) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(version.to_be_bytes());
    bytes.extend(77_i32.to_be_bytes());
    let string = |bytes: &mut Vec<u8>, text: Option<&[u8]>| {
        bytes.extend(text.map_or(-1, |text| text.len() as i16).to_be_bytes());
        bytes.extend(text.unwrap_or_default());
    };
    string(&mut bytes, client_id);
    if version >= 9 {
        bytes.push(0);
        bytes.push(transactional_id.map_or(0, |text| text.len() as u8 + 1));
        bytes.extend(transactional_id.unwrap_or_default());
    } else if version >= 3 {
        string(&mut bytes, transactional_id);
    }
    bytes.extend(acks.to_be_bytes());
    bytes.extend(TIMEOUT_MS.to_be_bytes());
    bytes
}

#[test]
fn acks_are_found_in_every_produce_version() {
    for version in 0..=13 {
        for client_id in [None, Some(&b""[..]), Some(b"client")] {
            for transactional_id in [None, Some(&b""[..]), Some(b"tx")] {
                for acks in [-1, 0, 1, 5] {
                    let bytes = produce(version, client_id, transactional_id, acks);
                    let peek = peek(&bytes, bytes.len()).unwrap().unwrap();
                    assert_eq!((peek.api_key, peek.api_version, peek.correlation_id), (0, version, 77));
                    assert_eq!(peek.produce, Some(ProducePeek { acks, acks_at: bytes.len() - 6, timeout_ms: TIMEOUT_MS }), "v{version}");
                }
            }
        }
    }
}

#[test]
fn a_head_that_has_not_arrived_is_waited_for_and_one_that_is_cut_is_refused() {
    for version in [2, 8, 13] {
        let bytes = produce(version, Some(b"client"), Some(b"tx"), 1);
        for end in 0..bytes.len() {
            assert_eq!(peek(&bytes[..end], bytes.len()), Ok(None), "v{version} {end}");
            assert!(matches!(peek(&bytes[..end], end), Err(PeekError::Truncated { .. })), "v{version} {end}");
        }
    }
}

#[test]
fn a_header_with_tags_moves_acks() {
    let mut bytes = produce(9, None, None, 1);
    bytes.splice(10..11, [1, 3, 2, 9, 9]);
    assert_eq!(peek(&bytes, bytes.len()).unwrap().unwrap().produce, Some(ProducePeek { acks: 1, acks_at: 16, timeout_ms: TIMEOUT_MS }));
}

#[test]
fn lengths_that_cannot_be_are_refused_before_they_arrive() {
    let long_id = [0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff];
    assert_eq!(peek(&long_id, 100), Err(PeekError::Truncated { needed: 10 + 0x7fff, length: 100 }));
    let negative = [0, 3, 0, 1, 0, 0, 0, 1, 0x80, 0];
    assert!(matches!(peek(&negative, 100), Err(PeekError::Malformed(WireError::BadLength { .. }))));
    let mut overlong = produce(9, None, None, 1);
    overlong.splice(11..12, [0xff; 5]);
    assert!(matches!(peek(&overlong, 100), Err(PeekError::Malformed(WireError::BadVarint { .. }))));
    assert_eq!(peek(&produce(14, None, None, 1), 100), Err(PeekError::ProduceVersion(14)));
    assert_eq!(peek(&produce(-1, None, None, 1), 100), Err(PeekError::ProduceVersion(-1)));
}

#[test]
fn other_keys_need_only_their_header() {
    assert_eq!(peek(&[0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0xff], 10), Ok(Some(Peek { api_key: 3, api_version: 1, correlation_id: 9, produce: None })));
    // A key that is not known passes; so does a version that is not known.
    assert_eq!(peek(&[9, 3, 0, 1, 0, 0, 0, 9, 0, 1], 400), Ok(Some(Peek { api_key: 0x903, api_version: 1, correlation_id: 9, produce: None })));
    // ControlledShutdown v0 has no client id.
    assert!(peek(&[0, 7, 0, 0, 0, 0, 0, 9], 8).unwrap().is_some());
    assert!(matches!(peek(&[0, 7, 0, 1, 0, 0, 0, 9], 8), Err(PeekError::Truncated { needed: 10, length: 8 })));
}
