//! A fourth broker gets its share under load: throttled, paused, killed in the middle, with a broker lost, and back again.

mod load;
mod timeline;

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::protocol::StrBytes;
use serde_json::{Value, json};

use super::prepare;
use crate::cluster::{Assignment, Cluster};
use crate::front::Front;
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_4_3_1, Release};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};
use crate::wire::Wire;
use load::{Load, fill, p99};
use timeline::Timeline;

/// Far from the others' ids.
const FOURTH: i32 = 907;
const LIMIT: Duration = Duration::from_secs(180);
const TOPICS: [&str; 2] = ["moved-a", "moved-b"];
const PARTITIONS: i32 = 4;

/// What Kafka calls the sources of what is set at a broker while it runs, and of what a topic has set itself.
const BROKER_SOURCE: i8 = 2;
const TOPIC_SOURCE: i8 = 1;

#[test]
fn kafka_4_3_1() {
    shared(&KAFKA_4_3_1);
}

#[test]
fn kafka_2_6_3() {
    shared(&KAFKA_2_6_3);
}

#[test]
fn in_short() {
    let name = "reassign-short";
    let Some(_admission) = admit(name, Selection::Ci) else { return };
    let Some((mut steps, scene)) = Scene::begin(name, &KAFKA_4_3_1, 1) else { return };
    steps.run("all moved, and throttled meanwhile", || {
        scene.run("512KiB", "1MiB");
        scene.await_copying();
        assert_ne!(scene.throttles(), Vec::<String>::new(), "while it moves");
        scene.await_state("done");
        assert_eq!(scene.replicas(), scene.planned);
        assert_eq!(scene.throttles(), Vec::<String>::new());
    });
    steps.run("all back", || {
        scene.front.command(&["reassign", "rollback", "--reason", "test", "--yes"]);
        scene.await_state("rolled back");
        assert_eq!((scene.replicas(), scene.throttles()), (scene.before.clone(), Vec::new()));
    });
    steps.finish();
}

/// Brokers have no API for it: a person runs what is said, and Leeward follows.
#[test]
fn kafka_2_1_0_by_hand() {
    let name = "reassign-by-hand";
    let Some(_admission) = admit(name, Selection::All) else { return };
    let Some((mut steps, scene)) = Scene::begin(name, &KAFKA_2_1_0, 1) else { return };
    let zookeeper = scene.cluster.zookeeper().unwrap();
    steps.run("all moved, as a person is told to", || {
        scene.run("4MiB", "4MiB");
        let mut done = BTreeSet::new();
        until("done", LIMIT, || {
            let status = scene.status()?;
            let told = status["by_hand"]["commands"].as_array().into_iter().flatten().map(|command| command.as_str().unwrap().to_owned());
            // Those that move a topic are run once each; --verify clears the throttle when all has arrived.
            for command in told.filter(|command| done.insert(command.clone()) || command.contains("--verify")) {
                let file = status["by_hand"]["file"].as_str().unwrap();
                let directory = std::path::Path::new(file).parent().unwrap().display().to_string();
                let words: Vec<String> =
                    command.split(' ').map(|word| word.replace("ZOOKEEPER", &zookeeper).replace("leeward-", &format!("{directory}/leeward-"))).collect();
                let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
                match words[0].as_str() {
                    "kafka-reassign-partitions.sh" => scene.cluster.run_class("kafka.admin.ReassignPartitionsCommand", &arguments),
                    "kafka-preferred-replica-election.sh" => scene.cluster.run_class("kafka.admin.PreferredReplicaLeaderElectionCommand", &arguments),
                    other => panic!("{other}"),
                }
            }
            if status["state"] == "done" { Ok(()) } else { Err(status.to_string()) }
        });
        assert_eq!(scene.replicas(), scene.planned);
        scene.assert_cleared();
    });
    steps.finish();
}

struct Scene {
    front: Front,
    cluster: Cluster,
    plan: String,
    before: Assignment,
    planned: Assignment,
}

