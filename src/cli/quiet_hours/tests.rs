use std::time::Duration;

use jiff::Zoned;
use jiff::civil::date;

use super::*;

fn period(start_day: &str, start: &str, end_day: &str, end: &str, minutes: u64) -> QuietPeriod {
    let text = str::to_owned;
    QuietPeriod {
        start_day: text(start_day),
        start: text(start),
        end_day: text(end_day),
        end: text(end),
        minutes,
        cron: text("0 2 * * SUN"),
        mean_bytes_per_second: 1024.0,
        peak_bytes_per_second: 12.0 * 1024.0 * 1024.0,
        share_of_mean: 0.04,
        weeks: 4,
    }
}

fn quiet() -> QuietHours {
    QuietHours {
        zone: "Europe/Berlin".to_owned(),
        weeks_seen: 4.2,
        week_share_seen: 1.0,
        is_enough: true,
        mean_bytes_per_second: 25_600.0,
        quiet_share: 0.5,
        periods: vec![period("Sunday", "02:00", "Sunday", "05:00", 180), period("Saturday", "22:30", "Sunday", "00:00", 90)],
        quietest: Some(period("Sunday", "23:00", "Monday", "01:00", 120)),
        problem: None,
    }
}

const NO_PAINT: Paint = Paint { colour: false };

#[test]
fn quiet_hours_are_written_for_people() {
    let expected = "\
4.2 weeks seen, in the time of Europe/Berlin; 25.0KiB/s on average, both ways

QUIET PERIOD          LONG   OF THE MEAN  ON AVERAGE  AT MOST    WEEKS
Sunday 02:00–05:00    3h     4 %          1.0KiB/s    12.0MiB/s  4
Saturday 22:30–24:00  1h30m  4 %          1.0KiB/s    12.0MiB/s  4

The quietest 2h: Sunday 23:00–Monday 01:00, 4 % of the weekly mean, 12.0MiB/s at most.";
    assert_eq!(text(&quiet(), NO_PAINT), expected);
}

