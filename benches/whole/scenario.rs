//! The scenarios, and the run through them: round by round, contender by contender.

use std::net::SocketAddr;
use std::process::Stdio;

use crate::Result;
use crate::args::{Args, Scenario};
use crate::frames::{self, Request};
use crate::load::{self, Plan};
use crate::pipe::BATCH_MAX;
use crate::process::{self, Guarded, in_path, leashed};
use crate::proxy::{Contender, Running, start_own};
use crate::report::{Metric, Report, Sample};
use crate::{idle, paired, storm, syscalls};

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Scenario::Small => "small",
            Scenario::Batched => "batched",
            Scenario::Medium => "medium",
            Scenario::Large => "large",
            Scenario::Fetch => "fetch",
            Scenario::FetchIds => "fetch-ids",
            Scenario::Latency => "latency",
            Scenario::Idle => "idle",
            Scenario::Storm => "storm",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Scenario::Small => "Produce of 1 KiB, 16 connections, 5 in flight, each request and each answer written by itself",
            Scenario::Batched => "the same, but client and broker write everything that is ready at once",
            Scenario::Medium => "Produce of 16 KiB, 16 connections, 5 in flight",
            Scenario::Large => "Produce of 100 KiB, 16 connections, 5 in flight",
            Scenario::Fetch => "Fetch v12 with 1 MiB in each response, 8 connections, 2 in flight",
            Scenario::FetchIds => "Fetch v16 (topic ids, node endpoints possible) with 1 MiB in each response, 8 connections, 2 in flight",
            Scenario::Latency => "Produce of 1 KiB, 1 connection, 1 in flight; awake processors, the proxy on another one than client and broker",
            Scenario::Idle => "memory for each idle connection, after ApiVersions and after a first Produce",
            Scenario::Storm => "connections that ask for ApiVersions and Metadata and go; times and CPU for each connection",
        }
    }

    /// The figure that is compared, and at most how many times the relay's it is meant to be.
    pub(crate) fn aim(self) -> (Metric, Option<f64>) {
        match self {
            Scenario::Small | Scenario::Batched | Scenario::Medium => (Metric::CpuPerMillion, Some(1.0)),
            Scenario::Large => (Metric::CpuPerGib, Some(0.5)),
            Scenario::Fetch | Scenario::FetchIds => (Metric::CpuPerGib, Some(0.7)),
            Scenario::Latency => (Metric::P50, Some(1.0)),
            Scenario::Idle => (Metric::IdleBytes, None),
            Scenario::Storm => (Metric::CpuPerMillion, None),
        }
    }

    /// How many frames of a connection may leave with one system call, at the client and at the broker. Brokers and most clients write one by one.
    fn batch(self) -> usize {
        match self {
            Scenario::Batched => BATCH_MAX,
            Scenario::Small
            | Scenario::Medium
            | Scenario::Large
            | Scenario::Fetch
            | Scenario::FetchIds
            | Scenario::Latency
            | Scenario::Idle
            | Scenario::Storm => 1,
        }
    }

    /// The traffic, for those scenarios that are a closed loop of requests.
    fn traffic(self) -> Result<Option<Traffic>> {
        let (request, key, version, connections, in_flight) = match self {
            Scenario::Small | Scenario::Batched => (frames::produce(1024)?, 0, frames::PRODUCE, 16, 5),
            Scenario::Medium => (frames::produce(16 * 1024)?, 0, frames::PRODUCE, 16, 5),
            Scenario::Large => (frames::produce(100 * 1024)?, 0, frames::PRODUCE, 16, 5),
            Scenario::Fetch => (frames::fetch(frames::FETCH_BY_NAME)?, 1, frames::FETCH_BY_NAME, 8, 2),
            Scenario::FetchIds => (frames::fetch(frames::FETCH_BY_ID)?, 1, frames::FETCH_BY_ID, 8, 2),
            Scenario::Latency => (frames::produce(1024)?, 0, frames::PRODUCE, 1, 1),
            Scenario::Idle | Scenario::Storm => return Ok(None),
        };
        let response_bytes = frames::Answers::new(0)?.to(key, version).ok_or("the null broker has no answer to it")?.len();
        Ok(Some(Traffic { request, response_bytes, connections, in_flight, batch: self.batch() }))
    }
}

struct Traffic {
    request: Request,
    response_bytes: usize,
    connections: usize,
    in_flight: usize,
    batch: usize,
}

