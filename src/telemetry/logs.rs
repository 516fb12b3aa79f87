//! Log lines: to standard error, as text or JSON, with a filter that a reload may change.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Log, LogFormat};

/// Changes the filter of the running log.
#[derive(Debug, Clone)]
pub struct LogControl {
    filter: Handle<EnvFilter, Registry>,
}

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("log.filter \"{0}\" is not a filter")]
    Filter(String),
    #[error("logging was set up already in this process")]
    Twice,
    #[error("logging has ended")]
    Gone,
}

/// Begins to log; once in a process.
pub fn init(log: &Log) -> Result<LogControl, LogError> {
    let (filter, handle) = reload::Layer::new(parse(&log.filter)?);
    let plain = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => plain.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => plain.json().flatten_event(true).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(|_| LogError::Twice)?;
    Ok(LogControl { filter: handle })
}

impl LogControl {
    /// Replaces the filter.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        let filter = parse(filter)?;
        self.filter.reload(filter).map_err(|_| LogError::Gone)
    }
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|_| LogError::Filter(filter.to_owned()))
}
