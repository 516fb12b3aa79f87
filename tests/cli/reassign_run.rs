//! `leeward reassign` in front of the sandbox: a fourth broker gets its share.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use leeward::sandbox::{ClusterState, Sandbox, SandboxConfig};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use super::{Ran, Running};

const PATIENCE: Duration = Duration::from_secs(90);

type Replicas = BTreeMap<(String, i32), Vec<i32>>;

/// Four brokers, of which the last has none of the partitions, and a Leeward in front of them.
struct Scene {
    sandbox: Sandbox,
    running: Running,
    plan: tempfile::NamedTempFile,
    planned: Replicas,
    before: Replicas,
    leaders: Vec<i32>,
}

impl Scene {
    /// Two topics of two partitions with about 400 KB each; one replica of each goes to broker 4.
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        for topic in ["clicks", "orders"] {
            sandbox.create_topic(topic, 2, 3, 2).await.unwrap();
            fill(&sandbox, topic, 2);
        }
        assert_eq!(sandbox.add_broker().await.unwrap(), 4);
        let before = replicas(&sandbox.state());
        // The preferred leader of the first partition, the last replica of the second.
        let planned: Replicas = before
            .iter()
            .map(|((topic, partition), replicas)| {
                let mut replicas = replicas.clone();
                replicas[if *partition == 0 { 0 } else { 2 }] = 4;
                ((topic.clone(), *partition), replicas)
            })
            .collect();
        let partitions: Vec<Value> =
            planned.iter().map(|((topic, partition), replicas)| json!({"topic": topic, "partition": partition, "replicas": replicas})).collect();
        let mut plan = tempfile::NamedTempFile::new().unwrap();
        plan.write_all(json!({"version": 1, "partitions": partitions}).to_string().as_bytes()).unwrap();
        let running = Running::start(&sandbox.bootstrap());
        running.healthy("4 of 4 brokers reachable");
        let leaders = leaders(&sandbox.state());
        Scene { sandbox, running, plan, planned, before, leaders }
    }

    fn run(&self, more: &[&str]) -> Ran {
        let plan = self.plan.path().to_str().unwrap();
        let fixed = ["reassign", "run", "--in", plan, "--reason", "broker 4 joined", "--author", "alice"];
        let rate = ["--throttle-min", "200KiB", "--throttle-max", "200KiB"];
        self.running.tell(&[&fixed[..], &rate, more].concat())
    }

    fn tell(&self, verb: &str, more: &[&str]) -> Ran {
        self.running.tell(&[&["reassign", verb, "--reason", "r", "--author", "bob"], more].concat())
    }

    fn status(&self) -> Value {
        self.running.json(&["reassign", "status"])
    }

    /// Waits until the status is so.
    fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "not {what}: {status:#}");
        }
    }

    fn until_state(&self, state: &str) -> Value {
        // What was at hand when it paused comes to its end, elections included.
        let at_hand = |topic: &Value| topic["step"] != "done" && topic["step"] != "waiting";
        let rests = |status: &Value| !status["topics"].as_array().is_some_and(|topics| topics.iter().any(at_hand));
        self.until(state, |status| status["state"] == state && status["throttled"] == json!([]) && rests(status))
    }

    /// Waits until something is on its way.
    fn until_copying(&self) -> ClusterState {
        let started = Instant::now();
        loop {
            let state = self.sandbox.state();
            if state.partitions.iter().any(|partition| !partition.adding.is_empty()) {
                return state;
            }
            assert!(started.elapsed() < PATIENCE, "nothing is copied: {:#}", self.status());
        }
    }

    fn replicas(&self) -> Replicas {
        replicas(&self.sandbox.state())
    }

    fn assert_cleared(&self) {
        assert_eq!(self.sandbox.state().settings, [], "no throttle is left");
    }

    fn whats(&self) -> Vec<String> {
        let audit = self.running.json(&["maintenance", "audit", "--last", "200"]);
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap().to_owned()).collect()
    }
}

fn of_topics(state: &ClusterState) -> impl Iterator<Item = &leeward::sandbox::PartitionState> {
    state.partitions.iter().filter(|partition| ["clicks", "orders"].contains(&partition.topic.as_str()))
}

fn replicas(state: &ClusterState) -> Replicas {
    of_topics(state).map(|partition| ((partition.topic.clone(), partition.partition), partition.replicas.clone())).collect()
}

fn leaders(state: &ClusterState) -> Vec<i32> {
    of_topics(state).map(|partition| partition.leader).collect()
}

