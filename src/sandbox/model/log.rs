//! One replica's log: batches in order, the leader epochs that wrote them, and the producers seen.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::batch::{self, BatchHeader, StoredBatch};
use super::producers::Producers;

/// A replica's log.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    start_offset: i64,
    end_offset: i64,
    batches: VecDeque<StoredBatch>,
    /// (epoch, its first offset), both rising (`LeaderEpochFileCache`).
    epochs: Vec<(i32, i64)>,
    bytes: usize,
    pub(super) producers: Producers,
}

impl Log {
    /// Bytes of the batches still there.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first offset still there.
    pub(super) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets (log end offset).
    pub(super) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The batches still there, oldest first.
    pub(super) fn batches(&self) -> impl DoubleEndedIterator<Item = &StoredBatch> {
        self.batches.iter()
    }

    /// The epoch of the last batch; -1 for an empty log.
    pub(super) fn last_epoch(&self) -> i32 {
        self.epochs.last().map_or(-1, |&(epoch, _)| epoch)
    }

    /// Appends a client's batch, which the leader has checked; returns its offset.
    pub(super) fn append_as_leader(&mut self, records: &[u8], leader_epoch: i32) -> i64 {
        let bytes = batch::stamp(records, self.end_offset, leader_epoch);
        let base_offset = self.end_offset;
        if let Ok(header) = BatchHeader::parse(&bytes) {
            self.push(StoredBatch { header, bytes });
        }
        base_offset
    }

    /// Appends what a leader sent. The first batch of an empty log may begin anywhere (the leader's older ones are gone).
    pub(super) fn append_as_follower(&mut self, stored: StoredBatch) {
        if self.batches.is_empty() && stored.header.base_offset > self.end_offset {
            self.start_offset = stored.header.base_offset;
            self.end_offset = stored.header.base_offset;
        }
        assert_eq!(stored.header.base_offset, self.end_offset, "a follower's log has no holes");
        self.push(stored);
    }

    /// The batches from the one with `from` in it, up to `limit` (exclusive), at most `max_bytes` but one batch at least.
    pub(super) fn read(&self, from: i64, limit: i64, max_bytes: usize) -> Vec<StoredBatch> {
        let first = self.batches.partition_point(|stored| stored.header.next_offset() <= from);
        let mut taken = 0;
        let fits = |stored: &&StoredBatch| {
            let whole = stored.header.next_offset() <= limit && (taken == 0 || taken + stored.bytes.len() <= max_bytes);
            taken += stored.bytes.len();
            whole
        };
        self.batches.range(first..).take_while(fits).cloned().collect()
    }

    /// As [`Log::read`], as the bytes of a Fetch response; a first batch beyond `max_bytes` only where `at_least_one` is asked for.
    pub(super) fn read_bytes(&self, from: i64, limit: i64, max_bytes: usize, at_least_one: bool) -> Bytes {
        let mut batches = self.read(from, limit, max_bytes);
        if !at_least_one && batches.first().is_some_and(|first| first.bytes.len() > max_bytes) {
            batches.clear();
        }
        match batches.as_slice() {
            [] => Bytes::new(),
            [only] => only.bytes.clone(),
            [..] => {
                let mut all = BytesMut::with_capacity(batches.iter().map(|stored| stored.bytes.len()).sum());
                batches.iter().for_each(|stored| all.extend_from_slice(&stored.bytes));
                all.freeze()
            }
        }
    }

    /// The first offset whose record may be at or after `timestamp`, with the batch's newest timestamp; batches are not opened.
    pub(super) fn offset_for_timestamp(&self, timestamp: i64, limit: i64) -> Option<&BatchHeader> {
        self.batches.iter().map(|stored| &stored.header).find(|header| header.max_timestamp >= timestamp && header.base_offset < limit)
    }

