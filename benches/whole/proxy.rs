//! What stands between the load and the broker in a measurement: Leeward, HAProxy, the relay of this bench, or nothing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::args::{Against, Args};
use crate::process::{Guarded, in_path, leashed};
use crate::setup;

/// A proxy that does not serve so long after its start will not.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Room for sessions beside those of the idle scenario.
const SPARE_SESSIONS: usize = 500;
/// Lines of a proxy's log that are shown when it fails.
const LOG_TAIL: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Leeward,
    /// Another build of Leeward.
    Baseline,
    /// Leeward without its guard.
    Plain,
    /// Leeward with a maintenance window open.
    Window,
    /// Leeward with a listener.
    Tapped,
    /// Leeward once more, without one.
    Untapped,
    Haproxy,
    Relay,
    Direct,
}

impl Contender {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contender::Leeward => "leeward",
            Contender::Baseline => "baseline",
            Contender::Plain => "plain",
            Contender::Window => "window",
            Contender::Tapped => "tapped",
            Contender::Untapped => "untapped",
            Contender::Haproxy => "haproxy",
            Contender::Relay => "relay",
            Contender::Direct => "direct",
        }
    }

    /// Those of a run, in the order of its first round.
    pub(crate) fn of(args: &Args) -> Vec<Self> {
        let mut contenders = Vec::new();
        if !args.no_leeward {
            contenders.push(Contender::Leeward);
        }
        if args.guard {
            contenders.push(Contender::Window);
        }
        if args.tap.is_some() {
            contenders.push(Contender::Tapped);
        }
        contenders.extend(Self::peer(args));
        if !args.no_direct {
            contenders.push(Contender::Direct);
        }
        contenders
    }

    /// What Leeward is compared with.
    pub(crate) fn peer(args: &Args) -> Option<Self> {
        if args.guard {
            return Some(Contender::Plain);
        }
        if args.baseline.is_some() {
            return Some(Contender::Baseline);
        }
        if args.tap.is_some() {
            return Some(Contender::Untapped);
        }
        match args.against {
            Against::Haproxy if in_path("haproxy") => Some(Contender::Haproxy),
            Against::Haproxy | Against::Relay => Some(Contender::Relay),
            Against::None => None,
        }
    }
}

/// A contender that serves.
pub(crate) struct Running {
    contender: Contender,
    /// Where a client begins.
    pub(crate) bootstrap: SocketAddr,
    /// Where a client is sent for the one broker.
    pub(crate) broker: SocketAddr,
    /// Where Leeward answers operators.
    pub(crate) admin: Option<SocketAddr>,
    process: Option<Guarded>,
    folder: TempDir,
}

