//! `leeward maintenance schedule add`, `list` and `remove`.

use clap::{Args, Subcommand};

use super::{Alter, Ask, Cover, show};
use crate::cli::output::Output;
use crate::cli::{Exit, Failure, Outcome, quiet_hours};
use crate::maintenance::api::{ScheduleAnswer, ScheduleRequest, ScheduleView, UnscheduleRequest};

const PATH: &str = "/v1/maintenance/schedules";

const ADD_EXAMPLES: &str = "\
Examples:
  leeward maintenance schedule add --reason patches --cron \"0 2 * * SAT\" --zone Europe/Berlin --for 3h
  leeward maintenance schedule add --reason patches --cron \"30 1 1 * *\" --for 90m --dry-run
  leeward maintenance schedule add --reason patches --quiet --for 3h      where traffic is lowest";

#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// A window at certain times.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Those that there are, with their next start.
    #[command(after_help = "Example:\n  leeward maintenance schedule list")]
    List(Ask),
    /// No more windows of this schedule; one that is open stays so.
    #[command(after_help = "Example:\n  leeward maintenance schedule remove s1 --reason \"patches are done by hand now\"")]
    Remove(Remove),
}

#[derive(Debug, Args)]
struct Add {
    #[command(flatten)]
    alter: Alter,
    /// Minute, hour, day of the month, month, weekday
    #[arg(long, value_name = "CRON", required_unless_present = "quiet")]
    cron: Option<String>,
    /// Each week where the traffic was lowest so far, as leeward quiet-hours says
    #[arg(long, conflicts_with = "cron")]
    quiet: bool,
    /// IANA time zone, such as Europe/Berlin [default: UTC; with --quiet the system's]
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// How long each window stays open, such as 3h
    #[arg(long = "for", value_name = "DURATION")]
    lasts: String,
    #[command(flatten)]
    cover: Cover,
}

#[derive(Debug, Args)]
struct Remove {
    /// Such as s1
    id: String,
    #[command(flatten)]
    alter: Alter,
}

impl ScheduleArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        match self.command {
            ScheduleCommand::Add(command) => command.run(output),
            ScheduleCommand::List(ask) => {
                let schedules: Vec<ScheduleView> = ask.admin.get(PATH)?.expect()?;
                ask.show(&schedules, output, |schedules, paint| show::schedules(schedules, paint))?;
                Ok(Exit::Done)
            }
            ScheduleCommand::Remove(command) => command.run(output),
        }
    }
}

impl Add {
    fn run(self, output: &mut Output) -> Outcome {
        self.alter.may_ask()?;
        let (cron, zone) = self.times(output)?;
        let request = |dry_run| ScheduleRequest {
            cron: cron.clone(),
            zone: zone.clone(),
            lasts: self.lasts.clone(),
            reason: self.alter.reason.clone(),
            topics: self.cover.topics.clone(),
            client_ids: self.cover.client_ids.clone(),
            dry_run,
            author: Some(self.alter.author()),
        };
        let ask = &self.alter.ask;
        let add = |dry_run| ask.admin.post_json(PATH, &request(dry_run))?.expect::<ScheduleAnswer>();
        let planned = add(true)?;
        if self.alter.dry_run {
            ask.show(&planned, output, |answer, _| show::scheduled(answer, "would be added"))?;
            return Ok(Exit::Done);
        }
        self.alter.confirmed(output, &format!("add a schedule that starts next at {}?", planned.schedule.next.as_deref().unwrap_or("(never)")))?;
        ask.show(&add(false)?, output, |answer, _| show::scheduled(answer, "is added"))?;
        Ok(Exit::Done)
    }

    /// When it starts, and in which zone's time.
    fn times(&self, output: &mut Output) -> Result<(String, String), Failure> {
        if !self.quiet {
            return Ok((self.cron.clone().unwrap_or_default(), self.zone.clone().unwrap_or_else(|| "UTC".to_owned())));
        }
        let zone = quiet_hours::zone(self.zone.as_deref());
        let quiet = quiet_hours::ask(&self.alter.ask.admin, &zone, &self.lasts)?;
        let Some(quietest) = quiet.quietest.as_ref().filter(|_| quiet.is_enough) else {
            let found = quiet_hours::warning(&quiet).unwrap_or_else(|| format!("No stretch of {} was seen as a whole.", self.lasts));
            let message = format!("there is no telling yet when it is quiet. {found} Say --cron, or see leeward quiet-hours");
            return Err(Failure::new(Exit::Blocked, message));
        };
        // Not into the JSON of the answer.
        output.error(&quiet_hours::described(quietest));
        if let Some(warning) = quiet_hours::warning(&quiet) {
            output.error(&warning);
        }
        Ok((quietest.cron.clone(), quiet.zone))
    }
}

impl Remove {
    fn run(self, output: &mut Output) -> Outcome {
        self.alter.may_ask()?;
        let request = |dry_run| UnscheduleRequest { id: self.id.clone(), reason: self.alter.reason.clone(), dry_run, author: Some(self.alter.author()) };
        let ask = &self.alter.ask;
        let remove = |dry_run| ask.admin.delete_json(PATH, &request(dry_run))?.expect::<ScheduleAnswer>();
        let planned = remove(true)?;
        if self.alter.dry_run {
            ask.show(&planned, output, |answer, _| show::scheduled(answer, "would be removed"))?;
            return Ok(Exit::Done);
        }
        self.alter.confirmed(output, &format!("remove schedule {} ({})?", planned.schedule.id, planned.schedule.reason))?;
        ask.show(&remove(false)?, output, |answer, _| show::scheduled(answer, "is removed"))?;
        Ok(Exit::Done)
    }
}
