use std::collections::BTreeSet;

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::*;
use crate::history::quiet::{QUIET_SHARE, QUIET_SLOTS_MIN, SLOTS, Week};

type Days = BTreeMap<DayNumber, [Quarter; QUARTERS]>;

fn full(bytes: u64) -> Quarter {
    Quarter { seen_millis: 900_000, amount: Amount { requests: 1, to_brokers: bytes, to_clients: 0 } }
}

/// Quarter hours between two moments of local time, each with the bytes that it has by its local time.
fn days(zone: &TimeZone, from: DateTime, weeks: i64, bytes: impl Fn(DateTime) -> Option<u64>) -> (Days, DayNumber) {
    let begin = from.to_zoned(zone.clone()).unwrap().timestamp();
    let mut days = Days::new();
    let mut today = 0;
    for quarter in 0..weeks * 672 {
        let at = begin + (quarter * 15).minutes();
        let millis = u64::try_from(at.as_millisecond()).unwrap();
        today = day_of(millis);
        let day = days.entry(today).or_insert([Quarter::default(); QUARTERS]);
        if let Some(bytes) = bytes(at.to_zoned(zone.clone()).datetime()) {
            day[usize::try_from(millis % DAY / 900_000).unwrap()] = full(bytes);
        }
    }
    (days, today)
}

fn week((days, today): &(Days, DayNumber), zone: &TimeZone) -> Week {
    Week::of(days.iter().map(|(number, quarters)| (*number, quarters)), *today, zone)
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

const DAY_BYTES: u64 = 900_000;
const NIGHT_BYTES: u64 = 9_000;

/// Quiet from two to five on Sundays.
fn sunday_night(at: DateTime) -> Option<u64> {
    let is_night = at.weekday() == jiff::civil::Weekday::Sunday && (2..5).contains(&at.hour());
    Some(if is_night { NIGHT_BYTES } else { DAY_BYTES })
}

#[test]
fn a_quiet_night_is_named_in_the_time_of_whoever_asks() {
    // Nepal is 5:45 ahead of UTC.
    for name in ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"] {
        let zone = zone(name);
        let week = week(&days(&zone, date(2026, 6, 1).at(0, 0, 0, 0), 4, sunday_night), &zone);
        let periods = week.periods();
        assert_eq!(periods.len(), 1, "{name}: {periods:?}");
        assert_eq!((periods[0].start, periods[0].slots, periods[0].weeks), (6 * 96 + 8, 12, 4), "{name}");
        assert!((periods[0].mean - 10.0).abs() < 1e-9 && (periods[0].peak - 10.0).abs() < 1e-9, "{name}: {periods:?}");
        assert!(week.is_whole() && (week.weeks - 4.0).abs() < 1e-9 && week.slots_seen == SLOTS);
        assert_eq!(week.quietest(8).unwrap().start, 6 * 96 + 8, "{name}");
        assert_eq!(week.quietest(12), periods.first().copied());
    }
}

#[test]
fn a_change_of_time_moves_nothing() {
    let berlin = zone("Europe/Berlin");
    // Summer time ends on 25 October 2026 at three, and begins on 29 March 2026 at two: both in the quiet hours.
    for (from, weeks) in [(date(2026, 10, 5), 4), (date(2026, 3, 9), 3)] {
        let seen = days(&berlin, from.at(0, 0, 0, 0), 4, sunday_night);
        let week = week(&seen, &berlin);
        let periods = week.periods();
        assert_eq!(periods.len(), 1, "{from}: {periods:?}");
        assert_eq!((periods[0].start, periods[0].slots, periods[0].weeks), (6 * 96 + 8, 12, weeks), "{from}");
        assert!(periods[0].peak < 10.1, "{from}: {periods:?}");
        // In UTC the nights before and behind the change are an hour apart, so that the traffic of days is in the quiet hours.
        let utc = self::week(&seen, &TimeZone::UTC);
        assert!(utc.quietest(12).unwrap().peak > 900.0, "{:?}", utc.quietest(12));
    }
    // The hour that is skipped has no sample where there is no other week, and the period falls apart.
    let alone = days(&berlin, date(2026, 3, 23).at(0, 0, 0, 0), 1, sunday_night);
    let week = week(&alone, &berlin);
    assert_eq!(week.slots_seen, SLOTS - 4);
    assert_eq!(week.periods().iter().map(|period| (period.start, period.slots)).collect::<Vec<_>>(), [(6 * 96 + 12, 8)]);
}

