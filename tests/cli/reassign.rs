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
        self.until(state, |status| status["state"] == state && status["throttled"] == json!([]))
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
