use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::cluster::Broker;
use crate::config::HostPort;

fn view(nodes: &[i32], unlisted: Option<i32>) -> View {
    let broker = |node_id: i32| Broker {
        node_id,
        upstream: HostPort { host: format!("b{node_id}"), port: 9092 },
        rack: None,
        virtual_port: 0,
        listed: unlisted != Some(node_id),
        is_forgotten: false,
        offer: None,
        reachable: unlisted != Some(node_id),
    };
    View { brokers: nodes.iter().map(|node_id| (*node_id, broker(*node_id))).collect(), ..View::default() }
}

fn leaders(leader: (i32, i32), last: (i32, i32)) -> Leaders {
    let leader_of = |(node_id, epoch)| Leader { node_id, epoch };
    let partition = PartitionInfo { leader: leader_of(leader), last_leader: Some(leader_of(last)), replicas: vec![1, 2, 3], isr: vec![2, 3] };
    let topic = Topic { id: None, partitions: HashMap::from([(0, partition)]), ..Topic::default() };
    Leaders { topics: HashMap::from([(Arc::from("t"), Arc::new(topic))]), ..Leaders::default() }
}

fn response(brokers: &[i32], error: i16, leader: i32, epoch: i32) -> MetadataResponse {
    let broker = |id: &i32| MetadataResponseBroker::default().with_node_id(BrokerId(*id)).with_host(StrBytes::from_string(format!("b{id}"))).with_port(9092);
    let partition = MetadataResponsePartition::default().with_error_code(error).with_leader_id(BrokerId(leader)).with_leader_epoch(epoch);
    let partition = partition.with_replica_nodes(nodes(&[1, 2, 3])).with_isr_nodes(nodes(&[1, 2, 3]));
    let topic = MetadataResponseTopic::default().with_name(Some(TopicName(StrBytes::from_static_str("t")))).with_partitions(vec![partition]);
    MetadataResponse::default().with_brokers(brokers.iter().map(broker).collect()).with_topics(vec![topic])
}

fn framed(response: &MetadataResponse, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i32(7);
    if version >= 9 {
        out.put_u8(0);
    }
    response.encode(&mut out, version).unwrap();
    let length = i32::try_from(out.len() - 4).unwrap();
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.freeze()
}

fn read(frame: &Bytes, version: i16) -> MetadataResponse {
    assert_eq!(usize::try_from(i32::from_be_bytes(frame[..4].try_into().unwrap())).unwrap(), frame.len() - 4);
    MetadataResponse::decode(&mut frame.slice(if version >= 9 { 9 } else { 8 }..), version).unwrap()
}

/// (error, leader, epoch) as the broker says it, what is known, and as the client sees it; `None`: untouched.
type Row = ((i16, i32, i32), ((i32, i32), (i32, i32)), Option<(i32, i32)>);

#[test]
fn partitions_are_told_as_they_are_known() {
    let rows: [Row; 7] = [
        ((0, 1, 5), ((1, 5), (1, 5)), None),
        // No leader now: the last one, whose virtual broker holds.
        ((5, -1, 6), ((-1, 6), (1, 5)), Some((1, 5))),
        ((72, -1, 5), ((1, 5), (1, 5)), Some((1, 5))),
        // A new leader is known here already.
        ((5, -1, 6), ((2, 7), (2, 7)), Some((2, 7))),
        ((0, 1, 5), ((2, 7), (2, 7)), Some((2, 7))),
        // The broker knows more than Leeward.
        ((0, 2, 8), ((1, 5), (1, 5)), None),
        ((0, 2, 6), ((-1, 7), (1, 5)), None),
    ];
    for version in [7, 9, 12] {
        for ((error, leader, epoch), (known, last), expected) in rows {
            let frame = framed(&response(&[1, 2, 3], error, leader, epoch), version);
            let mended = mend(version, &frame, &leaders(known, last), &view(&[1, 2, 3], None));
            let seen = mended.map(|frame| read(&frame, version));
            let seen =
                seen.map(|seen| (seen.topics[0].partitions[0].error_code, *seen.topics[0].partitions[0].leader_id, seen.topics[0].partitions[0].leader_epoch));
            assert_eq!(seen, expected.map(|(leader, epoch)| (0, leader, epoch)), "v{version}: {error} {leader} {epoch}, known {known:?} {last:?}");
        }
    }
}

#[test]
fn versions_without_epochs_are_mended_too() {
    for version in 0..7 {
        let frame = framed(&response(&[1, 2, 3], 5, -1, -1), version);
        let seen = read(&mend(version, &frame, &leaders((-1, 6), (1, 5)), &view(&[1, 2, 3], None)).unwrap(), version);
        assert_eq!((seen.topics[0].partitions[0].error_code, *seen.topics[0].partitions[0].leader_id), (0, 1), "v{version}");
    }
}

