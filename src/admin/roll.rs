//! `/v1/roll`: the roll as it is, and what is asked of it.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};

use super::AdminState;
use super::access::Caller;
use super::handlers::Body;
use super::maintenance::command_within;
use crate::roll::api::{AbortRequest, PauseRequest, ResumeRequest, RollStatus, StartRequest};

/// A reading of the cluster has 12 s, and what is written down a moment more; whoever asks waits for 15 s.
const ROLL_TIMEOUT: Duration = Duration::from_secs(14);

const LOOK: &str = "look at GET /v1/roll whether it is so, and at the disk";

pub(super) async fn status(State(state): State<AdminState>) -> Json<RollStatus> {
    Json(state.roll.status())
}

pub(super) async fn start(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: StartRequest| state.roll.start(StartRequest { author: caller.sign(request.author), ..request });
    command_within(ROLL_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn pause(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: PauseRequest| state.roll.pause(PauseRequest { author: caller.sign(request.author), ..request });
    command_within(ROLL_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn resume(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: ResumeRequest| state.roll.resume(ResumeRequest { author: caller.sign(request.author), ..request });
    command_within(ROLL_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn abort(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: AbortRequest| state.roll.abort(AbortRequest { author: caller.sign(request.author), ..request });
    command_within(ROLL_TIMEOUT, LOOK, &body, ask).await
}
