//! `leeward demo`.

use std::time::Duration;

use clap::Args;

use super::output::Output;
use super::{Exit, Failure, Outcome};
use crate::demo::{self, KafkaOptions, Options, Screen, Show, Verdict};

const EXAMPLES: &str = "\
Examples:
  leeward demo                   every broker is stopped, then killed, under load: direct and through Leeward, side by side
  leeward demo --steady          no restarts: latencies and rates of both sides
  leeward demo --kafka 4.3.1     with real brokers; needs Java and Maven, and takes some minutes
  leeward demo --kafka 2.1.0 --upgrade-to 2.6.3     with real brokers that are upgraded one by one; needs Java 8 to 13

Ctrl-C ends the traffic early, with a summary. Exit code 0: through Leeward no client saw an error, nothing was lost and nothing came twice (with --steady: on either side); 1: the summary says what did, or what could not be started.";

/// How long a steady load lasts when nobody says.
const STEADY_SECONDS: u32 = 30;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Real Kafka of this version instead of the built-in cluster
    #[arg(long, value_name = "VERSION")]
    kafka: Option<String>,
    /// The restarts are an upgrade to this version: first with the pins to the old one, then without
    #[arg(long, value_name = "VERSION", requires = "kafka", conflicts_with = "steady")]
    upgrade_to: Option<String>,
    /// No restarts: the same load on both sides
    #[arg(long)]
    steady: bool,
    /// Begin no restart after so many seconds, but one in any case [default: all six, about a minute]; with --steady: how long the load lasts [default: 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: Option<u32>,
    /// Lines instead of a picture, as where there is no terminal
    #[arg(long)]
    plain: bool,
}

impl Demo {
    pub(super) fn run(self, _output: &mut Output) -> Outcome {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let show = if self.steady { Show::Steady(seconds(self.seconds.unwrap_or(STEADY_SECONDS))) } else { Show::Story { within: self.seconds.map(seconds) } };
        let upgrade_to = self.upgrade_to;
        let options = Options { show, kafka: self.kafka.map(|version| KafkaOptions { version, upgrade_to }) };
        match demo::run(&options, &mut Screen::stdout(self.plain)) {
            Ok(Verdict::Whole) => Ok(Exit::Done),
            Ok(Verdict::Harmed) => Ok(Exit::Failed),
            Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
        }
    }
}
