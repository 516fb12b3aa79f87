//! `leeward roll start`, `status`, `pause`, `resume` and `abort`.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::show;
use crate::admin::report::Report;
use crate::cli::broker::Promise;
use crate::cli::client::user_at_host;
use crate::cli::maintenance::{Ask, confirmed, may_ask};
use crate::cli::output::Output;
use crate::cli::report::in_short;
use crate::cli::{Exit, Failure, Format, Outcome};
use crate::config::{parse_duration, show_duration};
use crate::roll::api::{AbortRequest, PauseRequest, ResumeRequest, RollAnswer, RollStatus, RollView, StartRequest};

pub(super) const START_EXAMPLES: &str = "\
Examples:
  leeward roll start --reason patches                     a person is told when to stop and start each broker
  leeward roll start --reason patches --stop-cmd 'ssh $LEEWARD_BROKER_HOST systemctl stop kafka' \\
      --start-cmd 'ssh $LEEWARD_BROKER_HOST systemctl start kafka' --wait
  leeward roll start --reason patches --brokers 3,1 --dry-run
  leeward roll start --reason patches --by-rack --guarantee available --checks 12 --every 10s

The commands run by sh -c where Leeward runs, with LEEWARD_NODE_ID, LEEWARD_BROKER (host:port),
LEEWARD_BROKER_HOST, LEEWARD_BROKER_PORT and LEEWARD_ROLL_ID set, and may be run twice, when Leeward
was started again in between. roll.allow_commands = true in its configuration permits them.

Exit codes: 0 begun, or with --wait all brokers done; 1 failed, 3 blocked by a check, 4 not done in time.";

pub(super) const STATUS_EXAMPLES: &str = "\
Examples:
  leeward roll status
  leeward roll status --watch
  leeward roll status --wait --timeout 2h && echo done

Exit codes: 0, or with --wait all brokers done; 1 aborted or no roll, 3 stopped by a problem, 4 not done in time.";

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    #[command(flatten)]
    ask: Ask,
    /// Why; the audit file keeps it
    #[arg(long)]
    reason: String,
    /// Who; by default the user and the host
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// These brokers, in this order; by default all by node id, the active controller last
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    brokers: Vec<i32>,
    /// Those of one rack after those of another
    #[arg(long)]
    by_rack: bool,
    /// Stops a broker; without it a person is told to
    #[arg(long, value_name = "COMMAND")]
    stop_cmd: Option<String>,
    /// Starts a broker; without it a person is told to
    #[arg(long, value_name = "COMMAND")]
    start_cmd: Option<String>,
    /// Leave leadership where it is
    #[arg(long)]
    no_drain: bool,
    /// Open no maintenance window; clients may then lose what they would lose without Leeward
    #[arg(long)]
    no_window: bool,
    /// What must go on while a broker is away
    #[arg(long, value_enum, default_value_t = Promise::Strict)]
    guarantee: Promise,
    /// How many checks in a row must be green before a stop, and after a start
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    checks: u32,
    /// Between two checks
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    every: Duration,
    /// How long a step may take that no person is waited for in
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse_duration)]
    step_timeout: Duration,
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
struct Wait {
    /// Wait until it is over
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "12h", requires = "wait", value_parser = parse_duration)]
    timeout: Duration,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    ask: Ask,
    /// Show it again every second
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
pub(super) struct AbortArgs {
    #[command(flatten)]
    why: Why,
    /// Leave everything as it is; what that is, is said
    #[arg(long)]
    now: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
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

impl Why {
    fn author(&self) -> Option<String> {
        Some(self.author.clone().unwrap_or_else(user_at_host))
    }

