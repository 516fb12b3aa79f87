//! Whom an upgrade to Kafka 4.0 would break, as Leeward says from their traffic in front of 3.9.1, and what happens when those very clients meet 4.3.1.

use serde_json::Value;

use super::{Scene, prepare};
use crate::cache::KafkaPython::{V2_0_2, V3_0_12};
use crate::clients::java::Java;
use crate::clients::roundtrip::Kind;
use crate::cluster::Cluster;
use crate::guard::go_is_here;
use crate::release::{KAFKA_3_9_1, KAFKA_4_3_1};
use crate::selection::{Selection, admit_alone};
use crate::steps::{Steps, say};

/// With the library that Leeward is to name, or `-` where its traffic does not tell. The first rows are those of CI.
const CLIENTS: [(Kind, &str); 18] = [
    (Kind::Java("0.11.0.3"), "~Java (kafka-clients) 0.11"),
    (Kind::Python(V2_0_2, Some("0.10")), "~kafka-python"),
    (Kind::Librdkafka(None), "librdkafka 2."),
    (Kind::Sarama("0.10.2.0"), "~sarama"),
    (Kind::Java("0.10.2.2"), "-"),
    (Kind::Java("1.1.1"), "~Java (kafka-clients) 1.1"),
    (Kind::Java("2.0.1"), "~Java (kafka-clients) 2.0"),
    (Kind::Java("2.1.1"), "~Java (kafka-clients) 2.1"),
    (Kind::Java("3.9.1"), "apache-kafka-java 3.9.1"),
    (Kind::Java("4.3.1"), "apache-kafka-java 4.3.1"),
    (Kind::Python(V2_0_2, None), "~kafka-python"),
    (Kind::Python(V2_0_2, Some("0.11")), "~kafka-python"),
    (Kind::Python(V3_0_12, None), "kafka-python 3.0.12"),
    (Kind::Python(V3_0_12, Some("0.10")), "~kafka-python"),
    (Kind::Sarama("0.11.0.0"), "~sarama"),
    (Kind::Sarama("2.1.0"), "~sarama"),
    // It says who it is from 2.4 on, with the version of the program that it is built into.
    (Kind::Sarama("3.6.0"), "sarama "),
    (Kind::Librdkafka(Some("0.9.0")), "~librdkafka"),
];
const OF_CI: usize = 4;

#[test]
fn who_breaks() {
    let Some(_admission) = admit_alone("who-breaks", Selection::Ci) else { return };
    let all = if Selection::from_env() == Selection::All { CLIENTS.len() } else { OF_CI };
    let clients: Vec<(Kind, &str)> = CLIENTS.iter().take(all).copied().filter(|(kind, _)| !matches!(kind, Kind::Sarama(_)) || go_is_here()).collect();
    prepare(&[&KAFKA_3_9_1, &KAFKA_4_3_1], &[&KAFKA_3_9_1, &KAFKA_4_3_1], false);
    clients.iter().for_each(|(kind, _)| kind.prepare());
    let mut steps = Steps::new("who-breaks");
    let mut old = steps.must("brokers of 3.9.1, and Leeward is ready", || Scene::over(Cluster::start("who-breaks-old", &KAFKA_3_9_1), &KAFKA_3_9_1, &[]));
    if !old.front.is_leeward() {
        steps.say("the control arm has no verdicts");
        return steps.finish();
    }
    for (kind, _) in &clients {
        let topic = format!("topic-of-{}", kind.name());
        old.create(&topic, 1);
        steps.run(&format!("{} works through Leeward", kind.name()), || kind.work(old.front.bootstrap(), &topic, &old.cluster.scrap()).unwrap());
    }
    let [four, newest] = ["4.0", "4.3"].map(|release| steps.must("Leeward judges", || judged(&old, release)));
    drop(old);

    let new = steps.must("brokers of 4.3.1", || Cluster::start("who-breaks-new", &KAFKA_4_3_1));
    let mut java = Java::start(&KAFKA_4_3_1, &new.bootstrap(), &new.log_path("java.log"));
    let mut table = format!("{:<26} {:<12} {:<12} {:<10} {}\n", "client", "for 4.0", "for 4.3", "on 4.3.1", "software, and why");
    for (kind, software) in &clients {
        let name = kind.name();
        let topic = format!("topic-of-{name}");
        java.run("create", &[("topic", &topic), ("partitions", "1"), ("factor", "3")]);
        new.await_topic(&topic);
        let outcome = kind.work(&new.bootstrap(), &topic, &new.scrap());
        let happened = if outcome.is_ok() { "fine" } else { "breaks" };
        let (for_four, said, why) = verdict(&four, &name);
        let (for_newest, _, _) = verdict(&newest, &name);
        table += &format!("{name:<26} {for_four:<12} {for_newest:<12} {happened:<10} {said}: {why}\n");
        steps.run(&format!("{name}: what Leeward said is what happens"), || {
            assert_eq!((for_four.as_str(), for_newest.as_str()), (happened, happened), "{outcome:?}");
            assert!(said.starts_with(software), "{said:?} is not {software:?}");
        });
    }
    for line in table.lines() {
        say("who-breaks", line);
    }
    steps.finish();
}

fn judged(scene: &Scene, release: &str) -> Value {
    serde_json::from_str(&scene.front.ask(&format!("/v1/clients?incompatible_with={release}")).unwrap()).unwrap()
}

/// The worst verdict of the rows of a client id, the software of the last one, and why.
fn verdict(judged: &Value, client_id: &str) -> (String, String, String) {
    let rows: Vec<&Value> = judged["clients"].as_array().unwrap().iter().filter(|row| row["client_id"] == client_id).collect();
    assert!(!rows.is_empty(), "{client_id} was not seen: {judged}");
    let worst = ["breaks", "cannot_tell", "fine"].into_iter().find(|verdict| rows.iter().any(|row| row["judgement"]["verdict"] == *verdict)).unwrap();
    let row = rows.iter().rfind(|row| row["judgement"]["verdict"] == worst).unwrap();
    let software = &row["software"];
    let said = match software["name"].as_str() {
        Some(name) => {
            let mark = if software["inferred"] == true { "~" } else { "" };
            format!("{mark}{name} {}", software["version"].as_str().unwrap_or_default()).trim_end().to_owned()
        }
        None => "-".to_owned(),
    };
    let reasons = row["judgement"]["reasons"].as_array().unwrap().iter().map(|reason| reason["text"].as_str().unwrap());
    (worst.to_owned(), said, reasons.collect::<Vec<_>>().join("; "))
}
