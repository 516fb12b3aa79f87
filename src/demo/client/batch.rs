//! Record batches of format v2 (`DefaultRecordBatch.java`, `DefaultRecord.java`), uncompressed, written and read.

use bytes::{BufMut, Bytes, BytesMut};

use crate::wire::{Cursor, WireError};

/// Base offset and length stand before what the length counts.
const LENGTH_OVERHEAD: usize = 12;
/// Where the part begins that the CRC covers, counted from the batch's start.
const CRC_FROM: usize = 21;
/// What `batch_length` counts before that part: leader epoch, magic, CRC.
const COUNTED_BEFORE_CRC: usize = 9;
const MAGIC: i8 = 2;
const CODEC_MASK: i16 = 0x07;
const CONTROL: i16 = 0x20;

/// Who numbered a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) struct Numbering {
    pub(in crate::demo) producer_id: i64,
    pub(in crate::demo) epoch: i16,
    pub(in crate::demo) base_sequence: i32,
}

/// Without a producer id.
const UNNUMBERED: Numbering = Numbering { producer_id: -1, epoch: -1, base_sequence: -1 };

/// Writes one batch of values without keys.
pub(in crate::demo) fn write(values: &[Vec<u8>], timestamp_ms: i64, numbering: Option<Numbering>) -> Bytes {
    let Numbering { producer_id, epoch, base_sequence } = numbering.unwrap_or(UNNUMBERED);
    // The demo's batches hold a few records.
    let count = i32::try_from(values.len()).unwrap_or(i32::MAX);
    let mut batch = BytesMut::with_capacity(80 + values.iter().map(|value| value.len() + 12).sum::<usize>());
    batch.put_i64(0);
    batch.put_i32(0);
    batch.put_i32(-1);
    batch.put_i8(MAGIC);
    batch.put_u32(0);
    batch.put_i16(0);
    batch.put_i32(count - 1);
    batch.put_i64(timestamp_ms);
    batch.put_i64(timestamp_ms);
    batch.put_i64(producer_id);
    batch.put_i16(epoch);
    batch.put_i32(base_sequence);
    batch.put_i32(count);
    for (delta, value) in (0_i64..).zip(values) {
        let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
        // Attributes, timestamp delta, a null key and no headers take a byte each.
        put_varint(&mut batch, 4 + varint_length(delta) + varint_length(length) + length);
        batch.put_i8(0);
        put_varint(&mut batch, 0);
        put_varint(&mut batch, delta);
        put_varint(&mut batch, -1);
        put_varint(&mut batch, length);
        batch.put_slice(value);
        put_varint(&mut batch, 0);
    }
    let crc = crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default());
    let length = i32::try_from(batch.len() - LENGTH_OVERHEAD).unwrap_or(i32::MAX);
    set(&mut batch, 8, length.to_be_bytes());
    set(&mut batch, CRC_FROM - 4, crc.to_be_bytes());
    batch.freeze()
}

/// One record as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::demo) struct Record<'a> {
    pub(in crate::demo) offset: i64,
    pub(in crate::demo) value: &'a [u8],
}

/// Goes through the records of `batches` from `offset` on; returns the offset to ask for next. A Fetch may begin before the offset that it was asked for, and
/// its last batch may be cut.
///
/// # Errors
/// A batch that is malformed, compressed, of an older format, or whose CRC is wrong.
pub(in crate::demo) fn read(batches: &[u8], offset: i64, on_record: &mut dyn FnMut(Record<'_>)) -> Result<i64, WireError> {
    let mut next = offset;
    let mut rest = Cursor::new(batches);
    while rest.remaining() > LENGTH_OVERHEAD {
        let mut start = rest;
        let (base_offset, length) = (start.i64()?, start.i32()?);
        let at = rest.position();
        let length = usize::try_from(length).ok().filter(|length| *length >= COUNTED_BEFORE_CRC);
        let length = length.ok_or(WireError::BadValue { what: "the length of a batch", offset: at })?;
        let Ok(counted) = start.take(length) else { break };
        rest = start;
        let next_offset = read_batch(counted, base_offset, next, on_record)?;
        next = next.max(next_offset);
    }
    Ok(next)
}

fn read_batch(counted: &[u8], base_offset: i64, from: i64, on_record: &mut dyn FnMut(Record<'_>)) -> Result<i64, WireError> {
    let bad = |what| WireError::BadValue { what, offset: 0 };
    let mut cursor = Cursor::new(counted);
    let (_leader_epoch, magic, crc) = (cursor.i32()?, cursor.i8()?, cursor.u32()?);
    if magic != MAGIC {
        return Err(bad("a batch of an older format"));
    }
    if crc32c::crc32c(cursor.rest()) != crc {
        return Err(bad("the CRC of a batch"));
    }
    let (attributes, last_delta) = (cursor.i16()?, cursor.i32()?);
    cursor.skip(8 + 8 + 8 + 2 + 4)?;
    let count = cursor.i32()?;
    let next_offset = base_offset.saturating_add(i64::from(last_delta)).saturating_add(1);
    if attributes & CONTROL != 0 {
        return Ok(next_offset);
    }
    if attributes & CODEC_MASK != 0 {
        return Err(bad("a compressed batch"));
    }
    for _ in 0..count {
        let length = usize::try_from(varint(&mut cursor)?).map_err(|_| bad("the length of a record"))?;
        let mut record = Cursor::new(cursor.take(length)?);
        record.skip(1)?;
        let (_timestamp, delta) = (varint(&mut record)?, varint(&mut record)?);
        nullable(&mut record)?;
        let value = nullable(&mut record)?;
        let offset = base_offset.saturating_add(delta);
        if offset >= from {
            on_record(Record { offset, value });
        }
    }
    Ok(next_offset)
}

fn set<const N: usize>(bytes: &mut BytesMut, at: usize, field: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..at + N) {
        place.copy_from_slice(&field);
    }
}

fn zigzag(value: i64) -> u64 {
    // The bits of the sign are moved to the end: both casts keep every bit.
    ((value << 1) ^ (value >> 63)) as u64
}

fn varint_length(value: i64) -> i64 {
    let bits = 64 - i64::from((zigzag(value) | 1).leading_zeros());
    (bits + 6) / 7
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Zigzag VARINT or VARLONG, at most ten bytes.
fn varint(cursor: &mut Cursor<'_>) -> Result<i64, WireError> {
    let offset = cursor.position();
    let mut raw: u64 = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = cursor.array::<1>()?;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    Err(WireError::BadVarint { offset })
}

/// Bytes behind their length; null is empty.
fn nullable<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], WireError> {
    let offset = cursor.position();
    match varint(cursor)? {
        -1 => Ok(&[]),
        length => cursor.take(usize::try_from(length).map_err(|_| WireError::BadLength { what: "field of a record", value: length, offset })?),
    }
}

#[cfg(test)]
mod tests;
