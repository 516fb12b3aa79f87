//! Maintenance windows: which are open, which open by themselves, and which there were. Time is a value that is passed in.
//!
//! ```text
//!             open (operator, schedule, detection)
//!  (nothing) ─────────────────────────────────────▶ open ── close, expiry, quiet ──▶ history
//!                                                   └──┘ prolong (detection, schedule)
//! ```
//!
//! **Invariant: a window ends.** Every window has a moment at which it closes by itself, at most [`Limits::window_max`] after it was opened or, for
//! a schedule's, after its latest start.

mod schedule;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

pub use schedule::Schedule;

use super::policy::{Policy, Scope, WindowScope};
use super::time::Millis;
use crate::config::{Guard, show_duration};

/// Windows that are open at a time: one for each team that shares a cluster.
pub const OPEN_MAX: usize = 32;
/// Schedules: one for each weekday of several groups of topics.
pub const SCHEDULES_MAX: usize = 64;
/// Closed windows that are remembered; the audit file has all.
pub const HISTORY_MAX: usize = 100;
/// Topics, or client ids, in one window: what an operator can write and read.
pub const NAMES_MAX: usize = 1000;
/// Bytes of a reason, an author or a name. Kafka's topic names have 249 at most.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Who had a window opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Operator,
    Schedule,
    Detection,
}

impl Origin {
    pub fn label(self) -> &'static str {
        match self {
            Origin::Operator => "operator",
            Origin::Schedule => "schedule",
            Origin::Detection => "detection",
        }
    }
}

/// What a window covers; an empty set is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    pub topics: BTreeSet<String>,
    pub client_ids: BTreeSet<String>,
}

/// One open window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub id: String,
    pub coverage: Coverage,
    pub reason: String,
    pub author: String,
    pub origin: Origin,
    /// The schedule that opened it.
    pub schedule: Option<String>,
    pub opened: Millis,
    pub expires: Millis,
}

/// A window that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    pub window: Window,
    pub closed: Millis,
    pub by: String,
    pub why: String,
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub coverage: Coverage,
    pub reason: String,
    pub author: String,
    pub origin: Origin,
    pub lasts: Millis,
}

/// Something that happened by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Opened(Window),
    Prolonged { before: Window, after: Window },
    Closed(Closed),
}

/// Why something is not done. Each says what, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error("there is no reason; say why (--reason), the audit file keeps it")]
    NoReason,
    #[error("{what} has more than {TEXT_BYTES_MAX} bytes, or is empty; shorten it")]
    Text { what: &'static str },
    #[error("{0} names are more than {NAMES_MAX}; leave the list out to cover everything")]
    Names(usize),
    #[error("{} is longer than guard.window_max, {}; ask for less, or raise it and reload", show_millis(*.asked), show_millis(*.max))]
    TooLong { asked: Millis, max: Millis },
    #[error("a window of no length covers nothing; ask for at least one second (--for)")]
    NoLength,
    #[error("{OPEN_MAX} windows are open already; close one first")]
    TooMany,
    #[error("there are {SCHEDULES_MAX} schedules already; remove one first")]
    TooManySchedules,
    #[error("no window is open; there is nothing to close")]
    NoneOpen,
    #[error("there is no open window {0}; `leeward maintenance status` shows those that are")]
    NoSuchWindow(String),
    #[error("there is no schedule {0}; `leeward maintenance schedule list` shows those that there are")]
    NoSuchSchedule(String),
    #[error("\"{cron}\" is no schedule: {problem}; write minute hour day month weekday, such as \"0 2 * * SAT\"")]
    Cron { cron: String, problem: String },
    #[error("\"{0}\" is no time zone; write its IANA name, such as Europe/Berlin or UTC")]
    Zone(String),
    #[error("\"{0}\" never starts; name a day that exists")]
    NeverStarts(String),
    #[error("\"{0}\" starts again before its window has closed; make the window shorter (--for), or the schedule rarer")]
    Overlaps(String),
}

/// What bounds windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub window_max: Millis,
}

