//! The first batch of a Produce, as far as its header tells: read from the front of the frame, which need not be there as a whole.

use super::{FLEXIBLE_SINCE, TOPIC_ID_SINCE};
use crate::protocol::peek::ProducePeek;
use crate::wire::Cursor;

/// What the header of a batch says, or of a message set's first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Of the partition's records as they travel, compressed or not.
    pub bytes: u32,
    /// 1 for a message set, whose messages are not counted.
    pub records: u32,
    /// 0, 1 or 2: the number of the message format (magic).
    pub format: u8,
    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression: u8,
    /// It carries a producer id.
    pub numbered: bool,
    pub transactional: bool,
}

/// The lowest bits of a batch's attributes that say how it is compressed, and the highest number that is known.
const COMPRESSION_BITS: i16 = 0x07;
const COMPRESSION_LAST: u8 = 4;
const TRANSACTIONAL_BIT: i16 = 0x10;

/// `bytes`: what there is of the frame behind its length field. `None`: not enough of it, or no records.
pub fn sample(bytes: &[u8], version: i16, peek: &ProducePeek) -> Option<Sample> {
    let flexible = version >= FLEXIBLE_SINCE;
    let mut cursor = Cursor::new(bytes);
    cursor.skip(peek.acks_at + size_of::<i16>() + size_of::<i32>()).ok()?;
    cursor.array_count(flexible).ok()?.filter(|topics| *topics > 0)?;
    if version >= TOPIC_ID_SINCE {
        cursor.skip(16).ok()?;
    } else {
        cursor.nullable_string(flexible).ok()?;
    }
    cursor.array_count(flexible).ok()?.filter(|partitions| *partitions > 0)?;
    cursor.skip(size_of::<i32>()).ok()?;
    let length = cursor.bytes_length(flexible).ok()??;
    read(cursor, u32::try_from(length).ok()?)
}

/// `cursor` stands at the records.
fn read(mut cursor: Cursor<'_>, bytes: u32) -> Option<Sample> {
    // Base offset; batch length or message size; leader epoch or checksum.
    cursor.skip(16).ok()?;
    let format = u8::try_from(cursor.i8().ok()?).ok().filter(|format| *format <= 2)?;
    if format < 2 {
        let attributes = i16::from(cursor.i8().ok()?);
        return Some(Sample { bytes, records: 1, format, compression: compression(attributes), numbered: false, transactional: false });
    }
    cursor.skip(size_of::<u32>()).ok()?;
    let attributes = cursor.i16().ok()?;
    // Last offset delta, base and highest timestamp.
    cursor.skip(20).ok()?;
    let producer_id = cursor.i64().ok()?;
    // Producer epoch, base sequence.
    cursor.skip(6).ok()?;
    let records = u32::try_from(cursor.i32().ok()?).ok()?;
    Some(Sample {
        bytes,
        records,
        format,
        compression: compression(attributes),
        numbered: producer_id >= 0,
        transactional: attributes & TRANSACTIONAL_BIT != 0,
    })
}

/// A number that is not known counts as none: the broker refuses such a batch.
fn compression(attributes: i16) -> u8 {
    u8::try_from(attributes & COMPRESSION_BITS).ok().filter(|number| *number <= COMPRESSION_LAST).unwrap_or(0)
}
