//! `leeward demo`.

use clap::Args;

use super::output::Output;
use super::{Exit, Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  leeward demo
  leeward demo --seconds 20
  leeward demo --kafka 4.3.1     in front of real Kafka; needs Java and Maven";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Demo {
    /// Real Kafka of this version instead of the built-in cluster
    #[arg(long, value_name = "VERSION")]
    kafka: Option<String>,
    /// How long the traffic flows
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

impl Demo {
    pub(super) fn run(self, _output: &mut Output) -> Outcome {
        let with = self.kafka.map_or_else(|| "the built-in cluster".to_owned(), |version| format!("Kafka {version}"));
        Err(Failure::new(Exit::Failed, format!("the demo ({with}, {} s) is not part of this build", self.seconds)))
    }
}
