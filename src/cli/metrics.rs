//! `leeward metrics reference`.

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Exit, Outcome};
use crate::telemetry::names::reference_markdown;

#[derive(Debug, Args)]
pub(super) struct MetricsArgs {
    #[command(subcommand)]
    command: MetricsCommand,
}

#[derive(Debug, Subcommand)]
enum MetricsCommand {
    /// Every metric with its type, its labels and its meaning, as a table in Markdown.
    #[command(after_help = "Example:\n  leeward metrics reference\n\nA running Leeward serves them at /metrics of its admin endpoint.")]
    Reference,
}

impl MetricsArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            MetricsCommand::Reference => output.line(reference_markdown().trim_end()),
        }
        Ok(Exit::Done)
    }
}
