//! Records of clients, opened only where an operator allowed it: keys and values out of batches that are not compressed.

use crate::protocol::records::varint;
use crate::wire::{Cursor, WireError};

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// In the log; in a request, from the batch's first record on.
    pub offset: i64,
    /// In milliseconds since 1970.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// Why records are not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened {
    /// With this codec.
    Compressed(&'static str),
    /// A message format before v2.
    OldFormat,
    /// A transaction's marker, which is nobody's.
    Control,
    /// Not all of the batch is there.
    Cut,
    Malformed,
}

impl Unopened {
    /// The words for it.
    pub fn label(self) -> &'static str {
        match self {
            Unopened::Compressed(codec) => codec,
            Unopened::OldFormat => "a message format before v2",
            Unopened::Control => "a transaction's marker",
            Unopened::Cut => "longer than tap.frame_bytes_max",
            Unopened::Malformed => "malformed",
        }
    }
}

/// The bits of the attributes that name a compression, and that of markers.
const COMPRESSION: i16 = 0x07;
const CONTROL: i16 = 0x20;

/// What stands before the length's end, and from there to the records.
const FRAME_BYTES: usize = 12;
const HEAD_BYTES: usize = 49;

/// Up to `most` records of these batches, of which perhaps not all is there, and why others are not opened.
pub fn contents(batches: &[u8], most: usize) -> (Vec<Content<'_>>, Option<Unopened>) {
    let (mut found, mut cursor) = (Vec::new(), Cursor::new(batches));
    while cursor.remaining() > 0 && found.len() < most {
        match batch(&mut cursor, most, &mut found) {
            Ok(()) => {}
            Err(unopened) => return (found, Some(unopened)),
        }
    }
    (found, None)
}

fn batch<'a>(cursor: &mut Cursor<'a>, most: usize, found: &mut Vec<Content<'a>>) -> Result<(), Unopened> {
    if cursor.remaining() < FRAME_BYTES + HEAD_BYTES {
        return Err(Unopened::Cut);
    }
    let (base, length) = (cursor.i64().map_err(because)?, cursor.i32().map_err(because)?);
    let there = cursor.rest();
    let length = usize::try_from(length).map_err(|_| Unopened::Malformed)?;
    let mut inner = Cursor::new(there.get(..length).unwrap_or(there));
    inner.skip(4).map_err(because)?;
    if inner.i8().map_err(because)? != 2 {
        return Err(Unopened::OldFormat);
    }
    inner.skip(4).map_err(because)?;
    let attributes = inner.i16().map_err(because)?;
    match attributes & COMPRESSION {
        0 => {}
        1 => return Err(Unopened::Compressed("compressed with gzip")),
        2 => return Err(Unopened::Compressed("compressed with snappy")),
        3 => return Err(Unopened::Compressed("compressed with lz4")),
        4 => return Err(Unopened::Compressed("compressed with zstd")),
        _ => return Err(Unopened::Malformed),
    }
    if attributes & CONTROL != 0 {
        return Err(Unopened::Control);
    }
    inner.skip(4).map_err(because)?;
    let first = inner.i64().map_err(because)?;
    inner.skip(8 + 8 + 2 + 4).map_err(because)?;
    for _ in 0..inner.i32().map_err(because)? {
        if found.len() >= most {
            break;
        }
        found.push(record(&mut inner, base, first).map_err(because)?);
    }
    cursor.skip(length).map_err(because)
}

fn because(error: WireError) -> Unopened {
    if matches!(error, WireError::Truncated { .. }) { Unopened::Cut } else { Unopened::Malformed }
}

fn record<'a>(cursor: &mut Cursor<'a>, base: i64, first: i64) -> Result<Content<'a>, WireError> {
    let length = length_of(cursor)?.unwrap_or(0);
    let mut fields = Cursor::new(cursor.take(length)?);
    fields.skip(1)?;
    let (timestamp, offset) = (first.saturating_add(varint(&mut fields)?), base.saturating_add(varint(&mut fields)?));
    let key = length_of(&mut fields)?.map(|length| fields.take(length)).transpose()?;
    let value = length_of(&mut fields)?.map(|length| fields.take(length)).transpose()?;
    Ok(Content { offset, timestamp, key, value })
}

/// A length, or -1 for null.
fn length_of(cursor: &mut Cursor<'_>) -> Result<Option<usize>, WireError> {
    let offset = cursor.position();
    match varint(cursor)? {
        -1 => Ok(None),
        value => usize::try_from(value).map(Some).map_err(|_| WireError::BadLength { what: "a record's length", value, offset }),
    }
}