impl Scene {
    /// Three brokers with `megabytes` in each of the partitions, and a fourth that has none of them. `None`: in the control arm.
    fn begin(name: &str, release: &'static Release, megabytes: usize) -> Option<(Steps, Self)> {
        prepare(&[release], &[], false);
        let mut steps = Steps::new(name);
        let mut cluster = steps.must("three brokers", || Cluster::start(name, release));
        let front = steps.must("Leeward is ready", || {
            let state = format!("state.directory={}", cluster.scrap().join("state").display());
            let node_ids: Vec<i32> = cluster.node_ids().into_iter().chain([FOURTH]).collect();
            Front::start_with(&cluster, &node_ids, "leeward.log", &[&state])
        });
        if !front.is_leeward() {
            return None;
        }
        let before = steps.must("two topics with records", || {
            for topic in TOPICS {
                super::drain::create(&cluster, topic, PARTITIONS, 3);
                fill(&cluster.bootstrap(), topic, PARTITIONS, megabytes);
            }
            super::drain::settled(&cluster)
        });
        steps.must("a fourth broker joins", || {
            cluster.add_broker(FOURTH, release);
            front.assert_brokers_advertised(&cluster);
        });
        let before: Assignment = before.into_iter().filter(|((topic, _), _)| TOPICS.contains(&topic.as_str())).collect();
        // It leads every other partition, and follows in the others.
        let place = |partition: i32| if partition % 2 == 0 { 0 } else { 2 };
        let planned: Assignment = before
            .iter()
            .map(|((topic, partition), (replicas, _))| {
                let mut replicas = replicas.clone();
                replicas[place(*partition)] = FOURTH;
                let leader = replicas[0];
                ((topic.clone(), *partition), (replicas, leader))
            })
            .collect();
        let partitions: Vec<Value> =
            planned.iter().map(|((topic, partition), (replicas, _))| json!({"topic": topic, "partition": partition, "replicas": replicas})).collect();
        let plan = cluster.scrap().join("plan.json");
        std::fs::write(&plan, json!({"version": 1, "partitions": partitions}).to_string()).unwrap();
        Some((steps, Scene { front, cluster, plan: plan.to_str().unwrap().to_owned(), before, planned }))
    }

    fn run(&self, min: &str, max: &str) {
        let fixed = ["reassign", "run", "--in", &self.plan, "--reason", "test", "--yes"];
        self.front.command(&[&fixed[..], &["--throttle-min", min, "--throttle-max", max]].concat());
    }

