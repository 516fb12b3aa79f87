//! `/v1/brokers/{id}/drain` and `/undrain`: each hands what is asked to whoever owns the drains.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::AdminState;
use super::access::Caller;
use super::handlers::{Body, NoQuery, NodeId};
use super::maintenance::{command_within, refused};
use crate::maintenance::api::{DrainRequest, UndrainRequest};

/// A reading of the cluster has 12 s, and what is written down a moment more; whoever asks waits for 15 s.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(14);

const LOOK: &str = "look at GET /v1/brokers/{id}/drain whether it has begun, and at the disk";

pub(super) async fn status(State(state): State<AdminState>, NodeId(node_id): NodeId, _: NoQuery) -> Response {
    let traffic = state.telemetry.traffic(Instant::now()).get(&Some(node_id)).copied();
    let ago = traffic.and_then(|traffic| traffic.records_asked_ago).map(|ago| ago.as_secs());
    state.maintenance.drain_status(node_id).map_or_else(refused, |view| Json(view.measured(ago)).into_response())
}

pub(super) async fn drain(State(state): State<AdminState>, Extension(caller): Extension<Caller>, NodeId(node_id): NodeId, Body(body): Body) -> Response {
    let ask = |request: DrainRequest| state.maintenance.drain(node_id, DrainRequest { author: caller.sign(request.author), ..request });
    command_within(DRAIN_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn undrain(State(state): State<AdminState>, Extension(caller): Extension<Caller>, NodeId(node_id): NodeId, Body(body): Body) -> Response {
    let ask = |request: UndrainRequest| state.maintenance.undrain(node_id, UndrainRequest { author: caller.sign(request.author), ..request });
    command_within(DRAIN_TIMEOUT, LOOK, &body, ask).await
}
