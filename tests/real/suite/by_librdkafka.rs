//! librdkafka: every compression and acks, an idempotent and a transactional producer, a group.

use std::time::Duration;

use serde_json::Value;

use super::Scene;
use super::by_java::{await_records, committed};
use crate::clients::{COMPRESSIONS, librdkafka};
use crate::records::{Shape, assert_same, make};
use crate::steps::{Steps, say, until};

/// A topic that is new is read with all the others every ten seconds.
const TOLD_LIMIT: Duration = Duration::from_secs(60);

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
    steps.run("librdkafka: what it sends and gets is told by leeward tap", || tapped(scene));
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

/// With the versions that it and these brokers agree on: names are told also where topics go by their ids.
fn tapped(scene: &mut Scene) {
    let topic = "rdkafka-tapped";
    scene.create(topic, 1);
    let output = scene.cluster.log_path("tap.jsonl");
    let Some(mut tap) = scene.front.begin(&["tap", "-o", "json", "--topic", topic], &output) else { return };
    let records = make(25, 5, 1, Shape::Everything);
    let mut written = 0;
    // Again and again: the listener, and a topic's name behind its id, are there after a moment.
    until("a Produce and a Fetch are told", TOLD_LIMIT, || {
        librdkafka::produce(scene.front.bootstrap(), topic, &records, &[("acks", "1"), ("compression.type", "lz4")]);
        written += records.len();
        assert_eq!(librdkafka::read(scene.front.bootstrap(), topic, 1, written, &[]).len(), written);
        assert_eq!(tap.exited(), None);
        let told = std::fs::read_to_string(&output).map_err(|error| error.to_string())?;
        let requests = || told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).map(|mut line| line["request"].take());
        let with_records = |topics: &Value| topics[0]["name"] == topic && topics[0]["partitions"][0]["records"].as_u64() > Some(0);
        let produced = requests().find(|request| request["api"] == "Produce" && with_records(&request["topics"]));
        let fetched = requests().find(|request| request["api"] == "Fetch" && with_records(&request["answered"]));
        match (produced, fetched) {
            (Some(produced), Some(fetched)) => {
                assert!(produced["client_id"] == "rdkafka" && produced["acks"] == 1 && produced["errors"].is_null(), "{produced}");
                say("tap", &format!("Produce v{}, Fetch v{}: {fetched}", produced["api_version"], fetched["api_version"]));
                Ok(())
            }
            (produced, fetched) => Err(format!("Produce: {}, Fetch: {}", produced.is_some(), fetched.is_some())),
        }
    });
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
