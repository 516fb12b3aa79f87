//! The program from outside: what it prints, where, and its exit codes.

mod access;
mod clients;
mod drain;
mod gate;
mod history;
mod maintenance;
mod reassign;
mod reassign_run;
mod rehearse;
mod roll;
mod running;
mod shared;
mod tap;
mod top;
mod watching;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use leeward::sandbox::{Sandbox, SandboxConfig};
use running::{PORTS, Ran, Running, file, leeward};

#[test]
fn the_example_is_right() {
    let ran = leeward(&["config", "check", "--config", concat!(env!("CARGO_MANIFEST_DIR"), "/config/leeward.toml")]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), "the configuration is right\n", ""));
}

#[test]
fn every_error_of_a_file_comes_at_once_with_its_place() {
    let file = file("[upstream]\nbootstrap = [\"127.0.0.1\"]\n\n[limits]\nidle_timout = \"1m\"\nsessions_max = 0\n");
    let path = file.path().to_str().expect("UTF-8");
    let ran = leeward(&["config", "check", "--config", path]);
    let expected = format!(
        "{path}:2: upstream.bootstrap: \"127.0.0.1\" has no port; allowed is a list of addresses, such as [\"kafka1.example.com:9092\", \"10.0.0.2:9092\"]\n\
         {path}:5: limits.idle_timout: there is no such key; did you mean limits.idle_timeout?\n\
         {path}:6: limits.sessions_max: 0 is below 1; allowed is a whole number from 1 to 10000000\n"
    );
    assert_eq!((ran.code, ran.out.as_str(), ran.err), (Some(2), "", expected));
}

