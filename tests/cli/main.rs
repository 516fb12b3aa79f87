//! The program from outside: what it prints, where, and its exit codes.

mod rehearse;
mod roll;
mod shared;
mod watching;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use leeward::sandbox::{Sandbox, SandboxConfig};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn leeward(arguments: &[&str]) -> Ran {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_leeward")).args(arguments).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

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

/// A Leeward in front of an embedded cluster; ended by force when a test fails.
struct Running {
    process: Child,
    lines: mpsc::Receiver<String>,
    admin: String,
    config: tempfile::NamedTempFile,
    state: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PORTS: u16 = 10;

/// So many ports in a row that nobody listens on now, below those that the system gives to outgoing connections.
fn free_ports() -> u16 {
    let free = |first: &u16| (*first..first + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (0..1000).map(|_| fastrand::u16(20_000..32_000)).find(free).expect("free ports")
}

impl Running {
    fn start(bootstrap: &str) -> Self {
        Self::start_with(bootstrap, "")
    }

    /// `more`: further lines of the configuration.
    fn start_with(bootstrap: &str, more: &str) -> Self {
        let first = free_ports();
        let admin = format!("127.0.0.1:{}", first + PORTS - 1);
        let upstream = bootstrap.split(',').next().expect("an address");
        let state = tempfile::tempdir().expect("a directory");
        let config = file(&format!(
            "upstream.bootstrap = [\"{upstream}\"]\nlisten.bootstrap = \"127.0.0.1:{first}\"\nlisten.virtual_brokers.range = {}\nadmin.listen = \"{admin}\"\nlog.format = \"json\"\nstate.directory = \"{}\"\n{more}",
            PORTS - 2,
            state.path().join("leeward-state").display()
        ));
        let (process, lines) = Self::spawn(&config);
        Self { process, lines, admin, config, state }
    }

    fn spawn(config: &tempfile::NamedTempFile) -> (Child, mpsc::Receiver<String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        let mut process = command.args(["run", "--config"]).arg(config.path()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let log = BufReader::new(process.stderr.take().expect("its log"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        (process, lines)
    }

    /// Where clients come to.
    fn bootstrap(&self) -> String {
        let text = std::fs::read_to_string(self.config.path()).expect("its configuration");
        text.lines().find_map(|line| line.strip_prefix("listen.bootstrap = ")).expect("an address").trim_matches('"').to_owned()
    }

    /// Ends it by force, and starts it again.
    fn crash(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
        (self.process, self.lines) = Self::spawn(&self.config);
    }

    /// Runs a command that talks to it, and says what it printed.
    fn tell(&self, arguments: &[&str]) -> Ran {
        let ran = leeward(&[arguments, &["--admin", &self.admin]].concat());
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
        ran
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = leeward(&[arguments, &["-o", "json", "--admin", &self.admin]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        serde_json::from_str(&ran.out).expect("JSON")
    }

    fn healthy(&self, brokers: &str) {
        let started = Instant::now();
        while !leeward(&["status", "--admin", &self.admin]).out.contains(brokers) {
            assert!(started.elapsed() < Duration::from_secs(30), "{}", leeward(&["status", "--admin", &self.admin]).out);
        }
    }

    fn rewrite(&mut self, more: &str) {
        self.config.write_all(more.as_bytes()).expect("written");
    }

    /// Sends a signal by the system's own command.
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Reads the log, of which each line is one JSON object, until an event says `message`.
    fn logged(&self, message: &str) -> serde_json::Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|error| panic!("no \"{message}\" in the log: {error}"));
            let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON object");
            if event.get("message").and_then(serde_json::Value::as_str) == Some(message) {
                return event;
            }
        }
    }
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

#[test]
fn an_open_address_needs_a_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("ops.token");
    let check = |more: &[&str]| leeward(&[&["config", "check", "--upstream", "127.0.0.1:9092", "--admin", "0.0.0.0:19000"], more].concat());
    let ran = check(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert_eq!(
        ran.err,
        "--admin: admin.listen: 0.0.0.0 is not a loopback address, and there is no token: whoever reaches it could change what Leeward does; \
         add a token (admin.tokens.read_write, admin.tokens.read_only), or listen on 127.0.0.1 or [::1]\n"
    );
    // It is refused before anything is bound.
    assert_eq!(leeward(&["run", "--upstream", "127.0.0.1:1", "--admin", "0.0.0.0:19000"]).err, ran.err);
    let said = format!("admin.tokens.read_write=ops={}", token.display());
    let ran = check(&["--set", &said]);
    assert!(ran.code == Some(2) && ran.err.contains("the token ops cannot be read from ") && ran.err.contains("holds the token alone"), "{}", ran.err);
    std::fs::write(&token, "hunter2\n").expect("written");
    let ran = check(&["--set", &said]);
    assert!(ran.code == Some(2) && ran.err.contains("has 7 bytes") && ran.err.contains("openssl rand") && !ran.err.contains("hunter2"), "{}", ran.err);
    std::fs::write(&token, "0123456789abcdef\n").expect("written");
    assert_eq!(check(&["--set", &said]).out, "the configuration is right\n");
    let ran = leeward(&["config", "show", "-o", "json", "--upstream", "127.0.0.1:9092", "--set", &said]);
    assert!(ran.code == Some(0) && !ran.out.contains("0123456789abcdef") && ran.out.contains("ops.token"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_the_admin_endpoint_to_commands() {
    const READER: &str = "reader-0123456789";
    const WRITER: &str = "writer-0123456789";
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let place = |name: &str| running.state.path().join(name).display().to_string();
    let (reader, writer) = (place("reader.token"), place("writer.token"));
    std::fs::write(&reader, format!("{READER}\n")).expect("written");
    std::fs::write(&writer, format!("{WRITER}\n")).expect("written");
    let tokens = format!("admin.tokens.read_only.scraper.file = {reader:?}\nadmin.tokens.read_write.ops.file = {writer:?}\n");
    running.rewrite(&tokens);
    let admin = running.admin.clone();
    let with = |variable: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        command.args(arguments).args(["--admin", &admin]).env_remove("LEEWARD_TOKEN");
        command.envs(variable.map(|token| ("LEEWARD_TOKEN", token)));
        let Output { status, stdout, stderr } = command.output().expect("the program runs");
        Ran { code: status.code(), out: String::from_utf8(stdout).expect("UTF-8"), err: String::from_utf8(stderr).expect("UTF-8") }
    };
    // Tokens are in force with the reload that brings them.
    let ran = with(None, &["reload", "--reason", "tokens", "--author", "alice"]);
    assert!(ran.code == Some(0) && ran.out.contains("admin.tokens.read_write: {} → { ops = { file = "), "{}{}", ran.out, ran.err);

    for arguments in [&["status"][..], &["status", "--wait", "--timeout", "60"], &["report"], &["maintenance", "status"], &["reload"]] {
        let started = Instant::now();
        let ran = with(None, arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains("it asks for a token; name the file that holds one with --token-file"), "{arguments:?}: {}", ran.err);
        assert!(started.elapsed() < Duration::from_secs(20), "a token does not come by waiting");
    }
    assert_eq!(with(None, &["status", "--token-file", &reader]).code, Some(0));
    assert_eq!(with(Some(READER), &["status"]).code, Some(0));
    assert_eq!(with(Some("another-0123456789"), &["status", "--token-file", &reader]).code, Some(0), "what is named wins over the variable");
    let ran = with(Some("another-0123456789"), &["status"]);
    assert!(ran.code == Some(2) && ran.err.contains("none of those that are configured") && !ran.err.contains("another"), "{}", ran.err);
    let on = ["maintenance", "on", "--reason", "upgrade", "--author", "alice", "--yes"];
    let ran = with(Some(READER), &on);
    assert!(ran.code == Some(2) && ran.err.contains("may see everything and change nothing") && ran.err.contains("admin.tokens.read_write"), "{}", ran.err);
    assert_eq!(with(Some(WRITER), &on).code, Some(0));
    let ran = with(None, &["status", "--token-file", "/nowhere/token"]);
    assert!(ran.code == Some(2) && ran.err.contains("--token-file /nowhere/token: it cannot be read"), "{}", ran.err);
    let ran = with(Some("hunter2"), &["status"]);
    assert!(ran.code == Some(2) && ran.err.contains("LEEWARD_TOKEN: the token has 7 bytes") && !ran.err.contains("hunter2"), "{}", ran.err);

    // Every reload is in the audit file: by whom, why, and what changed; a refused one too, and one by signal.
    running.rewrite("limits.write_timeout = \"9s\"\nruntime.workers = 7\n");
    assert_eq!(with(Some(WRITER), &["reload", "--author", "bob"]).code, Some(0));
    running.rewrite("limits.idle_timeout = \"8m\"\n");
    running.signal("HUP");
    let mut log = String::new();
    while !log.contains("limits.idle_timeout") {
        log += &running.lines.recv_timeout(Duration::from_secs(20)).expect("the reload is logged");
    }
    running.rewrite("limits.write_timout = \"9s\"\n");
    assert_eq!(with(Some(WRITER), &["reload", "--author", "bob", "--reason", "typing"]).code, Some(2));
    let ran = with(Some(READER), &["maintenance", "audit", "-o", "json"]);
    let audit: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let told: Vec<_> =
        audit["entries"].as_array().expect("entries").iter().map(|entry| ["who", "what", "why"].map(|key| entry[key].as_str().expect("a text"))).collect();
    assert_eq!(
        told,
        [
            ["alice", "configuration reloaded", "tokens"],
            ["alice (token ops)", "window opened", "upgrade"],
            ["bob (token ops)", "configuration reloaded", "(no reason given)"],
            ["SIGHUP", "configuration reloaded", "(no reason given)"],
            ["bob (token ops)", "reload refused", "typing"],
        ]
    );
    let reloaded = &audit["entries"][2];
    assert_eq!((&reloaded["before"]["limits.write_timeout"], &reloaded["after"]["limits.write_timeout"]), (&"\"1m\"".into(), &"\"9s\"".into()));
    assert!(reloaded["result"] == "done; after a restart: runtime.workers" && audit["entries"][4]["result"].as_str().expect("a text").contains("write_timout"));
    log.extend(running.lines.try_iter());
    log += &std::fs::read_to_string(running.state.path().join("leeward-state/audit.jsonl")).expect("an audit file");
    assert!(!log.contains(READER) && !log.contains(WRITER), "no token is written down");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_that_cannot_be_written_down_says_so() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    // Where the directory would be made there is a file.
    std::fs::write(running.state.path().join("leeward-state"), "").expect("written");
    running.rewrite("limits.write_timeout = \"9s\"\n");
    let ran = leeward(&["reload", "--admin", &running.admin]);
    assert!(ran.code == Some(0) && ran.out.starts_with("in force now:\n  limits.write_timeout: \"1m\" → \"9s\"\n"), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("the audit file has no line of it: it could not be written down: "), "{}", ran.out);
    running.logged("a reload is not in the audit file");
    sandbox.shutdown().await;
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

/// Sends a request with this client id and waits for its answer, or for the end of the connection.
fn request(stream: &mut TcpStream, client_id: &str, (api_key, version): (i16, i16), body: &[u8]) {
    let mut frame = Vec::new();
    frame.extend(api_key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0, 0, 0, 7]);
    frame.extend(i16::try_from(client_id.len()).expect("short").to_be_bytes());
    frame.extend(client_id.as_bytes());
    frame.extend(body);
    stream.write_all(&u32::try_from(frame.len()).expect("short").to_be_bytes()).expect("sent");
    stream.write_all(&frame).expect("sent");
    let mut length = [0; 4];
    if stream.read_exact(&mut length).is_ok() {
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).expect("an answer");
    }
}

const LIST_OFFSETS: i16 = 2;
/// ListOffsets v0 and v2 of no topic.
const OF_NO_TOPIC_V0: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const OF_NO_TOPIC_V2: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_shown_judged_and_remembered() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    assert!(running.tell(&["clients"]).out.starts_with("0 connections, 0 client ids"), "{}", running.tell(&["clients"]).out);
    let ran = running.tell(&["clients", "--incompatible-with", "4.0"]);
    assert_eq!((ran.code, ran.out.starts_with("0 would break with Kafka 4.0")), (Some(0), true), "{}", ran.out);

    let bootstrap = running.bootstrap();
    let mut new = TcpStream::connect(&bootstrap).expect("connected");
    // ApiVersions v3: tags of the header, two compact strings, tags.
    let software = [&[0, 11][..], b"librdkafka", &[6], b"2.3.0", &[0]].concat();
    request(&mut new, "orders", (18, 3), &software);
    request(&mut new, "orders", (LIST_OFFSETS, 2), &OF_NO_TOPIC_V2);
    let mut old = TcpStream::connect(&bootstrap).expect("connected");
    request(&mut old, "old \u{1b}[31mapp", (LIST_OFFSETS, 0), &OF_NO_TOPIC_V0);
    drop(old);
    let started = Instant::now();
    while running.json(&["clients"])["connections"].as_array().map(Vec::len) != Some(1) {
        assert!(started.elapsed() < Duration::from_secs(10), "a session that ended is gone");
    }

    let seen = running.json(&["clients", "--sort", "id"]);
    let [first, second] = seen["clients"].as_array().expect("rows").as_slice() else { panic!("{seen}") };
    assert_eq!(
        (&first["client_id"], &first["connections"], &first["sessions"], &first["requests"]),
        (&"old \u{1b}[31mapp".into(), &0.into(), &1.into(), &1.into())
    );
    assert_eq!(second["software"], serde_json::json!({"name": "librdkafka", "version": "2.3.0", "inferred": false}));
    assert_eq!((&second["connections"], &second["asked_versions_with"], &second["api_versions"]["ListOffsets"]["highest"]), (&1.into(), &3.into(), &2.into()));
    assert_eq!(seen["connections"][0]["client_id"], "orders");
    assert!(second["read_bytes"].as_u64() > Some(50) && second["written_bytes"].as_u64() > Some(50), "{second}");
    let table = running.tell(&["clients", "--software", "RDKAFKA"]).out;
    assert!(table.contains("orders") && table.contains("librdkafka 2.3.0") && !table.contains("app"), "{table}");
    let table = running.tell(&["clients", "--connections", "--client-id", "orders"]).out;
    assert!(table.contains("127.0.0.1:") && table.contains("USER"), "{table}");

    let breaks = |running: &Running| {
        let ran = running.tell(&["clients", "--incompatible-with", "4.0"]);
        assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("1 would break with Kafka 4.0, 0 cannot be told, 1 fine"), "{}", ran.out);
        assert!(ran.out.contains("ListOffsets v0 was removed, 4.0 takes v1 and later") && !ran.out.contains('\u{1b}'), "{}", ran.out);
        assert!(!ran.out.contains("orders"), "{}", ran.out);
    };
    breaks(&running);
    let ran = running.tell(&["clients", "--incompatible-with", "4.0", "--client-id", "orders", "--all"]);
    assert_eq!((ran.code, ran.out.contains("fine  orders")), (Some(0), true), "{}", ran.out);
    assert_eq!(running.tell(&["clients", "--incompatible-with", "3.9"]).code, Some(0));
    assert_eq!(running.tell(&["clients", "--incompatible-with", "5.0"]).code, Some(2));

    // Written at the end, and read again: who would break is known before they come back.
    drop(new);
    running.signal("TERM");
    assert_eq!(running.process.wait().expect("it ends").code(), Some(0));
    let file = std::fs::read_to_string(running.state.path().join("leeward-state/clients.json")).expect("what is kept");
    assert!(file.contains("orders"), "{file}");
    (running.process, running.lines) = Running::spawn(&running.config);
    running.healthy("3 of 3 brokers reachable");
    breaks(&running);
    sandbox.shutdown().await;
}
