//! What came of it, the two sides beside each other.

mod steady;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use super::words::{count, number, span};
use crate::demo::Verdict;
use crate::demo::book::{Fate, Pages};
use crate::demo::front::Ledger;
use crate::demo::histogram::Histogram;
use crate::demo::load::{Kind, Pace, Side, Step};
use crate::demo::story::Restart;

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
    /// `None` where nothing was to be restarted.
    story: Option<StoryEnd>,
    /// What went wrong beside records: in sentences, with the side that they are about.
    troubles: Vec<(Option<Side>, String)>,
}

#[derive(Debug, Clone, Default)]
struct StoryEnd {
    planned: Vec<Restart>,
    done: usize,
    ledger: Option<Ledger>,
}

#[derive(Debug, Clone, Default)]
struct SideEnd {
    fate: Fate,
    errors_seen: BTreeMap<String, u64>,
    errors_handled: BTreeMap<String, u64>,
    longest_unacknowledged: Option<Duration>,
    longest_unread: Option<Duration>,
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

    pub(in crate::demo) fn begin_story(&mut self, planned: Vec<Restart>) {
        self.story = Some(StoryEnd { planned, ..StoryEnd::default() });
    }

    pub(in crate::demo) fn is_story(&self) -> bool {
        self.story.is_some()
    }

    pub(in crate::demo) fn restarts_done(&mut self, done: usize) {
        if let Some(story) = &mut self.story {
            story.done = done;
        }
    }

    pub(in crate::demo) fn note_ledger(&mut self, ledger: Option<Ledger>) {
        if let Some(story) = &mut self.story {
            story.ledger = ledger;
        }
    }

    /// Something went wrong beside records.
    pub(in crate::demo) fn trouble(&mut self, side: Option<Side>, said: String) {
        self.troubles.push((side, said));
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
        let kind = |page: &crate::demo::book::KindPage| KindEnd { at_full_speed: page.at_full_speed, steady: page.steady.clone(), full: page.full.clone() };
        let end = SideEnd {
            fate: pages.fate(),
            errors_seen: pages.errors_seen(),
            errors_handled: pages.errors_handled(),
            longest_unacknowledged: pages.longest_unacknowledged(),
            longest_unread: pages.longest_unread(),
            kinds: pages.kinds.iter().map(|(&name, page)| (name, kind(page))).collect(),
            group: pages.group.steady.clone(),
            generations: pages.group.generations,
            commits: pages.group.commits,
        };
        self.sides.insert(side, end);
    }

    pub(in crate::demo) fn verdict(&self) -> Verdict {
        if self.harms().is_empty() { Verdict::Whole } else { Verdict::Harmed }
    }

    /// What went wrong that should not have, in sentences. In the story the direct side is there to show what restarts do; errors are no harm without restarts,
    /// where a client of a young cluster may meet some.
    fn harms(&self) -> Vec<String> {
        let mut harms = Vec::new();
        for side in Side::BOTH {
            let end = self.side(side);
            let is_sheltered = side == Side::Leeward || self.story.is_none();
            let Fate { acknowledged, stored: _, read: _, lost, gone, out_of_order, unread, stored_again, read_again, strange } = end.fate;
            let way = name(side);
            if acknowledged == 0 {
                harms.push(format!("{way}: nothing was acknowledged"));
            }
            if !is_sheltered {
                continue;
            }
            let mut harm = |of: u64, what: &str, how: &str| {
                if of > 0 {
                    harms.push(format!("{way}: {} {how}", count(of, what)));
                }
            };
            if self.story.is_some() {
                harm(end.errors_seen.values().sum(), "error", "seen by clients");
            }
            harm(lost, "record", "acknowledged but not stored");
            harm(gone, "record", "sent with acks=0 and not stored");
            harm(unread, "record", "stored but not read by the group");
            harm(stored_again, "record", "stored more than once");
            harm(read_again, "record", "read more than once");
            harm(out_of_order, "record", "stored out of order");
            harm(strange, "record", "that nobody sent");
        }
        let is_harm = |side: &Option<Side>| self.story.is_none() || *side != Some(Side::Direct);
        harms.extend(self.troubles.iter().filter(|(side, _)| is_harm(side)).map(said));
        harms
    }

    /// What went wrong for those who are there to show what goes wrong.
    fn notes(&self) -> Vec<String> {
        self.troubles.iter().filter(|(side, _)| self.story.is_some() && *side == Some(Side::Direct)).map(said).collect()
    }

    fn side(&self, side: Side) -> SideEnd {
        self.sides.get(&side).cloned().unwrap_or_default()
    }
}

fn said((side, said): &(Option<Side>, String)) -> String {
    side.map_or_else(|| said.clone(), |side| format!("{}: {said}", name(side)))
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Direct => "direct",
        Side::Leeward => "through Leeward",
    }
}

/// The summary as lines, without a last line break.
pub(in crate::demo) fn summary(summary: &Summary) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match &summary.story {
        Some(end) => story::write(&mut out, summary, end),
        None => steady::write(&mut out, summary),
    };
    out.trim_end().to_owned()
}

/// One number of what became of the records.
type Counted = fn(&Fate) -> u64;

fn counted(out: &mut String, summary: &Summary, rows: &[(&str, Counted)]) -> std::fmt::Result {
    rows.iter().try_for_each(|(what, of)| both(out, summary, what, |end| number(of(&end.fate))))
}

/// A row with the same thing of both sides.
fn both(out: &mut String, summary: &Summary, what: &str, of: impl Fn(&SideEnd) -> String) -> std::fmt::Result {
    row(out, what, &of(&summary.side(Side::Direct)), &of(&summary.side(Side::Leeward)))
}

fn row(out: &mut String, what: &str, direct: &str, leeward: &str) -> std::fmt::Result {
    writeln!(out, "{what:<38}{direct:>20}{leeward:>20}")
}

/// A row for each name of an error.
fn named(out: &mut String, summary: &Summary, of: fn(&SideEnd) -> &BTreeMap<String, u64>) -> std::fmt::Result {
    let [direct, leeward] = Side::BOTH.map(|side| of(&summary.side(side)).clone());
    let names: BTreeSet<&String> = direct.keys().chain(leeward.keys()).collect();
    let count = |errors: &BTreeMap<String, u64>, name| number(errors.get(name).copied().unwrap_or(0));
    names.into_iter().try_for_each(|name| row(out, &format!("  {name}"), &count(&direct, name), &count(&leeward, name)))
}

fn own_figures(out: &mut String, end: &LeewardEnd) -> std::fmt::Result {
    let (own_p50, own_p99) = (span(end.own_p50), span(end.own_p99));
    writeln!(out, "Leeward: {} requests, {:.1} s of CPU, own time p50 <= {own_p50}, p99 <= {own_p99}", number(end.requests), end.cpu_seconds)
}

fn conclusion(out: &mut String, summary: &Summary, good: &str) -> std::fmt::Result {
    summary.notes().iter().try_for_each(|note| writeln!(out, "{note}"))?;
    let harms = summary.harms();
    harms.iter().try_for_each(|harm| writeln!(out, "WRONG: {harm}"))?;
    if harms.is_empty() { writeln!(out, "{good}") } else { Ok(()) }
}
