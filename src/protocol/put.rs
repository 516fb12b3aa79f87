//! Writes Kafka primitives. What is written here is Leeward's own or was checked before; only a length that the wire cannot carry can fail.

use bytes::{BufMut, BytesMut};

/// How many bytes `value` takes as an UNSIGNED_VARINT.
pub(super) fn uvarint_length(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        0x20_0000..=0xfff_ffff => 4,
        0x1000_0000.. => 5,
    }
}

/// UNSIGNED_VARINT, in as few bytes as there can be.
pub(super) fn put_uvarint(out: &mut BytesMut, mut value: u32) {
    while value > 0x7f {
        out.put_u8(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// STRING or COMPACT_STRING. `None` when the text is longer than the 32,767 bytes that a string may have.
#[must_use]
pub(super) fn put_string(out: &mut BytesMut, text: &str, compact: bool) -> Option<()> {
    let length = i16::try_from(text.len()).ok()?;
    if compact {
        put_uvarint(out, u32::from(length.unsigned_abs()) + 1);
    } else {
        out.put_i16(length);
    }
    out.put_slice(text.as_bytes());
    Some(())
}

/// The count of an ARRAY or COMPACT_ARRAY.
pub(super) fn put_count(out: &mut BytesMut, count: u32, compact: bool) {
    if compact {
        put_uvarint(out, count.saturating_add(1));
    } else {
        out.put_u32(count);
    }
}
