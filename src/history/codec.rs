//! A day as bytes, for its file: numbers of variable length, each name once, and a checksum for each part.
//!
//! ```text
//! "LWH1"  then three parts: length (u32), CRC-32C (u32), bytes
//!   1  day, 96 quarter hours            some KiB: all that the quiet hours need
//!   2  rows by hour                     for 10,000 topics and 10,000 clients in every hour at most 10 MiB
//!   3  minutes with their busiest rows  at most 4 MiB; empty when the day is over for long
//! ```

mod reader;

use std::collections::HashMap;
use std::sync::Arc;

use reader::Reader;

use super::amount::{Amount, Kind};
use super::day::{Day, DayNumber, Minute, QUARTERS, Quarter, ROWS_MAX};

/// The layout.
const MAGIC: [u8; 4] = *b"LWH1";
/// A part's length and checksum.
const PART_HEAD_BYTES: usize = 8;
/// The first part and what stands before it are never longer.
pub const QUARTERS_BYTES_MAX: usize = MAGIC.len() + PART_HEAD_BYTES + (1 + QUARTERS * 4) * VARINT_BYTES_MAX;
const VARINT_BYTES_MAX: usize = 10;
/// Of an [`Amount`].
const AMOUNT_NUMBERS: usize = 3;

/// Why bytes are no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    #[error("it is none, or of another version of Leeward")]
    Layout,
    #[error("it is damaged")]
    Content,
}

pub fn encode(day: &Day) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    for part in [quarters(day), rows(day), minutes(day)] {
        out.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend(crc32c::crc32c(&part).to_be_bytes());
        out.extend(part);
    }
    out
}

/// # Errors
/// They are no day; nothing of them is used then.
pub fn decode(bytes: &[u8]) -> Result<Day, Damaged> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged::Layout)?;
    let (first, second, third) = (part(&mut rest)?, part(&mut rest)?, part(&mut rest)?);
    let (number, quarters) = read_quarters(first)?;
    let mut day = Day::new(number);
    *day.quarters = quarters;
    read_rows(&mut day, &mut Reader(second)).ok_or(Damaged::Content)?;
    read_minutes(&mut day, &mut Reader(third)).ok_or(Damaged::Content)?;
    Ok(day)
}

/// A day as it stands in its file, to look through without making all of it: a report over weeks needs a sum of each row, and not the row.
#[derive(Debug)]
pub struct Kept<'a> {
    pub number: DayNumber,
    pub quarters: Box<[Quarter; QUARTERS]>,
    rows: &'a [u8],
}

impl<'a> Kept<'a> {
    /// # Errors
    /// As [`decode`]; what is in the rows is looked at when they are asked for, and the minutes not at all.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged::Layout)?;
        let (number, quarters) = read_quarters(part(&mut rest)?)?;
        Ok(Kept { number, quarters: Box::new(quarters), rows: part(&mut rest)? })
    }

    /// Every row of one kind, with its hours. The checksum was right, so that an end before the last row is another writer's doing.
    pub fn each_row(&self, kind: Kind, with: impl FnMut(&'a str, &[(u8, Amount)])) {
        let mut reader = Reader(self.rows);
        for passed in Kind::ALL {
            if passed == kind {
                rows_of_kind(&mut reader, with);
                return;
            }
            if skip_kind(&mut reader).is_none() {
                return;
            }
        }
    }
}

/// The first part alone: `bytes` are the first [`QUARTERS_BYTES_MAX`], or all.
///
/// # Errors
/// As [`decode`].
pub fn decode_quarters(bytes: &[u8]) -> Result<(DayNumber, [Quarter; QUARTERS]), Damaged> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged::Layout)?;
    read_quarters(part(&mut rest)?)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let (length, behind) = rest.split_first_chunk().ok_or(Damaged::Content)?;
    let (checksum, behind) = behind.split_first_chunk().ok_or(Damaged::Content)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Damaged::Content)?;
    let (part, behind) = behind.split_at_checked(length).ok_or(Damaged::Content)?;
    *rest = behind;
    if crc32c::crc32c(part) == u32::from_be_bytes(*checksum) { Ok(part) } else { Err(Damaged::Content) }
}

fn quarters(day: &Day) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, day.number.into());
    for quarter in day.quarters() {
        put(&mut out, quarter.seen_millis.into());
        put_amount(&mut out, quarter.amount);
    }
    out
}

