//! Windows that open by themselves at certain times.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{Coverage, WindowError};
use crate::guard::time::Millis;

/// Starts that are looked at to see whether a schedule would run into itself: a week of daily ones, both halves of a day of hourly ones.
const STARTS_COMPARED: usize = 24;

/// One schedule. A start that falls into the hour that a change of time skips comes at its end; one in an hour that comes twice, the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub id: String,
    /// Minute, hour, day, month, weekday.
    pub cron: String,
    /// IANA name, such as `Europe/Berlin`.
    pub zone: String,
    /// How long each window stays open.
    pub lasts: Millis,
    pub coverage: Coverage,
    pub reason: String,
    pub author: String,
    /// Starts up to here have been dealt with.
    pub done_until: Millis,
}

impl Schedule {
    /// The first start after `after`; `None`: there is none.
    pub fn next_start(&self, after: Millis) -> Option<Millis> {
        Times::parse(&self.cron, &self.zone).ok()?.next_start(after)
    }

    /// The start whose window ought to be open at `now` and was not dealt with yet.
    pub(super) fn due(&self, now: Millis) -> Option<Millis> {
        // Whoever was away at the start opens late, and not for what is over.
        let mut after = self.done_until.max(now.saturating_sub(self.lasts));
        let mut due = None;
        while let Some(start) = self.next_start(after).filter(|start| *start <= now) {
            due = Some(start);
            after = start;
        }
        due
    }

    /// What is wrong with it, if anything.
    pub(super) fn check(&self, now: Millis) -> Result<(), WindowError> {
        let times = Times::parse(&self.cron, &self.zone)?;
        let mut starts = Vec::with_capacity(STARTS_COMPARED);
        let mut after = now;
        while let Some(start) = times.next_start(after).filter(|_| starts.len() < STARTS_COMPARED) {
            starts.push(start);
            after = start;
        }
        if starts.is_empty() {
            return Err(WindowError::NeverStarts(self.cron.clone()));
        }
        let overlap = starts.iter().zip(starts.iter().skip(1)).any(|(first, second)| second - first <= self.lasts);
        if overlap { Err(WindowError::Overlaps(self.cron.clone())) } else { Ok(()) }
    }
}

struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    fn parse(cron: &str, zone: &str) -> Result<Self, WindowError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let wrong = |error: croner::errors::CronError| WindowError::Cron { cron: cron.to_owned(), problem: error.to_string().trim_end_matches('.').to_owned() };
        let parsed = parser.parse(cron).map_err(wrong)?;
        // The database goes with the program: a machine without one means the same.
        let zone = TimeZone::get(zone).map_err(|_| WindowError::Zone(zone.to_owned()))?;
        Ok(Times { cron: parsed, zone })
    }

    fn next_start(&self, after: Millis) -> Option<Millis> {
        let after = Timestamp::from_millisecond(i64::try_from(after).ok()?).ok()?;
        let next: Zoned = self.cron.find_next_occurrence(&after.to_zoned(self.zone.clone()), false).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok()
    }
}
