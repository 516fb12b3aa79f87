mod drains;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::api::AuditEntry;
use super::preflight::{ClientTimeout, Level, PreflightInput, TopicRisk, UnshelteredClient};
use super::store::Contents;
use super::*;
use crate::cluster::leaders::{LeaderBook, PartitionReport, TopicConfig, TopicReport};
use crate::cluster::{Broker, Leader};
use crate::config::{HostPort, Override};
use crate::guard::windows::{Coverage, Limits, Opening, Origin};
use crate::net::Surveyor;
use crate::session::{About, Hindrance};
use crate::telemetry::Telemetry;
use crate::wire::api;
use drains::FakeCluster;

const NOW: Millis = 1_772_366_400_000;

fn config(directory: &Path, more: &[(&str, &str)]) -> Arc<Config> {
    let directory = directory.display().to_string();
    let given = [("upstream.bootstrap", "a:1"), ("state.directory", directory.as_str())];
    let over = |(key, text): &(&str, &str)| Override { key: (*key).to_owned(), flag: String::new(), text: (*text).to_owned() };
    Arc::new(Config::from_parts(None, &given.iter().chain(more).map(over).collect::<Vec<_>>()).unwrap())
}

fn view(generation: u64, healthy: &[bool]) -> Arc<View> {
    let brokers = healthy.iter().zip(1..).map(|(healthy, node_id)| {
        let upstream = HostPort { host: "kafka".to_owned(), port: 9092 };
        (node_id, Broker { node_id, upstream, rack: None, virtual_port: 1, listed: true, is_forgotten: false, offer: None, reachable: *healthy })
    });
    Arc::new(View { generation, brokers: brokers.collect(), ..View::default() })
}

struct Running {
    handle: MaintenanceHandle,
    policy: watch::Receiver<Arc<Policy>>,
    views: watch::Sender<Arc<View>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(config: Arc<Config>) -> Self {
        Self::over(config, Arc::new(FakeCluster::default()))
    }

    fn over(config: Arc<Config>, cluster: Arc<FakeCluster>) -> Self {
        let (views, pictures) = watch::channel(view(1, &[true, true]));
        let (maintenance, handle, policy) = open(config, pictures, watch::channel(Arc::default()).1, cluster, None);
        Running { handle, policy, views, task: tokio::spawn(maintenance.run(Surveyor::default(), Telemetry::new(1).0)) }
    }

    async fn on(&self, lasts: &str) -> Result<OnAnswer, Refusal> {
        self.handle.on(OnRequest { reason: "r".to_owned(), lasts: Some(lasts.to_owned()), author: Some("alice".to_owned()), ..OnRequest::default() }).await
    }

    /// Until a window is open, or none.
    async fn until(&mut self, open: bool) {
        let changed = self.policy.wait_for(|policy| policy.is_window_open() == open);
        tokio::time::timeout(Duration::from_secs(20), changed).await.expect("in time").unwrap();
    }

    /// Ends when what was begun is done.
    async fn end(self) {
        drop(self.handle);
        self.task.await.unwrap();
    }

    /// Ends without a goodbye, as a killed process does.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn whats(directory: &Path) -> Vec<String> {
    store::last_entries(&directory.join("audit.jsonl"), 100).unwrap().entries.into_iter().map(|entry| entry.what).collect()
}

#[tokio::test]
async fn a_window_outlives_a_restart_and_expires() {
    let directory = tempfile::tempdir().unwrap();
    let first = Running::start(config(directory.path(), &[]));
    let opened = first.on("3s").await.unwrap().window;
    first.kill().await;
    let mut second = Running::start(config(directory.path(), &[]));
    assert!(second.policy.borrow().is_window_open(), "from the first moment");
    assert_eq!((&second.handle.status().open[0].id, &second.handle.status().open[0].expires), (&opened.id, &opened.expires));
    second.until(false).await;
    second.end().await;
    assert_eq!(whats(directory.path()), ["window opened", "window closed"]);
    let third = Running::start(config(directory.path(), &[]));
    assert!(!third.policy.borrow().is_window_open());
    assert_eq!(third.handle.status().history.len(), 1);
}