/// What a listener of `leeward tap` costs, in one process for each scenario.
fn run_pairs(args: &Args, query: &str) -> Result<()> {
    for &scenario in &args.scenario {
        let Some(traffic) = scenario.traffic()? else { continue };
        println!("\n{}: {}", scenario.name(), scenario.title());
        let (_null_broker, broker) = start_own("broker", &["--batch", &scenario.batch().to_string()])?;
        let running = Running::start(Contender::Leeward, args, broker)?;
        let (Some(pid), Some(admin)) = (running.pid(), running.admin) else { return Err("leeward does not run".into()) };
        let pairs = paired::measure(args, &traffic.plan(args, running.broker), pid, admin, query);
        running.explained(pairs)?.print();
    }
    Ok(())
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if let (1.., Some(query)) = (args.pairs, &args.tap) {
        return run_pairs(args, query);
    }
    let contenders = Contender::of(args);
    let mut report = Report::new(args);
    for &scenario in &args.scenario {
        let (null_broker, broker) = start_own("broker", &["--batch", &scenario.batch().to_string()])?;
        report.begin(scenario);
        for round in 0..args.rounds {
            // Every other round goes backwards, so that nobody has always the same neighbour before him.
            let mut order = contenders.clone();
            if round % 2 == 1 {
                order.reverse();
            }
            for contender in order {
                let running = Running::start(contender, args, broker)?;
                let sample =
                    running.explained(measure(args, scenario, &running, null_broker.pid())).map_err(|error| format!("{}: {error}", scenario.name()))?;
                if let Some(sample) = sample {
                    report.add(contender, round, sample);
                }
            }
        }
        report.end();
    }
    report.write_json(args)
}

fn measure(args: &Args, scenario: Scenario, running: &Running, null_broker: u32) -> Result<Option<Sample>> {
    match scenario {
        Scenario::Idle => idle::measure(args, running),
        Scenario::Storm => storm::measure(args, running),
        Scenario::Latency => {
            let _awake = keep_awake()?;
            let _apart = Apart::new(running.pid(), null_broker);
            under_load(args, scenario, running)
        }
        Scenario::Small | Scenario::Batched | Scenario::Medium | Scenario::Large | Scenario::Fetch | Scenario::FetchIds => under_load(args, scenario, running),
    }
}

fn under_load(args: &Args, scenario: Scenario, running: &Running) -> Result<Option<Sample>> {
    let Some(traffic) = scenario.traffic()? else { return Ok(None) };
    let plan = traffic.plan(args, running.broker);
    let outcome = load::drive(&plan, || running.pid().map(process::usage).transpose())?;
    let (requests, gib) = (outcome.requests.max(1) as f64, outcome.bytes as f64 / f64::from(1 << 30));
    let micros = |q| outcome.latency.quantile(q).as_secs_f64() * 1e6;
    let mut sample = vec![
        (Metric::PerSecond, requests / outcome.seconds),
        (Metric::MibPerSecond, gib * 1024.0 / outcome.seconds),
        (Metric::P50, micros(0.5)),
        (Metric::P99, micros(0.99)),
        (Metric::P999, micros(0.999)),
    ];
    if let (Some(before), Some(after)) = (outcome.before, outcome.after) {
        let cpu_seconds = (after.cpu_nanos - before.cpu_nanos) as f64 / 1e9;
        sample.push((Metric::CpuPerMillion, cpu_seconds / requests * 1e6));
        sample.push((Metric::CpuPerGib, cpu_seconds / gib));
        sample.push((Metric::Waits, (after.waits - before.waits) as f64 / requests));
    }
    if let (true, Some(pid)) = (args.syscalls, running.pid()) {
        sample.extend(syscalls::count(&plan, pid)?);
    }
    Ok(Some(sample))
}

impl Traffic {
    fn plan(&self, args: &Args, target: SocketAddr) -> Plan<'_> {
        Plan {
            target,
            connections: self.connections,
            in_flight: self.in_flight,
            batch: self.batch,
            request: &self.request,
            response_bytes: self.response_bytes,
            warm_up: args.warm_up(),
            measure: args.measure(),
        }
    }
}

/// One process for each processor that spins when nobody else wants it: an idle virtual machine answers an interrupt late, which doubles a latency.
fn keep_awake() -> Result<Vec<Guarded>> {
    let bench = std::env::current_exe()?;
    let spinner = |processor: usize| {
        let mut command = if in_path("chrt") { leashed("chrt") } else { leashed("nice") };
        command.args(if in_path("chrt") { ["--idle", "0"] } else { ["-n", "19"] });
        let spinner = Guarded::spawn(command.arg(&bench).args(["--role", "spin"]).stdin(Stdio::piped()))?;
        process::pin(spinner.pid(), &processor.to_string());
        Ok(spinner)
    };
    (0..processors()).map(spinner).collect()
}

/// Client and broker on the first processor, the proxy on the second, while this lives. Left to itself the scheduler has all three on one processor at some
/// times and not at others, which makes a factor of four.
struct Apart;

impl Apart {
    fn new(proxy: Option<u32>, null_broker: u32) -> Option<Self> {
        if processors() < 2 || !process::pin(std::process::id(), "0") {
            return None;
        }
        process::pin(null_broker, "0");
        if let Some(proxy) = proxy {
            process::pin(proxy, "1");
        }
        Some(Apart)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // What this process may use is what its children get, the next proxy among them.
        process::pin(std::process::id(), &format!("0-{}", processors() - 1));
    }
}

/// Asked once: later this process may be pinned to one of them.
fn processors() -> usize {
    static PROCESSORS: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}
