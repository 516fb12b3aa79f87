//! What may be asked of a run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures Leeward as a process, beside a plain TCP relay.
#[derive(Debug, Clone, Parser)]
#[command(name = "whole")]
pub(crate) struct Args {
    /// Rounds of each scenario; in each, every contender is measured once
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds measured for each contender in each round, after a warm-up of a third of that
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Only these scenarios, separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) scenario: Vec<Scenario>,
    /// The relay to compare with
    #[arg(long, default_value = "haproxy")]
    pub(crate) against: Against,
    /// Compare with this other leeward, a build of before a change, instead of with a relay
    #[arg(long)]
    pub(crate) baseline: Option<PathBuf>,
    /// Measure the guard's price: leeward as a plain wire (`guard.absorb = "never"`), as it comes, and with a maintenance window open; the plain wire is what
    /// the other two are compared with
    #[arg(long)]
    pub(crate) guard: bool,
    /// Measure the price of `leeward tap`: leeward with a listener that asks for this, one of a hundred requests when nothing is said, beside leeward without one
    /// and another one without (what those two differ by is the noise); with `--baseline` that one is what both are compared with
    #[arg(long, value_name = "QUERY", num_args = 0..=1, default_missing_value = "sample=100")]
    pub(crate) tap: Option<String>,
    /// With --tap: so many pairs of slices, each --seconds long, of one process without and with the listener, and as many without any to compare with
    #[arg(long, default_value_t = 0, requires = "tap")]
    pub(crate) pairs: usize,
    /// How to start the relay of `--against relay`, with {listen} and {broker} in it, instead of the one of this bench
    #[arg(long)]
    pub(crate) relay_command: Option<String>,
    /// Another leeward than the one that was built with this bench
    #[arg(long, default_value = env!("CARGO_BIN_EXE_leeward"))]
    pub(crate) leeward_bin: PathBuf,
    /// Threads that carry sessions in Leeward; 1 compares with one HAProxy thread
    #[arg(long, default_value_t = 1)]
    pub(crate) workers: usize,
    /// Further lines for Leeward's configuration file, such as `limits.buffer_bytes = 65536`
    #[arg(long)]
    pub(crate) leeward_config: Vec<String>,
    /// Leave Leeward out: shows what the bench itself can carry
    #[arg(long)]
    pub(crate) no_leeward: bool,
    /// Leave out the runs without any proxy
    #[arg(long)]
    pub(crate) no_direct: bool,
    /// Count the proxy's system calls as well, with `perf stat`, in a stretch of its own after each measured one
    #[arg(long)]
    pub(crate) syscalls: bool,
    /// Idle connections of the idle scenario
    #[arg(long, default_value_t = 5000)]
    pub(crate) idle_connections: usize,
    /// Connections for each second of the storm
    #[arg(long, default_value_t = 1500)]
    pub(crate) storm_rate: usize,
    /// Write the figures of every round to this file
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// One short round of everything, to see that it runs
    #[arg(long)]
    pub(crate) smoke: bool,
    /// What cargo passes; nothing follows from it
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, hide = true)]
    pub(crate) role: Option<Role>,
    /// How many answers of the null broker may leave with one system call
    #[arg(long, hide = true, default_value_t = 1)]
    pub(crate) batch: usize,
    /// Where the relay of this bench sends what it gets
    #[arg(long, hide = true)]
    pub(crate) relay_to: Option<SocketAddr>,
}

impl Args {
    /// The same with what `--smoke` and an empty `--scenario` stand for written out.
    pub(crate) fn settled(mut self) -> Self {
        if self.scenario.is_empty() {
            self.scenario = Scenario::value_variants().to_vec();
        }
        if self.smoke {
            (self.rounds, self.seconds) = (1, 0.5);
            self.idle_connections = self.idle_connections.min(200);
            self.storm_rate = self.storm_rate.min(200);
        }
        self.rounds = self.rounds.max(1);
        self
    }

    pub(crate) fn measure(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 600.0))
    }

    pub(crate) fn warm_up(&self) -> Duration {
        self.measure() / 3
    }
}

/// One kind of traffic. `scenario.rs` says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    Small,
    Batched,
    Medium,
    Large,
    Fetch,
    FetchIds,
    Latency,
    Idle,
    Storm,
}

/// What Leeward is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// HAProxy in TCP mode with one thread; the relay of this bench where it is not installed
    Haproxy,
    /// The relay of this bench: tokio's copy in both directions, on one thread
    Relay,
    None,
}

/// What a child of this bench is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Broker,
    Relay,
    Spin,
}
