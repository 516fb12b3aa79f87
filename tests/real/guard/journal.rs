//! What a client was told, as it wrote it down: a line for each event, its letter, milliseconds since 1970, and what the letter asks for.
//!
//! `a` partition number waited offset: acknowledged · `e` partition number waited error: failed · `r` topic partition offset value: read · `x` text: an exception that
//! the application saw · `c` count: connections that were closed so far · `d` count: done, so many were sent.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{LineWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// A record's place in its producer's own count, which goes up in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) number: u64,
}

/// Who sent a record, and which of its records it is; every value says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) row: String,
    pub(crate) place: Place,
}

impl Name {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(':');
        let name = Self { row: parts.next()?.to_owned(), place: Place { partition: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? } };
        parts.next().is_none().then_some(name)
    }

    pub(crate) fn value(row: &str, place: Place) -> String {
        format!("{row}:{}:{}", place.partition, place.number)
    }
}

/// Something that went wrong in a client's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// Of a record, or of the client as a whole.
    pub(crate) place: Option<Place>,
    pub(crate) said: String,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The offset is below 0 where the client was told none.
    pub(crate) acknowledged: Vec<(Place, i64)>,
    pub(crate) failed: Vec<Fault>,
    pub(crate) read: Vec<Name>,
    pub(crate) exceptions: Vec<Fault>,
    /// `None` where the library does not say.
    pub(crate) closed: Option<u64>,
    /// `None` when the client did not come to its end.
    pub(crate) sent: Option<u64>,
    /// When something of each partition (of each topic, where it reads) was acknowledged or read, in milliseconds since 1970.
    pub(crate) progress: BTreeMap<String, Vec<u64>>,
    /// How long each record waited for its answer, in milliseconds.
    pub(crate) waited: Vec<u64>,
}

impl Journal {
    pub(crate) fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap_or_default())
    }

    /// A last line that is not finished yet is left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            journal.line(line).unwrap_or_else(|| panic!("not a line of a journal: {line:?}"));
        }
        journal
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.splitn(3, ' ');
        let (kind, at, rest) = (words.next()?, words.next()?.parse().ok()?, words.next().unwrap_or_default());
        match kind {
            "a" => {
                let (place, waited, offset) = answer(rest)?;
                self.waited.push(waited);
                self.acknowledged.push((place, offset.parse().ok()?));
                self.progress_of(&place.partition.to_string(), at);
            }
            "e" => {
                let (place, waited, said) = answer(rest)?;
                self.waited.push(waited);
                self.failed.push(Fault { at, place: Some(place), said: said.to_owned() });
            }
            "r" => {
                let (from, value) = (rest.match_indices(' ').nth(1)?.0, rest.splitn(4, ' ').nth(3)?);
                self.read.push(Name::parse(value)?);
                self.progress_of(&rest[..from], at);
            }
            "x" => self.exceptions.push(Fault { at, place: None, said: rest.to_owned() }),
            "c" => self.closed = Some(rest.parse().ok()?),
            "d" => self.sent = Some(rest.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    fn progress_of(&mut self, partition: &str, at: u64) {
        match self.progress.get_mut(partition) {
            Some(times) => times.push(at),
            None => drop(self.progress.insert(partition.to_owned(), vec![at])),
        }
    }
}

/// A record, how long it waited, and what stands after it.
fn answer(text: &str) -> Option<(Place, u64, &str)> {
    let mut words = text.splitn(4, ' ');
    let place = Place { partition: words.next()?.parse().ok()?, number: words.next()?.parse().ok()? };
    Some((place, words.next()?.parse().ok()?, words.next()?))
}

/// For the clients of this process.
pub(crate) struct Writer(Mutex<LineWriter<File>>);

impl Writer {
    pub(crate) fn new(path: &Path) -> Self {
        Self(Mutex::new(LineWriter::new(File::create(path).unwrap())))
    }

    pub(crate) fn line(&self, kind: char, text: &str) {
        let text = text.replace('\n', " ");
        writeln!(self.0.lock().unwrap(), "{kind} {} {text}", now()).unwrap();
    }
}

pub(crate) fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
