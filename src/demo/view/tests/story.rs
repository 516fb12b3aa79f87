use super::*;
use crate::admin::report::{Counts, Holds};
use crate::demo::front::Ledger;
use crate::demo::story::restarts;

fn ledger() -> Ledger {
    let named = |name: &str, count| (name.to_owned(), count);
    let counts = Counts {
        absorbed_errors: [named("NOT_LEADER_OR_FOLLOWER", 10), named("REQUEST_TIMED_OUT", 2)].into(),
        absorbed_losses: 31,
        holds: Holds { begun: 104, held: 3, longest_seconds: 0.312, ..Holds::default() },
        acks_raised: 5_732,
        batches_numbered: 7_116,
        duplicates_dropped: 4,
        ..Counts::default()
    };
    Ledger { restarts: 6, counts }
}

/// The end of a story in which restarts harmed the direct side, and the other as `harm` does.
fn told(harm: impl Fn(&Book)) -> Summary {
    let mut result = Summary::new("a sandbox of three brokers".to_owned());
    result.begin_story(restarts(&[1, 2, 3], false));
    result.restarts_done(6);
    result.lasted = Duration::from_secs(58);
    result.note_ledger(Some(ledger()));
    result.note_leeward(24_515, 4.4, micros(25), micros(500));
    for side in Side::BOTH {
        let book = Book::default();
        let stamps: Vec<_> = (0..4).map(|number| Some(Stamp { kind: Kind::AcksLeader, pace: Pace::Steady, number, sent_nanos: 0 })).collect();
        book.acknowledged(Kind::AcksLeader, 0, 0..4, Pace::Steady, micros(900));
        let kept = if side == Side::Direct { &stamps[1..] } else { &stamps };
        book.stored(0, kept);
        book.read(0, kept, 0, std::time::Instant::now(), std::time::Instant::now());
        if side == Side::Direct {
            book.given_up(Kind::AcksAll, &(0..150), "ConnectionLost".to_owned());
            book.given_up(Kind::AcksLeader, &(4..6), "NotLeaderOrFollower".to_owned());
            book.unanswered(Kind::AcksNone, 0, 0..20);
            book.group_error(&ClientError::Closed);
        } else {
            harm(&book);
        }
        result.note_side(side, &book.pages());
    }
    result
}

const TOLD: &str = "
58 s in front of a sandbox of three brokers:
every broker stopped (SIGTERM) and started again, then every broker killed (SIGKILL) and started again

                                                    direct     through Leeward
errors seen by clients                                 152                   0
  ConnectionLost                                       150                   0
  NotLeaderOrFollower                                    2                   0
records acknowledged but lost                            1                   0
records lost without a word (acks=0)                    20                   0
duplicates: stored more than once                        0                   0
duplicates: read more than once                          0                   0
records stored out of order                              0                   0
longest without an acknowledgement                       -                   -
longest without a record to read                         -                   -

