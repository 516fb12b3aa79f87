//! `/v1/events`: what the page shows, as server-sent events. A picture of everything that is cheap each second, and the cluster as often as it is read.
//!
//! However many streams there are, each picture is made once. A stream ends by itself after [`LIFETIME`] and is asked for again: a token that is not
//! configured any more sees nothing after that.

mod snapshot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;

use super::AdminState;
use super::brokers::ClusterPicture;
use super::handlers::refuse;
use super::http::EXCHANGE_TIMEOUT;
use crate::guard::time::{millis, rfc3339};

pub use snapshot::{ApiFigures, Snapshot};

/// The path, which also asks for more than other questions do: see [`super::access`].
pub(super) const PATH: &str = "/v1/events";

/// Streams at a time: a quarter of the endpoint's connections, so that pages that were left open keep out neither probes nor commands.
pub(super) const STREAMS_MAX: usize = 16;
/// One stream.
const LIFETIME: Duration = Duration::from_secs(25);
const _: () = assert!(LIFETIME.as_secs() < EXCHANGE_TIMEOUT.as_secs(), "a stream ends by itself, before it is cut");
/// From one picture to the next.
const EVERY: Duration = Duration::from_secs(1);
/// A picture that is not older than this serves another stream too.
const FRESH: Duration = Duration::from_millis(900);
/// From one reading of the cluster to the next: each asks every broker.
const CLUSTER_EVERY: Duration = Duration::from_secs(10);
/// The same, when Leeward has seen the cluster change since.
const CLUSTER_CHANGED: Duration = Duration::from_secs(2);
/// What may wait for a page that reads slowly; more, and its next picture is a later one.
const UNREAD_BYTES_MAX: usize = 256 << 10;

/// The streams, and the pictures that they share.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    places: Arc<Semaphore>,
    latest: Arc<Mutex<Option<Picture>>>,
    cluster: Arc<Mutex<Reading>>,
}

impl Default for Feed {
    fn default() -> Self {
        Feed { places: Arc::new(Semaphore::new(STREAMS_MAX)), latest: Arc::default(), cluster: Arc::default() }
    }
}

/// A snapshot, written.
#[derive(Debug)]
struct Picture {
    made: Instant,
    text: Arc<str>,
}

/// The last reading of the cluster.
#[derive(Debug, Default)]
struct Reading {
    /// Counts the readings; 0: none yet.
    number: u64,
    text: Arc<str>,
    begun: Option<Instant>,
    /// What Leeward itself knew then.
    generation: u64,
    under_way: Option<JoinHandle<()>>,
}

/// The cluster as it was read, or why it could not be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClusterEvent {
    /// RFC 3339.
    pub at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterPicture>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// When the endpoint ends, streams do.
#[derive(Debug, Clone)]
pub(super) struct Ending(pub(super) CancellationToken);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// End after so many pictures.
    #[serde(default)]
    count: Option<u32>,
}

pub(super) async fn events(
    State(state): State<AdminState>,
    Extension(feed): Extension<Feed>,
    Extension(Ending(ending)): Extension<Ending>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let count = match asked {
        Ok(Query(Asked { count: Some(0) })) => return refuse(StatusCode::BAD_REQUEST, "no picture was asked for", "write ?count=1, or nothing"),
        Ok(Query(Asked { count })) => count.unwrap_or(u32::MAX),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text(), "write ?count=1, or nothing"),
    };
    let Ok(place) = Arc::clone(&feed.places).try_acquire_owned() else {
        let error = format!("{STREAMS_MAX} streams are open, as many as may be");
        return refuse(StatusCode::SERVICE_UNAVAILABLE, &error, "close a page that shows this Leeward; a place is free within a second");
    };
    let (page, out) = tokio::io::duplex(UNREAD_BYTES_MAX);
    tokio::spawn(async move {
        tokio::select! {
            // A page that has gone is found out by writing.
            _ = tell(&state, &feed, count, out) => {}
            () = ending.cancelled() => {}
        }
        drop(place);
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Body::from_stream(ReaderStream::new(page))).into_response()
}

async fn tell(state: &AdminState, feed: &Feed, count: u32, mut out: DuplexStream) -> std::io::Result<()> {
    let until = tokio::time::Instant::now() + LIFETIME;
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = 0;
    for _ in 0..count {
        if tick.tick().await >= until {
            break;
        }
        let (number, cluster) = feed.cluster(state);
        if number > seen {
            seen = number;
            event(&mut out, "cluster", &cluster).await?;
        }
        event(&mut out, "snapshot", &feed.snapshot(state)).await?;
    }
    Ok(())
}

/// JSON has no line breaks, so that one line holds it.
async fn event(out: &mut DuplexStream, name: &str, data: &str) -> std::io::Result<()> {
    out.write_all(format!("event: {name}\ndata: {data}\n\n").as_bytes()).await
}

impl Feed {
    /// The picture of this second.
    fn snapshot(&self, state: &AdminState) -> Arc<str> {
        let mut latest = lock(&self.latest);
        if let Some(picture) = latest.as_ref().filter(|picture| picture.made.elapsed() < FRESH) {
            return Arc::clone(&picture.text);
        }
        let text: Arc<str> = written(&Snapshot::of(state)).into();
        *latest = Some(Picture { made: Instant::now(), text: Arc::clone(&text) });
        text
    }

    /// The last reading of the cluster, by number. Begins the next one when it is time; nobody waits for it.
    fn cluster(&self, state: &AdminState) -> (u64, Arc<str>) {
        let mut reading = lock(&self.cluster);
        let generation = state.view.load().generation;
        if reading.is_due(generation) {
            reading.begun = Some(Instant::now());
            reading.generation = generation;
            let (cluster, state) = (Arc::clone(&self.cluster), state.clone());
            reading.under_way = Some(tokio::spawn(async move {
                let read = read(&state).await;
                let mut reading = lock(&cluster);
                reading.number += 1;
                reading.text = written(&read).into();
            }));
        }
        (reading.number, Arc::clone(&reading.text))
    }
}

impl Reading {
    fn is_due(&self, generation: u64) -> bool {
        let is_idle = self.under_way.as_ref().is_none_or(JoinHandle::is_finished);
        let wait = if generation == self.generation { CLUSTER_EVERY } else { CLUSTER_CHANGED };
        is_idle && self.begun.is_none_or(|begun| begun.elapsed() >= wait)
    }
}

async fn read(state: &AdminState) -> ClusterEvent {
    let census = state.operator.census().await;
    let now = SystemTime::now();
    let at = rfc3339(now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis));
    match census {
        Ok(census) => ClusterEvent {
            at,
            cluster: Some(ClusterPicture::of(&census, &state.maintenance.drains(), &state.telemetry.traffic(Instant::now()), now)),
            problem: None,
        },
        Err(error) => ClusterEvent { at, cluster: None, problem: Some(format!("the cluster could not be read: {error}")) },
    }
}

fn written(what: &impl Serialize) -> String {
    // Names as keys, numbers and texts: there is nothing that JSON cannot hold.
    serde_json::to_string(what).unwrap_or_else(|error| format!("{{\"problem\": \"{error}\"}}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
