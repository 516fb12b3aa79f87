//! Tokens over HTTP: what is answered, and what the audit file says of who it was.

use super::*;

const READER: &str = "reader-0123456789";
const WRITER: &str = "writer-0123456789";

/// A request with a token; the answer's code, its head, its body.
async fn ask(running: &Running, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String, String) {
    let given = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    // A name that resolves to the machine: with a token it may be any.
    let text = format!("{method} {path} HTTP/1.1\r\nhost: leeward.example\r\n{given}content-length: {}\r\n\r\n{body}", body.len());
    running.exchange(text).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tokens_everything_but_the_probes_asks_for_one() {
    let directory = tempfile::tempdir().unwrap();
    let said = format!("[admin.tokens]\nread_only = {{ scraper = \"{READER}\" }}\nread_write = {{ ops = \"{WRITER}\" }}\n");
    let running = start_configured(directory.path(), &said, nothing, Telemetry::new(1).0).await;
    healthy(&running);
    assert_eq!(ask(&running, "GET", "/livez", None, "").await.0, 200);
    assert_eq!(ask(&running, "GET", "/readyz", None, "").await.0, 503);
    for path in ["/metrics", "/v1/status", "/v1/openapi.json", "/nowhere"] {
        let (code, head, body) = ask(&running, "GET", path, None, "").await;
        let error: ApiError = serde_json::from_str(&body).unwrap();
        assert!(code == 401 && head.contains("www-authenticate: Bearer realm=\"leeward\"\r\n"), "{path}: {code} {head}");
        assert!(error.hint.contains("--token-file") && error.hint.contains("LEEWARD_TOKEN"), "{error:?}");
        assert!(head.contains("leeward-version: "), "a command must know that it talks to Leeward");
    }
    assert_eq!(ask(&running, "GET", "/v1/status", Some(READER), "").await.0, 200);
    assert_eq!(ask(&running, "GET", "/nowhere", Some(READER), "").await.0, 404);
    let (code, head, _) = ask(&running, "GET", "/v1/status", Some("writer-0123456788"), "").await;
    assert!(code == 401 && head.contains("invalid_token"), "{code} {head}");
    let open = r#"{"reason": "upgrade", "author": "alice"}"#;
    let (code, head, body) = ask(&running, "POST", "/v1/maintenance/on", Some(READER), open).await;
    assert!(code == 403 && head.contains("insufficient_scope") && body.contains("admin.tokens.read_write"), "{code} {head} {body}");
    assert_eq!(ask(&running, "GET", "/v1/audit", Some(READER), "").await.2.matches("\"at\"").count(), 0, "what was turned away has done nothing");

    assert_eq!(ask(&running, "POST", "/v1/maintenance/on", Some(WRITER), open).await.0, 200);
    assert_eq!(ask(&running, "POST", "/v1/maintenance/off", Some(WRITER), r#"{"reason": "done"}"#).await.0, 200);
    let schedule = r#"{"reason": "patches", "cron": "0 2 * * SAT", "zone": "UTC", "for": "3h", "author": "bob"}"#;
    assert_eq!(ask(&running, "POST", "/v1/maintenance/schedules", Some(WRITER), schedule).await.0, 200);
    assert_eq!(ask(&running, "DELETE", "/v1/maintenance/schedules", Some(WRITER), r#"{"reason": "r", "id": "s1"}"#).await.0, 200);
    let audit: Audit = serde_json::from_str(&ask(&running, "GET", "/v1/audit", Some(READER), "").await.2).unwrap();
    let who: Vec<_> = audit.entries.iter().map(|entry| (entry.what.as_str(), entry.who.as_str())).collect();
    let expected =
        [("window opened", "alice (token ops)"), ("window closed", "token ops"), ("schedule added", "bob (token ops)"), ("schedule removed", "token ops")];
    assert_eq!(who, expected);
    let written = std::fs::read_to_string(directory.path().join("audit.jsonl")).unwrap() + &ask(&running, "GET", "/v1/config", Some(READER), "").await.2;
    assert!(!written.contains(READER) && !written.contains(WRITER) && written.contains("(hidden)"));

    // What is configured now counts, without a restart.
    let text = format!("upstream.bootstrap = [\"a:1\"]\nadmin.tokens.read_write = {{ ops = \"{READER}\" }}\n");
    running.state.config.store(Arc::new(Config::from_parts(Some((std::path::Path::new("f"), &text)), &[]).unwrap()));
    assert_eq!(ask(&running, "GET", "/v1/status", Some(WRITER), "").await.0, 401);
    assert_eq!(ask(&running, "POST", "/v1/reload", Some(READER), "").await.0, 200);
    running.stop().await;
}
