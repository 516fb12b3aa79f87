//! `leeward maintenance on`, `off`, `status`, `preflight`, `schedule` and `audit`.

mod schedule;
mod show;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::{AdminAddress, BLOCKED, user_at_host};
use super::output::Output;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::ApiError;
use crate::maintenance::api::{Audit, MaintenanceStatus, OffAnswer, OffRequest, OnAnswer, OnRequest};
use crate::maintenance::preflight::Preflight;
use schedule::ScheduleArgs;
pub(super) use show::{covers, preflight};

const EXAMPLES: &str = "\
Examples:
  leeward maintenance preflight
  leeward maintenance on --reason \"upgrade to 4.3\" --for 2h
  leeward maintenance status --watch
  leeward maintenance off --reason \"upgrade done\"
  leeward maintenance schedule add --reason patches --cron \"0 2 * * SAT\" --zone Europe/Berlin --for 3h
  leeward maintenance audit --last 50";

/// Between two pictures.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MaintenanceArgs {
    #[command(subcommand)]
    command: MaintenanceCommand,
}

#[derive(Debug, Subcommand)]
enum MaintenanceCommand {
    /// Open a window: shows its preflight first, and refuses what is dangerous.
    #[command(
        after_help = "Examples:\n  leeward maintenance on --reason \"upgrade to 4.3\" --for 2h\n  leeward maintenance on --reason test --topics orders,payments --dry-run"
    )]
    On(On),
    /// Close one window, or all.
    #[command(after_help = "Example:\n  leeward maintenance off --reason \"upgrade done\"")]
    Off(Off),
    /// Windows, schedules, and what was.
    #[command(after_help = "Examples:\n  leeward maintenance status\n  leeward maintenance status -o json | jq .open")]
    Status(Status),
    /// What one should know before a window opens; exit code 3 when it is dangerous.
    #[command(after_help = "Example:\n  leeward maintenance preflight && leeward maintenance on --reason upgrade --yes")]
    Preflight(Ask),
    /// Windows that open by themselves at certain times.
    Schedule(ScheduleArgs),
    /// The last changes: who, when, what, why.
    #[command(after_help = "Example:\n  leeward maintenance audit --last 50")]
    Audit(AuditArgs),
}

/// What every command takes.
#[derive(Debug, Args)]
pub(super) struct Ask {
    #[command(flatten)]
    pub(super) admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub(super) output: Format,
}

/// What every command takes that changes something.
#[derive(Debug, Args)]
struct Alter {
    #[command(flatten)]
    ask: Ask,
    /// Why; the audit file keeps it
    #[arg(long)]
    reason: String,
    /// Who; by default the user and the host
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What a window covers.
#[derive(Debug, Args)]
struct Cover {
    /// Topics that it covers; by default all
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',')]
    topics: Vec<String>,
    /// Clients that it covers; by default all
    #[arg(long, value_name = "CLIENT_ID,…", value_delimiter = ',')]
    client_ids: Vec<String>,
}

#[derive(Debug, Args)]
struct On {
    #[command(flatten)]
    alter: Alter,
    /// How long, such as 2h; then it closes by itself [default: guard.window_default, 4h]
    #[arg(long = "for", value_name = "DURATION")]
    lasts: Option<String>,
    #[command(flatten)]
    cover: Cover,
    /// Although the preflight finds danger
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
struct Off {
    #[command(flatten)]
    alter: Alter,
    /// The window to close; by default all that are open
    #[arg(long)]
    id: Option<String>,
}

#[derive(Debug, Args)]
struct Status {
    #[command(flatten)]
    ask: Ask,
    /// Show it again every two seconds, until interrupted
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
struct AuditArgs {
    #[command(flatten)]
    ask: Ask,
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    last: u32,
}

impl MaintenanceArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            MaintenanceCommand::On(command) => command.run(output),
            MaintenanceCommand::Off(command) => command.run(output),
            MaintenanceCommand::Status(command) => command.run(output),
            MaintenanceCommand::Preflight(ask) => {
                let preflight: Preflight = ask.admin.get("/v1/maintenance/preflight")?.expect()?;
                ask.show(&preflight, output, show::preflight)?;
                Ok(if preflight.safe { Exit::Done } else { Exit::Blocked })
            }
            MaintenanceCommand::Schedule(command) => command.run(output),
            MaintenanceCommand::Audit(command) => {
                let audit: Audit = command.ask.admin.get(&format!("/v1/audit?last={}", command.last))?.expect()?;
                command.ask.show(&audit, output, show::audit)?;
                Ok(Exit::Done)
            }
        }
    }
}

