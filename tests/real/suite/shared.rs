//! Two Leewards in front of one real cluster share a roll through a topic there: the one that walks is killed, and the other one ends the roll.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::prepare;
use crate::cluster::Cluster;
use crate::front::Front;
use crate::release::{KAFKA_2_1_0, KAFKA_4_3_1, Release};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};

const LIMIT: Duration = Duration::from_secs(120);

/// A whole roll, with 15 s until the other one takes over.
const ROLL_LIMIT: Duration = Duration::from_secs(300);

#[test]
fn kafka_4_3_1() {
    taken_over(&KAFKA_4_3_1);
}

#[test]
fn kafka_2_1_0() {
    taken_over(&KAFKA_2_1_0);
}

fn taken_over(release: &'static Release) {
    let name = format!("shared-{}", release.version);
    let Some(_admission) = admit(&name, Selection::All) else { return };
    prepare(&[release], &[], false);
    let mut steps = Steps::new(&name);
    let mut cluster = steps.must("three brokers", || Cluster::start(&name, release));
    let front = |name: &str| {
        let state = format!("state.directory={}", cluster.scrap().join(name).display());
        let settings = [state.as_str(), "state.topic=__leeward_state", "roll.allow_commands=true"];
        Front::start_with(&cluster, &cluster.node_ids(), &format!("leeward-{name}.log"), &settings)
    };
    let mut walker = steps.must("one Leeward is ready", || front("a"));
    if !walker.is_leeward() {
        return;
    }
    let other = steps.must("another one is ready", || front("b"));
    steps.must("both are heard by both", || {
        for one in [&walker, &other] {
            until("two instances", LIMIT, || {
                let told = one.attempt_command(&["maintenance", "status", "-o", "json"]).unwrap()?;
                if told.matches("\"seconds_since_heard\"").count() == 2 && !told.contains("old_view") { Ok(()) } else { Err(told) }
            });
        }
    });
    let topic = cluster.assignment().unwrap().into_iter().find(|((topic, _), _)| topic == "__leeward_state");
    assert_eq!(topic.map(|(_, (replicas, _))| replicas.len()), Some(3));
    let hands = cluster.scrap().join("hands");
    fs::create_dir_all(&hands).unwrap();
    let command = |verb: &str| {
        let file = format!("{}/{verb}-$LEEWARD_NODE_ID", hands.display());
        format!("touch {file}; while [ -e {file} ]; do sleep 0.1; done")
    };
    let (stop, start) = (command("stop"), command("start"));
    // Without a drain: on 2.1 that takes ZooKeeper, which is not what is shown here.
    let begin =
        ["roll", "start", "--reason", "patches", "--no-drain", "--checks", "1", "--every", "500ms", "--yes", "--stop-cmd", &stop, "--start-cmd", &start];
    steps.must("a roll begins, and a window with it, at both", || {
        walker.command(&begin).unwrap();
        until("the roll at the other one", LIMIT, || other.attempt_command(&["roll", "status"]).unwrap().map(drop));
    });
    let mut done = Vec::new();
    steps.run("the walker is killed while a broker is down; the other one ends the roll", || {
        lend_until(&hands, &mut cluster, &mut done, |done| done.iter().any(|name| name.starts_with("stop")).then_some(()).ok_or_else(String::new));
        walker.kill();
        lend_until(&hands, &mut cluster, &mut done, |_| {
            let told = other.attempt_command(&["roll", "status", "-o", "json"]).unwrap()?;
            let roll: serde_json::Value = serde_json::from_str(&told).unwrap();
            assert_ne!(roll["state"], "stuck", "{told}");
            if roll["state"] == "done" { Ok(()) } else { Err(told) }
        });
        for id in cluster.node_ids() {
            assert!(done.contains(&format!("stop-{id}")) && done.contains(&format!("start-{id}")), "{done:?}");
        }
    });
    steps.run("its window is closed, and the audit file tells of the takeover", || {
        let told = other.command(&["maintenance", "status"]).unwrap();
        assert!(told.contains("no window is open"), "{told}");
        let told = other.command(&["maintenance", "audit"]).unwrap();
        assert!(told.contains("taken over") && told.contains("roll ended"), "{told}");
    });
    steps.finish();
}

/// Does what the commands ask for until it is so.
fn lend_until(hands: &Path, cluster: &mut Cluster, done: &mut Vec<String>, mut is_so: impl FnMut(&[String]) -> Result<(), String>) {
    let started = Instant::now();
    loop {
        let asked: Vec<PathBuf> = fs::read_dir(hands).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in asked {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let (verb, id) = name.split_once('-').unwrap();
            let id: i32 = id.parse().unwrap();
            // A command that is run twice finds it done.
            let is_last = |verb: &str| done.iter().rev().find(|name| name.ends_with(&format!("-{id}"))).is_some_and(|name| name.starts_with(verb));
            match verb {
                "stop" if !is_last("stop") => drop(cluster.stop(id)),
                "start" if is_last("stop") => cluster.launch(id),
                _ => {}
            }
            done.push(name);
            fs::remove_file(path).unwrap();
        }
        match is_so(done) {
            Ok(()) => return,
            Err(last) => assert!(started.elapsed() < ROLL_LIMIT, "{last}\n{done:?}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
