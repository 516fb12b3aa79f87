//! Brokers of two releases at once, as in the middle of an upgrade: two of 2.1.0, one of 2.6.3; and old and new clients.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Scene, prepare};
use crate::cache::KafkaPython;
use crate::clients::java::Java;
use crate::clients::librdkafka;
use crate::clients::python::Python;
use crate::cluster::Cluster;
use crate::records::{Shape, assert_same, make};
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_4_3_1};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};
use crate::wire::Wire;

const OLD: [i32; 2] = [1, 5];
const NEW: i32 = 42;

#[test]
fn mixed_cluster() {
    let Some(_admission) = admit("mixed", Selection::Ci) else { return };
    prepare(&[&KAFKA_2_1_0, &KAFKA_2_6_3, &KAFKA_4_3_1], &[&KAFKA_2_1_0, &KAFKA_4_3_1], true);
    let mut steps = Steps::new("mixed");
    let brokers = [(OLD[0], &KAFKA_2_1_0), (OLD[1], &KAFKA_2_1_0), (NEW, &KAFKA_2_6_3)];
    let mut scene = steps.must("two brokers of 2.1.0 and one of 2.6.3", || Scene::over(Cluster::start_mixed("mixed", &brokers), &KAFKA_2_1_0, &[]));
    if scene.front.is_leeward() {
        steps.run("what is offered is what every broker has", || offered_is_the_intersection(&scene));
    }
    let mut new_java = Java::start(&KAFKA_4_3_1, scene.front.bootstrap(), &scene.cluster.log_path("java-new.log"));
    let records = make(51, 120, 6, Shape::Everything);
    let file = scene.file("mixed", &records);
    steps.run("java 2.1.0 and java 4.3.1 write and read each other's", || {
        for topic in ["mixed-old", "mixed-new"] {
            scene.create(topic, 6);
        }
        scene.java.run("produce", &[("topic", "mixed-old"), ("file", &file), ("acks", "all"), ("compression.type", "zstd")]);
        new_java.run("produce", &[("topic", "mixed-new"), ("file", &file), ("acks", "all"), ("compression.type", "zstd")]);
        assert_same("old writes, new reads", &records, &new_java.read_committed("mixed-old"));
        assert_same("new writes, old reads", &records, &scene.java.read_committed("mixed-new"));
    });
    steps.run("transactions and groups of both", || {
        scene.create("mixed-transactions-old", 6);
        scene.create("mixed-transactions-new", 6);
        for (java, name) in [(&mut scene.java, "old"), (&mut new_java, "new")] {
            let topic = format!("mixed-transactions-{name}");
            java.run("transactions", &[("topic", &topic), ("file", &file), ("chunk", "10"), ("transactional.id", name), ("group", &topic)]);
            let expected = super::by_java::committed(&records, 10);
            until("the commits' markers", Duration::from_secs(60), || match java.read_committed(&topic).len() {
                count if count >= expected.len() => Ok(()),
                count => Err(format!("{count} of {}", expected.len())),
            });
            assert_same(&topic, &expected, &java.read_committed(&topic));
            let got =
                java.records("consume", &[("topic", &topic), ("group.id", name), ("members", "2"), ("count", "80"), ("isolation.level", "read_committed")]);
            assert!(got.len() >= 80, "{} of 80", got.len());
        }
    });
    steps.run("librdkafka", || {
        scene.create("mixed-rdkafka", 6);
        let bootstrap = scene.front.bootstrap();
        librdkafka::produce(bootstrap, "mixed-rdkafka", &records, &[("enable.idempotence", "true"), ("compression.type", "lz4")]);
        assert_same("librdkafka", &records, &librdkafka::consume(bootstrap, "mixed-rdkafka", "mixed-rdkafka", records.len(), &[]));
    });
    steps.run("kafka-python of today, and as a client of 0.9", || {
        scene.create("mixed-python", 6);
        let simple = make(52, 60, 6, Shape::NoHeaders);
        let file = scene.file("mixed-python", &simple);
        let mut new = Python::new(KafkaPython::V3_0_12, scene.front.bootstrap(), &scene.cluster.scrap().join("python-new"));
        let mut old = Python::new(KafkaPython::V2_0_2, scene.front.bootstrap(), &scene.cluster.scrap().join("python-old"));
        new.run("produce", &[("topic", "mixed-python"), ("file", &file)]);
        old.run("produce", &[("topic", "mixed-python"), ("file", &file), ("acks", "1"), ("api_version", "0.9")]);
        for (python, group) in [(&mut new, "new"), (&mut old, "old")] {
            let keys: BTreeMap<_, usize> = python
                .records("consume", &[("topic", "mixed-python"), ("group", &format!("mixed-python-{group}")), ("count", "120")])
                .into_iter()
                .fold(BTreeMap::new(), |mut counts, record| {
                    *counts.entry((record.partition, record.key, record.value)).or_default() += 1;
                    counts
                });
            assert!(keys.len() == 60 && keys.values().all(|&count| count == 2), "{group}: each of 60 records twice, got {} different ones", keys.len());
        }
    });
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}

/// No API is offered in a version that one of the brokers lacks, and what clients need most is offered as high as all the brokers have it.
fn offered_is_the_intersection(scene: &Scene) {
    let ranges = |wire: Result<Wire, String>| -> BTreeMap<i16, (i16, i16)> {
        let answer = wire.and_then(|mut wire| wire.api_versions()).unwrap();
        answer.api_keys.iter().map(|range| (range.api_key, (range.min_version, range.max_version))).collect()
    };
    let (old, new) = (ranges(Wire::connect_past(&scene.cluster.address(OLD[0]))), ranges(Wire::connect_past(&scene.cluster.address(NEW))));
    assert_ne!(old, new, "the two releases differ, or this proves nothing");
    for address in [scene.front.bootstrap().to_owned(), scene.front.address(&scene.cluster, OLD[0]), scene.front.address(&scene.cluster, NEW)] {
        let offered = ranges(Wire::connect(&address));
        for (key, &(min, max)) in &offered {
            let both = [&old, &new].map(|broker| *broker.get(key).unwrap_or_else(|| panic!("{address} offers api key {key}, which not every broker has")));
            assert!(both.iter().all(|range| range.0 <= min && max <= range.1), "{address} offers api key {key} in {min}..={max}, the brokers have {both:?}");
        }
        // Produce, Fetch, ListOffsets, Metadata, the group APIs.
        for key in [0, 1, 2, 3, 8, 9, 10, 11, 12, 14] {
            let max = old[&key].1.min(new[&key].1);
            assert_eq!(offered.get(&key).map(|range| range.1), Some(max), "{address}: the highest version of api key {key}");
        }
    }
}