#[tokio::test]
async fn a_lost_broker_opens_a_window_that_closes_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let quick = [("guard.detect", "true"), ("guard.detect_quiet", "100ms"), ("guard.detect_window", "1h")];
    let mut running = Running::start(config(directory.path(), &quick));
    // Seen healthy before it goes.
    assert!(running.on("1h").await.is_ok());
    running.handle.off(OffRequest { reason: "r".to_owned(), ..OffRequest::default() }).await.unwrap();
    running.views.send_replace(view(2, &[true, false]));
    running.until(true).await;
    let status = running.handle.status();
    assert_eq!((status.open[0].origin.as_str(), status.open[0].author.as_str()), ("detection", "leeward"));
    assert!(status.open[0].reason.contains("broker 2"), "{}", status.open[0].reason);
    running.views.send_replace(view(3, &[true, true]));
    running.until(false).await;
    running.end().await;
    assert_eq!(whats(directory.path()).split_off(2), ["window opened", "window closed"]);
}

#[tokio::test]
async fn without_detection_a_lost_broker_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(config(directory.path(), &[]));
    running.views.send_replace(view(2, &[true, false]));
    // The command is taken after the picture, or with it: either way it is refused, and nothing else is open.
    let refusal = running.on("1h").await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Blocked);
    assert!(running.handle.status().open.is_empty());
}

#[tokio::test]
async fn a_reload_changes_the_policy() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start(config(directory.path(), &[]));
    assert!(!running.policy.borrow_and_update().watch_only);
    running.handle.set_config(config(directory.path(), &[("guard.mode", "watch"), ("guard.absorb", "never")]));
    let policy = running.policy.wait_for(|policy| policy.watch_only).await.unwrap().clone();
    assert!(!policy.absorbs() && policy.generation > 1);
}

#[tokio::test]
async fn two_leewards_do_not_share_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let first = Running::start(config(directory.path(), &[]));
    first.on("1h").await.unwrap();
    let second = Running::start(config(directory.path(), &[]));
    let kept = second.handle.status().kept;
    assert!(!kept.survives_restart && kept.problem.as_ref().unwrap().contains("another Leeward uses this directory"), "{kept:?}");
    assert_eq!(second.on("1h").await.unwrap_err().kind, RefusalKind::Storage);
    assert_eq!(first.handle.status().open.len(), 1);
}

fn windows() -> Windows {
    let mut windows = Windows::default();
    let (reason, author) = ("r".to_owned(), "a".to_owned());
    let asked = Opening { coverage: Coverage::default(), reason, author, origin: Origin::Operator, lasts: 60_000 };
    windows.open(asked, Limits { window_max: 60_000 }, NOW).unwrap();
    windows
}

fn contents() -> Contents {
    Contents { windows: windows(), ..Contents::default() }
}

fn entry(what: &str) -> AuditEntry {
    let text = |text: &str| text.to_owned();
    AuditEntry { at: text("t"), who: text("a"), what: text(what), why: text("r"), before: None, after: None, result: text("done") }
}

/// A directory with one window in it.
fn kept() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    Store::open(directory.path(), NOW).0.commit(&contents(), &[entry("window opened")]).unwrap();
    directory
}

#[test]
fn a_damaged_state_is_moved_aside_and_said() {
    for damage in ["", "{", "{\"version\": 1}", "{\"version\": 2, \"windows\": {}}", "{\"version\": 1, \"windows\": {\"open\": 3}}", "\u{0}\u{0}"] {
        let directory = kept();
        let path = directory.path().join("state.json");
        fs::write(&path, damage).unwrap();
        let (mut store, read) = Store::open(directory.path(), NOW);
        assert_eq!(read, Contents::default());
        let aside = directory.path().join("state.json.damaged-2026-03-01T120000Z");
        assert_eq!(fs::read_to_string(&aside).unwrap(), damage, "it is there to be looked at");
        assert!(store.kept().note.unwrap().contains(aside.to_str().unwrap()));
        assert!(store.kept().survives_restart, "what comes now is kept");
        store.commit(&contents(), &[]).unwrap();
        drop(store);
        assert_eq!(Store::open(directory.path(), NOW).1, contents());
    }
}