    fn post(&self, path: &str, request: &impl serde::Serialize, output: &mut Output) -> Outcome {
        let answer: RollAnswer = self.ask.admin.post_json(path, request)?.expect()?;
        self.ask.show(&answer.roll, output, show::roll)?;
        Ok(Exit::Done)
    }
}

impl StartArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        may_ask(self.yes, self.dry_run)?;
        let planned = self.post(true)?;
        if self.dry_run {
            self.ask.show(&planned, output, |planned, paint| format!("dry run: {}\n{}", show::order(&planned.roll), show::roll(&planned.roll, paint)))?;
            return Ok(Exit::Done);
        }
        confirmed(self.yes, output, &format!("{}\nrestart them one by one?", show::order(&planned.roll)))?;
        let begun = self.post(false)?;
        if self.wait.wait {
            return self.wait.until_over(&self.ask, &begun.roll.id, output);
        }
        self.ask.show(&begun, output, |begun, paint| show::roll(&begun.roll, paint))?;
        if self.ask.output == Format::Table {
            output.error("it goes on by itself; leeward roll status --watch shows how far it is");
        }
        Ok(Exit::Done)
    }

    fn post(&self, dry_run: bool) -> Result<RollAnswer, Failure> {
        let request = StartRequest {
            reason: self.reason.clone(),
            brokers: self.brokers.clone(),
            by_rack: self.by_rack,
            stop_command: self.stop_cmd.clone(),
            start_command: self.start_cmd.clone(),
            drain: !self.no_drain,
            window: !self.no_window,
            guarantee: self.guarantee.into(),
            checks: self.checks,
            check_every: show_duration(self.every),
            step_timeout: show_duration(self.step_timeout),
            dry_run,
            author: Some(self.author.clone().unwrap_or_else(user_at_host)),
        };
        self.ask.admin.post_json("/v1/roll/start", &request)?.expect()
    }
}

impl StatusArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        if self.wait.wait {
            let roll = the_roll(&self.ask)?;
            return self.wait.until_over(&self.ask, &roll.id, output);
        }
        loop {
            let roll = the_roll(&self.ask)?;
            if self.watch {
                output.next_picture();
            }
            self.ask.show(&roll, output, show::roll)?;
            if !self.watch || output.reader_gone() {
                return Ok(Exit::Done);
            }
            thread::sleep(LOOK);
        }
    }
}

impl PauseArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let request = PauseRequest { reason: self.why.reason.clone(), author: self.why.author() };
        self.why.post("/v1/roll/pause", &request, output)
    }
}

impl ResumeArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let request = ResumeRequest { reason: self.why.reason.clone(), author: self.why.author() };
        self.why.post("/v1/roll/resume", &request, output)
    }
}

impl AbortArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        may_ask(self.yes, false)?;
        let roll = the_roll(&self.why.ask)?;
        let how = if self.now { "leave everything as it is" } else { "make the broker at hand whole, and end" };
        confirmed(self.yes, output, &format!("roll {}: {}\n{how}?", roll.id, roll.sentence))?;
        let request = AbortRequest { reason: self.why.reason.clone(), at_once: self.now, author: self.why.author() };
        self.why.post("/v1/roll/abort", &request, output)
    }
}

impl Wait {
    /// Says every change, and at the end what the guard did meanwhile.
    fn until_over(&self, ask: &Ask, id: &str, output: &mut Output) -> Outcome {
        let (end, mut said) = (Instant::now() + self.timeout, String::new());
        loop {
            let roll = match the_roll(ask) {
                Ok(roll) => roll,
                // A Leeward that is started again goes on where it was.
                Err(failure) if Instant::now() >= end || failure.exit == Exit::Usage => return Err(failure),
                Err(_) => {
                    thread::sleep(LOOK);
                    continue;
                }
            };
            if roll.id != id {
                return Err(Failure::new(Exit::Failed, format!("roll {id} is gone; there is roll {} now", roll.id)));
            }
            let outcome = match roll.state.as_str() {
                "done" => Some(Ok(Exit::Done)),
                "aborted" => Some(Err(Failure::new(Exit::Failed, format!("roll {id}: {}", roll.sentence)))),
                "stuck" => Some(Err(Failure::new(Exit::Blocked, format!("roll {id}: {}", roll.sentence)))),
                _ if Instant::now() >= end => {
                    Some(Err(Failure::new(Exit::TimedOut, format!("roll {id} is not over within {}: {}", show_duration(self.timeout), roll.sentence))))
                }
                _ => None,
            };
            if let Some(outcome) = outcome {
                ask.show(&roll, output, show::roll)?;
                if outcome.is_ok() && ask.output == Format::Table {
                    let report: Report = ask.admin.get("/v1/report?episode=last")?.expect()?;
                    output.line(format!("\n{}", in_short(&report, output.paint())));
                }
                return outcome;
            }
            let news = show::news(&roll);
            if news != said {
                output.error(&news);
                said = news;
            }
            thread::sleep(LOOK);
        }
    }
}

fn the_roll(ask: &Ask) -> Result<RollView, Failure> {
    let status: RollStatus = ask.admin.get("/v1/roll")?.expect()?;
    status.roll.ok_or_else(|| Failure::new(Exit::Failed, "there was no roll yet; leeward roll start begins one"))
}
