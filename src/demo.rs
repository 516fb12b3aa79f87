//! `leeward demo`: a cluster, Leeward in front of it, and the same traffic direct and through Leeward, side by side, in one command.
//!
//! A [`cluster`] (the sandbox, or real Kafka) and a [`front`] (Leeward as a process of its own) carry the [`traffic`] of two sides that differ in one thing alone:
//! the address at which their clients begin. Every record is numbered in a [`book`]; an [`audit`] reads the brokers' logs past all clients. What happens when is
//! the [`story`], in which every broker restarts twice, or the plan in [`load`] for a steady load without restarts; the [`view`] shows it.

mod audit;
mod book;
mod child;
mod client;
mod cluster;
mod front;
mod histogram;
mod kafka;
mod load;
mod observe;
mod ports;
mod screen;
mod setup;
mod show;
mod signals;
mod story;
mod traffic;
mod view;

use std::time::Duration;

pub use screen::Screen;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub show: Show,
    /// Real Kafka in the place of the sandbox.
    pub kafka: Option<KafkaOptions>,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Every broker restarts twice, under load. No restart begins after `within`, but one always does.
    Story { within: Option<Duration> },
    /// No restarts: so long the same load on both sides, by the clock and at full speed.
    Steady(Duration),
}

/// Which Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    pub version: String,
    /// The restarts of the story are the two passes of an upgrade to this version.
    pub upgrade_to: Option<String>,
}

impl Options {
    fn is_upgrade(&self) -> bool {
        self.kafka.as_ref().is_some_and(|kafka| kafka.upgrade_to.is_some())
    }
}

/// Why there was no demo. Everything that was started has ended.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the system refused {what}: {error}")]
    System { what: &'static str, error: std::io::Error },
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::SandboxError),
    #[error("{0}")]
    Kafka(String),
    #[error("{0}")]
    Front(String),
    #[error("{what}: {error}")]
    Client { what: &'static str, error: String },
    #[error("interrupted before the traffic began; everything that was started has ended")]
    Interrupted,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was lost, nothing came twice, everything was read; in the story, through Leeward, and no client saw an error.
    Whole,
    /// The summary says what.
    Harmed,
}

/// Runs the demo and shows it. Ctrl-C and SIGTERM end the traffic early, with a summary of what there was; a second one ends everything at once.
///
/// # Errors
/// Something could not be started, with what to do about it.
pub fn run(options: &Options, screen: &mut Screen) -> Result<Verdict, DemoError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| DemoError::System { what: "an event loop", error })?;
    runtime.block_on(show::run(options, screen))
}
