//! `leeward report`: what the guard did in a maintenance window or a restart, for a change ticket.

use clap::{Args, ValueEnum};

use super::client::AdminAddress;
use super::output::Output;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::report::{Episodes, Report};

mod text;

#[cfg(test)]
mod tests;

const EXAMPLES: &str = "\
Examples:
  leeward report                          the window that is open, or else the last one, or the last restart
  leeward report --list
  leeward report --episode 3 --by api
  leeward report -o json | jq .total.reached_errors

It is about this run of Leeward: the ledger is kept in memory. Times are UTC.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// Which window or restart: its number in --list, or "last"
    #[arg(long, value_name = "last|N", default_value = "last", value_parser = episode)]
    episode: String,
    /// What the last table has a row for; JSON has everything
    #[arg(long, value_enum, default_value_t = By::Client)]
    by: By,
    /// Name the windows and restarts that there are
    #[arg(long, conflicts_with_all = ["episode", "by"])]
    list: bool,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Each client id and API.
    Client,
    /// Each API.
    Api,
    /// Each broker, without further tables.
    Broker,
}

impl ReportArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        if self.list {
            let episodes: Episodes = self.ask("/v1/report/episodes")?;
            match self.output {
                Format::Json => output.json(&episodes)?,
                Format::Table => output.line(text::list(&episodes, output.paint())),
            }
        } else {
            let report: Report = self.ask(&format!("/v1/report?episode={}", self.episode))?;
            match self.output {
                Format::Json => output.json(&report)?,
                Format::Table => output.line(text::report(&report, self.by, output.paint())),
            }
        }
        Ok(Exit::Done)
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = self.admin.get(path)?;
        if answer.status == 200 { answer.parse() } else { Err(answer.refusal()) }
    }
}

/// A report by broker, for whoever ends something with it.
pub(super) fn in_short(report: &Report, paint: super::output::Paint) -> String {
    text::report(report, By::Broker, paint)
}

fn episode(text: &str) -> Result<String, String> {
    if text == "last" || text.parse::<u64>().is_ok() { Ok(text.to_owned()) } else { Err("say \"last\", or a number of leeward report --list".to_owned()) }
}
