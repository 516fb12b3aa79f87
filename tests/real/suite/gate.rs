//! The restart gate and `leeward cluster` against real states: each answer is right, and each sentence says what to do. The sentences are in the output.

use std::time::Duration;

use serde_json::Value;

use super::{Scene, prepare};
use crate::clients::console::Console;
use crate::cluster::{CONTROLLER, Cluster};
use crate::front::{Arm, Front};
use crate::records::{Shape, make};
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_4_3_1, Quorum, Release, Tool};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, say, until};

#[test]
fn gate_4_3_1() {
    test(&KAFKA_4_3_1, Selection::Ci);
}

#[test]
fn gate_2_6_3() {
    test(&KAFKA_2_6_3, Selection::All);
}

#[test]
fn gate_2_1_0() {
    test(&KAFKA_2_1_0, Selection::All);
}

/// The broker that is asked about, the one that goes, and one more.
const N: i32 = 1;
const OTHER: i32 = 5;
const FOLLOWER: i32 = 42;

/// A follower that has lacked records for so long leaves the ISR: below the 9 s after which a KRaft controller takes a silent broker for dead.
const LAG_MAX: (&str, &str) = ("replica.lag.time.max.ms", "3000");
/// ISR changes reach the metadata within it: ZooKeeper's controller is told in steps of 2.5 s, and tells on.
const CHANGE_LIMIT: Duration = Duration::from_secs(60);

fn test(release: &'static Release, least: Selection) {
    let name = format!("gate-{}", release.version);
    let Some(_admission) = admit(&name, least) else { return };
    if Arm::from_env() == Arm::Direct {
        return say(&name, "skipped: without Leeward there is nobody to ask");
    }
    prepare(&[release], &[release], false);
    let mut steps = Steps::new(&name);
    let mut scene = steps.must("three brokers, and Leeward is ready", || Scene::over(Cluster::start_with(&name, release, &[LAG_MAX]), release, &[]));
    steps.must("healthy: yes, and every broker is shown with its release", || {
        create(&mut scene, "t", &[N, OTHER, FOLLOWER], 2);
        healthy(&scene, &name);
    });
    steps.run("one replica: no, and yes when only the others must keep a leader", || one_replica(&mut scene, &name));
    steps.run("min ISR is the replication factor: named, and no obstacle", || tight(&mut scene, &name));
    if release.reassignment() {
        steps.run("a reassignment that is held up by its throttle: no, until it is done", || reassigning(&mut scene, &name));
    }
    steps.run("a follower stands still and leaves the ISR: no at once, and yes when it has caught up", || lagging(&mut scene, &name));
    steps.run("two brokers down: no, whatever the guarantee; yes when they are back", || two_down(&mut scene, &name));
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}

fn create(scene: &mut Scene, topic: &str, replicas: &[i32], min_isr: u32) {
    let replicas: Vec<String> = replicas.iter().map(ToString::to_string).collect();
    scene.java.run("create", &[("topic", topic), ("replicas", &replicas.join(",")), ("config", &format!("min.insync.replicas={min_isr}"))]);
    scene.cluster.await_topic(topic);
}