/// All windows and schedules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    open: Vec<Window>,
    schedules: Vec<Schedule>,
    history: VecDeque<Closed>,
    /// Numbers given so far, so that no id comes twice.
    windows_made: u64,
    schedules_made: u64,
}

impl Windows {
    pub fn open_windows(&self) -> &[Window] {
        &self.open
    }

    pub fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }

    /// Those that were, the latest first.
    pub fn history(&self) -> impl Iterator<Item = &Closed> {
        self.history.iter().rev()
    }

    /// Opens a window now.
    pub fn open(&mut self, asked: Opening, limits: Limits, now: Millis) -> Result<Window, WindowError> {
        check_texts(&asked.reason, &asked.author, &asked.coverage)?;
        check_length(asked.lasts, limits)?;
        let Opening { coverage, reason, author, origin, lasts } = asked;
        self.insert(Window { id: String::new(), coverage, reason, author, origin, schedule: None, opened: now, expires: now.saturating_add(lasts) })
    }

    /// Closes one window, or with no id all of them.
    pub fn close(&mut self, id: Option<&str>, by: &str, why: &str, now: Millis) -> Result<Vec<Closed>, WindowError> {
        check_texts(why, by, &Coverage::default())?;
        let chosen = |window: &Window| id.is_none_or(|id| window.id == id);
        if !self.open.iter().any(chosen) {
            return Err(id.map_or(WindowError::NoneOpen, |id| WindowError::NoSuchWindow(id.to_owned())));
        }
        Ok(self.close_where(chosen, by, why, now))
    }

    /// Moves a window's end; never earlier, and never beyond [`Limits::window_max`] from its beginning.
    pub fn prolong(&mut self, id: &str, until: Millis, limits: Limits) -> Option<Change> {
        let window = self.open.iter_mut().find(|window| window.id == id)?;
        let until = until.min(window.opened.saturating_add(limits.window_max));
        if until <= window.expires {
            return None;
        }
        let before = window.clone();
        window.expires = until;
        Some(Change::Prolonged { before, after: window.clone() })
    }

    /// Adds a schedule; its id and `done_until` are given here.
    pub fn add_schedule(&mut self, asked: Schedule, limits: Limits, now: Millis) -> Result<Schedule, WindowError> {
        check_texts(&asked.reason, &asked.author, &asked.coverage)?;
        check_length(asked.lasts, limits)?;
        asked.check(now)?;
        if self.schedules.len() >= SCHEDULES_MAX {
            return Err(WindowError::TooManySchedules);
        }
        self.schedules_made += 1;
        let schedule = Schedule { id: format!("s{}", self.schedules_made), done_until: now, ..asked };
        self.schedules.push(schedule.clone());
        Ok(schedule)
    }

    /// Removes a schedule; a window that it opened stays open.
    pub fn remove_schedule(&mut self, id: &str) -> Result<Schedule, WindowError> {
        let place = self.schedules.iter().position(|schedule| schedule.id == id);
        place.map(|place| self.schedules.remove(place)).ok_or_else(|| WindowError::NoSuchSchedule(id.to_owned()))
    }

    /// Does what the time asks for: closes what has expired, opens what a schedule says.
    pub fn advance(&mut self, limits: Limits, now: Millis) -> Vec<Change> {
        let closed = self.close_where(|window| window.expires <= now, "leeward", "its time was over", now);
        let mut changes: Vec<_> = closed.into_iter().map(Change::Closed).collect();
        for place in 0..self.schedules.len() {
            let Some(schedule) = self.schedules.get_mut(place) else { break };
            let Some(start) = schedule.due(now) else { continue };
            schedule.done_until = start;
            let schedule = schedule.clone();
            changes.extend(self.start(&schedule, start, limits, now));
        }
        changes
    }

    /// When [`Windows::advance`] has something to do next.
    pub fn next_change(&self, now: Millis) -> Option<Millis> {
        let expiries = self.open.iter().map(|window| window.expires);
        // What is overdue is due now.
        let starts = self.schedules.iter().filter_map(|schedule| schedule.due(now).map(|_| now).or_else(|| schedule.next_start(now.max(schedule.done_until))));
        expiries.chain(starts).min()
    }

    /// What sessions work by at `now`. `workers` share the bytes that may be held.
    pub fn policy(&self, guard: &Guard, workers: usize, left_alone: BTreeSet<String>, generation: u64, now: Millis) -> Policy {
        let open = self.open.iter().filter(|window| window.expires > now);
        Policy {
            generation,
            absorb: guard.absorb,
            watch_only: guard.watch_only,
            windows: open.map(|window| WindowScope { topics: scope(&window.coverage.topics), client_ids: scope(&window.coverage.client_ids) }).collect(),
            left_alone,
            draining: BTreeSet::new(),
            avoided: BTreeSet::new(),
            hold_max: guard.hold_max,
            hold_lookup_max: guard.hold_lookup_max,
            held_bytes_max: guard.held_bytes_max / workers.max(1),
        }
    }

    fn start(&mut self, schedule: &Schedule, start: Millis, limits: Limits, now: Millis) -> Option<Change> {
        let expires = start.saturating_add(schedule.lasts.min(limits.window_max));
        if expires <= now {
            return None;
        }
        if let Some(window) = self.open.iter_mut().find(|window| window.schedule.as_deref() == Some(&schedule.id)) {
            let before = window.clone();
            window.expires = window.expires.max(expires);
            return Some(Change::Prolonged { before, after: window.clone() });
        }
        let (coverage, reason, author) = (schedule.coverage.clone(), schedule.reason.clone(), schedule.author.clone());
        let (origin, schedule) = (Origin::Schedule, Some(schedule.id.clone()));
        // At the bound the schedule's turn is left out, as the next one will show in the status.
        self.insert(Window { id: String::new(), coverage, reason, author, origin, schedule, opened: now, expires }).ok().map(Change::Opened)
    }

    fn insert(&mut self, window: Window) -> Result<Window, WindowError> {
        if self.open.len() >= OPEN_MAX {
            return Err(WindowError::TooMany);
        }
        self.windows_made += 1;
        let window = Window { id: format!("w{}", self.windows_made), ..window };
        self.open.push(window.clone());
        Ok(window)
    }

    fn close_where(&mut self, chosen: impl Fn(&Window) -> bool, by: &str, why: &str, now: Millis) -> Vec<Closed> {
        let (gone, stays) = std::mem::take(&mut self.open).into_iter().partition(chosen);
        self.open = stays;
        let gone: Vec<Window> = gone;
        let closed: Vec<_> = gone.into_iter().map(|window| Closed { window, closed: now, by: by.to_owned(), why: why.to_owned() }).collect();
        self.history.extend(closed.iter().cloned());
        while self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        closed
    }
}

fn check_texts(reason: &str, author: &str, coverage: &Coverage) -> Result<(), WindowError> {
    if reason.trim().is_empty() {
        return Err(WindowError::NoReason);
    }
    let fits = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX;
    for (what, text) in [("the reason", reason), ("the author", author)] {
        if !fits(text) {
            return Err(WindowError::Text { what });
        }
    }
    for (what, names) in [("a topic", &coverage.topics), ("a client id", &coverage.client_ids)] {
        if names.len() > NAMES_MAX {
            return Err(WindowError::Names(names.len()));
        }
        if !names.iter().all(|name| fits(name)) {
            return Err(WindowError::Text { what });
        }
    }
    Ok(())
}

fn check_length(lasts: Millis, limits: Limits) -> Result<(), WindowError> {
    if lasts < 1000 {
        Err(WindowError::NoLength)
    } else if lasts > limits.window_max {
        Err(WindowError::TooLong { asked: lasts, max: limits.window_max })
    } else {
        Ok(())
    }
}

fn scope(names: &BTreeSet<String>) -> Scope {
    if names.is_empty() { Scope::All } else { Scope::Only(names.clone()) }
}

fn show_millis(millis: Millis) -> String {
    show_duration(std::time::Duration::from_millis(millis))
}
