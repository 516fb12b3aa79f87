//! Real Kafka for the demo.

use std::net::SocketAddr;
use std::path::Path;

use super::DemoError;
use super::screen::Screen;

pub(super) struct Kafka {
    version: String,
}

impl Kafka {
    pub(super) async fn start(version: &str, _directory: &Path, _screen: &mut Screen) -> Result<Self, DemoError> {
        Err(DemoError::Kafka(format!("Kafka {version} cannot be started")))
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn brokers(&self) -> Vec<(i32, SocketAddr)> {
        vec![]
    }

    pub(super) async fn end(self) {}
}
