//! What is asked and answered, shared by the admin endpoint and the commands. Times are RFC 3339, durations texts such as `"30m"`.

use serde::{Deserialize, Serialize};

use crate::rolling::gate::Guarantee;

/// Begin a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    pub reason: String,
    /// In the order in which they are to go; empty: all, by node id.
    #[serde(default)]
    pub brokers: Vec<i32>,
    /// Those of one rack after those of another.
    #[serde(default)]
    pub by_rack: bool,
    /// Run by `sh -c` where Leeward runs; a person is told to do it where there is none.
    #[serde(default)]
    pub stop_command: Option<String>,
    #[serde(default)]
    pub start_command: Option<String>,
    /// Whether leadership leaves a broker before it stops.
    #[serde(default = "yes")]
    pub drain: bool,
    /// Whether a maintenance window is open meanwhile.
    #[serde(default = "yes")]
    pub window: bool,
    #[serde(default)]
    pub guarantee: Guarantee,
    /// So many checks in a row must be green before a stop, and after a start.
    #[serde(default = "checks")]
    pub checks: u32,
    #[serde(default = "check_every")]
    pub check_every: String,
    /// How long a step may take that no person is waited for in.
    #[serde(default = "step_timeout")]
    pub step_timeout: String,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

impl Default for StartRequest {
    fn default() -> Self {
        StartRequest {
            reason: String::new(),
            brokers: Vec::new(),
            by_rack: false,
            stop_command: None,
            start_command: None,
            drain: true,
            window: true,
            guarantee: Guarantee::default(),
            checks: checks(),
            check_every: check_every(),
            step_timeout: step_timeout(),
            dry_run: false,
            author: None,
        }
    }
}

fn yes() -> bool {
    true
}

fn checks() -> u32 {
    3
}

fn check_every() -> String {
    "5s".to_owned()
}

fn step_timeout() -> String {
    "30m".to_owned()
}

/// Let nothing more begin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    pub reason: String,
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

/// End it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortRequest {
    pub reason: String,
    /// Leave everything as it is, instead of making the broker at hand whole.
    #[serde(default)]
    pub at_once: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// What a command has made of the roll.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollAnswer {
    pub dry_run: bool,
    pub roll: RollView,
}

/// `GET /v1/roll`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RollStatus {
    /// The one that goes on, or the last one; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<RollView>,
}

/// A roll as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RollView {
    pub id: String,
    /// `running`, `paused`, `stuck`, `ending`, `aborted` or `done`.
    pub state: String,
    /// How far it is.
    pub sentence: String,
    /// 0 to 1.
    pub fraction: f64,
    pub seconds_left: Option<u64>,
    pub reason: String,
    pub author: String,
    pub begun: String,
    pub ended: Option<String>,
    pub seconds: u64,
    /// The maintenance window that it opened.
    pub window: Option<String>,
    /// Why it does not go on, and what to do.
    pub problem: Option<String>,
    pub hint: Option<String>,
    /// What it has left behind.
    pub left: Vec<String>,
    pub brokers: Vec<LegView>,
    /// Where several Leewards share it: that this view is old, and why; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_view: Option<String>,
}

/// One broker's part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LegView {
    pub broker: i32,
    pub step: String,
    /// Seconds in that step.
    pub seconds_in_step: Option<u64>,
    pub waits_for: Option<String>,
    pub begun: Option<String>,
    pub restarted: Option<String>,
    pub ended: Option<String>,
    /// Seconds from its beginning to its end.
    pub took_seconds: Option<u64>,
}
