//! What was measured, as a table for people and as JSON for machines.

use serde_json::{Map, Value, json};

use crate::Result;
use crate::args::{Args, Scenario};
use crate::proxy::Contender;

/// At most so many bytes are meant to be held for an idle connection.
const IDLE_AIM_BYTES: f64 = 3000.0;

/// The guard costs at most so many times the plain wire's CPU for batches of 16 KiB: outside a window, and inside one with every batch numbered.
const GUARD_AIM: f64 = 1.05;
const WINDOW_AIM: f64 = 1.15;

/// One figure of a measurement. Times are in microseconds, CPU in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    PerSecond,
    MibPerSecond,
    P50,
    P99,
    P999,
    CpuPerMillion,
    CpuPerGib,
    /// Times that a thread of the proxy went to sleep, for each request.
    Waits,
    Recv,
    Send,
    Syscalls,
    IdleBytes,
    UsedBytes,
    BaseMib,
}

impl Metric {
    const ALL: [Metric; 14] = [
        Metric::PerSecond,
        Metric::MibPerSecond,
        Metric::P50,
        Metric::P99,
        Metric::P999,
        Metric::CpuPerMillion,
        Metric::CpuPerGib,
        Metric::Waits,
        Metric::Recv,
        Metric::Send,
        Metric::Syscalls,
        Metric::IdleBytes,
        Metric::UsedBytes,
        Metric::BaseMib,
    ];

    /// The head of its column, its name in JSON, and the digits behind the point.
    fn names(self) -> (&'static str, &'static str, usize) {
        match self {
            Metric::PerSecond => ("/s", "per_second", 0),
            Metric::MibPerSecond => ("MiB/s", "mib_per_second", 0),
            Metric::P50 => ("p50 µs", "p50_us", 0),
            Metric::P99 => ("p99 µs", "p99_us", 0),
            Metric::P999 => ("p99.9 µs", "p999_us", 0),
            Metric::CpuPerMillion => ("CPU s/M", "cpu_seconds_per_million", 2),
            Metric::CpuPerGib => ("CPU s/GiB", "cpu_seconds_per_gib", 3),
            Metric::Waits => ("waits", "waits_per_request", 2),
            Metric::Recv => ("recv", "recv_per_request", 2),
            Metric::Send => ("send", "send_per_request", 2),
            Metric::Syscalls => ("syscalls", "syscalls_per_request", 2),
            Metric::IdleBytes => ("B idle", "bytes_per_idle_connection", 0),
            Metric::UsedBytes => ("B used", "bytes_per_used_connection", 0),
            Metric::BaseMib => ("base MiB", "resident_mib_before", 1),
        }
    }
}

pub(crate) type Sample = Vec<(Metric, f64)>;

pub(crate) struct Report {
    peer: Option<Contender>,
    scenarios: Vec<Figures>,
}

/// All rounds of one scenario.
struct Figures {
    scenario: Scenario,
    samples: Vec<(Contender, usize, Sample)>,
}

impl Report {
    pub(crate) fn new(args: &Args) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let workers = args.workers;
        println!("{cores} cores; leeward with {workers} worker(s); medians of {} round(s) of {} s each, interleaved", args.rounds, args.seconds);
        Self { peer: Contender::peer(args).filter(|_| !args.no_leeward), scenarios: Vec::new() }
    }

    pub(crate) fn begin(&mut self, scenario: Scenario) {
        println!("\n{}: {}", scenario.name(), scenario.title());
        self.scenarios.push(Figures { scenario, samples: Vec::new() });
    }

    pub(crate) fn add(&mut self, contender: Contender, round: usize, sample: Sample) {
        if let Some(figures) = self.scenarios.last_mut() {
            figures.samples.push((contender, round, sample));
        }
    }

    /// Prints the scenario that was begun last.
    pub(crate) fn end(&self) {
        let Some(figures) = self.scenarios.last() else { return };
        let columns: Vec<_> = Metric::ALL.into_iter().filter(|metric| figures.samples.iter().any(|(.., s)| value(s, *metric).is_some())).collect();
        let head: String = columns.iter().map(|metric| format!("{:>11}", metric.names().0)).collect();
        println!("  {:<9}{head}", "");
        for contender in figures.contenders() {
            let cell = |metric: &Metric| match figures.median(contender, *metric) {
                Some(value) => format!("{value:>11.*}", metric.names().2),
                None => format!("{:>11}", "-"),
            };
            println!("  {:<9}{}", contender.name(), columns.iter().map(cell).collect::<String>());
        }
        let (metric, aim) = figures.scenario.aim();
        for contender in [Contender::Leeward, Contender::Window, Contender::Tapped] {
            let Some([min, median, max]) = self.peer.and_then(|peer| figures.ratio(contender, peer, metric)) else { continue };
            let aim = match (self.peer, contender) {
                (Some(Contender::Haproxy), _) => aim,
                (Some(Contender::Plain), Contender::Window) => Some(WINDOW_AIM).filter(|_| figures.scenario == Scenario::Medium),
                (Some(Contender::Plain), _) => Some(GUARD_AIM).filter(|_| figures.scenario == Scenario::Medium),
                (Some(_) | None, _) => None,
            };
            let told = aim.map_or(String::new(), |aim| format!("; aim at most {aim:.2}: {}", verdict([min, median], aim)));
            let peer = self.peer.map_or("", Contender::name);
            println!("  {} / {peer}, {} round by round: {median:.2} (from {min:.2} to {max:.2}){told}", contender.name(), metric.names().0);
        }
        if let (Scenario::Idle, Some(bytes)) = (figures.scenario, figures.median(Contender::Leeward, Metric::IdleBytes)) {
            println!("  aim at most {IDLE_AIM_BYTES} B for an idle connection: {}", verdict([bytes; 2], IDLE_AIM_BYTES));
        }
    }

    /// Every figure of every round, where `--json` asks for it.
    pub(crate) fn write_json(&self, args: &Args) -> Result<()> {
        let Some(path) = &args.json else { return Ok(()) };
        let scenarios: Map<_, _> = self.scenarios.iter().map(|figures| (figures.scenario.name().to_owned(), figures.to_json(self.peer))).collect();
        let cores = std::thread::available_parallelism()?.get();
        let run = json!({ "cores": cores, "rounds": args.rounds, "seconds": args.seconds, "workers": args.workers, "scenarios": scenarios });
        std::fs::write(path, serde_json::to_string_pretty(&run)? + "\n").map_err(|error| format!("cannot write {}: {error}", path.display()).into())
    }
}

