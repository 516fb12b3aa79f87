//! What must hold for every message of every API key and version, with kafka-protocol as the other opinion where it has one.

use std::collections::HashMap;

use bytes::Bytes;
use fastrand::Rng;
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};
use proptest::prelude::*;

use super::patch::{Addresses, Head, PatchError, ResponseWalk, Rewrite, Step, head, rewrite_of, understands};
use super::schema::{self, arbitrary};
use super::{peek, versions};
use crate::wire::{Api, ResponseHeader, api};

/// Virtual brokers for every node of the bodies that are made here, and one for whatever a changed byte names.
struct Virtual(HashMap<i32, String>);

impl Virtual {
    fn new(rng: &mut Rng) -> Self {
        Virtual((0..arbitrary::NODES).map(|node_id| (node_id, "v".repeat(rng.usize(1..20)))).collect())
    }
}

impl Addresses for Virtual {
    fn virtual_broker(&self, node_id: i32) -> Option<(&str, u16)> {
        Some(self.0.get(&node_id).map_or(("v", 19_999), |host| (host.as_str(), 20_000 + node_id as u16)))
    }
}

fn every_version() -> impl Iterator<Item = (i16, i16)> {
    Api::all().iter().flat_map(|api| (api.min_version..=api.max_version).map(|version| (api.key, version)))
}

/// kafka-protocol's key, where it has this version of the response.
fn peer(api_key: i16, version: i16) -> Option<ApiKey> {
    let peer = ApiKey::try_from(api_key).ok()?;
    let range = peer.valid_versions();
    (range.min..=range.max).contains(&version).then_some(peer)
}

/// A response frame: length field, header with a tag where it may have any, body.
fn response_frame(api_key: i16, version: i16, body: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 0, 0, 0, 0, 7];
    if api::response_header_version(api_key, version) >= 1 {
        frame.extend(if rng.u8(0..4) == 0 { &[1, 60, 2, 8, 8][..] } else { &[0] });
    }
    frame.extend(body);
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// What a client gets of a frame that arrives `chunk` bytes at a time, and the error codes that the walk reported.
fn patched(api_key: i16, version: i16, frame: &[u8], chunk: usize, addresses: &dyn Addresses) -> Result<(Vec<u8>, Vec<i16>), PatchError> {
    let length = frame.len() - 4;
    if let Some(mut walk) = ResponseWalk::new(api_key, version, length) {
        let (mut out, mut errors) = (frame[..4].to_vec(), Vec::new());
        let (mut from, mut to, mut wanted) = (4, 4, 0);
        loop {
            to = (to + chunk.max(wanted)).min(frame.len());
            match walk.advance(&frame[from..to], addresses, &mut |error| errors.push(error))? {
                Step::Pass { pass, need } => {
                    assert!(to < frame.len() && pass <= to - from && (need > 0) == (from + pass < to));
                    out.extend(&frame[from..from + pass]);
                    (from, wanted) = (from + pass, need);
                }
                Step::Tail { pass, with } => {
                    out.extend(&frame[from..from + pass]);
                    out.extend(with.unwrap_or_default());
                    assert_eq!(out.len(), frame.len(), "the length field has left");
                    return Ok((out, errors));
                }
            }
        }
    }
    if rewrite_of(api_key, version) == Rewrite::None {
        return Ok((frame.to_vec(), Vec::new()));
    }
    let mut to = chunk.min(frame.len());
    loop {
        match head(api_key, version, &frame[..to], length, addresses)? {
            Head::Need(needed) => {
                assert!(needed > to && needed <= frame.len());
                to = (to + chunk).max(needed).min(frame.len());
            }
            Head::Replace { taken, with, .. } => return Ok(([&with[..], &frame[taken..]].concat(), Vec::new())),
            Head::Unknown(nodes) => panic!("{nodes:?}"),
        }
    }
}

fn decode_response(peer: ApiKey, version: i16, body: &[u8]) -> ResponseKind {
    let mut bytes = Bytes::copy_from_slice(body);
    let decoded = ResponseKind::decode(peer, &mut bytes, version).unwrap_or_else(|error| panic!("{peer:?} v{version}: {error}"));
    assert!(bytes.is_empty(), "{peer:?} v{version}");
    decoded
}

