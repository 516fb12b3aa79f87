//! One function for each path.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::oneshot;

use super::api::{ApiError, VERSION_HEADER};
use super::brokers;
use super::maintenance;
use super::readiness::check;
use super::report;
use super::status::Status;
use super::{AdminCommand, AdminState};
use crate::telemetry::Telemetry;

/// A thousand names of a window's scope fit; what comes is not read further than this.
const BODY_BYTES_MAX: usize = 512 << 10;

/// How long a command may take before its asker is told that it is not known how it ended: each reads or writes a file.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// Every path of the endpoint.
pub fn router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/status", get(status))
        .route("/v1/config", get(config))
        .route("/v1/reload", post(reload))
        .merge(report::routes())
        .merge(brokers::routes())
        .route("/v1/maintenance", get(maintenance::status))
        .route("/v1/maintenance/preflight", get(maintenance::preflight))
        .route("/v1/maintenance/on", post(maintenance::on))
        .route("/v1/maintenance/off", post(maintenance::off))
        .route("/v1/maintenance/schedules", get(maintenance::schedules).post(maintenance::schedule).delete(maintenance::unschedule))
        .route("/v1/audit", get(maintenance::audit))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(not_from_a_page))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(signed))
        .with_state(state)
}

async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(state): State<AdminState>) -> Response {
    let ready = check(&state.readiness.load(), &state.view.load());
    let code = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(ready)).into_response()
}

async fn metrics(State(state): State<AdminState>) -> Response {
    ([(header::CONTENT_TYPE, Telemetry::CONTENT_TYPE)], state.telemetry.render()).into_response()
}

async fn status(State(state): State<AdminState>) -> Json<Status> {
    Json(Status::of(&state))
}

async fn config(State(state): State<AdminState>) -> Response {
    Json(state.config.load().settings()).into_response()
}

async fn reload(State(state): State<AdminState>) -> Response {
    let (reply, answer) = oneshot::channel();
    let outcome = tokio::time::timeout(COMMAND_TIMEOUT, async {
        state.commands.send(AdminCommand::Reload { reply }).await.ok()?;
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

async fn no_such_path(uri: Uri) -> Response {
    let error = format!("there is no {}", uri.path());
    let hint = "there are GET /livez, /readyz, /metrics, /v1/status, /v1/config, /v1/report, /v1/report/episodes, /v1/cluster, /v1/brokers/{id}/may-stop, \
                /v1/brokers/{id}/may-continue, /v1/maintenance, /v1/maintenance/preflight, \
                /v1/maintenance/schedules, /v1/audit and POST /v1/reload, /v1/maintenance/on, /v1/maintenance/off, /v1/maintenance/schedules";
    refuse(StatusCode::NOT_FOUND, &error, hint)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let right = match uri.path() {
        "/v1/reload" | "/v1/maintenance/on" | "/v1/maintenance/off" => "POST",
        "/v1/maintenance/schedules" => "GET, POST or DELETE",
        _ => "GET",
    };
    let error = format!("{} does not take {method}", uri.path());
    refuse(StatusCode::METHOD_NOT_ALLOWED, &error, &format!("send {right}"))
}

pub(super) fn refuse(code: StatusCode, error: &str, hint: &str) -> Response {
    (code, Json(ApiError { error: error.to_owned(), hint: hint.to_owned(), ..ApiError::default() })).into_response()
}

/// A page in an operator's browser can send a POST to this machine's ports, and browsers then name the page; commands and scripts do not.
async fn not_from_a_page(request: Request, next: Next) -> Response {
    if request.method() != Method::GET && request.headers().contains_key(header::ORIGIN) {
        return refuse(StatusCode::FORBIDDEN, "a web page may not send commands", "use the leeward command, or a request without an Origin header");
    }
    next.run(request).await
}

/// Says whose answer it is.
async fn signed(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}
