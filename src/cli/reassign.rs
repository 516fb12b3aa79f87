//! `leeward reassign`: partitions are moved from broker to broker.

mod plan;

use clap::{Args, Subcommand};

use super::Outcome;
use super::output::Output;

const EXAMPLES: &str = "\
Examples:
  leeward reassign plan
  leeward reassign plan --throttle 50MiB --out plan.json --rollback-out before.json";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReassignArgs {
    #[command(subcommand)]
    command: ReassignCommand,
}

#[derive(Debug, Subcommand)]
enum ReassignCommand {
    /// The fewest moves that even out replicas, leaders and racks; or what another tool's plan would do.
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::PlanArgs),
}

impl ReassignArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            ReassignCommand::Plan(command) => command.run(output),
        }
    }
}