#[test]
fn what_was_seen_too_little_is_said() {
    assert_eq!(warning(&quiet()), None);
    let once = QuietHours { weeks_seen: 1.3, ..quiet() };
    assert!(text(&once, NO_PAINT).contains("Most of the week was seen only once"));
    let some = QuietHours { weeks_seen: 0.3, week_share_seen: 0.3, is_enough: false, ..quiet() };
    let told = text(&some, NO_PAINT);
    assert!(told.starts_with("2.1 days seen") && told.contains("Only 30 % of the week was seen, which is too little"), "{told}");
    let nothing = QuietHours { weeks_seen: 0.0, week_share_seen: 0.0, is_enough: false, periods: Vec::new(), quietest: None, ..quiet() };
    let told = text(&nothing, NO_PAINT);
    assert!(told.contains("Nothing of the week was seen yet") && !told.contains("No hour is quiet"), "{told}");
    let flat = QuietHours { periods: Vec::new(), problem: Some("disk full".to_owned()), ..quiet() };
    let told = text(&flat, NO_PAINT);
    assert!(told.contains("No hour is quiet: none stays at or below 50 % of the mean.") && told.contains("disk full"), "{told}");
    for text in [told, text(&some, NO_PAINT), text(&once, NO_PAINT)] {
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}

#[test]
fn a_zone_is_the_one_that_is_said() {
    assert_eq!(zone(Some("Asia/Tokyo")), "Asia/Tokyo");
    assert!(TimeZone::get(&zone(None)).is_ok(), "{}", zone(None));
}

/// A moment in Berlin.
fn berlin(year: i16, month: i8, day: i8, hour: i8, minute: i8) -> Zoned {
    date(year, month, day).at(hour, minute, 0, 0).to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap()
}

fn hours(hours: u64) -> Option<Duration> {
    Some(Duration::from_secs(hours * 3600))
}

fn when(quiet: &QuietHours, lasts: Option<Duration>, now: &Zoned) -> (Option<String>, Option<String>) {
    let When { start, end, .. } = When::of(quiet, lasts, now);
    (start, end)
}

fn span_of(start: &str, end: &str) -> (Option<String>, Option<String>) {
    (Some(start.to_owned()), Some(end.to_owned()))
}

#[test]
fn the_next_period_that_is_long_enough_is_named() {
    let quiet = quiet();
    // 26 November 2026 is a Thursday; Berlin is an hour ahead.
    let thursday = berlin(2026, 11, 26, 13, 0);
    let (short, long) = (span_of("2026-11-28T21:30:00Z", "2026-11-28T23:00:00Z"), span_of("2026-11-29T01:00:00Z", "2026-11-29T04:00:00Z"));
    assert_eq!(when(&quiet, hours(1), &thursday), short, "the lowest is not the next");
    assert_eq!(when(&quiet, None, &thursday), short);
    assert_eq!(when(&quiet, Some(Duration::from_secs(90 * 60)), &thursday), short, "just long enough");
    assert_eq!(when(&quiet, Some(Duration::from_secs(90 * 60 + 1)), &thursday), long);
    assert_eq!(when(&quiet, hours(3), &thursday), long);
    let told = When::of(&quiet, hours(3), &thursday);
    assert_eq!(
        told.told,
        "the next period that is long enough, in 2d13h: Sunday 02:00–05:00, 4 % of the weekly mean, 12.0MiB/s at most (time of Europe/Berlin)"
    );
    assert_eq!(told.seconds, Some(3 * 3600));
    let any = When::of(&quiet, None, &thursday);
    assert!(any.told.starts_with("the next period, in 2d9h: Saturday 22:30–24:00") && any.seconds.is_none(), "{}", any.told);
}

#[test]
fn a_period_that_goes_on_counts_for_what_is_left_of_it() {
    let quiet = quiet();
    let during = berlin(2026, 11, 29, 3, 30);
    assert_eq!(when(&quiet, hours(1), &during), span_of("2026-11-29T02:30:00Z", "2026-11-29T04:00:00Z"));
    assert!(When::of(&quiet, hours(1), &during).told.contains("now: Sunday 02:00–05:00"));
    assert_eq!(when(&quiet, hours(2), &during), span_of("2026-12-06T01:00:00Z", "2026-12-06T04:00:00Z"), "too little is left of this one");
    // The end itself is no part of it.
    assert_eq!(when(&quiet, None, &berlin(2026, 11, 29, 5, 0)).0.as_deref(), Some("2026-12-05T21:30:00Z"));
    // Over the end of the week, seen from Monday.
    let over = QuietHours { periods: vec![period("Saturday", "22:30", "Monday", "01:00", 26 * 60 + 30)], ..quiet };
    assert_eq!(when(&over, None, &berlin(2026, 11, 30, 0, 30)), span_of("2026-11-29T23:30:00Z", "2026-11-30T00:00:00Z"));
    assert_eq!(when(&over, hours(24), &berlin(2026, 11, 29, 0, 0)).0.as_deref(), Some("2026-11-28T23:00:00Z"));
}

#[test]
fn a_night_in_which_the_time_changes_has_the_length_that_it_has() {
    let quiet = quiet();
    // Summer time begins on 28 March 2027 at two: until five there are two hours.
    let before = berlin(2027, 3, 26, 12, 0);
    assert_eq!(when(&quiet, hours(2), &before), span_of("2027-03-28T01:00:00Z", "2027-03-28T03:00:00Z"));
    assert_eq!(when(&quiet, hours(3), &before), span_of("2027-04-04T00:00:00Z", "2027-04-04T03:00:00Z"));
    // It ends on 25 October 2026 at three: four hours.
    assert_eq!(when(&quiet, hours(4), &berlin(2026, 10, 24, 12, 0)), span_of("2026-10-25T00:00:00Z", "2026-10-25T04:00:00Z"));
}

#[test]
fn where_no_period_fits_it_is_said_why() {
    let now = berlin(2026, 11, 26, 13, 0);
    let told = |quiet: &QuietHours, lasts: Option<Duration>| {
        let When { start, end, told, .. } = When::of(quiet, lasts, &now);
        assert_eq!((start, end), (None, None), "{told}");
        told
    };
    let least = told(&quiet(), hours(5));
    assert!(least.starts_with("no quiet period is long enough; the least traffic for so long: Sunday 23:00–Monday 01:00"), "{least}");
    assert_eq!(told(&QuietHours { quietest: None, ..quiet() }, hours(5)), "no quiet period is long enough");
    assert!(told(&quiet(), hours(24 * 7 + 1)).starts_with("it takes longer than a week"));
    assert!(told(&QuietHours { periods: Vec::new(), ..quiet() }, hours(1)).contains("no hour of the week is quiet: none stays at or below 50 %"));
    let some = told(&QuietHours { weeks_seen: 0.3, week_share_seen: 0.3, is_enough: false, ..quiet() }, hours(1));
    assert!(some.starts_with("there is no telling yet when it is quiet. Only 30 % of the week was seen"), "{some}");
    let once = When::of(&QuietHours { weeks_seen: 1.3, ..quiet() }, hours(1), &now);
    assert!(once.start.is_some() && once.told.ends_with("would not be known."), "{}", once.told);
}
