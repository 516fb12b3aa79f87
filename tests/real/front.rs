//! What clients are given to connect to: Leeward in front of a cluster, or, in the control arm, the cluster itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::ports::{free_base, free_port};
use crate::process::{Signal, Spec, Supervised, tail};
use crate::steps::{say, until};
use crate::watch::{Rules, Watcher};
use crate::wire::Wire;

/// It asks a cluster that is up for its metadata, and binds a few ports.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Its own grace time is shorter than this.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Which way clients go in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    /// Through Leeward: what is tested.
    Leeward,
    /// To the brokers: shows that what is asked of Leeward holds of Kafka alone.
    Direct,
}

impl Arm {
    pub(crate) fn from_env() -> Self {
        match std::env::var("LEEWARD_REAL_ARM").as_deref() {
            // Tests of one arm alone run the one that is tested when both are asked for.
            Err(_) | Ok("" | "leeward" | "both") => Self::Leeward,
            Ok("direct") => Self::Direct,
            Ok(other) => panic!("LEEWARD_REAL_ARM={other}: allowed are leeward, direct and both"),
        }
    }
}

/// Leeward, running, with the watcher that sees whether anybody goes past it. In the control arm neither.
pub(crate) struct Front {
    bootstrap: String,
    leeward: Option<Leeward>,
    watcher: Option<Watcher>,
}

/// A command of Leeward's that goes on. Ends when dropped.
pub(crate) struct Begun(Child);

