//! The three views of a day against each other, files against the memory, reports and quiet hours against the simplest way to find them.

mod properties;
mod week;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::report::{Asked, Report, Source, Step, report};
use super::*;
use crate::guard::time::Millis;
use crate::protocol::produce::Topic;

const MINUTE: Millis = 60 * 1000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// A Thursday at noon.
const NOON: Millis = 20_000 * DAY + 12 * HOUR;
const LOOK: Duration = Duration::from_secs(10);

fn amount(bytes: u64) -> Amount {
    Amount { requests: 1, to_brokers: bytes, to_clients: 2 * bytes }
}

fn news(rows: &[(Kind, &str, u64)]) -> News {
    let total = rows.iter().filter(|row| row.0 == Kind::Client).fold(Amount::default(), |mut sum, row| {
        sum += amount(row.2);
        sum
    });
    News { total, rows: rows.iter().map(|(kind, name, bytes)| (*kind, (*name).into(), amount(*bytes))).collect() }
}

/// What a report says of the days in the memory, and of their files just the same.
fn reported(history: &History, asked: &Asked) -> Report {
    let find = |number| history.recent().find(|day| day.number == number);
    let told = report(asked, |number| find(number).cloned().map(Source::Memory));
    if asked.step == Step::Hour {
        assert_eq!(told, report(asked, |number| find(number).map(|day| Source::File(codec::encode(day)))));
    }
    told
}

fn asked(kind: Kind, from: Millis, until: Millis, step: Step) -> Asked {
    Asked { kind, name: None, from, until, step, top: 10 }
}

fn named(report: &Report) -> Vec<(&str, u64)> {
    report.rows.iter().map(|row| (&*row.name, row.amount.to_brokers)).collect()
}

#[test]
fn what_was_carried_stands_in_its_minute_and_its_hour() {
    let mut history = History::default();
    history.note(NOON + 30_000, LOOK, &news(&[(Kind::Topic, "orders", 100), (Kind::Client, "app", 100)]));
    history.note(NOON + 90_000, LOOK, &news(&[(Kind::Topic, "orders", 10), (Kind::Topic, "payments", 50), (Kind::Client, "app", 60)]));
    history.note(NOON + HOUR, LOOK, &news(&[(Kind::Topic, "payments", 1), (Kind::Client, "app", 1)]));
    let minutes = reported(&history, &asked(Kind::Topic, NOON, NOON + HOUR, Step::Minute));
    assert_eq!(named(&minutes), [("orders", 110), ("payments", 51)]);
    assert_eq!((minutes.from, minutes.seen_millis.len()), (NOON, 61));
    assert_eq!(minutes.rows[0].points.iter().take(3).map(|point| point.to_brokers).collect::<Vec<_>>(), [100, 10, 0]);
    assert_eq!(minutes.seen_millis.iter().take(3).copied().collect::<Vec<_>>(), [10_000, 10_000, 0]);
    // Ten seconds that end at one o'clock belong to what was before.
    assert_eq!(minutes.rows[1].points[59].to_brokers, 1);
    let hours = reported(&history, &asked(Kind::Topic, NOON, NOON + HOUR, Step::Hour));
    assert_eq!((named(&hours), hours.seen_millis.clone()), (vec![("orders", 110), ("payments", 51)], vec![30_000, 0]));
    assert_eq!(hours.total.amount.to_brokers, 161);
    let some = Asked { name: Some("pay".to_owned()), ..asked(Kind::Topic, NOON, NOON + HOUR, Step::Hour) };
    assert_eq!(named(&reported(&history, &some)), [("payments", 51)]);
    let one = Asked { top: 1, ..asked(Kind::Topic, NOON, NOON + HOUR, Step::Hour) };
    let one = reported(&history, &one);
    assert_eq!((named(&one), one.more, one.rest.amount.to_brokers, one.rest.points[0].to_brokers), (vec![("orders", 110)], 1, 51, 51));
    let none = reported(&history, &asked(Kind::Topic, NOON - 2 * HOUR, NOON - HOUR, Step::Hour));
    assert!(none.rows.is_empty() && none.total.amount.is_zero());
}

#[test]
fn rows_are_bounded_and_nothing_is_lost_in_the_others() {
    let mut history = History::default();
    let rows: Vec<_> = (0..ROWS_MAX + 500).map(|number| (Kind::Topic, Arc::from(format!("t{number}")), amount(1 + number as u64 % 7))).collect();
    let mut sum = Amount::default();
    rows.iter().for_each(|row| sum += row.2);
    for at in [NOON + LOOK.as_millis() as u64, NOON + MINUTE + LOOK.as_millis() as u64] {
        history.note(at, LOOK, &News { total: sum, rows: rows.clone() });
    }
    let day = history.recent().next().unwrap();
    assert_eq!(day.rows[Kind::Topic as usize].len(), ROWS_MAX + 1);
    let first = day.minutes.values().next().unwrap();
    assert_eq!((first.rows.len(), first.rows.iter().filter(|row| &*row.1 == OTHERS).count()), (BUSIEST + 1, 1), "the minute that is over has its busiest");
    for step in [Step::Minute, Step::Hour] {
        let report = reported(&history, &asked(Kind::Topic, NOON, NOON + HOUR, step));
        let mut all = report.rest.amount;
        report.rows.iter().for_each(|row| all += row.amount);
        assert_eq!((all.bytes(), all.requests), (2 * sum.bytes(), 2 * sum.requests), "{step:?}");
    }
}

