mod story;

use std::sync::Arc;

use super::*;
use crate::demo::Verdict;
use crate::demo::book::Book;
use crate::demo::client::ClientError;
use crate::demo::load::{Orders, Pace, Side, Stamp, Step};

fn micros(micros: u64) -> Option<Duration> {
    Some(Duration::from_micros(micros))
}

fn picture() -> Picture {
    let kinds = |errors| {
        let row = |kind| KindRow { kind, per_second: 12_345.4, p50: micros(870), p99: micros(123_000), errors };
        let mut rows: Vec<KindRow> = Kind::ALL.into_iter().map(row).collect();
        (rows[0].p50, rows[0].p99) = (None, None);
        rows
    };
    let group = GroupRow { members: 2, per_second: 49_000.0, p50: micros(12_340), p99: micros(45_600), lag: 1_234, errors: 0 };
    let broker = |node_id: i32, is_up: bool| BrokerRow {
        node_id,
        address: format!("127.0.0.1:4000{node_id}"),
        virtual_broker: format!("127.0.0.1:1200{node_id}"),
        leads: is_up.then_some(3),
        state: if is_up { "up" } else { "DOWN" },
    };
    let leeward =
        LeewardRow { sessions: 17, requests_per_second: 1_204.0, own_p50: micros(25), own_p99: micros(2_500), errors: 4, cpu: 0.11, memory_bytes: 17 << 20 };
    Picture {
        title: "a sandbox of three brokers".to_owned(),
        moment: Moment {
            elapsed: Duration::from_secs(15),
            total: Some(Duration::from_secs(30)),
            share: 0.5,
            doing: "steady load, both at once".to_owned(),
            ..Moment::default()
        },
        brokers: vec![broker(1, true), broker(2, false)],
        sides: vec![SidePicture { kinds: kinds(0), group }, SidePicture { kinds: kinds(7), group }],
        leeward: Some(leeward),
        ledger: None,
    }
}

