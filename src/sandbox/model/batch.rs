//! The 61-byte header of a record batch (format v2, `DefaultRecordBatch.java`): read, checked and stamped. Records stay as they came.

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;

use crate::wire::{Cursor, WireError};

/// Bytes of a batch's header.
pub const HEADER_BYTES: usize = 61;
/// Bytes in front of the part that `batch_length` counts: base offset and the length itself.
pub const LENGTH_OVERHEAD: usize = 12;
/// The CRC-32C covers everything from the attributes on.
const CRC_FROM: usize = 21;
const LEADER_EPOCH_AT: usize = 12;
const MAGIC: i8 = 2;
const CODEC_MASK: i16 = 0x07;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const ZSTD: i16 = 4;

/// A batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Bytes of the batch behind this field.
    pub length: i32,
    pub leader_epoch: i32,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub max_timestamp: i64,
    /// -1: the producer has no id.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// When `bytes` are shorter than a header.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut cursor = Cursor::new(bytes);
        let (base_offset, length, leader_epoch, magic, crc) = (cursor.i64()?, cursor.i32()?, cursor.i32()?, cursor.i8()?, cursor.u32()?);
        let (attributes, last_offset_delta, _base_timestamp, max_timestamp) = (cursor.i16()?, cursor.i32()?, cursor.i64()?, cursor.i64()?);
        let (producer_id, producer_epoch, base_sequence, count) = (cursor.i64()?, cursor.i16()?, cursor.i32()?, cursor.i32()?);
        Ok(BatchHeader {
            base_offset,
            length,
            leader_epoch,
            magic,
            crc,
            attributes,
            last_offset_delta,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            count,
        })
    }

    /// The sequence of the last record; sequences go from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        // Wrapped by construction into 0..=i32::MAX.
        (sum % (i64::from(i32::MAX) + 1)) as i32
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }
}

/// What a leader demands of a client's records (`ProduceRequest.validateRecords`, `LogValidator`, `UnifiedLog.analyzeAndValidateRecords`).
///
/// # Errors
/// INVALID_RECORD for another format, several batches or wrong counts; MESSAGE_TOO_LARGE; CORRUPT_MESSAGE for a wrong length or CRC;
/// UNSUPPORTED_COMPRESSION_TYPE for zstd before Produce v7.
pub fn check(records: &[u8], produce_version: i16, max_bytes: usize) -> Result<BatchHeader, ResponseError> {
    // Every format has its magic byte at the same place, so an older one is told apart from a short batch.
    match records.get(16) {
        Some(&magic) if magic as i8 != MAGIC => return Err(ResponseError::InvalidRecord),
        Some(_) => {}
        None => return Err(ResponseError::InvalidRecord),
    }
    let header = BatchHeader::parse(records).map_err(|_| ResponseError::CorruptMessage)?;
    let whole = usize::try_from(header.length).map_err(|_| ResponseError::CorruptMessage)?.saturating_add(LENGTH_OVERHEAD);
    if whole < HEADER_BYTES || whole > records.len() {
        return Err(ResponseError::CorruptMessage);
    }
    if whole < records.len() {
        return Err(ResponseError::InvalidRecord);
    }
    if whole > max_bytes {
        return Err(ResponseError::MessageTooLarge);
    }
    if crc32c::crc32c(records.get(CRC_FROM..).unwrap_or_default()) != header.crc {
        return Err(ResponseError::CorruptMessage);
    }
    if header.attributes & CODEC_MASK == ZSTD && produce_version < 7 {
        return Err(ResponseError::UnsupportedCompressionType);
    }
    let numbered = header.has_producer_id();
    let sequence_fits = if numbered { header.base_sequence >= 0 && header.producer_epoch >= 0 } else { true };
    if header.attributes & CONTROL != 0 || header.count <= 0 || header.last_offset_delta != header.count - 1 || !sequence_fits {
        return Err(ResponseError::InvalidRecord);
    }
    Ok(header)
}

/// The batch with its place in the log written in: neither field is under the CRC.
pub fn stamp(records: &[u8], base_offset: i64, leader_epoch: i32) -> Bytes {
    let mut bytes = BytesMut::from(records);
    if let Some(field) = bytes.get_mut(..8) {
        field.copy_from_slice(&base_offset.to_be_bytes());
    }
    if let Some(field) = bytes.get_mut(LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4) {
        field.copy_from_slice(&leader_epoch.to_be_bytes());
    }
    bytes.freeze()
}

/// A batch as a log holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    pub header: BatchHeader,
    /// The whole batch, header included.
    pub bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::super::records::batch_of;
    use super::*;

    #[test]
    fn a_good_batch_passes_and_keeps_its_crc_when_stamped() {
        let bytes = batch_of(&[(None, b"one"), (Some(b"k"), b"two")], 1_000, Some((7, 1, 5)));
        let header = check(&bytes, 9, 1 << 20).unwrap();
        assert_eq!((header.count, header.last_sequence(), header.producer_id), (2, 6, 7));
        let stamped = stamp(&bytes, 42, 3);
        let again = check(&stamped, 9, 1 << 20).unwrap();
        assert_eq!((again.base_offset, again.leader_epoch, again.next_offset()), (42, 3, 44));
    }

    #[test]
    fn each_fault_has_its_error() {
        let good = batch_of(&[(None, b"one")], 1_000, None);
        let patched = |at: usize, value: u8| {
            let mut bytes = good.to_vec();
            bytes[at] = value;
            bytes
        };
        let twice = [&good[..], &good[..]].concat();
        let table: [(&str, Vec<u8>, usize, ResponseError); 7] = [
            ("empty", vec![], 1000, ResponseError::InvalidRecord),
            ("old format", patched(16, 1), 1000, ResponseError::InvalidRecord),
            ("flipped bit", patched(good.len() - 1, 0x55), 1000, ResponseError::CorruptMessage),
            ("too short", good[..60].to_vec(), 1000, ResponseError::CorruptMessage),
            ("length beyond the end", patched(11, 255), 1000, ResponseError::CorruptMessage),
            ("two batches", twice, 1000, ResponseError::InvalidRecord),
            ("too large", good.to_vec(), 20, ResponseError::MessageTooLarge),
        ];
        for (what, bytes, max, expected) in table {
            assert_eq!(check(&bytes, 9, max), Err(expected), "{what}");
        }
    }

    #[test]
    fn the_last_sequence_wraps() {
        let bytes = batch_of(&[(None, b"a"), (None, b"b"), (None, b"c")], 0, Some((1, 0, i32::MAX - 1)));
        assert_eq!(BatchHeader::parse(&bytes).unwrap().last_sequence(), 0);
    }
}
