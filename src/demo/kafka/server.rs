//! The servers of a cluster: their properties and their processes.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::LAST_WORDS;
use super::fetch::Java;
use super::release::{Quorum, Release};
use crate::demo::DemoError;
use crate::demo::child::Supervised;
use crate::demo::cluster::BROKERS;

/// None of a broker's.
const CONTROLLER_ID: i32 = 100;
/// Formatting takes two seconds on an idle core.
const FORMAT_LIMIT: Duration = Duration::from_secs(90);

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The KRaft controller or the ZooKeeper.
    Quorum,
    /// A broker, by node id.
    Broker(i32),
}

impl Role {
    pub(super) fn node_id(self) -> i32 {
        match self {
            Role::Quorum => CONTROLLER_ID,
            Role::Broker(id) => id,
        }
    }
}

/// Where everything of a cluster is.
pub(super) struct Plan {
    quorum: Quorum,
    java: Java,
    jars: PathBuf,
    logging: String,
    directory: PathBuf,
    /// The quorum's; the brokers' follow.
    first_port: u16,
    cluster_id: String,
}

impl Plan {
    /// Makes the servers' directories and writes their properties.
    pub(super) fn new(release: &Release, java: Java, jars: &Path, directory: &Path, first_port: u16) -> io::Result<Self> {
        let (property, text) = release.logger.configuration();
        let file = directory.join("logging.properties");
        std::fs::write(&file, text)?;
        let logging = format!("-D{property}=file:{}", file.display());
        let plan =
            Plan { quorum: release.quorum, java, jars: jars.to_owned(), logging, directory: directory.to_owned(), first_port, cluster_id: new_cluster_id() };
        for role in plan.brokers().chain([Role::Quorum]) {
            std::fs::create_dir_all(plan.home(role))?;
            std::fs::write(plan.properties_file(role), plan.properties(role))?;
        }
        Ok(plan)
    }

    pub(super) fn brokers(&self) -> impl Iterator<Item = Role> + use<> {
        (1..).take(BROKERS).map(Role::Broker)
    }

    pub(super) fn port(&self, role: Role) -> u16 {
        match role {
            Role::Quorum => self.first_port,
            // Node ids are 1 to 3.
            Role::Broker(id) => self.first_port.saturating_add(u16::try_from(id).unwrap_or(u16::MAX)),
        }
    }

    /// Prepares a data directory for KRaft.
    pub(super) async fn format(&self, role: Role) -> Result<(), DemoError> {
        let properties = self.properties_file(role);
        let arguments = ["kafka.tools.StorageTool".as_ref(), "format".as_ref(), "-t".as_ref(), self.cluster_id.as_ref(), "-c".as_ref(), properties.as_os_str()];
        let mut tool = self.java(&self.jars, "-Xmx128m", &arguments, role, "format.log").map_err(|error| DemoError::System { what: "java", error })?;
        match timeout(FORMAT_LIMIT, tool.exited()).await {
            Ok(0) => Ok(()),
            Ok(code) => Err(DemoError::Kafka(format!("a data directory could not be formatted (exit code {code}); it said:\n{}", tool.last_words(LAST_WORDS)))),
            Err(_) => {
                Err(DemoError::Kafka(format!("a data directory could not be formatted within {FORMAT_LIMIT:?}; it said:\n{}", tool.last_words(LAST_WORDS))))
            }
        }
    }

    /// Starts a broker on the jars of a later release, with its data. As long as some brokers are of `pinned`, the line before (such as `2.1`), all of them speak
    /// and write as it does; without pins the new release's own versions are in force, and there is no way back.
    pub(super) fn start_upgraded(&self, role: Role, jars: &Path, pinned: Option<&str>) -> io::Result<Supervised> {
        let pins = pinned.map_or_else(String::new, |line| format!("inter.broker.protocol.version={line}\nlog.message.format.version={line}\n"));
        std::fs::write(self.properties_file(role), self.properties(role) + &pins)?;
        self.start_on(role, jars)
    }

    pub(super) fn start(&self, role: Role) -> io::Result<Supervised> {
        self.start_on(role, &self.jars)
    }

    fn start_on(&self, role: Role, jars: &Path) -> io::Result<Supervised> {
        let class = match (role, self.quorum) {
            (Role::Quorum, Quorum::ZooKeeper) => "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            (Role::Quorum, Quorum::KRaft) | (Role::Broker(_), _) => "kafka.Kafka",
        };
        let heap = if role == Role::Quorum { "-Xmx256m" } else { "-Xmx400m" };
        self.java(jars, heap, &[class.as_ref(), self.properties_file(role).as_os_str()], role, "server.log")
    }

    fn java(&self, jars: &Path, heap: &str, arguments: &[&OsStr], role: Role, log: &str) -> io::Result<Supervised> {
        // The simple collector: these servers live for a minute and share the cores with everything else.
        let options = [heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dzookeeper.jmx.log4j.disable=true", &self.logging, "-cp"];
        let class_path = jars.join("*");
        let argv = std::iter::once(self.java.program.as_os_str()).chain(options.map(OsStr::new)).chain([class_path.as_os_str()]);
        Supervised::start(argv.chain(arguments.iter().copied()), &self.home(role).join(log))
    }

    fn home(&self, role: Role) -> PathBuf {
        self.directory.join(format!("node-{}", role.node_id()))
    }

    fn properties_file(&self, role: Role) -> PathBuf {
        self.home(role).join("server.properties")
    }

    fn properties(&self, role: Role) -> String {
        let (id, port, data) = (role.node_id(), self.port(role), self.home(role).join("data"));
        let (data, quorum_port) = (data.display(), self.port(Role::Quorum));
        let own = match (role, self.quorum) {
            (Role::Quorum, Quorum::ZooKeeper) => {
                return format!("dataDir={data}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n");
            }
            (Role::Quorum, Quorum::KRaft) => format!("process.roles=controller\nlisteners=CONTROLLER://127.0.0.1:{port}\n"),
            (Role::Broker(_), Quorum::ZooKeeper) => format!("broker.id={id}\nzookeeper.connect=127.0.0.1:{quorum_port}\n"),
            (Role::Broker(_), Quorum::KRaft) => "process.roles=broker\n".to_owned(),
        };
        let listeners = if role == Role::Quorum { String::new() } else { format!("listeners=PLAINTEXT://127.0.0.1:{port}\n") };
        let kraft = match self.quorum {
            Quorum::ZooKeeper => String::new(),
            Quorum::KRaft => format!(
                "node.id={id}\ncontroller.quorum.voters={CONTROLLER_ID}@127.0.0.1:{quorum_port}\ncontroller.listener.names=CONTROLLER\n\
                 listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
            ),
        };
        format!("{own}{listeners}{kraft}log.dirs={data}\n{COMMON}")
    }
}

/// What a small cluster that survives the loss of a broker has.
const COMMON: &str = "\
num.network.threads=2
num.io.threads=3
log.cleaner.dedupe.buffer.size=4194304
log.retention.check.interval.ms=10000
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=6
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
group.initial.rebalance.delay.ms=0
";

/// As Kafka writes it: 16 bytes in URL-safe base 64 without padding, so 22 characters, the last of which stands for two bits alone.
fn new_cluster_id() -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(21).chain(['A']).collect()
}
