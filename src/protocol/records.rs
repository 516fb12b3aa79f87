//! Leeward's own records: plain batches (uncompressed, without a producer id) written, and read back from a Fetch.
//!
//! Clients' batches never come here: what they send passes byte by byte.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::{Cursor, WireError};

/// What stands before the CRC of a batch counts as its frame: base offset and length.
const FRAME_BYTES: usize = 12;

/// From the attributes on a batch is covered by its CRC.
const MAGIC: i8 = 2;

/// The bits of the attributes that name a compression.
const COMPRESSION: i16 = 0x07;

/// Set in the attributes of markers of transactions, which hold no records of anybody.
const CONTROL: i16 = 0x20;

/// One record; a value of `None` is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
}

/// A record with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub offset: i64,
    pub record: Plain,
}

/// Why bytes are not batches that can be read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    #[error("a batch is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error("a batch has format {0}, and only 2 is read")]
    Format(i8),
    #[error("a batch's CRC does not match its bytes")]
    Crc,
    #[error("a batch is compressed; the topic needs compression.type=producer")]
    Compressed,
}

/// One batch of these records; `timestamp` in milliseconds since 1970.
pub fn encode(records: &[Plain], timestamp: i64) -> Bytes {
    let mut body = BytesMut::new();
    for (delta, record) in (0_i64..).zip(records) {
        let mut one = BytesMut::new();
        one.put_i8(0);
        put_varint(&mut one, 0);
        put_varint(&mut one, delta);
        put_nullable(&mut one, record.key.as_deref());
        put_nullable(&mut one, record.value.as_deref());
        put_varint(&mut one, 0);
        put_varint(&mut body, length(&one));
        body.put_slice(&one);
    }
    let count = i32::try_from(records.len()).unwrap_or(i32::MAX);
    let mut covered = BytesMut::new();
    covered.put_i16(0);
    covered.put_i32(count - 1);
    covered.put_i64(timestamp);
    covered.put_i64(timestamp);
    covered.put_i64(-1);
    covered.put_i16(-1);
    covered.put_i32(-1);
    covered.put_i32(count);
    covered.put_slice(&body);
    let mut batch = BytesMut::with_capacity(FRAME_BYTES + 9 + covered.len());
    batch.put_i64(0);
    batch.put_i32(i32::try_from(covered.len() + 9).unwrap_or(i32::MAX));
    batch.put_i32(-1);
    batch.put_i8(MAGIC);
    batch.put_u32(crc32c::crc32c(&covered));
    batch.put_slice(&covered);
    batch.freeze()
}

/// The records at `from` and behind it in what a Fetch has brought, and the offset to go on at. A batch that is cut off at the end is left for the next Fetch.
///
/// # Errors
/// A whole batch that cannot be read.
pub fn decode(bytes: &Bytes, from: i64) -> Result<(Vec<Placed>, i64), RecordsError> {
    let (mut records, mut next) = (Vec::new(), from);
    let mut cursor = Cursor::new(bytes);
    while cursor.remaining() > FRAME_BYTES {
        let base = cursor.i64()?;
        let length = cursor.i32()?;
        let length = size("a batch's length", length.into(), &cursor)?;
        if cursor.remaining() < length {
            break;
        }
        let end = batch(bytes, cursor.take(length)?, base, from, &mut records)?;
        next = next.max(end);
    }
    Ok((records, next))
}

/// Adds the records of one batch behind its frame; gives the offset behind it.
fn batch(all: &Bytes, batch: &[u8], base: i64, from: i64, records: &mut Vec<Placed>) -> Result<i64, RecordsError> {
    let mut cursor = Cursor::new(batch);
    cursor.skip(4)?;
    let [magic] = cursor.array::<1>()?;
    if i8::from_be_bytes([magic]) != MAGIC {
        return Err(RecordsError::Format(i8::from_be_bytes([magic])));
    }
    let crc = u32::from_be_bytes(cursor.array::<4>()?);
    if crc != crc32c::crc32c(batch.get(9..).unwrap_or_default()) {
        return Err(RecordsError::Crc);
    }
    let attributes = cursor.i16()?;
    let end = base.saturating_add(cursor.i32()?.into()).saturating_add(1);
    cursor.skip(8 + 8 + 8 + 2 + 4)?;
    let count = cursor.i32()?;
    if attributes & CONTROL != 0 {
        return Ok(end);
    }
    if attributes & COMPRESSION != 0 {
        return Err(RecordsError::Compressed);
    }
    for _ in 0..count {
        let length = varint(&mut cursor)?;
        let length = size("a record's length", length, &cursor)?;
        let mut fields = Cursor::new(cursor.take(length)?);
        fields.skip(1)?;
        varint(&mut fields)?;
        let offset = base.saturating_add(varint(&mut fields)?);
        let key = nullable(&mut fields)?.map(|bytes| all.slice_ref(bytes));
        let value = nullable(&mut fields)?.map(|bytes| all.slice_ref(bytes));
        if offset >= from {
            records.push(Placed { offset, record: Plain { key, value } });
        }
    }
    Ok(end)
}