#[test]
fn a_broker_that_is_away_stays_in_the_list_until_it_is_forgotten() {
    let frame = framed(&response(&[1, 3], 0, 1, 5), 9);
    let mut view = view(&[1, 2, 3], Some(2));
    let seen = read(&mend(9, &frame, &Leaders::default(), &view).unwrap(), 9);
    assert_eq!(seen.brokers.iter().map(|broker| (*broker.node_id, broker.host.to_string())).last(), Some((2, "b2".to_owned())));
    view.brokers.get_mut(&2).unwrap().is_forgotten = true;
    assert_eq!(mend(9, &frame, &Leaders::default(), &view), None);
}

#[test]
fn a_topic_that_one_broker_does_not_know_yet_is_told_as_it_was_while_brokers_come_and_go() {
    let mut unknown = response(&[1, 2, 3], 0, 1, 5);
    unknown.topics[0].error_code = UNKNOWN_TOPIC_OR_PARTITION;
    unknown.topics[0].partitions.clear();
    let (frame, leaders) = (framed(&unknown, 9), leaders((2, 7), (2, 7)));
    let seen = read(&mend(9, &frame, &leaders, &view(&[1, 2, 3], Some(3))).unwrap(), 9);
    assert_eq!((seen.topics[0].error_code, *seen.topics[0].partitions[0].leader_id, seen.topics[0].partitions[0].leader_epoch), (0, 2, 7));
    // When all is well the topic may have been deleted.
    assert_eq!(mend(9, &frame, &leaders, &view(&[1, 2, 3], None)), None);
}

#[test]
fn no_bytes_make_it_panic() {
    let frame = framed(&response(&[1, 2, 3], 5, -1, -1), 9);
    for cut in 0..frame.len() {
        mend(9, &frame.slice(..cut), &leaders((-1, 6), (1, 5)), &view(&[1, 2, 3], None));
    }
}

#[test]
fn without_any_broker_metadata_is_told_as_it_was_and_names_every_broker() {
    use kafka_protocol::messages::RequestHeader as Header;
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    use kafka_protocol::protocol::HeaderVersion;
    for version in 0..=12 {
        for asked in [Some(vec!["t", "other"]), None] {
            let topics = |names: &Vec<&'static str>| {
                names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_static_str(name))))).collect()
            };
            // Version 0 has no null.
            let topics: Option<Vec<_>> = if version == 0 { Some(asked.as_ref().map_or(Vec::new(), topics)) } else { asked.as_ref().map(topics) };
            let mut frame = BytesMut::new();
            frame.put_i32(0);
            let header = Header::default().with_request_api_key(3).with_request_api_version(version).with_correlation_id(7);
            header.encode(&mut frame, MetadataRequest::header_version(version)).unwrap();
            MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(true).encode(&mut frame, version).unwrap();
            let answer = from_memory(&frame.freeze(), &leaders((-1, 7), (2, 6)), &view(&[1, 2, 3], Some(2))).unwrap();
            assert_eq!(answer[4..8], [0, 0, 0, 7]);
            let seen = read(&answer, version);
            assert_eq!(seen.brokers.iter().map(|broker| *broker.node_id).collect::<Vec<_>>(), [1, 2, 3], "v{version}");
            assert_eq!((seen.topics[0].error_code, *seen.topics[0].partitions[0].leader_id), (0, 2), "v{version}");
            assert_eq!(seen.topics.get(1).map(|topic| topic.error_code), asked.map(|_| LEADER_NOT_AVAILABLE), "v{version}");
        }
    }
    assert_eq!(from_memory(&Bytes::from_static(b"\0\0\0\0"), &Leaders::default(), &View::default()), None);
}

#[test]
fn a_leader_that_is_away_is_none_for_a_client_that_must_go_there_itself() {
    for version in [1, 7, 9, 12] {
        let frame = framed(&response(&[1, 2, 3], 0, 1, 5), version);
        assert_eq!(without_absent_leaders(version, &frame, &view(&[1, 2, 3], None)), None, "nobody is away");
        assert_eq!(without_absent_leaders(version, &frame, &view(&[1, 2, 3], Some(2))), None, "another is");
        let told = read(&without_absent_leaders(version, &frame, &view(&[1, 2, 3], Some(1))).unwrap(), version);
        let partition = &told.topics[0].partitions[0];
        assert_eq!((partition.error_code, *partition.leader_id), (LEADER_NOT_AVAILABLE, -1), "v{version}");
        assert_eq!(told.brokers.len(), 3, "its broker is named all the same");
    }
}
