//! The end of the story: what restarts did to either side, and what Leeward's ledger says of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::{Counted, StoryEnd, Summary, both, conclusion, counted, name, named, own_figures, row};
use crate::demo::front::Ledger;
use crate::demo::load::Side;
use crate::demo::story::account;
use crate::demo::view::words::{count, number, seconds, span};

pub(super) fn write(out: &mut String, summary: &Summary, end: &StoryEnd) -> std::fmt::Result {
    let ended = if summary.interrupted { ", ended early" } else { "" };
    writeln!(out, "\n{} in front of {}{ended}:\n{}\n", seconds(summary.lasted), summary.title, account(&end.planned, end.done))?;
    row(out, "", name(Side::Direct), name(Side::Leeward))?;
    both(out, summary, "errors seen by clients", |end| number(end.errors_seen.values().sum()))?;
    named(out, summary, |end| &end.errors_seen)?;
    let harms: [(&str, Counted); 5] = [
        ("records acknowledged but lost", |fate| fate.lost),
        ("records lost without a word (acks=0)", |fate| fate.gone),
        ("duplicates: stored more than once", |fate| fate.stored_again),
        ("duplicates: read more than once", |fate| fate.read_again),
        ("records stored out of order", |fate| fate.out_of_order),
    ];
    counted(out, summary, &harms)?;
    both(out, summary, "longest without an acknowledgement", |end| span(end.longest_unacknowledged))?;
    both(out, summary, "longest without a record to read", |end| span(end.longest_unread))?;
    writeln!(out)?;
    let fates: [(&str, Counted); 4] = [
        ("records acknowledged", |fate| fate.acknowledged),
        ("records stored (brokers' own logs)", |fate| fate.stored),
        ("records read by the group", |fate| fate.read),
        ("records stored, but not read", |fate| fate.unread),
    ];
    counted(out, summary, &fates)?;
    both(out, summary, "group generations / offset commits", |end| format!("{} / {}", end.generations, number(end.commits)))?;
    both(out, summary, "errors that libraries got over", |end| number(end.errors_handled.values().sum()))?;
    named(out, summary, |end| &end.errors_handled)?;
    writeln!(out)?;
    match &end.ledger {
        Some(end) => ledger(out, end)?,
        None => writeln!(out, "Leeward's ledger has nothing to tell")?,
    }
    if let Some(end) = &summary.leeward {
        own_figures(out, end)?;
    }
    writeln!(out)?;
    let restarts = count(u64::try_from(end.done).unwrap_or(u64::MAX), "restart");
    conclusion(out, summary, &format!("Through Leeward: no error, nothing lost, nothing twice, everything read, in {restarts} of brokers."))
}

/// What the guard did, in its own words.
fn ledger(out: &mut String, Ledger { restarts, counts: total }: &Ledger) -> std::fmt::Result {
    let longest = Duration::try_from_secs_f64(total.holds.longest_seconds).ok();
    writeln!(out, "Leeward's ledger, in which a broker was lost {}:", count(*restarts, "time"))?;
    writeln!(out, "  held {}, the longest for {}", count(total.holds.begun, "request"), span(longest))?;
    let losses = count(total.absorbed_losses, "lost request");
    writeln!(out, "  absorbed {losses} and {}", errors(&total.absorbed_errors))?;
    let (raised, numbered) = (count(total.acks_raised, "request"), count(total.batches_numbered, "batch"));
    let numbered = numbered.replace("batchs", "batches");
    writeln!(out, "  raised acks of {raised}, numbered {numbered}; brokers dropped {}", count(total.duplicates_dropped, "duplicate"))?;
    writeln!(out, "  let through to clients {}", errors(&total.reached_errors))
}

/// `12 errors (NOT_LEADER_OR_FOLLOWER 10, REQUEST_TIMED_OUT 2)`.
fn errors(by_name: &BTreeMap<String, u64>) -> String {
    let sum = count(by_name.values().sum(), "error");
    let names: Vec<String> = by_name.iter().map(|(name, count)| format!("{name} {}", number(*count))).collect();
    if names.is_empty() { sum } else { format!("{sum} ({})", names.join(", ")) }
}
