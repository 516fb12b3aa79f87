//! Brokers crash, stand still and come back. What Leeward must keep up as a plain wire: its ports, the truth about itself, and the clients of the other brokers.

use std::time::Duration;

use super::by_java::await_records;
use super::{Scene, prepare};
use crate::cluster::Cluster;
use crate::front::{assert_starts_with, assert_waits_for};
use crate::records::{Shape, TestRecord, assert_same, make};
use crate::release::KAFKA_3_9_1;
use crate::selection::{Selection, admit};
use crate::steps::Steps;
use crate::wire::Wire;

const TOPIC: &str = "trouble";

#[test]
fn brokers_crash_and_stand_still() {
    let Some(_admission) = admit("trouble", Selection::Ci) else { return };
    prepare(&[&KAFKA_3_9_1], &[&KAFKA_3_9_1], false);
    let mut steps = Steps::new("trouble");
    let mut scene = steps.must("three brokers, and Leeward is ready", || Scene::over(Cluster::start("trouble", &KAFKA_3_9_1), &KAFKA_3_9_1, &[]));
    let mut sent = Vec::new();
    steps.must("a producer and a consumer work and stay connected", || {
        scene.create(TOPIC, 3);
        round(&mut scene, &mut sent);
    });
    let victim = scene.cluster.leader(TOPIC, 0);
    let virtual_broker = scene.front.address(&scene.cluster, victim);

    steps.must("a leader is killed: the same clients go on with the others", || {
        scene.cluster.kill(victim);
        round(&mut scene, &mut sent);
    });
    if scene.front.is_leeward() {
        steps.run("its virtual broker keeps its port", || {
            // Accepted, and then closed when no broker can be reached: never refused.
            Wire::connect(&virtual_broker).unwrap();
        });
        steps.run("a Leeward that starts now finds the cluster by the brokers that answer", || assert_starts_with(&scene.cluster, &scene.cluster.bootstrap()));
        steps.run("a Leeward with nobody upstream waits, alive and not ready", || assert_waits_for(&scene.cluster));
    }
    steps.must("the killed broker comes back to the same virtual broker", || {
        scene.cluster.restart(victim);
        scene.cluster.await_in_sync();
        scene.front.assert_brokers_advertised(&scene.cluster);
        assert_eq!(scene.front.address(&scene.cluster, victim), virtual_broker);
        round(&mut scene, &mut sent);
    });
    steps.must("a leader stands still for a while: what was sent meanwhile arrives once", || {
        let still = scene.cluster.leader(TOPIC, 1);
        scene.cluster.pause(still);
        let resumed = std::thread::scope(|scope| {
            let cluster = &scene.cluster;
            let resumer = scope.spawn(move || {
                std::thread::sleep(STANDSTILL);
                cluster.resume(still);
            });
            let records = make(70, 60, 3, Shape::Everything);
            let path = cluster.scrap().join("still.records");
            crate::records::write(&path, &records);
            scene.java.run("produce", &producer(path.to_str().unwrap()));
            resumer.join().unwrap();
            records
        });
        sent.extend(resumed);
        scene.cluster.await_in_sync();
        check(&mut scene, &sent);
    });
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}

/// Below the 9 s after which a KRaft controller takes a broker for dead.
const STANDSTILL: Duration = Duration::from_secs(4);

fn producer(file: &str) -> [(&str, &str); 5] {
    [("topic", TOPIC), ("file", file), ("client", "lasting"), ("acks", "all"), ("enable.idempotence", "true")]
}

/// The lasting producer sends, and the lasting consumer finds everything sent so far, once and in order.
fn round(scene: &mut Scene, sent: &mut Vec<TestRecord>) {
    let records = make(71 + sent.len() as u64, 60, 3, Shape::Everything);
    let file = scene.file("trouble", &records);
    scene.java.run("produce", &producer(&file));
    sent.extend(records);
    check(scene, sent);
}

fn check(scene: &mut Scene, sent: &[TestRecord]) {
    await_records(scene, TOPIC, sent.len());
    assert_same("the lasting consumer", sent, &scene.java.records("read", &[("topic", TOPIC), ("client", "lasting")]));
}
