use super::*;
use crate::guard::time::rfc3339;

const HOUR: Millis = 3_600_000;
const LIMITS: Limits = Limits { window_max: 24 * HOUR };
/// 2026-03-01T12:00:00Z, a Sunday.
const NOON: Millis = 1_772_366_400_000;

fn opening(lasts: Millis) -> Opening {
    Opening { coverage: Coverage::default(), reason: "upgrade".to_owned(), author: "alice".to_owned(), origin: Origin::Operator, lasts }
}

fn schedule(cron: &str, zone: &str, lasts: Millis) -> Schedule {
    let (cron, zone) = (cron.to_owned(), zone.to_owned());
    let (reason, author) = ("patches".to_owned(), "bob".to_owned());
    Schedule { id: String::new(), cron, zone, lasts, coverage: Coverage::default(), reason, author, done_until: 0 }
}

fn at(text: &str) -> Millis {
    u64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn guard() -> Guard {
    let upstream = crate::config::Override { key: "upstream.bootstrap".to_owned(), flag: String::new(), text: "a:1".to_owned() };
    crate::config::Config::from_parts(None, &[upstream]).unwrap().guard
}

#[test]
fn a_window_opens_and_ends_by_itself() {
    let mut windows = Windows::default();
    let window = windows.open(opening(2 * HOUR), LIMITS, NOON).unwrap();
    assert_eq!((window.id.as_str(), window.expires), ("w1", NOON + 2 * HOUR));
    assert_eq!(windows.next_change(NOON), Some(NOON + 2 * HOUR));
    assert_eq!(windows.advance(LIMITS, NOON + 2 * HOUR - 1), []);
    let changes = windows.advance(LIMITS, NOON + 2 * HOUR);
    assert!(matches!(changes.as_slice(), [Change::Closed(closed)] if closed.window == window && closed.by == "leeward"), "{changes:?}");
    assert_eq!((windows.open_windows().len(), windows.history().count(), windows.next_change(NOON)), (0, 1, None));
    assert_eq!(windows.open(opening(HOUR), LIMITS, NOON).unwrap().id, "w2", "no id comes twice");
}

#[test]
fn windows_that_make_no_sense_are_refused() {
    let mut windows = Windows::default();
    let with = |change: fn(&mut Opening)| {
        let mut asked = opening(HOUR);
        change(&mut asked);
        asked
    };
    for (asked, error) in [
        (with(|asked| asked.reason = " ".to_owned()), WindowError::NoReason),
        (with(|asked| asked.reason = "r".repeat(TEXT_BYTES_MAX + 1)), WindowError::Text { what: "the reason" }),
        (with(|asked| asked.author = String::new()), WindowError::Text { what: "the author" }),
        (with(|asked| asked.coverage.topics = names(&[""])), WindowError::Text { what: "a topic" }),
        (with(|asked| asked.coverage.client_ids = (0..=NAMES_MAX).map(|name| name.to_string()).collect()), WindowError::Names(NAMES_MAX + 1)),
        (with(|asked| asked.lasts = 999), WindowError::NoLength),
        (with(|asked| asked.lasts = 24 * HOUR + 1), WindowError::TooLong { asked: 24 * HOUR + 1, max: 24 * HOUR }),
    ] {
        assert_eq!(windows.open(asked, LIMITS, NOON), Err(error));
    }
    assert_eq!(windows, Windows::default(), "nothing has changed");
    for _ in 0..OPEN_MAX {
        windows.open(opening(HOUR), LIMITS, NOON).unwrap();
    }
    assert_eq!(windows.open(opening(HOUR), LIMITS, NOON), Err(WindowError::TooMany));
}

#[test]
fn one_window_or_all_are_closed() {
    let mut windows = Windows::default();
    assert_eq!(windows.close(None, "a", "r", NOON), Err(WindowError::NoneOpen));
    for _ in 0..3 {
        windows.open(opening(HOUR), LIMITS, NOON).unwrap();
    }
    assert_eq!(windows.close(Some("w9"), "a", "r", NOON), Err(WindowError::NoSuchWindow("w9".to_owned())));
    assert_eq!(windows.close(Some("w2"), "a", "", NOON), Err(WindowError::NoReason));
    assert_eq!(windows.close(Some("w2"), "a", "r", NOON).unwrap()[0].window.id, "w2");
    let rest: Vec<_> = windows.close(None, "a", "r", NOON).unwrap().into_iter().map(|closed| closed.window.id).collect();
    assert_eq!(rest, ["w1", "w3"]);
}

#[test]
fn history_is_bounded_and_keeps_the_latest() {
    let mut windows = Windows::default();
    for _ in 0..HISTORY_MAX + 5 {
        windows.open(opening(HOUR), LIMITS, NOON).unwrap();
        windows.close(None, "a", "r", NOON).unwrap();
    }
    let ids: Vec<_> = windows.history().map(|closed| closed.window.id.as_str()).collect();
    assert_eq!((ids.len(), ids.first().copied(), ids.last().copied()), (HISTORY_MAX, Some("w105"), Some("w6")));
}

#[test]
fn a_window_is_never_prolonged_beyond_the_longest() {
    let mut windows = Windows::default();
    windows.open(opening(HOUR), LIMITS, NOON).unwrap();
    assert_eq!(windows.prolong("w1", NOON + HOUR / 2, LIMITS), None, "never earlier");
    assert!(windows.prolong("w1", NOON + 2 * HOUR, LIMITS).is_some());
    assert!(windows.prolong("w1", NOON + 99 * HOUR, LIMITS).is_some());
    assert_eq!(windows.open_windows()[0].expires, NOON + 24 * HOUR);
    assert_eq!(windows.prolong("w1", NOON + 100 * HOUR, LIMITS), None);
}

#[test]
fn the_policy_has_what_is_open_and_what_is_configured() {
    let mut windows = Windows::default();
    let guard = Guard { watch_only: true, absorb: crate::config::Absorb::Window, held_bytes_max: 100, ..guard() };
    let closed = windows.policy(&guard, 4, BTreeSet::new(), 7, NOON);
    assert_eq!((closed.generation, closed.absorbs(), closed.is_window_open(), closed.watch_only, closed.held_bytes_max), (7, false, false, true, 25));
    let coverage = Coverage { topics: names(&["orders", "risky"]), client_ids: names(&["app"]) };
    windows.open(Opening { coverage, ..opening(HOUR) }, LIMITS, NOON).unwrap();
    let open = windows.policy(&guard, 4, names(&["risky"]), 8, NOON);
    assert!(open.absorbs() && open.covers_client(b"app") && !open.covers_client(b"other"));
    for (client, topic, raised) in [("app", "orders", true), ("app", "payments", false), ("other", "orders", false), ("app", "risky", false)] {
        assert_eq!(open.raises(client.as_bytes(), topic.as_bytes()), raised, "{client} {topic}");
    }
    assert_eq!((open.hold_max, open.hold_lookup_max), (guard.hold_max, guard.hold_lookup_max));
    assert!(!windows.policy(&guard, 4, BTreeSet::new(), 9, NOON + HOUR).is_window_open(), "what has expired is not open, whoever is late");
}

/// A cron, a zone, a moment, and the starts that follow.
const STARTS: &[(&str, &str, &str, &[&str])] = &[
    ("0 2 * * SAT", "UTC", "2026-03-01T12:00:00Z", &["2026-03-07T02:00:00Z", "2026-03-14T02:00:00Z"]),
    ("30 1 1 * *", "UTC", "2026-03-01T01:30:00Z", &["2026-04-01T01:30:00Z"]),
    ("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", &["2028-02-29T00:00:00Z"]),
    ("*/20 8 * * 1-5", "UTC", "2026-03-06T08:20:00Z", &["2026-03-06T08:40:00Z", "2026-03-09T08:00:00Z"]),
    // Winter and summer time.
    ("0 9 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", &["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"]),
    ("0 9 * * *", "America/New_York", "2026-10-31T14:00:00Z", &["2026-11-01T14:00:00Z"]),
    // 02:30 does not exist on that day: it comes at the end of the hour that is skipped, and is back the day after.
    ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
    // 02:30 comes twice on that day, and the window only once.
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    ("0 12 * * *", "Asia/Kathmandu", "2026-03-01T00:00:00Z", &["2026-03-01T06:15:00Z"]),
];

#[test]
fn schedules_start_when_their_zone_says() {
    for (cron, zone, after, expected) in STARTS {
        let schedule = schedule(cron, zone, HOUR);
        let mut after = at(after);
        for start in *expected {
            after = schedule.next_start(after).unwrap();
            assert_eq!(rfc3339(after), *start, "{cron} {zone}");
        }
    }
}

#[test]
fn schedules_that_make_no_sense_are_refused() {
    let mut windows = Windows::default();
    for (cron, zone, lasts, beginning) in [
        ("0 25 * * *", "UTC", HOUR, "\"0 25 * * *\" is no schedule"),
        ("0 2 * *", "UTC", HOUR, "\"0 2 * *\" is no schedule"),
        ("0 0 2 * * *", "UTC", HOUR, "\"0 0 2 * * *\" is no schedule"),
        ("", "UTC", HOUR, "\"\" is no schedule"),
        ("0 2 * * *", "Europe/Atlantis", HOUR, "\"Europe/Atlantis\" is no time zone"),
        ("0 2 * * *", "", HOUR, "\"\" is no time zone"),
        ("0 2 * * *", "UTC", 25 * HOUR, "25h is longer than guard.window_max"),
        ("0 0 30 2 *", "UTC", HOUR, "\"0 0 30 2 *\" never starts"),
        ("0 * * * *", "UTC", HOUR, "\"0 * * * *\" starts again before its window has closed"),
        ("* * * * *", "UTC", 4 * HOUR, "\"* * * * *\" starts again"),
    ] {
        let error = windows.add_schedule(schedule(cron, zone, lasts), LIMITS, NOON).unwrap_err().to_string();
        assert!(error.starts_with(beginning) && error.contains("; "), "{cron}: {error}");
    }
    assert_eq!(windows, Windows::default());
    assert_eq!(windows.remove_schedule("s1"), Err(WindowError::NoSuchSchedule("s1".to_owned())));
}

#[test]
fn a_schedule_opens_one_window_for_each_start() {
    let mut windows = Windows::default();
    let id = windows.add_schedule(schedule("0 14 * * *", "UTC", 3 * HOUR), LIMITS, NOON).unwrap().id;
    assert_eq!((id.as_str(), windows.next_change(NOON)), ("s1", Some(NOON + 2 * HOUR)));
    assert_eq!(windows.advance(LIMITS, NOON + HOUR), []);
    // Late by an hour, as after a restart: it ends when it would have ended.
    assert_eq!(windows.next_change(NOON + 3 * HOUR), Some(NOON + 3 * HOUR), "what is overdue is due now");
    let changes = windows.advance(LIMITS, NOON + 3 * HOUR);
    let [Change::Opened(window)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((window.origin, window.schedule.as_deref(), window.expires), (Origin::Schedule, Some("s1"), NOON + 5 * HOUR));
    assert_eq!(windows.advance(LIMITS, NOON + 3 * HOUR + 1), []);
    // Closed by hand, it stays closed until the next start.
    windows.close(None, "alice", "done early", NOON + 4 * HOUR).unwrap();
    assert_eq!(windows.advance(LIMITS, NOON + 4 * HOUR), []);
    assert_eq!(windows.next_change(NOON + 4 * HOUR), Some(NOON + 26 * HOUR));
    assert_eq!(windows.advance(LIMITS, NOON + 26 * HOUR).len(), 1);
    // Removed while its window is open, that one stays.
    windows.remove_schedule("s1").unwrap();
    assert_eq!((windows.open_windows().len(), windows.next_change(NOON + 26 * HOUR)), (1, Some(NOON + 29 * HOUR)));
}

#[test]
fn what_a_schedule_missed_is_not_made_up_for() {
    let mut windows = Windows::default();
    windows.add_schedule(schedule("0 14 * * *", "UTC", HOUR), LIMITS, NOON).unwrap();
    assert_eq!(windows.advance(LIMITS, NOON + 3 * HOUR), [], "its time was over before anybody could open it");
    assert_eq!(windows.next_change(NOON + 3 * HOUR), Some(NOON + 26 * HOUR));
}

#[test]
fn the_state_comes_back_as_it_was() {
    let mut windows = Windows::default();
    windows.open(Opening { coverage: Coverage { topics: names(&["a"]), client_ids: names(&["b"]) }, ..opening(HOUR) }, LIMITS, NOON).unwrap();
    windows.open(opening(HOUR), LIMITS, NOON).unwrap();
    windows.close(Some("w1"), "a", "r", NOON).unwrap();
    windows.add_schedule(schedule("0 14 * * *", "Europe/Berlin", HOUR), LIMITS, NOON).unwrap();
    let text = serde_json::to_string(&windows).unwrap();
    assert_eq!(serde_json::from_str::<Windows>(&text).unwrap(), windows);
}
