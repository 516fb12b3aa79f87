//! `leeward demo` from outside: what it shows, how it ends, and that nothing of it stays.
#![expect(clippy::unwrap_used, reason = "a test may panic, and says where")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Far more than anything here takes: it only says that something never came.
const PATIENCE: Duration = Duration::from_secs(60);

/// A demo whose temporary files are in a directory of its own.
struct Demo {
    child: Child,
    files: tempfile::TempDir,
}

impl Demo {
    fn start(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let files = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        command.arg("demo").args(arguments).env("TMPDIR", files.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        change(&mut command);
        Demo { child: command.spawn().unwrap(), files }
    }

    /// Reads lines until one contains `wanted`.
    fn read_until(&mut self, wanted: &str) -> BufReader<std::process::ChildStdout> {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the demo ended without \"{wanted}\"");
        }
        lines
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    fn end(mut self) -> Ended {
        let mut out = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut out).unwrap();
        }
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        assert_nothing_stays(self.files.path());
        Ended { status, out, err }
    }
}

struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

/// Every process of a demo has its TMPDIR in its environment.
fn processes_of(files: &Path) -> Vec<PathBuf> {
    let marker = format!("TMPDIR={}", files.display());
    let of_this = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    };
    fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(of_this).collect()
}

/// Waits for it: what is killed takes a moment to go.
fn assert_nothing_stays(files: &Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let processes = processes_of(files);
        let left: Vec<_> = fs::read_dir(files).unwrap().map(|entry| entry.unwrap().path()).collect();
        if processes.is_empty() && left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "these stay: {processes:?} {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The two numbers of a row of the summary.
fn row(out: &str, what: &str) -> [u64; 2] {
    let line = out.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("no \"{what}\" in:\n{out}"));
    let numbers: Vec<u64> = line[what.len()..].split_whitespace().map(|number| number.replace(',', "").parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

fn assert_whole(out: &str) {
    let acknowledged = row(out, "records acknowledged");
    assert!(acknowledged.iter().all(|records| *records > 0), "{out}");
    assert_eq!(row(out, "records stored (brokers' own logs)"), acknowledged, "{out}");
    assert_eq!(row(out, "records read by the group"), acknowledged, "{out}");
    for harm in ["acknowledged but lost", "stored more than once", "read more than once", "errors seen by clients"] {
        assert_eq!(row(out, harm), [0, 0], "{out}");
    }
    assert!(out.ends_with("\nNothing was lost, nothing came twice, everything was read.\n"), "{out}");
}

#[test]
fn every_kind_of_traffic_flows_both_ways_and_nothing_is_lost() {
    let Ended { status, out, err } = Demo::start(&["--steady", "--seconds", "3", "--plain"], |_| {}).end();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{out}");
    assert_whole(&out);
    assert!(out.contains("of 3 s  steady load, both at once | direct: "), "{out}");
    assert!(!out.contains('\x1b'), "no terminal, no escapes: {out}");
    let (_, steady) = out.split_once("\nsteady load, both at once: ").unwrap();
    let (steady, full) = steady.split_once("\nfull speed, in turns: ").unwrap();
    for what in ["acks=1, ", "acks=all, ", "idempotent, ", "from sending to reading"] {
        let line = steady.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        assert_eq!(line.matches(" / ").count(), 2, "both ways have latencies: {line}");
    }
    for what in ["acks=0", "acks=1", "acks=all", "idempotent"] {
        let line = full.lines().find(|line| line.trim_start().starts_with(what)).unwrap();
        let numbers = line.split_whitespace().filter_map(|word| word.replace(',', "").parse::<f64>().ok());
        let positive = numbers.filter(|number| *number > 0.0).count();
        // A rate for each way, and two latencies where there are answers.
        assert_eq!(positive, if what == "acks=0" { 2 } else { 6 }, "{line}");
    }
    assert!(full.lines().any(|line| line.starts_with("Leeward: ") && !line.starts_with("Leeward: 0 requests")), "{out}");
}

/// The rows of Leeward's column that have to be zero.
const HARMS: [&str; 6] = [
    "errors seen by clients",
    "records acknowledged but lost",
    "records lost without a word (acks=0)",
    "duplicates: stored more than once",
    "duplicates: read more than once",
    "records stored out of order",
];

/// What the summary of a story says, however it ended: nothing is hidden, and the exit code is that of Leeward's column.
fn assert_story(out: &str, code: Option<i32>) {
    let [_, reached] = row(out, HARMS[0]);
    let harmed: u64 = HARMS.iter().map(|what| row(out, what)[1]).sum();
    assert!(harmed == 0 || code == Some(1), "{code:?}: {out}");
    assert_eq!(reached > 0, out.contains("\nWRONG: through Leeward: ") && out.contains(" seen by clients\n"), "{out}");
    assert_eq!(code == Some(0), out.contains("\nThrough Leeward: no error, nothing lost, nothing twice, everything read, in "), "{code:?}: {out}");
    for what in ["records acknowledged  ", "records stored (brokers' own logs)", "records read by the group"] {
        assert!(row(out, what).iter().all(|records| *records > 0), "{what}: {out}");
    }
    for what in ["\nLeeward's ledger, in which a broker was lost ", "\n  raised acks of ", "\nLeeward: "] {
        assert!(out.contains(what), "{what}: {out}");
    }
}

#[test]
fn a_short_story_restarts_a_broker_and_ends_with_two_columns() {
    let Ended { status, out, err } = Demo::start(&["--seconds", "1", "--plain"], |_| {}).end();
    assert_eq!(err, "", "{out}");
    for said in [
        "maintenance window w1 is open in Leeward",
        "broker 1 is told to stop (SIGTERM)",
        "broker 1 is stopped",
        "broker 1 is started again",
        "broker 1 is back, every replica in sync after ",
        "time is up after 1 of 6 restarts",
        "the maintenance window is closed",
    ] {
        assert!(out.lines().any(|line| line.contains(said)), "nothing says \"{said}\": {out}");
    }
    assert!(!out.contains("broker 2 is told to stop") && !out.contains('\x1b'), "{out}");
    assert!(out.contains(" in front of a sandbox of three brokers:\n1 of 6 restarts\n"), "{out}");
    assert_story(&out, status.code());
}

#[test]
fn ctrl_c_while_a_broker_is_away_ends_with_the_summary_so_far() {
    let mut demo = Demo::start(&["--plain"], |_| {});
    let mut rest = demo.read_until("broker 1 is stopped");
    demo.signal("INT");
    let mut out = String::new();
    rest.read_to_string(&mut out).unwrap();
    let ended = demo.end();
    assert_eq!(ended.err, "", "{out}");
    assert!(out.contains(" in front of a sandbox of three brokers, ended early:\nno restart finished\n"), "{out}");
    assert_story(&out, ended.status.code());
}

#[test]
fn ctrl_c_ends_a_steady_load_early_with_its_summary() {
    let mut demo = Demo::start(&["--steady", "--seconds", "600", "--plain"], |_| {});
    let mut rest = demo.read_until(" of 600 s  ");
    demo.signal("INT");
    let mut out = String::new();
    rest.read_to_string(&mut out).unwrap();
    let ended = demo.end();
    assert_eq!((ended.status.code(), ended.err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(" in front of a sandbox of three brokers, ended early\n"), "{out}");
    assert_whole(&out);
}

#[test]
fn a_killed_demo_leaves_nothing() {
    let mut demo = Demo::start(&["--plain"], |_| {});
    let _rest = demo.read_until("maintenance window w1 is open");
    let processes = processes_of(demo.files.path());
    assert!(processes.len() >= 4, "the demo, Leeward, and the shells that watch: {processes:?}");
    demo.signal("KILL");
    assert_eq!(demo.end().status.code(), None);
}

/// A PATH with a shell and what is given, and an empty cache.
fn poor(command: &mut Command, place: &Path, java: Option<&str>) {
    for tool in ["sh", "rm", "sleep"] {
        let found = ["/bin", "/usr/bin"].map(|directory| Path::new(directory).join(tool)).into_iter().find(|path| path.exists()).unwrap();
        symlink(found, place.join(tool)).unwrap();
    }
    if let Some(version) = java {
        let script = place.join("java");
        fs::write(&script, format!("#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    command.env("PATH", place).env("XDG_CACHE_HOME", place.join("cache")).env_remove("JAVA_HOME");
}

#[test]
fn what_real_kafka_lacks_is_named() {
    let table = [
        ("4.3.1", None, "Kafka 4.3.1 needs Java 17 or later, and there is no java on the PATH; install one ("),
        ("4.3.1", Some("11.0.2"), "Kafka 4.3.1 needs Java 17 or later, and java is Java 11; install one ("),
        ("2.1.0", Some("17.0.1"), "Kafka 2.1.0 needs Java 8 to 13, and java is Java 17; install one ("),
        ("4.3.1", Some("21.0.1"), "Kafka 4.3.1 is fetched with Maven 3, and there is no mvn on the PATH; install it ("),
        ("4.3", None, "\"4.3\" is not a version of Kafka; write three numbers, such as --kafka 4.3.1"),
        ("2.1.0 --upgrade-to 2.1.0", None, "Kafka 2.1.0 is not later than 2.1.0; write a later one, such as --kafka 2.1.0 --upgrade-to 2.6.3"),
        ("2.1.0 --upgrade-to 4.3.1", None, "the demo upgrades releases that keep their metadata in ZooKeeper (2.1 to 3.2), and 2.1.0 to 4.3.1 is another road"),
    ];
    for (version, java, said) in table {
        let place = tempfile::tempdir().unwrap();
        let arguments: Vec<&str> = ["--kafka"].into_iter().chain(version.split(' ')).collect();
        let Ended { status, err, .. } = Demo::start(&arguments, |command| poor(command, place.path(), java)).end();
        assert_eq!(status.code(), Some(1), "{err}");
        assert!(err.starts_with(said), "{err}");
        let jars = fs::read_dir(place.path().join("cache/leeward")).into_iter().flatten().map(|entry| entry.unwrap().file_name());
        assert_eq!(jars.filter(|name| name != "lock").count(), 0, "nothing half fetched stays");
    }
}