/// What the gate says of the stop of a broker; its sentences are printed.
fn may_stop(front: &Front, test: &str, state: &str, node_id: i32, guarantee: &str) -> Value {
    let (code, out, err) = front.outcome(&["broker", "may-stop", &node_id.to_string(), "--guarantee", guarantee, "-o", "json"]).unwrap();
    let verdict: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let answer = if verdict["may_stop"] == true { "yes" } else { "no" };
    assert_eq!(code, Some(if answer == "yes" { 0 } else { 3 }), "{out}{err}");
    say(test, &format!("{state}: may broker {node_id} stop ({guarantee})? {answer}"));
    for text in list(&verdict, "blockers").iter().map(|blocker| blocker["text"].as_str().unwrap()) {
        assert!(text.len() > 60, "what to do is missing: {text}");
        say(test, &format!("    - {text}"));
    }
    for note in list(&verdict, "notes") {
        say(test, &format!("    besides: {}", note.as_str().unwrap()));
    }
    verdict
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn kinds(verdict: &Value) -> Vec<&str> {
    list(verdict, "blockers").iter().map(|blocker| blocker["kind"].as_str().unwrap()).collect()
}

/// As `kinds`, for states in which the broker that is away may be ZooKeeper's active controller: then nobody tells the reassignments, and that is said.
fn kinds_without_controller<'a>(scene: &Scene, verdict: &'a Value) -> Vec<&'a str> {
    let may_be_away = scene.release.quorum == Quorum::ZooKeeper && scene.release.reassignment();
    let unread = |blocker: &&Value| {
        let is_unread = blocker["kind"] == "not_known";
        assert!(!is_unread || (may_be_away && blocker["text"].as_str().unwrap().contains("running reassignments could not be read")), "{blocker:#}");
        is_unread
    };
    list(verdict, "blockers").iter().filter(|blocker| !unread(blocker)).map(|blocker| blocker["kind"].as_str().unwrap()).collect()
}

/// The topics of one of the verdict's lists of risks.
fn risk<'a>(verdict: &'a Value, name: &str) -> Vec<&'a str> {
    list(&verdict["risks"], name).iter().map(|partition| partition["topic"].as_str().unwrap()).collect()
}

fn cluster(scene: &Scene) -> Value {
    serde_json::from_str(&scene.front.command(&["cluster", "-o", "json"]).unwrap()).unwrap()
}

fn show_cluster(scene: &Scene, test: &str, arguments: &[&str]) {
    for line in scene.front.command(arguments).unwrap().lines() {
        assert!(line.chars().count() <= 100, "{line}");
        say(test, &format!("    {line}"));
    }
}

/// Waits by the command's own means until the answer is yes.
fn wait(scene: &Scene, question: &str, node_id: i32) {
    let arguments = ["broker", question, &node_id.to_string(), "--wait", "--checks", "2", "--every", "1s", "--timeout", "2m"];
    let (code, out, err) = scene.front.outcome(&arguments).unwrap();
    assert_eq!(code, Some(0), "{question} {node_id}: {out}{err}");
}

fn healthy(scene: &Scene, test: &str) {
    show_cluster(scene, test, &["cluster"]);
    show_cluster(scene, test, &["cluster", "version"]);
    let picture = cluster(scene);
    let release = scene.release.version.rsplit_once('.').unwrap().0;
    let brokers: Vec<_> =
        list(&picture, "brokers").iter().map(|broker| (broker["node_id"].as_i64(), broker["state"].as_str(), broker["release"]["text"].as_str())).collect();
    assert_eq!(brokers, [N, OTHER, FOLLOWER].map(|node_id| (Some(node_id.into()), Some("serving"), Some(release))), "{picture:#}");
    let controller = picture["controller_id"].as_i64().unwrap();
    match scene.release.quorum {
        Quorum::KRaft => {
            assert_eq!(controller, i64::from(CONTROLLER), "the quorum's leader");
            assert_eq!(list(&picture["quorum"], "voters").len(), 1);
            assert!(picture["metadata_version"].as_str().unwrap().starts_with(release), "{picture:#}");
            assert_eq!(list(&picture, "gaps"), [Value::Null; 0], "{picture:#}");
        }
        Quorum::ZooKeeper => {
            assert!([N, OTHER, FOLLOWER].map(i64::from).contains(&controller), "{picture:#}");
            assert_eq!(picture["quorum"], Value::Null);
            assert!(list(&picture, "brokers").iter().all(|broker| broker["inter_broker_protocol"].as_str().unwrap().starts_with(release)), "{picture:#}");
            assert_eq!(list(&picture, "gaps").len(), usize::from(!scene.release.reassignment()), "{picture:#}");
        }
    }
    let verdict = may_stop(&scene.front, test, "healthy", N, "strict");
    assert_eq!(kinds(&verdict), [""; 0]);
    assert_eq!(risk(&verdict, "acks1_data_loss"), ["t"], "it leads it: what acks=1 could lose");
    assert_eq!(risk(&may_stop(&scene.front, test, "healthy", FOLLOWER, "strict"), "acks1_data_loss"), [""; 0]);
    assert_eq!(kinds(&may_stop(&scene.front, test, "healthy", 9, "none")), ["unknown_broker"]);
    wait(scene, "may-continue", N);
}

