//! `leeward roll` in front of the sandbox: the operator's commands ask this test to stop and start a broker.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use leeward::sandbox::{BrokerState, Phase, Sandbox, SandboxConfig};
use serde_json::Value;

use super::Running;

const PATIENCE: Duration = Duration::from_secs(60);
const BROKERS: [i32; 3] = [1, 2, 3];

/// A sandbox, a Leeward in front of it, and who does what its commands ask for.
struct Scene {
    sandbox: Arc<Sandbox>,
    running: Running,
    hands: Hands,
}

/// Does what the commands ask for: a command leaves a file with the name of its broker, and waits until it is gone.
pub(super) struct Hands {
    pub(super) directory: tempfile::TempDir,
}

impl Hands {
    /// A command that has `verb` done to its broker.
    pub(super) fn command(&self, verb: &str) -> String {
        let file = format!("{}/{verb}-$LEEWARD_NODE_ID", self.directory.path().display());
        format!("echo $LEEWARD_BROKER > {file}; while [ -e {file} ]; do sleep 0.02; done")
    }

    /// Has done what is asked for now; gives what that was.
    pub(super) async fn lend(&self, sandbox: &Sandbox) -> Option<String> {
        let asked: Vec<PathBuf> = fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let path = asked.into_iter().next()?;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (verb, node) = name.split_once('-').unwrap();
        let node: i32 = node.parse().unwrap();
        match verb {
            // A command that is run twice finds it done.
            "stop" if is_up(sandbox, node) => sandbox.stop(node).await.unwrap(),
            "start" if !is_up(sandbox, node) => sandbox.start_broker(node).await.unwrap(),
            _ => {}
        }
        fs::remove_file(path).unwrap();
        Some(name)
    }
}

fn is_up(sandbox: &Sandbox, node: i32) -> bool {
    sandbox.state().brokers.iter().any(|broker| broker.id == node && is_running(broker))
}

fn is_running(broker: &BrokerState) -> bool {
    broker.phase == Phase::Running
}