impl Begun {
    /// Its exit code once it has ended.
    pub(crate) fn exited(&mut self) -> Option<i32> {
        self.0.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Leeward {
    process: Supervised,
    spec: Spec,
    admin: String,
    base_port: u16,
}

impl Front {
    /// In front of `cluster`; `node_ids` are those that will ever be in it, so that their ports can be chosen free.
    pub(crate) fn start(cluster: &Cluster, node_ids: &[i32]) -> Self {
        Self::start_with(cluster, node_ids, "leeward.log", &[])
    }

    /// With settings beside those that every Leeward of these tests has, as KEY=VALUE.
    pub(crate) fn start_with(cluster: &Cluster, node_ids: &[i32], log: &str, settings: &[&str]) -> Self {
        Self::start_arm(Arm::from_env(), cluster, node_ids, log, settings)
    }

    /// As `start_with`, for tests that run both arms.
    pub(crate) fn start_arm(arm: Arm, cluster: &Cluster, node_ids: &[i32], log: &str, settings: &[&str]) -> Self {
        match arm {
            Arm::Direct => Self { bootstrap: cluster.bootstrap(), leeward: None, watcher: None },
            Arm::Leeward => {
                let (leeward, bootstrap) = Leeward::start(cluster, &cluster.bootstrap(), node_ids, log, settings);
                Self { bootstrap, leeward: Some(leeward), watcher: Some(Watcher::start(cluster.rules())) }
            }
        }
    }

    /// What a client is given as its bootstrap servers.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn is_leeward(&self) -> bool {
        self.leeward.is_some()
    }

    /// Where clients reach one broker: its virtual broker, or the broker itself.
    pub(crate) fn address(&self, cluster: &Cluster, id: i32) -> String {
        match &self.leeward {
            Some(leeward) => format!("127.0.0.1:{}", leeward.base_port + u16::try_from(id).unwrap()),
            None => cluster.address(id),
        }
    }

    /// Every broker of the cluster is in the Metadata that clients get, at its virtual broker's address and nowhere else, and that address answers.
    pub(crate) fn assert_brokers_advertised(&self, cluster: &Cluster) {
        let expected: Vec<(i32, String)> = cluster.node_ids().into_iter().map(|id| (id, self.address(cluster, id))).collect();
        until("every broker advertised at its virtual broker", READY_LIMIT, || {
            let metadata = Wire::connect(self.bootstrap.split(',').next().unwrap())?.metadata(None)?;
            let mut found: Vec<(i32, String)> =
                metadata.brokers.iter().map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port))).collect();
            found.sort();
            if found == expected { Ok(()) } else { Err(format!("advertised {found:?}, expected {expected:?}")) }
        });
        for (id, address) in expected {
            Wire::connect(&address).and_then(|mut wire| wire.api_versions()).unwrap_or_else(|error| panic!("broker {id} at {address}: {error}"));
        }
    }

    /// Panics if a client went past Leeward since the start, or if the watcher saw nothing at all. Says how closely it looked.
    pub(crate) fn assert_no_leak(&mut self) {
        if let Some(watcher) = self.watcher.take() {
            let seen = watcher.finish();
            say("watch", &format!("{} looks, the slowest {} ms, {} sockets attributed", seen.looks, seen.slowest_look.as_millis(), seen.attributed));
            seen.assert_no_leak();
        }
    }

    /// Begins a new watch of `cluster` for a client that is meant to be caught, lets `client` work, and waits until it is. Gives the process ids of those caught.
    pub(crate) fn catch<T>(&self, cluster: &Cluster, client: impl FnOnce() -> T) -> Vec<u32> {
        let watcher = Watcher::start(cluster.rules());
        let connected = client();
        until("a client that goes direct is seen", READY_LIMIT, || if watcher.so_far().leaks.is_empty() { Err("nobody seen".to_owned()) } else { Ok(()) });
        drop(connected);
        watcher.finish().leaks.into_iter().map(|leak| leak.pid).collect()
    }

    /// What `/readyz` answers now. In the control arm nothing.
    pub(crate) fn ready(&mut self) -> Option<(u16, String)> {
        self.leeward.as_mut().map(|leeward| leeward.ready().unwrap())
    }

    /// The sum of `/metrics`' values of the lines that begin with `name`. In the control arm nothing.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        let leeward = self.leeward.as_ref()?;
        let (_, text) = get(&leeward.admin, "/metrics").unwrap();
        let values: Vec<u64> = text.lines().filter(|line| line.starts_with(name)).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "no {name} in:\n{text}");
        Some(values.iter().sum())
    }

    /// SIGKILL for Leeward, and then it starts again with the same arguments, until it is ready. In the control arm nothing.
    pub(crate) fn crash(&mut self, cluster: &Cluster) {
        let Some(leeward) = &mut self.leeward else { return };
        leeward.process.signal(Signal::Kill);
        leeward.process.await_exit(END_LIMIT);
        let log = leeward.process.log().to_owned();
        leeward.process = Supervised::start("leeward", &leeward.spec, &log);
        exempt(&cluster.rules(), leeward.process.pid());
        leeward.await_ready();
    }

    /// What the admin endpoint answers to a GET; panics unless it is 200. In the control arm nothing.
    pub(crate) fn ask(&self, path: &str) -> Option<String> {
        let (status, body) = get(&self.leeward.as_ref()?.admin, path).unwrap();
        assert_eq!(status, 200, "GET {path}: {body}");
        Some(body)
    }

    /// Kills Leeward. In the control arm nothing happens.
    pub(crate) fn kill(&mut self) {
        let Some(leeward) = &mut self.leeward else { return };
        leeward.process.signal(Signal::Kill);
        leeward.process.await_exit(END_LIMIT);
    }

    /// All that Leeward has logged. In the control arm nothing.
    pub(crate) fn log(&self) -> String {
        self.leeward.as_ref().map(|leeward| std::fs::read_to_string(leeward.process.log()).unwrap()).unwrap_or_default()
    }

    /// Runs a command of Leeward's that speaks to this one, and gives its output; panics unless its exit code is 0. In the control arm nothing.
    pub(crate) fn command(&self, arguments: &[&str]) -> Option<String> {
        Some(self.attempt_command(arguments)?.unwrap_or_else(|said| panic!("leeward {arguments:?}: {said}")))
    }

    /// As `command`; what it says when its exit code is not 0 is an error.
    pub(crate) fn attempt_command(&self, arguments: &[&str]) -> Option<Result<String, String>> {
        let leeward = self.leeward.as_ref()?;
        let output = Command::new(env!("CARGO_BIN_EXE_leeward")).args(arguments).args(["--admin", &leeward.admin]).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, said) = (text(&output.stdout), text(&output.stderr));
        Some(if output.status.success() { Ok(out) } else { Err(format!("{}\n{out}{said}", output.status)) })
    }

    /// Runs a command of Leeward's that speaks to this one: its exit code, its output, and what it says besides. In the control arm nothing.
    pub(crate) fn outcome(&self, arguments: &[&str]) -> Option<(Option<i32>, String, String)> {
        let leeward = self.leeward.as_ref()?;
        let output = Command::new(env!("CARGO_BIN_EXE_leeward")).args(arguments).args(["--admin", &leeward.admin]).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }

    /// Begins a command of Leeward's that speaks to this one, and does not wait for its end; what it says goes to `output`. In the control arm nothing.
    pub(crate) fn begin(&self, arguments: &[&str], output: &Path) -> Option<Begun> {
        let leeward = self.leeward.as_ref()?;
        let file = std::fs::File::create(output).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_leeward"));
        command.args(arguments).args(["--admin", &leeward.admin]).stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Some(Begun(command.spawn().unwrap()))
    }

    /// Where Leeward logs to. In the control arm nowhere.
    pub(crate) fn log_file(&self) -> Option<&Path> {
        self.leeward.as_ref().map(|leeward| leeward.process.log())
    }

    /// SIGTERM: it must end by itself with exit code 0, its admin endpoint having been ready and alive to the last.
    pub(crate) fn assert_graceful_end(&mut self) {
        let Some(leeward) = &mut self.leeward else { return };
        for path in ["/livez", "/readyz", "/metrics", "/v1/status"] {
            let (status, body) = get(&leeward.admin, path).unwrap_or_else(|error| panic!("GET {path}: {error}"));
            assert_eq!(status, 200, "GET {path}: {body}");
        }
        leeward.process.signal(Signal::Term);
        let code = leeward.process.await_exit(END_LIMIT);
        assert_eq!(code, 0, "Leeward's exit code after SIGTERM; its log ends:\n{}", tail(leeward.process.log(), 20));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let (true, Some(leeward)) = (std::thread::panicking(), &self.leeward) {
            say("leeward", &format!("its log ({}) ends:\n{}", leeward.process.log().display(), tail(leeward.process.log(), 25)));
        }
    }
}

