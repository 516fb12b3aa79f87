//! What came of it, the two sides beside each other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::words::{count, millis, number, rate, seconds, span};
use crate::demo::Verdict;
use crate::demo::book::{Fate, Pages};
use crate::demo::histogram::Histogram;
use crate::demo::load::{Kind, Pace, Side, Step};

/// Everything that the end needs to know.
#[derive(Debug, Clone, Default)]
pub(in crate::demo) struct Summary {
    title: String,
    pub(in crate::demo) lasted: Duration,
    pub(in crate::demo) interrupted: bool,
    sides: BTreeMap<Side, SideEnd>,
    leeward: Option<LeewardEnd>,
    /// How long each side was at full speed.
    full_speed: BTreeMap<Side, Duration>,
    /// What went wrong beside records: in sentences.
    pub(in crate::demo) troubles: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct SideEnd {
    fate: Fate,
    errors: BTreeMap<String, u64>,
    kinds: BTreeMap<Kind, KindEnd>,
    group: Histogram,
    generations: u64,
    commits: u64,
}

#[derive(Debug, Clone, Default)]
struct KindEnd {
    at_full_speed: u64,
    steady: Histogram,
    full: Histogram,
}

#[derive(Debug, Clone, Copy)]
struct LeewardEnd {
    requests: u64,
    cpu_seconds: f64,
    own_p50: Option<Duration>,
    own_p99: Option<Duration>,
}

impl Summary {
    pub(in crate::demo) fn new(title: String) -> Self {
        Summary { title, ..Summary::default() }
    }

    pub(in crate::demo) fn note_step(&mut self, step: &Step) {
        for side in Side::BOTH {
            if step.orders.of(side) == Some(Pace::Full) {
                *self.full_speed.entry(side).or_default() += step.lasts;
            }
        }
    }

    pub(in crate::demo) fn note_leeward(&mut self, requests: u64, cpu_seconds: f64, own_p50: Option<Duration>, own_p99: Option<Duration>) {
        self.leeward = Some(LeewardEnd { requests, cpu_seconds, own_p50, own_p99 });
    }

    pub(in crate::demo) fn note_side(&mut self, side: Side, pages: &Pages) {
        let mut errors = pages.group.errors.clone();
        for (label, count) in pages.kinds.values().flat_map(|page| &page.errors) {
            *errors.entry(label.clone()).or_default() += count;
        }
        let kind = |page: &crate::demo::book::KindPage| KindEnd { at_full_speed: page.at_full_speed, steady: page.steady.clone(), full: page.full.clone() };
        let kinds = pages.kinds.iter().map(|(&name, page)| (name, kind(page))).collect();
        let (group, generations, commits) = (pages.group.steady.clone(), pages.group.generations, pages.group.commits);
        self.sides.insert(side, SideEnd { fate: pages.fate(), errors, kinds, group, generations, commits });
    }

    pub(in crate::demo) fn verdict(&self) -> Verdict {
        if self.harms().is_empty() { Verdict::Whole } else { Verdict::Harmed }
    }

    /// What went wrong, in sentences.
    fn harms(&self) -> Vec<String> {
        let mut harms = Vec::new();
        for side in Side::BOTH {
            let end = self.side(side);
            let Fate { acknowledged, stored: _, read: _, lost, unread, stored_again, read_again, strange } = end.fate;
            let way = name(side);
            let mut harm = |records: u64, what: &str| {
                if records > 0 {
                    harms.push(format!("{way}: {} {what}", count(records, "record")));
                }
            };
            harm(lost, "acknowledged but not stored");
            harm(unread, "stored but not read by the group");
            harm(stored_again, "stored more than once");
            harm(read_again, "read more than once");
            harm(strange, "that nobody sent");
            if acknowledged == 0 {
                harms.push(format!("{way}: nothing was acknowledged"));
            }
        }
        harms.extend(self.troubles.iter().cloned());
        harms
    }

