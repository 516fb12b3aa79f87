//! `leeward reassign run`, `pause`, `resume` and `rollback`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::status::{Wait, show, the_reassignment, what};
use crate::cli::client::user_at_host;
use crate::cli::maintenance::{Ask, confirmed, may_ask};
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, Format, Outcome};
use crate::config::{parse_size, show_size};
use crate::reassign::api::{PauseRequest, ReassignAnswer, ResumeRequest, RollbackRequest, RunRequest};
use crate::rolling::reassign::Assignment;

pub(super) const EXAMPLES: &str = "\
Examples:
  leeward reassign run --in plan.json --reason \"broker 4 joined\" --dry-run
  leeward reassign run --in plan.json --reason \"broker 4 joined\" --wait
  leeward reassign run --in plan.json --reason \"broker 4 joined\" --throttle-min 5MiB --throttle-max 100MiB

The file is the JSON of kafka-reassign-partitions: {\"version\":1,\"partitions\":[{\"topic\":\"t\",
\"partition\":0,\"replicas\":[4,1,2]}]}; - stands for standard input. New topics spread over a new broker
by themselves; partitions of those that are there do not.

Exit codes: 0 begun, or with --wait all moved; 1 failed, 2 wrong usage, 3 blocked by a check, 4 not
done in time.";

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    ask: Ask,
    /// The replicas that partitions are to have, as kafka-reassign-partitions takes them
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Why; the audit file keeps it
    #[arg(long)]
    reason: String,
    /// Who; by default the user and the host
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Bytes a second that a broker may always send, and receive, of what is copied
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    throttle_min: u64,
    /// Bytes a second that it may when clients do not feel it
    #[arg(long, value_name = "SIZE", default_value = "50MiB", value_parser = parse_size)]
    throttle_max: u64,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
struct Why {
    #[command(flatten)]
    ask: Ask,
    /// Why; the audit file keeps it
    #[arg(long)]
    reason: String,
    /// Who; by default the user and the host
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    why: Why,
    /// Give up what is on its way, instead of letting it come to its end
    #[arg(long)]
    now: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    #[command(flatten)]
    why: Why,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

impl Why {
    fn author(&self) -> Option<String> {
        Some(self.author.clone().unwrap_or_else(user_at_host))
    }

    fn post(&self, path: &str, request: &impl Serialize, output: &mut Output) -> Outcome {
        let answer: ReassignAnswer = self.ask.admin.post_json(path, request)?.expect()?;
        self.ask.show(&answer.reassignment, output, show)?;
        Ok(Exit::Done)
    }
}

impl RunArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        may_ask(self.yes, self.dry_run)?;
        let assignment = self.assignment()?;
        let planned = self.post(&assignment, true)?;
        if self.dry_run {
            self.ask.show(&planned, output, |planned, paint| {
                format!("dry run: nothing is begun\n{}\n{}", what(&planned.reassignment), show(&planned.reassignment, paint))
            })?;
            return Ok(Exit::Done);
        }
        confirmed(self.yes, output, &format!("{}\nmove them?", what(&planned.reassignment)))?;
        let begun = self.post(&assignment, false)?;
        if self.wait.wait {
            return self.wait.until_over(&self.ask, &begun.reassignment.id, "done", output);
        }
        self.ask.show(&begun, output, |begun, paint| show(&begun.reassignment, paint))?;
        if self.ask.output == Format::Table {
            output.error("it goes on by itself; leeward reassign status --watch shows how far it is");
        }
        Ok(Exit::Done)
    }

    /// In one line, whatever the file looks like: what is wrong with it is said here.
    fn assignment(&self) -> Result<String, Failure> {
        let place = self.input.display();
        let read = if self.input.as_os_str() == "-" { read_standard_input() } else { std::fs::read(&self.input) };
        let text = read.map_err(|error| Failure::new(Exit::Usage, format!("{place} cannot be read: {error}; name a file that leeward reassign plan wrote")))?;
        let assignment = Assignment::from_json(&text).map_err(|error| Failure::new(Exit::Usage, format!("{place}: {error}")))?;
        Ok(assignment.to_json())
    }

    fn post(&self, assignment: &str, dry_run: bool) -> Result<ReassignAnswer, Failure> {
        let request = RunRequest {
            reason: self.reason.clone(),
            assignment: assignment.to_owned(),
            throttle_min: show_size(self.throttle_min),
            throttle_max: show_size(self.throttle_max),
            dry_run,
            author: Some(self.author.clone().unwrap_or_else(user_at_host)),
        };
        self.ask.admin.post_json("/v1/reassign/run", &request)?.expect()
    }
}

fn read_standard_input() -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)?;
    Ok(text)
}

impl PauseArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let request = PauseRequest { reason: self.why.reason.clone(), at_once: self.now, author: self.why.author() };
        self.why.post("/v1/reassign/pause", &request, output)
    }
}

impl ResumeArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let request = ResumeRequest { reason: self.why.reason.clone(), author: self.why.author() };
        self.why.post("/v1/reassign/resume", &request, output)
    }
}

impl RollbackArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        may_ask(self.yes, false)?;
        let now = the_reassignment(&self.why.ask)?;
        let question = format!("reassignment {}: {}\ngive up what is on its way, and bring everything back to where it was?", now.id, now.sentence);
        confirmed(self.yes, output, &question)?;
        let request = RollbackRequest { reason: self.why.reason.clone(), author: self.why.author() };
        if !self.wait.wait {
            return self.why.post("/v1/reassign/rollback", &request, output);
        }
        let answer: ReassignAnswer = self.why.ask.admin.post_json("/v1/reassign/rollback", &request)?.expect()?;
        self.wait.until_over(&self.why.ask, &answer.reassignment.id, "rolled back", output)
    }
}
