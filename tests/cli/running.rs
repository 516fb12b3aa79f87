//! The program: one command of it, and one that runs in front of a cluster.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn leeward(arguments: &[&str]) -> Ran {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_leeward")).args(arguments).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

pub(crate) fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

/// A Leeward in front of an embedded cluster; ended by force when a test fails.
pub(crate) struct Running {
    pub(crate) process: Child,
    pub(crate) lines: mpsc::Receiver<String>,
    pub(crate) admin: String,
    pub(crate) config: tempfile::NamedTempFile,
    pub(crate) state: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) const PORTS: u16 = 10;

/// So many ports in a row that nobody listens on now, below those that the system gives to outgoing connections.
pub(crate) fn free_ports() -> u16 {
    let free = |first: &u16| (*first..first + PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    (0..1000).map(|_| fastrand::u16(20_000..32_000)).find(free).expect("free ports")
}

impl Running {
    pub(crate) fn start(bootstrap: &str) -> Self {
        Self::start_with(bootstrap, "")
    }

    /// `more`: further lines of the configuration.
    pub(crate) fn start_with(bootstrap: &str, more: &str) -> Self {
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

    pub(crate) fn spawn(config: &tempfile::NamedTempFile) -> (Child, mpsc::Receiver<String>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        let mut process = command.args(["run", "--config"]).arg(config.path()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let log = BufReader::new(process.stderr.take().expect("its log"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        (process, lines)
    }

    /// Where clients come to.
    pub(crate) fn bootstrap(&self) -> String {
        let text = std::fs::read_to_string(self.config.path()).expect("its configuration");
        text.lines().find_map(|line| line.strip_prefix("listen.bootstrap = ")).expect("an address").trim_matches('"').to_owned()
    }

    /// Ends it by force, and starts it again.
    pub(crate) fn crash(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ended");
        (self.process, self.lines) = Self::spawn(&self.config);
    }

    /// Runs a command that talks to it, and says what it printed.
    pub(crate) fn tell(&self, arguments: &[&str]) -> Ran {
        let ran = leeward(&[arguments, &["--admin", &self.admin]].concat());
        assert!(ran.out.lines().all(|line| line.chars().count() <= 100), "{}", ran.out);
        ran
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = leeward(&[arguments, &["-o", "json", "--admin", &self.admin]].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        serde_json::from_str(&ran.out).expect("JSON")
    }

    pub(crate) fn healthy(&self, brokers: &str) {
        let started = Instant::now();
        while !leeward(&["status", "--admin", &self.admin]).out.contains(brokers) {
            assert!(started.elapsed() < Duration::from_secs(30), "{}", leeward(&["status", "--admin", &self.admin]).out);
        }
    }

    pub(crate) fn rewrite(&mut self, more: &str) {
        self.config.write_all(more.as_bytes()).expect("written");
    }

    /// Sends a signal by the system's own command.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Reads the log, of which each line is one JSON object, until an event says `message`.
    pub(crate) fn logged(&self, message: &str) -> serde_json::Value {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|error| panic!("no \"{message}\" in the log: {error}"));
            let event: serde_json::Value = serde_json::from_str(&line).expect("a JSON object");
            if event.get("message").and_then(serde_json::Value::as_str) == Some(message) {
                return event;
            }
        }
    }
}
