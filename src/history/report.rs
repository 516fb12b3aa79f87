//! What there was between two moments: the busiest rows of one kind, with a point for each minute or hour.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::amount::{Amount, Kind};
use super::codec::{self, Kept};
use super::day::{Day, DayNumber, Minute, QUARTERS, Quarter};
use super::log::day_of;
use crate::guard::time::Millis;

/// How far apart points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Minute,
    Hour,
}

impl Step {
    pub fn millis(self) -> Millis {
        match self {
            Step::Minute => 60 * 1000,
            Step::Hour => 60 * 60 * 1000,
        }
    }

    fn in_a_day(self) -> u64 {
        match self {
            Step::Minute => 24 * 60,
            Step::Hour => 24,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub kind: Kind,
    /// Only rows whose name contains this.
    pub name: Option<String>,
    pub from: Millis,
    pub until: Millis,
    pub step: Step,
    /// Rows that are named; the others are in one.
    pub top: usize,
}

/// One row over the whole time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    pub name: Arc<str>,
    pub amount: Amount,
    pub points: Vec<Amount>,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The beginning of the first point.
    pub from: Millis,
    /// How much of each point was seen, in milliseconds.
    pub seen_millis: Vec<u64>,
    /// Of everything, as it came from clients and went to them.
    pub total: Row,
    /// The busiest first, by bytes.
    pub rows: Vec<Row>,
    /// Rows behind those, and all together.
    pub more: usize,
    pub rest: Row,
}

/// A day, from wherever it is.
#[derive(Debug, Clone)]
pub enum Source {
    Memory(Arc<Day>),
    /// As it was encoded. Nothing is made of it but what the report needs.
    File(Vec<u8>),
}

/// `day` gives what is kept of a day; it is asked twice for each, so that only the rows that are named need points, and one day at a time is in the memory.
pub fn report(asked: &Asked, day: impl Fn(DayNumber) -> Option<Source>) -> Report {
    let span = Span::of(asked);
    let days = day_of(asked.from)..=day_of(asked.until.max(asked.from));
    let mut sums: HashMap<Arc<str>, Amount> = HashMap::new();
    for source in days.clone().filter_map(&day) {
        let Some(look) = Look::at(&source, asked.step) else { continue };
        look.each(asked, &span, |name, points| {
            let mut amount = Amount::default();
            points.iter().for_each(|(_, of_point)| amount += *of_point);
            match sums.get_mut(name) {
                Some(sum) => *sum += amount,
                None => drop(sums.insert(name.into(), amount)),
            }
        });
    }
    let mut rows: Vec<(Arc<str>, Amount)> = sums.into_iter().collect();
    rows.sort_by(|a, b| (Reverse((a.1.bytes(), a.1.requests)), &a.0).cmp(&(Reverse((b.1.bytes(), b.1.requests)), &b.0)));
    let more = rows.len().saturating_sub(asked.top);
    rows.truncate(asked.top);
    let places: HashMap<Arc<str>, usize> = rows.iter().enumerate().map(|(place, (name, _))| (Arc::clone(name), place)).collect();
    let empty = |name: &Arc<str>| Row { name: Arc::clone(name), amount: Amount::default(), points: vec![Amount::default(); span.points] };
    let nobody: Arc<str> = "".into();
    let mut report = Report {
        from: span.first * asked.step.millis(),
        seen_millis: vec![0; span.points],
        total: empty(&nobody),
        rows: rows.iter().map(|(name, _)| empty(name)).collect(),
        more,
        rest: empty(&nobody),
    };
    for source in days.filter_map(&day) {
        let Some(look) = Look::at(&source, asked.step) else { continue };
        look.totals(&span, &mut report);
        look.each(asked, &span, |name, points| {
            let row = places.get(name).and_then(|place| report.rows.get_mut(*place)).unwrap_or(&mut report.rest);
            for (point, amount) in points {
                row.amount += *amount;
                row.points.get_mut(*point).into_iter().for_each(|sum| *sum += *amount);
            }
        });
    }
    report
}

/// The points, counted from 1970.
struct Span {
    step: Step,
    first: u64,
    points: usize,
}

impl Span {
    fn of(asked: &Asked) -> Self {
        let step = asked.step.millis();
        let (first, last) = (asked.from / step, asked.until.max(asked.from) / step);
        Span { step: asked.step, first, points: usize::try_from(last - first + 1).unwrap_or(usize::MAX) }
    }

