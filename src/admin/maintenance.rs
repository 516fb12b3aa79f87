//! The paths of maintenance: each hands a body to whoever owns the windows, and turns a refusal into its code.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::access::Caller;
use super::api::ApiError;
use super::handlers::{Body, COMMAND_TIMEOUT, refuse};
use crate::maintenance::api::{OffRequest, OnRequest, ScheduleRequest, UnscheduleRequest};
use crate::maintenance::{Refusal, RefusalKind};

/// Entries of the audit file in one answer, and how many when nobody says.
const AUDIT_LAST_MAX: usize = 1000;
const AUDIT_LAST: usize = 20;

pub(super) async fn status(State(state): State<AdminState>) -> Response {
    Json(state.maintenance.status()).into_response()
}

pub(super) async fn preflight(State(state): State<AdminState>) -> Response {
    state.maintenance.preflight().await.map_or_else(refused, |preflight| Json(preflight).into_response())
}

pub(super) async fn on(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    command(&body, |request: OnRequest| state.maintenance.on(OnRequest { author: caller.sign(request.author), ..request })).await
}

pub(super) async fn off(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    command(&body, |request: OffRequest| state.maintenance.off(OffRequest { author: caller.sign(request.author), ..request })).await
}

pub(super) async fn schedules(State(state): State<AdminState>) -> Response {
    Json(state.maintenance.status().schedules).into_response()
}

pub(super) async fn schedule(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    command(&body, |request: ScheduleRequest| state.maintenance.schedule(ScheduleRequest { author: caller.sign(request.author), ..request })).await
}

pub(super) async fn unschedule(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    command(&body, |request: UnscheduleRequest| state.maintenance.unschedule(UnscheduleRequest { author: caller.sign(request.author), ..request })).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    last: Option<usize>,
}

pub(super) async fn audit(State(state): State<AdminState>, query: Result<Query<AuditQuery>, QueryRejection>) -> Response {
    let last = match query {
        Ok(Query(query)) => query.last.unwrap_or(AUDIT_LAST),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text(), "write ?last=20, or nothing"),
    };
    if last > AUDIT_LAST_MAX {
        let error = format!("{last} entries are more than {AUDIT_LAST_MAX} at a time");
        return refuse(StatusCode::BAD_REQUEST, &error, "ask for fewer, or read the file itself");
    }
    state.maintenance.audit(last).await.map_or_else(refused, |audit| Json(audit).into_response())
}

/// Reads a body, has done what it asks, and answers.
async fn command<Q: DeserializeOwned, A: Serialize, F: Future<Output = Result<A, Refusal>>>(body: &[u8], ask: impl FnOnce(Q) -> F) -> Response {
    command_within(COMMAND_TIMEOUT, "look at GET /v1/maintenance whether it is in force, and at the disk", body, ask).await
}

/// As [`command`], with its own limit; `look` says where to look when that has passed.
pub(super) async fn command_within<Q: DeserializeOwned, A: Serialize, F: Future<Output = Result<A, Refusal>>>(
    limit: Duration,
    look: &str,
    body: &[u8],
    ask: impl FnOnce(Q) -> F,
) -> Response {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                &format!("the body is not what is expected here: {error}"),
                "send a JSON object; see the README, \"Maintenance\"",
            );
        }
    };
    match tokio::time::timeout(limit, ask(request)).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(refusal)) => refused(refusal),
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "it was not written down in time", look),
    }
}

pub(super) fn refused(refusal: Refusal) -> Response {
    let code = match refusal.kind {
        RefusalKind::Wrong => StatusCode::BAD_REQUEST,
        RefusalKind::Blocked | RefusalKind::Overtaken => StatusCode::CONFLICT,
        RefusalKind::Missing => StatusCode::NOT_FOUND,
        RefusalKind::Storage => StatusCode::INTERNAL_SERVER_ERROR,
        RefusalKind::Unread | RefusalKind::Ending => StatusCode::SERVICE_UNAVAILABLE,
    };
    let Refusal { error, hint, preflight, .. } = refusal;
    (code, Json(ApiError { error, hint, preflight, ..ApiError::default() })).into_response()
}
