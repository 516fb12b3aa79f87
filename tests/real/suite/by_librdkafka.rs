//! librdkafka: every compression and acks, an idempotent and a transactional producer, a group.

use super::Scene;
use super::by_java::{await_records, committed};
use crate::clients::{COMPRESSIONS, librdkafka};
use crate::records::{Shape, assert_same, make};
use crate::steps::Steps;

pub(super) fn steps(steps: &mut Steps, scene: &mut Scene) {
    for (number, compression) in COMPRESSIONS.into_iter().enumerate() {
        let chosen = ["all", "0", "1"][number % 3];
        for acks in ["0", "1", "all"] {
            let mut body = || produce_and_read(scene, acks, compression);
            let step = format!("librdkafka: acks={acks}, {compression}");
            if acks == chosen { steps.run(&step, &mut body) } else { steps.run_in_all(&step, &mut body) }
        }
    }
    steps.run("librdkafka: an idempotent producer and a group", || idempotent_and_group(scene));
    steps.run("librdkafka: transactions, with aborted ones", || transactions(scene));
    if scene.release.consumer_protocol() {
        steps.run("librdkafka: a group with the consumer protocol", || consumer_protocol(scene));
    }
}

fn produce_and_read(scene: &mut Scene, acks: &str, compression: &str) {
    let topic = format!("rdkafka-{acks}-{compression}");
    let records = make(21, 120, 3, Shape::Everything);
    scene.create(&topic, 3);
    let bootstrap = scene.front.bootstrap();
    librdkafka::produce(bootstrap, &topic, &records, &[("acks", acks), ("compression.type", compression)]);
    assert_same(&topic, &records, &librdkafka::read(bootstrap, &topic, 3, records.len(), &[]));
}

fn idempotent_and_group(scene: &mut Scene) {
    let topic = "rdkafka-idempotent";
    let records = make(22, 300, 3, Shape::Everything);
    scene.create(topic, 3);
    let bootstrap = scene.front.bootstrap();
    librdkafka::produce(bootstrap, topic, &records, &[("enable.idempotence", "true"), ("batch.num.messages", "10")]);
    assert_same(topic, &records, &librdkafka::consume(bootstrap, topic, "rdkafka-group", records.len(), &[]));
    let mut offsets = scene.java.run("offsets", &[("group", "rdkafka-group")]);
    offsets.sort();
    assert_eq!(offsets, (0..3).map(|partition| format!("{topic}\t{partition}\t100")).collect::<Vec<_>>());
}

fn transactions(scene: &mut Scene) {
    const CHUNK: usize = 10;
    let topic = "rdkafka-transactions";
    let records = make(23, 95, 3, Shape::Everything);
    scene.create(topic, 3);
    let bootstrap = scene.front.bootstrap().to_owned();
    librdkafka::transactions(&bootstrap, topic, &records, CHUNK, "rdkafka-1");
    let expected = committed(&records, CHUNK);
    assert_same("read by librdkafka", &expected, &librdkafka::read(&bootstrap, topic, 3, expected.len(), &[("isolation.level", "read_committed")]));
    await_records(scene, topic, expected.len());
    assert_same("read by Java", &expected, &scene.java.read_committed(topic));
}

fn consumer_protocol(scene: &mut Scene) {
    let topic = "rdkafka-consumer-protocol";
    let records = make(24, 90, 3, Shape::Everything);
    scene.create(topic, 3);
    let bootstrap = scene.front.bootstrap();
    librdkafka::produce(bootstrap, topic, &records, &[]);
    let received = librdkafka::consume(bootstrap, topic, "rdkafka-848", records.len(), &[("group.protocol", "consumer")]);
    assert_same(topic, &records, &received);
}

/// A client that goes to a broker directly: the watch must see it, or its silence before proved nothing.
pub(super) fn caught_going_direct(scene: &Scene) {
    let caught = scene.front.catch(&scene.cluster, || librdkafka::connect(&scene.cluster.bootstrap()));
    assert!(!caught.is_empty() && caught.iter().all(|&pid| pid == std::process::id()), "caught: {caught:?}, expected this process, {}", std::process::id());
}
