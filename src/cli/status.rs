//! `leeward status`.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::Cell;

use super::client::AdminAddress;
use super::maintenance::covers;
use super::output::{Output, Paint, cut, relative, table};
use super::traffic::traffic as traffic_by_broker;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::status::{BrokerStatus, GuardStatus, Status};
use crate::config::show_size;

const EXAMPLES: &str = "\
Examples:
  leeward status
  leeward status -o json | jq .cluster.brokers
  leeward status --watch
  leeward status --wait --timeout 60     until it is ready; exit code 4 when it is not in time";

/// Between two pictures, and between two questions whether it is ready.
const INTERVAL: Duration = Duration::from_secs(2);
const WAIT_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Show it again every two seconds, until interrupted
    #[arg(long, conflicts_with = "wait")]
    watch: bool,
    /// Wait until it is ready
    #[arg(long)]
    wait: bool,
    /// How many seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait")]
    timeout: u64,
}

impl StatusArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let begun = Instant::now();
        loop {
            let answer = self.ask();
            match answer {
                Ok(status) if self.wait && !status.ready => self.not_ready_in_time(begun, &reasons(&status))?,
                Ok(status) => {
                    self.show(&status, output)?;
                    if !self.watch || output.reader_gone() {
                        return Ok(Exit::Done);
                    }
                    thread::sleep(INTERVAL);
                    output.next_picture();
                }
                // A token does not come by waiting.
                Err(failure) if self.wait && failure.exit != Exit::Usage => self.not_ready_in_time(begun, &failure.message)?,
                Err(failure) => return Err(failure),
            }
        }
    }

    fn ask(&self) -> Result<Status, Failure> {
        let answer = self.admin.get("/v1/status")?;
        if answer.status == 200 { answer.parse() } else { Err(answer.refusal()) }
    }

    fn show(&self, status: &Status, output: &mut Output) -> Result<(), Failure> {
        match self.output {
            Format::Json => output.json(status),
            Format::Table => {
                let text = for_people(status, output.paint());
                output.line(text);
                Ok(())
            }
        }
    }

    /// Sleeps for a moment, or ends the wait with the reason.
    fn not_ready_in_time(&self, begun: Instant, reason: &str) -> Result<(), Failure> {
        if begun.elapsed() >= Duration::from_secs(self.timeout) {
            return Err(Failure::new(Exit::TimedOut, format!("not ready after {} s: {reason}", self.timeout)));
        }
        thread::sleep(WAIT_INTERVAL);
        Ok(())
    }
}

/// The status for a person.
pub(super) fn for_people(status: &Status, paint: Paint) -> String {
    let ready = if status.ready { paint.good("ready") } else { paint.bad("not ready") };
    let mut parts = vec![format!("Leeward {}, up {}, {ready}", status.version, relative(status.uptime_seconds as u64))];
    parts.extend(status.checks.iter().filter(|check| !check.ok).map(|check| paint.bad(&format!("  {}: {}", check.name, check.detail))));
    let cluster = &status.cluster;
    let reachable = cluster.brokers.iter().filter(|broker| broker.reachable).count();
    parts.push(String::new());
    parts.push(format!(
        "cluster   {}, {} of {} brokers reachable, controller {}",
        cluster.cluster_id.as_deref().unwrap_or("(not known)"),
        reachable,
        cluster.brokers.len(),
        cluster.controller_id.map_or_else(|| "(not known)".to_owned(), |id| id.to_string())
    ));
    parts.push(format!("asked at  {}", cluster.bootstrap.join(", ")));
    parts.extend(guard(&status.guard, paint));
    let traffic = &status.traffic;
    parts.push(format!(
        "sessions  {} now, {} since the start; {} connections to brokers",
        traffic.sessions, traffic.sessions_opened, traffic.upstream_connections
    ));
    let in_flight = format!(
        "{} in flight ({}), {} held ({})",
        traffic.in_flight_requests,
        show_size(traffic.in_flight_bytes),
        traffic.held_requests,
        show_size(traffic.held_bytes)
    );
    parts.push(format!("requests  {} since the start, {in_flight}", traffic.requests));
    if !traffic.sessions_closed.is_empty() {
        let closed: Vec<_> = traffic.sessions_closed.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
        parts.push(format!("closed    {}", closed.join(", ")));
    }
    let limits: Vec<_> = status.limits.iter().map(|limit| format!("{} {}", limit.key, percent(limit.used, limit.max))).collect();
    parts.push(format!("limits    {}", limits.join(", ")));
    if !cluster.brokers.is_empty() {
        parts.push(String::new());
        let rows = cluster.brokers.iter().map(|broker| row(broker, paint));
        let traffic_of = cluster.brokers.iter().map(|broker| (broker.node_id, &broker.traffic));
        let sent = traffic_by_broker(traffic_of, paint);
        parts.push(table(&["NODE", "UPSTREAM", "VIRTUAL BROKER", "RACK", "STATE", "PRODUCE", "FETCH"], rows, paint));
        parts.extend([String::new(), sent]);
    }
    parts.join("\n")
}

fn guard(guard: &GuardStatus, paint: Paint) -> Vec<String> {
    let mode = if guard.mode == "watch" { ", only watching" } else { "" };
    let windows = match guard.windows.as_slice() {
        [] => "no window open".to_owned(),
        [_] => paint.good("1 window open"),
        more => paint.good(&format!("{} windows open", more.len())),
    };
    let mut lines = vec![format!("guard     absorb {}{mode}, {windows}", guard.absorb)];
    for window in &guard.windows {
        let head = format!("          {} for {} more, {}: ", window.id, relative(window.seconds_left), covers(&window.topics, &window.client_ids));
        lines.push(cut(&(head + &window.reason)));
    }
    lines
}

/// State: `unlisted` answers and is not in the metadata, `unreachable` is in the metadata and does not answer, `away` is neither.
fn row(broker: &BrokerStatus, paint: Paint) -> Vec<Cell> {
    let state = match (broker.reachable, broker.listed) {
        (true, true) => "reachable",
        (true, false) => "unlisted",
        (false, true) => "unreachable",
        (false, false) => "away",
    };
    let versions = |api: &str| broker.versions.get(api).map_or_else(|| "?".to_owned(), |[min, max]| format!("{min}-{max}"));
    vec![
        Cell::new(broker.node_id),
        Cell::new(&broker.upstream),
        Cell::new(&broker.virtual_broker),
        Cell::new(broker.rack.as_deref().unwrap_or("-")),
        paint.cell(state.to_owned(), !broker.reachable),
        Cell::new(versions("Produce")),
        Cell::new(versions("Fetch")),
    ]
}

fn reasons(status: &Status) -> String {
    status.checks.iter().filter(|check| !check.ok).map(|check| format!("{}: {}", check.name, check.detail)).collect::<Vec<_>>().join("; ")
}

fn percent(used: u64, max: u64) -> String {
    let hundredths = u128::from(used) * 100 / u128::from(max.max(1));
    if used > 0 && hundredths == 0 { "<1 %".to_owned() } else { format!("{hundredths} %") }
}
