//! `/v1/reassign/layout`: what a reassignment is planned from. Whoever asks plans: that takes seconds where a cluster is large.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::AdminState;
use super::handlers::{NoQuery, refuse};

pub(super) async fn layout(State(state): State<AdminState>, _: NoQuery) -> Response {
    let draining = state.maintenance.draining().borrow().0.clone();
    match state.operator.layout(&draining).await {
        Ok(layout) => Json(layout).into_response(),
        Err(error) => {
            let hint = "look at the brokers, and at leeward status; where they ask for a login, set upstream.sasl_plain";
            refuse(StatusCode::SERVICE_UNAVAILABLE, &format!("the cluster could not be read: {error}"), hint)
        }
    }
}
