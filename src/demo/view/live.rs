//! The picture that is drawn over and over on a terminal.

use std::fmt::Write;
use std::time::Duration;

use super::words::{count, millis, number, rate, seconds, span};
use super::{BrokerRow, GroupRow, LeewardRow, Picture, SidePicture};
use crate::admin::report::Counts;
use crate::demo::observe::Moment;

/// The picture is never wider; a wider terminal stays empty on the right.
const WIDTH_MAX: usize = 100;
/// Columns of the first column.
const NAME: usize = 14;
/// Of each side's figures.
const SIDE: usize = 31;
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
    writeln!(out, "{}", own(picture.leeward.as_ref()))?;
    if let Some(so_far) = picture.ledger.as_ref().filter(|ledger| ledger.restarts > 0 || ledger.counts.holds.begun > 0) {
        writeln!(out, "         {}", ledger(&so_far.counts))?;
    }
    if !picture.moment.said.is_empty() {
        writeln!(out)?;
    }
    picture.moment.said.iter().try_for_each(|said| writeln!(out, "{said}"))
}

fn progress(picture: &Picture, width: usize) -> String {
    let Moment { elapsed, total, share, doing, .. } = &picture.moment;
    let time = total.map_or_else(|| seconds(*elapsed), |total| format!("{} left", seconds(total.saturating_sub(*elapsed))));
    let said = format!(" {time}  {doing}");
    let columns = width.saturating_sub(said.chars().count() + 2).clamp(10, BAR_MAX);
    let done = ((share.clamp(0.0, 1.0) * columns as f64).round() as usize).min(columns);
    format!("[{}{}]{said}", "#".repeat(done), ".".repeat(columns - done))
}

fn brokers(out: &mut String, brokers: &[BrokerRow]) -> std::fmt::Result {
    writeln!(out, "{:<NAME$}{:<18}{:<18}{:>6}  state", "broker", "its own address", "virtual broker", "leads")?;
    for broker in brokers {
        let leads = broker.leads.map_or("-".to_owned(), |leads| leads.to_string());
        let BrokerRow { node_id, address, virtual_broker, state, .. } = broker;
        writeln!(out, "{node_id:<NAME$}{address:<18}{virtual_broker:<18}{leads:>6}  {state}")?;
    }
    Ok(())
}

fn sides(out: &mut String, direct: &SidePicture, leeward: &SidePicture) -> std::fmt::Result {
    writeln!(out, "{:<NAME$}  {:-<w$}     {:-<w$}", "", "---- direct ", "---- through Leeward ", w = SIDE - 2)?;
    writeln!(out, "{:<NAME$}{}   {}", "producers", heading(), heading())?;
    for (left, right) in direct.kinds.iter().zip(&leeward.kinds) {
        let cells = |row: &super::KindRow| cells(&rate(row.per_second), row.p50, row.p99, row.errors);
        writeln!(out, "{:<NAME$}{}   {}", left.kind.label(), cells(left), cells(right))?;
    }
    let cells = |row: &GroupRow| cells(&rate(row.per_second), row.p50, row.p99, row.errors);
    writeln!(out, "{:<NAME$}{}   {}", "consumer group", cells(&direct.group), cells(&leeward.group))?;
    let members = |row: &GroupRow| format!("{} members, lag {}", row.members, number(u64::try_from(row.lag).unwrap_or(0)));
    writeln!(out, "{:<NAME$}  {:<w$}   {}", "", members(&direct.group), members(&leeward.group), w = SIDE)
}

fn heading() -> String {
    cells_of("records/s", "p50 ms", "p99 ms", "errors")
}

fn cells(per_second: &str, p50: Option<Duration>, p99: Option<Duration>, errors: u64) -> String {
    cells_of(per_second, &millis(p50), &millis(p99), &number(errors))
}

/// [`SIDE`] columns.
fn cells_of(rate: &str, p50: &str, p99: &str, errors: &str) -> String {
    format!("{rate:>9}{p50:>7}{p99:>7}{errors:>8}")
}

fn ledger(counts: &Counts) -> String {
    let longest = Duration::try_from_secs_f64(counts.holds.longest_seconds).ok();
    let held = number(u64::try_from(counts.holds.held).unwrap_or(0));
    let (absorbed, reached) = (count(counts.absorbed(), "error"), number(counts.reached()));
    format!("{absorbed} absorbed, {reached} let through; {held} requests held now, the longest so far {}", span(longest))
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