fn read_quarters(bytes: &[u8]) -> Result<(DayNumber, [Quarter; QUARTERS]), Damaged> {
    let mut reader = Reader(bytes);
    let mut read = || {
        let number = reader.number()?;
        let mut quarters = [Quarter::default(); QUARTERS];
        for quarter in &mut quarters {
            *quarter = Quarter { seen_millis: reader.number()?, amount: reader.amount()? };
        }
        Some((number, quarters))
    };
    read().ok_or(Damaged::Content)
}

fn rows(day: &Day) -> Vec<u8> {
    let mut out = Vec::new();
    for rows in &day.rows {
        put_length(&mut out, rows.len());
        for (name, hours) in rows {
            put_name(&mut out, name);
            put_length(&mut out, hours.len());
            for (hour, amount) in hours {
                put(&mut out, (*hour).into());
                put_amount(&mut out, *amount);
            }
        }
    }
    out
}

fn read_rows(day: &mut Day, reader: &mut Reader<'_>) -> Option<()> {
    for rows in &mut day.rows {
        rows_of_kind(reader, |name, hours| drop(rows.insert(name.into(), hours.to_vec())))?;
    }
    Some(())
}

/// The rows of the kind that the reader stands before, each with its hours.
fn rows_of_kind<'a>(reader: &mut Reader<'a>, mut with: impl FnMut(&'a str, &[(u8, Amount)])) -> Option<()> {
    let mut hours: Vec<(u8, Amount)> = Vec::with_capacity(24);
    for _ in 0..row_count(reader)? {
        let name = reader.name()?;
        hours.clear();
        for _ in 0..reader.number::<u32>()? {
            let hour = reader.number::<u8>().filter(|hour| *hour < 24 && hours.last().is_none_or(|(last, _)| last < hour))?;
            hours.push((hour, reader.amount()?));
        }
        with(name, &hours);
    }
    Some(())
}

/// Passes the rows of a kind by.
fn skip_kind(reader: &mut Reader<'_>) -> Option<()> {
    for _ in 0..row_count(reader)? {
        reader.name()?;
        for _ in 0..reader.number::<u32>()? {
            reader.skip(1 + AMOUNT_NUMBERS)?;
        }
    }
    Some(())
}

fn row_count(reader: &mut Reader<'_>) -> Option<usize> {
    // The others have one more.
    reader.number::<usize>().filter(|count| *count <= ROWS_MAX + 1)
}

fn minutes(day: &Day) -> Vec<u8> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    let mut listed = Vec::new();
    put_length(&mut listed, day.minutes.len());
    for (at, minute) in &day.minutes {
        put(&mut listed, (*at).into());
        put(&mut listed, minute.seen_millis.into());
        put_amount(&mut listed, minute.total);
        put_length(&mut listed, minute.rows.len());
        for (kind, name, amount) in &minute.rows {
            let place = *places.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() - 1
            });
            put(&mut listed, *kind as u64);
            put_length(&mut listed, place);
            put_amount(&mut listed, *amount);
        }
    }
    let mut out = Vec::new();
    put_length(&mut out, names.len());
    names.into_iter().for_each(|name| put_name(&mut out, name));
    out.extend(listed);
    out
}

fn read_minutes(day: &mut Day, reader: &mut Reader<'_>) -> Option<()> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for _ in 0..reader.number::<u32>()? {
        names.push(reader.name()?.into());
    }
    for _ in 0..reader.number::<u32>()? {
        let at = reader.number::<u16>().filter(|minute| *minute < 24 * 60)?;
        let mut minute = Minute { seen_millis: reader.number()?, total: reader.amount()?, rows: Vec::new() };
        for _ in 0..reader.number::<u32>()? {
            let kind = *Kind::ALL.get(reader.number::<usize>()?)?;
            let name = Arc::clone(names.get(reader.number::<usize>()?)?);
            minute.rows.push((kind, name, reader.amount()?));
        }
        // It went on when it was written.
        minute.keep_busiest();
        day.minutes.insert(at, minute);
    }
    Some(())
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    put(out, length as u64);
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    put_length(out, name.len());
    out.extend(name.as_bytes());
}

fn put_amount(out: &mut Vec<u8>, amount: Amount) {
    for number in [amount.requests, amount.to_brokers, amount.to_clients] {
        put(out, number);
    }
}