#[test]
fn a_period_may_go_over_the_end_of_the_week() {
    let seen = days(&TimeZone::UTC, date(2026, 6, 1).at(0, 0, 0, 0), 2, |at| {
        let (day, hour) = (at.weekday(), at.hour());
        let is_quiet = (day == jiff::civil::Weekday::Sunday && hour >= 22) || (day == jiff::civil::Weekday::Monday && hour < 3);
        Some(if is_quiet { 0 } else { DAY_BYTES })
    });
    let week = week(&seen, &TimeZone::UTC);
    assert_eq!(week.periods().iter().map(|period| (period.start, period.slots)).collect::<Vec<_>>(), [(6 * 96 + 88, 20)]);
    assert_eq!(week.quietest(20).unwrap().start, 6 * 96 + 88);
}

#[test]
fn what_was_not_seen_is_not_quiet() {
    // Leeward does not run on Sunday nights; Saturdays are low.
    let seen = days(&TimeZone::UTC, date(2026, 6, 1).at(0, 0, 0, 0), 3, |at| match (at.weekday(), at.hour()) {
        (jiff::civil::Weekday::Sunday, 2..5) => None,
        (jiff::civil::Weekday::Saturday, 2..5) => Some(NIGHT_BYTES),
        _ => Some(DAY_BYTES),
    });
    let week = week(&seen, &TimeZone::UTC);
    assert_eq!(week.periods().iter().map(|period| period.start / 96).collect::<Vec<_>>(), [5]);
    assert_eq!(week.quietest(12).unwrap().start, 5 * 96 + 8);
    assert!(week.is_whole(), "98 % were seen");
    let short = days(&TimeZone::UTC, date(2026, 6, 1).at(0, 0, 0, 0), 1, |at| (at.weekday() as u8 != 0 && at.hour() < 12).then_some(DAY_BYTES));
    assert!(!self::week(&short, &TimeZone::UTC).is_whole());
    let nothing = Week::of(std::iter::empty(), 0, &TimeZone::UTC);
    assert!(!nothing.is_whole() && nothing.periods().is_empty() && nothing.quietest(4).is_none() && nothing.mean == 0.0 && nothing.mean.is_sign_positive());
}

#[test]
fn a_flat_week_has_no_quiet_hours_but_a_quietest_one() {
    let seen = days(&TimeZone::UTC, date(2026, 6, 1).at(0, 0, 0, 0), 1, |at| Some(DAY_BYTES - u64::from(at.weekday().to_monday_one_offset().unsigned_abs())));
    let week = week(&seen, &TimeZone::UTC);
    assert!(week.periods().is_empty());
    assert_eq!(week.quietest(8).unwrap().start / 96, 6);
    assert_eq!((week.quietest(0), week.quietest(SLOTS + 1)), (None, None));
    assert_eq!(week.quietest(SLOTS).unwrap().slots, SLOTS);
}

#[test]
fn weeks_that_are_over_for_long_do_not_count() {
    let (days, today) = days(&TimeZone::UTC, date(2026, 6, 1).at(0, 0, 0, 0), 1, sunday_night);
    assert_eq!(week(&(days.clone(), today + 10), &TimeZone::UTC).slots_seen, SLOTS);
    assert_eq!(week(&(days.clone(), today + 50), &TimeZone::UTC).slots_seen, 0);
    assert_eq!(week(&(days, today - 10), &TimeZone::UTC).slots_seen, 0, "nor those that are not yet");
}

#[test]
fn bounds_are_where_they_are_said_to_be() {
    let monday = date(2026, 6, 1).at(0, 0, 0, 0);
    // 660 quarter hours of 111 bytes a second and 12 of 55: the mean is 110, and half of it is quiet still.
    let half = days(&TimeZone::UTC, monday, 1, |at| sunday_night(at).map(|bytes| if bytes == NIGHT_BYTES { 900 * 55 } else { 900 * 111 }));
    let half = week(&half, &TimeZone::UTC);
    assert_eq!((half.mean, half.periods().iter().map(|period| period.slots).collect::<Vec<_>>()), (110.0, vec![12]));
    let of_a_day = |seen_millis, today| {
        let quarters = [Quarter { seen_millis, ..full(1) }; QUARTERS];
        Week::of([(100, &quarters)].into_iter(), today, &TimeZone::UTC).slots_seen
    };
    assert_eq!((of_a_day(300_000, 100), of_a_day(299_999, 100)), (QUARTERS, 0), "a third of a quarter hour");
    assert_eq!((of_a_day(900_000, 135), of_a_day(900_000, 136)), (QUARTERS, 0), "five weeks and the day that goes on");
    let first = |slots: usize| {
        let slot = |at: DateTime| {
            at.weekday().to_monday_zero_offset().unsigned_abs() as usize * 96 + at.hour().unsigned_abs() as usize * 4 + at.minute().unsigned_abs() as usize / 15
        };
        week(&days(&TimeZone::UTC, monday, 1, |at| (slot(at) < slots).then_some(DAY_BYTES)), &TimeZone::UTC)
    };
    let (enough, less) = (first(638), first(637));
    assert_eq!((enough.slots_seen, enough.is_whole(), less.slots_seen, less.is_whole()), (638, true, 637, false), "95 % of 672");
}

