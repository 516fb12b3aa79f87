//! The properties of servers.

use std::collections::BTreeMap;
use std::path::Path;

pub(super) struct Properties(BTreeMap<String, String>);

impl Properties {
    pub(super) fn zookeeper(port: u16, directory: &Path) -> Self {
        let mut properties = Self(BTreeMap::new());
        properties.set("dataDir", directory.join("data").display());
        properties.set("clientPort", port);
        properties.set("clientPortAddress", "127.0.0.1");
        properties.set("maxClientCnxns", 0);
        properties.set("admin.enableServer", false);
        properties
    }

    pub(super) fn controller(id: i32, port: u16, directory: &Path) -> Self {
        let mut properties = Self(BTreeMap::new());
        properties.set("process.roles", "controller");
        properties.set("listeners", format!("CONTROLLER://127.0.0.1:{port}"));
        properties.kraft(id, directory, (id, port));
        properties.replicated();
        properties
    }

    pub(super) fn kraft_broker(id: i32, port: u16, directory: &Path, controller: (i32, u16), share_groups: bool) -> Self {
        let mut properties = Self(BTreeMap::new());
        properties.set("process.roles", "broker");
        properties.kraft(id, directory, controller);
        properties.broker(port);
        if share_groups {
            // A member learns of its part with a heartbeat: five seconds apart by default, which would be most of a test's time.
            for kind in ["consumer", "share"] {
                properties.set(&format!("group.{kind}.heartbeat.interval.ms"), 1000);
                properties.set(&format!("group.{kind}.min.heartbeat.interval.ms"), 1000);
            }
            properties.set("share.coordinator.state.topic.replication.factor", 3);
            properties.set("share.coordinator.state.topic.min.isr", 2);
            properties.set("share.coordinator.state.topic.num.partitions", 3);
        }
        properties
    }

    pub(super) fn zookeeper_broker(id: i32, port: u16, directory: &Path, zookeeper: u16) -> Self {
        let mut properties = Self(BTreeMap::new());
        properties.set("broker.id", id);
        properties.set("zookeeper.connect", format!("127.0.0.1:{zookeeper}"));
        properties.set("zookeeper.connection.timeout.ms", 60_000);
        // What 2.5 and later have by default. The 6 s of 2.1 are too short for a start on a busy machine.
        properties.set("zookeeper.session.timeout.ms", 18_000);
        properties.set("log.dirs", directory.join("data").display());
        properties.broker(port);
        properties
    }

    pub(super) fn extend(&mut self, changes: &BTreeMap<String, String>) {
        self.0.extend(changes.clone());
    }

    pub(super) fn write(&self, file: &Path) {
        let text: String = self.0.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        std::fs::write(file, text).unwrap();
    }

    fn kraft(&mut self, id: i32, directory: &Path, controller: (i32, u16)) {
        self.set("node.id", id);
        self.set("controller.quorum.voters", format!("{}@127.0.0.1:{}", controller.0, controller.1));
        self.set("controller.listener.names", "CONTROLLER");
        self.set("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT");
        self.set("log.dirs", directory.join("data").display());
    }

    fn broker(&mut self, port: u16) {
        self.set("listeners", format!("PLAINTEXT://127.0.0.1:{port}"));
        self.set("group.initial.rebalance.delay.ms", 0);
        self.set("num.network.threads", 2);
        self.set("num.io.threads", 3);
        // The cleaner's buffer is 128 MiB by default, out of a heap of 320.
        self.set("log.cleaner.dedupe.buffer.size", 4 << 20);
        self.replicated();
    }

    /// What a cluster that survives the loss of a broker has. The controller makes topics in KRaft, so it needs them too.
    fn replicated(&mut self) {
        self.set("auto.create.topics.enable", false);
        self.set("default.replication.factor", 3);
        self.set("min.insync.replicas", 2);
        // The records of these tests have fixed times, long ago: by default brokers would delete them.
        self.set("log.retention.ms", -1);
        self.set("offsets.topic.replication.factor", 3);
        self.set("offsets.topic.num.partitions", 6);
        self.set("transaction.state.log.replication.factor", 3);
        self.set("transaction.state.log.min.isr", 2);
        self.set("transaction.state.log.num.partitions", 3);
    }

    fn set(&mut self, key: &str, value: impl ToString) {
        self.0.insert(key.to_owned(), value.to_string());
    }
}
