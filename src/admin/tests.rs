mod openapi;
mod page;
mod schema;
mod tap;
mod tokens;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::readiness::{Ready, check};
use super::status::Status;
use super::*;
use crate::cluster::Broker;
use crate::config::{Applies, Change, ConfigError, HostPort};
use crate::guard::Policy;
use crate::maintenance::api::{Audit, DrainView, MaintenanceStatus, OffAnswer, OnAnswer, ScheduleAnswer};
use crate::maintenance::preflight::Preflight;
use crate::protocol::versions::{Offer, VersionRange};

fn broker(node_id: i32, reachable: bool) -> Broker {
    let upstream = HostPort { host: "kafka".to_owned(), port: 9092 };
    let ranges = vec![VersionRange { api_key: 0, min: 0, max: 11 }];
    let offer = Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false };
    Broker { node_id, upstream, rack: None, virtual_port: 19093, listed: true, is_forgotten: false, offer: Some(Arc::new(offer)), reachable }
}

fn view(brokers: &[Broker]) -> View {
    View {
        generation: 4,
        cluster_id: Some("c".to_owned()),
        advertised_host: Arc::from("127.0.0.1"),
        brokers: brokers.iter().map(|broker| (broker.node_id, broker.clone())).collect::<BTreeMap<_, _>>(),
        offer: brokers.iter().find_map(|broker| broker.offer.clone()),
        ..View::default()
    }
}

fn listener(endpoint: Endpoint, error: Option<&str>) -> ListenerState {
    ListenerState { endpoint, node_id: None, address: "127.0.0.1:19092".parse().unwrap(), error: error.map(str::to_owned) }
}

fn failing(ready: &Ready) -> Vec<(&str, &str)> {
    ready.checks.iter().filter(|check| !check.ok).map(|check| (check.name.as_str(), check.detail.as_str())).collect()
}

#[test]
fn readiness_tells_the_truth() {
    let bound = || Readiness { listeners: vec![listener(Endpoint::Bootstrap, None)], stopping: false };
    let known = view(&[broker(1, true), broker(2, false)]);
    assert!(check(&bound(), &known).ready);
    assert_eq!(failing(&check(&Readiness::default(), &known)), [("listeners", "the bootstrap endpoint is not bound yet")]);
    let half = Readiness { listeners: vec![listener(Endpoint::Bootstrap, None), listener(Endpoint::VirtualBroker, Some("in use"))], stopping: false };
    assert_eq!(failing(&check(&half, &known)), [("listeners", "127.0.0.1:19092: in use")]);
    let admin_only = Readiness { listeners: vec![listener(Endpoint::Admin, None)], stopping: false };
    assert_eq!(failing(&check(&admin_only, &known)).len(), 1);
    assert_eq!(failing(&check(&bound(), &View::default())).iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["cluster", "brokers"]);
    assert_eq!(failing(&check(&bound(), &view(&[broker(1, false), broker(2, false)]))), [("brokers", "none of 2 reachable")]);
    let closed = View { closed: true, offer: known.offer.clone(), ..View::default() };
    assert!(check(&bound(), &closed).ready, "clients must come, or the brokers are never learned");
    assert!(!check(&bound(), &View { offer: None, ..closed }).ready);
    assert_eq!(failing(&check(&Readiness { stopping: true, ..bound() }, &known)).len(), 1);
    let details: Vec<_> = check(&bound(), &known).checks.into_iter().map(|check| check.detail).collect();
    assert_eq!(details, ["1 bound", "2 brokers known", "1 of 2 reachable; not: 2", "not ending"]);
}