/// Puts the virtual brokers into a decoded response, as a check on the bytes.
fn readdress(response: &mut ResponseKind, addresses: &dyn Addresses) {
    use kafka_protocol::protocol::StrBytes;
    let set = |node_id: i32, host: &mut StrBytes, port: &mut i32| {
        let (new_host, new_port) = addresses.virtual_broker(node_id).unwrap();
        (*host, *port) = (StrBytes::from_string(new_host.to_owned()), new_port.into());
    };
    if let ResponseKind::Metadata(metadata) = response {
        metadata.brokers.iter_mut().for_each(|broker| set(broker.node_id.into(), &mut broker.host, &mut broker.port));
    } else if let ResponseKind::DescribeCluster(cluster) = response {
        cluster.brokers.iter_mut().for_each(|broker| set(broker.broker_id.into(), &mut broker.host, &mut broker.port));
    } else if let ResponseKind::FindCoordinator(found) = response {
        found.coordinators.iter_mut().for_each(|node| set(node.node_id.into(), &mut node.host, &mut node.port));
        if !found.host.is_empty() {
            set(found.node_id.into(), &mut found.host, &mut found.port);
        }
    }
}

/// Takes the endpoints and the field that fills the tail up away; returns the endpoints as node id and host.
fn without_endpoints(response: &mut ResponseKind) -> Vec<(i32, String)> {
    macro_rules! take {
        ($message:expr) => {{
            for fill in [0x7f, 0x3fff, 0x1f_ffff, 0xfff_ffff] {
                $message.unknown_tagged_fields.remove(&fill);
            }
            std::mem::take(&mut $message.node_endpoints).into_iter().map(|node| (node.node_id.0, node.host.to_string())).collect()
        }};
    }
    if let ResponseKind::Produce(message) = response {
        take!(message)
    } else if let ResponseKind::Fetch(message) = response {
        take!(message)
    } else if let ResponseKind::ShareFetch(message) = response {
        take!(message)
    } else if let ResponseKind::ShareAcknowledge(message) = response {
        take!(message)
    } else {
        Vec::new()
    }
}