fn fill(sandbox: &Sandbox, topic: &str, partitions: i32) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", sandbox.bootstrap()).create().unwrap();
    let value = vec![7_u8; 8_000];
    for number in 0..50 * partitions {
        producer.send(BaseRecord::<(), _>::to(topic).payload(&value).partition(number % partitions)).unwrap_or_else(|(error, _)| panic!("{error}"));
        // Batches of a few records: a throttle lets through whole ones.
        producer.flush(Duration::from_secs(20)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_broker_gets_its_share_topic_by_topic_and_throttled() {
    let scene = Scene::new().await;
    let none = scene.running.tell(&["reassign", "status"]);
    assert!(none.code == Some(1) && none.err.contains("there was no reassignment yet"), "{}", none.err);
    let planned = scene.run(&["--dry-run"]);
    assert!(planned.code == Some(0) && planned.out.contains("4 partitions of 2 topics, 1.5 MiB to be copied"), "{}{}", planned.out, planned.err);
    assert_eq!(scene.running.tell(&["reassign", "status"]).code, Some(1), "a dry run begins nothing");

    let begun = scene.run(&["--yes"]);
    assert_eq!(begun.code, Some(0), "{}", begun.err);
    let copying = scene.until_copying();
    let moving: Vec<&str> = copying.partitions.iter().filter(|partition| !partition.adding.is_empty()).map(|partition| partition.topic.as_str()).collect();
    assert!(moving.iter().all(|topic| *topic == moving[0]), "one topic at a time: {moving:?}");
    let set = |of: &str, key: &str| copying.settings.iter().find(|(its, name, _)| its == of && name == key).map(|(_, _, value)| value.clone());
    for node in 1..=4 {
        assert_eq!(set(&format!("broker {node}"), "leader.replication.throttled.rate").as_deref(), Some("204800"));
        assert_eq!(set(&format!("broker {node}"), "follower.replication.throttled.rate").as_deref(), Some("204800"));
    }
    assert_eq!(set("topic clicks", "follower.replication.throttled.replicas").as_deref(), Some("0:4,1:4"));

    let again = scene.run(&["--yes"]);
    assert!(again.code == Some(3) && again.err.contains("reassignment m1 is not over"), "{}", again.err);
    let drain = scene.running.tell(&["broker", "drain", "2", "--reason", "r", "--yes"]);
    assert!(drain.code == Some(3) && drain.err.contains("reassignment m1 moves partitions"), "{}", drain.err);
    let roll = scene.running.tell(&["roll", "start", "--reason", "r", "--yes"]);
    assert!(roll.code == Some(3) && roll.err.contains("reassignment m1 moves partitions"), "{}", roll.err);
    scene.until("some copied", |status| status["copied_bytes"].as_u64() > Some(0) && status["fraction"].as_f64() < Some(1.0));

    let ended = scene.running.tell(&["reassign", "status", "--wait", "--timeout", "2m"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("[########################################] 100 %"), "{}", ended.out);
    assert_eq!(scene.replicas(), scene.planned);
    let firsts: Vec<i32> = scene.planned.values().map(|replicas| replicas[0]).collect();
    assert_eq!(leaders(&scene.sandbox.state()), firsts, "the preferred leaders lead");
    scene.until_state("done");
    scene.assert_cleared();
    let whats = scene.whats();
    let count = |what: &str| whats.iter().filter(|other| *other == what).count();
    assert_eq!((count("reassignment begun"), count("reassignment moves a topic"), count("reassignment is done with a topic")), (1, 2, 2), "{whats:?}");
    assert_eq!(count("reassignment ended"), 1, "{whats:?}");

    let nothing = scene.run(&["--yes"]);
    assert!(nothing.code == Some(2) && nothing.err.contains("every partition has the replicas that it is to have"), "{}", nothing.err);
    let back = scene.tell("rollback", &["--yes", "--wait"]);
    assert_eq!(back.code, Some(0), "{}{}", back.out, back.err);
    assert_eq!((scene.replicas(), leaders(&scene.sandbox.state())), (scene.before.clone(), scene.leaders.clone()));
    scene.assert_cleared();
    scene.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_after_a_crash_pauses_and_comes_back_over_another() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.run(&["--yes"]).code, Some(0));
    scene.until_copying();
    // The first topic arrives, and the second does not begin.
    let paused = scene.tell("pause", &[]);
    assert!(paused.code == Some(0) && paused.out.contains("paused by bob (r)"), "{}{}", paused.out, paused.err);
    let again = scene.tell("pause", &[]);
    assert!(again.code == Some(3) && again.err.contains("it cannot pause"), "{}", again.err);
    scene.running.crash();
    scene.running.logged("a reassignment goes on");
    scene.running.healthy("4 of 4 brokers reachable");
    let status = scene.until_state("paused");
    assert_eq!((&status["topics"][0]["step"], &status["topics"][1]["step"]), (&json!("done"), &json!("waiting")), "{status:#}");
    scene.assert_cleared();
    let of = |topic: &str, replicas: &Replicas| replicas.iter().filter(|((its, _), _)| its == topic).map(|(_, replicas)| replicas.clone()).collect::<Vec<_>>();
    assert_eq!(of("clicks", &scene.replicas()), of("clicks", &scene.planned));
    assert_eq!(of("orders", &scene.replicas()), of("orders", &scene.before));
    let waits = scene.running.tell(&["reassign", "status", "--wait"]);
    assert_eq!(waits.code, Some(3), "it waits for a person: {}", waits.err);

    // At once, what is on its way is given up.
    assert_eq!(scene.tell("resume", &[]).code, Some(0));
    scene.until_copying();
    assert_eq!(scene.tell("pause", &["--now"]).code, Some(0));
    scene.until_state("paused");
    scene.assert_cleared();
    assert!(scene.sandbox.state().partitions.iter().all(|partition| partition.adding.is_empty()));
    let set =
        |replicas: Vec<Vec<i32>>| replicas.into_iter().map(|replicas| replicas.into_iter().collect::<std::collections::BTreeSet<_>>()).collect::<Vec<_>>();
    // Kafka gives the replicas of before back, though not always in their order.
    assert_eq!(set(of("orders", &scene.replicas())), set(of("orders", &scene.before)));
    let resting = scene.running.tell(&["broker", "drain", "2", "--reason", "r", "--yes", "--dry-run"]);
    assert_eq!(resting.code, Some(0), "at rest it forbids no drain: {}", resting.err);

    // Back, over a crash.
    assert_eq!(scene.tell("rollback", &["--yes"]).code, Some(0));
    scene.until_copying();
    scene.running.crash();
    scene.running.healthy("4 of 4 brokers reachable");
    scene.until_state("rolled back");
    assert_eq!((scene.replicas(), leaders(&scene.sandbox.state())), (scene.before.clone(), scene.leaders.clone()));
    scene.assert_cleared();
    let again = scene.tell("rollback", &["--yes"]);
    assert!(again.code == Some(3) && again.err.contains("it goes back already, or has"), "{}", again.err);
    scene.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_broker_that_is_lost_the_throttle_is_cleared_when_it_is_back() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.run(&["--yes"]).code, Some(0));
    scene.until_copying();
    scene.sandbox.kill(4).unwrap();
    assert_eq!(scene.tell("rollback", &["--yes"]).code, Some(0));
    let only = |status: &Value| status["state"] == "rolled back" && status["throttled"] == json!(["broker 4"]);
    let status = scene.until("back, but for that broker", only);
    assert!(status["sentence"].as_str().unwrap().contains("the throttle of broker 4 is cleared as soon as it answers"), "{status:#}");
    let state = scene.sandbox.state();
    assert!(state.settings.iter().all(|(of, ..)| of == "broker 4"), "{:?}", state.settings);
    assert_eq!(scene.replicas(), scene.before);
    // Leeward is started again meanwhile, and knows of it still.
    scene.running.crash();
    scene.sandbox.start_broker(4).await.unwrap();
    scene.until_state("rolled back");
    scene.assert_cleared();
    scene.sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_go_together_or_is_wrong_is_refused() {
    let scene = Scene::new().await;
    let told = |arguments: &[&str]| scene.running.tell(&[&["reassign", "run", "--reason", "r", "--yes"], arguments].concat());
    let missing = told(&["--in", "/nowhere/plan.json"]);
    assert!(missing.code == Some(2) && missing.err.contains("/nowhere/plan.json cannot be read"), "{}", missing.err);
    let file = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    };
    for (text, words) in [
        ("{", "it is not the JSON of kafka-reassign-partitions"),
        (r#"{"version":1,"partitions":[{"topic":"nope","partition":0,"replicas":[1]}]}"#, "there is no partition nope-0"),
        (r#"{"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,9]}]}"#, "broker 9, which is not known"),
    ] {
        let file = file(text);
        let ran = told(&["--in", file.path().to_str().unwrap()]);
        assert!(ran.code == Some(2) && ran.err.contains(words), "{words}: {}", ran.err);
    }
    let plan = scene.plan.path().to_str().unwrap();
    let ran = told(&["--in", plan, "--throttle-min", "9MiB", "--throttle-max", "1MiB"]);
    assert!(ran.code == Some(2) && ran.err.contains("a throttle from 9MiB to 1MiB is none"), "{}", ran.err);

    assert_eq!(scene.running.tell(&["broker", "drain", "1", "--reason", "r", "--yes", "--wait"]).code, Some(0));
    let ran = scene.run(&["--yes"]);
    assert!(ran.code == Some(3) && ran.err.contains("broker 1 is drained"), "{}", ran.err);
    assert_eq!(scene.running.tell(&["broker", "undrain", "1", "--yes", "--wait"]).code, Some(0));

    scene.sandbox.stop(4).await.unwrap();
    let started = Instant::now();
    loop {
        let ran = scene.run(&["--yes"]);
        assert_eq!(ran.code, Some(3), "{}", ran.err);
        if ran.err.contains("brokers that it concerns are away: 4") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{}", ran.err);
    }
    scene.sandbox.shutdown().await;
}
