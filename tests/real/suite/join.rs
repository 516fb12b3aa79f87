//! A fourth broker joins a running cluster, and clients that were there before use it.

use std::time::Duration;

use super::{Scene, prepare};
use crate::clients::librdkafka;
use crate::cluster::Cluster;
use crate::records::{Shape, assert_same, make};
use crate::release::KAFKA_4_3_1;
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};

/// Far from the others' ids, and below none of them.
const FOURTH: i32 = 907;

#[test]
fn a_fourth_broker_joins() {
    let Some(_admission) = admit("join", Selection::Ci) else { return };
    prepare(&[&KAFKA_4_3_1], &[&KAFKA_4_3_1], false);
    let mut steps = Steps::new("join");
    let mut scene = steps.must("three brokers, and Leeward is ready", || Scene::over(Cluster::start("join", &KAFKA_4_3_1), &KAFKA_4_3_1, &[FOURTH]));
    let before = make(41, 40, 1, Shape::Everything);
    let after = make(42, 40, 1, Shape::Everything);
    let (file_before, file_after) = (scene.file("before", &before), scene.file("after", &after));
    steps.must("a producer and a consumer work and stay connected", || {
        scene.create("join-before", 1);
        scene.java.run("produce", &[("topic", "join-before"), ("file", &file_before), ("client", "early")]);
        assert_same("before", &before, &scene.java.records("read", &[("topic", "join-before"), ("client", "early")]));
    });
    steps.must("a fourth broker joins", || scene.cluster.add_broker(FOURTH, &KAFKA_4_3_1));
    steps.must("it is advertised at a virtual broker of its own", || {
        // In the control arm nobody knows it until asked for afresh; through Leeward by its own refresh.
        scene.front.assert_brokers_advertised(&scene.cluster);
    });
    steps.must("a topic is placed on it", || {
        let ids = scene.cluster.node_ids();
        let replicas = format!("{FOURTH},{},{}", ids[0], ids[1]);
        until("the topic made", Duration::from_secs(30), || scene.java.attempt("create", &[("topic", "join-after"), ("replicas", &replicas)]));
        assert_eq!(scene.cluster.leader("join-after", 0), FOURTH);
    });
    steps.run("the producer and the consumer of before use it", || {
        scene.java.run("produce", &[("topic", "join-after"), ("file", &file_after), ("client", "early")]);
        assert_same("after", &after, &scene.java.records("read", &[("topic", "join-after"), ("client", "early")]));
    });
    steps.run("a new client uses it", || {
        let bootstrap = scene.front.bootstrap();
        librdkafka::produce(bootstrap, "join-after", &before, &[]);
        let both = [after.as_slice(), &before].concat();
        assert_same("both", &both, &librdkafka::read(bootstrap, "join-after", 1, both.len(), &[]));
    });
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}
