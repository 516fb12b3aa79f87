//! Uncompressed record batches written and read by the sandbox itself: the coordinator's own records, and what tests look into.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch::{BatchHeader, HEADER_BYTES};
use crate::wire::Cursor;

/// Key and value of one record.
pub type KeyValue = (Option<Bytes>, Option<Bytes>);

/// One uncompressed batch of these records at base offset 0; `producer` is (id, epoch, base sequence).
pub fn batch_of(records: &[(Option<&[u8]>, &[u8])], timestamp: i64, producer: Option<(i64, i16, i32)>) -> Bytes {
    let mut body = BytesMut::new();
    for (delta, (key, value)) in records.iter().enumerate() {
        let mut record = BytesMut::new();
        record.put_i8(0);
        put_varint(&mut record, 0);
        put_varint(&mut record, delta as i64);
        put_nullable(&mut record, *key);
        put_nullable(&mut record, Some(value));
        put_varint(&mut record, 0);
        put_varint(&mut body, record.len() as i64);
        body.put_slice(&record);
    }
    let (producer_id, producer_epoch, base_sequence) = producer.unwrap_or((-1, -1, -1));
    let count = records.len() as i32;
    let mut covered = BytesMut::new();
    covered.put_i16(0);
    covered.put_i32(count - 1);
    covered.put_i64(timestamp);
    covered.put_i64(timestamp);
    covered.put_i64(producer_id);
    covered.put_i16(producer_epoch);
    covered.put_i32(base_sequence);
    covered.put_i32(count);
    covered.put_slice(&body);
    let mut batch = BytesMut::with_capacity(21 + covered.len());
    batch.put_i64(0);
    batch.put_i32((covered.len() + 9) as i32);
    batch.put_i32(-1);
    batch.put_i8(2);
    batch.put_u32(crc32c::crc32c(&covered));
    batch.put_slice(&covered);
    batch.freeze()
}

/// The records of an uncompressed batch; `None` when it is compressed or malformed.
pub fn records_of(batch: &Bytes) -> Option<Vec<KeyValue>> {
    let header = BatchHeader::parse(batch).ok()?;
    if header.attributes & 0x07 != 0 {
        return None;
    }
    let mut cursor = Cursor::new(batch.get(HEADER_BYTES..)?);
    let mut records = Vec::new();
    for _ in 0..header.count {
        let length = usize::try_from(varint(&mut cursor)?).ok()?;
        let record = cursor.take(length).ok()?;
        let mut fields = Cursor::new(record);
        fields.skip(1).ok()?;
        varint(&mut fields)?;
        varint(&mut fields)?;
        let key = nullable(&mut fields)?.map(|bytes| batch.slice_ref(bytes));
        let value = nullable(&mut fields)?.map(|bytes| batch.slice_ref(bytes));
        records.push((key, value));
    }
    Some(records)
}

fn put_varint(out: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

/// Zigzag VARINT or VARLONG, at most ten bytes.
fn varint(cursor: &mut Cursor<'_>) -> Option<i64> {
    let mut raw: u64 = 0;
    for shift in (0..70).step_by(7) {
        let [byte] = cursor.array::<1>().ok()?;
        raw |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    None
}

/// `None` when malformed, `Some(None)` for null.
fn nullable<'a>(cursor: &mut Cursor<'a>) -> Option<Option<&'a [u8]>> {
    match varint(cursor)? {
        -1 => Some(None),
        length => cursor.take(usize::try_from(length).ok()?).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let long = vec![7_u8; 300];
        let batch = batch_of(&[(Some(b"k"), b"v"), (None, &long), (Some(b""), b"")], 5, None);
        let records = records_of(&batch).unwrap();
        assert_eq!(records.len(), 3);
        assert_eq!(records[0], (Some(Bytes::from_static(b"k")), Some(Bytes::from_static(b"v"))));
        assert_eq!(records[1], (None, Some(Bytes::from(long))));
    }
}
