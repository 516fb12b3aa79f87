//! The Java clients: producers of every kind, groups of every protocol, the admin client.

use std::time::Duration;

use super::Scene;
use crate::clients::COMPRESSIONS;
use crate::records::{Shape, TestRecord, assert_same, make};
use crate::steps::{Steps, until};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn steps(steps: &mut Steps, scene: &mut Scene) {
    for (number, compression) in COMPRESSIONS.into_iter().enumerate() {
        // Each compression once and each acks at least once; `all` has them crossed.
        let chosen = ["0", "1", "all"][number % 3];
        for acks in ["0", "1", "all"] {
            let mut body = || produce_and_read(scene, acks, compression);
            let step = format!("java: acks={acks}, {compression}");
            if acks == chosen { steps.run(&step, &mut body) } else { steps.run_in_all(&step, &mut body) }
        }
    }
    steps.run("java: an idempotent producer", || idempotent(scene));
    steps.run("java: transactions, with aborted ones and a group's offsets", || transactions(scene));
    steps.run("java: a classic group of two", || group(scene, "classic"));
    if scene.release.consumer_protocol() {
        steps.run("java: a group of two with the consumer protocol", || group(scene, "consumer"));
    }
    if scene.release.share_groups() {
        steps.run("java: a share group of two", || share_group(scene));
    }
    steps.run("java: the admin client", || admin(scene));
    if scene.release.reassignment() {
        steps.run("java: a partition is reassigned", || reassignment(scene));
    }
}

fn produce_and_read(scene: &mut Scene, acks: &str, compression: &str) {
    let topic = format!("java-{acks}-{compression}");
    let records = make(1, 120, 3, Shape::Everything);
    let file = scene.file(&topic, &records);
    scene.create(&topic, 3);
    let mut arguments = vec![("topic", topic.as_str()), ("file", &file), ("acks", acks), ("compression.type", compression), ("flush", "50")];
    if scene.release.consumer_protocol() || scene.release.version.starts_with('3') {
        // Since 3.0 a producer is idempotent unless told otherwise, and then takes no other acks than all.
        arguments.push(("enable.idempotence", "false"));
    }
    assert_eq!(scene.java.run("produce", &arguments).len(), records.len());
    // With acks=0 nobody said when they were stored, with acks=1 when every replica had them, so that they may be read.
    await_records(scene, &topic, records.len());
    assert_same(&topic, &records, &scene.java.read_committed(&topic));
}

/// Waits until at least so many records can be read.
pub(super) fn await_records(scene: &mut Scene, topic: &str, expected: usize) {
    until(&format!("{expected} records in {topic}"), LIMIT, || match scene.java.read_committed(topic).len() {
        count if count >= expected => Ok(()),
        count => Err(format!("{count} records")),
    });
}

fn idempotent(scene: &mut Scene) {
    let records = make(2, 200, 3, Shape::Everything);
    let file = scene.file("java-idempotent", &records);
    scene.create("java-idempotent", 3);
    let arguments = [("topic", "java-idempotent"), ("file", &file), ("acks", "all"), ("enable.idempotence", "true"), ("flush", "7")];
    scene.java.run("produce", &arguments);
    assert_same("idempotent", &records, &scene.java.read_committed("java-idempotent"));
}

/// Those of transactions that were committed: every third transaction is aborted.
pub(super) fn committed(records: &[TestRecord], chunk: usize) -> Vec<TestRecord> {
    records.chunks(chunk).enumerate().filter(|(number, _)| number % 3 != 2).flat_map(|(_, chunk)| chunk.to_vec()).collect()
}

fn transactions(scene: &mut Scene) {
    const CHUNK: usize = 10;
    let topic = "java-transactions";
    let records = make(3, 95, 3, Shape::Everything);
    let file = scene.file(topic, &records);
    scene.create(topic, 3);
    let arguments = [("topic", topic), ("file", &file), ("chunk", "10"), ("transactional.id", "java-1"), ("group", "java-transactions-group")];
    scene.java.run("transactions", &arguments);
    let expected = committed(&records, CHUNK);
    // A commit is answered before the partitions' own markers are written.
    await_records(scene, topic, expected.len());
    assert_same("read_committed", &expected, &scene.java.read_committed(topic));
    assert_same("read_uncommitted", &records, &scene.java.records("read", &[("topic", topic), ("isolation.level", "read_uncommitted")]));
    // Ten transactions, 0 to 9; the last of them was committed and left the offset 1000 + 9.
    assert_eq!(scene.java.run("offsets", &[("group", "java-transactions-group")]), [format!("{topic}\t0\t1009")]);
}