impl On {
    fn run(self, output: &mut Output) -> Outcome {
        self.alter.may_ask()?;
        let request = |dry_run| OnRequest {
            reason: self.alter.reason.clone(),
            lasts: self.lasts.clone(),
            topics: self.cover.topics.clone(),
            client_ids: self.cover.client_ids.clone(),
            force: self.force,
            dry_run,
            author: Some(self.alter.author()),
        };
        let ask = &self.alter.ask;
        let open = |dry_run| ask.admin.post_json("/v1/maintenance/on", &request(dry_run));
        let mut answer = open(true)?;
        if answer.status == BLOCKED && !self.alter.dry_run {
            // Once more in earnest, so that the attempt stands in the audit file.
            answer = open(false)?;
        }
        if answer.status == BLOCKED {
            let refusal: ApiError = answer.parse()?;
            let preflight = refusal.preflight.clone().unwrap_or_default();
            match ask.output {
                Format::Json => output.json(&refusal)?,
                Format::Table => output.line(show::preflight(&preflight, output.paint())),
            }
            return Err(answer.refusal());
        }
        let planned: OnAnswer = answer.expect()?;
        if ask.output == Format::Table {
            output.line(preflight(&planned.preflight, output.paint()));
            output.line("");
        }
        let plan = format!("a window of {} over {}", show::length(&planned.window), covers(&planned.window.topics, &planned.window.client_ids));
        if self.alter.dry_run {
            match ask.output {
                Format::Json => output.json(&planned)?,
                Format::Table => output.line(format!("dry run: {plan} would be opened")),
            }
            return Ok(Exit::Done);
        }
        self.alter.confirmed(output, &format!("open {plan}?"))?;
        let opened: OnAnswer = open(false)?.expect()?;
        ask.show(&opened, output, show::opened)?;
        Ok(Exit::Done)
    }
}

impl Off {
    fn run(self, output: &mut Output) -> Outcome {
        self.alter.may_ask()?;
        let request = |dry_run| OffRequest { reason: self.alter.reason.clone(), id: self.id.clone(), dry_run, author: Some(self.alter.author()) };
        let ask = &self.alter.ask;
        let close = |dry_run| ask.admin.post_json("/v1/maintenance/off", &request(dry_run))?.expect::<OffAnswer>();
        let planned = close(true)?;
        if self.alter.dry_run {
            ask.show(&planned, output, show::closed)?;
            return Ok(Exit::Done);
        }
        let ids: Vec<_> = planned.closed.iter().map(|closed| format!("{} ({})", closed.window.id, closed.window.reason)).collect();
        self.alter.confirmed(output, &format!("close {}?", ids.join(", ")))?;
        ask.show(&close(false)?, output, show::closed)?;
        Ok(Exit::Done)
    }
}

impl Status {
    fn run(self, output: &mut Output) -> Outcome {
        loop {
            let status: MaintenanceStatus = self.ask.admin.get("/v1/maintenance")?.expect()?;
            self.ask.show(&status, output, show::status)?;
            if !self.watch || output.reader_gone() {
                return Ok(Exit::Done);
            }
            thread::sleep(INTERVAL);
            output.next_picture();
        }
    }
}

impl Ask {
    pub(super) fn show<T: serde::Serialize>(
        &self,
        answer: &T,
        output: &mut Output,
        people: impl FnOnce(&T, super::output::Paint) -> String,
    ) -> Result<(), Failure> {
        match self.output {
            Format::Json => output.json(answer),
            Format::Table => {
                let text = people(answer, output.paint());
                output.line(text);
                Ok(())
            }
        }
    }
}

impl Alter {
    fn may_ask(&self) -> Result<(), Failure> {
        may_ask(self.yes, self.dry_run)
    }

    fn confirmed(&self, output: &mut Output, question: &str) -> Result<(), Failure> {
        confirmed(self.yes, output, question)
    }

    fn author(&self) -> String {
        self.author.clone().unwrap_or_else(user_at_host)
    }
}

/// Said before anything is done: where nobody can answer, nobody is asked.
pub(super) fn may_ask(yes: bool, dry_run: bool) -> Result<(), Failure> {
    if yes || dry_run || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::new(Exit::Usage, "there is no terminal to ask for confirmation; say --yes to do it, or --dry-run to see what would be done"))
}

pub(super) fn confirmed(yes: bool, output: &mut Output, question: &str) -> Result<(), Failure> {
    if yes || output.confirm(question) { Ok(()) } else { Err(Failure::new(Exit::Failed, "not confirmed; nothing has changed")) }
}
