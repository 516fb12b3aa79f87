//! What is asked and answered, shared by the admin endpoint and the commands. Times are RFC 3339, sizes bytes or texts such as `"10MiB"`.

use serde::{Deserialize, Serialize};

/// Begin a reassignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    pub reason: String,
    /// The JSON of `kafka-reassign-partitions`, as a text.
    pub assignment: String,
    /// Bytes a second that a broker may send, and receive, of what is copied: between these two, by what clients' writes take.
    #[serde(default = "throttle_min")]
    pub throttle_min: String,
    #[serde(default = "throttle_max")]
    pub throttle_max: String,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

pub(crate) fn throttle_min() -> String {
    "1MiB".to_owned()
}

pub(crate) fn throttle_max() -> String {
    "50MiB".to_owned()
}

/// Let nothing more begin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    pub reason: String,
    /// Give up what is on its way, instead of letting it come to its end.
    #[serde(default)]
    pub at_once: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// Go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    pub reason: String,
    #[serde(default)]
    pub author: Option<String>,
}

/// Bring everything back to where it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    pub reason: String,
    #[serde(default)]
    pub author: Option<String>,
}

/// What a command has made of the reassignment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReassignAnswer {
    pub dry_run: bool,
    pub reassignment: ReassignView,
}

/// `GET /v1/reassign`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReassignStatus {
    /// The one that goes on, or the last one; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reassignment: Option<ReassignView>,
}

/// A reassignment as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReassignView {
    pub id: String,
    /// `running`, `paused`, `stuck`, `rolling back`, `rolled back` or `done`.
    pub state: String,
    /// How far it is.
    pub sentence: String,
    /// Of the bytes that are copied, 0 to 1.
    pub fraction: f64,
    pub copied_bytes: u64,
    pub bytes: u64,
    pub seconds_left: Option<u64>,
    pub reason: String,
    pub author: String,
    pub begun: String,
    pub ended: Option<String>,
    pub seconds: u64,
    /// Bytes a second, now.
    pub throttle: u64,
    pub throttle_min: u64,
    pub throttle_max: u64,
    /// Milliseconds within which 99 of 100 Produce requests of Leeward's clients are answered: before it began, and lately; absent where too few were sent.
    pub produce_p99_before_ms: Option<f64>,
    pub produce_p99_ms: Option<f64>,
    /// Brokers and topics that have a throttle set by it.
    pub throttled: Vec<String>,
    /// Why it does not go on, and what to do.
    pub problem: Option<String>,
    pub hint: Option<String>,
    pub topics: Vec<LegView>,
    /// What a person has to do, with brokers before 2.4.
    pub by_hand: Option<ByHandView>,
    /// The replicas of before, in the JSON of `kafka-reassign-partitions`.
    pub assignment_before: String,
    /// Where several Leewards share it: that this view is old, and why; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_view: Option<String>,
}

/// One topic's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LegView {
    pub topic: String,
    pub step: String,
    pub partitions: usize,
    pub copied_bytes: u64,
    pub bytes: u64,
    pub waits_for: Option<String>,
    pub begun: Option<String>,
    pub ended: Option<String>,
    /// Seconds from its beginning to its end, or until now.
    pub seconds: Option<u64>,
}

/// Commands to run beside ZooKeeper, and the files that they read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHandView {
    pub commands: Vec<String>,
    /// Where Leeward has written the file that they read; absent: it could not.
    pub file: Option<String>,
    /// What is in it.
    pub json: String,
}
