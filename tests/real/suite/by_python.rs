//! kafka-python: an old version that many still run, one of today, and the protocol as clients of 2014 to 2016 spoke it.

use super::Scene;
use crate::cache::KafkaPython;
use crate::clients::COMPRESSIONS;
use crate::clients::python::Python;
use crate::records::{Shape, TestRecord, assert_same, make};
use crate::steps::Steps;

pub(super) fn steps(steps: &mut Steps, scene: &mut Scene) {
    for version in [KafkaPython::V2_0_2, KafkaPython::V3_0_12] {
        let name = format!("kafka-python {}", version.version());
        for (number, compression) in COMPRESSIONS.into_iter().enumerate() {
            let acks = ["1", "all", "0"][number % 3];
            let mut body = || produce_and_consume(scene, version, acks, compression);
            let step = format!("{name}: acks={acks}, {compression}");
            // Compression is the same path for every library: once with the old one in every selection.
            if number == 0 || (number == 1 && version == KafkaPython::V2_0_2) { steps.run(&step, &mut body) } else { steps.run_in_all(&step, &mut body) }
        }
        steps.run(&format!("{name}: a topic made, described and deleted"), || {
            python(scene, version).run("admin", &[("topic", &format!("python-admin-{}", version.version()))]);
        });
    }
    // Since 4.0 brokers know neither Produce before v3 nor message formats before v2.
    if !scene.release.consumer_protocol() {
        for (api_version, what) in [("0.8.2", "Produce v0, message format v0"), ("0.9", "Produce v1, groups"), ("0.10.0", "Produce v2, message format v1")] {
            steps.run(&format!("kafka-python 2.0.2 as a client of {api_version}: {what}"), || old_protocol(scene, api_version));
        }
    }
}

fn python(scene: &Scene, version: KafkaPython) -> Python {
    let directory = scene.cluster.scrap().join(format!("python-{}-{}", version.version(), fastrand::u32(..)));
    Python::new(version, scene.front.bootstrap(), &directory)
}

fn produce_and_consume(scene: &mut Scene, version: KafkaPython, acks: &str, compression: &str) {
    let topic = format!("python-{}-{acks}-{compression}", version.version());
    let records = make(31, 90, 3, Shape::NoNullHeaders);
    let file = scene.file(&topic, &records);
    scene.create(&topic, 3);
    let mut python = python(scene, version);
    let arguments = [("topic", topic.as_str()), ("file", &file), ("acks", acks), ("compression", compression)];
    assert_eq!(python.run("produce", &arguments).len(), records.len());
    let group = format!("group-{topic}");
    assert_same(&topic, &records, &python.records("consume", &[("topic", &topic), ("group", &group), ("count", "90")]));
}

fn old_protocol(scene: &mut Scene, api_version: &str) {
    let topic = format!("python-old-{api_version}");
    let records = make(32, 60, 2, Shape::NoHeaders);
    let file = scene.file(&topic, &records);
    scene.create(&topic, 2);
    let mut python = python(scene, KafkaPython::V2_0_2);
    let common = [("topic", topic.as_str()), ("api_version", api_version)];
    python.run("produce", &[common.as_slice(), &[("file", &file), ("acks", "1"), ("compression", "gzip")]].concat());
    // Groups came with 0.9.
    let from: &[(&str, &str)] = if api_version == "0.8.2" { &[("partitions", "2")] } else { &[("group", "python-old")] };
    let received = python.records("consume", &[common.as_slice(), &[("count", "60")], from].concat());
    // Message format v0 has no timestamps: neither side's are compared.
    let timeless = |records: &[TestRecord]| -> Vec<TestRecord> { records.iter().map(|record| TestRecord { timestamp: -1, ..record.clone() }).collect() };
    assert_same(&topic, &timeless(&records), &timeless(&received));
    assert_same("read by Java", &timeless(&records), &timeless(&scene.java.read_committed(&topic)));
}
