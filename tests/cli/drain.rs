//! `leeward broker drain` and `undrain` in front of the sandbox.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_drained_and_undrained_over_a_crash() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    sandbox.create_topic("orders", 6, 3, 2).await.expect("a topic");
    sandbox.create_topic("one", 3, 1, 1).await.expect("a topic of one replica");
    let orders = || sandbox.state().partitions.into_iter().map(|now| (now.topic, now.partition, now.replicas, now.leader)).collect::<Vec<_>>();
    let (before, mut running) = (orders(), Running::start(&sandbox.bootstrap()));
    running.healthy("3 of 3 brokers reachable");
    let drain = ["broker", "drain", "2", "--reason", "upgrade to 4.3", "--author", "alice"];

    let ran = running.tell(&drain);
    assert!(ran.code == Some(2) && ran.err.contains("no terminal to ask for confirmation; say --yes"), "{}", ran.err);
    let ran = running.tell(&[&drain[..], &["--dry-run"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("no maintenance window is open") && ran.out.contains("dry run: broker 2: 0 of 3 leaders moved; 1 has one replica"), "{}", ran.out);
    assert_eq!(orders(), before);

    let ran = running.tell(&[&drain[..], &["--yes", "--wait"]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let one = before.iter().find(|(topic, _, replicas, _)| topic == "one" && replicas == &[2]).expect("on each broker one").1;
    let told = format!("broker 2: 2 of 3 leaders moved; 1 has one replica and cannot move (one-{one})");
    assert!(ran.out.contains("broker 2 is drained (upgrade to 4.3)") && ran.out.contains(&told), "{}", ran.out);
    let led = |node| sandbox.state().partitions.into_iter().filter(|now| now.leader == node).map(|now| now.topic).collect::<Vec<_>>();
    assert_eq!(led(2), ["one"]);
    let leads = [led(1).len(), led(3).len()];
    assert_eq!(leads, [4, 4], "evenly");

    assert_eq!(running.json(&["cluster"])["brokers"][1]["state"], "drained");
    let back = running.json(&["broker", "may-continue", "2"]);
    assert_eq!((&back["share"]["leaders"], &back["share"]["leaders_before"]), (&1.into(), &3.into()), "{back:#}");
    assert!(back["notes"].as_array().expect("a list").iter().any(|note| note.as_str().expect("a text").contains("leeward broker undrain 2")), "{back:#}");
    let ran = running.tell(&["broker", "may-stop", "1"]);
    assert!(ran.code == Some(3) && ran.out.contains("broker 2 is"), "the gate knows of it: {}", ran.out);
    let ran = running.tell(&["broker", "drain", "3", "--reason", "r", "--yes"]);
    assert!(ran.code == Some(3) && ran.err.contains("broker 2 is drained already") && ran.err.contains("--force"), "{}", ran.err);
    let ran = running.tell(&["broker", "drain", "7", "--reason", "r", "--yes"]);
    assert!(ran.code == Some(1) && ran.err.contains("there is no broker 7"), "{}", ran.err);

    running.crash();
    assert_eq!(running.logged("still drained")["id"], "broker 2");
    running.logged("cluster known");
    running.healthy("3 of 3 brokers reachable");
    assert_eq!(running.json(&[&drain[..], &["--yes"]].concat())["drain"]["phase"], "drained");
    let ran = running.tell(&["broker", "undrain", "2", "--yes", "--wait", "--timeout", "1m"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("broker 2 is serving") && ran.out.contains("all 2 partitions have the order of before"), "{}", ran.out);
    assert_eq!(orders(), before);
    let ran = running.tell(&["broker", "undrain", "2", "--yes"]);
    assert!(ran.code == Some(1) && ran.err.contains("broker 2 is not draining or drained"), "{}", ran.err);
    let audit = running.json(&["maintenance", "audit"]);
    let whats: Vec<_> = audit["entries"].as_array().expect("a list").iter().map(|entry| entry["what"].as_str().expect("a text")).collect();
    assert_eq!(whats, ["drain begun", "orders saved", "drained", "drain refused", "undrain begun", "undrained"]);
    running.tell(&["maintenance", "audit"]);
    sandbox.shutdown().await;
}
