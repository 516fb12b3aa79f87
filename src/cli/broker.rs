//! `leeward broker may-stop N` and `may-continue N`, the restart gate; `drain N` and `undrain N`.

mod drain;
mod show;
#[cfg(test)]
mod tests;

use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::AdminAddress;
use super::output::{Output, Paint};
use super::{Exit, Failure, Format, Outcome};
use crate::config::{parse_duration, show_duration};
use crate::rolling::gate::{Guarantee, Verdict};
use crate::rolling::resume::Return;
use drain::{DRAIN_EXAMPLES, DrainArgs, UNDRAIN_EXAMPLES, UndrainArgs};

const EXAMPLES: &str = "\
Examples:
  leeward broker drain 3 --reason \"upgrade to 4.3\" --wait
  leeward broker may-stop 3
  leeward broker may-stop 3 --wait --timeout 30m --checks 3 && systemctl stop kafka
  leeward broker may-continue 3 --wait && leeward broker may-stop 1";

const MAY_STOP_EXAMPLES: &str = "\
Examples:
  leeward broker may-stop 3
  leeward broker may-stop 3 --guarantee available
  leeward broker may-stop 3 --checks 3 --every 10s      yes only when it is yes three times in a row
  leeward broker may-stop 3 --wait --timeout 30m        until it is yes; exit code 4 when it is not in time
  leeward broker may-stop 3 -o json | jq .risks.rf1_offline

Exit codes: 0 yes, 1 the cluster could not be read, 3 no, 4 not yes in time.";

const MAY_CONTINUE_EXAMPLES: &str = "\
Examples:
  leeward broker may-continue 3
  leeward broker may-continue 3 --wait --timeout 30m

Exit codes: 0 yes, 1 the cluster could not be read, 3 no, 4 not yes in time.";

/// The shortest pause between two checks.
const PAUSE_MIN: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BrokerArgs {
    #[command(subcommand)]
    command: BrokerCommand,
}

#[derive(Debug, Subcommand)]
enum BrokerCommand {
    /// May this broker stop now? Yes, or no with the partitions that are in the way.
    #[command(after_help = MAY_STOP_EXAMPLES)]
    MayStop(MayStop),
    /// Is this broker back after its restart, so that the next one may go?
    #[command(after_help = MAY_CONTINUE_EXAMPLES)]
    MayContinue(MayContinue),
    /// Take every leadership from this broker that can be taken, so that it can be stopped.
    #[command(after_help = DRAIN_EXAMPLES)]
    Drain(DrainArgs),
    /// Give it back what a drain has taken, in the order of before.
    #[command(after_help = UNDRAIN_EXAMPLES)]
    Undrain(UndrainArgs),
}

#[derive(Debug, Args)]
struct MayStop {
    /// The broker's node id, as leeward cluster lists it
    #[arg(value_name = "NODE_ID")]
    node_id: i32,
    /// What must go on while it is away
    #[arg(long, value_enum, default_value_t = Promise::Strict)]
    guarantee: Promise,
    #[command(flatten)]
    checks: Checks,
}

#[derive(Debug, Args)]
struct MayContinue {
    /// The broker's node id, as leeward cluster lists it
    #[arg(value_name = "NODE_ID")]
    node_id: i32,
    #[command(flatten)]
    checks: Checks,
}

/// [`Guarantee`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Promise {
    /// Every partition keeps a leader, acks=all goes on being written, and nothing acknowledged with it can be lost
    Strict,
    /// Every partition with more than one replica keeps a leader
    Available,
    /// Nothing: only tell the risks
    None,
}

/// How often, and until when.
#[derive(Debug, Args)]
struct Checks {
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// How many times in a row it must be yes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    checks: u32,
    /// Between two checks
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = pause)]
    every: Duration,
    /// Wait until it is yes
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "wait", value_parser = parse_duration)]
    timeout: Duration,
}

