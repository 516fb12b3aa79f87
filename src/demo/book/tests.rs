use super::*;

fn stamps(numbers: &[u64]) -> Vec<Option<Stamp>> {
    numbers.iter().map(|&number| Some(Stamp { kind: Kind::AcksAll, pace: Pace::Steady, number, sent_nanos: 0 })).collect()
}

fn book(acknowledged: std::ops::Range<u64>, stored: &[u64], read: &[u64]) -> Fate {
    let book = Book::default();
    let now = Instant::now();
    book.acknowledged(Kind::AcksAll, 0, acknowledged, Pace::Steady, None);
    book.stored(0, &stamps(stored));
    book.read(0, &stamps(read), 0, now, now);
    book.pages().fate()
}

#[test]
fn what_was_acknowledged_stored_and_read_is_whole() {
    let all: Vec<u64> = (0..200).collect();
    let fate = book(0..200, &all, &all);
    assert_eq!(fate, Fate { acknowledged: 200, stored: 200, read: 200, ..Fate::default() });
}

/// What, and what was acknowledged, stored and read.
type Case<'a> = (&'a str, std::ops::Range<u64>, &'a [u64], &'a [u64], Fate);

#[test]
fn each_harm_is_told_apart() {
    let table: [Case; 6] = [
        ("lost", 0..3, &[0, 2], &[0, 2], Fate { acknowledged: 3, stored: 2, read: 2, lost: 1, ..Fate::default() }),
        ("unread", 0..2, &[0, 1], &[0], Fate { acknowledged: 2, stored: 2, read: 1, unread: 1, ..Fate::default() }),
        ("stored twice", 0..2, &[0, 1, 1], &[0, 1, 1], Fate { acknowledged: 2, stored: 2, read: 2, stored_again: 1, ..Fate::default() }),
        ("read twice", 0..1, &[0], &[0, 0], Fate { acknowledged: 1, stored: 1, read: 1, read_again: 1, ..Fate::default() }),
        ("out of order", 0..4, &[0, 2, 1, 3], &[0, 2, 1, 3], Fate { acknowledged: 4, stored: 4, read: 4, out_of_order: 1, ..Fate::default() }),
        // What was refused may be there all the same: that is no harm.
        ("stored unacknowledged", 0..1, &[0, 1], &[0, 1], Fate { acknowledged: 1, stored: 2, read: 2, ..Fate::default() }),
    ];
    for (what, acknowledged, stored, read, expected) in table {
        assert_eq!(book(acknowledged, stored, read), expected, "{what}");
    }
}

#[test]
fn another_ones_records_are_strange() {
    let book = Book::default();
    book.stored(0, &[None]);
    assert_eq!(book.pages().fate(), Fate { strange: 1, ..Fate::default() });
}

#[test]
fn a_duplicate_is_not_out_of_order_too() {
    let fate = book(0..3, &[0, 1, 2, 0], &[0, 1, 2, 0]);
    assert_eq!((fate.stored_again, fate.out_of_order), (1, 0));
}

#[test]
fn with_acks_0_what_nobody_was_told_of_is_gone() {
    let book = Book::default();
    book.acknowledged(Kind::AcksNone, 0, 0..2, Pace::Steady, None);
    book.unanswered(Kind::AcksNone, 0, 2..5);
    let stored = [0, 3].map(|number| Some(Stamp { kind: Kind::AcksNone, pace: Pace::Steady, number, sent_nanos: 0 }));
    book.stored(0, &stored);
    let fate = book.pages().fate();
    assert_eq!((fate.acknowledged, fate.lost, fate.gone), (2, 0, 3), "1 was shown to be processed, 2 and 4 were on a connection that went");
}

#[test]
fn a_batch_that_is_given_up_is_an_error_for_each_of_its_records() {
    let book = Book::default();
    let refused = |code| ClientError::Refused { api: "Heartbeat", error: crate::demo::client::Code(code) };
    book.given_up(Kind::AcksAll, &(50..100), "NotLeaderOrFollower".to_owned());
    book.given_up(Kind::AcksLeader, &(7..8), "NotLeaderOrFollower".to_owned());
    book.producer_handled(Kind::Idempotent, "ConnectionLost".to_owned());
    book.group_error(&refused(16));
    book.group_error(&refused(25));
    let pages = book.pages();
    let named = |name: &str, count| (name.to_owned(), count);
    assert_eq!(pages.errors_seen(), BTreeMap::from([named("NotLeaderOrFollower", 51), named("UnknownMemberId (Heartbeat)", 1)]));
    assert_eq!(pages.errors_handled(), BTreeMap::from([named("ConnectionLost", 1), named("NotCoordinator", 1)]));
}

#[test]
fn the_longest_stall_is_that_of_the_one_producer_that_stood_still() {
    let book = Book::default();
    let start = Instant::now();
    let stamp = |kind| [Some(Stamp { kind, pace: Pace::Steady, number: 0, sent_nanos: 0 })];
    assert_eq!(book.pages().longest_unread(), None, "nothing is expected yet");
    book.pages().expect_movement(start);
    for millis in [100, 400, 500, 900] {
        let now = start + Duration::from_millis(millis);
        for kind in Kind::ALL {
            for partition in 0..PARTITIONS {
                if millis != 500 || kind != Kind::AcksNone || partition != 1 {
                    book.read(partition, &stamp(kind), 0, now, start);
                }
            }
        }
    }
    book.pages().expect_nothing(start + Duration::from_secs(1));
    assert_eq!(book.pages().longest_unread(), Some(Duration::from_millis(500)), "that of acks=0 in partition 1, although all others went on");
    assert_eq!(book.pages().longest_unacknowledged(), Some(Duration::from_secs(1)), "nobody was answered; with acks=0 nobody expects it");
}