fn size(what: &'static str, value: i64, cursor: &Cursor<'_>) -> Result<usize, WireError> {
    usize::try_from(value).map_err(|_| WireError::BadLength { what, value, offset: cursor.position() })
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(out, bytes.map_or(-1, length));
    out.put_slice(bytes.unwrap_or_default());
}

/// Zigzag VARINT or VARLONG, at most ten bytes.
pub(in crate::protocol) fn varint(cursor: &mut Cursor<'_>) -> Result<i64, WireError> {
    let mut raw: u64 = 0;
    for shift in (0..70).step_by(7) {
        let [byte] = cursor.array::<1>()?;
        raw |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()));
        }
    }
    Err(WireError::BadVarint { offset: cursor.position() })
}

fn nullable<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, WireError> {
    match varint(cursor)? {
        -1 => Ok(None),
        length => cursor.take(size("a field's length", length, cursor)?).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(key: &'static str, value: Option<&'static str>) -> Plain {
        Plain { key: Some(Bytes::from_static(key.as_bytes())), value: value.map(|value| Bytes::from_static(value.as_bytes())) }
    }

    /// As a broker stores it: with its offset, which no CRC covers.
    fn at(batch: &Bytes, offset: i64) -> Vec<u8> {
        let mut bytes = batch.to_vec();
        bytes.splice(..8, offset.to_be_bytes());
        bytes
    }

    #[test]
    fn what_was_written_is_read_with_its_offsets() {
        let records = [plain("a", Some("1")), plain("b", None), Plain { key: None, value: Some(Bytes::from(vec![7; 300])) }];
        let bytes = Bytes::from([at(&encode(&records, 5), 40), at(&encode(&records[..1], 5), 50)].concat());
        let (read, next) = decode(&bytes, 41).unwrap();
        assert_eq!(read.iter().map(|placed| placed.offset).collect::<Vec<_>>(), [41, 42, 50]);
        assert_eq!((&read[0].record, &read[1].record, next), (&records[1], &records[2], 51));
        let cut = bytes.slice(..bytes.len() - 1);
        assert_eq!(decode(&cut, 0).unwrap().1, 43, "a batch that is cut off comes again");
    }

    #[test]
    fn the_sandbox_reads_the_same() {
        let records = [plain("a", Some("1")), plain("b", Some(""))];
        let batch = encode(&records, 5);
        let theirs = crate::sandbox::model::records::records_of(&batch).unwrap();
        assert_eq!(theirs, records.map(|record| (record.key, record.value)));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let batch = encode(&[plain("a", Some("1"))], 5);
        let changed = |place: usize, byte: u8| {
            let mut bytes = batch.to_vec();
            bytes[place] = byte;
            decode(&Bytes::from(bytes), 0).unwrap_err()
        };
        assert_eq!((changed(16, 1), changed(batch.len() - 2, 9)), (RecordsError::Format(1), RecordsError::Crc));
        let mut compressed = batch.to_vec();
        compressed[22] = 4;
        let crc = crc32c::crc32c(&compressed[21..]);
        compressed.splice(17..21, crc.to_be_bytes());
        assert_eq!(decode(&Bytes::from(compressed), 0), Err(RecordsError::Compressed));
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes: Vec<u8>, from in any::<i64>()) {
            let _ = decode(&Bytes::from(bytes), from);
        }

        #[test]
        fn no_change_of_a_batch_is_a_panic(place in 0_usize..80, byte: u8, fixed: bool) {
            let mut bytes = encode(&[plain("key", Some("a value"))], 5).to_vec();
            let place = place % bytes.len();
            bytes[place] = byte;
            if fixed {
                let crc = crc32c::crc32c(&bytes[21..]);
                bytes.splice(17..21, crc.to_be_bytes());
            }
            let _ = decode(&Bytes::from(bytes), 0);
        }
    }
}
