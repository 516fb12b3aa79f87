//! The program from outside: what it prints, where, and its exit codes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

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
fn the_reference_is_markdown() {
    let ran = leeward(&["config", "reference"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.starts_with("| key | type | default |") && ran.out.contains("| `limits.frame_bytes_max` | size | `\"100MiB\"` |"), "{}", ran.out);
}

#[test]
fn wrong_arguments_are_usage() {
    for arguments in [
        &["bogus"][..],
        &[],
        &["run", "--colour"],
        &["status", "-o", "xml"],
        &["status", "--admin", "nope"],
        &["config", "check", "--set", "a"],
        &["demo", "--seconds", "0"],
    ] {
        let ran = leeward(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
}

#[test]
fn help_and_version_are_not_errors() {
    for arguments in [&["--help"][..], &["run", "--help"], &["status", "--help"], &["config", "show", "--help"], &["reload", "--help"], &["demo", "--help"]] {
        let ran = leeward(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        assert!(ran.out.contains("Example"), "{arguments:?}: {}", ran.out);
    }
    assert_eq!(leeward(&["--version"]).out, format!("leeward {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn nobody_on_the_admin_port_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").to_string();
    for command in ["status", "reload"] {
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