/// Rates by slot, the simplest way: `None` where it was never seen.
fn naive(days: &Days, zone: &TimeZone) -> Vec<Option<f64>> {
    let mut sums: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    for (number, quarters) in days {
        for (at, quarter) in quarters.iter().enumerate().filter(|(_, quarter)| quarter.seen_millis >= 300_000) {
            let moment = Timestamp::from_second(i64::from(*number) * 86_400 + at as i64 * 900).unwrap().to_zoned(zone.clone());
            let minutes = i64::from(moment.weekday().to_monday_zero_offset()) * 1440 + i64::from(moment.hour()) * 60 + i64::from(moment.minute());
            let sum = sums.entry(minutes as usize / 15).or_default();
            *sum = (sum.0 + quarter.amount.bytes(), sum.1 + u64::from(quarter.seen_millis));
        }
    }
    (0..SLOTS).map(|slot| sums.get(&slot).map(|(bytes, millis)| *bytes as f64 * 1000.0 / *millis as f64)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Any traffic, with holes, in zones that change their time: the same periods as every stretch looked at by itself.
    #[test]
    fn periods_are_those_of_brute_force(
        seed in any::<u64>(), start in 0..400_i64, weeks in 1..4_i64, zone_at in 0..4_usize, holes in 0..40_u64, slots in 1..30_usize,
    ) {
        let zone = zone(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"][zone_at]);
        let mut state = seed | 1;
        let levels: Vec<u64> = (0..SLOTS / 8).map(|_| { state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); (state >> 60) * 100_000 }).collect();
        let begin = date(2026, 1, 5).at(0, 0, 0, 0) + start.days();
        let (days, today) = days(&zone, begin, weeks, |at| {
            let slot = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap() * 96 + usize::try_from(at.hour()).unwrap() * 4 + usize::try_from(at.minute()).unwrap() / 15;
            let hash = (slot as u64 * 2_654_435_761 + at.date().day() as u64) % 100;
            (hash >= holes).then(|| levels[slot / 8] + slot as u64 % 5)
        });
        let week = Week::of(days.iter().map(|(number, quarters)| (*number, quarters)), today, &zone);
        let rates = naive(&days, &zone);
        let seen: Vec<f64> = rates.iter().flatten().copied().collect();
        let mean = seen.iter().sum::<f64>() / seen.len().max(1) as f64;
        prop_assert_eq!(week.slots_seen, seen.len());
        prop_assert!((week.mean - mean).abs() <= 1e-9 * mean.max(1.0));
        // Every stretch that is quiet and cannot be made longer.
        let is_quiet = |at: usize| rates[at % SLOTS].is_some_and(|rate| rate <= QUIET_SHARE * week.mean);
        let all: BTreeSet<(usize, usize)> = (0..SLOTS)
            .filter(|start| is_quiet(*start) && !is_quiet(start + SLOTS - 1))
            .map(|start| (start, (0..SLOTS).take_while(|at| is_quiet(start + at)).count()))
            .filter(|(_, slots)| *slots >= QUIET_SLOTS_MIN)
            .collect();
        prop_assert_eq!(week.periods().iter().map(|period| (period.start, period.slots)).collect::<BTreeSet<_>>(), all);
        prop_assert!(week.periods().windows(2).all(|two| two[0].mean <= two[1].mean));
        let of = |start: usize| (start..start + slots).map(|at| rates[at % SLOTS]).sum::<Option<f64>>().map(|sum| sum / slots as f64);
        let best = (0..SLOTS).filter_map(of).min_by(f64::total_cmp);
        match (week.quietest(slots), best) {
            (Some(found), Some(best)) => prop_assert!((found.mean - best).abs() <= 1e-6 * best.max(1.0) && of(found.start).is_some()),
            (found, best) => prop_assert_eq!((found, best), (None, None)),
        }
    }
}
