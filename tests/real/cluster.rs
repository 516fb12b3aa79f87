//! A cluster of real brokers on 127.0.0.1: started, stopped, killed, paused, upgraded and extended node by node.

mod node;
mod properties;
pub(crate) mod sasl;
mod scrap;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kafka_protocol::messages::MetadataResponse;

use self::node::{Node, format_storage};
use self::properties::Properties;
use self::scrap::{LogDirectory, ScrapDirectory};
use crate::cache;
use crate::ports::free_port;
use crate::process::{Signal, Spec, Supervised, tail};
use crate::release::{Quorum, Release};
use crate::steps::{say, until};
use crate::watch::Rules;
use crate::wire::Wire;

/// The KRaft controller's node id: none of a broker's.
pub(crate) const CONTROLLER: i32 = 3000;
/// A broker of these releases starts within 3 to 15 s on two idle cores; several clusters may start at once.
const START_LIMIT: Duration = Duration::from_secs(180);
/// A controlled shutdown takes 2 to 6 s.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// By topic and partition: the replicas in their order, and the leader.
pub(crate) type Assignment = BTreeMap<(String, i32), (Vec<i32>, i32)>;

/// A running cluster. Everything of it is stopped and removed when it is dropped; logs stay when the test has failed.
pub(crate) struct Cluster {
    name: String,
    // Declared, and so dropped, in this order: brokers, then what they depend on, then their data.
    nodes: BTreeMap<i32, Node>,
    quorum: QuorumServer,
    /// Whether clients must log in; then brokers, and the harness, have a listener of their own.
    sasl: bool,
    rules: Arc<Mutex<Rules>>,
    data: ScrapDirectory,
    logs: LogDirectory,
}

/// The ZooKeeper or the KRaft controller of a cluster.
struct QuorumServer {
    kind: Quorum,
    spec: Spec,
    process: Supervised,
    port: u16,
    /// KRaft alone.
    cluster_id: String,
}

impl Cluster {
    /// Three brokers of one release, with node ids that are not 0, 1, 2 in a row: nothing may count on that.
    pub(crate) fn start(name: &str, release: &'static Release) -> Self {
        Self::start_mixed(name, &[(1, release), (5, release), (42, release)])
    }

    /// As `start`, but clients must log in, with the mechanisms and accounts of [`sasl`].
    pub(crate) fn start_sasl(name: &str, release: &'static Release) -> Self {
        Self::start_as(name, &[(1, release), (5, release), (42, release)], true, &BTreeMap::new())
    }

    /// As `start`, with these properties for every broker besides.
    pub(crate) fn start_with(name: &str, release: &'static Release, properties: &[(&str, &str)]) -> Self {
        Self::start_changed(name, release, false, properties)
    }