fn has_host(bytes: &[u8]) -> bool {
    bytes.windows(arbitrary::HOST.len()).any(|window| window == arbitrary::HOST.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn every_message_passes_the_check_and_no_part_of_it_does(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        for (key, version) in every_version() {
            for response in [false, true] {
                let make = if response { arbitrary::response } else { arbitrary::request };
                let check = if response { schema::check_response } else { schema::check_request };
                let body = make(key, version, &mut rng).unwrap();
                prop_assert_eq!(check(key, version, &body), Ok(()), "{} v{} {}", api::name(key), version, response);
                if !body.is_empty() {
                    let end = rng.usize(0..body.len());
                    prop_assert!(check(key, version, &body[..end]).is_err(), "{} v{} {} cut at {}", api::name(key), version, response, end);
                }
                let Some(peer) = peer(key, version) else { continue };
                let mut bytes = Bytes::from(body);
                if response {
                    decode_response(peer, version, &bytes);
                } else {
                    match RequestKind::decode(peer, &mut bytes, version) {
                        Ok(_) => prop_assert!(bytes.is_empty(), "{} v{}", api::name(key), version),
                        // Its range is that of the response, which can be wider than the request's.
                        Err(error) => prop_assert!(format!("{error:#}").contains("specified version not supported"), "{} v{}: {:#}", api::name(key), version, error),
                    }
                }
            }
        }
    }

    #[test]
    fn a_patched_response_differs_in_its_addresses_alone(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let addresses = Virtual::new(&mut rng);
        for (key, version) in every_version() {
            prop_assert!(understands(key, version));
            let body = arbitrary::response(key, version, &mut rng).unwrap();
            let frame = response_frame(key, version, &body, &mut rng);
            let (out, errors) = patched(key, version, &frame, frame.len(), &addresses).unwrap_or_else(|error| panic!("{} v{version}: {error}", api::name(key)));
            for chunk in [1, rng.usize(1..40), rng.usize(1..=frame.len())] {
                prop_assert_eq!(&patched(key, version, &frame, chunk, &addresses).unwrap(), &(out.clone(), errors.clone()), "{} v{} in {}s", api::name(key), version, chunk);
            }
            prop_assert_eq!(u32::from_be_bytes(out[..4].try_into().unwrap()) as usize, out.len() - 4);
            if ResponseWalk::new(key, version, 0).is_some() {
                let mut expected = Vec::new();
                schema::error_codes(key, version, &body, &mut |code| expected.push(code)).unwrap();
                prop_assert_eq!(&errors, &expected, "{} v{}", api::name(key), version);
            }
            let at = 4 + ResponseHeader::parse(&out[4..], key, version).unwrap().body;
            prop_assert_eq!(schema::check_response(key, version, &out[at..]), Ok(()));
            if rewrite_of(key, version) == Rewrite::None {
                prop_assert_eq!(&out, &frame);
            } else {
                prop_assert!(!has_host(&out), "{} v{} leaks", api::name(key), version);
            }
            let Some(peer) = peer(key, version) else { continue };
            let (mut before, mut after) = (decode_response(peer, version, &body), decode_response(peer, version, &out[at..]));
            readdress(&mut before, &addresses);
            let (old, new) = (without_endpoints(&mut before), without_endpoints(&mut after));
            prop_assert_eq!(before, after, "{} v{}", api::name(key), version);
            let mut old = old.into_iter();
            for (node_id, host) in new {
                prop_assert!(old.any(|(id, _)| id == node_id) && addresses.0[&node_id] == host, "{} v{}", api::name(key), version);
            }
        }
    }

    #[test]
    fn every_request_is_peeked_at_any_split(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        for (key, version) in every_version() {
            let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
            frame.extend(9_i32.to_be_bytes());
            if api::request_header_version(key, version) >= 1 {
                let client_id = "c".repeat(rng.usize(0..30));
                frame.extend(if client_id.is_empty() { -1 } else { client_id.len() as i16 }.to_be_bytes());
                frame.extend(client_id.bytes());
            }
            if api::request_header_version(key, version) >= 2 {
                frame.extend(if rng.u8(0..4) == 0 { &[2, 60, 2, 8, 8, 61, 0][..] } else { &[0] });
            }
            let head = frame.len();
            let body = arbitrary::request(key, version, &mut rng).unwrap();
            frame.extend(&body);
            let whole = peek::peek(&frame, frame.len()).unwrap().unwrap();
            prop_assert_eq!((whole.api_key, whole.api_version, whole.correlation_id), (key, version, 9));
            for end in 0..frame.len().min(200) {
                let part = peek::peek(&frame[..end], frame.len()).unwrap();
                prop_assert!(part.is_none_or(|part| part == whole));
                if end < head {
                    prop_assert!(peek::peek(&frame[..end], end).is_err() || whole.produce.is_none());
                }
            }
            prop_assert_eq!(whole.produce.is_some(), key == api::PRODUCE);
            if let (Some(produce), Some(peer)) = (whole.produce, peer(key, version)) {
                let Ok(RequestKind::Produce(decoded)) = RequestKind::decode(peer, &mut Bytes::from(body), version) else { panic!() };
                prop_assert_eq!(decoded.acks, produce.acks);
                prop_assert_eq!(decoded.timeout_ms, produce.timeout_ms);
                prop_assert_eq!(&decoded.acks.to_be_bytes()[..], &frame[produce.acks_at..produce.acks_at + 2]);
            }
        }
    }

    /// Bytes that were good and are changed: an error or another message, never a panic; and what the check lets through, kafka-protocol reads without a panic.
    #[test]
    fn hostile_bytes_are_errors_at_worst(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let addresses = Virtual::new(&mut rng);
        for (key, version) in every_version() {
            for response in [false, true] {
                let make = if response { arbitrary::response } else { arbitrary::request };
                let mut body = make(key, version, &mut rng).unwrap();
                if body.is_empty() {
                    continue;
                }
                for _ in 0..=rng.usize(0..3) {
                    let at = rng.usize(0..body.len());
                    body[at] = *rng.choice(&[0, 1, 0x7f, 0x80, 0xff, 0xfe]).unwrap();
                }
                if rng.bool() {
                    body.truncate(rng.usize(0..=body.len()));
                }
                let check = if response { schema::check_response } else { schema::check_request };
                let passed = check(key, version, &body).is_ok();
                if response {
                    let frame = response_frame(key, version, &body, &mut rng);
                    let chunk = rng.usize(1..=frame.len());
                    if let Ok((out, _)) = patched(key, version, &frame, chunk, &addresses)
                        && rewrite_of(key, version) == Rewrite::Tail
                    {
                        prop_assert_eq!(out.len(), frame.len());
                    }
                    let _ = schema::error_codes(key, version, &body, &mut |_| {});
                }
                if key == api::API_VERSIONS {
                    let _ = if response { versions::parse_response(version, &body).err() } else { versions::parse_request(version, &body).err() };
                }
                if let (true, Some(peer)) = (passed, peer(key, version)) {
                    let mut bytes = Bytes::from(body);
                    let _ = if response {
                        ResponseKind::decode(peer, &mut bytes, version).err()
                    } else {
                        RequestKind::decode(peer, &mut bytes, version).err()
                    };
                }
            }
        }
    }
}