    /// The point of the `at`th minute or hour of a day.
    fn point(&self, day: DayNumber, at: u64) -> Option<usize> {
        let point = (u64::from(day) * self.step.in_a_day() + at).checked_sub(self.first)?;
        usize::try_from(point).ok().filter(|point| *point < self.points)
    }
}

/// What can be looked through.
enum Look<'a> {
    Day(Arc<Day>),
    Kept(Kept<'a>),
}

impl<'a> Look<'a> {
    /// `None`: it is damaged, which was said when it was first read.
    fn at(source: &'a Source, step: Step) -> Option<Self> {
        match (source, step) {
            (Source::Memory(day), _) => Some(Look::Day(Arc::clone(day))),
            (Source::File(bytes), Step::Hour) => Kept::open(bytes).ok().map(Look::Kept),
            (Source::File(bytes), Step::Minute) => codec::decode(bytes).ok().map(|day| Look::Day(Arc::new(day))),
        }
    }

    fn number(&self) -> DayNumber {
        match self {
            Look::Day(day) => day.number,
            Look::Kept(kept) => kept.number,
        }
    }

    fn quarters(&self) -> &[Quarter; QUARTERS] {
        match self {
            Look::Day(day) => day.quarters(),
            Look::Kept(kept) => &kept.quarters,
        }
    }

    fn minutes(&self) -> impl Iterator<Item = (u64, &Minute)> {
        let day = match self {
            Look::Day(day) => Some(day),
            Look::Kept(_) => None,
        };
        day.into_iter().flat_map(|day| &day.minutes).map(|(at, minute)| ((*at).into(), minute))
    }

    /// The rows that are asked for, with those of their points that are in the span. A row may come more than once.
    fn each(&self, asked: &Asked, span: &Span, mut with: impl FnMut(&str, &[(usize, Amount)])) {
        let is_asked = |name: &str| asked.name.as_ref().is_none_or(|part| name.contains(part.as_str()));
        let number = self.number();
        let mut points = Vec::with_capacity(24);
        let mut of_hours = |name: &str, hours: &[(u8, Amount)]| {
            points.clear();
            points.extend(hours.iter().filter_map(|(hour, amount)| Some((span.point(number, (*hour).into())?, *amount))));
            if !points.is_empty() && is_asked(name) {
                with(name, &points);
            }
        };
        match (asked.step, self) {
            (Step::Hour, Look::Day(day)) => day.rows.get(asked.kind as usize).into_iter().flatten().for_each(|(name, hours)| of_hours(name, hours)),
            (Step::Hour, Look::Kept(kept)) => kept.each_row(asked.kind, of_hours),
            (Step::Minute, _) => {
                for (point, minute) in self.minutes().filter_map(|(at, minute)| Some((span.point(number, at)?, minute))) {
                    let rows = minute.rows.iter().filter(|(kind, name, _)| *kind == asked.kind && is_asked(name));
                    rows.for_each(|(_, name, amount)| with(name, &[(point, *amount)]));
                }
            }
        }
    }

    fn totals(&self, span: &Span, report: &mut Report) {
        let mut note = |at: u64, seen_millis: u32, amount: Amount| {
            let Some(point) = span.point(self.number(), at) else { return };
            report.total.amount += amount;
            report.seen_millis.get_mut(point).into_iter().for_each(|seen| *seen += u64::from(seen_millis));
            report.total.points.get_mut(point).into_iter().for_each(|sum| *sum += amount);
        };
        match span.step {
            Step::Hour => (0..).zip(self.quarters()).for_each(|(at, quarter)| note(at / 4, quarter.seen_millis, quarter.amount)),
            Step::Minute => self.minutes().for_each(|(at, minute)| note(at, minute.seen_millis, minute.total)),
        }
    }
}
