use bytes::Buf;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use kafka_protocol::messages::{MetadataResponse, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::*;
use crate::protocol::patch::testing::{Known, frame};
use crate::wire::api::response_header_version;

fn metadata() -> MetadataResponse {
    let broker = |id: i32, rack: Option<&'static str>| {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str("kafka.internal"))
            .with_port(9092)
            .with_rack(rack.map(StrBytes::from_static_str))
    };
    MetadataResponse::default()
        .with_brokers(vec![broker(1, Some("r1")), broker(2, None), broker(3, Some(""))])
        .with_cluster_id(Some(StrBytes::from_static_str("cluster")))
        .with_topics(vec![MetadataResponseTopic::default().with_name(Some(TopicName(StrBytes::from_static_str("t"))))])
}

fn encoded(version: i16) -> Vec<u8> {
    let mut message = metadata();
    if version < 1 {
        message.brokers.iter_mut().for_each(|broker| broker.rack = None);
    }
    let mut body = BytesMut::new();
    message.encode(&mut body, version).unwrap();
    frame(response_header_version(api::METADATA, version), &body)
}

#[test]
fn metadata_names_virtual_brokers_and_nothing_else_changes() {
    let known = Known::of(&[(1, "leeward.example", 20001), (2, "l", 20002), (3, "leeward", 20003)]);
    for version in 0..=13 {
        let bytes = encoded(version);
        let Head::Replace { taken, with, named } = head(api::METADATA, version, &bytes, bytes.len() - 4, &known).unwrap() else { panic!("v{version}") };
        assert_eq!(named.len(), 3);
        assert_eq!((named[0].host.as_str(), named[0].port), ("kafka.internal", 9092));
        let whole = [&with[..], &bytes[taken..]].concat();
        assert_eq!(i32::from_be_bytes(whole[..4].try_into().unwrap()) as usize, whole.len() - 4);
        let header = 8 + usize::from(version >= 9);
        let decoded = MetadataResponse::decode(&mut Bytes::from(whole[header..].to_vec()), version).unwrap();
        let mut expected = MetadataResponse::decode(&mut Bytes::from(bytes[header..].to_vec()), version).unwrap();
        for (broker, (host, port)) in expected.brokers.iter_mut().zip([("leeward.example", 20001), ("l", 20002), ("leeward", 20003)]) {
            broker.host = StrBytes::from_static_str(host);
            broker.port = port;
        }
        assert_eq!(decoded, expected, "v{version}");
        assert!(!whole.windows(14).any(|window| window == b"kafka.internal"));
    }
}

#[test]
fn a_node_without_a_virtual_broker_is_learned_first() {
    let bytes = encoded(12);
    let Head::Unknown(nodes) = head(api::METADATA, 12, &bytes, bytes.len() - 4, &Known::of(&[(2, "l", 1)])).unwrap() else { panic!() };
    assert_eq!(nodes.iter().map(|node| node.node_id).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(nodes[0].rack.as_deref(), Some("r1"));
}

#[test]
fn the_need_never_shrinks_and_never_passes_the_head() {
    let known = Known::of(&[(1, "a", 1), (2, "b", 2), (3, "c", 3)]);
    for version in 0..=13 {
        let bytes = encoded(version);
        let length = bytes.len() - 4;
        let Head::Replace { taken, .. } = head(api::METADATA, version, &bytes, length, &known).unwrap() else { panic!() };
        for end in 0..bytes.len() {
            match head(api::METADATA, version, &bytes[..end], length, &known).unwrap() {
                Head::Need(needed) => assert!(end < taken && needed > end && needed <= taken, "v{version} {end} {needed} {taken}"),
                Head::Replace { taken: at, .. } => assert!(at == taken && end >= taken),
                Head::Unknown(_) => panic!(),
            }
        }
    }
}

#[test]
fn hostile_counts_and_addresses_are_errors() {
    let known = Known::default();
    let refused = |body: &[u8]| {
        let bytes = frame(0, body);
        head(api::METADATA, 1, &bytes, bytes.len() - 4, &known).unwrap_err()
    };
    assert!(matches!(refused(&[0x7f, 0xff, 0xff, 0xff]), PatchError::Malformed(WireError::BadLength { what: "Brokers", .. })));
    assert!(matches!(refused(&[0xff, 0xff, 0xff, 0xff]), PatchError::Null("Brokers")));
    assert!(matches!(refused(&[0xff, 0xff, 0xff, 0xfe]), PatchError::Malformed(WireError::BadLength { .. })));
    // Node -1 with a host, a port above 65,535, a host that is not UTF-8.
    assert!(matches!(refused(&[0, 0, 0, 1, 255, 255, 255, 255, 0, 1, b'h', 0, 0, 1, 1, 255, 255]), PatchError::Address { node_id: -1, .. }));
    assert!(matches!(refused(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b'h', 0, 1, 0, 0, 255, 255]), PatchError::Address { node_id: 1, port: 65536 }));
    assert!(matches!(refused(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0xff, 0, 0, 0, 1, 255, 255]), PatchError::Malformed(WireError::BadValue { .. })));
    assert!(matches!(refused(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 9, b'h', 0, 0, 0, 1, 255, 255]), PatchError::Truncated { .. }));
    assert!(matches!(head(api::METADATA, 14, &[], 10, &known), Err(PatchError::Version { .. })));
}

#[test]
fn a_failed_find_coordinator_stays_as_it_is() {
    let known = Known::of(&[(5, "virtual", 20005)]);
    // v1: throttle, error 15, message, node -1, host "", port -1.
    let body = [0, 0, 0, 0, 0, 15, 0xff, 0xff, 255, 255, 255, 255, 0, 0, 255, 255, 255, 255];
    let bytes = frame(0, &body);
    let Head::Replace { taken, with, named } = head(api::FIND_COORDINATOR, 1, &bytes, bytes.len() - 4, &known).unwrap() else { panic!() };
    assert_eq!((&with[..], taken, named.len()), (&bytes[..], bytes.len(), 0));
    // v0: error, node 5, host, port.
    let bytes = frame(0, &[0, 0, 0, 0, 0, 5, 0, 2, b'k', b'1', 0, 0, 0x23, 0x84]);
    let Head::Replace { with, .. } = head(api::FIND_COORDINATOR, 0, &bytes, bytes.len() - 4, &known).unwrap() else { panic!() };
    let mut expected = &with[8..];
    assert_eq!((expected.get_i16(), expected.get_i32(), expected.get_i16()), (0, 5, 7));
    assert_eq!(&expected[..7], b"virtual");
    assert_eq!(i32::from_be_bytes(expected[7..].try_into().unwrap()), 20005);
}

#[test]
fn controllers_are_never_taken_for_brokers() {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 2, 2, b'c', 0, 0, 0, 1, 2];
    body.extend([0, 0, 0, 1, 2, b'h', 0, 0, 1, 1, 0, 0]);
    let bytes = frame(1, &body);
    assert_eq!(head(api::DESCRIBE_CLUSTER, 1, &bytes, bytes.len() - 4, &Known::default()), Err(PatchError::Controllers));
}
