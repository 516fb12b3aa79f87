//! `/v1/tap`: single requests as they pass, one JSON object a line, until whoever asked has seen enough; what `leeward tap` shows.
//!
//! A stream goes on as long as it is read. It ends when the configuration was read again (a token, or a permission, may be gone: ask again), when its reader
//! takes nothing for [`STALL`], and when Leeward ends.

mod asked;
mod contents;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::io::ReaderStream;

use super::AdminState;
use super::events::Ending;
use super::handlers::refuse;
use super::http::Lasting;
use crate::config::Config;
use crate::telemetry::taps::Subscription;

use asked::{Asked, Shown};
pub use contents::{TapBytes, TapFrame, TapRecord};
pub use view::{TapEnd, TapGuard, TapLine, TapPartition, TapRequest, TapStanding, TapTopic};

/// The path, which also asks for more than other questions do: see [`super::access`].
pub(super) const PATH: &str = "/v1/tap";

/// How often a stream says how it stands, whether something passed or not: so its reader knows that it is there.
const STANDING_EVERY: Duration = Duration::from_secs(1);
/// A reader that takes nothing for so long has gone, or has better things to do.
pub(super) const STALL: Duration = Duration::from_secs(10);
/// What may wait for a reader, besides the queue of its subscription.
pub(super) const UNREAD_BYTES_MAX: usize = 64 << 10;

pub(super) async fn tap(
    State(state): State<AdminState>,
    Extension(Ending(ending)): Extension<Ending>,
    lasting: Option<Extension<Lasting>>,
    asked: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let asked = asked.map_err(|error| error.body_text()).and_then(|Query(asked)| Asked::read(&asked));
    let mut asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, asked::HINT),
    };
    let config = Arc::clone(&state.config.load());
    asked.shown.permitted = config.tap.records;
    if asked.shown.records && !config.tap.records {
        return refuse(StatusCode::CONFLICT, "records are not shown here: tap.records is false", "set tap.records = true in the configuration and reload it");
    }
    if asked.shown.records || asked.shown.frames {
        asked.wanted.frame_bytes = config.tap.frame_bytes_max;
    }
    let Asked { wanted, shown, count } = asked;
    let subscription = match state.telemetry.taps().subscribe(wanted) {
        Ok(subscription) => subscription,
        Err(error) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), "end one of them; its place is free at once"),
    };
    let lasting = lasting.map(|Extension(lasting)| lasting.begin());
    let (reader, out) = tokio::io::duplex(UNREAD_BYTES_MAX);
    tokio::spawn(async move {
        tokio::select! {
            // A reader that has gone is found out by writing.
            _ = tell(&state, &config, subscription, shown, count, out) => {}
            () = ending.cancelled() => {}
        }
        drop(lasting);
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Body::from_stream(ReaderStream::new(reader))).into_response()
}

async fn tell(
    state: &AdminState,
    config: &Arc<Config>,
    mut subscription: Subscription,
    shown: Shown,
    count: u64,
    mut out: DuplexStream,
) -> std::io::Result<()> {
    let mut standings = interval(STANDING_EVERY);
    standings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = count;
    while left > 0 {
        tokio::select! {
            told = subscription.next() => {
                let Some(told) = told else { break };
                line(&mut out, &TapLine::Request(Box::new(TapRequest::of(&told, shown)))).await?;
                left -= 1;
            }
            _ = standings.tick() => {
                line(&mut out, &TapLine::Standing(TapStanding::of(subscription.standing()))).await?;
                if !Arc::ptr_eq(config, &state.config.load()) {
                    return line(&mut out, &TapLine::End(TapEnd { reason: "the configuration was read again; ask again".to_owned() })).await;
                }
            }
        }
    }
    line(&mut out, &TapLine::Standing(TapStanding::of(subscription.standing()))).await
}

async fn line(out: &mut DuplexStream, line: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    timeout(STALL, out.write_all(&text)).await?
}
