//! `leeward cluster` and `leeward broker may-stop`, `may-continue` from outside, in front of the sandbox: answers, exit codes, and waiting.
#![expect(clippy::unwrap_used, reason = "a test may panic, and says where")]

use std::time::Duration;

use leeward::sandbox::{ModelConfig, Sandbox, SandboxConfig};
use serde_json::Value;

use super::Running;

/// The exit code and the JSON, whatever that code is.
fn json(running: &Running, arguments: &[&str]) -> (Option<i32>, Value) {
    let ran = super::leeward(&[arguments, &["-o", "json", "--admin", &running.admin]].concat());
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err)))
}

/// Brokers whose session outlives the test: the metadata goes on naming one that stands still.
async fn cluster() -> Sandbox {
    let model = ModelConfig { session_timeout: Duration::from_secs(600), ..ModelConfig::default() };
    let sandbox = Sandbox::start(SandboxConfig { model, ..SandboxConfig::default() }).await.unwrap();
    sandbox.create_topic("orders", 6, 3, 2).await.unwrap();
    sandbox
}

fn started(sandbox: &Sandbox) -> Running {
    let running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    running
}

fn kinds(answer: &Value, list: &str) -> Vec<String> {
    answer[list].as_array().unwrap().iter().map(|blocker| blocker["kind"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_cluster_says_yes_and_a_broker_that_stands_still_makes_it_no() {
    let sandbox = cluster().await;
    let running = started(&sandbox);

    let ran = running.tell(&["cluster"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("3 of 3 brokers serving") && ran.out.contains("controller  3000, of the quorum 3000"), "{}", ran.out);
    let ran = running.tell(&["broker", "may-stop", "1", "--checks", "2", "--every", "200ms"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "yes, 1 of 2\n"));
    assert!(ran.out.starts_with("yes: broker 1 may stop (strict)\n"), "{}", ran.out);
    let (code, back) = json(&running, &["broker", "may-continue", "1"]);
    assert_eq!((code, &back["may_continue"], &back["share"]["in_sync"]), (Some(0), &true.into(), &6.into()));

    sandbox.pause(2).unwrap();
    let (code, verdict) = json(&running, &["broker", "may-stop", "1"]);
    assert_eq!((code, &verdict["may_stop"]), (Some(3), &false.into()));
    // It is in every ISR as the metadata tells it, and counts no more.
    assert_eq!(kinds(&verdict, "blockers"), ["at_min_isr", "other_broker_down"]);
    assert_eq!(json(&running, &["broker", "may-stop", "1", "--guarantee", "available"]).0, Some(0));
    let (code, back) = json(&running, &["broker", "may-continue", "2"]);
    assert_eq!((code, kinds(&back, "missing")), (Some(3), vec!["unreachable".to_owned()]));
    let (_, picture) = json(&running, &["cluster"]);
    assert_eq!(picture["brokers"][1]["state"], "down", "{picture:#}");

    let ran = running.tell(&["broker", "may-stop", "1", "--wait", "--every", "1s", "--timeout", "2s"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.out.starts_with("no: broker 1 may not stop (strict)\n") && ran.err.contains("not yes within 2s: "), "{}{}", ran.out, ran.err);
    sandbox.resume(2).unwrap();
    let ran = running.tell(&["broker", "may-stop", "1", "--wait", "--every", "500ms", "--timeout", "60s"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let ran = running.tell(&["broker", "may-continue", "2", "--wait", "--every", "500ms", "--timeout", "60s"]);
    assert!(ran.code == Some(0) && ran.out.starts_with("yes: broker 2 is back, go on\n"), "{}{}", ran.out, ran.err);
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_said() {
    let sandbox = cluster().await;
    let running = started(&sandbox);
    let (code, verdict) = json(&running, &["broker", "may-stop", "9", "--guarantee", "none"]);
    assert_eq!((code, kinds(&verdict, "blockers")), (Some(3), vec!["unknown_broker".to_owned()]));
    for (arguments, said) in [
        (["broker", "may-stop", "one"].as_slice(), "invalid value 'one'"),
        (&["broker", "may-stop", "1", "--guarantee", "all"], "strict, available, none"),
        (&["broker", "may-stop", "1", "--every", "0s"], "at least 200ms"),
        (&["broker", "may-stop", "1", "--timeout", "1m"], "--wait"),
        (&["broker", "may-stop", "1", "--wait", "--checks", "10", "--timeout", "1m"], "take 1m30s, and --timeout is 1m"),
    ] {
        let ran = running.tell(arguments);
        assert!(ran.code == Some(2) && ran.err.contains(said), "{arguments:?}: {:?} {}", ran.code, ran.err);
    }
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_broker_it_is_said_that_nothing_is_known() {
    let sandbox = cluster().await;
    let running = started(&sandbox);
    for (node_id, _) in sandbox.brokers() {
        sandbox.kill(node_id).unwrap();
    }
    for arguments in [["cluster"].as_slice(), &["broker", "may-stop", "1"], &["broker", "may-continue", "1"]] {
        let ran = running.tell(arguments);
        assert!(ran.code == Some(1) && ran.err.contains("the cluster could not be read: ") && ran.err.contains("leeward status"), "{arguments:?}: {}", ran.err);
    }
    let ran = running.tell(&["broker", "may-stop", "1", "--wait", "--timeout", "1s", "--every", "500ms"]);
    assert!(ran.code == Some(4) && ran.err.contains("not yes within 1s: "), "{:?} {}", ran.code, ran.err);
    sandbox.shutdown().await;
}
