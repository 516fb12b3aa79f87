//! What there was between two moments: the busiest rows of one kind, with a point for each minute or hour.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use super::amount::{Amount, Kind};
use super::day::{Day, DayNumber};
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

/// `day` gives what is kept of a day; it is asked twice for each, so that only the rows that are named need points.
pub fn report(asked: &Asked, day: impl Fn(DayNumber) -> Option<Arc<Day>>) -> Report {
    let span = Span::of(asked);
    let days = day_of(asked.from)..=day_of(asked.until.max(asked.from));
    let mut sums: HashMap<Arc<str>, Amount> = HashMap::new();
    for day in days.clone().filter_map(&day) {
        each(&day, asked, &span, |name, _, amount| match sums.get_mut(name) {
            Some(sum) => *sum += amount,
            None => drop(sums.insert(Arc::clone(name), amount)),
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
    for day in days.filter_map(&day) {
        totals(&day, &span, &mut report);
        each(&day, asked, &span, |name, point, amount| {
            let row = places.get(name).and_then(|place| report.rows.get_mut(*place)).unwrap_or(&mut report.rest);
            row.amount += amount;
            row.points.get_mut(point).into_iter().for_each(|sum| *sum += amount);
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

fn each(day: &Day, asked: &Asked, span: &Span, mut with: impl FnMut(&Arc<str>, usize, Amount)) {
    let is_asked = |name: &str| asked.name.as_ref().is_none_or(|part| name.contains(part.as_str()));
    match asked.step {
        Step::Hour => {
            for (name, hours) in day.rows.get(asked.kind as usize).into_iter().flatten().filter(|(name, _)| is_asked(name)) {
                for (hour, amount) in hours {
                    if let Some(point) = span.point(day.number, (*hour).into()) {
                        with(name, point, *amount);
                    }
                }
            }
        }
        Step::Minute => {
            for (at, minute) in &day.minutes {
                let Some(point) = span.point(day.number, (*at).into()) else { continue };
                for (_, name, amount) in minute.rows.iter().filter(|(kind, name, _)| *kind == asked.kind && is_asked(name)) {
                    with(name, point, *amount);
                }
            }
        }
    }
}

fn totals(day: &Day, span: &Span, report: &mut Report) {
    let mut note = |at: u64, seen_millis: u32, amount: Amount| {
        let Some(point) = span.point(day.number, at) else { return };
        report.total.amount += amount;
        report.seen_millis.get_mut(point).into_iter().for_each(|seen| *seen += u64::from(seen_millis));
        report.total.points.get_mut(point).into_iter().for_each(|sum| *sum += amount);
    };
    match span.step {
        Step::Hour => (0..).zip(day.quarters()).for_each(|(at, quarter)| note(at / 4, quarter.seen_millis, quarter.amount)),
        Step::Minute => day.minutes.iter().for_each(|(at, minute)| note((*at).into(), minute.seen_millis, minute.total)),
    }
}
