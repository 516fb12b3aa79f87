//! The stream of single requests, held to the document.

use serde_json::Value;

use super::schema::problems;
use super::*;
use crate::admin::handlers::OPENAPI;
use crate::admin::tap::{TapLine, TapRequest};
use crate::guard::{Event, HoldEnd};
use crate::session::Observer;
use crate::tap::{Answer, Delivery, End, LISTENERS_MAX, Request, Tapped};
use crate::telemetry::WorkerMetrics;

/// Metadata v1 for topic t, by client c.
const METADATA: [u8; 22] = [0, 0, 0, 18, 0, 3, 0, 1, 0, 0, 0, 7, 0, 1, b'c', 0, 0, 0, 1, 0, 1, b't'];
/// Its answer: no broker, and error 5 for the topic.
const ANSWER: [u8; 30] = [0, 0, 0, 26, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 5, 0, 1, b't', 0, 0, 0, 0, 0];

/// As a session tells of a request that was held, to those who listen now; false: nobody does.
fn passes(worker: &WorkerMetrics) -> bool {
    let request = Request { api_key: 3, api_version: 1, correlation_id: 7, frame_bytes: METADATA.len(), ..Request::default() };
    let tapped = worker.tap(|listeners| Tapped::choose(listeners, request, &METADATA, &|_| None, 1_000));
    let Some(mut tapped) = tapped.flatten() else { return false };
    tapped.note(&Event::HoldBegan { api_key: 3, frame_bytes: METADATA.len() });
    tapped.note(&Event::Absorbed { api_key: 3, code: 15 });
    tapped.note(&Event::HoldEnded { api_key: 3, frame_bytes: METADATA.len(), end: HoldEnd::Resent, nanos: 5_000 });
    tapped.answered(&ANSWER, Answer { frame_bytes: ANSWER.len(), broker_nanos: 4_000, own_nanos: 2_000, ..Answer::default() }, &|_| None);
    tapped.ended(End::Answered, 9_000);
    let peer = "127.0.0.1:5".parse().unwrap();
    tapped.deliver(Delivery { at_micros: 1_500_000, peer, local: None, node_id: Some(1), home: None });
    true
}

/// The lines of a chunked answer.
fn lines(chunks: &str) -> Vec<String> {
    let (mut text, mut rest) = (String::new(), chunks);
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let Ok(length) = usize::from_str_radix(length, 16) else { break };
        text += &chunk[..length];
        rest = chunk[length..].strip_prefix("\r\n").unwrap();
    }
    text.lines().map(str::to_owned).collect()
}

fn requests(lines: &[String]) -> Vec<TapRequest> {
    let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    lines.filter_map(|line| if let TapLine::Request(request) = line { Some(*request) } else { None }).collect()
}

/// Has requests pass until the stream that was asked for has ended.
async fn streamed(running: &Running, worker: &WorkerMetrics, query: &str) -> Vec<String> {
    let asked = running.exchange(format!("GET /v1/tap{query} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    tokio::pin!(asked);
    let mut pass = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            (code, head, stream) = &mut asked => {
                assert!(code == 200 && head.contains("content-type: application/x-ndjson\r\n") && head.contains("cache-control: no-store\r\n"), "{head}");
                return lines(&stream);
            }
            _ = pass.tick() => drop(passes(worker)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_tells_of_single_requests() {
    let (telemetry, workers) = Telemetry::new(1);
    let directory = tempfile::tempdir().unwrap();
    let running = start_with(directory.path(), nothing, Arc::clone(&telemetry)).await;
    assert!(!passes(&workers[0]), "nobody listens");
    let lines = streamed(&running, &workers[0], "?count=2&client=c&api=Metadata&topic=t&error=any").await;
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(problems(&document, &document["components"]["schemas"]["TapLine"], &line), Vec::<String>::new(), "{line}");
    }
    let requests = requests(&lines);
    assert_eq!(requests.len(), 2, "{lines:?}");
    let request = &requests[0];
    assert_eq!((request.at.as_str(), request.peer.as_str(), request.client_id.as_str()), ("1970-01-01T00:00:01.500000Z", "127.0.0.1:5", "c"));
    assert_eq!((request.api.as_str(), request.node_id, request.broker_micros, request.own_micros, request.micros), ("Metadata", Some(1), Some(4), Some(2), 8));
    assert_eq!((request.topics[0].name.as_deref(), request.errors.as_slice()), (Some("t"), ["LEADER_NOT_AVAILABLE".to_owned()].as_slice()));
    let guard = request.guard.as_ref().unwrap();
    assert_eq!(
        (guard.held, guard.held_micros, guard.hold_end.as_deref(), guard.absorbed[0].as_str()),
        (true, Some(5), Some("resent"), "COORDINATOR_NOT_AVAILABLE")
    );
    assert!(!passes(&workers[0]), "who has seen enough listens no more");
    assert_eq!(telemetry.taps().listeners(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stream_too_many_is_refused_and_a_place_is_free_again() {
    let (telemetry, _workers) = Telemetry::new(1);
    let directory = tempfile::tempdir().unwrap();
    let running = start_with(directory.path(), nothing, Arc::clone(&telemetry)).await;
    let taken: Vec<_> = (0..LISTENERS_MAX).map(|_| telemetry.taps().subscribe(crate::tap::Wanted::default()).unwrap()).collect();
    let (code, body) = running.ask("GET", "/v1/tap").await;
    assert!(code == 503 && body.contains("as many as may"), "{code} {body}");
    let (code, body) = running.ask("GET", "/v1/tap?topics=t").await;
    assert!(code == 400 && body.contains("topics is nothing that can be asked for"), "{code} {body}");
    drop(taken);
    assert_eq!(telemetry.taps().listeners(), 0);
    running.stop().await;
}
