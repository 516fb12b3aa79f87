//! What is asked and answered, shared by the admin endpoint and the commands. Times are RFC 3339, durations texts such as `"2h"`.

mod drain;

use serde::{Deserialize, Serialize};

use super::preflight::Preflight;
use super::store::Kept;
use crate::guard::time::{Millis, rfc3339};
use crate::guard::windows::{Closed, Coverage, Schedule, Window, Windows};

pub use drain::{ByHandView, DrainAnswer, DrainRequest, DrainView, UndrainRequest};

/// Open a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnRequest {
    pub reason: String,
    /// How long; `guard.window_default` when it is not said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    #[serde(default)]
    pub topics: Vec<String>,
    #[serde(default)]
    pub client_ids: Vec<String>,
    /// Although the preflight finds danger.
    #[serde(default)]
    pub force: bool,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// Close windows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffRequest {
    pub reason: String,
    /// One window; all when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// Add a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRequest {
    pub cron: String,
    pub zone: String,
    #[serde(rename = "for")]
    pub lasts: String,
    pub reason: String,
    #[serde(default)]
    pub topics: Vec<String>,
    #[serde(default)]
    pub client_ids: Vec<String>,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// Remove a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnscheduleRequest {
    pub id: String,
    pub reason: String,
    #[serde(default)]
    pub dry_run: bool,
    #[serde(default)]
    pub author: Option<String>,
}

/// A window was opened, or would have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnAnswer {
    pub dry_run: bool,
    pub window: WindowView,
    pub preflight: Preflight,
    pub kept: Kept,
}

/// Windows were closed, or would have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffAnswer {
    pub dry_run: bool,
    pub closed: Vec<ClosedView>,
}

/// A schedule was added or removed, or would have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleAnswer {
    pub dry_run: bool,
    pub schedule: ScheduleView,
}

/// An open window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowView {
    pub id: String,
    pub reason: String,
    pub author: String,
    /// `operator`, `schedule` or `detection`.
    pub origin: String,
    /// The schedule that opened it.
    pub schedule: Option<String>,
    /// Empty: all.
    pub topics: Vec<String>,
    /// Empty: all.
    pub client_ids: Vec<String>,
    pub opened: String,
    pub expires: String,
    pub seconds_open: u64,
    pub seconds_left: u64,
}

/// A window that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedView {
    #[serde(flatten)]
    pub window: WindowView,
    pub closed: String,
    pub closed_by: String,
    pub closed_why: String,
    pub seconds_since: u64,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleView {
    pub id: String,
    pub cron: String,
    pub zone: String,
    #[serde(rename = "for")]
    pub lasts: String,
    pub reason: String,
    pub author: String,
    pub topics: Vec<String>,
    pub client_ids: Vec<String>,
    pub next: Option<String>,
    pub seconds_to_next: Option<u64>,
}

/// `GET /v1/maintenance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceStatus {
    /// `guard.absorb`.
    pub absorb: String,
    /// `guard.mode`.
    pub mode: String,
    /// `guard.detect`.
    pub detect: bool,
    pub open: Vec<WindowView>,
    pub schedules: Vec<ScheduleView>,
    /// The latest first.
    pub history: Vec<ClosedView>,
    /// Topics whose acks stay as the client sent them.
    pub left_alone: Vec<String>,
    /// Brokers for which a detected window is kept open.
    pub brokers_away: Vec<i32>,
    pub kept: Kept,
    /// Where several Leewards share it through a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedView>,
}

/// What several Leewards share, as one of them sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedView {
    pub topic: String,
    /// This instance's id.
    pub id: String,
    /// Grows with every change.
    pub version: u64,
    /// Since it was last known that nothing newer is in the topic.
    pub seconds_old: u64,
    /// That this view is old, and why; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_view: Option<String>,
    /// The id of the instance that drives drains and walks the roll.
    pub walker: Option<String>,
    pub instances: Vec<InstanceView>,
}

/// An instance that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceView {
    pub id: String,
    pub host: String,
    /// Its admin endpoint.
    pub admin: String,
    pub seconds_since_heard: u64,
    pub is_this: bool,
    pub walks: bool,
}

/// One line of the audit file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at: String,
    pub who: String,
    pub what: String,
    pub why: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
    pub result: String,
}

/// `GET /v1/audit`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    pub file: String,
    /// The latest last, as in the file.
    pub entries: Vec<AuditEntry>,
    /// Lines among them that cannot be read.
    pub damaged: usize,
}

impl WindowView {
    pub fn of(window: &Window, now: Millis) -> Self {
        let Coverage { topics, client_ids } = window.coverage.clone();
        WindowView {
            id: window.id.clone(),
            reason: window.reason.clone(),
            author: window.author.clone(),
            origin: window.origin.label().to_owned(),
            schedule: window.schedule.clone(),
            topics: topics.into_iter().collect(),
            client_ids: client_ids.into_iter().collect(),
            opened: rfc3339(window.opened),
            expires: rfc3339(window.expires),
            seconds_open: now.saturating_sub(window.opened) / 1000,
            seconds_left: window.expires.saturating_sub(now).div_ceil(1000),
        }
    }

    /// All that are open. What has expired is not, although nobody has closed it yet.
    pub fn all(windows: &Windows, now: Millis) -> Vec<Self> {
        windows.open_windows().iter().filter(|window| window.expires > now).map(|window| Self::of(window, now)).collect()
    }
}

impl ClosedView {
    pub fn of(closed: &Closed, now: Millis) -> Self {
        ClosedView {
            window: WindowView::of(&closed.window, closed.closed),
            closed: rfc3339(closed.closed),
            closed_by: closed.by.clone(),
            closed_why: closed.why.clone(),
            seconds_since: now.saturating_sub(closed.closed) / 1000,
        }
    }
}

impl ScheduleView {
    pub fn of(schedule: &Schedule, now: Millis) -> Self {
        let Coverage { topics, client_ids } = schedule.coverage.clone();
        let next = schedule.next_start(now);
        ScheduleView {
            id: schedule.id.clone(),
            cron: schedule.cron.clone(),
            zone: schedule.zone.clone(),
            lasts: crate::config::show_duration(std::time::Duration::from_millis(schedule.lasts)),
            reason: schedule.reason.clone(),
            author: schedule.author.clone(),
            topics: topics.into_iter().collect(),
            client_ids: client_ids.into_iter().collect(),
            next: next.map(rfc3339),
            seconds_to_next: next.map(|next| next.saturating_sub(now).div_ceil(1000)),
        }
    }
}
