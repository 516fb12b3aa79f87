//! One function for each path.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use tokio::sync::oneshot;

use super::access::Caller;
use super::api::{ApiError, ReloadRequest, VERSION_HEADER};
use super::readiness::check;
use super::status::Status;
use super::{AdminCommand, AdminState};
use crate::guard::windows::TEXT_BYTES_MAX;
use crate::telemetry::{Standing, Telemetry};

/// What the endpoint offers, for programs: paths, bodies, answers.
pub(super) const OPENAPI: &str = include_str!("../../config/openapi.json");

/// A thousand names of a window's scope fit; what comes is not read further than this.
pub(super) const BODY_BYTES_MAX: usize = 512 << 10;

/// An assignment of some 80,000 partitions, at 100 bytes each and with room.
pub(super) const ASSIGNMENT_BYTES_MAX: usize = 8 << 20;

/// How long a command may take before its asker is told that it is not known how it ended: each reads or writes a file.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn livez() -> &'static str {
    "alive\n"
}

pub(super) async fn readyz(State(state): State<AdminState>) -> Response {
    let ready = check(&state.readiness.load(), &state.view.load());
    let code = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(ready)).into_response()
}

pub(super) async fn metrics(State(state): State<AdminState>) -> Response {
    ([(header::CONTENT_TYPE, Telemetry::CONTENT_TYPE)], state.telemetry.render(standing(&state))).into_response()
}

/// What telemetry itself does not know.
fn standing(state: &AdminState) -> Standing {
    let config = state.config.load();
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Standing {
        ready: check(&state.readiness.load(), &state.view.load()).ready,
        held_bytes_max: wide(config.guard.held_bytes_max),
        sessions_max: wide(config.limits.sessions_max),
        window: state.maintenance.open_between(),
        draining: state.maintenance.drains().draining().0,
        roll: state.roll.label(),
        reassignment: state.reassign.standing(),
    }
}

pub(super) async fn status(State(state): State<AdminState>) -> Json<Status> {
    Json(Status::of(&state))
}

pub(super) async fn config(State(state): State<AdminState>) -> Response {
    Json(state.config.load().settings()).into_response()
}

/// The document of this endpoint.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

pub(super) async fn reload(State(state): State<AdminState>, Extension(caller): Extension<Caller>, Body(body): Body) -> Response {
    let request = match reload_request(&body) {
        Ok(request) => request,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, "send nothing, or a JSON object such as {\"reason\": \"…\", \"author\": \"…\"}"),
    };
    let (reply, answer) = oneshot::channel();
    let command = AdminCommand::Reload { who: caller.sign(request.author), why: request.reason, reply };
    let outcome = tokio::time::timeout(COMMAND_TIMEOUT, async {
        state.commands.send(command).await.ok()?;
        answer.await.ok()
    });
    match outcome.await {
        Ok(Some(Ok(reloaded))) => Json(reloaded).into_response(),
        Ok(Some(Err(errors))) => {
            let error = format!("errors in the configuration: {}; the old one stays in force", errors.0.len());
            let hint = "correct them (leeward config check shows the same) and reload again".to_owned();
            (StatusCode::UNPROCESSABLE_ENTITY, Json(ApiError { error, hint, config_errors: errors.0, preflight: None })).into_response()
        }
        Ok(None) => refuse(StatusCode::SERVICE_UNAVAILABLE, "Leeward is ending", "start it again; it reads its configuration then"),
        Err(_) => refuse(StatusCode::GATEWAY_TIMEOUT, "the reload did not end in time", "look at the log for \"configuration reloaded\""),
    }
}

/// What a body asks for; scripts send none.
fn reload_request(body: &[u8]) -> Result<ReloadRequest, String> {
    if body.trim_ascii().is_empty() {
        return Ok(ReloadRequest::default());
    }
    let request: ReloadRequest = serde_json::from_slice(body).map_err(|error| format!("the body is not what is expected here: {error}"))?;
    let longest = request.reason.iter().chain(&request.author).map(String::len).max();
    if longest > Some(TEXT_BYTES_MAX) { Err(format!("the reason or the author has more than {TEXT_BYTES_MAX} bytes")) } else { Ok(request) }
}

/// The whole of a request's body, or the refusal of one that is too long or breaks off.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<AdminState> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AdminState) -> Result<Self, Response> {
        let read = Bytes::from_request(request, state).await;
        read.map(Body).map_err(|rejection| {
            let hint = format!("send at most {BODY_BYTES_MAX} bytes (with an assignment {ASSIGNMENT_BYTES_MAX}), and all that content-length says");
            refuse(rejection.status(), &format!("the body cannot be read: {}", rejection.body_text()), &hint)
        })
    }
}

/// The broker that a path names, or the refusal of what is no node id.
pub(super) struct NodeId(pub(super) i32);

impl FromRequestParts<AdminState> for NodeId {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AdminState) -> Result<Self, Response> {
        let read = Path::<i32>::from_request_parts(parts, state).await;
        read.map(|Path(node_id)| NodeId(node_id)).map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.body_text(), NO_NODE_ID))
    }
}

/// What to do where a path names no broker.
pub(super) const NO_NODE_ID: &str = "name the broker by its node id, a whole number that GET /v1/cluster lists";

/// Holds that nothing is asked behind a question mark.
pub(super) struct NoQuery;

impl FromRequestParts<AdminState> for NoQuery {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &AdminState) -> Result<Self, Response> {
        match parts.uri.query() {
            None | Some("") => Ok(NoQuery),
            Some(query) => Err(refuse(StatusCode::BAD_REQUEST, &format!("this takes no query, and got {query}"), "ask without a query")),
        }
    }
}

pub(super) fn refuse(code: StatusCode, error: &str, hint: &str) -> Response {
    (code, Json(ApiError { error: error.to_owned(), hint: hint.to_owned(), ..ApiError::default() })).into_response()
}

/// Says whose answer it is.
pub(super) async fn signed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}
