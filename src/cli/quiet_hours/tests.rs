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