    fn side(&self, side: Side) -> SideEnd {
        self.sides.get(&side).cloned().unwrap_or_default()
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Direct => "direct",
        Side::Leeward => "through Leeward",
    }
}

/// One number of what became of the records.
type Counted = fn(&Fate) -> u64;

/// The summary as lines, without a last line break.
pub(in crate::demo) fn summary(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, summary);
    out.trim_end().to_owned()
}

fn write(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let ended = if summary.interrupted { ", ended early" } else { "" };
    writeln!(out, "\n{} in front of {}{ended}\n", seconds(summary.lasted), summary.title)?;
    let (direct, leeward) = (summary.side(Side::Direct), summary.side(Side::Leeward));
    row(out, "", name(Side::Direct), name(Side::Leeward))?;
    let fates: [(&str, Counted); 6] = [
        ("records acknowledged", |fate| fate.acknowledged),
        ("records stored (brokers' own logs)", |fate| fate.stored),
        ("records read by the group", |fate| fate.read),
        ("acknowledged but lost", |fate| fate.lost),
        ("stored more than once", |fate| fate.stored_again),
        ("read more than once", |fate| fate.read_again),
    ];
    for (what, of) in fates {
        row(out, what, &number(of(&direct.fate)), &number(of(&leeward.fate)))?;
    }
    let errors = |end: &SideEnd| number(end.errors.values().sum());
    row(out, "errors seen by clients", &errors(&direct), &errors(&leeward))?;
    let group = |end: &SideEnd| format!("{} / {}", end.generations, number(end.commits));
    row(out, "group generations / offset commits", &group(&direct), &group(&leeward))?;
    writeln!(out, "\nsteady load, both at once: p50 / p99 ms")?;
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::AcksNone) {
        let of = |end: &SideEnd| end.kinds.get(&kind).map_or_else(|| "-".to_owned(), |kind| quantiles(&kind.steady));
        row(out, &format!("  {}, batches of {}", kind.label(), count(kind.batch_records(), "record")), &of(&direct), &of(&leeward))?;
    }
    row(out, "  from sending to reading", &quantiles(&direct.group), &quantiles(&leeward.group))?;
    writeln!(out, "\nfull speed, in turns: acknowledged records/s, p50 / p99 ms")?;
    for kind in Kind::ALL {
        let of = |side: Side, end: &SideEnd| {
            let lasted = summary.full_speed.get(&side).copied().unwrap_or_default().as_secs_f64();
            let Some(kind) = end.kinds.get(&kind).filter(|_| lasted > 0.0) else { return "-".to_owned() };
            let quantiles = if kind.full.count() > 0 { format!(", {}", quantiles(&kind.full)) } else { String::new() };
            format!("{}{quantiles}", rate(kind.at_full_speed as f64 / lasted))
        };
        row(out, &format!("  {}", kind.label()), &of(Side::Direct, &direct), &of(Side::Leeward, &leeward))?;
    }
    if let Some(end) = &summary.leeward {
        let (own_p50, own_p99) = (span(end.own_p50), span(end.own_p99));
        writeln!(out, "\nLeeward: {} requests, {:.1} s of CPU, own time p50 <= {own_p50}, p99 <= {own_p99}", number(end.requests), end.cpu_seconds)?;
    }
    for side in Side::BOTH {
        for (label, count) in &summary.side(side).errors {
            writeln!(out, "{} clients saw {label}: {}", name(side), number(*count))?;
        }
    }
    writeln!(out)?;
    let harms = summary.harms();
    for harm in &harms {
        writeln!(out, "WRONG: {harm}")?;
    }
    if harms.is_empty() {
        writeln!(out, "Nothing was lost, nothing came twice, everything was read.")?;
    }
    Ok(())
}

fn row(out: &mut String, what: &str, direct: &str, leeward: &str) -> std::fmt::Result {
    writeln!(out, "{what:<36}{direct:>21}{leeward:>21}")
}

fn quantiles(histogram: &Histogram) -> String {
    format!("{} / {}", millis(histogram.quantile(0.5)), millis(histogram.quantile(0.99)))
}
