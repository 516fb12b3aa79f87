//! The picture that is drawn over and over on a terminal.

use std::fmt::Write;
use std::time::Duration;

use super::words::{millis, number, rate, seconds, span};
use super::{BrokerRow, GroupRow, LeewardRow, Picture, SidePicture};

/// The picture is never wider; a wider terminal stays empty on the right.
const WIDTH_MAX: usize = 100;
/// Columns of the first column.
const NAME: usize = 15;
const BAR_MAX: usize = 40;

/// Draws in at most `width` columns: what is beyond is cut.
pub(in crate::demo) fn live(picture: &Picture, width: usize) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = draw(&mut text, picture, width.min(WIDTH_MAX));
    let cut = |line: &str| line.trim_end().chars().take(width).collect::<String>() + "\n";
    text.lines().map(cut).collect()
}

fn draw(out: &mut String, picture: &Picture, width: usize) -> std::fmt::Result {
    writeln!(out, "Leeward in front of {}", picture.title)?;
    writeln!(out, "{}", progress(picture, width))?;
    writeln!(out)?;
    brokers(out, &picture.brokers)?;
    writeln!(out)?;
    if let [direct, leeward] = picture.sides.as_slice() {
        sides(out, direct, leeward)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", own(picture.leeward.as_ref()))
}

fn progress(picture: &Picture, width: usize) -> String {
    let left = picture.total.saturating_sub(picture.elapsed);
    let said = format!(" {} left  {}", seconds(left), picture.doing);
    let columns = width.saturating_sub(said.chars().count() + 2).clamp(10, BAR_MAX);
    let done = share(picture.elapsed, picture.total, columns);
    format!("[{}{}]{said}", "#".repeat(done), ".".repeat(columns - done))
}

fn share(elapsed: Duration, total: Duration, of: usize) -> usize {
    let share = elapsed.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
    ((share.clamp(0.0, 1.0) * of as f64).round() as usize).min(of)
}

fn brokers(out: &mut String, brokers: &[BrokerRow]) -> std::fmt::Result {
    writeln!(out, "{:<NAME$}{:<18}{:<18}{:>6}  state", "broker", "its own address", "virtual broker", "leads")?;
    for broker in brokers {
        let leads = broker.leads.map_or("-".to_owned(), |leads| leads.to_string());
        let state = if broker.is_up { "up" } else { "DOWN" };
        writeln!(out, "{:<NAME$}{:<18}{:<18}{leads:>6}  {state}", broker.node_id, broker.address, broker.virtual_broker)?;
    }
    Ok(())
}

fn sides(out: &mut String, direct: &SidePicture, leeward: &SidePicture) -> std::fmt::Result {
    writeln!(out, "{:<NAME$}---- direct ----------------     ---- through Leeward -------", "")?;
    writeln!(out, "{:<NAME$}{}   {}", "producers", heading(), heading())?;
    for (left, right) in direct.kinds.iter().zip(&leeward.kinds) {
        let cells = |row: &super::KindRow| cells(&rate(row.per_second), row.p50, row.p99, row.errors);
        writeln!(out, "{:<NAME$}{}   {}", left.kind.label(), cells(left), cells(right))?;
    }
    let cells = |row: &GroupRow| cells(&rate(row.per_second), row.p50, row.p99, row.errors);
    writeln!(out, "{:<NAME$}{}   {}", "consumer group", cells(&direct.group), cells(&leeward.group))?;
    let members = |row: &GroupRow| format!("{} members, lag {}", row.members, number(u64::try_from(row.lag).unwrap_or(0)));
    writeln!(out, "{:<NAME$}{:<30}   {}", "", members(&direct.group), members(&leeward.group))
}

fn heading() -> String {
    cells_of("records/s", "p50 ms", "p99 ms", "err")
}

fn cells(per_second: &str, p50: Option<Duration>, p99: Option<Duration>, errors: u64) -> String {
    cells_of(per_second, &millis(p50), &millis(p99), &number(errors))
}

/// 30 columns.
fn cells_of(rate: &str, p50: &str, p99: &str, errors: &str) -> String {
    format!("{rate:>9}{p50:>8}{p99:>8}{errors:>5}")
}

fn own(leeward: Option<&LeewardRow>) -> String {
    let Some(row) = leeward else { return "Leeward does not answer on its admin endpoint".to_owned() };
    format!(
        "Leeward: {} sessions, {} requests/s, own time p50 <= {}, p99 <= {}\n         {} error codes from brokers, {:.0} % of a core, {} MiB",
        number(row.sessions),
        rate(row.requests_per_second),
        span(row.own_p50),
        span(row.own_p99),
        number(row.errors),
        row.cpu * 100.0,
        number(row.memory_bytes >> 20)
    )
}
