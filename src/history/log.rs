//! The days of now, and the quarter hours of the weeks before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::amount::News;
use super::day::{Day, DayNumber, QUARTERS, Quarter};
use crate::guard::time::{Millis, millis};

/// Five weeks, and the day that goes on.
pub const DAYS_KEPT: u32 = 36;
/// Days with minutes: the one that goes on, and the one before.
const RECENT_DAYS: u32 = 2;

const DAY_MILLIS: Millis = 24 * 60 * 60 * 1000;

/// The day of a moment.
pub fn day_of(at: Millis) -> DayNumber {
    u32::try_from(at / DAY_MILLIS).unwrap_or(u32::MAX)
}

/// All that is in the memory.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Shared with whoever looks at them.
    recent: BTreeMap<DayNumber, Arc<Day>>,
    quarters: BTreeMap<DayNumber, Arc<[Quarter; QUARTERS]>>,
}

impl History {
    /// Whether the day of `at` can be added to: a file may have more of it than the memory.
    pub fn has(&self, day: DayNumber) -> bool {
        self.recent.contains_key(&day)
    }

    /// Puts in a day that was read.
    pub fn insert(&mut self, day: Day) {
        self.quarters.remove(&day.number);
        self.recent.insert(day.number, Arc::new(day));
    }

    /// Puts in what is known of a day that is not one of now.
    pub fn insert_quarters(&mut self, day: DayNumber, quarters: [Quarter; QUARTERS]) {
        self.quarters.insert(day, Arc::new(quarters));
    }

    /// Takes in what was carried in the time that ends at `at`. A look that lasted longer than a minute counts for the minute in its middle.
    ///
    /// The clock may go back: then it is added to what was there of that time. Gives the day that has changed.
    pub fn note(&mut self, at: Millis, lasted: Duration, news: &News) -> DayNumber {
        let middle = at.saturating_sub(millis(lasted) / 2);
        let number = day_of(middle);
        let minute = u16::try_from(middle % DAY_MILLIS / 60_000).unwrap_or(0);
        let day = self.recent.entry(number).or_insert_with(|| Arc::new(Day::new(number)));
        Arc::make_mut(day).note(minute, u32::try_from(millis(lasted)).unwrap_or(u32::MAX), news);
        number
    }

    /// Takes out the days that are no longer of now, as they are to be kept; their quarter hours stay.
    pub fn take_old(&mut self, at: Millis) -> Vec<Arc<Day>> {
        let today = day_of(at);
        let is_recent = |number: &DayNumber| *number <= today && today - *number < RECENT_DAYS;
        let (recent, old): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.recent).into_iter().partition(|(number, _)| is_recent(number));
        self.recent = recent;
        for (number, day) in &old {
            self.quarters.insert(*number, Arc::new(*day.quarters()));
        }
        // By their number and not by the clock: one that is wrong for once must not throw the weeks away.
        while self.quarters.len() > DAYS_KEPT as usize {
            self.quarters.pop_first();
        }
        let stripped = |day: Arc<Day>| {
            let mut day = Arc::unwrap_or_clone(day);
            day.drop_minutes();
            Arc::new(day)
        };
        old.into_values().map(stripped).collect()
    }

    /// The days of now.
    pub fn recent(&self) -> impl Iterator<Item = &Arc<Day>> {
        self.recent.values()
    }

    /// Every day that is known, with its quarter hours, ascending.
    pub fn quarters(&self) -> impl Iterator<Item = (DayNumber, &[Quarter; QUARTERS])> {
        let mut days: BTreeMap<DayNumber, &[Quarter; QUARTERS]> = self.quarters.iter().map(|(number, quarters)| (*number, &**quarters)).collect();
        days.extend(self.recent.iter().map(|(number, day)| (*number, day.quarters())));
        days.into_iter()
    }
}