fn told(telemetry: &Telemetry, worker: &crate::telemetry::WorkerMetrics) {
    use crate::guard::{ClientRef, Event, HoldEnd};
    use crate::session::Observer;
    use crate::telemetry::ledger::EpisodeKind;
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let client = |node_id| ClientRef { client_id: "orders \"eu\"", node_id };
    telemetry.episode_began(EpisodeKind::Window, "upgrade", at(100));
    telemetry.broker_lost(1, at(110));
    worker.guard(client(Some(1)), Event::Absorbed { api_key: 0, code: 6 });
    worker.guard(client(Some(1)), Event::HoldBegan { api_key: 0, frame_bytes: 9 });
    worker.guard(client(Some(1)), Event::HoldEnded { api_key: 0, frame_bytes: 9, end: HoldEnd::Resent, nanos: 1_500_000_000 });
    worker.guard(client(None), Event::Reached { api_key: 3, code: 5 });
    telemetry.broker_back(1, at(120));
    telemetry.episode_ended(at(160));
    telemetry.episode_began(EpisodeKind::Window, "next", at(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_is_reported() {
    use super::report::{Episodes, Report};
    let (telemetry, workers) = Telemetry::new(1);
    let state = tempfile::tempdir().unwrap();
    let running = start_with(state.path(), nothing, Arc::clone(&telemetry)).await;
    let (code, body) = running.ask("GET", "/v1/report").await;
    assert!(code == 404 && body.contains("nothing to report"), "{code} {body}");
    assert_eq!(running.ask("GET", "/v1/report/episodes").await, (200, "{\"episodes\":[]}".to_owned()));

    told(&telemetry, &workers[0]);
    let (code, body) = running.ask("GET", "/v1/report?episode=1").await;
    let report: Report = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let episode = &report.episode;
    assert_eq!((code, episode.kind.as_str(), episode.reason.as_str(), episode.began.as_str()), (200, "window", "upgrade", "1970-01-01T00:01:40Z"));
    assert_eq!((episode.seconds, episode.broker_restarts, episode.absorbed, episode.reached, episode.longest_hold_seconds), (60.0, 1, 1, 1, 1.5));
    assert_eq!((report.total.holds.begun, report.total.holds.resent, report.total.holds.held), (1, 1, 0));
    let brokers: Vec<_> =
        report.brokers.iter().map(|broker| (broker.node_id, broker.restarts.len(), broker.counts.absorbed(), broker.counts.reached())).collect();
    assert_eq!(brokers, [(Some(1), 1, 1, 0), (None, 0, 0, 1)]);
    assert_eq!(report.brokers[0].restarts[0].seconds, Some(10.0));
    let clients: Vec<_> = report.clients.iter().map(|row| (row.client_id.as_str(), row.api.as_str(), row.counts.reached_errors.len())).collect();
    assert_eq!(clients, [("orders \"eu\"", "Metadata", 1), ("orders \"eu\"", "Produce", 0)]);

    let last: Report = serde_json::from_str(&running.ask("GET", "/v1/report?episode=last").await.1).unwrap();
    assert_eq!((last.episode.number, last.episode.ended, last.brokers.len(), last.clients.len()), (2, None, 0, 0));
    let listed: Episodes = serde_json::from_str(&running.ask("GET", "/v1/report/episodes").await.1).unwrap();
    assert_eq!(listed.episodes.iter().map(|head| (head.number, head.absorbed, head.reached)).collect::<Vec<_>>(), [(2, 0, 0), (1, 1, 1)]);
    for (path, expected) in
        [("/v1/report?episode=9", 404), ("/v1/report?episode=first", 400), ("/v1/report?episod=1", 400), ("/v1/report?episode=1&episode=2", 400)]
    {
        let (code, body) = running.ask("GET", path).await;
        let error: ApiError = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert!(code == expected && !error.hint.is_empty(), "{path}: {code} {error:?}");
    }
    assert_eq!(running.ask("POST", "/v1/report").await.0, 405);
    running.stop().await;
}

/// An endpoint on a free port; commands are answered by `reply`.
struct Running {
    address: SocketAddr,
    state: AdminState,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
    views: watch::Sender<Arc<View>>,
    policy: watch::Receiver<Arc<Policy>>,
}

async fn start_in(directory: &std::path::Path, reply: fn() -> Result<Reloaded, ConfigErrors>) -> Running {
    start_with(directory, reply, Telemetry::new(1).0).await
}

async fn start_with(directory: &std::path::Path, reply: fn() -> Result<Reloaded, ConfigErrors>, telemetry: Arc<Telemetry>) -> Running {
    start_configured(directory, "", reply, telemetry).await
}

async fn start_configured(directory: &std::path::Path, more: &str, reply: fn() -> Result<Reloaded, ConfigErrors>, telemetry: Arc<Telemetry>) -> Running {
    let upstream = if more.contains("upstream.bootstrap") { "" } else { "upstream.bootstrap = [\"127.0.0.1:9092\"]\n" };
    let text = format!("{upstream}state.directory = {:?}\n{more}", directory.display().to_string());
    let config = Config::from_parts(Some((std::path::Path::new("leeward.toml"), &text)), &[]).unwrap();
    let operator = crate::control::Control::new(Arc::new(config.clone()), Arc::clone(&telemetry)).0.operator();
    let (views, pictures) = watch::channel(Arc::new(View::default()));
    let (upkeep, maintenance, policy) =
        crate::maintenance::open(Arc::new(config.clone()), pictures, watch::channel(Arc::default()).1, Arc::new(operator.clone()), None);
    tokio::spawn(upkeep.run(Surveyor::default(), Telemetry::new(1).0));
    let (register, registered) = crate::register::open(directory);
    let leaders = watch::channel(Arc::default()).1;
    tokio::spawn(register.run(crate::register::Sources { surveyor: Surveyor::default(), telemetry: Arc::clone(&telemetry), leaders }));
    let (commands, mut asked) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(AdminCommand::Reload { reply: to, .. }) = asked.recv().await {
            to.send(reply()).unwrap();
        }
    });
    let state = AdminState {
        view: Arc::new(ArcSwap::from_pointee(View::default())),
        config: Arc::new(ArcSwap::from_pointee(config)),
        readiness: Arc::default(),
        reassign: reassign_of(&maintenance, operator.clone(), &telemetry),
        telemetry,
        commands,
        roll: roll_of(&maintenance, operator.clone()),
        maintenance,
        operator,
        surveyor: Surveyor::default(),
        register: registered,
        started: Started { at: SystemTime::UNIX_EPOCH, instant: Instant::now() },
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router(state.clone()), shutdown.clone()));
    Running { address, state, shutdown, server, views, policy }
}