#[test]
fn every_cut_of_the_state_is_found() {
    let directory = kept();
    let path = directory.path().join("state.json");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        let (store, read) = Store::open(directory.path(), NOW);
        assert!(read == Contents::default() && store.kept().note.is_some(), "cut at {length}");
    }
}

#[test]
fn a_crash_between_write_and_rename_leaves_the_old_state() {
    let directory = kept();
    fs::write(directory.path().join("state.json.new"), "{\"version\": 1, \"windo").unwrap();
    let (mut store, read) = Store::open(directory.path(), NOW);
    assert_eq!((read, store.kept().note.clone()), (contents(), None));
    store.commit(&Contents::default(), &[]).unwrap();
    drop(store);
    assert_eq!(Store::open(directory.path(), NOW).1, Contents::default());
}

#[test]
fn a_state_that_cannot_be_written_is_told_in_the_audit_file() {
    let directory = kept();
    let (mut store, _) = Store::open(directory.path(), NOW);
    // A directory in the place of the temporary file: nobody can write there, whatever the user.
    fs::create_dir(directory.path().join("state.json.new")).unwrap();
    let error = store.commit(&Contents::default(), &[entry("window closed")]).unwrap_err();
    assert!(error.to_string().contains("state.json.new"), "{error}");
    assert!(!store.kept().survives_restart);
    let audit = store::last_entries(&store.audit_file(), 9).unwrap();
    let results: Vec<_> = audit.entries.iter().map(|entry| entry.result.split(':').next().unwrap()).collect();
    assert_eq!(results, ["done", "done", "failed"]);
    drop(store);
    assert_eq!(Store::open(directory.path(), NOW).1, contents(), "the old state is whole");
}

#[test]
fn a_half_line_in_the_audit_file_spoils_no_other() {
    let directory = kept();
    let path = directory.path().join("audit.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"at\": \"2026");
    fs::write(&path, text).unwrap();
    Store::open(directory.path(), NOW).0.record(&[entry("window refused")]).unwrap();
    let audit = store::last_entries(&path, 9).unwrap();
    assert_eq!((audit.entries.len(), audit.damaged), (2, 1));
    assert_eq!(audit.entries[1].what, "window refused");
    assert_eq!(store::last_entries(&directory.path().join("none"), 9).unwrap().entries, []);
}

#[test]
fn nothing_is_made_before_the_first_change() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let (mut store, _) = Store::open(&path, NOW);
    assert!(!path.exists() && store.kept().survives_restart);
    // Somebody else was there meanwhile: their state is not overwritten.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("state.json"), "theirs").unwrap();
    let error = store.commit(&contents(), &[]).unwrap_err().to_string();
    assert!(error.contains("has appeared since Leeward started"), "{error}");
    assert_eq!(fs::read_to_string(path.join("state.json")).unwrap(), "theirs");
}