#[test]
fn a_minute_that_goes_on_is_summed_up_however_often_it_is_looked_at() {
    let mut history = History::default();
    let rows: Vec<_> = (0..2000).map(|number| (Kind::Client, Arc::from(format!("c{number}")), amount(1))).collect();
    for _ in 0..100 {
        history.note(NOON + MINUTE / 2, Duration::from_millis(10), &News { total: amount(2000), rows: rows.clone() });
    }
    let day = history.recent().next().unwrap();
    let minute = day.minutes.values().next().unwrap();
    assert!(minute.rows.len() <= 52_000, "{}", minute.rows.len());
    assert_eq!(minute.rows.iter().map(|row| row.2.requests).sum::<u64>(), 200_000);
}

#[test]
fn old_days_leave_and_their_quarter_hours_stay() {
    let mut history = History::default();
    for day in 0..50 {
        let at = NOON + day * DAY;
        history.note(at, LOOK, &news(&[(Kind::Client, "app", 10 + day)]));
        let old = history.take_old(at);
        assert_eq!(old.iter().map(|day| day.number).collect::<Vec<_>>(), if day < 2 { vec![] } else { vec![day_of(at) - 2] });
        assert!(old.iter().all(|day| day.minutes.is_empty() && !day.rows[Kind::Client as usize].is_empty()));
    }
    let days: Vec<_> = history.quarters().map(|(number, quarters)| (number, quarters[47].amount.to_brokers)).collect();
    assert_eq!(days.len(), DAYS_KEPT as usize + 2);
    assert_eq!(days.last(), Some(&(day_of(NOON) + 49, 59)));
    assert!(days.windows(2).all(|two| two[0].0 + 1 == two[1].0 && two[0].1 + 1 == two[1].1));
}

#[test]
fn a_clock_that_goes_back_adds_to_what_was_there() {
    let mut history = History::default();
    let app = |bytes| news(&[(Kind::Client, "app", bytes)]);
    history.note(NOON + 3 * HOUR, LOOK, &app(5));
    history.note(NOON, LOOK, &app(7));
    history.note(NOON + 3 * HOUR, LOOK, &app(11));
    let report = reported(&history, &asked(Kind::Client, NOON - HOUR, NOON + 3 * HOUR, Step::Hour));
    assert_eq!(report.rows[0].points.iter().map(|point| point.to_brokers).collect::<Vec<_>>(), [7, 0, 0, 16, 0]);
    // Far ahead for once: nothing of the weeks goes but a day of them.
    for day in 2..45 {
        history.note(NOON + day * DAY, LOOK, &app(1));
        history.take_old(NOON + day * DAY);
    }
    let before = history.quarters().count();
    history.note(NOON + 30_000 * DAY, LOOK, &app(1));
    history.take_old(NOON + 30_000 * DAY);
    history.note(NOON + 45 * DAY, LOOK, &app(1));
    history.take_old(NOON + 45 * DAY);
    assert!(history.quarters().count() + 3 >= before, "{} of {before}", history.quarters().count());
    let week = quiet::Week::of(history.quarters(), day_of(NOON + 45 * DAY), &jiff::tz::TimeZone::UTC);
    assert!(week.slots_seen == 0, "ten seconds of a quarter hour say too little");
}

#[test]
fn what_a_thread_gathers_by_topic_is_bounded() {
    let mut topics = TopicAmounts::default();
    for number in 0..ROWS_MAX + 10 {
        topics.add(Topic::Name(&format!("t{number}")), amount(1));
    }
    topics.add(Topic::Name("t5"), amount(2));
    topics.add(Topic::Id([7; 16]), amount(3));
    let mut all = TopicAmounts::default();
    all.add(Topic::Id([7; 16]), amount(4));
    all.merge(topics);
    assert_eq!(all.others().to_brokers, 10 + 3 + 1, "the ids came first, so that one name has no room");
    let rows: std::collections::HashMap<_, _> = all.into_rows().collect();
    assert_eq!(rows.len(), ROWS_MAX);
    assert_eq!(rows[&TopicId::Id([7; 16])].to_brokers, 4);
}

/// Amounts by kind and name.
fn sums<'a>(rows: impl Iterator<Item = (Kind, &'a str, Amount)>) -> BTreeMap<(Kind, String), Amount> {
    let mut sums: BTreeMap<_, Amount> = BTreeMap::new();
    rows.for_each(|(kind, name, amount)| *sums.entry((kind, name.to_owned())).or_default() += amount);
    sums
}