fn roll_of(maintenance: &MaintenanceHandle, operator: Operator) -> RollHandle {
    let view = watch::channel(Arc::new(View::default())).1;
    let (rolls, roll) = crate::roll::open(crate::roll::Means { cluster: Arc::new(operator), maintenance: maintenance.clone(), view });
    tokio::spawn(rolls.run());
    roll
}

fn reassign_of(maintenance: &MaintenanceHandle, operator: Operator, telemetry: &Arc<Telemetry>) -> ReassignHandle {
    let means = crate::reassign::Means { operator, maintenance: maintenance.clone(), telemetry: Arc::clone(telemetry) };
    let (reassigner, reassign) = crate::reassign::open(means);
    tokio::spawn(reassigner.run());
    reassign
}

async fn start(reply: fn() -> Result<Reloaded, ConfigErrors>) -> Running {
    // Nothing is written there unless maintenance changes.
    start_in(std::path::Path::new("/nowhere/leeward-state"), reply).await
}

impl Running {
    /// Sends `request` as it is and gives code and body of the answer.
    async fn send(&self, request: String) -> (u16, String) {
        let (code, _, body) = self.exchange(request).await;
        (code, body)
    }

    /// Code, head and body.
    async fn exchange(&self, request: String) -> (u16, String, String) {
        let address = self.address;
        let text = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let text = text.await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        (head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0), format!("{head}\r\n"), body.to_owned())
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, String) {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await
    }

    async fn tell(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap();
        assert!(TcpStream::connect(self.address).is_err(), "the port is free again");
    }
}

