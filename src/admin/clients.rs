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
    /// With a release: neither connections nor clients that would go on working.
    #[serde(default)]
    only_at_risk: bool,
}

pub(super) async fn clients(State(state): State<AdminState>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let understood = asked.map_err(|error| error.body_text()).and_then(|Query(asked)| Ok((asked.target()?, asked.only_at_risk)));
    let (target, only_at_risk) = match understood {
        Ok(understood) => understood,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, "ask for /v1/clients, or for /v1/clients?incompatible_with=4.0"),
    };
    match state.register.look().await {
        Some(known) => {
            let clients = Clients::of(&known, target);
            Json(if only_at_risk { clients.at_risk() } else { clients }).into_response()
        }
        None => refuse(StatusCode::SERVICE_UNAVAILABLE, "Leeward is ending", "ask again when it runs"),
    }
}

impl Asked {
    /// An empty text asks for no release.
    fn target(&self) -> Result<Option<Version>, String> {
        let target = self.incompatible_with.as_deref().filter(|text| !text.is_empty());
        let target = target.map(|text| text.parse().map_err(|error: UnknownRelease| error.to_string())).transpose()?;
        if self.only_at_risk && target.is_none() {
            return Err("only_at_risk needs a release that would put clients at risk".to_owned());
        }
        Ok(target)
    }
}