fn group(scene: &mut Scene, protocol: &str) {
    let (topic, group) = (format!("java-group-{protocol}"), format!("java-{protocol}"));
    let records = make(4, 150, 4, Shape::Everything);
    let file = scene.file(&topic, &records);
    scene.create(&topic, 4);
    scene.java.run("produce", &[("topic", &topic), ("file", &file), ("acks", "all")]);
    let mut arguments = vec![("topic", topic.as_str()), ("group.id", &group), ("members", "2"), ("count", "150")];
    if scene.release.consumer_protocol() {
        arguments.push(("group.protocol", protocol));
    }
    let received = scene.java.records("consume", &arguments);
    let (mut sent, mut got) = (records.clone(), received);
    sent.sort();
    got.sort();
    got.dedup(); // A rebalance may deliver twice what was read and not yet committed.
    assert_same(&group, &sent, &got);
    let mut offsets = scene.java.run("offsets", &[("group", &group)]);
    offsets.sort();
    let expected: Vec<String> =
        (0..4).map(|partition| format!("{topic}\t{partition}\t{}", records.iter().filter(|record| record.partition == partition).count())).collect();
    assert_eq!(offsets, expected);
    assert!(scene.java.run("groups", &[]).contains(&group), "the group is listed");
    let coordinator: u16 = scene.java.run("group", &[("group", &group)])[0].parse().unwrap();
    let virtual_brokers: Vec<String> = scene.cluster.node_ids().into_iter().map(|id| scene.front.address(&scene.cluster, id)).collect();
    assert!(virtual_brokers.contains(&format!("127.0.0.1:{coordinator}")), "the coordinator is at {coordinator}, not among {virtual_brokers:?}");
    // The members have left, or are about to be known to have.
    until("the group deleted", LIMIT, || scene.java.attempt("delete-group", &[("group", &group)]));
    assert!(!scene.java.run("groups", &[]).contains(&group), "the deleted group is not listed");
}

fn share_group(scene: &mut Scene) {
    let (topic, group) = ("java-share", "java-share-group");
    let records = make(5, 100, 2, Shape::Everything);
    let file = scene.file(topic, &records);
    scene.create(topic, 2);
    scene.java.run("group-config", &[("group", group), ("key", "share.auto.offset.reset"), ("value", "earliest")]);
    scene.java.run("produce", &[("topic", topic), ("file", &file), ("acks", "all")]);
    let mut received = scene.java.records("share", &[("topic", topic), ("group.id", group), ("members", "2"), ("count", "100")]);
    let mut sent = records;
    // What was released comes again later: the order within a partition is not kept, by design of share groups.
    sent.sort();
    received.sort();
    assert_same(group, &sent, &received);
}

fn admin(scene: &mut Scene) {
    let java = &mut scene.java;
    let topic = "java-admin";
    let nodes: Vec<String> = scene.cluster.node_ids().into_iter().map(|id| format!("{id}\t{}", scene.front.address(&scene.cluster, id))).collect();
    let mut found = java.run("cluster", &[]);
    found.sort_by_key(|line| line.split('\t').next().unwrap().parse::<i32>().unwrap());
    assert_eq!(found, nodes, "describeCluster");
    java.run("create", &[("topic", topic), ("partitions", "2"), ("factor", "3"), ("config", "retention.bytes=1073741824")]);
    scene.cluster.await_topic(topic);
    let again = java.attempt("create", &[("topic", topic), ("partitions", "2"), ("factor", "3")]).unwrap_err();
    assert!(again.contains("TopicExistsException"), "{again}");
    assert_eq!(java.run("config", &[("topic", topic), ("key", "retention.bytes")]), ["1073741824"]);
    java.run("alter", &[("topic", topic), ("key", "max.message.bytes"), ("value", "123456")]);
    until("the changed setting seen", LIMIT, || match java.run("config", &[("topic", topic), ("key", "max.message.bytes")])[0].as_str() {
        "123456" => Ok(()),
        other => Err(format!("still {other}")),
    });
    java.run("partitions", &[("topic", topic), ("count", "5")]);
    until("five partitions", LIMIT, || match java.attempt("describe", &[("topic", topic)])?.len() {
        5 => Ok(()),
        count => Err(format!("{count} partitions")),
    });
    let records = make(6, 50, 5, Shape::Everything);
    crate::records::write(&scene.cluster.scrap().join("admin.records"), &records);
    let file = scene.cluster.scrap().join("admin.records");
    java.run("produce", &[("topic", topic), ("file", file.to_str().unwrap()), ("acks", "all")]);
    java.run("trim", &[("topic", topic), ("partition", "2"), ("offset", "4")]);
    let left = java.read_committed(topic);
    assert_eq!(left.iter().filter(|record| record.partition == 2).count(), 6, "records of the partition whose first four were deleted");
    java.run("delete", &[("topic", topic)]);
    until("the topic gone", LIMIT, || match java.run("topics", &[]).iter().any(|name| name == topic) {
        false => Ok(()),
        true => Err("still listed".to_owned()),
    });
}

fn reassignment(scene: &mut Scene) {
    let ids: Vec<String> = scene.cluster.node_ids().iter().map(ToString::to_string).collect();
    let (from, to) = (ids[..2].join(","), ids[1..].join(","));
    let java = &mut scene.java;
    java.run("create", &[("topic", "java-reassign"), ("replicas", &from)]);
    scene.cluster.await_topic("java-reassign");
    java.run("reassign", &[("topic", "java-reassign"), ("partition", "0"), ("replicas", &to)]);
    until("the partition moved", LIMIT, || {
        let row = java.attempt("describe", &[("topic", "java-reassign")])?.concat();
        if row.ends_with(&format!("\t{to}")) && java.run("reassigning", &[]) == ["0"] { Ok(()) } else { Err(row) }
    });
}
