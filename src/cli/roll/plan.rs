//! `leeward roll plan`.

mod text;

#[cfg(test)]
mod tests;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::admin::history::QuietHours;
use crate::cli::client::AdminAddress;
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, Format, Outcome, quiet_hours};
use crate::releases::{self, Mode, Release, Version};

pub(super) const EXAMPLES: &str = "\
Examples:
  leeward roll plan --from 2.1 --to 2.6
  leeward roll plan --from 3.6 --to 4.3 --mode zookeeper
  leeward roll plan --from 3.9 --to 4.3 --mode kraft -o json | jq '.stages[].commands'
  leeward roll plan --from 2.1 --to 2.6 --admin 127.0.0.1:19000      with the quiet hours of the week

HOST in commands stands for a broker's host. Nothing is changed; nothing is asked either, unless
--admin names a running Leeward, which then says when in the week there is least traffic.";

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The release that the brokers run now, such as 2.1 or 2.1.1
    #[arg(long, value_name = "RELEASE")]
    from: Version,
    /// The release that they are to run
    #[arg(long, value_name = "RELEASE")]
    to: Version,
    /// Where the cluster keeps its metadata now; needed only where its release leaves the choice, which is 3.0 to 3.9
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
    #[command(flatten)]
    admin: Option<AdminAddress>,
    /// With --admin: the time zone of the quiet hours, such as Europe/Berlin [default: the system's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// A plan, and when to begin with it.
#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    plan: &'a releases::Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_hours: Option<&'a QuietHours>,
}

/// A restart of one broker with all that belongs to it takes minutes; a roll of some brokers fits.
const ROLL_LASTS: &str = "2h";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeName {
    #[value(name = "zookeeper")]
    ZooKeeper,
    #[value(name = "kraft")]
    KRaft,
}

impl PlanArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let mode = mode(self.from.release, self.mode)?;
        let plan = releases::plan(self.from, self.to, mode).map_err(|refusal| Failure::new(Exit::Blocked, refusal.to_string()))?;
        let ask = |admin: &AdminAddress| quiet_hours::ask(admin, &quiet_hours::zone(self.time_zone.as_deref()), ROLL_LASTS);
        let quiet = self.admin.as_ref().map(ask).transpose()?;
        match self.output {
            Format::Json => output.json(&Timed { plan: &plan, quiet_hours: quiet.as_ref() })?,
            Format::Table => {
                output.line(text::plan(&plan, output.paint()));
                if let Some(quiet) = &quiet {
                    output.line(format!("\nWhen there is least traffic:\n{}", quiet_hours::text(quiet, output.paint())));
                }
            }
        }
        Ok(Exit::Done)
    }
}

/// What was said, or the only mode that the release has.
fn mode(from: Release, said: Option<ModeName>) -> Result<Mode, Failure> {
    match said {
        Some(ModeName::ZooKeeper) => return Ok(Mode::ZooKeeper),
        Some(ModeName::KRaft) => return Ok(Mode::KRaft),
        None => {}
    }
    match (from.runs_in(Mode::ZooKeeper), from.runs_in(Mode::KRaft)) {
        (true, true) => Err(Failure::new(
            Exit::Usage,
            format!(
                "{from} runs with ZooKeeper and with KRaft, and their upgrades differ; say --mode zookeeper where the brokers have zookeeper.connect, else --mode kraft"
            ),
        )),
        (_, true) => Ok(Mode::KRaft),
        (_, false) => Ok(Mode::ZooKeeper),
    }
}