impl Figures {
    fn contenders(&self) -> Vec<Contender> {
        let known = [
            Contender::Leeward,
            Contender::Window,
            Contender::Tapped,
            Contender::Untapped,
            Contender::Plain,
            Contender::Baseline,
            Contender::Haproxy,
            Contender::Relay,
            Contender::Direct,
        ];
        known.into_iter().filter(|contender| self.samples.iter().any(|(c, ..)| c == contender)).collect()
    }

    fn median(&self, contender: Contender, metric: Metric) -> Option<f64> {
        let values = self.samples.iter().filter(|(c, ..)| *c == contender).filter_map(|(.., sample)| value(sample, metric)).collect();
        spread(values).map(|[_, median, _]| median)
    }

    /// A contender's figure through the peer's of the same round: the least, the median, the greatest.
    fn ratio(&self, contender: Contender, peer: Contender, metric: Metric) -> Option<[f64; 3]> {
        let of = |wanted, round| {
            let sample = self.samples.iter().find(|(measured, r, _)| *measured == wanted && *r == round);
            sample.and_then(|(.., sample)| value(sample, metric))
        };
        let rounds = 1 + self.samples.iter().map(|(_, round, _)| *round).max()?;
        let ratios = (0..rounds).filter_map(|round| Some(of(contender, round)? / of(peer, round).filter(|value| *value > 0.0)?));
        spread(ratios.collect())
    }

    fn to_json(&self, peer: Option<Contender>) -> Value {
        let one = |contender: Contender| {
            let rounds: Vec<_> = self.samples.iter().filter(|(c, ..)| *c == contender).map(|(.., sample)| object(sample.iter().copied())).collect();
            let medians = Metric::ALL.into_iter().filter_map(|metric| Some((metric, self.median(contender, metric)?)));
            (contender.name().to_owned(), json!({ "median": object(medians), "rounds": rounds }))
        };
        let contenders: Map<_, _> = self.contenders().into_iter().map(one).collect();
        let ratios = peer.map(|peer| {
            let known = Metric::ALL.into_iter().filter_map(|metric| Some((metric, self.ratio(Contender::Leeward, peer, metric)?)));
            let entry = |(metric, [min, median, max]): (Metric, [f64; 3])| (metric.names().1.to_owned(), json!({ "min": min, "median": median, "max": max }));
            json!({ "to": peer.name(), "of": known.map(entry).collect::<Map<_, _>>() })
        });
        json!({ "title": self.scenario.title(), "contenders": contenders, "ratio": ratios })
    }
}

fn object(figures: impl Iterator<Item = (Metric, f64)>) -> Value {
    Value::Object(figures.map(|(metric, value)| (metric.names().1.to_owned(), json!(value))).collect())
}

fn value(sample: &Sample, metric: Metric) -> Option<f64> {
    sample.iter().find(|(m, _)| *m == metric).map(|(_, value)| *value)
}

/// The least, the median (the upper one of an even number) and the greatest.
fn spread(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    Some([*values.first()?, *values.get(values.len() / 2)?, *values.last()?])
}

/// How the least and the median of a figure stand to what it is meant to be at most.
fn verdict([min, median]: [f64; 2], aim: f64) -> &'static str {
    if median <= aim {
        "met"
    } else if min <= aim {
        "missed by the median, met by some rounds"
    } else {
        "MISSED"
    }
}
