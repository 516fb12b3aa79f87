//! What is told each second.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::super::AdminState;
use super::super::report::EpisodeHead;
use super::super::status::Status;
use crate::guard::time::{millis, rfc3339};
use crate::maintenance::api::{DrainView, MaintenanceStatus};
use crate::roll::api::RollView;
use crate::telemetry::Telemetry;

/// Everything that costs no question to a broker. Sums are since Leeward started: what they were a moment ago is for the reader to take off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// RFC 3339.
    pub at: String,
    /// Without the API versions of brokers.
    pub status: Status,
    pub maintenance: MaintenanceStatus,
    /// Brokers that are being drained or brought back, or are drained.
    pub drains: Vec<DrainView>,
    /// The roll that goes on, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<RollView>,
    /// Error codes and lost connections that clients did not see.
    pub absorbed: u64,
    /// Errors that clients saw.
    pub reached: u64,
    /// The present episode, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode: Option<EpisodeHead>,
    /// Upper bounds of the latencies' buckets but the last one, which has none.
    pub bounds_seconds: Vec<f64>,
    pub apis: Vec<ApiFigures>,
}

/// One API that was used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiFigures {
    pub api: String,
    pub requests: u64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Error codes that brokers answered.
    pub errors: u64,
    /// Answers by how long the broker took, by bucket.
    pub broker_time: Vec<u64>,
    /// Answers by how long Leeward itself took, by bucket.
    pub own_time: Vec<u64>,
}

impl Snapshot {
    pub(super) fn of(state: &AdminState) -> Self {
        let now = SystemTime::now();
        let mut status = Status::of(state);
        status.cluster.brokers.iter_mut().for_each(|broker| broker.versions.clear());
        let drains = state.maintenance.drains();
        let drained = status.cluster.brokers.iter().map(|broker| broker.node_id).filter(|node_id| drains.get(*node_id).is_some());
        let sheltered = state.telemetry.sheltered();
        Snapshot {
            at: rfc3339(now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)),
            maintenance: state.maintenance.status(),
            drains: drained.filter_map(|node_id| state.maintenance.drain_status(node_id).ok()).collect(),
            status,
            roll: state.roll.status().roll,
            absorbed: sheltered.absorbed,
            reached: sheltered.reached,
            episode: state.telemetry.episodes(now).first().map(|episode| EpisodeHead::of(episode, now)),
            bounds_seconds: Telemetry::bounds_seconds(),
            apis: apis(state),
        }
    }
}

fn apis(state: &AdminState) -> Vec<ApiFigures> {
    let totals = state.telemetry.totals();
    let figures = totals.by_api().map(|(api, sums)| ApiFigures {
        api: api.to_owned(),
        requests: sums.requests,
        request_bytes: sums.request_bytes,
        response_bytes: sums.response_bytes,
        errors: sums.errors(),
        broker_time: sums.broker_buckets().to_vec(),
        own_time: sums.own_buckets().to_vec(),
    });
    figures.collect()
}
