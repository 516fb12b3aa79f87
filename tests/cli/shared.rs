//! Two Leewards in front of one cluster, which share what they do through a topic there.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use leeward::sandbox::{Sandbox, SandboxConfig};
use serde_json::Value;

use super::Running;
use super::roll::Hands;

const PATIENCE: Duration = Duration::from_secs(90);
const TOPIC: &str = "__leeward_state";
const BROKERS: [i32; 3] = [1, 2, 3];

struct Pair {
    sandbox: Sandbox,
    a: Running,
    b: Running,
}

impl Pair {
    async fn new(more: &str) -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        sandbox.create_topic("orders", 6, 3, 2).await.unwrap();
        let more = format!("state.topic = \"{TOPIC}\"\n{more}");
        let (a, b) = (Running::start_with(&sandbox.bootstrap(), &more), Running::start_with(&sandbox.bootstrap(), &more));
        let pair = Pair { sandbox, a, b };
        for one in [&pair.a, &pair.b] {
            one.healthy("3 of 3 brokers reachable");
            until("both are seen", || {
                let shared = shared(one);
                (shared["old_view"].is_null() && shared["instances"].as_array().unwrap().len() == 2).then_some(()).ok_or(shared)
            });
        }
        pair
    }
}

/// Asks again and again until it is so.
fn until<T>(what: &str, mut ask: impl FnMut() -> Result<T, Value>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(found) => return found,
            Err(last) => assert!(started.elapsed() < PATIENCE, "{what}: {last:#}"),
        }
    }
}

fn status(one: &Running) -> Value {
    one.json(&["maintenance", "status"])
}

fn shared(one: &Running) -> Value {
    status(one)["shared"].clone()
}

/// What all must agree on.
fn agreed(one: &Running) -> Value {
    let status = status(one);
    let field = |list: &str, field: &str| status[list].as_array().unwrap().iter().map(|entry| entry[field].clone()).collect::<Vec<_>>();
    serde_json::json!([status["shared"]["version"], field("open", "id"), field("open", "reason"), field("open", "expires"), field("history", "id")])
}

fn open_ids(one: &Running) -> Vec<String> {
    status(one)["open"].as_array().unwrap().iter().map(|window| window["id"].as_str().unwrap().to_owned()).collect()
}

fn on(one: &Running, reason: &str) -> super::Ran {
    on_at(&one.admin, reason)
}

