use fastrand::Rng;

use super::*;
use crate::protocol::schema::{self, arbitrary};
use crate::wire::ResponseHeader;

fn request(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(api_key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 3, 7, 0xff, 0xff]);
    if api::request_header_version(api_key, version) >= 2 {
        frame.push(0);
    }
    frame.extend(body);
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// Checks a whole answer and returns its codes other than 0.
fn codes(api_key: i16, version: i16, frame: &[u8]) -> Vec<i16> {
    assert_eq!(frame.len() - 4, u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize);
    let header = ResponseHeader::parse(&frame[4..], api_key, version).unwrap();
    assert_eq!(header.correlation_id, 775);
    let mut codes = Vec::new();
    let body = &frame[4 + header.body..];
    schema::error_codes(api_key, version, body, &mut |code| codes.push(code)).unwrap_or_else(|error| panic!("{} v{version}: {error}", api::name(api_key)));
    assert_eq!(schema::walk_length(api_key, version, body), body.len(), "{} v{version}", api::name(api_key));
    codes
}

/// The APIs that are never answered with a code here.
fn silent(api: &Api, version: i16) -> bool {
    !sayable(api.key, version) || (api.key == api::METADATA && version < 13)
}

#[test]
fn every_api_and_version_gets_a_well_formed_answer() {
    for api in Api::all() {
        for version in api.min_version..=api.max_version {
            let mut said = 0;
            for seed in 0..40 {
                let body = arbitrary::request(api.key, version, &mut Rng::with_seed(seed)).unwrap();
                let Some(frame) = answer(&request(api.key, version, &body), 16) else { continue };
                let codes = codes(api.key, version, &frame);
                assert!(codes.iter().all(|code| *code == 16), "{} v{version}: {codes:?}", api.name);
                said += usize::from(!codes.is_empty());
            }
            assert!(said > 0 || silent(api, version), "{} v{version} says nothing", api.name);
            assert!(said == 0 || sayable(api.key, version), "{} v{version}", api.name);
        }
    }
}

#[test]
fn what_was_asked_for_is_echoed() {
    // OffsetFetch v0: group "g", topic "t" with partitions 3 and 4.
    let body = [&[0, 1, b'g', 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2][..], &[0, 0, 0, 3, 0, 0, 0, 4]].concat();
    let frame = answer(&request(9, 0, &body), 16).unwrap();
    let partition = |index: u8| [&[0, 0, 0, index][..], &[0xff; 8], &[0xff, 0xff, 0, 16]].concat();
    assert_eq!(frame[8..], [&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2][..], &partition(3), &partition(4)].concat());
    // FindCoordinator v4 names its keys.
    let frame = answer(&request(10, 4, &[0, 2, 2, b'g', 0]), 15).unwrap();
    assert_eq!(frame[9..], [0, 0, 0, 0, 2, 2, b'g', 255, 255, 255, 255, 1, 255, 255, 255, 255, 0, 15, 0, 0, 0]);
    // All topics cannot be answered one by one.
    assert_eq!(answer(&request(3, 1, &[0xff; 4]), 5), None);
}

#[test]
fn a_fetch_whose_leader_moved_is_sent_elsewhere() {
    // v7: replica -1, wait 500 ms, min, max, isolation, session 5, epoch, topic "t" with partition 2, nothing forgotten.
    let body = |epoch: u8| {
        let head = [0xff, 0xff, 0xff, 0xff, 0, 0, 1, 244, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0, 5, 0, 0, 0, epoch];
        let partition = [&[0, 0, 0, 2][..], &[0; 20]].concat();
        [&head[..], &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1], &partition, &[0; 4]].concat()
    };
    let full = request(1, 7, &body(0));
    assert_eq!(fetch_max_wait_ms(&full), Some(500));
    let frame = fetch_moved(&full).unwrap();
    let expected = [&[0; 10][..], &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 2, 0, 6], &[0xff; 24], &[0xff; 4], &[0; 4]].concat();
    assert_eq!(frame[8..], expected);
    let frame = fetch_moved(&request(1, 7, &body(3))).unwrap();
    assert_eq!(frame[8..], [0, 0, 0, 0, 0, 70, 0, 0, 0, 0, 0, 0, 0, 0]);
    for version in 0..=18 {
        for seed in 0..40 {
            let body = arbitrary::request(1, version, &mut Rng::with_seed(seed)).unwrap();
            let codes = fetch_moved(&request(1, version, &body)).map(|frame| codes(1, version, &frame)).unwrap_or_default();
            assert!(codes.iter().all(|code| [6, 70].contains(code)), "v{version} {codes:?}");
        }
    }
}

#[test]
fn malformed_requests_are_not_answered() {
    for api in Api::all() {
        let body = arbitrary::request(api.key, api.max_version, &mut Rng::with_seed(7)).unwrap();
        let frame = request(api.key, api.max_version, &body);
        for end in 0..frame.len() {
            answer(&frame[..end], 16);
        }
        assert_eq!(answer(&frame[..12], 16), None, "{}", api.name);
    }
}

#[test]
fn the_code_to_give_up_with_is_one_that_clients_tolerate() {
    let codes = [(0, 6), (1, 6), (3, 5), (10, 15), (11, 16), (12, 16), (78, 122), (19, 7), (15, 16)];
    for (key, code) in codes {
        assert_eq!(retriable_code(key, 0), code, "{}", api::name(key));
    }
}