fn one_replica(scene: &mut Scene, test: &str) {
    create(scene, "single", &[N], 1);
    let verdict = may_stop(&scene.front, test, "one replica", N, "strict");
    assert_eq!((kinds(&verdict), risk(&verdict, "rf1_offline")), (vec!["one_replica"], vec!["single"]));
    let verdict = may_stop(&scene.front, test, "one replica", N, "available");
    assert_eq!((kinds(&verdict), risk(&verdict, "rf1_offline")), (vec![], vec!["single"]));
    assert_eq!(kinds(&may_stop(&scene.front, test, "one replica on another", OTHER, "strict")), [""; 0]);
    delete(scene, "single");
}

fn tight(scene: &mut Scene, test: &str) {
    create(scene, "tight", &[OTHER, N], 2);
    let verdict = may_stop(&scene.front, test, "min ISR is the replication factor", N, "strict");
    assert_eq!((kinds(&verdict), risk(&verdict, "full_acks_produce_unavailable")), (vec![], vec!["tight"]));
    assert!(list(&verdict, "notes").iter().any(|note| note.as_str().unwrap().starts_with("tight-0 cannot be written with acks=all")), "{verdict:#}");
    delete(scene, "tight");
}

/// Until no broker names it any more.
fn delete(scene: &mut Scene, topic: &str) {
    scene.java.run("delete", &[("topic", topic)]);
    until(&format!("{topic} gone"), CHANGE_LIMIT, || match cluster(scene)["partitions"]["partitions"].as_u64() {
        Some(1) => Ok(()),
        other => Err(format!("{other:?} partitions")),
    });
}

fn reassigning(scene: &mut Scene, test: &str) {
    create(scene, "moving", &[OTHER, FOLLOWER], 1);
    // More than the megabyte that one fetch takes along whatever the throttle: that leaves one for every 11 s, over which a rate is measured.
    let file = scene.file("moving", &make(91, 30_000, 1, Shape::NoHeaders));
    scene.java.run("produce", &[("topic", "moving"), ("file", &file), ("client", "bulk"), ("acks", "all")]);
    let mut console = Console::new(scene.release, &scene.cluster.log_path("tools"));
    let mut throttle = |scene: &mut Scene, rate: &str| {
        for id in [OTHER, FOLLOWER].map(|id| id.to_string()) {
            let setting = format!("leader.replication.throttled.rate={rate}");
            let common = ["--bootstrap-server", scene.front.bootstrap(), "--entity-type", "brokers", "--entity-name", &id, "--alter", "--add-config", &setting];
            console.run(Tool::Configs, &common, "");
        }
    };
    throttle(scene, "1");
    scene.java.run("alter", &[("topic", "moving"), ("key", "leader.replication.throttled.replicas"), ("value", "*")]);
    scene.java.run("reassign", &[("topic", "moving"), ("partition", "0"), ("replicas", "5,1")]);
    let verdict = until("the reassignment seen", CHANGE_LIMIT, || {
        let verdict = may_stop(&scene.front, test, "a reassignment runs", N, "strict");
        if kinds(&verdict).contains(&"reassigning") { Ok(verdict) } else { Err(format!("{verdict:#}")) }
    });
    assert_eq!(kinds(&verdict), ["reassigning"]);
    assert_eq!(list(&cluster(scene), "reassigning").len(), 1);
    assert_eq!(kinds(&may_stop(&scene.front, test, "a reassignment runs", N, "available")), [""; 0]);
    // The broker that it moves to has no copy yet.
    let (code, out, _) = scene.front.outcome(&["broker", "may-continue", "1", "-o", "json"]).unwrap();
    assert!(code == Some(3) && out.contains("not_in_sync"), "{out}");
    show_cluster(scene, test, &["cluster"]);
    throttle(scene, "100000000");
    wait(scene, "may-stop", N);
    delete(scene, "moving");
}

