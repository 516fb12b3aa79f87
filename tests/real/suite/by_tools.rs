//! Kafka's own command-line tools, each at least once where the release has it.

use super::Scene;
use crate::clients::console::Console;
use crate::release::Tool;
use crate::steps::Steps;

pub(super) fn steps(steps: &mut Steps, scene: &mut Scene) {
    let mut console = Console::new(scene.release, &scene.cluster.log_path("tools"));
    let bootstrap = scene.front.bootstrap().to_owned();
    if scene.release.tool(Tool::Topics).is_some() {
        steps.run("tools: topics", || topics(&mut console, &bootstrap));
    }
    steps.run("tools: configs", || configs(&mut console, scene, &bootstrap));
    steps.run("tools: console producer and consumer, groups", || console_clients(&mut console, scene, &bootstrap));
    steps.run("tools: verifiable producer and consumer", || verifiable_clients(&mut console, scene, &bootstrap));
    if scene.release.tool(Tool::Reassign).is_some() {
        steps.run("tools: reassign partitions", || reassign(&mut console, scene, &bootstrap));
    }
    if scene.release.share_groups() {
        steps.run("tools: console share consumer, share groups", || share_groups(&mut console, scene, &bootstrap));
    }
}

fn topics(console: &mut Console, bootstrap: &str) {
    let common = ["--bootstrap-server", bootstrap, "--topic", "tool-topic"];
    console.run(Tool::Topics, &[common.as_slice(), &["--create", "--partitions", "2", "--replication-factor", "3"]].concat(), "");
    let described = console.run(Tool::Topics, &[common.as_slice(), &["--describe"]].concat(), "");
    assert_eq!(described.lines().filter(|line| line.contains("Partition: ")).count(), 2, "{described}");
    console.run(Tool::Topics, &[common.as_slice(), &["--delete"]].concat(), "");
}

/// Broker settings, since 2.1's tool changes those of topics through ZooKeeper alone; and they must reach the very broker that is named.
fn configs(console: &mut Console, scene: &Scene, bootstrap: &str) {
    let id = scene.cluster.node_ids()[1].to_string();
    let common = ["--bootstrap-server", bootstrap, "--entity-type", "brokers", "--entity-name", &id];
    console.run(Tool::Configs, &[common.as_slice(), &["--alter", "--add-config", "background.threads=7"]].concat(), "");
    crate::steps::until("the changed setting seen", std::time::Duration::from_secs(30), || {
        let described = console.run(Tool::Configs, &[common.as_slice(), &["--describe"]].concat(), "");
        if described.contains("background.threads=7") { Ok(()) } else { Err(described) }
    });
}

fn console_clients(console: &mut Console, scene: &mut Scene, bootstrap: &str) {
    scene.create("tool-console", 2);
    let lines: Vec<String> = (0..40).map(|number| format!("line {number} of forty")).collect();
    console.produce(bootstrap, "tool-console", &(lines.join("\n") + "\n"));
    let arguments = ["--bootstrap-server", bootstrap, "--topic", "tool-console", "--group", "tool-group", "--from-beginning", "--max-messages", "40"];
    let output = console.run(Tool::ConsoleConsumer, &[arguments.as_slice(), &["--timeout-ms", "60000"]].concat(), "");
    let mut received: Vec<&str> = output.lines().collect();
    let mut sent: Vec<&str> = lines.iter().map(String::as_str).collect();
    received.sort_unstable();
    sent.sort_unstable();
    assert_eq!(received, sent);
    let described = console.run(Tool::ConsumerGroups, &["--bootstrap-server", bootstrap, "--describe", "--group", "tool-group"], "");
    let rows: Vec<Vec<&str>> = described.lines().map(|line| line.split_whitespace().collect()).collect();
    let header = rows.iter().position(|row| row.contains(&"CURRENT-OFFSET")).unwrap_or_else(|| panic!("no table in:\n{described}"));
    let column = rows[header].iter().position(|name| *name == "CURRENT-OFFSET").unwrap();
    let offsets: i64 = rows[header + 1..].iter().filter_map(|row| row.get(column)?.parse::<i64>().ok()).sum();
    assert_eq!(offsets, 40, "{described}");
}

