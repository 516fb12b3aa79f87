//! `/v1/top`: who does how much, and how fast, as one JSON object a line each second; what `leeward top` shows.
//!
//! It listens to the requests that pass as [`super::tap`] does, takes one of its places, and ends as it does.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::io::ReaderStream;

use super::AdminState;
use super::events::Ending;
use super::handlers::refuse;
use super::http::Lasting;
use super::tap::{STALL, UNREAD_BYTES_MAX};
use crate::guard::time::{millis, rfc3339};
use crate::tap::Wanted;
use crate::tap::top::{By, Latency, Row, SECONDS, Top};
use crate::telemetry::taps::Subscription;

/// The path, which also asks for more than other questions do: see [`super::access`].
pub(super) const PATH: &str = "/v1/top";

/// Requests that are looked at in a second; of a faster Leeward a part.
const LOOKED_AT_PER_SECOND: u32 = 2000;
/// Rows of one kind.
const ROWS_MAX: usize = 50;
const EVERY: Duration = Duration::from_secs(1);

/// What passes, over the last seconds. Rates are for each second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopPicture {
    /// RFC 3339.
    pub at: String,
    /// How many seconds it looks back.
    pub seconds: usize,
    /// One of so many requests was looked at; with 1 the figures are exact, with more estimates.
    pub one_of: f64,
    pub sessions: u64,
    /// Of all APIs, counted and not estimated, over the last second.
    pub requests: f64,
    /// Held now.
    pub held_requests: u64,
    pub held_bytes: u64,
    pub whole: TopRow,
    pub brokers: TopRows,
    pub topics: TopRows,
    pub clients: TopRows,
    pub apis: TopRows,
}

/// Those with the most requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopRows {
    pub rows: Vec<TopRow>,
    /// How many there are besides.
    pub more: usize,
}

/// One broker, topic, client id or API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopRow {
    pub name: String,
    pub requests: f64,
    /// Of whole frames; of a topic those of its records.
    pub request_bytes: f64,
    pub response_bytes: f64,
    /// Answers with an error that the client saw.
    pub errors: f64,
    /// Requests of which the guard kept an error or a lost connection from the client.
    pub absorbed: f64,
    /// Requests that were held for a while.
    pub held: f64,
    /// Milliseconds that half of the answers, and 99 of 100, did not exceed: the broker's time, and Leeward's own. Without requests that wait for something to
    /// happen (Fetch, JoinGroup, SyncGroup, `ShareFetch`), and those that were held; none: nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_p50_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_p99_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_p50_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_p99_ms: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// End after so many pictures.
    #[serde(default)]
    count: Option<u32>,
}

pub(super) async fn top(
    State(state): State<AdminState>,
    Extension(Ending(ending)): Extension<Ending>,
    lasting: Option<Extension<Lasting>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    const HINT: &str = "write ?count=1, or nothing";
    let count = match asked {
        Ok(Query(Asked { count: Some(0) })) => return refuse(StatusCode::BAD_REQUEST, "no picture was asked for", HINT),
        Ok(Query(Asked { count })) => count.unwrap_or(u32::MAX),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text(), HINT),
    };
    let subscription =
        match state.telemetry.taps().subscribe(Wanted { per_second: NonZeroU32::new(LOOKED_AT_PER_SECOND).unwrap_or(NonZeroU32::MIN), ..Wanted::default() }) {
            Ok(subscription) => subscription,
            Err(error) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), "end one of them; its place is free at once"),
        };
    let lasting = lasting.map(|Extension(lasting)| lasting.begin());
    let (reader, out) = tokio::io::duplex(UNREAD_BYTES_MAX);
    tokio::spawn(async move {
        tokio::select! {
            // A reader that has gone is found out by writing.
            _ = tell(&state, subscription, count, out) => {}
            () = ending.cancelled() => {}
        }
        drop(lasting);
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Body::from_stream(ReaderStream::new(reader))).into_response()
}

async fn tell(state: &AdminState, mut subscription: Subscription, count: u32, mut out: DuplexStream) -> std::io::Result<()> {
    let config = Arc::clone(&state.config.load());
    let mut top = Top::default();
    let mut requests = state.telemetry.totals().requests();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let mut left = count;
    // A token may be gone with the configuration of before: ask again.
    while left > 0 && Arc::ptr_eq(&config, &state.config.load()) {
        tokio::select! {
            told = subscription.next() => match told {
                Some(told) => top.note(&told),
                None => break,
            },
            _ = ticks.tick() => {
                top.next_second(subscription.standing());
                let before = std::mem::replace(&mut requests, state.telemetry.totals().requests());
                let mut text = serde_json::to_vec(&picture(state, &top, requests.saturating_sub(before)))?;
                text.push(b'\n');
                timeout(STALL, out.write_all(&text)).await??;
                left -= 1;
            }
        }
    }
    Ok(())
}

fn picture(state: &AdminState, top: &Top, requests: u64) -> TopPicture {
    let totals = state.telemetry.totals();
    let rows = |by: By| {
        let (rows, more) = top.rows(by, ROWS_MAX);
        TopRows { rows: rows.into_iter().map(TopRow::from).collect(), more }
    };
    TopPicture {
        at: rfc3339(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis)),
        seconds: SECONDS,
        one_of: top.scale(),
        sessions: totals.sessions(),
        requests: requests as f64,
        held_requests: totals.held_requests,
        held_bytes: totals.held_bytes,
        whole: top.whole().into(),
        brokers: rows(By::Broker),
        topics: rows(By::Topic),
        clients: rows(By::Client),
        apis: rows(By::Api),
    }
}

impl From<Row> for TopRow {
    fn from(row: Row) -> Self {
        let ms = |latency: Option<Latency>, read: fn(Latency) -> u64| latency.map(|latency| read(latency) as f64 / 1e6);
        TopRow {
            name: row.name.into(),
            requests: row.requests,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
            errors: row.errors,
            absorbed: row.absorbed,
            held: row.held,
            broker_p50_ms: ms(row.broker, |latency| latency.p50),
            broker_p99_ms: ms(row.broker, |latency| latency.p99),
            own_p50_ms: ms(row.own, |latency| latency.p50),
            own_p99_ms: ms(row.own, |latency| latency.p99),
        }
    }
}