impl Scene {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        sandbox.create_topic("orders", 6, 3, 2).await.unwrap();
        let mut running = Running::start(&sandbox.bootstrap());
        running.rewrite("[roll]\nallow_commands = true\n");
        running.crash();
        running.healthy("3 of 3 brokers reachable");
        Scene { sandbox: Arc::new(sandbox), running, hands: Hands { directory: tempfile::tempdir().unwrap() } }
    }

    fn start(&self, more: &[&str]) -> super::Ran {
        let (stop, start) = (self.hands.command("stop"), self.hands.command("start"));
        let fixed = ["roll", "start", "--reason", "patches", "--author", "alice", "--checks", "2", "--every", "200ms", "--yes"];
        self.running.tell(&[&fixed[..], &["--stop-cmd", &stop, "--start-cmd", &start], more].concat())
    }

    fn roll(&self) -> Value {
        self.running.json(&["roll", "status"])
    }

    /// Lends a hand until the roll is in this state; gives everything that was asked for meanwhile.
    async fn until(&self, state: &str) -> Vec<String> {
        let (started, mut done) = (Instant::now(), Vec::new());
        loop {
            done.extend(self.hands.lend(&self.sandbox).await);
            let roll = self.roll();
            if roll["state"] == state {
                return done;
            }
            assert!(started.elapsed() < PATIENCE, "{roll:#}");
        }
    }

    fn orders(&self) -> Vec<(String, i32, Vec<i32>)> {
        self.sandbox.state().partitions.into_iter().map(|now| (now.topic, now.partition, now.replicas)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_broker_is_restarted_once_over_two_crashes_of_leeward() {
    let mut scene = Scene::new().await;
    let before = scene.orders();
    let planned = scene.start(&["--dry-run"]);
    assert!(planned.code == Some(0) && planned.out.contains("dry run: brokers ") && planned.out.contains("in this order"), "{}{}", planned.out, planned.err);
    assert!(scene.roll_is_none(), "a dry run begins nothing");
    let begun = scene.start(&[]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    assert!(begun.out.contains("roll r1 (patches), by alice"), "{}", begun.out);
    let refused = scene.start(&[]);
    assert!(refused.code == Some(3) && refused.err.contains("roll r1 is not over"), "{}", refused.err);

    // It is ended while a broker is being stopped, and again while the next one is. The first is the one broker that its configuration names.
    let mut done: BTreeSet<String> = BTreeSet::new();
    for crashes in 1..=2 {
        let started = Instant::now();
        while done.iter().filter(|name| name.starts_with("stop")).count() < crashes {
            done.extend(scene.hands.lend(&scene.sandbox).await);
            assert!(started.elapsed() < PATIENCE, "{:#}", scene.roll());
        }
        scene.running.crash();
        scene.running.healthy("brokers reachable");
    }
    done.extend(scene.until("done").await);
    for node in BROKERS {
        assert!(done.contains(&format!("stop-{node}")) && done.contains(&format!("start-{node}")), "{done:?}");
    }
    assert_eq!(scene.orders(), before, "every order is as it was");
    let status = scene.running.json(&["maintenance", "status"]);
    assert_eq!(status["open"], serde_json::json!([]), "its window is closed");
    let audit = scene.running.json(&["maintenance", "audit", "--last", "200"]);
    let whats: Vec<&str> = audit["entries"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    let count = |what: &str| whats.iter().filter(|other| **other == what).count();
    assert_eq!((count("roll begun"), count("roll stops a broker"), count("roll is done with a broker"), count("roll ended")), (1, 3, 3, 1), "{whats:?}");
    assert_eq!((count("drained"), count("undrained")), (3, 3), "{whats:?}");
    let shown = scene.running.tell(&["roll", "status"]);
    assert!(shown.out.contains("[########################################] 100 %") && shown.out.contains("all 3 brokers done"), "{}", shown.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_stops_it_and_it_goes_on_or_ends_as_it_is_told() {
    let scene = Scene::new().await;
    let fail = "echo no such unit >&2; exit 5";
    let fixed = ["roll", "start", "--reason", "patches", "--checks", "1", "--every", "200ms", "--yes", "--stop-cmd", fail, "--wait"];
    let ran = scene.running.tell(&fixed);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    for words in ["the command that is to stop broker", "exit code 5; it said: no such unit", "leeward roll resume"] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    assert_eq!(scene.sandbox.state().brokers.iter().filter(|broker| is_running(broker)).count(), 3);

    let paused = scene.running.tell(&["roll", "pause", "--reason", "look", "--author", "bob"]);
    assert!(paused.code == Some(0) && paused.out.contains("paused by bob (look)"), "{}{}", paused.out, paused.err);
    let again = scene.running.tell(&["roll", "pause", "--reason", "look"]);
    assert!(again.code == Some(3) && again.err.contains("cannot pause"), "{}", again.err);
    // Resumed, it runs the command again, which fails again.
    assert_eq!(scene.running.tell(&["roll", "resume", "--reason", "mended"]).code, Some(0));
    scene.until("stuck").await;
    let aborted = scene.running.tell(&["roll", "abort", "--reason", "enough", "--now", "--yes"]);
    assert!(aborted.code == Some(0) && aborted.out.contains("stays drained: leeward broker undrain"), "{}{}", aborted.out, aborted.err);
    let over = scene.running.tell(&["roll", "abort", "--reason", "enough", "--yes"]);
    assert!(over.code == Some(3) && over.err.contains("it is over"), "{}", over.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_told_and_nothing_is_run_unless_the_configuration_allows_it() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 6, 3, 2).await.unwrap();
    let running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let none = running.tell(&["roll", "status"]);
    assert!(none.code == Some(1) && none.err.contains("there was no roll yet"), "{}", none.err);
    let canary = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("canary-{}", std::process::id()));
    let touch = format!("touch {}", canary.display());
    let refused = running.tell(&["roll", "start", "--reason", "r", "--stop-cmd", &touch, "--yes"]);
    assert!(refused.code == Some(3) && refused.err.contains("roll.allow_commands = true"), "{}", refused.err);
    let wrong = running.tell(&["roll", "start", "--reason", "r", "--brokers", "1,9", "--yes"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("there is no broker 9; known are 1, 2, 3"), "{}", wrong.err);

    let start = ["roll", "start", "--reason", "r", "--brokers", "2", "--checks", "1", "--every", "200ms", "--yes", "--no-window"];
    assert_eq!(running.tell(&start).code, Some(0));
    let sees = |words: &str| {
        let started = Instant::now();
        while !running.tell(&["roll", "status"]).out.split_whitespace().collect::<Vec<_>>().join(" ").contains(words) {
            assert!(started.elapsed() < PATIENCE, "{words}: {}", running.tell(&["roll", "status"]).out);
        }
    };
    sees("a person: stop broker 2");
    let led = |node| sandbox.state().partitions.iter().filter(|partition| partition.leader == node).count();
    assert_eq!(led(2), 0, "it is drained");
    sandbox.stop(2).await.unwrap();
    sees("a person: start broker 2");
    sandbox.start_broker(2).await.unwrap();
    let ended = running.tell(&["roll", "status", "--wait", "--timeout", "1m"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(led(2) > 0, "its leaders are back");
    assert!(!canary.exists());
    sandbox.shutdown().await;
}

impl Scene {
    fn roll_is_none(&self) -> bool {
        self.running.tell(&["roll", "status"]).code == Some(1)
    }
}
