//! Records to send, and the one text form in which they go to every client's helper and come back.
//!
//! A record is a line: partition, timestamp in ms, key, value, headers, separated by tabs. Bytes are hexadecimal, `-` is null, and headers are
//! `name=value` with commas between. A consumed record has its offset as a sixth field.

use std::fmt::Write;
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestRecord {
    pub(crate) partition: i32,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    /// In order; a name may come twice.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Which records to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Null keys, null values (tombstones), empty values, every byte, names of headers that come twice, null headers.
    Everything,
    /// As `Everything` without null headers, which some clients cannot send.
    NoNullHeaders,
    /// As `Everything` without headers: for clients and message formats that have none.
    NoHeaders,
}

/// `count` records over `partitions` partitions, the same ones for the same `seed`.
pub(crate) fn make(seed: u64, count: usize, partitions: i32, shape: Shape) -> Vec<TestRecord> {
    /// Some time in 2023: a fixed one, so that two runs produce the same bytes.
    const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count)
        .map(|number| {
            let mut bytes = |length: usize| -> Vec<u8> {
                // Half of it repeats, so that compression has something to do.
                (0..length).map(|at| if at % 2 == 0 { random.u8(..) } else { b'a' }).collect()
            };
            let value = match number % 11 {
                0 => None,
                1 => Some(Vec::new()),
                2 => Some((0..=255).collect()),
                _ => Some(bytes(1 + number * 37 % 400)),
            };
            // A record without a key and a value would be lost in a comparison by content: it gets a key.
            let key = if number % 5 == 3 && value.is_some() { None } else { Some(format!("key-{seed}-{number}").into_bytes()) };
            let headers = match (shape, number % 3) {
                (Shape::NoHeaders, _) | (_, 0) => Vec::new(),
                (Shape::Everything, 1) => vec![("trace".to_owned(), Some(bytes(8))), ("null".to_owned(), None)],
                (Shape::NoNullHeaders, 1) => vec![("trace".to_owned(), Some(bytes(8)))],
                (Shape::Everything | Shape::NoNullHeaders, _) => vec![("twice".to_owned(), Some(vec![1])), ("twice".to_owned(), Some(vec![2, 0]))],
            };
            let number = i64::try_from(number).unwrap();
            let partition = i32::try_from(number % i64::from(partitions)).unwrap();
            TestRecord { partition, timestamp: FIRST_TIMESTAMP + number, key, value, headers }
        })
        .collect()
}

/// Writes them as lines for a helper to read.
pub(crate) fn write(path: &Path, records: &[TestRecord]) {
    let text: String = records.iter().map(|record| format!("{}\n", record.line())).collect();
    std::fs::write(path, text).unwrap();
}

/// Panics with the first difference unless both hold the same records, and each partition's in the same order.
pub(crate) fn assert_same(what: &str, sent: &[TestRecord], received: &[TestRecord]) {
    let sorted = |records: &[TestRecord]| {
        let mut records = records.to_vec();
        records.sort_by_key(|record| record.partition);
        records
    };
    let (sent, received) = (sorted(sent), sorted(received));
    for (place, (sent, received)) in sent.iter().zip(&received).enumerate() {
        assert!(sent == received, "{what}: record {place} differs:\n  sent     {}\n  received {}", sent.line(), received.line());
    }
    assert_eq!(sent.len(), received.len(), "{what}: the number of records");
}

impl TestRecord {
    fn line(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}={}", hex(value.as_deref()))).collect();
        format!("{}\t{}\t{}\t{}\t{}", self.partition, self.timestamp, hex(self.key.as_deref()), hex(self.value.as_deref()), headers.join(","))
    }

    /// From a line; fields after the headers are left out.
    pub(crate) fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        assert!(fields.len() >= 5, "not a record: {line:?}");
        let headers = fields[4].split(',').filter(|header| !header.is_empty()).map(|header| {
            let (name, value) = header.split_once('=').unwrap();
            (name.to_owned(), unhex(value))
        });
        Self {
            partition: fields[0].parse().unwrap(),
            timestamp: fields[1].parse().unwrap(),
            key: unhex(fields[2]),
            value: unhex(fields[3]),
            headers: headers.collect(),
        }
    }
}

/// Hexadecimal, or `-` for null.
fn hex(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "-".to_owned() };
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text == "-" {
        return None;
    }
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("not hexadecimal: {text:?}"));
    Some((0..text.len()).step_by(2).map(digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_text_form() {
        for record in make(7, 60, 3, Shape::Everything) {
            assert_eq!(TestRecord::parse(&record.line()), record);
        }
    }
}
