//! The quiet hours of the week: from quarter hours of some weeks, in the time zone of whoever asks.
//!
//! The week is a ring of 672 quarter hours of local time, from Monday 00:00 on. A quarter hour that a change of time skips has no sample in that week, one that
//! comes twice has two. What Leeward did not see has no sample, and is never called quiet.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::day::{DayNumber, QUARTERS, Quarter};
use super::log::DAYS_KEPT;

/// Quarter hours of a week.
pub const SLOTS: usize = 7 * QUARTERS;
/// A period is quiet where each of its quarter hours has at most this share of the week's mean.
pub const QUIET_SHARE: f64 = 0.5;
/// A shorter one is not worth a name: one hour.
pub const QUIET_SLOTS_MIN: usize = 4;
/// A quarter hour of which less was seen, in milliseconds, says too little: a third.
const SEEN_MILLIS_MIN: u32 = 5 * 60 * 1000;
/// So many of the week's quarter hours must have been seen before anything is said of the week as a whole: 95 %, since a restart or a change of time leaves holes.
const SEEN_SLOTS_MIN: usize = SLOTS * 95 / 100;

const QUARTER_SECONDS: i64 = 15 * 60;

/// What is known of the week.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Week {
    /// Seen in all, in weeks.
    pub weeks: f64,
    /// Of [`SLOTS`].
    pub slots_seen: usize,
    /// Bytes in a second, both ways, over the quarter hours that were seen.
    pub mean: f64,
    slots: Vec<Slot>,
}

/// A quarter hour of the week, over all weeks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Slot {
    seen_millis: u64,
    bytes: u64,
    /// Bytes in a second of the week that had the most.
    peak: f64,
    samples: u32,
}

/// A stretch of the week.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// Its first quarter hour: 0 is Monday 00:00.
    pub start: usize,
    /// How many quarter hours.
    pub slots: usize,
    /// Bytes in a second, both ways: its mean, and its quarter hour that had the most in any week.
    pub mean: f64,
    pub peak: f64,
    /// Of the quarter hour that was seen in the fewest weeks.
    pub weeks: u32,
}

impl Week {
    /// `days`: quarter hours by day of UTC.
    pub fn of<'a>(days: impl Iterator<Item = (DayNumber, &'a [Quarter; QUARTERS])>, today: DayNumber, zone: &TimeZone) -> Self {
        let mut slots = vec![Slot::default(); SLOTS];
        let is_kept = |number: DayNumber| number <= today && today - number < DAYS_KEPT;
        for (number, quarters) in days.filter(|(number, _)| is_kept(*number)) {
            for (at, quarter) in (0_i64..).zip(quarters).filter(|(_, quarter)| quarter.seen_millis >= SEEN_MILLIS_MIN) {
                let seconds = i64::from(number) * 86_400 + at * QUARTER_SECONDS;
                let Ok(moment) = Timestamp::from_second(seconds) else { continue };
                if let Some(slot) = slots.get_mut(slot_of(&moment.to_zoned(zone.clone()))) {
                    slot.note(quarter);
                }
            }
        }
        let seen = || slots.iter().filter(|slot| slot.samples > 0);
        let slots_seen = seen().count();
        // The sum of nothing is -0.0.
        let mean = if slots_seen == 0 { 0.0 } else { seen().map(Slot::rate).sum::<f64>() / slots_seen as f64 };
        let seen_millis: u64 = seen().map(|slot| slot.seen_millis).sum();
        Week { weeks: seen_millis as f64 / (7.0 * 86_400_000.0), slots_seen, mean, slots }
    }

    /// Whether something can be said of the week as a whole.
    pub fn is_whole(&self) -> bool {
        self.slots_seen >= SEEN_SLOTS_MIN
    }

    /// The quiet periods, the lowest first.
    pub fn periods(&self) -> Vec<Period> {
        let is_quiet = |at: &usize| self.slots.get(at % SLOTS).is_some_and(|slot| slot.samples > 0 && slot.rate() <= QUIET_SHARE * self.mean);
        // A period that goes on over Sunday's midnight is one: the look begins behind a quarter hour that is not quiet.
        let Some(loud) = (0..SLOTS).find(|at| !is_quiet(at)) else { return Vec::new() };
        let mut periods = Vec::new();
        let mut at = loud + 1;
        while at < loud + SLOTS {
            let length = (at..loud + SLOTS).take_while(is_quiet).count();
            if length >= QUIET_SLOTS_MIN {
                periods.extend(self.period(at % SLOTS, length));
            }
            at += length.max(1);
        }
        periods.sort_by(|a, b| a.mean.total_cmp(&b.mean).then(a.start.cmp(&b.start)));
        periods
    }

    /// The stretch of so many quarter hours with the least traffic, all of it seen; of several, the one with the lowest peak. `None`: there is none.
    pub fn quietest(&self, slots: usize) -> Option<Period> {
        let all = (0..SLOTS).filter_map(|start| self.period(start, slots));
        all.min_by(|a, b| a.mean.total_cmp(&b.mean).then(a.peak.total_cmp(&b.peak)).then(a.start.cmp(&b.start)))
    }

    /// The stretch from `start` on; `None` where a part of it was never seen, or it is none.
    fn period(&self, start: usize, slots: usize) -> Option<Period> {
        if slots == 0 || slots > SLOTS {
            return None;
        }
        let mut period = Period { start, slots, mean: 0.0, peak: 0.0, weeks: u32::MAX };
        for at in start..start + slots {
            let slot = self.slots.get(at % SLOTS).filter(|slot| slot.samples > 0)?;
            period.mean += slot.rate() / slots as f64;
            period.peak = period.peak.max(slot.peak);
            period.weeks = period.weeks.min(slot.samples);
        }
        Some(period)
    }
}

impl Slot {
    fn note(&mut self, quarter: &Quarter) {
        let bytes = quarter.amount.bytes();
        self.seen_millis += u64::from(quarter.seen_millis);
        self.bytes = self.bytes.saturating_add(bytes);
        self.peak = self.peak.max(rate(bytes, quarter.seen_millis.into()));
        self.samples += 1;
    }

    fn rate(&self) -> f64 {
        rate(self.bytes, self.seen_millis)
    }
}

/// Bytes in a second.
fn rate(bytes: u64, seen_millis: u64) -> f64 {
    if seen_millis == 0 { 0.0 } else { bytes as f64 * 1000.0 / seen_millis as f64 }
}

/// The quarter hour of the week of a moment.
fn slot_of(moment: &Zoned) -> usize {
    let day = usize::try_from(moment.weekday().to_monday_zero_offset()).unwrap_or(0);
    let quarter = usize::try_from(moment.hour()).unwrap_or(0) * 4 + usize::try_from(moment.minute()).unwrap_or(0) / 15;
    day * QUARTERS + quarter
}
