//! `leeward reassign`: partitions are moved from broker to broker, throttled, and back again if that is wanted.

mod plan;
mod run;
mod status;

use clap::{Args, Subcommand};

use super::Outcome;
use super::output::Output;

const EXAMPLES: &str = "\
Examples:
  leeward reassign plan --throttle 50MiB --out plan.json --rollback-out before.json
  leeward reassign run --in plan.json --reason \"broker 4 joined\" --wait
  leeward reassign status --watch
  leeward reassign pause --reason \"end of month\" --now
  leeward reassign rollback --reason \"too slow\" --wait";

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
    /// Give partitions the replicas of a plan: topic by topic, throttled by what clients feel.
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunArgs),
    /// How far it is.
    #[command(after_help = status::EXAMPLES)]
    Status(status::StatusArgs),
    /// Let nothing more begin.
    Pause(run::PauseArgs),
    /// Go on after a pause, or after a problem was mended.
    Resume(run::ResumeArgs),
    /// Give up what is on its way, and bring everything back to where it was.
    Rollback(run::RollbackArgs),
}

impl ReassignArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            ReassignCommand::Plan(command) => command.run(output),
            ReassignCommand::Run(command) => command.run(output),
            ReassignCommand::Status(command) => command.run(output),
            ReassignCommand::Pause(command) => command.run(output),
            ReassignCommand::Resume(command) => command.run(output),
            ReassignCommand::Rollback(command) => command.run(output),
        }
    }
}
