//! What a partition remembers of each producer id, so that a batch sent twice is stored once (`ProducerStateManager`, `ProducerAppendInfo`).

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::error::ResponseError;

use super::batch::BatchHeader;

/// Batches remembered for each producer: as many as a client may have in flight (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub(super) const BATCHES_KEPT: usize = 5;

/// The producers that a partition knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Producers {
    by_id: BTreeMap<i64, Producer>,
}

/// What to do with a numbered batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequenced {
    /// It is the next one.
    Append,
    /// It is in the log already, ending in front of `next_offset`; answered as a success with the original offset.
    Duplicate { base_offset: i64, next_offset: i64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    next_offset: i64,
}

impl Producers {
    /// Judges a batch that a client sent to the leader.
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH for an older epoch; OUT_OF_ORDER_SEQUENCE_NUMBER for a gap, for a duplicate of a batch no longer remembered, and
    /// for a new epoch that does not begin at 0. A producer that the partition does not know may begin anywhere (Kafka 2.5 and later).
    pub(super) fn check(&self, batch: &BatchHeader) -> Result<Sequenced, ResponseError> {
        let Some(known) = self.by_id.get(&batch.producer_id) else {
            return Ok(Sequenced::Append);
        };
        if batch.producer_epoch < known.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if batch.producer_epoch > known.epoch {
            return if batch.base_sequence == 0 { Ok(Sequenced::Append) } else { Err(ResponseError::OutOfOrderSequenceNumber) };
        }
        let same = known.batches.iter().find(|seen| (seen.first_sequence, seen.last_sequence) == (batch.base_sequence, batch.last_sequence()));
        if let Some(seen) = same {
            return Ok(Sequenced::Duplicate { base_offset: seen.base_offset, next_offset: seen.next_offset });
        }
        match known.batches.back() {
            Some(last) if batch.base_sequence != next_sequence(last.last_sequence) => Err(ResponseError::OutOfOrderSequenceNumber),
            Some(_) | None => Ok(Sequenced::Append),
        }
    }

    /// Remembers a batch that is in the log now; `batch` carries its offset.
    pub(super) fn remember(&mut self, batch: &BatchHeader) {
        if !batch.has_producer_id() {
            return;
        }
        let fresh = || Producer { epoch: batch.producer_epoch, batches: VecDeque::new() };
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(fresh);
        if producer.epoch != batch.producer_epoch {
            *producer = fresh();
        }
        if producer.batches.len() == BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Seen {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset: batch.base_offset,
            next_offset: batch.next_offset(),
        });
    }

    /// What a snapshot on disk keeps: the last batch of each producer. A broker that was stopped cleanly starts with this.
    pub(super) fn reduce_to_snapshot(&mut self) {
        for producer in self.by_id.values_mut() {
            let last = producer.batches.len().saturating_sub(1);
            producer.batches.drain(..last);
        }
    }
}

fn next_sequence(last: i32) -> i32 {
    last.checked_add(1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::records::batch_of;
    use super::*;

    fn batch(epoch: i16, sequence: i32, records: usize, offset: i64) -> BatchHeader {
        let values: Vec<(Option<&[u8]>, &[u8])> = vec![(None, b"x"); records];
        let bytes = batch_of(&values, 0, Some((9, epoch, sequence)));
        BatchHeader { base_offset: offset, ..BatchHeader::parse(&bytes).unwrap() }
    }

    /// Epoch 1; seven batches of two records each: sequences 0 to 13, offsets 100 to 113.
    fn seven() -> Producers {
        let mut producers = Producers::default();
        for n in 0..7 {
            producers.remember(&batch(1, n * 2, 2, 100 + i64::from(n) * 2));
        }
        producers
    }

    #[test]
    fn a_batch_is_judged_by_epoch_and_sequence() {
        use ResponseError::{InvalidProducerEpoch, OutOfOrderSequenceNumber};
        let table = [
            ("next", 1, 14, 2, Ok(Sequenced::Append)),
            ("next, another size", 1, 14, 5, Ok(Sequenced::Append)),
            ("gap", 1, 16, 2, Err(OutOfOrderSequenceNumber)),
            ("duplicate of the last", 1, 12, 2, Ok(Sequenced::Duplicate { base_offset: 112, next_offset: 114 })),
            ("duplicate of the fifth from the end", 1, 4, 2, Ok(Sequenced::Duplicate { base_offset: 104, next_offset: 106 })),
            ("duplicate of the sixth from the end", 1, 2, 2, Err(OutOfOrderSequenceNumber)),
            ("duplicate start, other boundaries", 1, 12, 1, Err(OutOfOrderSequenceNumber)),
            ("older epoch", 0, 14, 2, Err(InvalidProducerEpoch)),
            ("new epoch from 0", 2, 0, 2, Ok(Sequenced::Append)),
            ("new epoch from elsewhere", 2, 14, 2, Err(OutOfOrderSequenceNumber)),
        ];
        for (what, epoch, sequence, records, expected) in table {
            assert_eq!(seven().check(&batch(epoch, sequence, records, 0)), expected, "{what}");
        }
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere() {
        assert_eq!(Producers::default().check(&batch(3, 77, 1, 0)), Ok(Sequenced::Append));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut producers = Producers::default();
        producers.remember(&batch(0, i32::MAX - 1, 2, 0));
        assert_eq!(producers.check(&batch(0, 0, 1, 0)), Ok(Sequenced::Append));
        assert_eq!(producers.check(&batch(0, 1, 1, 0)), Err(ResponseError::OutOfOrderSequenceNumber));
        let mut producers = Producers::default();
        producers.remember(&batch(0, i32::MAX, 3, 0));
        assert_eq!(producers.check(&batch(0, 2, 1, 0)), Ok(Sequenced::Append));
        assert_eq!(producers.check(&batch(0, i32::MAX, 3, 0)), Ok(Sequenced::Duplicate { base_offset: 0, next_offset: 3 }));
    }

    #[test]
    fn a_snapshot_knows_only_the_last_batch() {
        let mut producers = seven();
        producers.reduce_to_snapshot();
        assert!(matches!(producers.check(&batch(1, 12, 2, 0)), Ok(Sequenced::Duplicate { .. })));
        assert_eq!(producers.check(&batch(1, 10, 2, 0)), Err(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(producers.check(&batch(1, 14, 2, 0)), Ok(Sequenced::Append));
    }
}
