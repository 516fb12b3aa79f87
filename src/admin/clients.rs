//! `/v1/clients`: who talks to the cluster, and whom a release would break; what `leeward clients` shows.

mod merged;
mod view;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::AdminState;
use super::handlers::refuse;
use crate::releases::{UnknownRelease, Version};

pub use view::{ApiUse, Batches, Client, Clients, Connection, Judged, Library, Reason, Software, TopicUse};

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A release, such as 4.0 or 4.0.1.
    #[serde(default)]
    incompatible_with: Option<String>,
}

pub(super) async fn clients(State(state): State<AdminState>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let target =
        asked.map_err(|error| error.body_text()).and_then(|Query(asked)| target(asked.incompatible_with.as_deref()).map_err(|error| error.to_string()));
    let target = match target {
        Ok(target) => target,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, "ask for /v1/clients, or for /v1/clients?incompatible_with=4.0"),
    };
    match state.register.look().await {
        Some(known) => Json(Clients::of(&known, target)).into_response(),
        None => refuse(StatusCode::SERVICE_UNAVAILABLE, "Leeward is ending", "ask again when it runs"),
    }
}

/// An empty text asks for no release.
fn target(text: Option<&str>) -> Result<Option<Version>, UnknownRelease> {
    text.filter(|text| !text.is_empty()).map(str::parse).transpose()
}
