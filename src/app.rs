//! Puts the parts together and runs them.

use crate::config::{Config, ConfigSource};

/// Why Leeward did not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}")]
    NotBuilt(&'static str),
}

/// Runs until a signal ends it.
pub fn run(_config: Config, _source: ConfigSource) -> Result<(), RunError> {
    Err(RunError::NotBuilt("the data path is not part of this build"))
}
