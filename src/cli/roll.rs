//! `leeward roll plan`: how a cluster gets from one release to another.

mod plan;

use clap::{Args, Subcommand};

use super::Outcome;
use super::output::Output;

const EXAMPLES: &str = "\
Examples:
  leeward roll plan --from 2.1 --to 2.6
  leeward roll plan --from 3.9 --to 4.3 --mode kraft -o json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RollArgs {
    #[command(subcommand)]
    command: RollCommand,
}

#[derive(Debug, Subcommand)]
enum RollCommand {
    /// The stages of an upgrade with the exact settings of each; needs no running Leeward.
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::PlanArgs),
}

impl RollArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            RollCommand::Plan(command) => command.run(output),
        }
    }
}