fn on_at(admin: &str, reason: &str) -> super::Ran {
    super::leeward(&["maintenance", "on", "--reason", reason, "--for", "1h", "--yes", "--admin", admin])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_one_is_in_force_at_the_other_and_both_agree() {
    let pair = Pair::new("").await;
    let (a, b) = (&pair.a, &pair.b);
    assert_eq!(pair.sandbox.state().partition(TOPIC, 0).unwrap().replicas.len(), 3);
    let opened = on(a, "upgrade");
    assert_eq!(opened.code, Some(0), "{}{}", opened.out, opened.err);
    until("the window is open at the other", || if open_ids(b) == ["w1"] { Ok(()) } else { Err(status(b)) });
    let shown = b.tell(&["maintenance", "status"]).out;
    assert!(shown.contains(&format!("shared through topic {TOPIC}, version ")) && shown.contains("(this one)"), "{shown}");

    // At the same time at both, several times: every window is there, with an id of its own.
    std::thread::scope(|scope| {
        for (admin, name) in [(a.admin.clone(), "a"), (b.admin.clone(), "b")] {
            scope.spawn(move || {
                for turn in 0..4 {
                    let ran = on_at(&admin, &format!("{name}{turn}"));
                    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
                }
            });
        }
    });
    until("both agree", || {
        let (of_a, of_b) = (agreed(a), agreed(b));
        if of_a == of_b && of_a[1].as_array().unwrap().len() == 9 { Ok(()) } else { Err(serde_json::json!([of_a, of_b])) }
    });
    let reasons: BTreeSet<String> = status(a)["open"].as_array().unwrap().iter().map(|window| window["reason"].as_str().unwrap().to_owned()).collect();
    let ids: BTreeSet<String> = open_ids(a).into_iter().collect();
    assert_eq!((reasons.len(), ids.len()), (9, 9));
    let closed = b.tell(&["maintenance", "off", "--reason", "done", "--yes"]);
    assert_eq!(closed.code, Some(0), "{}", closed.err);
    until("closed at the other", || if open_ids(a).is_empty() { Ok(()) } else { Err(status(a)) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_says_so_and_can_close_a_window() {
    let pair = Pair::new("").await;
    let (a, b) = (&pair.a, &pair.b);
    for reason in ["first", "second"] {
        assert_eq!(on(a, reason).code, Some(0));
    }
    until("the windows are open at the other", || if open_ids(b) == ["w1", "w2"] { Ok(()) } else { Err(status(b)) });
    let version = shared(b)["version"].as_u64().unwrap();
    for node in BROKERS {
        pair.sandbox.kill(node).unwrap();
    }
    until("the view is old", || {
        let shown = b.tell(&["maintenance", "status"]).out;
        if shown.contains("this view is ") && shown.contains(" s old: topic __leeward_state cannot be read: ") { Ok(()) } else { Err(shown.into()) }
    });
    assert_eq!(open_ids(b), ["w1", "w2"], "what is open stays open");
    let refused = b.tell(&["maintenance", "on", "--reason", "more", "--force", "--yes"]);
    assert_eq!(refused.code, Some(1), "{}{}", refused.out, refused.err);
    for words in ["this Leeward is cut off from topic __leeward_state", "nothing has changed", "a window can be closed here all the same"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    }
    let closed = b.tell(&["maintenance", "off", "--id", "w1", "--reason", "enough", "--yes"]);
    assert_eq!(closed.code, Some(0), "{}", closed.err);
    assert_eq!((open_ids(b), open_ids(a)), (vec!["w2".to_owned()], vec!["w1".to_owned(), "w2".to_owned()]));

    for node in BROKERS {
        pair.sandbox.start_broker(node).await.unwrap();
    }
    until("what was closed alone is closed for all", || {
        let (of_a, of_b) = (agreed(a), agreed(b));
        if of_a == of_b && open_ids(a) == ["w2"] && shared(a)["version"].as_u64() > Some(version) { Ok(()) } else { Err(serde_json::json!([of_a, of_b])) }
    });
    assert!(shared(b)["old_view"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_whose_walker_is_killed_is_taken_over_and_ends() {
    let mut pair = Pair::new("roll.allow_commands = true\n").await;
    let hands = Hands { directory: tempfile::tempdir().unwrap() };
    let (stop, start) = (hands.command("stop"), hands.command("start"));
    let orders = |sandbox: &Sandbox| -> Vec<_> {
        sandbox.state().partitions.into_iter().filter(|now| now.topic == "orders").map(|now| (now.partition, now.replicas)).collect()
    };
    let before = orders(&pair.sandbox);
    let begin = ["roll", "start", "--reason", "patches", "--checks", "1", "--every", "200ms", "--yes", "--stop-cmd", &stop, "--start-cmd", &start];
    let begun = pair.a.tell(&begin);
    assert_eq!(begun.code, Some(0), "{}{}", begun.out, begun.err);
    let roll = |one: &Running| super::leeward(&["roll", "status", "-o", "json", "--admin", &one.admin]);
    until("the roll is seen at the other", || {
        let ran = roll(&pair.b);
        if ran.code == Some(0) { Ok(()) } else { Err(ran.err.into()) }
    });
    let refused = pair.b.tell(&begin);
    assert!(refused.code == Some(3) && refused.err.contains("roll r1 is not over"), "{}", refused.err);
    let me = shared(&pair.a)["id"].clone();
    assert_eq!(shared(&pair.b)["walker"], me);

    let mut done: Vec<String> = Vec::new();
    let started = Instant::now();
    while !done.iter().any(|name| name.starts_with("start")) {
        done.extend(hands.lend(&pair.sandbox).await);
        assert!(started.elapsed() < PATIENCE, "{}", roll(&pair.b).out);
    }
    // A command of the other asks the walker, and does not mind what the walker changes meanwhile.
    for _ in 0..5 {
        for arguments in [["roll", "pause", "--reason", "wait"], ["roll", "resume", "--reason", "go"]] {
            let ran = pair.b.tell(&arguments);
            assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
        }
    }
    let paused = pair.b.tell(&["roll", "pause", "--reason", "look", "--author", "bob"]);
    assert_eq!(paused.code, Some(0), "{}", paused.err);
    until("paused at the walker", || {
        let shown = roll(&pair.a);
        if shown.out.contains("\"paused\"") { Ok(()) } else { Err(shown.out.into()) }
    });
    assert_eq!(pair.b.tell(&["roll", "resume", "--reason", "go"]).code, Some(0));

    pair.a.process.kill().unwrap();
    pair.a.process.wait().unwrap();
    let started = Instant::now();
    loop {
        done.extend(hands.lend(&pair.sandbox).await);
        let shown: Value = serde_json::from_str(&roll(&pair.b).out).unwrap();
        if shown["state"] == "done" {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{shown:#}\n{:#}", shared(&pair.b));
    }
    assert_eq!(shared(&pair.b)["walker"], shared(&pair.b)["id"]);
    let names: BTreeSet<&str> = done.iter().map(String::as_str).collect();
    for node in BROKERS {
        assert!(names.contains(&*format!("stop-{node}")) && names.contains(&*format!("start-{node}")), "{done:?}");
    }
    assert_eq!(orders(&pair.sandbox), before, "every order is as it was");
    assert_eq!(open_ids(&pair.b), Vec::<String>::new(), "its window is closed");
    let audit = pair.b.json(&["maintenance", "audit", "--last", "200"]);
    let whats: Vec<&str> = audit["entries"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect();
    assert!(whats.contains(&"taken over") && whats.contains(&"roll ended"), "{whats:?}");
}
