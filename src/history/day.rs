//! One day of UTC.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::amount::{Amount, Kind, News};

/// Days since 1970-01-01.
pub type DayNumber = u32;

/// Topics, and clients, of a day that have rows of their own: as many client ids as the table of clients has.
pub const ROWS_MAX: usize = 10_000;
/// Rows of each kind that a minute keeps; the rest of the kind is in one.
pub const BUSIEST: usize = 32;
/// Quarter hours of a day. All offsets from UTC that are in use are multiples of them, so that they fit into the hours of every time zone.
pub const QUARTERS: usize = 96;

/// The row that all those share for which there is no room.
pub const OTHERS: &str = "(others)";
/// The row of what is of a broker that is not known.
pub const UNKNOWN: &str = "(unknown)";

/// Rows of a minute that goes on after which those of one name are summed up: a look names each but once, and there may be many looks.
const OPEN_ROWS_MAX: usize = 50_000;

const QUARTER_MILLIS: u32 = 15 * 60 * 1000;
const MINUTE_MILLIS: u32 = 60 * 1000;

/// A quarter of an hour, over everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quarter {
    /// How much of it Leeward saw.
    pub seen_millis: u32,
    pub amount: Amount,
}

/// A minute with its busiest rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minute {
    /// How much of it Leeward saw.
    pub seen_millis: u32,
    pub total: Amount,
    /// The busiest of each kind, and what all others of the kind are together under [`OTHERS`].
    pub rows: Vec<(Kind, Arc<str>, Amount)>,
}

/// The rows of one kind, with the amounts of those hours (0 to 23) in which there were any, ascending.
pub(super) type Rows = HashMap<Arc<str>, Vec<(u8, Amount)>>;

/// All of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    pub number: DayNumber,
    /// By minute of the day.
    pub(super) minutes: BTreeMap<u16, Minute>,
    pub(super) quarters: Box<[Quarter; QUARTERS]>,
    /// By [`Kind`].
    pub(super) rows: [Rows; Kind::ALL.len()],
    /// The minute that goes on has all its rows; it keeps the busiest when it is over.
    open: Option<u16>,
}

impl Day {
    pub fn new(number: DayNumber) -> Self {
        Day { number, minutes: BTreeMap::new(), quarters: Box::new([Quarter::default(); QUARTERS]), rows: Default::default(), open: None }
    }

    /// Takes in what was carried within `seen_millis`, all of it in this minute of the day.
    pub(super) fn note(&mut self, minute: u16, seen_millis: u32, news: &News) {
        if self.open != Some(minute) {
            self.close_minute();
            self.open = Some(minute);
        }
        if let Some(quarter) = self.quarters.get_mut(usize::from(minute / 15)) {
            quarter.seen_millis = quarter.seen_millis.saturating_add(seen_millis).min(QUARTER_MILLIS);
            quarter.amount += news.total;
        }
        let hour = u8::try_from(minute / 60).unwrap_or(u8::MAX);
        let mut named = Vec::with_capacity(news.rows.len());
        for (kind, name, amount) in news.rows.iter().filter(|(_, _, amount)| !amount.is_zero()) {
            named.push((*kind, self.add(*kind, name, hour, *amount), *amount));
        }
        let minute = self.minutes.entry(minute).or_default();
        minute.seen_millis = minute.seen_millis.saturating_add(seen_millis).min(MINUTE_MILLIS);
        minute.total += news.total;
        minute.rows.extend(named);
        if minute.rows.len() > OPEN_ROWS_MAX {
            minute.sum_up();
        }
    }

    /// Adds to an hour of a row, and gives the name that it stands under.
    pub(super) fn add(&mut self, kind: Kind, name: &Arc<str>, hour: u8, amount: Amount) -> Arc<str> {
        let Some(rows) = self.rows.get_mut(kind as usize) else { return Arc::clone(name) };
        let has_room = rows.contains_key(name) || rows.len() < ROWS_MAX;
        let wanted = if has_room { Arc::clone(name) } else { OTHERS.into() };
        let name = rows.get_key_value(&wanted).map_or(wanted, |(known, _)| Arc::clone(known));
        let hours = rows.entry(Arc::clone(&name)).or_default();
        match hours.binary_search_by_key(&hour, |(hour, _)| *hour) {
            Ok(at) => hours.get_mut(at).into_iter().for_each(|(_, known)| *known += amount),
            Err(at) => hours.insert(at, (hour, amount)),
        }
        name
    }

    /// No more of the last minute comes.
    pub(super) fn close_minute(&mut self) {
        if let Some(minute) = self.open.take().and_then(|minute| self.minutes.get_mut(&minute)) {
            minute.keep_busiest();
        }
    }

    /// Forgets the minutes: quarter hours and hours stay.
    pub fn drop_minutes(&mut self) {
        self.minutes = BTreeMap::new();
        self.open = None;
    }

    pub fn quarters(&self) -> &[Quarter; QUARTERS] {
        &self.quarters
    }
}

impl Minute {
    /// One row for each name.
    fn sum_up(&mut self) {
        self.rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        self.rows.dedup_by(|next, row| {
            let is_same = next.0 == row.0 && next.1 == row.1;
            if is_same {
                row.2 += next.2;
            }
            is_same
        });
    }

    pub(super) fn keep_busiest(&mut self) {
        self.sum_up();
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|(kind, _, amount)| (*kind, std::cmp::Reverse((amount.bytes(), amount.requests))));
        for kind in Kind::ALL {
            let of_kind = rows.iter().filter(|row| row.0 == kind);
            let mut others = Amount::default();
            let mut kept = Vec::new();
            for row in of_kind {
                if kept.len() < BUSIEST && &*row.1 != OTHERS { kept.push(row.clone()) } else { others += row.2 }
            }
            self.rows.append(&mut kept);
            if !others.is_zero() {
                self.rows.push((kind, OTHERS.into(), others));
            }
        }
        self.rows.shrink_to_fit();
    }
}
