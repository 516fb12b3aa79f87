use std::collections::BTreeMap;

use tokio::sync::watch;

use super::*;
use crate::config::{Upstream, ZooKeeperAt};
use crate::rolling::census::{Quorum, Voter};
use crate::sandbox::{Fault, ModelConfig, Sandbox, SandboxConfig};

/// A Leeward's operator that was told one broker's address, and knows nothing else yet.
fn operator(addresses: &[&str]) -> Operator {
    let bootstrap: Vec<HostPort> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let view = View { bootstrap: bootstrap.clone(), ..View::default() };
    let upstream = Upstream {
        bootstrap,
        connect_timeout: Duration::from_secs(2),
        refresh_interval: Duration::from_secs(10),
        sasl_plain: None,
        zookeeper: ZooKeeperAt::default(),
    };
    Operator::new(watch::channel(Arc::new(view)).1, watch::channel(upstream).1)
}

fn reachable(census: &Census) -> Vec<(i32, bool, bool)> {
    census.brokers.values().map(|broker| (broker.node_id, broker.is_listed, broker.is_reachable)).collect()
}

#[tokio::test]
async fn one_address_leads_to_the_whole_cluster() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 4, 3, 2).await.unwrap();
    sandbox.create_topic("scratch", 1, 1, 1).await.unwrap();
    let address = sandbox.brokers()[0].1.to_string();
    let mut census = operator(&[&address]).census().await.unwrap();
    // News of a topic takes a moment to reach the broker that is asked.
    while census.partitions.len() < 5 {
        census = operator(&[&address]).census().await.unwrap();
    }
    assert_eq!(reachable(&census), [(1, true, true), (2, true, true), (3, true, true)]);
    assert_eq!(census.brokers.values().map(|broker| broker.address.to_string()).collect::<Vec<_>>().join(","), sandbox.bootstrap());
    let replicas: BTreeMap<(String, i32), (usize, usize, Option<u32>)> = census
        .partitions
        .iter()
        .map(|partition| ((partition.topic.to_string(), partition.index), (partition.replicas.len(), partition.isr.len(), partition.min_insync_replicas)))
        .collect();
    let mut expected: BTreeMap<_, _> = (0..4).map(|index| (("orders".to_owned(), index), (3, 3, Some(2)))).collect();
    expected.insert(("scratch".to_owned(), 0), (1, 1, Some(1)));
    assert_eq!(replicas, expected);
    assert_eq!(census.reassignments, Some(Vec::new()));
    assert_eq!(census.quorum, Some(Quorum { leader_id: 3000, voters: vec![Voter { node_id: 3000, lag: Some(0), caught_up_ms_ago: Some(0) }] }));
    assert_eq!((census.controller_id, census.gaps.len()), (Some(3000), 0));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_stands_still_is_unreachable_though_the_metadata_names_it() {
    // Its session outlives the test, so that the controller takes it for alive.
    let model = ModelConfig { session_timeout: Duration::from_secs(600), ..ModelConfig::default() };
    let sandbox = Sandbox::start(SandboxConfig { model, ..SandboxConfig::default() }).await.unwrap();
    sandbox.pause(2).unwrap();
    let bootstrap = sandbox.bootstrap();
    // The one that stands still is asked too, as one of several.
    let census = operator(&bootstrap.split(',').collect::<Vec<_>>()).census().await.unwrap();
    assert_eq!(reachable(&census), [(1, true, true), (2, true, false), (3, true, true)]);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn without_a_broker_that_answers_there_is_no_census() {
    assert!(matches!(operator(&[]).census().await, Err(OperatorError::NoBroker)));
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    assert!(matches!(operator(&[&nobody]).census().await, Err(OperatorError::Unanswered { .. })));
}

#[tokio::test]
async fn what_a_broker_does_not_tell_is_a_gap_and_the_rest_is_told() {
    let sandbox = Sandbox::start(SandboxConfig { brokers: 1, ..SandboxConfig::default() }).await.unwrap();
    sandbox.create_topic("orders", 1, 1, 1).await.unwrap();
    let address = sandbox.brokers()[0].1.to_string();
    sandbox.inject(1, Fault::ResetOnRequest { api_key: Some(DESCRIBE_QUORUM) });
    let census = operator(&[&address]).census().await.unwrap();
    assert_eq!((census.partitions.len(), census.partitions[0].min_insync_replicas, census.quorum), (1, Some(1), None));
    assert!(census.gaps.iter().all(|gap| gap.can_close), "{:?}", census.gaps);
    assert!(census.gaps[0].text.starts_with("the controller quorum could not be read: "), "{:?}", census.gaps);
    // Nobody knows who is the controller: the metadata of KRaft's brokers names any of them.
    assert_eq!(census.controller_id, None);
    assert_eq!(operator(&[&address]).census().await.unwrap().gaps, []);
    sandbox.shutdown().await;
}