fn lagging(scene: &mut Scene, test: &str) {
    let file = scene.file("lagging", &make(92, 20, 1, Shape::NoHeaders));
    let produce = |scene: &mut Scene| drop(scene.java.run("produce", &[("topic", "t"), ("file", &file), ("client", "one"), ("acks", "1")]));
    // Once before, so that it is connected: a new client may ask the broker that stands still first, and wait.
    produce(scene);
    scene.cluster.pause(FOLLOWER);
    let at_once = may_stop(&scene.front, test, "a follower stands still, for a moment now", N, "strict");
    assert_eq!(kinds_without_controller(scene, &at_once), ["at_min_isr", "other_broker_down"]);
    // A follower that lacks nothing stays in the ISR however long it is silent.
    produce(scene);
    until("the ISR without it", CHANGE_LIMIT, || match cluster(scene)["partitions"]["under_replicated"].as_u64() {
        Some(1) => Ok(()),
        other => Err(format!("{other:?} partitions under-replicated")),
    });
    let verdict = may_stop(&scene.front, test, "it has left the ISR", N, "strict");
    assert_eq!(
        (kinds_without_controller(scene, &verdict), risk(&verdict, "full_acks_produce_unavailable")),
        (vec!["at_min_isr", "other_broker_down"], vec!["t"])
    );
    assert_eq!(kinds(&may_stop(&scene.front, test, "it has left the ISR", N, "available")), [""; 0]);
    show_cluster(scene, test, &["cluster"]);
    let (code, out, _) = scene.front.outcome(&["broker", "may-stop", "1", "--wait", "--every", "500ms", "--timeout", "1s"]).unwrap();
    assert_eq!(code, Some(4), "{out}");
    scene.cluster.resume(FOLLOWER);
    wait(scene, "may-continue", FOLLOWER);
    wait(scene, "may-stop", N);
}

fn two_down(scene: &mut Scene, test: &str) {
    scene.cluster.kill(FOLLOWER);
    let verdict = may_stop(&scene.front, test, "another was killed a moment ago", N, "strict");
    assert_eq!(kinds_without_controller(scene, &verdict), ["at_min_isr", "other_broker_down"]);
    scene.cluster.stop(OTHER);
    let verdict = may_stop(&scene.front, test, "two are down", N, "strict");
    assert_eq!(kinds_without_controller(scene, &verdict), ["only_in_sync", "other_broker_down"]);
    assert_eq!(list(&verdict, "blockers")[1]["brokers"], serde_json::json!([OTHER, FOLLOWER]));
    let verdict = may_stop(&scene.front, test, "two are down", N, "available");
    assert_eq!((kinds(&verdict), risk(&verdict, "unavailable")), (vec!["only_in_sync"], vec!["t"]));
    assert_eq!(may_stop(&scene.front, test, "two are down", N, "none")["may_stop"], true, "it only tells");
    show_cluster(scene, test, &["cluster"]);
    // ZooKeeper lets no broker join while the session of the one before it has not ended.
    until("broker 42 gone from the metadata", CHANGE_LIMIT, || {
        let picture = cluster(scene);
        let gone = list(&picture, "brokers").iter().any(|broker| broker["node_id"] == FOLLOWER && broker["listed"] == false);
        if gone { Ok(()) } else { Err(format!("{picture:#}")) }
    });
    scene.cluster.launch(OTHER);
    scene.cluster.launch(FOLLOWER);
    scene.cluster.await_up(OTHER);
    scene.cluster.await_up(FOLLOWER);
    for node_id in [OTHER, FOLLOWER] {
        wait(scene, "may-continue", node_id);
    }
    wait(scene, "may-stop", N);
}
