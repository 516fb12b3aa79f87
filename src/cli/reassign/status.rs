//! `leeward reassign status`, and how a reassignment is shown.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::Cell;

use crate::cli::maintenance::Ask;
use crate::cli::output::{Output, Paint, cut, indented, relative, table};
use crate::cli::{Exit, Failure, Outcome};
use crate::config::{parse_duration, show_duration};
use crate::reassign::api::{LegView, ReassignStatus, ReassignView};

pub(super) const EXAMPLES: &str = "\
Examples:
  leeward reassign status
  leeward reassign status --watch
  leeward reassign status --wait --timeout 6h && echo done
  leeward reassign status -o json | jq -r .assignment_before > before.json

Exit codes: 0, or with --wait all moved, or all back; 1 none, 3 stopped by a problem or paused, 4 not done in
time.";

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Characters of the bar.
const BAR: usize = 40;

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
pub(super) struct Wait {
    /// Wait until it is over
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "24h", requires = "wait", value_parser = parse_duration)]
    timeout: Duration,
}

impl StatusArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        if self.wait.wait {
            let now = the_reassignment(&self.ask)?;
            let end = if now.state.starts_with("roll") { "rolled back" } else { "done" };
            return self.wait.until_over(&self.ask, &now.id, end, output);
        }
        loop {
            let now = the_reassignment(&self.ask)?;
            if self.watch {
                output.next_picture();
            }
            self.ask.show(&now, output, show)?;
            if !self.watch || output.reader_gone() {
                return Ok(Exit::Done);
            }
            thread::sleep(LOOK);
        }
    }
}

impl Wait {
    /// Says every change until it is in the state `wanted`.
    pub(super) fn until_over(&self, ask: &Ask, id: &str, wanted: &str, output: &mut Output) -> Outcome {
        let (end, mut said) = (Instant::now() + self.timeout, String::new());
        loop {
            let now = match the_reassignment(ask) {
                Ok(now) => now,
                // A Leeward that is started again goes on where it was.
                Err(failure) if Instant::now() >= end || failure.exit == Exit::Usage => return Err(failure),
                Err(_) => {
                    thread::sleep(LOOK);
                    continue;
                }
            };
            let told = format!("reassignment {id}: {}", now.sentence);
            let outcome = match now.state.as_str() {
                _ if now.id != id => return Err(Failure::new(Exit::Failed, format!("reassignment {id} is gone; there is {} now", now.id))),
                state if state == wanted => Some(Ok(Exit::Done)),
                "done" | "rolled back" => Some(Err(Failure::new(Exit::Failed, told))),
                "stuck" | "paused" => Some(Err(Failure::new(Exit::Blocked, told))),
                _ if Instant::now() >= end => Some(Err(Failure::new(Exit::TimedOut, format!("{told}; not over within {}", show_duration(self.timeout))))),
                _ => None,
            };
            if let Some(outcome) = outcome {
                ask.show(&now, output, show)?;
                return outcome;
            }
            let news = format!("{:>3.0} % {}", now.fraction * 100.0, now.sentence);
            if news != said {
                output.error(&news);
                said = news;
            }
            thread::sleep(LOOK);
        }
    }
}

pub(super) fn the_reassignment(ask: &Ask) -> Result<ReassignView, Failure> {
    let status: ReassignStatus = ask.admin.get("/v1/reassign")?.expect()?;
    status.reassignment.ok_or_else(|| Failure::new(Exit::Failed, "there was no reassignment yet; leeward reassign run begins one"))
}

/// What is moved, in a sentence.
pub(super) fn what(view: &ReassignView) -> String {
    let partitions: usize = view.topics.iter().map(|leg| leg.partitions).sum();
    let rate = format!("with between {} and {} a second for each broker", size(view.throttle_min), size(view.throttle_max));
    indented("", &format!("{partitions} partitions of {} topics, {} to be copied, {rate}", view.topics.len(), size(view.bytes)))
}

/// The whole reassignment: how far it is, and each topic.
pub(super) fn show(view: &ReassignView, paint: Paint) -> String {
    let ended = view.ended.as_ref().map(|ended| format!(", ended {ended} after {}", relative(view.seconds)));
    let when = ended.map_or_else(|| format!("{} ago", relative(view.seconds)), |ended| format!("{}{ended}", view.begun));
    let mut lines = vec![indented("", &format!("reassignment {} ({}), by {}, begun {when}", view.id, view.reason, view.author))];
    let left = view.seconds_left.map(|seconds| format!(", about {} left", relative(seconds))).unwrap_or_default();
    lines.push(format!("{} {:>3.0} %{left}", bar(view.fraction), view.fraction * 100.0));
    lines.push(indented("", &view.sentence));
    lines.extend(view.old_view.as_ref().map(|old| paint.bad(&indented("", old))));
    if view.ended.is_none() {
        lines.push(indented("", &throttle(view)));
    }
    if let Some(hands) = &view.by_hand {
        lines.push("brokers before Kafka 2.4 have no API for it: run on a broker, one after the other; Leeward follows".to_owned());
        lines.extend(hands.commands.iter().map(|command| format!("  {command}")));
        lines.push(match &hands.file {
            Some(file) => format!("the file for them: {file}"),
            None => format!("the file for them is to hold: {}", hands.json),
        });
    }
    let rows = view.topics.iter().map(|leg| row(leg, view, paint));
    lines.push(String::new());
    lines.push(table(&["topic", "step", "partitions", "copied", "time", "waits for"], rows, paint));
    lines.join("\n")
}

fn row(leg: &LegView, view: &ReassignView, paint: Paint) -> Vec<Cell> {
    let wrong = view.state == "stuck" && leg.waits_for.is_some();
    vec![
        Cell::new(cut(&leg.topic)),
        paint.cell(leg.step.clone(), wrong),
        Cell::new(leg.partitions),
        Cell::new(format!("{} of {}", size(leg.copied_bytes), size(leg.bytes))),
        Cell::new(leg.seconds.map(relative).unwrap_or_default()),
        Cell::new(leg.waits_for.as_deref().unwrap_or("")),
    ]
}

fn throttle(view: &ReassignView) -> String {
    let p99 = |p99: Option<f64>| p99.map_or_else(|| "unknown".to_owned(), |p99| format!("{p99:.1} ms"));
    let set = if view.throttled.is_empty() { "set nowhere now".to_owned() } else { format!("set at {} places", view.throttled.len()) };
    let writes = format!("99 of 100 writes take {}, {} before it began", p99(view.produce_p99_ms), p99(view.produce_p99_before_ms));
    format!("throttle {} a second ({} to {}), {set}; {writes}", size(view.throttle), size(view.throttle_min), size(view.throttle_max))
}

/// With one digit, in the largest unit.
fn size(bytes: u64) -> String {
    let unit = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)].into_iter().find(|(_, unit)| bytes >= *unit);
    #[expect(clippy::cast_precision_loss, reason = "one digit of it is shown")]
    let show = |(name, unit): (&str, u64)| format!("{:.1} {name}", bytes as f64 / unit as f64);
    unit.map_or_else(|| format!("{bytes} B"), show)
}

fn bar(fraction: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the bar's length")]
    let full = (fraction.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full.min(BAR)))
}
