//! `/v1/brokers/{id}/drain` and `/undrain`: each hands what is asked to whoever owns the drains.

use std::time::{Duration, Instant};

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::AdminState;
use super::access::Caller;
use super::brokers::AskedNothing;
use super::handlers::{Body, refuse};
use super::maintenance::{command_within, refused};
use crate::maintenance::api::{DrainRequest, UndrainRequest};

/// A reading of the cluster has 12 s, and what is written down a moment more; whoever asks waits for 15 s.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(14);

const LOOK: &str = "look at GET /v1/brokers/{id}/drain whether it has begun, and at the disk";

pub(super) async fn status(
    State(state): State<AdminState>,
    node_id: Result<Path<i32>, PathRejection>,
    asked: Result<Query<AskedNothing>, QueryRejection>,
) -> Response {
    if let Err(error) = asked {
        return refuse(StatusCode::BAD_REQUEST, &error.body_text(), "ask without a query");
    }
    match node_id {
        Ok(Path(node_id)) => {
            let traffic = state.telemetry.traffic(Instant::now()).get(&Some(node_id)).copied();
            let ago = traffic.and_then(|traffic| traffic.records_asked_ago).map(|ago| ago.as_secs());
            state.maintenance.drain_status(node_id).map_or_else(refused, |view| Json(view.measured(ago)).into_response())
        }
        Err(error) => no_node_id(&error),
    }
}

pub(super) async fn drain(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    node_id: Result<Path<i32>, PathRejection>,
    Body(body): Body,
) -> Response {
    let ask = |node_id| {
        let maintenance = &state.maintenance;
        command_within(DRAIN_TIMEOUT, LOOK, &body, move |request: DrainRequest| {
            maintenance.drain(node_id, DrainRequest { author: caller.sign(request.author), ..request })
        })
    };
    match node_id {
        Ok(Path(node_id)) => ask(node_id).await,
        Err(error) => no_node_id(&error),
    }
}

pub(super) async fn undrain(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    node_id: Result<Path<i32>, PathRejection>,
    Body(body): Body,
) -> Response {
    let ask = |node_id| {
        let maintenance = &state.maintenance;
        command_within(DRAIN_TIMEOUT, LOOK, &body, move |request: UndrainRequest| {
            maintenance.undrain(node_id, UndrainRequest { author: caller.sign(request.author), ..request })
        })
    };
    match node_id {
        Ok(Path(node_id)) => ask(node_id).await,
        Err(error) => no_node_id(&error),
    }
}

fn no_node_id(error: &PathRejection) -> Response {
    refuse(StatusCode::BAD_REQUEST, &error.body_text(), "write the broker's node id, such as /v1/brokers/2/drain")
}