#[test]
fn the_preflight_says_what_is_known_and_what_is_not() {
    let levels = |input: &PreflightInput| Preflight::of(input).findings.iter().map(|finding| finding.level).collect::<Vec<_>>();
    let input = PreflightInput::gather(&view(1, &[true, true]), &Leaders::default(), &config(Path::new("/nowhere"), &[]));
    assert_eq!(levels(&input), [Level::Ok, Level::Unknown, Level::Unknown, Level::Unknown, Level::Unknown]);
    assert!(Preflight::of(&input).safe);
    assert!(!Preflight::of(&PreflightInput::gather(&View::default(), &Leaders::default(), &config(Path::new("/nowhere"), &[]))).safe, "no broker is known");
    let closed = PreflightInput { brokers: 0, closed: true, ..input.clone() };
    assert!(Preflight::of(&closed).safe, "behind a login nothing can be known");

    let risk = TopicRisk { topic: "single".to_owned(), replication_factor: 1, min_insync_replicas: 1 };
    let known = PreflightInput {
        acks_risks: Some(vec![risk]),
        under_replicated: Some(Vec::new()),
        shortest_client_timeout: Some(ClientTimeout { client_id: "app".to_owned(), api: "Produce".to_owned(), millis: 1500 }),
        unsheltered_clients: Some(vec![UnshelteredClient { client_id: "old".to_owned(), why: "SCRAM".to_owned() }]),
        watch_only: true,
        ..input
    };
    let preflight = Preflight::of(&known);
    assert_eq!(levels(&known), [Level::Ok, Level::Ok, Level::Note, Level::Note, Level::Note, Level::Note]);
    assert_eq!((preflight.safe, preflight.left_alone.as_slice()), (true, ["single".to_owned()].as_slice()));
    let behind = PreflightInput { under_replicated: Some((0..9).map(|n| format!("t-{n}")).collect()), ..known };
    let preflight = Preflight::of(&behind);
    assert!(!preflight.safe && preflight.dangers() == "9 partitions under-replicated: t-0, t-1, t-2, t-3, t-4 and 4 more", "{}", preflight.dangers());
}

#[test]
fn the_preflight_names_topics_that_one_broker_less_would_hurt_and_partitions_that_are_behind() {
    let mut book = LeaderBook::default();
    // Name, min.insync.replicas, replicas, those in sync.
    for (name, min_insync, replicas, isr) in [("safe", 2, 3, 3), ("single", 1, 1, 1), ("tight", 2, 2, 2), ("behind", 2, 3, 2)] {
        let partition = PartitionReport { index: 0, leader: Leader { node_id: 1, epoch: 0 }, replicas: (1..=replicas).collect(), isr: (1..=isr).collect() };
        book.report(vec![TopicReport { name: name.into(), id: None, partitions: vec![partition] }], false);
        if name == "behind" {
            let unknown = PreflightInput::gather(&view(1, &[true]), book.leaders(), &config(Path::new("/nowhere"), &[]));
            assert_eq!(unknown.acks_risks, None, "one topic's configuration is not known");
        }
        book.configured(name, TopicConfig { min_insync_replicas: Some(min_insync), ..TopicConfig::default() });
    }
    let input = PreflightInput::gather(&view(1, &[true]), book.leaders(), &config(Path::new("/nowhere"), &[]));
    // One replica alone is as good with acks=all as without.
    assert_eq!(input.left_alone().into_iter().collect::<Vec<_>>(), ["tight"]);
    assert_eq!(input.under_replicated.unwrap(), ["behind-0"]);
}

#[test]
fn the_preflight_tells_of_the_clients_that_are_connected() {
    let client = |client_id: &str, shortest: Option<u64>, hindrance| About {
        client_id: client_id.into(),
        shortest: shortest.map(|ms| (api::PRODUCE, Duration::from_millis(ms))),
        hindrance,
        ..About::default()
    };
    let clients = [
        client("fast", Some(1500), None),
        client("slow", Some(30_000), None),
        client("scram", None, Some(Hindrance::Login)),
        client("scram", None, Some(Hindrance::Login)),
    ];
    let input = PreflightInput::default().with_clients(&clients);
    let shortest = ClientTimeout { client_id: "fast".to_owned(), api: "Produce".to_owned(), millis: 1500 };
    assert_eq!(input.shortest_client_timeout, Some(shortest));
    assert_eq!(input.unsheltered_clients.unwrap(), [UnshelteredClient { client_id: "scram".to_owned(), why: Hindrance::Login.meaning().to_owned() }]);
}
