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
    let table: [Case; 5] = [
        ("lost", 0..3, &[0, 2], &[0, 2], Fate { acknowledged: 3, stored: 2, read: 2, lost: 1, ..Fate::default() }),
        ("unread", 0..2, &[0, 1], &[0], Fate { acknowledged: 2, stored: 2, read: 1, unread: 1, ..Fate::default() }),
        ("stored twice", 0..2, &[0, 1, 1], &[0, 1, 1], Fate { acknowledged: 2, stored: 2, read: 2, stored_again: 1, ..Fate::default() }),
        ("read twice", 0..1, &[0], &[0, 0], Fate { acknowledged: 1, stored: 1, read: 1, read_again: 1, ..Fate::default() }),
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
