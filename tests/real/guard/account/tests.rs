use super::*;

fn stored(values: &[(&str, i64)]) -> Stored {
    let mut stored = Stored::default();
    for &(value, offset) in values {
        stored.add(Name::parse(value).unwrap(), offset);
    }
    stored
}

#[test]
fn all_as_told() {
    let journal = Journal::parse("a 1000 0 0 5 0\na 1010 1 1 20 0\na 1030 0 2 7 1\nd 1040 3\n");
    let written = Written::new("p", &journal, &stored(&[("p:0:0", 0), ("p:1:1", 0), ("p:0:2", 1), ("other:0:1", 2)]));
    assert_eq!(written, Written { sent: 3, acknowledged: 3, stall: 30, wait: 7, wait_max: 20, ..Written::default() });
}

#[test]
fn each_figure_is_found() {
    let journal =
        Journal::parse("a 1000 0 0 5 0\na 1010 0 2 5 2\na 1020 0 4 5 -1\na 1020 0 6 5 9\ne 1030 0 8 5 NotLeaderForPartitionError [Error 6]\nd 1040 6\na 1");
    let mut written = Written::new("p", &journal, &stored(&[("p:0:0", 0), ("p:0:4", 1), ("p:0:2", 2), ("p:0:8", 3), ("p:0:8", 4), ("p:0:4", 5)]));
    let expected = Written {
        sent: 6,
        acknowledged: 4,
        errors: 1,
        unanswered: 1,
        lost: 1,
        duplicates: 2,
        disorder: 1,
        misplaced: 0,
        stall: 10,
        wait: 5,
        wait_max: 5,
        examples: Vec::new(),
    };
    assert_eq!(std::mem::take(&mut written.examples).len(), 4);
    assert_eq!(written, expected);
    let misplaced = Written::new("p", &Journal::parse("a 1000 0 0 0 7\nd 1040 1\n"), &stored(&[("p:0:0", 0)]));
    assert_eq!(misplaced, Written { sent: 1, acknowledged: 1, misplaced: 1, ..Written::default() });
}

#[test]
fn a_reader_is_compared_with_what_is_stored() {
    let journal = Journal::parse("r 1000 load 0 0 p:0:0\nr 1000 load 0 0 p:0:0\nr 1500 load 0 2 p:0:4\nx 1600 TimeoutException no\nd 1700 0\n");
    let read = Read::new(&journal, &stored(&[("p:0:0", 0), ("p:0:2", 1), ("p:0:4", 2)]).names());
    assert_eq!(read, Read { read: 3, missed: 1, twice: 1, exceptions: 1, stall: 500 });
    assert_eq!(kinds(&journal.exceptions)[0].0, 1);
}
