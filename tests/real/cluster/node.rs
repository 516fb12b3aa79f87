//! One broker: its directory, its properties, its process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::properties::Properties;
use super::sasl;
use crate::cache;
use crate::process::{Spec, Supervised, tail};
use crate::release::{Quorum, Release};

pub(super) struct Node {
    pub(super) id: i32,
    pub(super) release: &'static Release,
    pub(super) port: u16,
    /// Where brokers and the harness reach it, when clients must log in at `port`.
    pub(super) inner_port: Option<u16>,
    /// Properties beside those that every broker of these tests has.
    pub(super) changes: BTreeMap<String, String>,
    pub(super) directory: PathBuf,
    /// `None` while it is down.
    pub(super) process: Option<Supervised>,
}

impl Node {
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn inner_address(&self) -> String {
        format!("127.0.0.1:{}", self.inner_port.unwrap_or(self.port))
    }

    pub(super) fn write_properties(&self, quorum: Quorum, quorum_port: u16) {
        let mut properties = match quorum {
            Quorum::ZooKeeper => Properties::zookeeper_broker(self.id, self.port, &self.directory, quorum_port),
            Quorum::KRaft => Properties::kraft_broker(self.id, self.port, &self.directory, (super::CONTROLLER, quorum_port), self.release.share_groups()),
        };
        if let Some(inner_port) = self.inner_port {
            properties.extend(&sasl::properties(self.port, inner_port));
        }
        properties.extend(&self.changes);
        properties.write(&self.directory.join("server.properties"));
    }

    pub(super) fn launch(&mut self, log: &Path) {
        assert!(self.process.is_none(), "broker {} runs already", self.id);
        let spec = java(self.release, &self.directory, "-Xmx320m").arg("kafka.Kafka").arg(self.directory.join("server.properties"));
        self.process = Some(Supervised::start(&format!("broker {}", self.id), &spec, log));
    }
}

/// `java` with `release`'s jars and a logger that writes to standard error; the main class and its arguments are to be added.
pub(super) fn java(release: &Release, directory: &Path, heap: &str) -> Spec {
    let (file, property, text) = release.logger.configuration("INFO");
    let configuration = directory.join(file);
    std::fs::write(&configuration, text).unwrap();
    // The simple collector and the quick compiler alone: these machines start often, live for minutes and share two cores.
    Spec::new(cache::java(release))
        .args([heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dzookeeper.jmx.log4j.disable=true"])
        .arg(format!("{property}{}", configuration.display()))
        .args(["-cp", &cache::class_path(release)])
}

/// Prepares a data directory for KRaft: its `server.properties` must be there. A controller's may hold `accounts` of SCRAM from the start (KIP-900).
pub(super) fn format_storage(release: &Release, directory: &Path, cluster_id: &str, logs: &Path, accounts: &[String]) {
    let log = logs.join(format!("format-{}.log", directory.file_name().unwrap().to_str().unwrap()));
    let properties = directory.join("server.properties");
    let spec = java(release, directory, "-Xmx128m").args(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"]).arg(properties);
    let spec = spec.args(accounts.iter().flat_map(|account| ["--add-scram", account]));
    let code = Supervised::start("format", &spec, &log).await_exit(Duration::from_secs(90));
    assert!(code == 0, "formatting {} failed with exit code {code}:\n{}", directory.display(), tail(&log, 20));
}