    /// The largest epoch up to `epoch` that this log knows, and the offset behind its last record (`LeaderEpochFileCache.endOffsetFor`).
    /// `None` when every epoch here is newer.
    pub(super) fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let after = self.epochs.partition_point(|&(known, _)| known <= epoch);
        let (known, _) = *self.epochs.get(after.checked_sub(1)?)?;
        Some((known, self.epochs.get(after).map_or(self.end_offset, |&(_, start)| start)))
    }

    /// Where the epoch that holds `offset` began, for a batch that is there.
    pub(super) fn epoch_at(&self, offset: i64) -> i32 {
        let after = self.epochs.partition_point(|&(_, start)| start <= offset);
        after.checked_sub(1).and_then(|index| self.epochs.get(index)).map_or(-1, |&(epoch, _)| epoch)
    }

    /// Drops everything from `offset` on. Producers are learnt anew from what is left.
    pub(super) fn truncate_to(&mut self, offset: i64) {
        while let Some(last) = self.batches.back() {
            if last.header.next_offset() <= offset {
                break;
            }
            self.bytes -= last.bytes.len();
            self.end_offset = last.header.base_offset;
            self.batches.pop_back();
        }
        if offset < self.start_offset {
            self.start_offset = offset;
            self.end_offset = offset;
        }
        let end = self.end_offset;
        self.epochs.retain(|&(_, start)| start < end);
        self.relearn_producers();
    }

    /// Drops everything and begins at `offset`: the leader has nothing older.
    pub(super) fn restart_at(&mut self, offset: i64) {
        *self = Log { start_offset: offset, end_offset: offset, ..Log::default() };
    }

    /// Drops the oldest batches in front of `limit` until at most `max_bytes` are kept.
    pub(super) fn retain(&mut self, max_bytes: usize, limit: i64) {
        while self.bytes > max_bytes {
            match self.batches.front() {
                Some(oldest) if oldest.header.next_offset() <= limit => {
                    self.bytes -= oldest.bytes.len();
                    self.start_offset = oldest.header.next_offset();
                    self.batches.pop_front();
                }
                Some(_) | None => return,
            }
        }
    }

    /// What a broker knows after its process began anew: all that the log tells, or what a snapshot keeps when it was stopped cleanly.
    pub(super) fn reload(&mut self, stopped_cleanly: bool) {
        self.relearn_producers();
        if stopped_cleanly {
            self.producers.reduce_to_snapshot();
        }
    }

    fn relearn_producers(&mut self) {
        self.producers = Producers::default();
        for stored in &self.batches {
            self.producers.remember(&stored.header);
        }
    }

    fn push(&mut self, stored: StoredBatch) {
        if self.last_epoch() < stored.header.leader_epoch {
            self.epochs.push((stored.header.leader_epoch, stored.header.base_offset));
        }
        self.producers.remember(&stored.header);
        self.end_offset = stored.header.next_offset();
        self.bytes += stored.bytes.len();
        self.batches.push_back(stored);
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::batch_of;
    use super::*;

    /// Offsets 0-1 epoch 1, 2-3 epoch 1, 4-5 epoch 4, 6-7 epoch 6.
    fn log() -> Log {
        let mut log = Log::default();
        for epoch in [1, 1, 4, 6] {
            log.append_as_leader(&batch_of(&[(None, b"a"), (None, b"b")], 0, None), epoch);
        }
        log
    }

    #[test]
    fn reads_whole_batches_below_the_limit() {
        let offsets = |from, limit, bytes| -> Vec<i64> { log().read(from, limit, bytes).iter().map(|stored| stored.header.base_offset).collect() };
        assert_eq!(offsets(0, 8, usize::MAX), [0, 2, 4, 6]);
        assert_eq!(offsets(3, 6, usize::MAX), [2, 4]);
        assert_eq!(offsets(3, 6, 1), [2]);
        assert_eq!(offsets(8, 8, usize::MAX), [] as [i64; 0]);
        assert_eq!(offsets(4, 5, usize::MAX), [] as [i64; 0]);
    }

    #[test]
    fn knows_where_epochs_end() {
        let log = log();
        let table = [(0, None), (1, Some((1, 4))), (3, Some((1, 4))), (4, Some((4, 6))), (5, Some((4, 6))), (6, Some((6, 8))), (9, Some((6, 8)))];
        for (epoch, expected) in table {
            assert_eq!(log.end_offset_for_epoch(epoch), expected, "epoch {epoch}");
        }
        assert_eq!((log.epoch_at(3), log.epoch_at(4), log.last_epoch()), (1, 4, 6));
    }

    #[test]
    fn truncation_forgets_epochs_and_producers() {
        let mut log = Log::default();
        for n in 0..3 {
            log.append_as_leader(&batch_of(&[(None, b"a")], 0, Some((5, 0, n))), n);
        }
        log.truncate_to(1);
        assert_eq!((log.end_offset(), log.last_epoch()), (1, 0));
        let again = BatchHeader::parse(&batch_of(&[(None, b"a")], 0, Some((5, 0, 1)))).unwrap();
        assert_eq!(log.producers.check(&again), Ok(super::super::producers::Sequenced::Append));
    }

    #[test]
    fn retention_stops_at_the_limit() {
        let mut log = log();
        log.retain(0, 5);
        assert_eq!((log.start_offset(), log.end_offset()), (4, 8));
        log.retain(0, 8);
        assert_eq!((log.start_offset(), log.end_offset()), (8, 8));
    }
}
