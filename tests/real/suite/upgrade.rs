//! The upgrade that this product exists for: 2.1.0 to 2.6.3, broker by broker, the pins removed at the end; all clients behind Leeward.

use super::by_java::await_records;
use super::{Scene, prepare};
use crate::clients::console::Console;
use crate::clients::librdkafka;
use crate::cluster::Cluster;
use crate::records::{Shape, TestRecord, assert_same, make};
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, Tool};
use crate::selection::{Selection, admit};
use crate::steps::Steps;

const TOPIC: &str = "peter-version2-1";
/// Where a producer and a consumer that stay connected throughout work.
const LASTING: &str = "lasting";

#[test]
fn upgrade_2_1_to_2_6() {
    let Some(_admission) = admit("upgrade", Selection::Ci) else { return };
    prepare(&[&KAFKA_2_1_0, &KAFKA_2_6_3], &[&KAFKA_2_1_0], false);
    let mut steps = Steps::new("upgrade");
    let mut scene = steps.must("three brokers of 2.1.0", || Scene::over(Cluster::start("upgrade", &KAFKA_2_1_0), &KAFKA_2_1_0, &[]));
    let mut old_tools = Console::new(&KAFKA_2_1_0, &scene.cluster.log_path("tools-old"));
    let mut new_tools = Console::new(&KAFKA_2_6_3, &scene.cluster.log_path("tools-new"));
    let bootstrap = scene.front.bootstrap().to_owned();
    let mut lasting = Lasting::default();

    steps.must("messages 1 to 3 are written, and read by the group", || {
        scene.create(TOPIC, 1);
        scene.create(LASTING, 3);
        old_tools.produce(&bootstrap, TOPIC, "1\n2\n3\n");
        assert_eq!(consume(&mut old_tools, &bootstrap, 3), ["1", "2", "3"]);
        assert_eq!(offset(&mut scene), 3);
        scene.cluster.await_in_sync();
        lasting.round(&mut scene);
    });
    for id in scene.cluster.node_ids() {
        steps.must(&format!("broker {id} goes from 2.1.0 to 2.6.3, pinned"), || {
            scene.cluster.stop(id);
            scene.cluster.restart_on(id, &KAFKA_2_6_3, Cluster::pins("2.1.0"));
            scene.cluster.await_in_sync();
            lasting.round(&mut scene);
            assert_eq!(offset(&mut scene), 3);
        });
    }
    steps.must("messages 4 and 5 are written, and the group reads exactly those", || {
        new_tools.produce(&bootstrap, TOPIC, "4\n5\n");
        assert_eq!(consume(&mut new_tools, &bootstrap, 2), ["4", "5"]);
        assert_eq!(offset(&mut scene), 5);
    });
    for id in scene.cluster.node_ids() {
        steps.must(&format!("broker {id} restarts without the pins"), || {
            scene.cluster.stop(id);
            scene.cluster.restart_on(id, &KAFKA_2_6_3, std::collections::BTreeMap::new());
            scene.cluster.await_in_sync();
            lasting.round(&mut scene);
            assert_eq!(offset(&mut scene), 5);
        });
    }
    steps.run("every message is there once, and the group's offset too", || {
        let values: Vec<Vec<u8>> = scene.java.read_committed(TOPIC).into_iter().filter_map(|record| record.value).collect();
        assert_eq!(values, [b"1", b"2", b"3", b"4", b"5"]);
        assert_eq!(offset(&mut scene), 5);
        assert_eq!(lasting.sent.len(), 7 * 30);
        assert_same("the lasting clients", &lasting.sent, &scene.java.records("read", &[("topic", LASTING), ("client", "lasting")]));
        assert_same("librdkafka", &lasting.sent, &librdkafka::read(&bootstrap, LASTING, 3, lasting.sent.len(), &[]));
    });
    if scene.front.is_leeward() {
        steps.run("every broker is advertised at its virtual broker", || scene.front.assert_brokers_advertised(&scene.cluster));
    }
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}

/// A producer that resends until it is told that its record is stored, once, and a consumer: one connection each through the whole upgrade.
#[derive(Default)]
struct Lasting {
    sent: Vec<TestRecord>,
}

impl Lasting {
    fn round(&mut self, scene: &mut Scene) {
        let records = make(60 + self.sent.len() as u64, 30, 3, Shape::Everything);
        let file = scene.file("lasting", &records);
        scene.java.run("produce", &[("topic", LASTING), ("file", &file), ("client", "lasting"), ("acks", "all"), ("enable.idempotence", "true")]);
        self.sent.extend(records);
        // A new leader may for a moment not know how far all replicas are, and shows less.
        await_records(scene, LASTING, self.sent.len());
        assert_same("the lasting consumer", &self.sent, &scene.java.records("read", &[("topic", LASTING), ("client", "lasting")]));
    }
}

/// The offset that the group has committed; panics if it has none.
fn offset(scene: &mut Scene) -> i64 {
    let rows = scene.java.run("offsets", &[("group", "peter-consumer")]);
    let offset = rows.iter().find_map(|row| row.strip_prefix(TOPIC)?.strip_prefix("\t0\t"));
    offset.unwrap_or_else(|| panic!("the group has no offset: {rows:?}")).parse().unwrap()
}

/// What the group reads next: `count` messages, and no more within what the tool waits for.
fn consume(console: &mut Console, bootstrap: &str, count: usize) -> Vec<String> {
    let count = count.to_string();
    let arguments = ["--bootstrap-server", bootstrap, "--topic", TOPIC, "--group", "peter-consumer", "--max-messages", &count, "--timeout-ms", "30000"];
    let output = console.run(Tool::ConsoleConsumer, &[arguments.as_slice(), &["--from-beginning"]].concat(), "");
    output.lines().map(str::to_owned).collect()
}
