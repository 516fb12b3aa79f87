use super::show::{covers, status};
use crate::cli::output::Paint;
use crate::maintenance::Kept;
use crate::maintenance::api::{ClosedView, MaintenanceStatus, ScheduleView, WindowView};

fn window(id: &str, reason: &str) -> WindowView {
    WindowView {
        id: id.to_owned(),
        reason: reason.to_owned(),
        author: "alice@ops".to_owned(),
        origin: "operator".to_owned(),
        schedule: None,
        topics: Vec::new(),
        client_ids: vec!["billing".to_owned()],
        opened: "2026-03-01T14:00:00Z".to_owned(),
        expires: "2026-03-01T18:00:00Z".to_owned(),
        seconds_open: 4_320,
        seconds_left: 10_080,
    }
}

fn schedule(cron: &str) -> ScheduleView {
    let text = |text: &str| text.to_owned();
    ScheduleView {
        id: text("s1"),
        cron: text(cron),
        zone: text("Europe/Berlin"),
        lasts: text("3h"),
        reason: text("patches"),
        author: text("bob@ops"),
        topics: Vec::new(),
        client_ids: Vec::new(),
        next: Some(text("2026-03-07T01:00:00Z")),
        seconds_to_next: Some(300_000),
    }
}

fn maintenance() -> MaintenanceStatus {
    let (closed, closed_by, closed_why) = ("2026-03-01T12:00:00Z".to_owned(), "leeward".to_owned(), "its time was over".to_owned());
    MaintenanceStatus {
        absorb: "always".to_owned(),
        mode: "on".to_owned(),
        detect: true,
        open: vec![window("w2", "upgrade to 4.3")],
        schedules: vec![schedule("0 2 * * SAT")],
        history: vec![ClosedView { window: window("w1", "disk of broker 3"), closed, closed_by, closed_why, seconds_since: 90 }],
        left_alone: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        brokers_away: vec![2],
        kept: Kept { directory: "/var/lib/leeward".to_owned(), survives_restart: true, problem: None, note: None },
        shared: None,
    }
}

const GOLDEN: &str = "\
absorb always, mode on, detection on
kept over a restart in /var/lib/leeward
brokers away: 2
acks stay as they are on a, b, c and 1 more

WINDOW  CLOSES    OPENED     BY         COVERS           REASON
w2      in 2h48m  1h12m ago  alice@ops  clients billing  upgrade to 4.3

SCHEDULE  NEXT      CRON         ZONE           FOR  COVERS      REASON
s1        in 3d11h  0 2 * * SAT  Europe/Berlin  3h   everything  patches

WAS  CLOSED     LASTED  BY       WHY                REASON
w1   1m30s ago  1h12m   leeward  its time was over  disk of broker 3";

#[test]
fn maintenance_is_shown_to_people() {
    assert_eq!(status(&maintenance(), Paint { colour: false }), GOLDEN);
}

#[test]
fn it_fits_in_100_columns_and_obeys_no_text_of_others() {
    let mut shown = maintenance();
    shown.open.push(window("w3", &"a long story\u{1b}[2J ".repeat(30)));
    shown.schedules.push(schedule("0,10,20,30,40,50 1,2,3,4,5 1,2,3,4,5,6,7,8 JAN,FEB,MAR MON-FRI"));
    shown.left_alone = vec!["t".repeat(249)];
    let text = status(&shown, Paint { colour: false });
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn what_is_not_kept_is_said() {
    let mut shown = maintenance();
    shown.kept.problem = Some("cannot make /x: denied".to_owned());
    assert!(status(&shown, Paint { colour: false }).contains("not kept over a restart: cannot make /x: denied"));
}

#[test]
fn what_a_window_covers_is_a_phrase() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (topics, clients, phrase) in [
        (names(&[]), names(&[]), "everything"),
        (names(&["a"]), names(&[]), "topics a"),
        (names(&[]), names(&["c"]), "clients c"),
        (names(&["a", "b"]), names(&["c"]), "topics a, b of clients c"),
    ] {
        assert_eq!(covers(&topics, &clients), phrase);
    }
}
