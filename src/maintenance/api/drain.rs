//! Drains: what is asked and answered.

use serde::{Deserialize, Serialize};

use crate::maintenance::Kept;
use crate::maintenance::preflight::Preflight;
use crate::rolling::drain::Phase;

/// Drain a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    pub reason: String,
    /// Although something is dangerous, or another broker is draining.
    #[serde(default)]
    pub force: bool,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// Bring back what a drain has moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndrainRequest {
    /// The drain's own when it is not said.
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// A drain or an undrain has begun, or would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainAnswer {
    pub dry_run: bool,
    pub drain: DrainView,
    /// Of a drain alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
    pub kept: Kept,
}

/// `GET /v1/brokers/{id}/drain`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainView {
    pub broker: i32,
    /// `serving`, `draining`, `drained` or `undraining`.
    pub phase: String,
    /// How far it is.
    pub sentence: String,
    /// Of the leaderships (draining) or saved orders (undraining), those that are where they should be.
    pub moved: usize,
    pub of: usize,
    /// Partitions that the broker leads.
    pub leads: usize,
    /// Partitions that are still to be moved, or given another order.
    pub pending: usize,
    /// Partitions that cannot be moved, or stay as they are.
    pub unmoved: Vec<String>,
    /// Why it does not go on.
    pub problem: Option<String>,
    /// That problem stays until somebody does something about it.
    pub blocked: bool,
    /// What a person has to do, with brokers before 2.4.
    pub by_hand: Option<ByHandView>,
    pub reason: Option<String>,
    pub author: Option<String>,
    pub since: Option<String>,
    pub seconds: Option<u64>,
    /// Whether a maintenance window is open: only then clients lose nothing when the broker stops.
    pub window_open: bool,
    /// How long ago a Produce or a Fetch of Leeward's clients last left for it, to within a second; `None`: none has since Leeward began, or it is not asked.
    #[serde(default)]
    pub produce_or_fetch_seconds_ago: Option<u64>,
    /// That this view is old, and why; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_view: Option<String>,
}

impl DrainView {
    /// With what was measured; of a drained broker the sentence says it.
    pub fn measured(mut self, produce_or_fetch_seconds_ago: Option<u64>) -> Self {
        self.produce_or_fetch_seconds_ago = produce_or_fetch_seconds_ago;
        if self.phase == Phase::Drained.label() {
            self.sentence += &match produce_or_fetch_seconds_ago {
                Some(ago) => format!("; the last Produce or Fetch of Leeward's clients was sent to it {ago} s ago"),
                None => "; no Produce or Fetch of Leeward's clients was sent to it since Leeward began".to_owned(),
            };
        }
        self
    }
}

/// Commands to run beside ZooKeeper, and the files that they read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHandView {
    pub commands: Vec<String>,
    pub reassignment: Option<String>,
    pub election: Option<String>,
}
