//! Producer id, epoch and sequence of a record batch.

use super::BatchLayout;
use super::crc::carried_over;

/// `BatchLength` counts from behind itself.
const LENGTH_END: usize = 12;
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
/// The CRC covers everything from the attributes on.
const COVERED_AT: usize = 21;
const PRODUCER_AT: usize = 43;
/// The first byte behind producer id, epoch and base sequence.
const NUMBERS_END: usize = 57;

/// Why a batch cannot be given a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNumberable {
    /// Null or empty records, or a format before magic 2.
    #[error("the records are not a batch of format 2")]
    NoBatch,
    /// The records are not exactly one batch, so one sequence would not do.
    #[error("the records are not exactly one batch")]
    NotOneBatch,
}

/// Writes producer id, epoch and base sequence into the batch's header and corrects its CRC-32C.
///
/// The CRC is corrected by its linearity, from the changed bytes and the number of bytes behind them, and never computed anew from the records. So a batch that was
/// corrupt on its way here stays corrupt for the broker, and the cost does not depend on the batch's size.
///
/// # Errors
/// See [`NotNumberable`]; nothing has been written then.
pub fn number(frame: &mut [u8], batch: &BatchLayout, producer_id: i64, epoch: i16, base_sequence: i32) -> Result<(), NotNumberable> {
    if batch.head.is_none() {
        return Err(NotNumberable::NoBatch);
    }
    let records = frame.get_mut(batch.records.clone()).ok_or(NotNumberable::NoBatch)?;
    let length = u32::from_be_bytes(array(records, LENGTH_AT)?) as usize;
    let rest = length
        .checked_add(LENGTH_END)
        .filter(|size| *size == records.len())
        .and_then(|size| u32::try_from(size.checked_sub(NUMBERS_END)?).ok())
        .ok_or(NotNumberable::NotOneBatch)?;
    let old_crc = u32::from_be_bytes(array(records, CRC_AT)?);
    let before = crc32c::crc32c(records.get(COVERED_AT..NUMBERS_END).ok_or(NotNumberable::NoBatch)?);
    let mut numbers = [0; NUMBERS_END - PRODUCER_AT];
    let [id, ep, seq] = [&producer_id.to_be_bytes()[..], &epoch.to_be_bytes()[..], &base_sequence.to_be_bytes()[..]];
    for (place, byte) in numbers.iter_mut().zip(id.iter().chain(ep).chain(seq)) {
        *place = *byte;
    }
    super::put(records, PRODUCER_AT, &numbers);
    let after = crc32c::crc32c(records.get(COVERED_AT..NUMBERS_END).ok_or(NotNumberable::NoBatch)?);
    let crc = old_crc ^ carried_over(before ^ after, rest);
    super::put(records, CRC_AT, &crc.to_be_bytes());
    Ok(())
}

fn array(records: &[u8], at: usize) -> Result<[u8; 4], NotNumberable> {
    records.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or(NotNumberable::NoBatch)
}

/// The base sequence of the batch that follows one of `base` and `last_offset_delta`: behind [`i32::MAX`] comes 0.
pub fn next_sequence(base: i32, last_offset_delta: i32) -> i32 {
    let next = i64::from(base) + i64::from(last_offset_delta) + 1;
    // As `DefaultRecordBatch.incrementSequence`.
    i32::try_from(next.rem_euclid(1 << 31)).unwrap_or(0)
}