impl Running {
    pub(crate) fn start(contender: Contender, args: &Args, broker: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut running = Self { contender, bootstrap: broker, broker, admin: None, process: None, folder };
        let started = match contender {
            Contender::Leeward | Contender::Plain | Contender::Window | Contender::Tapped | Contender::Untapped => {
                running.start_leeward(args, &args.leeward_bin, broker)
            }
            Contender::Baseline => running.start_leeward(args, args.baseline.as_deref().unwrap_or(&args.leeward_bin), broker),
            Contender::Haproxy => running.start_haproxy(args, broker),
            Contender::Relay => running.start_relay(args, broker),
            Contender::Direct => Ok(()),
        };
        running.explained(started)?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Guarded::pid)
    }

    /// The same result; an error gets the contender's name and the end of its log.
    pub(crate) fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n");
            format!("{}: {error}{}{tail}", self.contender.name(), if tail.is_empty() { "" } else { "\nthe end of its log:\n" }).into()
        })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn start_leeward(&mut self, args: &Args, program: &Path, broker: SocketAddr) -> Result<()> {
        let [bootstrap, admin, virtual_broker] = free_ports()?;
        let config = self.folder.path().join("leeward.toml");
        let sessions = args.idle_connections + SPARE_SESSIONS;
        let mut lines = vec![
            format!("upstream.bootstrap = [\"{broker}\"]"),
            format!("listen.bootstrap = \"{bootstrap}\""),
            // Just enough of a range for node id 1; what the kernel chose is the second port of it.
            format!("listen.virtual_brokers.base_port = {}", virtual_broker.port() - 1),
            "listen.virtual_brokers.range = 2".to_owned(),
            format!("admin.listen = \"{admin}\""),
            format!("limits.sessions_max = {sessions}"),
            format!("runtime.workers = {}", args.workers),
        ];
        if self.contender != Contender::Baseline {
            lines.push(format!("state.directory = {:?}", self.folder.path()));
        }
        if self.contender == Contender::Plain {
            lines.push("guard.absorb = \"never\"".to_owned());
        }
        lines.extend(args.leeward_config.iter().cloned());
        fs::write(&config, lines.join("\n") + "\n")?;
        if !program.is_file() {
            return Err(format!("{} is not there", program.display()).into());
        }
        self.spawn(leashed(program).arg("run").arg("--config").arg(&config))?;
        (self.bootstrap, self.admin) = (bootstrap, Some(admin));
        self.broker = self.await_service(|| setup::learn_broker(bootstrap))?;
        if self.broker == broker {
            return Err("its metadata names the broker's own address".into());
        }
        if self.contender == Contender::Window {
            let request = r#"{"reason": "what the guard costs", "force": true}"#;
            ureq::post(format!("http://{admin}/v1/maintenance/on")).content_type("application/json").send(request)?;
        }
        if let (Contender::Tapped, Some(query)) = (self.contender, &args.tap) {
            listen(&format!("http://{admin}/v1/tap?{query}"))?;
        }
        Ok(())
    }

    fn start_haproxy(&mut self, args: &Args, broker: SocketAddr) -> Result<()> {
        let [listen] = free_ports()?;
        let config = self.folder.path().join("haproxy.cfg");
        let sessions = args.idle_connections + SPARE_SESSIONS;
        fs::write(
            &config,
            format!(
                "global\n    nbthread 1\n    maxconn {sessions}\ndefaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1h\n    timeout server 1h\n\
                 listen kafka\n    bind {listen}\n    server broker {broker}\n"
            ),
        )?;
        let program = if PathBuf::from("/usr/sbin/haproxy").is_file() { "/usr/sbin/haproxy" } else { "haproxy" };
        self.spawn(leashed(program).arg("-db").arg("-f").arg(&config))?;
        (self.bootstrap, self.broker) = (listen, listen);
        self.await_service(|| setup::learn_broker(listen))?;
        Ok(())
    }

    fn start_relay(&mut self, args: &Args, broker: SocketAddr) -> Result<()> {
        if let Some(command) = &args.relay_command {
            let [listen] = free_ports()?;
            let command = command.replace("{listen}", &listen.to_string()).replace("{broker}", &broker.to_string());
            let mut words = command.split_whitespace();
            self.spawn(leashed(words.next().ok_or("--relay-command is empty")?).args(words))?;
            (self.bootstrap, self.broker) = (listen, listen);
            self.await_service(|| setup::learn_broker(listen))?;
            return Ok(());
        }
        let (process, listen) = start_own("relay", &["--relay-to", &broker.to_string()])?;
        self.process = Some(process);
        (self.bootstrap, self.broker) = (listen, listen);
        Ok(())
    }

    fn spawn(&mut self, command: &mut Command) -> Result<()> {
        let log = File::create(self.log())?;
        self.process = Some(Guarded::spawn(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))?);
        Ok(())
    }

    /// Tries until it works, the process has ended or the time is up.
    fn await_service<T>(&mut self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let error = match attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if let Some(process) = &mut self.process
                && let Some(status) = process.child().try_wait()?
            {
                return Err(format!("it ended before it served ({status})").into());
            }
            if Instant::now() > deadline {
                return Err(format!("it does not serve {} s after its start: {error}", START_TIMEOUT.as_secs()).into());
            }
            // There is no event to wait for: a port that is not bound yet tells nobody when it is.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads a stream, on a thread of its own, until whoever gives it has ended.
fn listen(url: &str) -> Result<()> {
    let mut lines = ureq::get(url).call()?.into_body().into_reader();
    std::thread::spawn(move || {
        // It breaks off with the process that is measured.
        let _ = std::io::copy(&mut lines, &mut std::io::sink());
    });
    Ok(())
}

/// Starts another process of this bench, which prints its port when it serves and ends with the pipe that is held for it.
pub(crate) fn start_own(role: &str, options: &[&str]) -> Result<(Guarded, SocketAddr)> {
    let mut command = leashed(std::env::current_exe()?);
    command.args(["--role", role]).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Guarded::spawn(&mut command)?;
    let mut port = String::new();
    let stdout = process.child().stdout.take().ok_or("no pipe")?;
    BufReader::new(stdout).read_line(&mut port)?;
    let port: u16 = port.trim().parse().map_err(|_| format!("the {role} of this bench did not start"))?;
    Ok((process, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// Ports that the kernel has free at this moment, no two of them side by side.
fn free_ports<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut held: Vec<TcpListener> = Vec::with_capacity(N);
    let mut ports: Vec<u16> = Vec::with_capacity(N);
    while ports.len() < N {
        // Held until all are found, also the unfit ones, so that the kernel gives another each time.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if ports.iter().all(|other| other.abs_diff(port) > 1) {
            ports.push(port);
        }
        held.push(listener);
    }
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, port) in addresses.iter_mut().zip(ports) {
        address.set_port(port);
    }
    Ok(addresses)
}