#[test]
fn a_wrong_configuration_binds_nothing() {
    let ran = leeward(&["run", "--upstream", "127.0.0.1:1", "--listen", "127.0.0.1:19092", "--admin", "127.0.0.1:19092"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert_eq!(ran.err, "--admin: admin.listen: port 19092 is taken by listen.bootstrap; give each endpoint a port of its own\n");
    let ran = leeward(&["run"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("default: upstream.bootstrap: it is missing; say it in the file or with a flag"), "{}", ran.err);
}

#[test]
fn a_missing_file_is_named() {
    let ran = leeward(&["config", "show", "--config", "/nowhere/leeward.toml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("/nowhere/leeward.toml: cannot be read: "), "{}", ran.err);
}

#[test]
fn show_has_value_default_and_when_a_change_applies() {
    let ran = leeward(&["config", "show", "--upstream", "127.0.0.1:9092", "--set", "limits.idle_timeout=20m"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
    let row = ran.out.lines().find(|line| line.starts_with("limits.idle_timeout ")).expect("a row");
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["limits.idle_timeout", "\"20m\"", "\"10m\"", "at", "reload"]);

    let ran = leeward(&[
        "config",
        "show",
        "--upstream",
        "127.0.0.1:9092",
        "-o",
        "json",
        "--set",
        "upstream.sasl_plain.username=u",
        "--set",
        "upstream.sasl_plain.password=hunter2",
    ]);
    let rows: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let workers = rows.as_array().expect("a list").iter().find(|row| row["key"] == "runtime.workers").expect("a row");
    assert_eq!((&workers["applies"], &workers["default"]), (&"restart".into(), &"\"cores\"".into()));
    assert!(!ran.out.contains("hunter2") && ran.out.contains("(hidden)"));
}

#[test]
fn the_readme_has_the_reference_as_it_is() {
    let ran = leeward(&["config", "reference"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("| key | type | default |") && ran.out.contains("| `limits.frame_bytes_max` | size | `\"100MiB\"` |"), "{}", ran.out);
    let readme = std::fs::read_to_string("README.md").unwrap();
    assert!(readme.contains(ran.out.trim()), "README.md: the table under \"Configuration\" is what `leeward config reference` prints");
}

#[test]
fn wrong_arguments_are_usage() {
    for arguments in [
        &["bogus"][..],
        &[],
        &["run", "--colour"],
        &["status", "-o", "xml"],
        &["status", "--admin", "nope"],
        &["report", "--episode", "first"],
        &["report", "--list", "--by", "api"],
        &["config", "check", "--set", "a"],
        &["demo", "--seconds", "0"],
        &["maintenance"],
        &["metrics"],
        &["maintenance", "on"],
        &["maintenance", "off", "--yes"],
        &["maintenance", "on", "--reason", "r"],
        &["maintenance", "off", "--reason", "r"],
        &["maintenance", "schedule", "add", "--reason", "r", "--cron", "0 2 * * *"],
        &["maintenance", "audit", "--last", "0"],
        &["roll"],
        &["roll", "plan"],
        &["roll", "plan", "--from", "2.1"],
        &["roll", "plan", "--from", "2.1", "--to", "5.0"],
        &["roll", "plan", "--from", "2.1.x", "--to", "2.6"],
        &["roll", "plan", "--from", "3.5", "--to", "3.9"],
        &["roll", "plan", "--from", "2.1", "--to", "2.6", "--mode", "raft"],
    ] {
        let ran = leeward(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
}

#[test]
fn help_and_version_are_not_errors() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["status", "--help"],
        &["config", "show", "--help"],
        &["reload", "--help"],
        &["report", "--help"],
        &["demo", "--help"],
        &["demo", "--help"],
        &["maintenance", "--help"],
        &["maintenance", "on", "--help"],
        &["maintenance", "schedule", "add", "--help"],
        &["metrics", "reference", "--help"],
        &["roll", "--help"],
        &["roll", "plan", "--help"],
    ] {
        let ran = leeward(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.contains("Example"), "{arguments:?}: {}", ran.out);
    }
    assert_eq!(leeward(&["--version"]).out, format!("leeward {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn nobody_on_the_admin_port_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").to_string();
    for command in ["status", "reload", "report"] {
        let ran = leeward(&[command, "--admin", &free]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        assert!(ran.err.contains("nothing listens there; start it (leeward run)"), "{}", ran.err);
    }
    let ran = leeward(&["status", "--admin", &free, "--wait", "--timeout", "0"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.err.starts_with("not ready after 0 s: no Leeward answers"), "{}", ran.err);
}

/// Answers the first connection with `answer`, as soon as it has sent something.
fn answering(answer: &'static [u8]) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut some = [0; 4096];
        let _ = stream.read(&mut some).expect("a request");
        stream.write_all(answer).expect("answered");
    });
    (address, server)
}

#[test]
fn something_else_on_the_admin_port_is_said() {
    let (address, server) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let ran = leeward(&["status", "--admin", &address]);
    server.join().expect("served");
    assert_eq!((ran.code, ran.err), (Some(1), format!("what answers on {address} is not Leeward (HTTP 200); name its admin endpoint with --admin\n")));

    for answer in [&b""[..], b"\0\0\0\x06\0\0\0\x01\0\0"] {
        let (address, server) = answering(answer);
        let ran = leeward(&["status", "--admin", &address]);
        server.join().expect("served");
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("does not speak HTTP"), "{answer:?}: {}", ran.err);
    }
}

#[test]
fn another_version_is_said() {
    let (address, server) = answering(b"HTTP/1.1 200 OK\r\nleeward-version: 9.9.9\r\ncontent-length: 2\r\n\r\n{}");
    let ran = leeward(&["status", "--admin", &address]);
    server.join().expect("served");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("is it another version of Leeward?"), "{}", ran.err);
}

#[test]
fn an_occupied_port_is_one_clear_message() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let ran = leeward(&[
        "run",
        "--upstream",
        "127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--base-port",
        "20001",
        "--set",
        "listen.virtual_brokers.range=1",
        "--admin",
        &address,
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let last = ran.err.lines().last().unwrap_or_default();
    assert!(last.contains(&address) && last.contains("admin.listen"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_leeward_is_seen_reloaded_and_ended() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    let admin = running.admin.clone();

    let ran = leeward(&["status", "--admin", &admin, "--wait", "--timeout", "30"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains(", ready\n"), "{}", ran.out);
    // Ready is as soon as one broker is there; the others follow.
    let started = Instant::now();
    while !leeward(&["status", "--admin", &admin]).out.contains("3 of 3 brokers reachable") {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", leeward(&["status", "--admin", &admin]).out);
    }
    let ran = leeward(&["status", "--admin", &admin, "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&status["ready"], status["cluster"]["brokers"].as_array().map(Vec::len)), (&true.into(), Some(3)));

    let ran = leeward(&["reload", "--admin", &admin]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "nothing has changed\n"));
    running.rewrite("limits.idle_timeout = \"20m\"\nruntime.workers = 7\n");
    let ran = leeward(&["reload", "--admin", &admin]);
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.out.starts_with("in force now:\n  limits.idle_timeout: \"10m\" → \"20m\"\nleft until Leeward is started again:\n  runtime.workers: "),
        "{}",
        ran.out
    );
    assert_eq!(
        (running.logged("configuration reloaded")["applied"].as_u64(), running.logged("configuration reloaded")["applied"].as_u64()),
        (Some(0), Some(1))
    );

    running.rewrite("limits.write_timeout = \"9s\"\n");
    running.signal("HUP");
    assert_eq!(running.logged("configuration changed")["key"], "limits.write_timeout");

    running.rewrite("limits.write_timout = \"9s\"\n");
    let ran = leeward(&["reload", "--admin", &admin]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.err.contains("limits.write_timout: there is no such key; did you mean limits.write_timeout?") && ran.err.contains("the old one stays in force"),
        "{}",
        ran.err
    );

    running.signal("TERM");
    running.logged("ended");
    assert_eq!(running.process.wait().expect("it ends").code(), Some(0));
    assert_eq!(leeward(&["status", "--admin", &admin]).code, Some(1));
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_is_reported() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let running = Running::start(&sandbox.bootstrap());
    let admin = running.admin.clone();
    assert_eq!(leeward(&["status", "--admin", &admin, "--wait", "--timeout", "30"]).code, Some(0));
    let started = Instant::now();
    while !leeward(&["status", "--admin", &admin]).out.contains("3 of 3 brokers reachable") {
        assert!(started.elapsed() < Duration::from_secs(30), "{}", leeward(&["status", "--admin", &admin]).out);
    }
    let ran = leeward(&["report", "--admin", &admin]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    assert!(ran.err.contains("nothing to report") && ran.err.contains("restart a broker"), "{}", ran.err);
    assert_eq!(leeward(&["report", "--admin", &admin, "--list"]).out, "since Leeward started no maintenance window was open and no broker was lost\n");

    let node = sandbox.brokers().last().expect("a broker").0;
    sandbox.kill(node).expect("killed");
    assert_eq!(running.logged("broker does not answer")["node_id"], node);
    let ran = leeward(&["report", "--admin", &admin]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.starts_with(&format!("broker {node} was lost, since ")) && ran.out.contains(&format!("not back: broker {node}\n")), "{}", ran.out);
    assert!(ran.out.contains("1 broker restart: 0 errors absorbed") && ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);

    sandbox.start_broker(node).await.expect("started");
    assert_eq!(running.logged("broker answers")["node_id"], node);
    let ran = leeward(&["report", "--admin", &admin, "-o", "json", "--episode", "1"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((ran.code, report["episode"]["kind"].as_str(), report["brokers"][0]["node_id"].as_i64()), (Some(0), Some("restart"), Some(node.into())));
    assert!(report["episode"]["ended"].is_string() && report["brokers"][0]["restarts"][0]["back"].is_string(), "{report:#}");
    let ran = leeward(&["report", "--admin", &admin, "--list"]);
    assert!(ran.code == Some(0) && ran.out.contains(&format!("broker {node} was lost")), "{}", ran.out);
    let ran = leeward(&["report", "--admin", &admin, "--episode", "2"]);
    assert!(ran.code == Some(1) && ran.err.contains("leeward report --list"), "{}", ran.err);
}

#[test]
fn an_upgrade_is_planned_without_a_running_leeward() {
    let ran = leeward(&["roll", "plan", "--from", "2.1", "--to", "2.6"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.starts_with("Kafka 2.1 to 2.6, with ZooKeeper: a minor step. 4 stages, 1 point of no return."), "{}", ran.out);
    for line in ["        inter.broker.protocol.version=2.1", "        log.message.format.version=2.1", "        inter.broker.protocol.version=2.6"] {
        assert!(ran.out.lines().any(|of| of == line), "{line}: {}", ran.out);
    }
    assert_eq!(ran.out.matches("POINT OF NO RETURN").count(), 1);

    let ran = leeward(&["roll", "plan", "--from", "3.9.1", "--to", "4.3.1", "--mode", "kraft", "-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let plan: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((&plan["from"], &plan["to"], &plan["mode"], &plan["step"]), (&"3.9.1".into(), &"4.3.1".into(), &"kraft".into(), &"major".into()));
    let stages = plan["stages"].as_array().expect("a list");
    let last = stages.last().expect("a stage");
    assert_eq!(last["commands"], serde_json::json!(["bin/kafka-features.sh --bootstrap-server HOST:9092 upgrade --release-version 4.3"]));
    assert!(last["point_of_no_return"]["lost"].as_str().is_some_and(|lost| lost.contains("cannot go back to 3.9")), "{last}");
    assert_eq!(stages.iter().filter(|stage| !stage["point_of_no_return"].is_null()).count(), 1);
    assert!(plan["before"].as_array().is_some_and(|before| before.iter().any(|change| change["source"] == "KIP-896" && change["since"] == "4.0")));

    let ran = leeward(&["roll", "plan", "--from", "4.0", "--to", "4.0", "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!((ran.code, &plan["step"], &plan["stages"]), (Some(0), &"none".into(), &serde_json::json!([])));
}

#[test]
fn an_upgrade_that_is_none_is_refused_with_a_reason() {
    let ran = leeward(&["roll", "plan", "--from", "2.6", "--to", "2.1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(3), ""));
    assert!(ran.err.starts_with("from 2.6 to 2.1 is a way back, and none is planned. As long as inter.broker.protocol.version is 2.1"), "{}", ran.err);
    let ran = leeward(&["roll", "plan", "--from", "4.1", "--to", "4.3", "--mode", "zookeeper"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(3), "4.1 has no ZooKeeper mode, it went with 4.0: say --mode kraft\n"));
    let ran = leeward(&["roll", "plan", "--from", "3.5", "--to", "4.3"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with("3.5 runs with ZooKeeper and with KRaft, and their upgrades differ; say --mode zookeeper where"), "{}", ran.err);
    let ran = leeward(&["roll", "plan", "--from", "1.1", "--to", "2.6"]);
    assert!(ran.code == Some(2) && ran.err.contains("say one from 2.1 to 4.4, such as 2.6 or 2.6.3"), "{}", ran.err);
}
