//! `leeward demo`.

use std::time::Duration;

use clap::Args;

use super::output::Output;
use super::{Exit, Failure, Outcome};
use crate::demo::{self, Options, Screen, Verdict};

const EXAMPLES: &str = "\
Examples:
  leeward demo
  leeward demo --seconds 20 --plain
  leeward demo --kafka 4.3.1     in front of real Kafka; needs Java and Maven

Ctrl-C ends the traffic early, with a summary. Exit code 0: nothing was lost; 1: the summary says what was, or what could not be started.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Real Kafka of this version instead of the built-in cluster
    #[arg(long, value_name = "VERSION")]
    kafka: Option<String>,
    /// How long the traffic flows
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Lines instead of a picture, as where there is no terminal
    #[arg(long)]
    plain: bool,
}

impl Demo {
    pub(super) fn run(self, _output: &mut Output) -> Outcome {
        let options = Options { lasts: Duration::from_secs(self.seconds.into()), kafka: self.kafka };
        match demo::run(&options, &mut Screen::stdout(self.plain)) {
            Ok(Verdict::Whole) => Ok(Exit::Done),
            Ok(Verdict::Harmed) => Ok(Exit::Failed),
            Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
        }
    }
}
