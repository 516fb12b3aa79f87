//! `/v1/brokers/{id}/rehearse`: gathers what the rehearsal decides from. It changes nothing, and asks the brokers only what a census asks.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::AdminState;
use super::brokers::census;
use super::handlers::{NO_NODE_ID, NoQuery, NodeId, refuse};
use crate::config::{Absorb, Config};
use crate::rolling::rehearsal::{Client, Settings, Traffic, rehearse};
use crate::session::{About, Hindrance};
use crate::telemetry::traffic::NodeTraffic;

/// A worker that does not tell of its clients within it is at its end.
const SURVEY_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn status(State(state): State<AdminState>, NodeId(node_id): NodeId, _: NoQuery) -> Response {
    let census = match census(&state).await {
        Ok(census) => census,
        Err(refusal) => return refusal,
    };
    let Some(clients) = tokio::time::timeout(SURVEY_TIMEOUT, state.surveyor.survey()).await.ok().flatten() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the clients could not be asked about: Leeward is ending", "ask again when it runs");
    };
    let clients: Vec<Client> = clients.iter().filter(|about| about.home == Some(node_id)).map(client).collect();
    let traffic = state.telemetry.traffic(Instant::now()).get(&Some(node_id)).copied().map(traffic).unwrap_or_default();
    let settings = settings(&state.config.load(), state.maintenance.is_window_open());
    let draining = state.maintenance.draining().borrow().0.clone();
    match rehearse(&census, node_id, &traffic, &clients, settings, &draining) {
        Ok(rehearsal) => Json(rehearsal).into_response(),
        Err(error) => refuse(StatusCode::NOT_FOUND, &error.to_string(), NO_NODE_ID),
    }
}

fn client(about: &About) -> Client {
    Client {
        client_id: about.client_id.to_string(),
        library: about.library,
        produce_limit: about.produce_limit,
        hindrance: about.hindrance.map(Hindrance::meaning),
        sees_losses: about.hindrance.is_some_and(Hindrance::lets_losses_through),
    }
}

fn traffic(node: NodeTraffic) -> Traffic {
    let rates = node.now;
    Traffic {
        sessions: node.totals.sessions,
        produce: rates.produce,
        fetch: rates.fetch,
        other: rates.other,
        produce_bytes: rates.produce_bytes,
        other_bytes: (rates.bytes - rates.produce_bytes).max(0.0),
    }
}

fn settings(config: &Config, window_open: bool) -> Settings {
    let guard = &config.guard;
    let absorbs = match guard.absorb {
        Absorb::Always => true,
        Absorb::Window => window_open,
        Absorb::Never => false,
    };
    Settings {
        absorbs: absorbs && !guard.watch_only,
        window_open,
        hold_max: guard.hold_max,
        held_bytes_max: u64::try_from(guard.held_bytes_max).unwrap_or(u64::MAX),
    }
}
