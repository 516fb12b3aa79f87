//! Any order of what writers do, appends that arrive twice or late or of the dead, any compaction at any time: everybody reads the same state.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A record in the log: the key, and the value unless it is a tombstone.
type Row = (String, Option<Vec<u8>>);

/// The log as its brokers have it: offsets stay when compaction drops records between them.
#[derive(Default)]
struct Log {
    rows: Vec<(u64, Row)>,
    next: u64,
    /// Every record that ever was, for the reference.
    whole: Vec<Row>,
}

impl Log {
    fn append(&mut self, row: Row) {
        self.rows.push((self.next, row.clone()));
        self.whole.push(row);
        self.next += 1;
    }

    /// Below `clean`, drops some of what a later record of the same key allows to be dropped, and of the tombstones that have nothing left to bury.
    fn compact(&mut self, clean: u64, mut drops: impl FnMut() -> bool) {
        let rows = self.rows.clone();
        self.rows.retain(|(offset, (key, value))| {
            let is_superseded = rows.iter().any(|(other, row)| row.0 == *key && other > offset);
            let is_last_tombstone = value.is_none() && !rows.iter().any(|(other, row)| row.0 == *key && other < offset);
            !(*offset < clean && (is_superseded || is_last_tombstone) && drops())
        });
    }
}

#[derive(Default)]
struct Reader {
    ledger: Ledger,
    at: u64,
}

impl Reader {
    /// Reads on, at most `most` records.
    fn read(&mut self, log: &Log, most: usize) {
        let from = self.at;
        for (offset, (key, value)) in log.rows.iter().filter(|(offset, _)| *offset >= from).take(most) {
            self.ledger.read(Some(key.as_bytes()), value.as_deref(), 0);
            self.at = offset + 1;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// This writer reads so many records on.
    Read(usize, usize),
    /// This writer appends a change of what it has read; `copies` arrive at once, and one more later where `is_late`.
    Propose {
        writer: usize,
        copies: usize,
        is_late: bool,
    },
    /// A late one arrives.
    Arrive(usize),
    /// This writer clears away what it may.
    Clear(usize),
    Compact {
        clean: u64,
        choice: u64,
    },
    /// This writer starts anew, and reads the log from its beginning.
    Restart(usize),
}

const WRITERS: usize = 4;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..WRITERS, 1_usize..6).prop_map(|(writer, most)| Step::Read(writer, most)),
        4 => (0..WRITERS, 1_usize..3, any::<bool>()).prop_map(|(writer, copies, is_late)| Step::Propose { writer, copies, is_late }),
        2 => any::<usize>().prop_map(Step::Arrive),
        2 => (0..WRITERS).prop_map(Step::Clear),
        2 => (0_u64..80, any::<u64>()).prop_map(|(clean, choice)| Step::Compact { clean, choice }),
        1 => (0..WRITERS).prop_map(Step::Restart),
    ]
}

/// The state by the bare rule, over everything that was ever appended: of each version in its turn the first.
fn reference(log: &Log) -> (u64, Option<Value>) {
    let (mut version, mut contents) = (0, None);
    for (key, value) in &log.whole {
        let (Some(Key::State { version: of, .. }), Some(value)) = (Key::parse(key), value) else { continue };
        if of == version + 1 {
            (version, contents) = (of, Some(serde_json::from_slice::<Proposal>(value).unwrap().contents));
        }
    }
    (version, contents)
}

fn state_of(ledger: &Ledger) -> (u64, Option<Value>) {
    (ledger.version(), ledger.accepted().map(|accepted| accepted.unwrap().contents.clone()))
}

/// What somebody reads who begins now.
fn read_anew(log: &Log) -> Ledger {
    let mut reader = Reader::default();
    reader.read(log, usize::MAX);
    reader.ledger
}

/// The history of all changes is the state, so that one that is lost is missed.
fn change(ledger: &Ledger, name: String) -> Vec<u8> {
    let mut history = ledger.accepted().map_or_else(Vec::new, |accepted| accepted.unwrap().contents.as_array().unwrap().clone());
    history.push(json!(name));
    serde_json::to_vec(&Proposal::new("w", None, json!(history))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn every_reader_has_the_same_state(steps in prop::collection::vec(step(), 1..80)) {
        let (mut log, mut late, mut nonces) = (Log::default(), Vec::<Row>::new(), 0_u64);
        let mut writers: Vec<Reader> = (0..WRITERS).map(|_| Reader::default()).collect();
        for step in steps {
            match step {
                Step::Read(writer, most) => writers[writer].read(&log, most),
                Step::Propose { writer, copies, is_late } => {
                    let ledger = &writers[writer].ledger;
                    let (version, value) = (ledger.version() + 1, change(ledger, format!("{writer}.{nonces}")));
                    for copy in 0..copies + usize::from(is_late) {
                        nonces += 1;
                        let row = (state_key(version, &nonces.to_string()), Some(value.clone()));
                        if copy < copies { log.append(row) } else { late.push(row) }
                    }
                }
                Step::Arrive(_) if late.is_empty() => {}
                Step::Arrive(which) => {
                    let row = late.swap_remove(which % late.len());
                    log.append(row);
                }
                Step::Clear(writer) => writers[writer].ledger.litter(3).into_iter().for_each(|key| log.append((key, None))),
                Step::Compact { clean, choice } => {
                    let mut rng = fastrand::Rng::with_seed(choice);
                    log.compact(clean, || rng.bool());
                }
                Step::Restart(writer) => writers[writer] = Reader::default(),
            }
            prop_assert_eq!(state_of(&read_anew(&log)), reference(&log), "whoever reads the log now");
        }
        let expected = reference(&log);
        for mut writer in writers {
            writer.read(&log, usize::MAX);
            prop_assert_eq!(state_of(&writer.ledger), expected.clone(), "and whoever has read a part of it before");
        }
        if let (version, Some(contents)) = &expected {
            prop_assert_eq!(contents.as_array().unwrap().len() as u64, *version, "no change that was accepted is lost");
        }
        read_anew(&log).litter(usize::MAX).into_iter().for_each(|key| log.append((key, None)));
        (0..2).for_each(|_| log.compact(u64::MAX, || true));
        let left: BTreeSet<_> = log.rows.iter().map(|(_, (key, _))| key.split('.').nth(1).unwrap().parse::<u64>().unwrap()).collect();
        prop_assert!(left.into_iter().all(|version| version == expected.0), "whatever is old can be cleared away");
    }
}
