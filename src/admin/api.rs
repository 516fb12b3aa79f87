//! What is answered, besides the status: shared by the endpoint and the commands that talk to it.

use serde::{Deserialize, Serialize};

use crate::config::{Change, ConfigError};
use crate::maintenance::preflight::Preflight;

/// Read the configuration again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// In force now.
    pub applied: Vec<Change>,
    /// Left as it was until Leeward is started again.
    pub needs_restart: Vec<Change>,
    /// Why the audit file has no line of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_audited: Option<String>,
}

/// Every answer that is not a success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub hint: String,
    /// The errors of a configuration, where that is what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_errors: Vec<ConfigError>,
    /// What was found, where a check forbids what was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
}

/// The header by which a command knows that it talks to Leeward, and to which version.
pub const VERSION_HEADER: &str = "leeward-version";
