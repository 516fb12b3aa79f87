//! `/v1/reassign`: the reassignment as it is, and what is asked of it.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};

use super::AdminState;
use super::access::Caller;
use super::handlers::Body;
use super::maintenance::command_within;
use crate::reassign::api::{PauseRequest, ReassignStatus, ResumeRequest, RollbackRequest, RunRequest};

/// A reading of the cluster has 12 s, and what is written down a moment more; whoever asks waits for 15 s.
const REASSIGN_TIMEOUT: Duration = Duration::from_secs(14);

const LOOK: &str = "look at GET /v1/reassign whether it is so, and at the disk";

pub(super) async fn status(State(state): State<AdminState>) -> Json<ReassignStatus> {
    Json(state.reassign.status())
}

pub(super) async fn run(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: RunRequest| state.reassign.run(RunRequest { author: caller.sign(request.author), ..request });
    command_within(REASSIGN_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn pause(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: PauseRequest| state.reassign.pause(PauseRequest { author: caller.sign(request.author), ..request });
    command_within(REASSIGN_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn resume(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: ResumeRequest| state.reassign.resume(ResumeRequest { author: caller.sign(request.author), ..request });
    command_within(REASSIGN_TIMEOUT, LOOK, &body, ask).await
}

pub(super) async fn roll_back(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let ask = |request: RollbackRequest| state.reassign.roll_back(RollbackRequest { author: caller.sign(request.author), ..request });
    command_within(REASSIGN_TIMEOUT, LOOK, &body, ask).await
}
