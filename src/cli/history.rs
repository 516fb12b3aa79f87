//! `leeward history`: how much traffic there was.

use clap::{Args, ValueEnum};
use comfy_table::Cell;

use super::client::{AdminAddress, encoded};
use super::output::{Output, Paint, cut, indented, table};
use super::traffic::size;
use super::{Exit, Format, Outcome};
use crate::admin::history::{HistoryRow, Point, TrafficHistory};

const EXAMPLES: &str = "\
Examples:
  leeward history
  leeward history --by client --last 7d --top 20
  leeward history --by broker --last 90m
  leeward history --name orders --last 5w -o json | jq '.rows[].points'

Figures by topic are estimated from samples; those by client and by broker are counted.
Minutes are kept for a day, hours for five weeks, over restarts of Leeward. In a time line
a dot is time in which Leeward did not run.";

/// Columns of a time line.
const LINE_MAX: usize = 36;
/// Characters of a name in a table.
const NAME_MAX: usize = 28;
/// From nothing (a blank) to the most.
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// What a row is of
    #[arg(long, value_enum, default_value_t = By::Topic)]
    by: By,
    /// How far back, such as 90m, 24h, 7d or 5w
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    last: String,
    /// How many rows, the busiest first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    top: u32,
    /// Only rows whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// How far apart the points of the time line are [default: minutes up to 3h, then hours]
    #[arg(long, value_enum)]
    step: Option<Step>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Topic,
    Client,
    Broker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Minute,
    Hour,
}

impl HistoryArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let history: TrafficHistory = self.admin.get(&self.path())?.expect()?;
        match self.output {
            Format::Json => output.json(&history)?,
            Format::Table => output.line(text(&history, self.by.heading(), output.paint())),
        }
        Ok(Exit::Done)
    }

    fn path(&self) -> String {
        let mut path = format!("/v1/history?by={}&last={}&top={}", self.by.heading().to_lowercase(), encoded(&self.last), self.top);
        if let Some(name) = &self.name {
            path += &format!("&name={}", encoded(name));
        }
        match self.step {
            Some(Step::Minute) => path += "&step=minute",
            Some(Step::Hour) => path += "&step=hour",
            None => {}
        }
        path
    }
}

impl By {
    fn heading(self) -> &'static str {
        match self {
            By::Topic => "TOPIC",
            By::Client => "CLIENT",
            By::Broker => "BROKER",
        }
    }
}

fn text(history: &TrafficHistory, heading: &str, paint: Paint) -> String {
    let mut parts = vec![head(history)];
    parts.extend(history.problem.as_ref().map(|problem| paint.bad(&indented("", problem))));
    let all = history.rows.iter().map(HistoryRow::bytes).sum::<u64>().saturating_add(history.rest.bytes());
    let mut rows: Vec<Vec<Cell>> = history.rows.iter().map(|row| cells(&shortened(&row.name), row, all, &history.seen)).collect();
    if history.more > 0 {
        rows.push(cells(&format!("({} more)", history.more), &history.rest, all, &history.seen));
    }
    if rows.is_empty() {
        parts.push("nothing was carried in this time".to_owned());
    } else {
        let each = if history.step_seconds == 60 { "MINUTES" } else { "HOURS" };
        parts.push(table(&[heading, "REQUESTS", "TO BROKERS", "TO CLIENTS", "SHARE", each], rows, paint));
    }
    parts.join("\n\n")
}

fn head(history: &TrafficHistory) -> String {
    let seen = history.seen.iter().sum::<f64>() * history.step_seconds as f64;
    let rate = if seen > 0.0 { history.total.bytes() as f64 / seen } else { 0.0 };
    let about = if history.estimated { "; what each topic has is estimated" } else { "" };
    let TrafficHistory { from, until, total, .. } = history;
    let asked = history.seen.len() as f64 * history.step_seconds as f64;
    let hole = if seen < 0.5 * asked { format!("; Leeward saw {} of it", length(seen)) } else { String::new() };
    let mean = size(rate);
    let (to_brokers, to_clients) = (size(total.to_brokers_bytes as f64), size(total.to_clients_bytes as f64));
    indented("", &format!("{from} to {until}: {} requests, {to_brokers} to brokers, {to_clients} to clients, {mean}/s on average{about}{hole}", total.requests))
}

/// Seconds in the unit that is read best.
fn length(seconds: f64) -> String {
    match seconds {
        0.0..120.0 => format!("{seconds:.0} s"),
        120.0..7200.0 => format!("{:.0} minutes", seconds / 60.0),
        120.0..172_800.0 => format!("{:.1} hours", seconds / 3600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

fn cells(name: &str, row: &HistoryRow, all: u64, seen: &[f64]) -> Vec<Cell> {
    // The last minute or hour goes on, and others may have been seen in part: what is drawn is how busy it was, not how much there was of it.
    let rate = |(point, seen): (&Option<Point>, &f64)| point.filter(|_| *seen > 0.0).map(|point| point.bytes() as f64 / seen);
    let rates: Vec<Option<f64>> = row.points.iter().zip(seen).map(rate).collect();
    let share = if all == 0 { 0.0 } else { row.bytes() as f64 * 100.0 / all as f64 };
    vec![
        Cell::new(name),
        Cell::new(row.requests),
        Cell::new(size(row.to_brokers_bytes as f64)),
        Cell::new(size(row.to_clients_bytes as f64)),
        Cell::new(format!("{share:.0}%")),
        Cell::new(line(&rates)),
    ]
}

/// Names come from clients: one line each, and no longer than a table bears.
fn shortened(name: &str) -> String {
    let name = if name.is_empty() { "(none)" } else { name };
    let name = cut(name);
    if name.chars().count() <= NAME_MAX { name } else { name.chars().take(NAME_MAX - 1).chain(['…']).collect() }
}

/// A time line of at most [`LINE_MAX`] columns; each has the mean of what was seen of its points, as a share of the highest.
fn line(points: &[Option<f64>]) -> String {
    let each = points.len().div_ceil(LINE_MAX).max(1);
    let columns: Vec<Option<f64>> = points
        .chunks(each)
        .map(|chunk| {
            let seen: Vec<f64> = chunk.iter().filter_map(|point| *point).collect();
            (!seen.is_empty()).then(|| seen.iter().sum::<f64>() / seen.len() as f64)
        })
        .collect();
    let most = columns.iter().flatten().copied().fold(0.0, f64::max);
    let level = |value: f64| {
        // What is more than nothing is seen.
        let share = if most > 0.0 { (value / most * 8.0).ceil() } else { 0.0 };
        LEVELS.get(share as usize).copied().unwrap_or('█')
    };
    columns.iter().map(|column| column.map_or('·', level)).collect()
}

#[cfg(test)]
mod tests;
