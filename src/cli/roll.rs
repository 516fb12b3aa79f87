//! `leeward roll plan`: how a cluster gets from one release to another; `start` and what follows: its brokers restarted one by one.

mod plan;
mod show;
#[cfg(test)]
mod tests;
mod walk;

use clap::{Args, Subcommand};

use super::Outcome;
use super::output::Output;

const EXAMPLES: &str = "\
Examples:
  leeward roll plan --from 2.1 --to 2.6
  leeward roll plan --from 3.9 --to 4.3 --mode kraft -o json
  leeward roll start --reason \"upgrade to 4.3\" --stop-cmd ./stop.sh --start-cmd ./start.sh --wait
  leeward roll status --watch";

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
    /// Restart the brokers one by one: drain, ask the gate, stop, start, wait for the ISRs, undrain.
    #[command(after_help = walk::START_EXAMPLES)]
    Start(walk::StartArgs),
    /// How far it is.
    #[command(after_help = walk::STATUS_EXAMPLES)]
    Status(walk::StatusArgs),
    /// Let nothing more begin.
    Pause(walk::PauseArgs),
    /// Go on after a pause, or after a problem was mended.
    Resume(walk::ResumeArgs),
    /// Make the broker at hand whole, and begin no other.
    Abort(walk::AbortArgs),
}

impl RollArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            RollCommand::Plan(command) => command.run(output),
            RollCommand::Start(command) => command.run(output),
            RollCommand::Status(command) => command.run(output),
            RollCommand::Pause(command) => command.run(output),
            RollCommand::Resume(command) => command.run(output),
            RollCommand::Abort(command) => command.run(output),
        }
    }
}