records acknowledged                                     4                   4
records stored (brokers' own logs)                       3                   4
records read by the group                                3                   4
records stored, but not read                             0                   0
group generations / offset commits                   0 / 0               0 / 0
errors that libraries got over                           1                   0
  ConnectionLost                                         1                   0

Leeward's ledger, in which a broker was lost 6 times:
  held 104 requests, the longest for 312 ms
  absorbed 31 lost requests and 12 errors (NOT_LEADER_OR_FOLLOWER 10, REQUEST_TIMED_OUT 2)
  raised acks of 5,732 requests, numbered 7,116 batches; brokers dropped 4 duplicates
  let through to clients 0 errors
Leeward: 24,515 requests, 4.4 s of CPU, own time p50 <= 25 µs, p99 <= 500 µs

Through Leeward: no error, nothing lost, nothing twice, everything read, in 6 restarts of brokers.";

#[test]
fn what_restarts_do_to_the_direct_side_is_no_harm() {
    let good = told(|_| {});
    assert_eq!(good.verdict(), Verdict::Whole);
    assert_eq!(summary(&good), TOLD);
}

/// What is done to the side of Leeward, and what is said of it.
type Harm = (fn(&Book), &'static str);

#[test]
fn what_reaches_clients_through_leeward_is_named() {
    let table: [Harm; 4] = [
        (|book| book.given_up(Kind::AcksLeader, &(4..5), "ConnectionLost".to_owned()), "1 error seen by clients"),
        (|book| book.acknowledged(Kind::AcksLeader, 1, 0..2, Pace::Steady, None), "2 records acknowledged but not stored"),
        (|book| book.unanswered(Kind::AcksNone, 1, 0..1), "1 record sent with acks=0 and not stored"),
        (|book| book.stored(0, &[Some(Stamp { kind: Kind::AcksLeader, pace: Pace::Steady, number: 0, sent_nanos: 0 })]), "1 record stored more than once"),
    ];
    for (harm, said) in table {
        let bad = told(harm);
        assert_eq!(bad.verdict(), Verdict::Harmed, "{said}");
        assert!(summary(&bad).ends_with(&format!("\nWRONG: through Leeward: {said}")), "{said}: {}", summary(&bad));
    }
}

#[test]
fn whose_trouble_it_is_decides() {
    let mut direct = told(|_| {});
    direct.trouble(Some(Side::Direct), "the group did not read the rest within 30s".to_owned());
    assert_eq!(direct.verdict(), Verdict::Whole);
    assert!(summary(&direct).contains("\ndirect: the group did not read the rest within 30s\nThrough Leeward: no error"));
    let mut nobodys = told(|_| {});
    nobodys.trouble(None, "broker 2 did not start".to_owned());
    assert_eq!(nobodys.verdict(), Verdict::Harmed);
    // What a library gets over by itself is no error to its application.
    assert_eq!(told(|book| book.group_error(&ClientError::Closed)).verdict(), Verdict::Whole);
}

#[test]
fn a_story_that_was_cut_short_says_how_far_it_came() {
    let mut short = told(|_| {});
    short.restarts_done(2);
    short.interrupted = true;
    let text = summary(&short);
    assert!(text.starts_with("\n58 s in front of a sandbox of three brokers, ended early:\n2 of 6 restarts\n"), "{text}");
    assert!(text.ends_with("everything read, in 2 restarts of brokers."), "{text}");
}

#[test]
fn the_live_view_shows_which_broker_is_away_and_what_was_said() {
    let mut away = picture();
    let sentence = |seconds, what: &str| said(Duration::from_secs(seconds), what);
    away.moment = Moment {
        elapsed: Duration::from_secs(15),
        share: 1.0 / 6.0,
        doing: "1 of 6 restarts".to_owned(),
        said: vec![sentence(13, "broker 2 is told to stop (SIGTERM)"), sentence(14, "broker 2 is stopped")],
        ..Moment::default()
    };
    away.brokers = away.brokers.into_iter().map(|broker| broker.marked(Some((2, "away (SIGTERM)")))).collect();
    away.ledger = Some(ledger());
    let drawn = live(&away, 100);
    for line in [
        "[#######.................................] 15 s  1 of 6 restarts",
        "1             127.0.0.1:40001   127.0.0.1:12001        3  up",
        "2             127.0.0.1:40002   127.0.0.1:12002        -  away (SIGTERM)",
        "         43 errors absorbed, 0 let through; 3 requests held now, the longest so far 312 ms",
        " 14 s  broker 2 is stopped",
    ] {
        assert!(drawn.lines().any(|found| found == line), "{line} is not in:\n{drawn}");
    }
    assert!(plain(&away).starts_with(" 15 s  1 of 6 restarts | direct: "), "{}", plain(&away));
    assert!(live(&away, 80).lines().all(|line| line.chars().count() <= 80));
}
