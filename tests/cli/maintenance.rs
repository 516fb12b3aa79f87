//! Windows over a crash, and windows that are refused or open by themselves.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_window_outlives_a_crash_and_closes_by_itself() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let on = ["maintenance", "on", "--reason", "upgrade to 4.3", "--for", "15s", "--topics", "orders,payments", "--author", "alice"];

    let ran = running.tell(&on);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("no terminal to ask for confirmation; say --yes"), "{}", ran.err);
    let ran = running.tell(&[&on[..], &["--dry-run"]].concat());
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("all 3 healthy") && ran.out.contains("dry run: a window of 15s over topics orders, payments would be opened"), "{}", ran.out);
    assert_eq!(running.json(&["maintenance", "status"])["open"], serde_json::json!([]));

    let ran = running.tell(&[&on[..], &["--yes"]].concat());
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("window w1 is open for 15s, until 20") && ran.out.contains("kept over a restart in "), "{}", ran.out);
    let ran = running.tell(&["maintenance", "status"]);
    assert!(ran.out.contains("upgrade to 4.3") && ran.out.contains("alice"), "{}", ran.out);
    let ran = running.tell(&["status"]);
    assert!(ran.out.contains("1 window open\n          w1 for "), "{}", ran.out);
    let before = running.json(&["maintenance", "status"]);

    running.crash();
    assert_eq!(running.logged("window still open")["id"], "w1");
    running.logged("cluster known");
    let after = running.json(&["maintenance", "status"]);
    assert_eq!(after["open"][0]["expires"], before["open"][0]["expires"]);
    assert_eq!(running.logged("window closed")["why"], "its time was over");
    assert_eq!(running.json(&["maintenance", "status"])["open"], serde_json::json!([]));
    running.tell(&["maintenance", "status"]);

    running.tell(&["maintenance", "audit"]);
    let audit = running.json(&["maintenance", "audit"]);
    let told = |entry: &serde_json::Value| ["who", "what", "why", "result"].map(|key| entry[key].as_str().unwrap_or_default().to_owned());
    let entries: Vec<_> = audit["entries"].as_array().expect("a list").iter().map(told).collect();
    assert_eq!(
        entries,
        [["alice", "window opened", "upgrade to 4.3", "done"].map(str::to_owned), ["leeward", "window closed", "its time was over", "done"].map(str::to_owned)]
    );
    let file = std::fs::read_to_string(running.state.path().join("leeward-state/audit.jsonl")).expect("the audit file");
    assert_eq!(file.lines().count(), 2, "{file}");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_refused_while_a_broker_is_down_and_detected_when_told_to() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    sandbox.stop(2).await.expect("stopped");
    running.healthy("2 of 3 brokers reachable");

    let on = ["maintenance", "on", "--reason", "r", "--yes"];
    let ran = running.tell(&on);
    assert_eq!(ran.code, Some(3));
    assert!(ran.out.contains("danger") && ran.err.contains("broker 2") && ran.err.contains("--force"), "{}{}", ran.out, ran.err);
    assert_eq!(running.tell(&["maintenance", "preflight"]).code, Some(3));
    assert_eq!(running.tell(&[&on[..], &["--force"]].concat()).code, Some(0));
    let ran = running.tell(&["maintenance", "off", "--reason", "r", "--id", "w7", "--yes"]);
    assert!(ran.code == Some(1) && ran.err.contains("there is no open window w7"), "{}", ran.err);
    let ran = running.tell(&["maintenance", "off", "--reason", "done", "--yes"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("window w1 is closed; it was open for "), "{}", ran.out);
    let ran = running.tell(&["maintenance", "off", "--reason", "done", "--yes"]);
    assert!(ran.code == Some(1) && ran.err.contains("no window is open"), "{}", ran.err);

    let add = ["maintenance", "schedule", "add", "--reason", "patches", "--cron", "0 2 * * SAT", "--zone", "Europe/Berlin", "--for", "3h", "--yes"];
    let ran = running.tell(&add);
    assert!(ran.code == Some(0) && ran.out.starts_with("schedule s1 is added: \"0 2 * * SAT\" in Europe/Berlin, for 3h"), "{}{}", ran.out, ran.err);
    let ran = running.tell(&["maintenance", "schedule", "list"]);
    assert!(ran.out.contains("s1") && ran.out.contains("Europe/Berlin"), "{}", ran.out);
    running.tell(&["maintenance", "status"]);
    assert_eq!(running.tell(&["maintenance", "schedule", "remove", "s1", "--reason", "by hand", "--yes"]).code, Some(0));
    let ran = running.tell(&["maintenance", "schedule", "add", "--reason", "r", "--cron", "0 26 * * *", "--for", "3h", "--yes"]);
    assert!(ran.code == Some(2) && ran.err.contains("is no schedule"), "{}", ran.err);

    sandbox.start_broker(2).await.expect("started");
    running.healthy("3 of 3 brokers reachable");
    running.rewrite("guard.detect = true\nguard.detect_quiet = \"0s\"\n");
    assert_eq!(running.tell(&["reload"]).code, Some(0));
    sandbox.stop(3).await.expect("stopped");
    assert_eq!(running.logged("window opened")["who"], "detection");
    running.tell(&["maintenance", "status"]);
    sandbox.start_broker(3).await.expect("started");
    assert_eq!(running.logged("window closed")["who"], "leeward");
    running.tell(&["maintenance", "status"]);
    running.tell(&["maintenance", "audit"]);
    sandbox.shutdown().await;
}
