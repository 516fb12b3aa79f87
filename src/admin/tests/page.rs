//! The page's files, and the stream that it lives on.

use serde_json::Value;

use super::schema::problems;
use super::*;
use crate::admin::events::{ClusterEvent, STREAMS_MAX, Snapshot};
use crate::admin::handlers::OPENAPI;

/// The events of a stream: names and data.
fn events(chunks: &str) -> Vec<(String, String)> {
    let (mut text, mut rest) = (String::new(), chunks);
    while let Some((length, chunk)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        text += &chunk[..length];
        rest = chunk[length..].strip_prefix("\r\n").unwrap();
    }
    let event = |event: &str| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        (name.to_owned(), data.to_owned())
    };
    text.split_terminator("\n\n").map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_served_with_nothing_from_elsewhere() {
    let running = start(nothing).await;
    for (path, kind) in [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")] {
        let (code, head, body) = running.exchange(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        assert!(code == 200 && head.contains(&format!("content-type: {kind}; charset=utf-8\r\n")), "{path}: {head}");
        for said in
            ["x-content-type-options: nosniff", "referrer-policy: no-referrer", "cache-control: no-store", "content-security-policy: default-src 'none'; "]
        {
            assert!(head.contains(said), "{path}: {said}: {head}");
        }
        let policy = head.lines().find(|line| line.starts_with("content-security-policy")).unwrap();
        assert!(!policy.contains("unsafe") && !policy.contains('*') && policy.contains("frame-ancestors 'none'"), "{policy}");
        for elsewhere in ["http://", "https://", "//cdn", "@import", "url("] {
            let found = body.lines().find(|line| line.contains(elsewhere) && !line.contains("http://www.w3.org/2000/svg"));
            assert_eq!(found, None, "{path} must need nothing from elsewhere");
        }
        for unsafe_word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"] {
            assert!(!body.contains(unsafe_word), "{path}: {unsafe_word}: what clients and brokers call themselves is text");
        }
    }
    let (_, _, page) = running.exchange("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()).await;
    // The newest release is the one that is chosen at first.
    let releases: Vec<_> = page.split("<option>").skip(1).filter_map(|option| option.split('<').next()).collect();
    let known: Vec<_> = crate::releases::Release::all().rev().map(crate::releases::Release::name).collect();
    assert!(releases == known && releases.first() == Some(&"4.4") && releases.last() == Some(&"2.1") && !page.contains('{'), "{releases:?}");
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick=") && page.matches("<script").count() == 1, "{page}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_tells_what_is() {
    let (telemetry, workers) = Telemetry::new(1);
    let directory = tempfile::tempdir().unwrap();
    let running = start_with(directory.path(), nothing, Arc::clone(&telemetry)).await;
    healthy(&running);
    running.state.view.store(Arc::new(view(&[broker(1, true), broker(2, false)])));
    told(&telemetry, &workers[0]);
    let _: OnAnswer = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "upgrade"}"#).await, 200);
    let (code, head, stream) = running.exchange("GET /v1/events?count=2 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()).await;
    assert!(code == 200 && head.contains("content-type: text/event-stream\r\n") && head.contains("cache-control: no-store\r\n"), "{head}");
    let events = events(&stream);
    let snapshots: Vec<_> = events.iter().filter(|(name, _)| name == "snapshot").map(|(_, data)| data).collect();
    assert_eq!(snapshots.len(), 2, "{stream}");
    let snapshot: Snapshot = serde_json::from_str(snapshots[1]).unwrap();
    assert_eq!((snapshot.absorbed, snapshot.reached, snapshot.maintenance.open[0].reason.as_str()), (1, 1, "upgrade"));
    let reachable: Vec<_> = snapshot.status.cluster.brokers.iter().map(|broker| (broker.node_id, broker.reachable)).collect();
    assert_eq!(reachable, [(1, true), (2, false)]);
    assert_eq!(snapshot.bounds_seconds.len(), 19);
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    for (name, data) in &events {
        let schema = if name == "snapshot" { "Snapshot" } else { "ClusterEvent" };
        let value: Value = serde_json::from_str(data).unwrap();
        assert_eq!(problems(&document, &document["components"]["schemas"][schema], &value), Vec::<String>::new(), "{name}: {data}");
    }
    // The cluster of this test cannot be read, which is told too.
    let (_, _, stream) = running.exchange("GET /v1/events?count=2 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()).await;
    let (_, cluster) = self::events(&stream).into_iter().find(|(name, _)| name == "cluster").expect("what was read before is told at once");
    let cluster: ClusterEvent = serde_json::from_str(&cluster).unwrap();
    assert!(cluster.cluster.is_none() && cluster.problem.unwrap().contains("could not be read"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_few_and_end_with_the_server() {
    let running = start(nothing).await;
    let open = || {
        let mut stream = TcpStream::connect(running.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        (stream, String::from_utf8_lossy(&first).into_owned())
    };
    let mut streams: Vec<_> = (0..STREAMS_MAX).map(|_| open()).collect();
    assert!(streams.iter().all(|(_, first)| first == "HTTP/1.1 200"), "{streams:?}");
    assert_eq!(open().1, "HTTP/1.1 503");
    assert_eq!(running.ask("GET", "/livez").await.0, 200, "they do not keep others out");
    // The place of a page that was closed is free when its next picture is due.
    drop(streams.pop());
    let deadline = Instant::now() + Duration::from_secs(10);
    while open().1 != "HTTP/1.1 200" {
        assert!(Instant::now() < deadline, "the place is never free again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begun = Instant::now();
    running.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "streams must not hold up the end");
    for (mut stream, _) in streams {
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
}
