use super::*;
use crate::admin::brokers::{QuorumPicture, ReleasePicture, VoterPicture};
use crate::rolling::gate::PartitionName;
use crate::rolling::roster::{Standing, Totals};

const PLAIN: Paint = Paint { colour: false };

fn broker(node_id: i32, state: BrokerState) -> BrokerPicture {
    let release = ReleasePicture {
        text: "2.6".to_owned(),
        oldest: None,
        newest: None,
        mode: Some("ZooKeeper".to_owned()),
        known_by: vec!["Fetch goes up to 11".to_owned()],
    };
    BrokerPicture {
        node_id,
        address: format!("kafka-{node_id}.example.com:9092"),
        rack: (node_id == 1).then(|| "rack-a".to_owned()),
        listed: true,
        reachable: state != BrokerState::Down,
        standing: Standing { state, leaders: 1200, replicas: 3600, under_replicated: 12, at_min_isr: 3, out_of_sync: 0 },
        release: (state != BrokerState::Down).then_some(release),
        inter_broker_protocol: Some("2.1".to_owned()),
        traffic: crate::admin::traffic::BrokerTraffic::default(),
    }
}

fn picture() -> ClusterPicture {
    ClusterPicture {
        at: "2026-03-01T19:02:11Z".to_owned(),
        cluster_id: Some("vKJ3aSx_TJWf0lrY4fSZdQ".to_owned()),
        controller_id: Some(1),
        metadata_version: None,
        brokers: vec![broker(1, BrokerState::Serving), broker(2, BrokerState::CatchingUp), broker(1001, BrokerState::Down)],
        partitions: Totals { partitions: 3600, leaderless: 0, under_replicated: 12, at_min_isr: 3, below_min_isr: 1 },
        reassigning: Some((0..5).map(|partition| PartitionName { topic: "orders".to_owned(), partition }).collect()),
        quorum: None,
        gaps: Vec::new(),
    }
}

#[test]
fn every_broker_has_a_row_and_a_line_has_100_columns() {
    let text = for_people(&picture(), PLAIN);
    let expected = "\
cluster     vKJ3aSx_TJWf0lrY4fSZdQ, 1 of 3 brokers serving
controller  broker 1*
partitions  3600: 0 without a leader, 12 under-replicated, 3 at min ISR, 1 below
reassigning orders-0, orders-1, orders-2 and 2 more
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let rows: Vec<Vec<&str>> = text.lines().skip(5).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["1*", "kafka-1.example.com:9092", "rack-a", "serving", "2.6", "1200", "3600", "12", "3"], "{text}");
    assert_eq!(rows[3][0..5], ["1001", "kafka-1001.example.com:9092", "-", "down", "?"], "{text}");
}

#[test]
fn the_quorum_is_named() {
    let voters = [100, 101].map(|node_id| VoterPicture { node_id, lag: None, caught_up_ms_ago: None }).to_vec();
    let text = for_people(&ClusterPicture { quorum: Some(QuorumPicture { leader_id: 100, voters }), controller_id: Some(100), ..picture() }, PLAIN);
    assert!(text.contains("\ncontroller  100, of the quorum 100, 101\n"), "{text}");
}

#[test]
fn versions_say_how_they_are_known() {
    let text = versions(&picture());
    assert!(text.starts_with("broker 1: Kafka 2.6, ZooKeeper, inter.broker.protocol.version 2.1\n  Fetch goes up to 11\n"), "{text}");
    assert!(text.contains("broker 1001: not known, it has not answered yet"), "{text}");
}
