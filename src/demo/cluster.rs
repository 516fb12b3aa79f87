//! What Leeward stands in front of.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::DemoError;
use super::kafka::Kafka;
use super::screen::Screen;
use crate::sandbox::{ModelConfig, Sandbox, SandboxConfig};

/// Brokers of the demo.
pub(super) const BROKERS: usize = 3;

/// A running cluster of three brokers.
pub(super) enum Cluster {
    Sandbox(Arc<Sandbox>),
    Kafka(Box<Kafka>),
}

impl Cluster {
    /// The sandbox, or real Kafka of `version`; returns when all brokers serve.
    ///
    /// # Errors
    /// It does not start. What was started has ended.
    pub(super) async fn start(version: Option<&str>, directory: &Path, screen: &mut Screen) -> Result<Self, DemoError> {
        if let Some(version) = version {
            return Ok(Cluster::Kafka(Box::new(Kafka::start(version, directory, screen).await?)));
        }
        screen.line("starting a sandbox of three brokers");
        let model = ModelConfig { seed: fastrand::u64(..), auto_create_topics: false, ..ModelConfig::default() };
        let config = SandboxConfig { brokers: BROKERS, model, ..SandboxConfig::default() };
        Ok(Cluster::Sandbox(Arc::new(Sandbox::start(config).await?)))
    }

    /// What it is, in a few words.
    pub(super) fn title(&self) -> String {
        match self {
            Cluster::Sandbox(_) => "a sandbox of three brokers".to_owned(),
            Cluster::Kafka(kafka) => format!("three brokers of Apache Kafka {}", kafka.version()),
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