impl Leeward {
    /// Starts it and waits until it says that it is ready. Gives it and its bootstrap address.
    fn start(cluster: &Cluster, upstream: &str, node_ids: &[i32], log: &str, settings: &[&str]) -> (Self, String) {
        let (mut leeward, listen) = Self::launch(cluster, upstream, node_ids, log, settings);
        leeward.await_ready();
        (leeward, listen)
    }

    fn await_ready(&mut self) {
        until("Leeward is ready", READY_LIMIT, || match self.ready()? {
            (200, _) => Ok(()),
            (status, body) => Err(format!("GET /readyz: {status} {body}")),
        });
    }

    fn launch(cluster: &Cluster, upstream: &str, node_ids: &[i32], log: &str, settings: &[&str]) -> (Self, String) {
        let (listen, admin, base_port) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()), free_base(node_ids));
        // What it keeps goes with the cluster, unless the test has a place for it.
        let has_place = settings.iter().any(|setting| setting.starts_with("state.directory"));
        let own_state = (!has_place).then(|| format!("state.directory={}", cluster.scrap().join(format!("state-of-{log}")).display()));
        let spec = Spec::new(env!("CARGO_BIN_EXE_leeward"))
            .args(["run", "--upstream", upstream, "--listen", &listen, "--admin", &admin, "--base-port", &base_port.to_string()])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .args(own_state.iter().flat_map(|setting| ["--set", setting.as_str()]))
            .env("RUST_BACKTRACE", "1");
        let process = Supervised::start("leeward", &spec, &cluster.log_path(log));
        exempt(&cluster.rules(), process.pid());
        (Self { process, spec, admin, base_port }, listen)
    }

    /// What `/readyz` says. Panics if it has ended.
    fn ready(&mut self) -> Result<(u16, String), String> {
        if let Some(code) = self.process.exited() {
            panic!("Leeward ended with exit code {code}; its log ends:\n{}", tail(self.process.log(), 25));
        }
        get(&self.admin, "/readyz")
    }
}

/// A second Leeward in front of `upstream`, while the first one runs: it becomes ready, serves clients, and ends.
pub(crate) fn assert_starts_with(cluster: &Cluster, upstream: &str) {
    let (mut leeward, listen) = Leeward::start(cluster, upstream, &cluster.node_ids(), "leeward-second.log", &[]);
    let metadata = Wire::connect(&listen).and_then(|mut wire| wire.metadata(None)).unwrap();
    assert!(!metadata.brokers.is_empty());
    leeward.process.signal(Signal::Term);
    assert_eq!(leeward.process.await_exit(END_LIMIT), 0);
}

/// A Leeward whose upstream nobody answers: alive, not ready, and it says in its log which address it tried; SIGTERM ends it all the same.
pub(crate) fn assert_waits_for(cluster: &Cluster) {
    let nobody = format!("127.0.0.1:{}", free_port());
    let (mut leeward, _) = Leeward::launch(cluster, &nobody, &[], "leeward-alone.log", &[]);
    let (status, body) = until("an answer of /readyz", READY_LIMIT, || leeward.ready());
    assert_ne!(status, 200, "ready with nobody upstream: {body}");
    assert_eq!(get(&leeward.admin, "/livez").unwrap().0, 200, "/livez");
    until("a line about the upstream in its log", READY_LIMIT, || {
        let log = tail(leeward.process.log(), 50);
        if log.contains(&nobody) { Ok(()) } else { Err(log) }
    });
    leeward.process.signal(Signal::Term);
    assert_eq!(leeward.process.await_exit(END_LIMIT), 0);
}

/// One HTTP GET: the status and the body.
fn get(address: &str, path: &str) -> Result<(u16, String), String> {
    let fault = |error: std::io::Error| format!("{address}: {error}");
    let mut stream = TcpStream::connect(address).map_err(fault)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(fault)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").map_err(fault)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(fault)?;
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| format!("no HTTP status in {text:?}"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// Lets one process have sockets to the brokers: Leeward itself, and control arms.
pub(crate) fn exempt(rules: &std::sync::Mutex<Rules>, pid: u32) {
    rules.lock().unwrap().pids.insert(pid);
}
