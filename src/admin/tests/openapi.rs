//! `config/openapi.json` against the server, in both directions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schema::{problems, referred};
use super::*;
use crate::admin::access::is_open;
use crate::admin::handlers::{ASSIGNMENT_BYTES_MAX, BODY_BYTES_MAX, OPENAPI};
use crate::admin::routes::table;
use crate::admin::{events, tap, top};
use crate::maintenance::api::{DrainRequest, OffRequest, OnRequest, ScheduleRequest, UndrainRequest, UnscheduleRequest};
use crate::reassign::api as reassign;
use crate::roll::api::{AbortRequest, PauseRequest, ResumeRequest, StartRequest};
use crate::sandbox::{Sandbox, SandboxConfig};

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// One method of one path of the document.
struct Operation {
    method: String,
    path: String,
    said: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let of_path = |(path, methods): (&String, &Value)| -> Vec<Operation> {
        let operation = |(method, said): (&String, &Value)| Operation { method: method.to_uppercase(), path: path.clone(), said: said.clone() };
        methods.as_object().unwrap().iter().map(operation).collect()
    };
    document["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

impl Operation {
    fn changes(&self) -> bool {
        self.method != "GET"
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The path with something in place of each `{part}`.
    fn place(&self) -> String {
        self.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/")
    }

    /// With every parameter that has a default, said.
    fn query(&self) -> String {
        let said = |parameter: &Value| {
            // What stands in the path has its place there.
            (parameter["in"] == "query").then_some(())?;
            let default = &parameter["schema"]["default"];
            Some(format!("{}={}", parameter["name"].as_str()?, default.as_str().map_or_else(|| default.to_string(), str::to_owned)))
        };
        self.said["parameters"].as_array().into_iter().flatten().filter_map(said).collect::<Vec<_>>().join("&")
    }

    fn example(&self) -> String {
        let example = &self.said["requestBody"]["content"]["application/json"]["example"];
        if example.is_null() { String::new() } else { example.to_string() }
    }

    /// The answer is one of those that are written down for it.
    fn hold(&self, document: &Value, (code, body): &(u16, String)) {
        let name = self.name();
        let mut answer = &self.said["responses"][code.to_string()];
        assert!(answer.is_object(), "{name} answered {code}, which the document does not name: {body}");
        if let Some(elsewhere) = answer["$ref"].as_str() {
            answer = referred(document, elsewhere);
        }
        let Some(schema) = answer["content"].get("application/json").map(|content| &content["schema"]) else { return };
        let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{name}: {error}: {body}"));
        assert_eq!(problems(document, schema, &value), Vec::<String>::new(), "{name} {code}: {body}");
    }
}

#[test]
fn the_document_has_every_path_and_no_other() {
    let document = document();
    let served: BTreeSet<_> = table().iter().flat_map(|route| route.methods.iter().map(|method| format!("{method} {}", route.path))).collect();
    let said: BTreeSet<_> = operations(&document).iter().map(Operation::name).collect();
    assert_eq!(served, said, "src/admin/routes.rs has the left, config/openapi.json the right");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for operation in operations(&document) {
        let (name, open) = (operation.name(), is_open(&operation.path));
        assert_eq!(operation.said["security"] == json!([]), open, "{name}: what needs no token says so");
        assert_eq!(operation.said["responses"].get("401").is_none(), open, "{name}");
        assert_eq!(operation.said["responses"].get("403").is_some(), operation.changes(), "{name}");
    }
    let ids: BTreeSet<_> = operations(&document).iter().map(|operation| operation.said["operationId"].to_string()).collect();
    assert_eq!(ids.len(), said.len(), "every operation has a name of its own");
}

#[test]
fn requests_are_what_the_document_says() {
    let document = document();
    let text = || Some("x".to_owned());
    let on = OnRequest { lasts: text(), author: text(), ..OnRequest::default() };
    let run = json!({"reason": "r", "assignment": ""});
    let run = reassign::RunRequest { author: text(), ..serde_json::from_value(run).unwrap() };
    for (schema, request) in [
        ("OpenWindow", serde_json::to_value(on)),
        ("CloseWindows", serde_json::to_value(OffRequest { id: text(), ..OffRequest::default() })),
        ("AddSchedule", serde_json::to_value(ScheduleRequest::default())),
        ("RemoveSchedule", serde_json::to_value(UnscheduleRequest::default())),
        ("DrainBroker", serde_json::to_value(DrainRequest { author: text(), ..DrainRequest::default() })),
        ("UndrainBroker", serde_json::to_value(UndrainRequest { reason: text(), author: text(), ..UndrainRequest::default() })),
        ("StartRoll", serde_json::to_value(StartRequest { author: text(), ..StartRequest::default() })),
        ("PauseRoll", serde_json::to_value(PauseRequest { author: text(), ..PauseRequest::default() })),
        ("ResumeRoll", serde_json::to_value(ResumeRequest { author: text(), ..ResumeRequest::default() })),
        ("AbortRoll", serde_json::to_value(AbortRequest { author: text(), ..AbortRequest::default() })),
        ("RunReassignment", serde_json::to_value(run)),
        ("PauseReassignment", serde_json::to_value(reassign::PauseRequest { author: text(), ..reassign::PauseRequest::default() })),
        ("ResumeReassignment", serde_json::to_value(reassign::ResumeRequest { author: text(), ..reassign::ResumeRequest::default() })),
        ("RollBackReassignment", serde_json::to_value(reassign::RollbackRequest { author: text(), ..reassign::RollbackRequest::default() })),
        ("ReloadRequest", serde_json::to_value(api::ReloadRequest { reason: text(), author: text() })),
    ] {
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let said = &document["components"]["schemas"][schema];
        assert_eq!(names(&said["properties"]), names(&request.unwrap()), "{schema}");
        assert_eq!(said["additionalProperties"], false, "{schema}: unknown fields are refused");
    }
    for operation in operations(&document).iter().filter(|operation| operation.said.get("requestBody").is_some()) {
        let content = &operation.said["requestBody"]["content"]["application/json"];
        assert_eq!(problems(&document, &content["schema"], &content["example"]), Vec::<String>::new(), "{}", operation.name());
    }
}

/// Twice over all that changes something, so that what is closed or removed was opened or added before; what is read is looked at in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_what_the_document_says() {
    let document = document();
    let (telemetry, workers) = Telemetry::new(1);
    let directory = tempfile::tempdir().unwrap();
    let changed = || {
        let change = |applies| Change { key: "k".to_owned(), old: "1".to_owned(), new: "2".to_owned(), applies };
        Ok(Reloaded { applied: vec![change(Applies::Now)], needs_restart: vec![change(Applies::Restart)], not_audited: Some("full".to_owned()) })
    };
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 2, 1, 1).await.unwrap();
    let upstream = format!("upstream.bootstrap = [\"{}\"]\n", sandbox.brokers()[0].1);
    let running = start_configured(directory.path(), &upstream, changed, Arc::clone(&telemetry)).await;
    healthy(&running);
    running.state.view.store(Arc::new(view(&[broker(1, true), broker(2, false)])));
    let listeners = vec![listener(Endpoint::Bootstrap, None), listener(Endpoint::VirtualBroker, Some("in use"))];
    running.state.readiness.store(Arc::new(Readiness { listeners, stopping: false }));
    // A stream does not end by itself within a test's patience; tests/page.rs and tests/tap.rs hold them to the document.
    let all = operations(&document).into_iter().filter(|operation| ![events::PATH, tap::PATH, top::PATH].contains(&operation.path.as_str()));
    let (reads, mut alters): (Vec<_>, Vec<_>) = all.partition(|operation| !operation.changes());
    // A roll, a drain and a reassignment do not go together; another test has that.
    alters.retain(|operation| !operation.path.starts_with("/v1/reassign/"));
    // What begins something before what ends it.
    alters.sort_by_key(|operation| match operation.place() {
        place if place.ends_with("/start") => 0,
        place if place.ends_with("/abort") => 2,
        _ => 1,
    });

    let mut done = BTreeSet::new();
    for round in 0..3 {
        for operation in &reads {
            for query in [String::new(), format!("?{}", operation.query()), "?nonsense=1".to_owned()] {
                let answer = running.ask("GET", &format!("{}{query}", operation.place())).await;
                operation.hold(&document, &answer);
                let is_wrong = query == "?nonsense=1" && operation.said.get("parameters").is_some();
                assert!(!is_wrong || answer.0 == 400, "{}{query}: {answer:?}", operation.name());
                done.extend((answer.0 == 200).then(|| operation.name()));
            }
        }
        for operation in &alters {
            let answer = running.tell(&operation.method, &operation.place(), &operation.example()).await;
            operation.hold(&document, &answer);
            done.extend((answer.0 == 200).then(|| operation.name()));
            let refusal = running.tell(&operation.method, &operation.place(), "{\"nonsense\": 1}").await;
            operation.hold(&document, &refusal);
            assert_eq!(refusal.0, 400, "{}: {}", operation.name(), refusal.1);
            if round == 0 {
                let refusal = running.tell(&operation.method, &operation.place(), &"r".repeat(BODY_BYTES_MAX + 1)).await;
                operation.hold(&document, &refusal);
                assert_eq!(refusal.0, 413, "{}: {}", operation.name(), refusal.1);
            }
        }
        if round == 0 {
            told(&telemetry, &workers[0]);
            running.state.readiness.store(Arc::new(Readiness { listeners: vec![listener(Endpoint::Bootstrap, None)], stopping: false }));
        }
    }
    let all: BTreeSet<_> = reads.iter().chain(&alters).map(Operation::name).collect();
    assert_eq!(done, all, "each was done once at least");
    assert_eq!(serde_json::from_str::<Value>(&running.ask("GET", "/v1/openapi.json").await.1).unwrap(), document);
    running.stop().await;
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reassignment_is_told_as_the_document_says() {
    let document = document();
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 2, 1, 1).await.unwrap();
    let upstream = format!("upstream.bootstrap = [\"{}\"]\n", sandbox.brokers()[0].1);
    let running = start_configured(directory.path(), &upstream, nothing, Telemetry::new(1).0).await;
    let operations = operations(&document);
    let of = |path: &str, method: &str| operations.iter().find(|operation| operation.path == path && operation.method == method).unwrap();
    for path in ["run", "pause", "resume", "rollback"].map(|verb| format!("/v1/reassign/{verb}")) {
        let operation = of(&path, "POST");
        let refusal = running.tell("POST", &path, "{\"nonsense\": 1}").await;
        operation.hold(&document, &refusal);
        assert_eq!(refusal.0, 400, "{path}: {}", refusal.1);
        let most = if path.ends_with("/run") { ASSIGNMENT_BYTES_MAX } else { BODY_BYTES_MAX };
        for (bytes, code) in [(most, 400), (most + 1, 413)] {
            let refusal = running.tell("POST", &path, &"r".repeat(bytes)).await;
            operation.hold(&document, &refusal);
            assert_eq!(refusal.0, code, "{path}: {}", refusal.1);
        }
        let answer = running.tell("POST", &path, &operation.example()).await;
        operation.hold(&document, &answer);
        assert_eq!(answer.0, 200, "{path}: {}", answer.1);
        let again = running.tell("POST", &path, &operation.example()).await;
        operation.hold(&document, &again);
        assert_eq!(again.0, 409, "{path}: {}", again.1);
        let status = running.ask("GET", "/v1/reassign").await;
        of("/v1/reassign", "GET").hold(&document, &status);
    }
    running.stop().await;
    sandbox.shutdown().await;
}

/// Everything that can be asked by GET or HEAD, when there is something to lose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_changes_by_get() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static RELOADS: AtomicUsize = AtomicUsize::new(0);
    let directory = tempfile::tempdir().unwrap();
    let reloaded = || {
        RELOADS.fetch_add(1, Ordering::SeqCst);
        nothing()
    };
    let mut running = start_in(directory.path(), reloaded).await;
    healthy(&running);
    let _: OnAnswer = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "r", "topics": ["orders"]}"#).await, 200);
    let schedule = r#"{"reason": "patches", "cron": "0 2 * * SAT", "zone": "Europe/Berlin", "for": "3h"}"#;
    let _: ScheduleAnswer = body(running.tell("POST", "/v1/maintenance/schedules", schedule).await, 200);
    let kept = || {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let (before, config) = (kept(), running.state.config.load_full());
    assert!(before.keys().any(|path| path.ends_with("state.json")) && before.keys().any(|path| path.ends_with("audit.jsonl")));
    let policy = running.policy.borrow_and_update().clone();
    let document = document();
    for route in table() {
        let place: String = route.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
        let query = operations(&document).iter().find(|operation| operation.path == route.path).map(Operation::query).unwrap_or_default();
        for path in [place.clone(), format!("{place}?{query}"), format!("{place}?force=true&dry_run=false&reason=r&id=w1")] {
            // A stream would be read to its end; HEAD runs the same handler.
            let methods: &[&str] = if [events::PATH, tap::PATH, top::PATH].contains(&route.path) { &["HEAD"] } else { &["GET", "HEAD"] };
            for method in methods {
                let (code, body) = running.ask(method, &path).await;
                assert!(code != 0, "{method} {path}: {body}");
                let with_body = running.tell(method, &path, r#"{"reason": "r", "id": "s1"}"#).await;
                assert_eq!(with_body.0, code, "{method} {path}: a body says nothing here");
            }
        }
    }
    assert_eq!(kept(), before);
    assert_eq!(RELOADS.load(Ordering::SeqCst), 0);
    assert!(!running.policy.has_changed().unwrap() && *running.policy.borrow() == policy);
    assert!(Arc::ptr_eq(&config, &running.state.config.load_full()));
    running.stop().await;
}

/// The register with clients in it, connected and gone, judged and not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_as_the_document_says() {
    use crate::session::{About, Software, Tally, Traits, Used};
    let document = document();
    let directory = tempfile::tempdir().unwrap();
    let row = json!({
        "first": 1, "last": crate::guard::time::millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()), "sessions": 2, "requests": 9,
        "read_bytes": 5, "written_bytes": 6, "produce_requests": 3, "produce_bytes": 4, "sampled": 1, "sampled_bytes": 70, "sampled_records": 1, "largest_batch": 70,
        "uses": [{"k": 0, "v": 2, "o": true, "t": 1}, {"k": 999, "v": 1, "o": false, "t": 1}], "asked": 2, "acks": 7, "compressions": 31, "formats": 7,
        "idempotent": true, "transactional": true, "produce_timeout_ms": [1, 2], "groups": ["g"], "principals": ["alice"], "addresses": ["127.0.0.1", "::1"],
        "topics": {"uses": [{"n": "audit", "w": 1, "r": 2}, {"n": "orders", "w": 5}], "more": 7},
    });
    let key = json!({"client_id": "sarama", "software": {"name": "sarama", "version": "v1.43.0"}});
    std::fs::write(directory.path().join("clients.json"), json!({"version": 1, "clients": [[key, row]]}).to_string()).unwrap();
    let running = start_in(directory.path(), nothing).await;
    let rows = |body: &str| serde_json::from_str::<Value>(body).unwrap()["clients"].as_array().unwrap().clone();
    let operation = operations(&document).into_iter().find(|operation| operation.path == "/v1/clients").unwrap();
    for (path, code) in [
        ("/v1/clients", 200),
        ("/v1/clients?incompatible_with=4.0", 200),
        ("/v1/clients?incompatible_with=", 200),
        ("/v1/clients?incompatible_with=4.0&only_at_risk=true", 200),
        ("/v1/clients?only_at_risk=true", 400),
        ("/v1/clients?incompatible_with=9", 400),
    ] {
        let answer = running.ask("GET", path).await;
        operation.hold(&document, &answer);
        assert_eq!(answer.0, code, "{path}: {}", answer.1);
        assert!(code != 200 || rows(&answer.1).len() == 1, "{path}: {}", answer.1);
    }
    let row = &rows(&running.ask("GET", "/v1/clients").await.1)[0];
    let topics: Vec<_> =
        row["topics"].as_array().unwrap().iter().map(|topic| (&topic["name"], topic["last_written"].is_string(), topic["last_read"].is_string())).collect();
    assert_eq!((topics, &row["has_more_topics"]), (vec![(&json!("audit"), true, true), (&json!("orders"), true, false)], &json!(true)));
    let judged = &rows(&running.ask("GET", "/v1/clients?incompatible_with=4.0").await.1)[0]["judgement"];
    assert_eq!((&judged["verdict"], &judged["library"]["name"], &judged["reasons"][0]["taken"]), (&json!("breaks"), &json!("sarama"), &json!([3, 12])));
    running.stop().await;

    let traits = Traits {
        software: Some(Software { name: "kgo".into(), version: "1".into() }),
        uses: vec![Used { api_key: 0, versions: 1 << 9, chosen: 0 }],
        produce_timeout_ms: Some((1, 1)),
        ..Traits::default()
    };
    let connection = |requests, node_id, traits: Traits| crate::net::Connection {
        peer: "127.0.0.1:5".parse().unwrap(),
        node_id,
        since: 1000,
        last: 2000,
        about: About { traits: traits.into(), ..About::default() },
        tally: Tally { requests, sampled: requests, ..Tally::default() },
        read_bytes: 500,
        written_bytes: 0,
    };
    let connections = vec![connection(0, None, Traits::default()), connection(4, Some(1), traits)];
    let known = crate::register::Known { at: 3000, connections, problem: Some("full".to_owned()), ..Default::default() };
    let value = serde_json::to_value(clients::Clients::of(&known, None)).unwrap();
    assert_eq!(problems(&document, &json!({"$ref": "#/components/schemas/Clients"}), &value), Vec::<String>::new(), "{value}");
    assert_eq!((&value["connections"][1]["requests_per_second"], &value["connections"][1]["idle_seconds"]), (&json!(2.0), &json!(1.0)));
}