    fn status(&self) -> Result<Value, String> {
        let text = self.front.attempt_command(&["reassign", "status", "-o", "json"]).unwrap()?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    fn await_status(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(what, LIMIT, || {
            let status = self.status()?;
            if is_so(&status) { Ok(status) } else { Err(status.to_string()) }
        })
    }

    /// It is in that state, and has nothing left to clear.
    fn await_state(&self, state: &str) {
        self.await_status(state, |status| status["state"] == state && status["throttled"] == json!([]));
    }

    /// Some bytes are there, and not all.
    fn await_copying(&self) {
        self.await_status("copying", |status| status["copied_bytes"].as_u64() > Some(0) && status["fraction"].as_f64() < Some(1.0));
    }

    /// Until the first topic, which is written to, is done.
    fn follow_first_topic(&self) -> Timeline {
        let timeline = std::cell::RefCell::new(Timeline::default());
        self.await_status("the first topic is done", |status| {
            timeline.borrow_mut().note(status);
            status["topics"][0]["step"] == "done"
        });
        timeline.into_inner()
    }

    /// Replicas and leaders of what is moved.
    fn replicas(&self) -> Assignment {
        let all = self.cluster.assignment().unwrap();
        all.into_iter().filter(|((topic, _), _)| TOPICS.contains(&topic.as_str())).collect()
    }

    /// Every throttle that a broker which runs, or a topic, has set now; each broker is asked itself.
    fn throttles(&self) -> Vec<String> {
        let mut found = Vec::new();
        for id in self.cluster.node_ids().into_iter().filter(|id| self.cluster.is_running(*id)) {
            let topics = TOPICS.map(|topic| (2, topic.to_owned(), TOPIC_SOURCE));
            let resources = topics.into_iter().chain([(4, id.to_string(), BROKER_SOURCE)]);
            for (kind, name, source) in resources {
                let resource = DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(StrBytes::from_string(name.clone()));
                let request = DescribeConfigsRequest::default().with_resources(vec![resource.with_configuration_keys(None)]);
                let answer = Wire::connect_past(&self.cluster.inner_address(id)).unwrap().ask(&request, 1).unwrap();
                assert_eq!(answer.results[0].error_code, 0, "{name} at {id}");
                for config in &answer.results[0].configs {
                    let value = config.value.as_ref().map(ToString::to_string).unwrap_or_default();
                    if config.name.contains("replication.throttled") && config.config_source == source && !value.is_empty() {
                        found.push(format!("{name} at {id}: {} = {value}", &*config.name));
                    }
                }
            }
        }
        found
    }

    /// No throttle is left anywhere. Brokers hear of it one after another.
    fn assert_cleared(&self) {
        until("no throttle is left", Duration::from_secs(10), || match self.throttles() {
            none if none.is_empty() => Ok(()),
            left => Err(left.join("; ")),
        });
    }
}

fn shared(release: &'static Release) {
    let name = format!("reassign-{}", release.version);
    let Some(_admission) = admit(&name, Selection::All) else { return };
    let Some((mut steps, mut scene)) = Scene::begin(&name, release, 4) else { return };
    let load = steps.must("clients write through Leeward", || Load::start(scene.front.bootstrap(), TOPICS[0], PARTITIONS));
    let (mut quiet, mut free, mut throttled) = (None, None, None);
    let mut told: Vec<(&str, Timeline, usize)> = Vec::new();
    steps.run("what writes take before", || quiet = p99(&load.lasting(Duration::from_secs(15))));
    steps.run("paused: what is on its way arrives, and nothing more begins", || {
        let from = load.mark();
        scene.run("1MiB", "4MiB");
        scene.await_copying();
        assert!(!scene.throttles().is_empty(), "throttled while it moves");
        scene.front.command(&["reassign", "pause", "--reason", "test"]);
        let timeline = scene.follow_first_topic();
        throttled = p99(&load.since(from));
        told.push(("throttled", timeline, from));
        scene.await_state("paused");
        scene.assert_cleared();
        let (now, first) = (scene.replicas(), |(topic, _): &(String, i32)| topic == TOPICS[0]);
        assert!(now.iter().all(|(key, at)| at == if first(key) { &scene.planned[key] } else { &scene.before[key] }), "{now:?}");
    });
    steps.run("resumed, Leeward is killed in the middle, and it goes on; paused at once, nothing is on its way", || {
        scene.front.command(&["reassign", "resume", "--reason", "test"]);
        scene.await_status("the second topic moves", |status| status["topics"][1]["copied_bytes"].as_u64() > Some(0));
        scene.front.crash(&scene.cluster);
        scene.await_status("it goes on", |status| status["topics"][1]["step"] == "moving" && status["state"] == "running");
        scene.front.command(&["reassign", "pause", "--reason", "test", "--now"]);
        scene.await_state("paused");
        scene.assert_cleared();
    });
    steps.run("done: as planned, and the preferred leaders lead", || {
        scene.front.command(&["reassign", "resume", "--reason", "test"]);
        scene.await_state("done");
        assert_eq!(scene.replicas(), scene.planned);
        scene.assert_cleared();
    });
    steps.run("back, with the way back broken off by SIGKILL", || {
        scene.front.command(&["reassign", "rollback", "--reason", "test", "--yes"]);
        scene.await_copying();
        scene.front.crash(&scene.cluster);
        scene.await_state("rolled back");
        assert_eq!(scene.replicas(), scene.before);
        scene.assert_cleared();
    });
    steps.run("a broker is lost in the middle: its throttle goes when it is back, all others at once", || {
        scene.run("1MiB", "1MiB");
        scene.await_copying();
        scene.cluster.kill(FOURTH);
        scene.front.command(&["reassign", "rollback", "--reason", "the new broker is gone", "--yes"]);
        scene.await_status("back, but for that broker's throttle", |status| {
            status["state"] == "rolled back" && status["throttled"] == json!([format!("broker {FOURTH}")])
        });
        scene.assert_cleared();
        let first = scene.cluster.inner_address(scene.cluster.node_ids()[0]);
        // With ZooKeeper nobody takes its place before its session has ended.
        until("the cluster has given it up", LIMIT, || {
            let metadata = Wire::connect_past(&first)?.metadata(None)?;
            if metadata.brokers.iter().any(|broker| broker.node_id.0 == FOURTH) { Err("it is listed".to_owned()) } else { Ok(()) }
        });
        scene.cluster.launch(FOURTH);
        scene.cluster.await_up(FOURTH);
        scene.await_state("rolled back");
        scene.assert_cleared();
        scene.cluster.await_in_sync();
        assert_eq!(scene.replicas(), scene.before);
    });
    steps.run("unthrottled, for comparison: all moved, and back", || {
        let from = load.mark();
        scene.run("1GiB", "1GiB");
        let timeline = scene.follow_first_topic();
        free = p99(&load.since(from));
        told.push(("unthrottled", timeline, from));
        scene.await_state("done");
        assert_eq!(scene.replicas(), scene.planned);
        scene.assert_cleared();
        scene.front.command(&["reassign", "rollback", "--reason", "test", "--yes"]);
        scene.await_state("rolled back");
        assert_eq!(scene.replicas(), scene.before);
        scene.assert_cleared();
    });
    steps.run("no write failed", || load.assert_no_error());
    for (what, timeline, from) in &told {
        timeline.lines(what, &load.since(*from)).iter().for_each(|line| steps.say(line));
    }
    steps.say(&format!(
        "produce p99 of acks=all while a topic moves that is written to: {} with nothing moving, {} throttled, {} unthrottled",
        shown(quiet),
        shown(throttled),
        shown(free)
    ));
    steps.finish();
}

fn shown(p99: Option<Duration>) -> String {
    p99.map_or_else(|| "unknown".to_owned(), |p99| format!("{:.1} ms", p99.as_secs_f64() * 1e3))
}