const LIVE: &str = "\
Leeward in front of a sandbox of three brokers
[####################....................] 15 s left  steady load, both at once

broker        its own address   virtual broker     leads  state
1             127.0.0.1:40001   127.0.0.1:12001        3  up
2             127.0.0.1:40002   127.0.0.1:12002        -  DOWN

                ---- direct -----------------     ---- through Leeward --------
producers     records/s p50 ms p99 ms  errors   records/s p50 ms p99 ms  errors
acks=0           12,345      -      -       0      12,345      -      -       7
acks=1           12,345   0.87    123       0      12,345   0.87    123       7
acks=all         12,345   0.87    123       0      12,345   0.87    123       7
idempotent       12,345   0.87    123       0      12,345   0.87    123       7
consumer group   49,000   12.3   45.6       0      49,000   12.3   45.6       0
                2 members, lag 1,234              2 members, lag 1,234

Leeward: 17 sessions, 1,204 requests/s, own time p50 <= 25 µs, p99 <= 2.50 ms
         4 error codes from brokers, 11 % of a core, 17 MiB
";

#[test]
fn the_live_view_looks_like_this() {
    assert_eq!(live(&picture(), 120), LIVE);
}

#[test]
fn the_live_view_fits_into_any_terminal() {
    let eighty = live(&picture(), 80);
    assert_eq!(eighty.lines().count(), LIVE.lines().count());
    assert_eq!(eighty.lines().skip(2).collect::<Vec<_>>(), LIVE.lines().skip(2).collect::<Vec<_>>(), "only the bar gives way");
    for width in [0, 1, 20, 40, 79, 80] {
        assert!(live(&picture(), width).lines().all(|line| line.chars().count() <= width), "{width}");
    }
    let mut over = picture();
    (over.moment.elapsed, over.moment.share) = (Duration::from_secs(31), 1.03);
    over.leeward = None;
    let over = live(&over, 80);
    assert!(over.contains("##] 0 s left") && over.contains("Leeward does not answer"), "{over}");
}

#[test]
fn a_moment_in_one_line() {
    let expected = " 15 s of 30 s  steady load, both at once | direct: 49,382 written/s, 49,000 read/s, lag 1,234, 0 errors \
                    | through Leeward: 49,382 written/s, 49,000 read/s, lag 1,234, 28 errors";
    assert_eq!(plain(&picture()), expected);
}

/// Two records through each side; `harm` is done to the one through Leeward.
fn end(harm: impl Fn(&Book, &[Option<Stamp>])) -> Summary {
    let mut result = Summary::new("a sandbox of three brokers".to_owned());
    result.lasted = Duration::from_secs(30);
    let full = Orders { direct: Some(Pace::Full), leeward: Some(Pace::Full), end: false };
    result.note_step(&Step { orders: full, lasts: Duration::from_millis(500) });
    for side in Side::BOTH {
        let book = Arc::new(Book::default());
        let stamp = |number, pace| Some(Stamp { kind: Kind::AcksAll, pace, number, sent_nanos: 0 });
        let stamps = [stamp(0, Pace::Steady), stamp(1, Pace::Full)];
        book.acknowledged(Kind::AcksAll, 0, 0..1, Pace::Steady, micros(1_500));
        book.acknowledged(Kind::AcksAll, 0, 1..2, Pace::Full, micros(3_000));
        let now = std::time::Instant::now();
        book.stored(0, &stamps);
        book.read(0, &stamps, 0, now + Duration::from_millis(2), now);
        if side == Side::Leeward {
            harm(&book, &stamps);
        }
        result.note_side(side, &book.pages());
    }
    result.note_leeward(6_778, 0.52, micros(10), micros(250));
    result
}

#[test]
fn the_summary_of_a_good_end() {
    let good = end(|_, _| {});
    assert_eq!(good.verdict(), Verdict::Whole);
    let expected = "
30 s in front of a sandbox of three brokers

                                                    direct     through Leeward
records acknowledged                                     2                   2
records stored (brokers' own logs)                       2                   2
records read by the group                                2                   2
acknowledged but lost                                    0                   0
stored more than once                                    0                   0
read more than once                                      0                   0
errors seen by clients                                   0                   0
group generations / offset commits                   0 / 0               0 / 0

steady load, both at once: p50 / p99 ms
  acks=1, batches of 1 record                            -                   -
  acks=all, batches of 50 records              1.50 / 1.50         1.50 / 1.50
  idempotent, batches of 10 records                      -                   -
  from sending to reading                      2.01 / 2.01         2.01 / 2.01

full speed, in turns: acknowledged records/s, p50 / p99 ms
  acks=0                                                 -                   -
  acks=1                                                 -                   -
  acks=all                                  2, 3.01 / 3.01      2, 3.01 / 3.01
  idempotent                                             -                   -

Leeward: 6,778 requests, 0.5 s of CPU, own time p50 <= 10 µs, p99 <= 250 µs

Nothing was lost, nothing came twice, everything was read.";
    assert_eq!(summary(&good), expected);
}

#[test]
fn the_summary_names_each_harm() {
    let bad = end(|book, stamps| {
        book.acknowledged(Kind::AcksAll, 0, 2..5, Pace::Steady, None);
        book.stored(0, &stamps[..1]);
        book.given_up(Kind::AcksLeader, &(0..1), "ConnectionLost".to_owned());
        book.group_error(&ClientError::TimedOut);
    });
    assert_eq!(bad.verdict(), Verdict::Harmed);
    let text = summary(&bad);
    for line in [
        "acknowledged but lost                                    0                   3",
        "errors seen by clients                                   0                   2",
        "  ConnectionLost                                         0                   1",
        "  TimedOut                                               0                   1",
        "WRONG: through Leeward: 3 records acknowledged but not stored",
        "WRONG: through Leeward: 1 record stored more than once",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:{text}");
    }
    assert!(!text.contains("Nothing was lost"));
}

#[test]
fn trouble_and_silence_are_no_good_end() {
    let mut troubled = end(|_, _| {});
    troubled.trouble(Some(Side::Leeward), "it ended with exit code 1".to_owned());
    assert_eq!(troubled.verdict(), Verdict::Harmed);
    assert!(summary(&troubled).ends_with("WRONG: through Leeward: it ended with exit code 1"));
    assert_eq!(Summary::new(String::new()).verdict(), Verdict::Harmed, "a demo in which nothing flowed shows nothing");
}
