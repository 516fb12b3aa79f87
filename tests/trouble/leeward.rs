//! The binary under test, on free ports, ended with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use leeward::sandbox::{Sandbox, SandboxConfig};
use tempfile::TempDir;

/// Far more than anything here takes: it only says that something never came.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running Leeward.
pub(crate) struct Leeward {
    child: Child,
    pub(crate) bootstrap: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) base_port: u16,
    lines: Receiver<String>,
    _files: TempDir,
}

impl Leeward {
    /// Starts it in front of `upstream`; `more` is added to its configuration.
    pub(crate) fn start(upstream: &str, more: &str) -> Self {
        let ports = free_ports();
        let files = tempfile::tempdir().unwrap();
        let config = files.path().join("leeward.toml");
        let upstreams = upstream.split(',').map(|address| format!("{address:?}")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "[upstream]\nbootstrap = [{upstreams}]\nrefresh_interval = \"200ms\"\nconnect_timeout = \"500ms\"\n[listen]\nbootstrap = \"127.0.0.1:{ports}\"\n\
             [listen.virtual_brokers]\nbase_port = {}\nrange = 20\n[admin]\nlisten = \"127.0.0.1:{}\"\n[state]\ndirectory = {:?}\n{more}\n",
            ports + 2,
            ports + 1,
            files.path()
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_leeward")).arg("run").arg("--config").arg(&config).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Leeward { child, bootstrap: at(ports), admin: at(ports + 1), base_port: ports + 2, lines, _files: files }
    }

    /// Starts it in front of a sandbox of three brokers and waits until it is ready.
    pub(crate) fn before_sandbox(more: &str) -> (Self, Sandbox, tokio::runtime::Runtime) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(SandboxConfig::default())).unwrap();
        let leeward = Leeward::start(&sandbox.bootstrap(), more);
        leeward.until_ready();
        until("all brokers reachable", || leeward.metric("leeward_broker_reachable") == 3.0);
        (leeward, sandbox, runtime)
    }

    pub(crate) fn until_ready(&self) {
        until("readiness", || ureq::get(format!("http://{}/readyz", self.admin)).call().is_ok());
    }

    pub(crate) fn broker(&self, node_id: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base_port + node_id))
    }

    /// The sum of all samples of a metric; behind its name and a space, labels that they must have.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let Ok(mut answer) = ureq::get(format!("http://{}/metrics", self.admin)).call() else { return f64::NAN };
        let text = answer.body_mut().read_to_string().unwrap();
        let (name, labels) = name.split_once(' ').unwrap_or((name, ""));
        let sample = |line: &str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels))?;
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).sum()
    }

    /// Opens a maintenance window for everything.
    pub(crate) fn open_window(&self) {
        let opened = ureq::post(format!("http://{}/v1/maintenance/on", self.admin)).content_type("application/json").send(r#"{"reason": "trouble"}"#);
        assert_eq!(opened.unwrap().status(), 200);
    }

    /// What an operator would be told before a window, as JSON.
    pub(crate) fn preflight(&self) -> String {
        ureq::get(format!("http://{}/v1/maintenance/preflight", self.admin)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// Sessions that ended with this cause.
    pub(crate) fn closed(&self, cause: &str) -> f64 {
        self.metric(&format!("leeward_sessions_closed_total cause=\"{cause}\""))
    }

    /// The next line of the log that contains `words`.
    pub(crate) fn line_with(&self, words: &str) -> String {
        let started = Instant::now();
        let mut seen = Vec::new();
        while let Some(left) = PATIENCE.checked_sub(started.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => break,
            }
        }
        panic!("no line with {words:?}; there was:\n{}", seen.join("\n"));
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn until_ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "Leeward does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let mut text = String::new();
        std::fs::File::open(format!("/proc/{}/statm", self.child.id())).unwrap().read_to_string(&mut text).unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Leeward {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.lines.try_iter().for_each(|line| say(&line));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of this test's progress.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Polls `is_so`: what it asks is in another process.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The first of 30 neighbouring ports that are all free now.
pub(crate) fn free_ports() -> u16 {
    for _ in 0..1000 {
        let first = fastrand::u16(20_000..32_000);
        if (first..first + 30).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no free ports");
}