    /// Brokers of several releases. The first one's release gives the quorum's; those of another release than the oldest speak the oldest's versions between brokers.
    pub(crate) fn start_mixed(name: &str, brokers: &[(i32, &'static Release)]) -> Self {
        Self::start_as(name, brokers, false, &BTreeMap::new())
    }

    /// As `start`, or with `sasl` as `start_sasl`, with changes to the properties of every broker and of KRaft's controller.
    pub(crate) fn start_changed(name: &str, release: &'static Release, sasl: bool, changes: &[(&str, &str)]) -> Self {
        let changes = changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self::start_as(name, &[(1, release), (5, release), (42, release)], sasl, &changes)
    }

    fn start_as(name: &str, brokers: &[(i32, &'static Release)], sasl: bool, everywhere: &BTreeMap<String, String>) -> Self {
        let begun = Instant::now();
        let data = ScrapDirectory::new(name);
        let logs = LogDirectory::new(name);
        let quorum = QuorumServer::start(brokers[0].1, &data, &logs, &if sasl { sasl::scram_accounts() } else { Vec::new() }, everywhere);
        let rules = Arc::new(Mutex::new(Rules::default()));
        rules.lock().unwrap().pids.insert(quorum.process.pid());
        let mut cluster = Self { name: name.to_owned(), nodes: BTreeMap::new(), quorum, sasl, rules, data, logs };
        let oldest = brokers.iter().map(|(_, release)| release.version).min().unwrap();
        std::thread::scope(|scope| {
            for &(id, release) in brokers {
                let mut changes = if release.version == oldest { BTreeMap::new() } else { Self::pins(oldest) };
                changes.extend(everywhere.clone());
                let node = cluster.new_node(id, release, changes);
                let (kind, cluster_id) = (cluster.quorum.kind, cluster.quorum.cluster_id.clone());
                cluster.nodes.insert(id, node);
                let node = &cluster.nodes[&id];
                let (directory, release, logs) = (node.directory.clone(), node.release, cluster.logs.path.clone());
                if kind == Quorum::KRaft {
                    scope.spawn(move || format_storage(release, &directory, &cluster_id, &logs, &[]));
                }
            }
        });
        let ids: Vec<i32> = cluster.nodes.keys().copied().collect();
        for &id in &ids {
            cluster.launch(id);
        }
        for &id in &ids {
            cluster.await_ready(id);
        }
        cluster.await_all_known();
        say(name, &format!("cluster of {} brokers is up ({:.1} s)", ids.len(), begun.elapsed().as_secs_f32()));
        cluster
    }

    /// The two settings with which a newer broker speaks and stores as `version` does, until the whole cluster is new.
    pub(crate) fn pins(version: &str) -> BTreeMap<String, String> {
        let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
        ["inter.broker.protocol.version", "log.message.format.version"].into_iter().map(|key| (key.to_owned(), minor.to_owned())).collect()
    }

    pub(crate) fn node_ids(&self) -> Vec<i32> {
        self.nodes.keys().copied().collect()
    }

    /// `HOST:PORT` of one broker.
    pub(crate) fn address(&self, id: i32) -> String {
        self.nodes[&id].address()
    }

    /// Where brokers and the harness reach one broker, without a login.
    pub(crate) fn inner_address(&self, id: i32) -> String {
        self.nodes[&id].inner_address()
    }

    /// Every broker's address, with commas.
    pub(crate) fn bootstrap(&self) -> String {
        self.nodes.values().map(Node::address).collect::<Vec<_>>().join(",")
    }

    /// What a watcher of this cluster goes by.
    pub(crate) fn rules(&self) -> Arc<Mutex<Rules>> {
        Arc::clone(&self.rules)
    }

    /// Where clients and Leeward may leave their logs: kept when the test fails.
    pub(crate) fn log_path(&self, name: &str) -> PathBuf {
        self.logs.path.join(name)
    }

    /// A place for files that go with the cluster.
    pub(crate) fn scrap(&self) -> PathBuf {
        self.data.path.clone()
    }

    /// SIGTERM, and waits for its end: a controlled shutdown. Gives how long it took.
    pub(crate) fn stop(&mut self, id: i32) -> Duration {
        let begun = Instant::now();
        let mut process = self.nodes.get_mut(&id).unwrap().process.take().unwrap_or_else(|| panic!("broker {id} does not run"));
        process.signal(Signal::Term);
        process.await_exit(STOP_LIMIT);
        begun.elapsed()
    }

    /// SIGKILL: a crash.
    pub(crate) fn kill(&mut self, id: i32) {
        let mut process = self.nodes.get_mut(&id).unwrap().process.take().unwrap_or_else(|| panic!("broker {id} does not run"));
        process.signal(Signal::Kill);
        process.await_exit(STOP_LIMIT);
    }

    /// SIGSTOP: it keeps its sockets and answers nothing.
    pub(crate) fn pause(&self, id: i32) {
        self.nodes[&id].process.as_ref().unwrap().signal(Signal::Stop);
    }

    pub(crate) fn resume(&self, id: i32) {
        self.nodes[&id].process.as_ref().unwrap().signal(Signal::Cont);
    }

    /// Starts a broker that was stopped or killed, and waits until it answers.
    pub(crate) fn restart(&mut self, id: i32) {
        self.launch(id);
        self.await_up(id);
    }

    /// Waits until a broker that was launched answers, and every other one knows it.
    pub(crate) fn await_up(&mut self, id: i32) {
        self.await_ready(id);
        self.await_all_known();
    }

    /// SIGKILL for the controller, and then it starts again. The brokers notice by themselves.
    pub(crate) fn restart_controller(&mut self) {
        self.quorum.process.signal(Signal::Kill);
        self.quorum.process.await_exit(STOP_LIMIT);
        self.quorum.launch(&self.logs);
        self.rules.lock().unwrap().pids.insert(self.quorum.process.pid());
    }

    /// SIGTERM for KRaft's controller, and then it starts on another release, on the same data. The brokers notice by themselves.
    pub(crate) fn restart_controller_on(&mut self, release: &'static Release) {
        assert_eq!(self.quorum.kind, Quorum::KRaft);
        self.quorum.process.signal(Signal::Term);
        self.quorum.process.await_exit(STOP_LIMIT);
        let directory = self.data.path.join("quorum");
        self.quorum.spec = node::java(release, &directory, "-Xmx256m").arg("kafka.Kafka").arg(directory.join("server.properties"));
        self.quorum.launch(&self.logs);
        self.rules.lock().unwrap().pids.insert(self.quorum.process.pid());
    }

    /// Starts a stopped broker on another release and with other changes to its properties, on the same data.
    pub(crate) fn restart_on(&mut self, id: i32, release: &'static Release, changes: BTreeMap<String, String>) {
        self.set_release(id, release, changes);
        self.restart(id);
    }

    /// With what a broker starts the next time.
    pub(crate) fn set_release(&mut self, id: i32, release: &'static Release, changes: BTreeMap<String, String>) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.release = release;
        node.changes = changes;
    }

    pub(crate) fn is_running(&self, id: i32) -> bool {
        self.nodes[&id].process.is_some()
    }

    /// Why not every replica is in sync, as one running broker or the other sees it now.
    pub(crate) fn now_in_sync(&self) -> Result<(), String> {
        self.running().into_iter().try_for_each(|id| in_sync(&self.metadata_of(id)?).map_err(|reason| format!("broker {id} sees {reason}")))
    }

    /// A broker that was not there before joins.
    pub(crate) fn add_broker(&mut self, id: i32, release: &'static Release) {
        let node = self.new_node(id, release, BTreeMap::new());
        if self.quorum.kind == Quorum::KRaft {
            format_storage(release, &node.directory, &self.quorum.cluster_id, &self.logs.path, &[]);
        }
        assert!(self.nodes.insert(id, node).is_none(), "broker {id} was there before");
        self.restart(id);
    }

    /// Waits until every replica of every partition is in sync, as every running broker sees it.
    pub(crate) fn await_in_sync(&self) {
        for id in self.running() {
            until(&format!("{}: all replicas in sync as broker {id} sees it", self.name), START_LIMIT, || in_sync(&self.metadata_of(id)?));
        }
    }

    /// Waits until every running broker knows a topic, and a leader for each of its partitions.
    pub(crate) fn await_topic(&self, topic: &str) {
        for id in self.running() {
            until(&format!("{topic} known to broker {id}"), START_LIMIT, || {
                let metadata = Wire::connect_past(&self.inner_address(id))?.metadata(Some(&[topic]))?;
                let topic = metadata.topics.first().filter(|topic| topic.error_code == 0 && !topic.partitions.is_empty()).ok_or("unknown")?;
                let led = topic.partitions.iter().all(|partition| partition.leader_id.0 >= 0);
                if led { Ok(()) } else { Err("a partition without a leader".to_owned()) }
            });
        }
    }

    /// Waits until every running broker lists exactly those that run.
    fn await_all_known(&self) {
        let running = self.running();
        for &id in &running {
            until(&format!("{}: brokers {running:?} known to broker {id}", self.name), START_LIMIT, || {
                let mut known: Vec<i32> = self.metadata_of(id)?.brokers.iter().map(|broker| broker.node_id.0).collect();
                known.sort_unstable();
                if known == running { Ok(()) } else { Err(format!("it knows {known:?}")) }
            });
        }
    }

    /// The leader of a partition, as the broker with the lowest id sees it.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> i32 {
        let first = self.running()[0];
        until(&format!("a leader of {topic}-{partition}"), START_LIMIT, || {
            let metadata = Wire::connect_past(&self.inner_address(first))?.metadata(Some(&[topic]))?;
            let mut partitions = metadata.topics.iter().flat_map(|topic| &topic.partitions);
            partitions
                .find(|found| found.partition_index == partition && found.leader_id.0 >= 0)
                .map(|found| found.leader_id.0)
                .ok_or_else(|| "none".to_owned())
        })
    }

    fn metadata_of(&self, id: i32) -> Result<MetadataResponse, String> {
        Wire::connect_past(&self.inner_address(id))?.metadata(None)
    }

    /// Runs a main class of the oldest broker's release to its end, beside the brokers; panics unless its exit code is 0.
    pub(crate) fn run_class(&self, class: &str, arguments: &[&str]) {
        let release = self.nodes.values().map(|node| node.release).min_by_key(|release| release.version).unwrap();
        let (spec, log) = (node::java(release, &self.data.path, "-Xmx128m").arg(class).args(arguments), self.logs.path.join("tool.log"));
        let code = Supervised::start(class, &spec, &log).await_exit(START_LIMIT);
        assert!(code == 0, "{class} {arguments:?} ended with exit code {code}:\n{}", tail(&log, 20));
    }

    /// Where the cluster's ZooKeeper listens, if it has one.
    pub(crate) fn zookeeper(&self) -> Option<String> {
        (self.quorum.kind == Quorum::ZooKeeper).then(|| format!("127.0.0.1:{}", self.quorum.port))
    }

    /// Every partition's replicas in their order, and its leader, as the broker with the lowest id knows them.
    pub(crate) fn assignment(&self) -> Result<Assignment, String> {
        let metadata = self.metadata_of(self.running()[0])?;
        let mut assignment = Assignment::new();
        for topic in &metadata.topics {
            for partition in &topic.partitions {
                let name = topic.name.as_ref().map_or_else(String::new, |name| name.0.to_string());
                let replicas = partition.replica_nodes.iter().map(|id| id.0).collect();
                assignment.insert((name, partition.partition_index), (replicas, partition.leader_id.0));
            }
        }
        Ok(assignment)
    }

    /// Asks one broker after the other, past Leeward, until one takes it: with ZooKeeper only the controller does.
    pub(crate) fn ask_controller<R: kafka_protocol::protocol::Request>(&self, request: &R, version: i16, code: impl Fn(&R::Response) -> i16) -> R::Response {
        const NOT_CONTROLLER: i16 = 41;
        until("the controller takes it", START_LIMIT, || {
            for id in self.running() {
                let answer = Wire::connect_past(&self.inner_address(id))?.ask(request, version)?;
                if code(&answer) != NOT_CONTROLLER {
                    return Ok(answer);
                }
            }
            Err("nobody is the controller".to_owned())
        })
    }

    fn running(&self) -> Vec<i32> {
        self.nodes.iter().filter(|(_, node)| node.process.is_some()).map(|(&id, _)| id).collect()
    }

    fn new_node(&self, id: i32, release: &'static Release, changes: BTreeMap<String, String>) -> Node {
        let port = free_port();
        self.rules.lock().unwrap().ports.insert(port);
        let directory = self.data.path.join(format!("broker-{id}"));
        std::fs::create_dir_all(&directory).unwrap();
        let inner_port = self.sasl.then(free_port);
        let node = Node { id, release, port, inner_port, changes, directory, process: None };
        node.write_properties(self.quorum.kind, self.quorum.port);
        node
    }

    /// Starts a broker that was stopped or killed, and waits for nothing.
    pub(crate) fn launch(&mut self, id: i32) {
        let log = self.logs.path.join(format!("broker-{id}.log"));
        let node = self.nodes.get_mut(&id).unwrap();
        node.write_properties(self.quorum.kind, self.quorum.port);
        node.launch(&log);
        self.rules.lock().unwrap().pids.insert(node.process.as_ref().unwrap().pid());
    }

    /// Waits until the broker answers ApiVersions on its port.
    fn await_ready(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        let (address, what) = (node.inner_address(), format!("{}: broker {id} ({}) answers", self.name, node.release.version));
        let process = node.process.as_mut().unwrap();
        until(&what, START_LIMIT, || {
            if let Some(code) = process.exited() {
                panic!("{what}: it ended with exit code {code}; its log ends:\n{}", tail(process.log(), 25));
            }
            Wire::connect_past(&address)?.api_versions().map(|_| ())
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in self.nodes.values() {
                let log = self.logs.path.join(format!("broker-{}.log", node.id));
                say(&self.name, &format!("broker {}'s log ends (all of it: {}):\n{}", node.id, log.display(), tail(&log, 8)));
            }
        }
    }
}

fn in_sync(metadata: &MetadataResponse) -> Result<(), String> {
    for topic in &metadata.topics {
        for partition in &topic.partitions {
            if partition.leader_id.0 < 0 || partition.isr_nodes.len() != partition.replica_nodes.len() {
                let name = topic.name.as_ref().map_or("?", |name| name.0.as_str());
                return Err(format!(
                    "{name}-{}: leader {}, in sync {:?} of {:?}",
                    partition.partition_index, partition.leader_id.0, partition.isr_nodes, partition.replica_nodes
                ));
            }
        }
    }
    Ok(())
}

impl QuorumServer {
    fn start(release: &'static Release, data: &ScrapDirectory, logs: &LogDirectory, accounts: &[String], changes: &BTreeMap<String, String>) -> Self {
        let port = free_port();
        let directory = data.path.join("quorum");
        std::fs::create_dir_all(&directory).unwrap();
        let cluster_id = new_cluster_id();
        let file = directory.join("server.properties");
        let mut spec = node::java(release, &directory, "-Xmx256m");
        let mut properties = match release.quorum {
            Quorum::ZooKeeper => Properties::zookeeper(port, &directory),
            Quorum::KRaft => Properties::controller(CONTROLLER, port, &directory),
        };
        if release.quorum == Quorum::KRaft {
            properties.extend(changes);
        }
        properties.write(&file);
        match release.quorum {
            Quorum::ZooKeeper => spec = spec.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(&file),
            Quorum::KRaft => {
                format_storage(release, &directory, &cluster_id, &logs.path, accounts);
                spec = spec.arg("kafka.Kafka").arg(&file);
            }
        }
        let process = Self::start_process(&spec, logs);
        Self { kind: release.quorum, spec, process, port, cluster_id }
    }

    /// Again, on the same data.
    fn launch(&mut self, logs: &LogDirectory) {
        self.process = Self::start_process(&self.spec, logs);
    }

    fn start_process(spec: &Spec, logs: &LogDirectory) -> Supervised {
        Supervised::start("the quorum's server", spec, &logs.path.join("quorum.log"))
    }
}

/// As Kafka writes it: 16 bytes in URL-safe base 64 without padding, 22 characters. The last one stands for two bits alone.
fn new_cluster_id() -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut id: String = (0..21).map(|_| char::from(ALPHABET[fastrand::usize(..ALPHABET.len())])).collect();
    id.push('A');
    id
}

/// The jars of every release that a test will need, before its clock runs.
pub(crate) fn fetch(releases: &[&'static Release]) {
    for release in releases {
        cache::class_path(release);
        cache::java(release);
    }
}