fn nothing() -> Result<Reloaded, ConfigErrors> {
    Ok(Reloaded::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_follows_the_snapshots() {
    let running = start(nothing).await;
    assert_eq!(running.ask("GET", "/livez").await, (200, "alive\n".to_owned()));
    let (code, body) = running.ask("GET", "/readyz").await;
    let ready: Ready = serde_json::from_str(&body).unwrap();
    assert_eq!((code, ready.ready, failing(&ready).len()), (503, false, 3));
    running.state.view.store(Arc::new(view(&[broker(1, true)])));
    running.state.readiness.store(Arc::new(Readiness { listeners: vec![listener(Endpoint::Bootstrap, None)], stopping: false }));
    assert_eq!(running.ask("GET", "/readyz").await.0, 200);
    let status: Status = serde_json::from_str(&running.ask("GET", "/v1/status").await.1).unwrap();
    assert_eq!((status.ready, status.started.as_str(), status.cluster.generation), (true, "1970-01-01T00:00:00Z", 4));
    let only = &status.cluster.brokers[0];
    assert_eq!((only.upstream.as_str(), only.virtual_broker.as_str()), ("kafka:9092", "127.0.0.1:19093"));
    assert_eq!(only.versions, BTreeMap::from([("Produce".to_owned(), [0, 11])]));
    let (code, body) = running.ask("GET", "/metrics").await;
    assert!(code == 200 && body.contains("leeward_sessions 0") && body.ends_with("# EOF\n"), "{body}");
    let (code, body) = running.ask("GET", "/v1/config").await;
    assert!(code == 200 && body.contains("\"limits.idle_timeout\""), "{body}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_is_answered_with_what_it_did() {
    let running = start(|| {
        let change = |key: &str, applies| Change { key: key.to_owned(), old: "1".to_owned(), new: "2".to_owned(), applies };
        Ok(Reloaded { applied: vec![change("a", Applies::Now)], needs_restart: vec![change("b", Applies::Restart)], not_audited: None })
    });
    let running = running.await;
    let (code, text) = running.ask("POST", "/v1/reload").await;
    let reloaded: Reloaded = serde_json::from_str(&text).unwrap();
    assert_eq!((code, reloaded.applied[0].key.as_str(), reloaded.needs_restart[0].key.as_str()), (200, "a", "b"));
    assert_eq!(running.tell("POST", "/v1/reload", r#"{"reason": "more", "author": "alice"}"#).await.0, 200);
    let refusal: ApiError = body(running.tell("POST", "/v1/reload", &format!("{{\"reason\": \"{}\"}}", "r".repeat(1025))).await, 400);
    assert!(refusal.error.contains("1024"), "{refusal:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_of_a_bad_file_is_422_with_every_error() {
    let running = start(|| {
        let error = |key: &str| ConfigError { at: "f:1".to_owned(), key: key.to_owned(), problem: "wrong".to_owned(), allowed: String::new() };
        Err(ConfigErrors(vec![error("a"), error("b")]))
    });
    let running = running.await;
    let (code, body) = running.ask("POST", "/v1/reload").await;
    let error: ApiError = serde_json::from_str(&body).unwrap();
    assert_eq!((code, error.config_errors.len()), (422, 2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_told_what_is_right() {
    let running = start(nothing).await;
    for (method, path, code, hint) in [
        ("GET", "/nowhere", 404, "/livez"),
        ("POST", "/", 405, "send GET"),
        ("GET", "/v1/events?count=0", 400, "?count=1"),
        ("GET", "/v1/events?cuont=1", 400, "?count=1"),
        ("GET", "/v1/reload", 405, "send POST"),
        ("GET", "/v1/brokers/one/may-stop", 400, "a whole number that GET /v1/cluster lists"),
        ("GET", "/v1/brokers/1/may-stop?guarantee=all", 400, "strict, available or none"),
        ("GET", "/v1/brokers/1/may-continue?guarantee=strict", 400, "without a query"),
        ("POST", "/v1/status", 405, "send GET"),
        ("DELETE", "/metrics", 405, "send GET"),
        ("GET", "/v1/maintenance/on", 405, "send POST"),
        ("POST", "/v1/maintenance", 405, "send GET"),
        ("PUT", "/v1/maintenance/schedules", 405, "send GET, POST or DELETE"),
        ("GET", "/v1/brokers/2/undrain", 405, "send POST"),
        ("PUT", "/v1/brokers/2/drain", 405, "send GET or POST"),
        ("GET", "/v1/brokers/two/drain", 400, "node id"),
        ("GET", "/v1/brokers/2/drain", 404, "leeward status"),
        ("POST", "/v1/brokers/2/drain", 400, "README"),
        ("POST", "/v1/brokers/two/undrain", 400, "node id"),
        ("GET", "/v1/audit?first=1", 400, "?last=20"),
        ("GET", "/v1/audit?last=1001", 400, "fewer"),
    ] {
        let (answered, body) = running.ask(method, path).await;
        let error: ApiError = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert!(answered == code && error.hint.contains(hint), "{method} {path}: {answered} {error:?}");
    }
    for path in ["/v1/reload", "/v1/maintenance/on"] {
        let rebound = format!("POST {path} HTTP/1.1\r\nhost: leeward.evil.example\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(running.send(rebound).await.0, 403);
    }
    let (code, head, _) = running.exchange("PUT /v1/maintenance/schedules HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()).await;
    assert!(code == 405 && head.contains("allow: GET, POST, DELETE\r\n"), "{head}");
    let from_a_page = "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\norigin: http://elsewhere.example\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(running.send(from_a_page.to_owned()).await.0, 403);
    let huge = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let address = running.address;
    let refused = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut text = Vec::new();
        // The endpoint may hang up before it has read everything.
        let _ = stream.write_all(huge.as_bytes());
        let _ = stream.read_to_end(&mut text);
        !String::from_utf8_lossy(&text).contains(" 200 ")
    });
    assert!(refused.await.unwrap());
    assert_eq!(running.send("\0\0\0\u{14}garbage\r\n\r\n".to_owned()).await.0, 400);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_keep_others_out() {
    let running = start(nothing).await;
    let silent: Vec<_> = (0..80).map(|_| TcpStream::connect(running.address).unwrap()).collect();
    // More than there are places: the next one is answered when their header timeout has passed.
    assert_eq!(running.ask("GET", "/livez").await.0, 200);
    drop(silent);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_needs_a_cluster_that_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let running = start_in(directory.path(), nothing).await;
    healthy(&running);
    let view: DrainView = body(running.ask("GET", "/v1/brokers/2/drain").await, 200);
    assert_eq!((view.phase.as_str(), view.sentence.as_str()), ("serving", "broker 2: not drained"));
    let refused: ApiError = body(running.tell("POST", "/v1/brokers/2/drain", r#"{"reason": "r"}"#).await, 503);
    assert!(
        refused.error.starts_with("the cluster could not be read: 127.0.0.1:9092 could not be asked") && refused.hint.contains("nothing has changed"),
        "{refused:?}"
    );
    let refused: ApiError = body(running.tell("POST", "/v1/brokers/2/undrain", "{}").await, 404);
    assert!(refused.error.contains("broker 2 is not draining or drained"), "{refused:?}");
    let refused: ApiError = body(running.tell("POST", "/v1/brokers/2/drain", r#"{"reason": "r", "focre": true}"#).await, 400);
    assert!(refused.error.contains("focre"), "{refused:?}");
    running.stop().await;
}

fn healthy(running: &Running) {
    running.views.send_replace(Arc::new(view(&[broker(1, true), broker(2, true)])));
}

fn body<T: serde::de::DeserializeOwned>((code, body): (u16, String), expected: u16) -> T {
    assert_eq!(code, expected, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_opened_seen_and_closed() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = start_in(directory.path(), nothing).await;
    healthy(&running);
    let preflight: Preflight = body(running.ask("GET", "/v1/maintenance/preflight").await, 200);
    assert!(preflight.safe, "{preflight:?}");

    let dry: OnAnswer = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "r", "for": "2h", "dry_run": true}"#).await, 200);
    assert_eq!((dry.dry_run, dry.window.seconds_left), (true, 7200));
    let status: MaintenanceStatus = body(running.ask("GET", "/v1/maintenance").await, 200);
    assert!(status.open.is_empty(), "a dry run changes nothing");
    assert!(!running.policy.borrow_and_update().is_window_open());

    let request = r#"{"reason": "upgrade", "topics": ["orders"], "client_ids": ["app"], "author": "alice"}"#;
    let opened: OnAnswer = body(running.tell("POST", "/v1/maintenance/on", request).await, 200);
    assert_eq!((opened.window.id.as_str(), opened.window.seconds_left, opened.kept.survives_restart), ("w1", 14_400, true));
    let policy = running.policy.wait_for(|policy| policy.is_window_open()).await.unwrap().clone();
    assert!(policy.raises(b"app", b"orders") && !policy.raises(b"app", b"other") && !policy.raises(b"other", b"orders"));
    let status: Status = body(running.ask("GET", "/v1/status").await, 200);
    assert_eq!((status.guard.absorb.as_str(), status.guard.windows.len()), ("always", 1));

    let refusal: ApiError = body(running.tell("POST", "/v1/maintenance/off", r#"{"reason": "done", "id": "w9"}"#).await, 404);
    assert!(refusal.error.contains("w9") && refusal.hint.contains("status"), "{refusal:?}");
    let closed: OffAnswer = body(running.tell("POST", "/v1/maintenance/off", r#"{"reason": "done"}"#).await, 200);
    assert_eq!((closed.closed[0].window.id.as_str(), closed.closed[0].closed_why.as_str()), ("w1", "done"));
    running.policy.wait_for(|policy| !policy.is_window_open()).await.unwrap();

    let audit: Audit = body(running.ask("GET", "/v1/audit?last=5").await, 200);
    let told: Vec<_> = audit.entries.iter().map(|entry| (entry.who.as_str(), entry.what.as_str(), entry.why.as_str(), entry.result.as_str())).collect();
    assert_eq!(told, [("alice", "window opened", "upgrade", "done"), ("unnamed (HTTP)", "window closed", "done", "done")]);
    assert!(audit.entries[0].before.is_none() && audit.entries[0].after.as_ref().unwrap()["topics"][0] == "orders");
    assert!(audit.entries[1].before.is_some() && audit.entries[1].after.is_none());
    let audit: Audit = body(running.ask("GET", "/v1/audit?last=1").await, 200);
    assert_eq!(audit.entries.iter().map(|entry| entry.what.as_str()).collect::<Vec<_>>(), ["window closed"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dangerous_is_refused_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    let running = start_in(directory.path(), nothing).await;
    running.views.send_replace(Arc::new(view(&[broker(1, true), broker(2, false)])));
    let refusal: ApiError = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "r"}"#).await, 409);
    assert!(refusal.error.contains("broker 2: it does not answer") && refusal.hint.contains("--force"), "{refusal:?}");
    assert!(!refusal.preflight.unwrap().safe);
    let forced: OnAnswer = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "r", "force": true}"#).await, 200);
    assert_eq!(forced.window.id, "w1");
    let audit: Audit = body(running.ask("GET", "/v1/audit").await, 200);
    let told: Vec<_> = audit.entries.iter().map(|entry| (entry.what.as_str(), entry.result.split(':').next().unwrap())).collect();
    assert_eq!(told, [("window refused", "blocked"), ("window opened by force", "done")]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bodies_change_nothing_and_say_what_is_right() {
    let directory = tempfile::tempdir().unwrap();
    let running = start_in(directory.path(), nothing).await;
    healthy(&running);
    for (path, request, problem) in [
        ("on", "", "EOF"),
        ("on", "{}", "missing field `reason`"),
        ("on", r#"{"reason": "r", "reasn": "r"}"#, "unknown field `reasn`"),
        ("on", r#"{"reason": " "}"#, "there is no reason"),
        ("on", r#"{"reason": "r", "for": "2 days"}"#, "not a duration"),
        ("on", r#"{"reason": "r", "for": "25h"}"#, "25h is longer than guard.window_max, 24h"),
        ("on", r#"{"reason": "r", "for": "0s"}"#, "no length"),
        ("off", r#"{"reason": ""}"#, "there is no reason"),
        ("schedules", r#"{"reason": "r", "cron": "0 25 * * *", "zone": "UTC", "for": "1h"}"#, "is no schedule"),
        ("schedules", r#"{"reason": "r", "cron": "0 2 * * *", "zone": "Mars/Base", "for": "1h"}"#, "\"Mars/Base\" is no time zone"),
    ] {
        let refusal: ApiError = body(running.tell("POST", &format!("/v1/maintenance/{path}"), request).await, 400);
        assert!(refusal.error.contains(problem) && !refusal.hint.is_empty(), "{path} {request}: {refusal:?}");
    }
    assert_eq!(running.tell("POST", "/v1/maintenance/on", &format!("{{\"reason\": \"{}\"}}", "r".repeat(600 << 10))).await.0, 413);
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"], "nothing was written");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let running = start_in(directory.path(), nothing).await;
    let request = r#"{"reason": "patches", "cron": "0 2 * * SAT", "zone": "Europe/Berlin", "for": "3h"}"#;
    let added: ScheduleAnswer = body(running.tell("POST", "/v1/maintenance/schedules", request).await, 200);
    assert_eq!((added.schedule.id.as_str(), added.schedule.lasts.as_str()), ("s1", "3h"));
    assert!(added.schedule.seconds_to_next.unwrap() <= 7 * 86_400 + 3600);
    let status: MaintenanceStatus = body(running.ask("GET", "/v1/maintenance").await, 200);
    assert_eq!(status.schedules.len(), 1);
    let _: ScheduleAnswer = body(running.tell("DELETE", "/v1/maintenance/schedules", r#"{"id": "s1", "reason": "by hand now"}"#).await, 200);
    let _: ApiError = body(running.tell("DELETE", "/v1/maintenance/schedules", r#"{"id": "s1", "reason": "again"}"#).await, 404);
    let audit: Audit = body(running.ask("GET", "/v1/audit").await, 200);
    assert_eq!(audit.entries.iter().map(|entry| entry.what.as_str()).collect::<Vec<_>>(), ["schedule added", "schedule removed"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_directory_a_window_opens_only_by_force_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let running = start_in(&file.join("state"), nothing).await;
    healthy(&running);
    let refusal: ApiError = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "r"}"#).await, 500);
    assert!(refusal.error.contains("could not be written down") && refusal.hint.contains("--force"), "{refusal:?}");
    assert!(body::<MaintenanceStatus>(running.ask("GET", "/v1/maintenance").await, 200).open.is_empty());
    let forced: OnAnswer = body(running.tell("POST", "/v1/maintenance/on", r#"{"reason": "r", "force": true}"#).await, 200);
    assert!(!forced.kept.survives_restart && forced.kept.problem.is_some());
    let status: MaintenanceStatus = body(running.ask("GET", "/v1/maintenance").await, 200);
    assert_eq!((status.open.len(), status.kept.survives_restart), (1, false));
    // It can be closed all the same.
    let _: OffAnswer = body(running.tell("POST", "/v1/maintenance/off", r#"{"reason": "r"}"#).await, 200);
    running.stop().await;
}
