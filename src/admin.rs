//! The operator's endpoint: health, metrics, status, reload, maintenance. It reads snapshots and sends commands; it changes nothing itself.
//!
//! | path | answer |
//! | --- | --- |
//! | `GET /livez` | 200 as long as the process answers |
//! | `GET /readyz` | 200 or 503, with every check by name |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /`, `/page.css`, `/page.js` | the page for people, which asks all below |
//! | `GET /v1/events` | [`events::Snapshot`] each second and [`events::ClusterEvent`] as often as it is read, as server-sent events |
//! | `GET /v1/tap?client=…&api=…&topic=…&error=…` | single requests as they pass, as lines of JSON ([`tap::TapLine`]) |
//! | `GET /v1/top` | who does how much, and how fast, each second, as lines of JSON ([`top::TopPicture`]) |
//! | `GET /v1/status` | [`status::Status`] |
//! | `GET /v1/report?episode=last\|N` | [`report::Report`]: what the guard did in a maintenance window or a restart |
//! | `GET /v1/report/episodes` | [`report::Episodes`] |
//! | `GET /v1/clients?incompatible_with=4.0` | [`clients::Clients`]: who talks to the cluster, and whom a release would break |
//! | `GET /v1/history?by=topic&last=7d&top=20` | [`history::TrafficHistory`]: how much traffic there was, by topic, client or broker |
//! | `GET /v1/quiet-hours?zone=Europe/Berlin&for=3h` | [`history::QuietHours`]: when in the week there is least of it |
//! | `GET /v1/config` | every key with value, default and when a change applies |
//! | `GET /v1/openapi.json` | all of this for programs |
//! | `POST /v1/reload` | [`Reloaded`], or 422 with every error of the file |
//! | `GET /v1/maintenance` | windows, schedules, what was; where it is kept |
//! | `GET /v1/maintenance/preflight` | what an operator should know before a window opens |
//! | `POST /v1/maintenance/on`, `off` | the window, or 409 with the preflight when it is dangerous |
//! | `GET`, `POST`, `DELETE /v1/maintenance/schedules` | schedules |
//! | `GET /v1/cluster` | [`brokers::ClusterPicture`]: one reading of the whole cluster |
//! | `GET /v1/brokers/{id}/may-stop?guarantee=strict\|available\|none` | [`crate::rolling::gate::Verdict`] |
//! | `GET /v1/brokers/{id}/may-continue` | [`crate::rolling::resume::Return`] |
//! | `GET /v1/brokers/{id}/rehearse` | [`crate::rolling::rehearsal::Rehearsal`]: what a restart of the broker would do now |
//! | `GET`, `POST /v1/brokers/{id}/drain` | how far a drain is; begins one, or 409 with the preflight when it is dangerous |
//! | `POST /v1/brokers/{id}/undrain` | begins to bring back what the drain has moved |
//! | `GET /v1/roll` | [`crate::roll::api::RollStatus`]: the roll that goes on, or the last one |
//! | `POST /v1/roll/start`, `pause`, `resume`, `abort` | the roll, or 409 with why not |
//! | `GET /v1/reassign/layout` | [`crate::rolling::reassign::Layout`]: what a reassignment is planned from |
//! | `GET /v1/audit?last=N` | the last entries of the audit file |

mod access;
pub mod api;
pub mod brokers;
pub mod clients;
mod drain;
pub mod events;
mod handlers;
pub mod history;
mod http;
mod layout;
mod maintenance;
mod page;
pub mod readiness;
mod reassign;
mod rehearse;
pub mod report;
mod roll;
mod routes;
pub mod status;
pub mod tap;
pub mod top;
pub mod traffic;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

pub use api::{ApiError, Reloaded};
pub use http::serve;
pub use readiness::{Endpoint, ListenerState, Readiness};
pub use routes::router;

use crate::cluster::View;
use crate::config::{Config, ConfigErrors};
use crate::control::Operator;
use crate::maintenance::MaintenanceHandle;
use crate::net::Surveyor;
use crate::reassign::ReassignHandle;
use crate::register::RegisterHandle;
use crate::roll::RollHandle;
use crate::telemetry::Telemetry;

/// What the endpoint reads, and where it sends commands.
#[derive(Debug, Clone)]
pub struct AdminState {
    pub view: Arc<ArcSwap<View>>,
    pub config: Arc<ArcSwap<Config>>,
    pub readiness: Arc<ArcSwap<Readiness>>,
    pub telemetry: Arc<Telemetry>,
    pub commands: mpsc::Sender<AdminCommand>,
    pub maintenance: MaintenanceHandle,
    pub roll: RollHandle,
    pub reassign: ReassignHandle,
    pub operator: Operator,
    pub surveyor: Surveyor,
    pub register: RegisterHandle,
    pub started: Started,
}

/// When Leeward began, on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    pub at: SystemTime,
    pub instant: Instant,
}

/// What an operator asks for; whoever owns the thing that changes does it and replies.
#[derive(Debug)]
pub enum AdminCommand {
    /// Read the configuration again and put in force what may change.
    Reload { who: Option<String>, why: Option<String>, reply: oneshot::Sender<Result<Reloaded, ConfigErrors>> },
}
