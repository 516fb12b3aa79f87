//! What Leeward stands in front of.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::kafka::Kafka;
use super::screen::Screen;
use super::story::{Build, Going};
use super::{DemoError, Options, Show};
use crate::sandbox::{ModelConfig, Sandbox, SandboxConfig};

/// Brokers of the demo.
pub(super) const BROKERS: usize = 3;

/// One way between a follower and its leader where brokers restart. What a leader has acknowledged with acks=1 and no follower has yet is lost with it: real
/// brokers on two busy cores are 100 ms behind, and the sandbox's usual 0.3 ms would hide it.
const FOLLOWERS_BEHIND: Duration = Duration::from_millis(10);

/// A running cluster of three brokers.
pub(super) enum Cluster {
    Sandbox(Arc<Sandbox>),
    Kafka(Box<Kafka>),
}

impl Cluster {
    /// The sandbox, or real Kafka; returns when all brokers serve.
    ///
    /// # Errors
    /// It does not start. What was started has ended.
    pub(super) async fn start(options: &Options, directory: &Path, screen: &mut Screen) -> Result<Self, DemoError> {
        if let Some(kafka) = &options.kafka {
            return Ok(Cluster::Kafka(Box::new(Kafka::start(kafka, directory, screen).await?)));
        }
        let replication_delay = match options.show {
            Show::Steady(_) => ModelConfig::default().replication_delay,
            Show::Story { .. } => FOLLOWERS_BEHIND,
        };
        screen.line("starting a sandbox of three brokers");
        let model = ModelConfig { seed: fastrand::u64(..), auto_create_topics: false, replication_delay, ..ModelConfig::default() };
        let config = SandboxConfig { brokers: BROKERS, model, ..SandboxConfig::default() };
        Ok(Cluster::Sandbox(Arc::new(Sandbox::start(config).await?)))
    }

    /// What it is, in a few words.
    pub(super) fn title(&self) -> String {
        match self {
            Cluster::Sandbox(_) => "a sandbox of three brokers".to_owned(),
            Cluster::Kafka(kafka) => format!("three brokers of Apache Kafka {}", kafka.versions()),
        }
    }

    /// Where the brokers listen, by node id.
    pub(super) fn brokers(&self) -> Vec<(i32, SocketAddr)> {
        match self {
            Cluster::Sandbox(sandbox) => sandbox.brokers(),
            Cluster::Kafka(kafka) => kafka.brokers(),
        }
    }

    /// `host:port` of every broker, comma separated.
    pub(super) fn bootstrap(&self) -> String {
        self.brokers().iter().map(|(_, address)| address.to_string()).collect::<Vec<_>>().join(",")
    }

    /// Lets a broker go; returns when its process is gone.
    ///
    /// # Errors
    /// It does not run, or does not go.
    pub(super) async fn stop(&mut self, node_id: i32, going: Going) -> Result<(), DemoError> {
        match (self, going) {
            (Cluster::Sandbox(sandbox), Going::Stopped) => Ok(sandbox.stop(node_id).await?),
            (Cluster::Sandbox(sandbox), Going::Killed) => Ok(sandbox.kill(node_id)?),
            (Cluster::Kafka(kafka), going) => kafka.stop(node_id, going).await,
        }
    }

    /// Starts a broker that is gone, with its data and at its address; returns when it serves. The sandbox has only one build.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start_broker(&mut self, node_id: i32, build: Build) -> Result<(), DemoError> {
        match self {
            Cluster::Sandbox(sandbox) => Ok(sandbox.start_broker(node_id).await?),
            Cluster::Kafka(kafka) => kafka.start_broker(node_id, build).await,
        }
    }

    /// How long a broker stays away at least before it is started again: long enough for its leaders to move. A real one takes that long to start.
    pub(super) fn away(&self, going: Going) -> Duration {
        match (self, going) {
            (Cluster::Kafka(_), _) => Duration::from_secs(1),
            (Cluster::Sandbox(_), Going::Stopped) => Duration::from_millis(1_500),
            // The sandbox's brokers have sessions of 2 s.
            (Cluster::Sandbox(_), Going::Killed) => Duration::from_secs(3),
        }
    }

    /// Ends the brokers and waits until they are gone.
    pub(super) async fn end(self) {
        match self {
            Cluster::Sandbox(sandbox) => {
                if let Ok(sandbox) = Arc::try_unwrap(sandbox) {
                    sandbox.shutdown().await;
                }
            }
            Cluster::Kafka(kafka) => kafka.end().await,
        }
    }
}
