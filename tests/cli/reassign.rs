//! `leeward reassign plan` in front of the sandbox.

use leeward::sandbox::{Sandbox, SandboxConfig};
use serde_json::{Value, json};

use super::history::write_weeks;
use super::{Running, leeward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_made_written_and_checked() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    sandbox.create_topic("orders", 10, 2, 1).await.expect("a topic");
    sandbox.create_topic("payments", 4, 1, 1).await.expect("a topic");
    let running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (plan, before) = (path("plan.json"), path("before.json"));

    // Everything away from broker 3.
    let files = ["--out", plan.as_str(), "--rollback-out", before.as_str()];
    let ran = running.tell(&[&["reassign", "plan", "--brokers", "1,2", "--topics", "orders,pay*", "--throttle", "50MiB"], files.as_slice()].concat());
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("looked at   14 partitions with 24 replicas") && ran.out.contains("Kafka places new topics on a new broker by itself"),
        "{}",
        ran.out
    );
    let read = |file: &str| serde_json::from_str::<Value>(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (after, back) = (read(&plan), read(&before));
    let state = sandbox.state();
    assert_eq!(after["version"], 1);
    for (moved, kept) in after["partitions"].as_array().unwrap().iter().zip(back["partitions"].as_array().unwrap()) {
        assert_eq!((&moved["topic"], &moved["partition"]), (&kept["topic"], &kept["partition"]));
        assert!(moved["replicas"].as_array().unwrap().iter().all(|id| *id == 1 || *id == 2), "{moved}");
        let now = state.partition(moved["topic"].as_str().unwrap(), i32::try_from(moved["partition"].as_i64().unwrap()).unwrap()).unwrap();
        assert_eq!(kept["replicas"], json!(now.replicas), "the way back is what is now");
    }

    // What was written is not written over.
    let ran = running.tell(&["reassign", "plan", "--brokers", "1,2", "--out", &plan]);
    assert!(ran.code == Some(1) && ran.err.contains("it is left as it is"), "{}", ran.err);

    // The same plan, as if another tool had made it.
    let told = running.json(&["reassign", "plan", "--in", &plan]);
    assert_eq!(told["moves"].as_array().unwrap().len(), after["partitions"].as_array().unwrap().len());
    let on_3 = told["brokers"].as_array().unwrap().iter().find(|share| share["node_id"] == 3).unwrap();
    assert!(on_3["replicas_before"].as_u64() > Some(0) && on_3["replicas_after"] == 0, "{on_3}");
    assert_eq!(running.json(&["reassign", "plan", "--in", &before])["moves"], json!([]));

    // One that cannot be carried out, and texts that are none.
    let strange = path("strange.json");
    std::fs::write(&strange, r#"{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,99]}]}"#).unwrap();
    let ran = running.tell(&["reassign", "plan", "--in", &strange]);
    assert!(ran.code == Some(3) && ran.out.contains("broker 99, which is not there"), "{}{}", ran.out, ran.err);
    std::fs::write(&strange, "Current partition").unwrap();
    let ran = running.tell(&["reassign", "plan", "--in", &strange]);
    assert!(ran.code == Some(2) && ran.err.contains("it is not the JSON of kafka-reassign-partitions"), "{}", ran.err);
    let ran = running.tell(&["reassign", "plan", "--brokers", "1,77"]);
    assert!(ran.code == Some(2) && ran.err.contains("there is no broker 77 in the cluster"), "{}", ran.err);
    sandbox.shutdown().await;
}

/// Before there is a history that is said, and with one the next quiet period that is long enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_when_it_is_quiet() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    sandbox.create_topic("orders", 10, 2, 1).await.expect("a topic");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let plan = ["reassign", "plan", "--brokers", "1,2", "--throttle", "50MiB", "--time-zone", "Europe/Berlin"];
    let told = running.tell(&plan);
    assert!(
        told.code == Some(0) && told.out.contains("quiet       there is no telling yet when it is quiet. Nothing of the week was seen yet"),
        "{}",
        told.out
    );
    let json = running.json(&plan);
    let when = &json["when"];
    assert!(when["start"].is_null() && when["told"].as_str().unwrap().contains("no telling yet"), "{when}");
    let directory = tempfile::tempdir().unwrap();
    let same = directory.path().join("same.json");
    let replicas = sandbox.state().partition("orders", 0).unwrap().replicas.clone();
    std::fs::write(&same, json!({"version": 1, "partitions": [{"topic": "orders", "partition": 0, "replicas": replicas}]}).to_string()).unwrap();
    assert_eq!(running.json(&["reassign", "plan", "--in", same.to_str().unwrap()]).get("when"), None, "nothing to move");
    let ran = running.tell(&["reassign", "plan", "--brokers", "1,2", "--time-zone", "Europe/Nowhere"]);
    assert!(ran.code == Some(2) && ran.err.contains("there is no time zone"), "{}", ran.err);

    running.signal("TERM");
    running.process.wait().unwrap();
    write_weeks(&running.state.path().join("leeward-state"));
    (running.process, running.lines) = Running::spawn(&running.config);
    running.healthy("3 of 3 brokers reachable");
    let told = running.tell(&plan);
    assert!(
        told.code == Some(0) && told.out.contains("Sunday 02:00–05:00, 4 % of the") && told.out.lines().all(|line| line.chars().count() <= 100),
        "{}",
        told.out
    );
    let json = running.json(&plan);
    let (start, end) = (&json["when"]["start"], &json["when"]["end"]);
    let zoned = |at: &Value| at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().in_tz("Europe/Berlin").unwrap();
    let (start, end) = (zoned(start), zoned(end));
    assert!(start.timestamp() < end.timestamp() && start.weekday() == jiff::civil::Weekday::Sunday, "{start} to {end}");
    assert!((2..5).contains(&start.hour()) && (end.hour(), end.minute()) == (5, 0), "{start} to {end}");
    assert_eq!(json["quiet_hours"]["zone"], "Europe/Berlin");
    sandbox.shutdown().await;
}

#[test]
fn wrong_arguments_are_usage() {
    for arguments in [
        &["reassign"][..],
        &["reassign", "plan", "--throttle", "fast"],
        &["reassign", "plan", "--throttle", "0"],
        &["reassign", "plan", "--brokers", "one"],
        &["reassign", "plan", "--in", "plan.json", "--leaders-only"],
        &["reassign", "plan", "--in", "/nowhere/plan.json"],
    ] {
        let ran = leeward(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
    }
}
