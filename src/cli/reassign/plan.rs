//! `leeward reassign plan`.

mod text;

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::admin::history::QuietHours;
use crate::cli::client::AdminAddress;
use crate::cli::output::Output;
use crate::cli::quiet_hours::{self, WEEK, When};
use crate::cli::{Exit, Failure, Format, Outcome};
use crate::config::{parse_duration, parse_size};
use crate::rolling::reassign::{Asked, Assignment, Layout, Proposal, check, plan};

pub(super) const EXAMPLES: &str = "\
Examples:
  leeward reassign plan                                  what would make all brokers carry the same
  leeward reassign plan --throttle 50MiB --out plan.json --rollback-out before.json
  leeward reassign plan --topics 'orders*' --exclude '__*'
  leeward reassign plan --brokers 1,2,3                  everything leaves the other brokers
  leeward reassign plan --leaders-only                   nothing is copied
  leeward reassign plan --in generated.json              what another tool's plan would do
  leeward reassign plan --throttle 50MiB -o json | jq -r .when.start

It changes nothing. Kafka places new topics on a new broker by itself; partitions of topics that
exist stay where they are until they are moved. Files have the JSON of kafka-reassign-partitions.
Exit codes: 0 done, 1 the cluster could not be read, 3 the plan of --in cannot be carried out.";

const DIRECTORIES: &str = "it names log directories, which are not looked at here: brokers choose them for what is copied, unless told otherwise";

/// A file with an assignment is not read further than this: half a million partitions.
const FILE_BYTES_MAX: u64 = 128 << 20;

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// The brokers that are to have everything; by default those that serve get equal shares, and others keep what they have
    #[arg(long, value_name = "NODE_IDS", value_delimiter = ',')]
    brokers: Vec<i32>,
    /// Only these topics, such as 'orders*'; by default all, internal ones too
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    topics: Vec<String>,
    /// Not these topics
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Leave replicas where they are, and even out only who leads
    #[arg(long)]
    leaders_only: bool,
    /// Bytes a second that each broker may send and receive for copies, to say how long they take
    #[arg(long, value_name = "SIZE", value_parser = throttle)]
    throttle: Option<u64>,
    /// To say what would be saved if topics first kept their records no longer than this
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    retention: Duration,
    /// Write the new replicas into this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the replicas of now of the same partitions into this file: the way back
    #[arg(long, value_name = "FILE")]
    rollback_out: Option<PathBuf>,
    /// Plan nothing, and show what this plan would do (- for standard input)
    #[arg(long = "in", value_name = "FILE", conflicts_with_all = ["brokers", "topics", "exclude", "leaders_only"])]
    input: Option<PathBuf>,
    /// Time zone of the quiet hours, such as Europe/Berlin [default: the system's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// A plan, and when to begin with it; absent where there is nothing to move.
#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    proposal: &'a Proposal,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    timing: Option<&'a Timing>,
}

#[derive(Serialize)]
struct Timing {
    quiet_hours: QuietHours,
    when: When,
}

/// Where it is not known how long it takes, the quietest stretch of so long is asked for.
const LASTS: Duration = Duration::from_secs(2 * 60 * 60);

impl PlanArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let given = self.input.as_deref().map(read).transpose()?;
        let layout: Layout = self.admin.get_at_length("/v1/reassign/layout")?.expect()?;
        let retention_ms = i64::try_from(self.retention.as_millis()).unwrap_or(i64::MAX);
        let proposal = match &given {
            Some((assignment, names_directories)) => {
                let mut proposal = check(&layout, assignment, self.throttle, retention_ms);
                proposal.notes.extend(names_directories.then(|| DIRECTORIES.to_owned()));
                proposal
            }
            None => {
                let asked = Asked {
                    brokers: Some(self.brokers.iter().copied().collect()).filter(|_| !self.brokers.is_empty()),
                    topics: self.topics.clone(),
                    exclude: self.exclude.clone(),
                    leaders_only: self.leaders_only,
                    throttle: self.throttle,
                    retention_ms,
                };
                plan(&layout, &asked).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?
            }
        };
        let timing = if proposal.moves.is_empty() { None } else { Some(self.timing(&proposal)?) };
        match self.output {
            Format::Json => output.json(&Timed { proposal: &proposal, timing: timing.as_ref() })?,
            Format::Table => {
                let when = timing.as_ref().map(|timing| timing.when.told.as_str());
                output.line(text::text(&proposal, given.is_none(), when, output.paint()));
            }
        }
        if !proposal.problems.is_empty() {
            return Ok(Exit::Blocked);
        }
        self.write(&proposal, output)?;
        Ok(Exit::Done)
    }

    /// The quiet hours, from the same Leeward, for as long as `leeward reassign run` would take.
    fn timing(&self, proposal: &Proposal) -> Result<Timing, Failure> {
        let lasts = proposal.time.filter(|_| proposal.copies_of_unknown_size == 0).map(|time| Duration::from_secs(time.seconds_by_topic));
        let asked = lasts.unwrap_or(LASTS).clamp(Duration::from_secs(60), WEEK);
        let quiet_hours = quiet_hours::ask(&self.admin, &quiet_hours::zone(self.time_zone.as_deref()), &format!("{}s", asked.as_secs()))?;
        let zone = TimeZone::get(&quiet_hours.zone).map_err(|error| {
            let message = format!("the time zone {} is not known on this machine: {error}; name another one with --time-zone", quiet_hours.zone);
            Failure::new(Exit::Failed, message)
        })?;
        let when = When::of(&quiet_hours, lasts, &Timestamp::now().to_zoned(zone));
        Ok(Timing { quiet_hours, when })
    }

    /// The way back first: nobody is to have a plan and not that.
    fn write(&self, proposal: &Proposal, output: &mut Output) -> Result<(), Failure> {
        let files = [(&self.rollback_out, proposal.before()), (&self.out, proposal.after())];
        for (file, assignment) in files.into_iter().filter_map(|(file, assignment)| Some((file.as_deref()?, assignment))) {
            if proposal.moves.is_empty() {
                output.error(&format!("{} is not written: there is nothing to move", file.display()));
                continue;
            }
            write(file, &assignment)?;
            output.error(&format!("{} is written: {} partitions", file.display(), assignment.0.len()));
        }
        Ok(())
    }
}

fn throttle(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    if bytes == 0 { Err("nothing would ever be copied; say bytes a second, such as 50MiB".to_owned()) } else { Ok(bytes) }
}

fn read(file: &Path) -> Result<(Assignment, bool), Failure> {
    let mut text = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_end(&mut text)
    } else {
        File::open(file).and_then(|open| open.take(FILE_BYTES_MAX).read_to_end(&mut text))
    };
    read.map_err(|error| {
        Failure::new(Exit::Usage, format!("{}: it cannot be read: {error}; name the file that kafka-reassign-partitions takes", file.display()))
    })?;
    Assignment::with_directories(&text).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))
}

/// A file that is there is not written over: it may be the only way back from an earlier move.
fn write(file: &Path, assignment: &Assignment) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut open| {
        open.write_all(assignment.to_json().as_bytes())?;
        open.write_all(b"\n")?;
        open.sync_all()
    });
    written.map_err(|error| {
        let next = if error.kind() == ErrorKind::AlreadyExists {
            "it is left as it is, since it may be the way back from an earlier move; name another file"
        } else {
            "name a file in a directory that you may write to"
        };
        Failure::new(Exit::Failed, format!("{}: it cannot be written: {error}; {next}", file.display()))
    })
}
