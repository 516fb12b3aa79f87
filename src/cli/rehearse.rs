//! `leeward rehearse broker N`: what would its restart do, told before it happens.

mod text;

use clap::{Args, Subcommand, ValueEnum};

use super::client::AdminAddress;
use super::output::Output;
use super::{Exit, Format, Outcome};
use crate::rolling::rehearsal::{Act, Rehearsal, Stop};

const EXAMPLES: &str = "\
Examples:
  leeward rehearse broker 3
  leeward rehearse broker 3 --stop graceful       only a SIGTERM: what a planned restart would do
  leeward rehearse broker 3 -o json | jq '.crash.timed_out[].client_id'

It changes nothing. The figures are of the last 10 s; ask while clients work.
Exit codes: 0 no client would see an error, 1 the cluster could not be read, 3 a client would.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RehearseArgs {
    #[command(subcommand)]
    command: RehearseCommand,
}

#[derive(Debug, Subcommand)]
enum RehearseCommand {
    /// What a restart of this broker would do: partitions, requests that are held, and clients that would notice.
    #[command(after_help = EXAMPLES)]
    Broker(BrokerArgs),
}

#[derive(Debug, Args)]
struct BrokerArgs {
    /// The broker's node id, as leeward cluster lists it
    #[arg(value_name = "NODE_ID")]
    node_id: i32,
    /// How it goes
    #[arg(long, value_enum, default_value_t = Way::Any)]
    stop: Way,
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// [`Stop`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// With SIGTERM: it hands over what it leads
    Graceful,
    /// With SIGKILL, or by losing its machine
    Crash,
    /// Both
    Any,
}

impl Way {
    /// What is asked about.
    fn of(self, rehearsal: &Rehearsal) -> Vec<&Act> {
        [&rehearsal.graceful, &rehearsal.crash].into_iter().filter(|act| self.takes(act.stop)).collect()
    }

    fn takes(self, stop: Stop) -> bool {
        match self {
            Way::Graceful => stop == Stop::Graceful,
            Way::Crash => stop == Stop::Crash,
            Way::Any => true,
        }
    }
}

impl RehearseArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let RehearseCommand::Broker(BrokerArgs { node_id, stop, admin, output: format }) = self.command;
        let rehearsal: Rehearsal = admin.get(&format!("/v1/brokers/{node_id}/rehearse"))?.expect()?;
        let acts = stop.of(&rehearsal);
        match format {
            Format::Json => output.json(&rehearsal)?,
            Format::Table => {
                let text = text::text(&rehearsal, &acts, output.paint());
                output.line(text);
            }
        }
        Ok(if acts.iter().any(|act| act.errors) { Exit::Blocked } else { Exit::Done })
    }
}