fn verifiable_clients(console: &mut Console, scene: &mut Scene, bootstrap: &str) {
    scene.create("tool-verifiable", 3);
    let option = if scene.release.consumer_protocol() { "--bootstrap-server" } else { "--broker-list" };
    let output = console.run(Tool::VerifiableProducer, &[option, bootstrap, "--topic", "tool-verifiable", "--max-messages", "500", "--acks", "-1"], "");
    let sent = output.lines().filter(|line| line.contains("\"producer_send_success\"")).count();
    assert!(sent == 500 && !output.contains("producer_send_error"), "{sent} of 500 sent:\n{}", output.lines().last().unwrap_or_default());
    let option = if scene.release.consumer_protocol() { "--bootstrap-server" } else { "--broker-list" };
    let arguments =
        [option, bootstrap, "--topic", "tool-verifiable", "--group-id", "tool-verifiable-group", "--max-messages", "500", "--reset-policy", "earliest"];
    let output = console.run(Tool::VerifiableConsumer, &[arguments.as_slice(), &["--verbose"]].concat(), "");
    let received = output.lines().filter(|line| line.contains("\"record_data\"")).count();
    assert_eq!(received, 500, "{output}");
}

fn reassign(console: &mut Console, scene: &mut Scene, bootstrap: &str) {
    let ids: Vec<String> = scene.cluster.node_ids().iter().map(ToString::to_string).collect();
    let (from, to) = (ids[..2].join(","), ids[1..].join(","));
    scene.java.run("create", &[("topic", "tool-reassign"), ("replicas", &from)]);
    let plan = scene.cluster.scrap().join("plan.json");
    std::fs::write(&plan, format!(r#"{{"version":1,"partitions":[{{"topic":"tool-reassign","partition":0,"replicas":[{to}]}}]}}"#)).unwrap();
    let common = ["--bootstrap-server", bootstrap, "--reassignment-json-file", plan.to_str().unwrap()];
    console.run(Tool::Reassign, &[common.as_slice(), &["--execute"]].concat(), "");
    crate::steps::until("the reassignment complete", std::time::Duration::from_secs(60), || {
        let said = console.run(Tool::Reassign, &[common.as_slice(), &["--verify"]].concat(), "");
        // The words differ between the releases: "is complete", "is completed".
        if said.contains("partition tool-reassign-0 is complete") { Ok(()) } else { Err(said) }
    });
    assert!(scene.java.run("describe", &[("topic", "tool-reassign")]).concat().ends_with(&format!("\t{to}")));
}

fn share_groups(console: &mut Console, scene: &mut Scene, bootstrap: &str) {
    let group = "tool-share-group";
    scene.create("tool-share", 2);
    let common = ["--bootstrap-server", bootstrap];
    let setting = ["--entity-type", "groups", "--entity-name", group, "--alter", "--add-config", "share.auto.offset.reset=earliest"];
    console.run(Tool::Configs, &[common.as_slice(), &setting].concat(), "");
    let lines: String = (0..20).map(|number| format!("shared {number}\n")).collect();
    console.produce(bootstrap, "tool-share", &lines);
    let options = ["--topic", "tool-share", "--group", group, "--max-messages", "20", "--timeout-ms", "60000"];
    let output = console.run(Tool::ConsoleShareConsumer, &[common.as_slice(), &options].concat(), "");
    let mut received: Vec<&str> = output.lines().collect();
    let mut sent: Vec<&str> = lines.lines().collect();
    received.sort_unstable();
    sent.sort_unstable();
    assert_eq!(received, sent);
    let described = console.run(Tool::ShareGroups, &[common.as_slice(), &["--describe", "--group", group]].concat(), "");
    assert!(described.contains("tool-share"), "{described}");
}
