//! A fourth broker's share: `leeward reassign plan` and `kafka-reassign-partitions` read what the other writes, and the plan is what then is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Scene, prepare};
use crate::clients::console::Console;
use crate::cluster::Cluster;
use crate::records::{Shape, make};
use crate::release::{KAFKA_4_3_1, Tool};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};

const FOURTH: i32 = 907;
const TOPIC: &str = "shared-out";
const PARTITIONS: i32 = 8;

#[test]
fn a_fourth_broker_gets_its_share_by_kafkas_own_tool() {
    let Some(_admission) = admit("plan", Selection::Ci) else { return };
    prepare(&[&KAFKA_4_3_1], &[&KAFKA_4_3_1], false);
    let mut steps = Steps::new("plan");
    let mut scene = steps.must("three brokers, and Leeward is ready", || Scene::over(Cluster::start("plan", &KAFKA_4_3_1), &KAFKA_4_3_1, &[FOURTH]));
    if !scene.front.is_leeward() {
        return;
    }
    steps.must("a topic has records", || {
        scene.create(TOPIC, PARTITIONS);
        let file = scene.file("some", &make(51, 200, PARTITIONS, Shape::Everything));
        scene.java.run("produce", &[("topic", TOPIC), ("file", &file), ("client", "early")]);
    });
    steps.must("a fourth broker joins, and has nothing", || {
        scene.cluster.add_broker(FOURTH, &KAFKA_4_3_1);
        until("Leeward knows it", Duration::from_secs(60), || {
            let told = told(&scene, &[]);
            let fourth = share(&told, FOURTH);
            if fourth["standing"] == "serving" && fourth["replicas_before"] == 0 { Ok(()) } else { Err(told.to_string()) }
        });
    });
    let mut console = Console::new(&KAFKA_4_3_1, &scene.cluster.log_path("tools"));
    let bootstrap = scene.front.bootstrap().to_owned();
    let scrap = scene.cluster.scrap();
    let path = |name: &str| scrap.join(name).to_str().unwrap().to_owned();
    let (plan, before, topics) = (path("share.json"), path("before.json"), path("topics.json"));
    steps.must("the plan is the fewest copies, and each has a size", || {
        println!("{}", scene.front.command(&["reassign", "plan", "--topics", TOPIC, "--throttle", "1MiB"]).unwrap());
        let told = told(&scene, &["--topics", TOPIC, "--out", &plan, "--rollback-out", &before]);
        // 24 replicas on four brokers.
        assert_eq!((&told["copies"], &told["is_fewest"], &told["copies_of_unknown_size"]), (&6.into(), &true.into(), &0.into()), "{told:#}");
        assert!(told["bytes"].as_u64() > Some(0), "{told:#}");
        assert!(told["notes"].as_array().unwrap().is_empty(), "{told:#}");
    });
    steps.must("kafka-reassign-partitions carries it out", || {
        let common = ["--bootstrap-server", &bootstrap, "--reassignment-json-file", &plan];
        console.run(Tool::Reassign, &[common.as_slice(), &["--execute"]].concat(), "");
        until("verified", Duration::from_secs(120), || {
            let said = console.run(Tool::Reassign, &[common.as_slice(), &["--verify"]].concat(), "");
            let moved = planned(&plan).len();
            if said.lines().filter(|line| line.contains(" is complete")).count() >= moved { Ok(()) } else { Err(said) }
        });
    });
    steps.must("the replicas are those of the plan", || {
        let now = replicas(&mut scene);
        for (partition, replicas) in planned(&plan) {
            assert_eq!(now[&partition], replicas, "{TOPIC}-{partition}");
        }
        until("nothing is left to plan", Duration::from_secs(60), || {
            let told = told(&scene, &["--topics", TOPIC]);
            if told["moves"].as_array().unwrap().is_empty() && share(&told, FOURTH)["replicas_before"] == 6 { Ok(()) } else { Err(told.to_string()) }
        });
    });
    steps.run("what --generate prints is read, and told as it is", || {
        std::fs::write(&topics, format!(r#"{{"version":1,"topics":[{{"topic":"{TOPIC}"}}]}}"#)).unwrap();
        let ids = scene.cluster.node_ids().iter().filter(|id| **id != FOURTH).map(ToString::to_string).collect::<Vec<_>>().join(",");
        let common = ["--bootstrap-server", &bootstrap, "--topics-to-move-json-file", &topics, "--broker-list", &ids];
        let printed = console.run(Tool::Reassign, &[common.as_slice(), &["--generate"]].concat(), "");
        let generated = path("generated.txt");
        std::fs::write(&generated, &printed).unwrap();
        let told = told(&scene, &["--in", &generated]);
        let fourth = share(&told, FOURTH);
        assert_eq!((&fourth["replicas_before"], &fourth["replicas_after"]), (&6.into(), &0.into()), "{printed}\n{told:#}");
        assert!(told["problems"].as_array().unwrap().is_empty(), "{told:#}");
        // The part in front of it is the assignment of now.
        let current = printed.split("Proposed partition reassignment configuration").next().unwrap().lines().find(|line| line.starts_with('{')).unwrap();
        let current_file = path("current.json");
        std::fs::write(&current_file, current).unwrap();
        let told = scene.front.command(&["reassign", "plan", "--in", &current_file, "-o", "json"]).unwrap();
        assert!(serde_json::from_str::<Value>(&told).unwrap()["moves"].as_array().unwrap().is_empty(), "{current}\n{told}");
    });
    steps.run("the way back leads back", || {
        let common = ["--bootstrap-server", &bootstrap, "--reassignment-json-file", &before];
        console.run(Tool::Reassign, &[common.as_slice(), &["--execute"]].concat(), "");
        until("as before", Duration::from_secs(120), || {
            let now = replicas(&mut scene);
            if planned(&before).iter().all(|(partition, replicas)| now[partition] == *replicas) { Ok(()) } else { Err(format!("{now:?}")) }
        });
    });
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}

fn told(scene: &Scene, arguments: &[&str]) -> Value {
    let arguments = [&["reassign", "plan", "-o", "json"], arguments].concat();
    serde_json::from_str(&scene.front.command(&arguments).unwrap()).unwrap()
}

fn share(told: &Value, node_id: i32) -> &Value {
    told["brokers"].as_array().unwrap().iter().find(|share| share["node_id"] == node_id).unwrap_or(&Value::Null)
}

/// What a file says of each partition.
fn planned(file: &str) -> BTreeMap<i64, Vec<i64>> {
    let read: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let ids = |value: &Value| value["replicas"].as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
    read["partitions"].as_array().unwrap().iter().map(|one| (one["partition"].as_i64().unwrap(), ids(one))).collect()
}

/// What the cluster says of each partition.
fn replicas(scene: &mut Scene) -> BTreeMap<i64, Vec<i64>> {
    let described = scene.java.run("describe", &[("topic", TOPIC)]);
    let line = |line: &String| {
        let fields: Vec<&str> = line.split('\t').collect();
        Some((fields.first()?.parse().ok()?, fields.last()?.split(',').map(|id| id.parse().unwrap()).collect()))
    };
    described.iter().filter_map(line).collect()
}