/// An answer that is yes or no.
trait Decision: Serialize + DeserializeOwned {
    fn is_yes(&self) -> bool;
    /// All of it, for people.
    fn text(&self, paint: Paint) -> String;
    /// Why it is no, in a line.
    fn reason(&self) -> String;
}

impl BrokerArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            BrokerCommand::MayStop(command) => {
                let guarantee = Guarantee::from(command.guarantee).label();
                command.checks.decide::<Verdict>(&format!("/v1/brokers/{}/may-stop?guarantee={guarantee}", command.node_id), output)
            }
            BrokerCommand::Drain(command) => command.run(output),
            BrokerCommand::Undrain(command) => command.run(output),
            BrokerCommand::MayContinue(command) => command.checks.decide::<Return>(&format!("/v1/brokers/{}/may-continue", command.node_id), output),
        }
    }
}

impl Checks {
    /// Asks until it was yes often enough in a row; without `--wait` the first no ends it.
    fn decide<D: Decision>(&self, path: &str, output: &mut Output) -> Outcome {
        let begun = Instant::now();
        let least = self.every.saturating_mul(self.checks - 1);
        if self.wait && least > self.timeout {
            let message = format!(
                "{} checks, one every {}, take {}, and --timeout is {}: raise it, or ask for fewer",
                self.checks,
                show_duration(self.every),
                show_duration(least),
                show_duration(self.timeout)
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let mut in_a_row = 0;
        let mut said = String::new();
        loop {
            let answer: Result<D, Failure> = self.admin.get(path).and_then(|answer| answer.expect());
            let reason = match &answer {
                Ok(decision) if decision.is_yes() => None,
                Ok(decision) => Some(decision.reason()),
                // What is asked wrongly stays wrong; a cluster or a Leeward that cannot be asked may come back.
                Err(failure) if !self.wait || failure.exit == Exit::Usage => return Err(Failure::new(failure.exit, failure.message.clone())),
                Err(failure) => Some(failure.message.clone()),
            };
            in_a_row = if reason.is_none() { in_a_row + 1 } else { 0 };
            if in_a_row == self.checks || (reason.is_some() && !self.wait) {
                return self.end(&answer?, output);
            }
            let left = self.timeout.saturating_sub(begun.elapsed());
            // What was yes is asked again only after its pause; anything else once more at the end.
            if self.wait && (left.is_zero() || (in_a_row > 0 && left < self.every)) {
                if let Ok(decision) = &answer {
                    self.show(decision, output)?;
                }
                let reason = reason.unwrap_or_else(|| format!("it was yes {in_a_row} of {} times in a row", self.checks));
                return Err(Failure::new(Exit::TimedOut, format!("not yes within {}: {reason}", show_duration(self.timeout))));
            }
            let news = reason.map_or_else(|| format!("yes, {in_a_row} of {}", self.checks), |reason| format!("no: {reason}"));
            if news != said {
                output.error(&news);
                said = news;
            }
            thread::sleep(if self.wait { self.every.min(left) } else { self.every });
        }
    }

    fn end(&self, decision: &impl Decision, output: &mut Output) -> Outcome {
        self.show(decision, output)?;
        Ok(if decision.is_yes() { Exit::Done } else { Exit::Blocked })
    }

    fn show(&self, decision: &impl Decision, output: &mut Output) -> Result<(), Failure> {
        match self.output {
            Format::Json => output.json(decision),
            Format::Table => {
                let text = decision.text(output.paint());
                output.line(text);
                Ok(())
            }
        }
    }
}

/// Each check asks every broker.
fn pause(text: &str) -> Result<Duration, String> {
    let pause = parse_duration(text)?;
    if pause < PAUSE_MIN { Err(format!("at least {}", show_duration(PAUSE_MIN))) } else { Ok(pause) }
}

impl From<Promise> for Guarantee {
    fn from(promise: Promise) -> Self {
        match promise {
            Promise::Strict => Guarantee::Strict,
            Promise::Available => Guarantee::Available,
            Promise::None => Guarantee::None,
        }
    }
}
