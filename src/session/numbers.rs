//! Producer ids of Leeward's for clients that have none: one for each session, with sequences kept for each partition.
//!
//! A partition keeps the producer id with which it began; when that one is spoilt (a numbered batch was given up, so that its sequence has a gap that may or
//! may not be in the log), the partition goes on with a fresh one.

use std::collections::HashMap;

use crate::cluster::TopicKey;
use crate::protocol::produce::next_sequence;

/// A producer id with its epoch, as InitProducerId gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProducerId {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// Where a session stands with producer ids.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    current: Option<ProducerId>,
    /// InitProducerId is on its way.
    pub(super) asked: bool,
    /// Not asked again before this moment.
    pub(super) retry_at: u64,
    /// The brokers give none to this client, so its batches stay as they are.
    pub(super) refused: bool,
    partitions: HashMap<(TopicKey, i32), (ProducerId, i32)>,
    /// Partitions, as bits, that began a sequence with a batch that may be on its way still.
    pub(super) fresh: u64,
    /// In the order in which they were met.
    met: HashMap<(TopicKey, i32), usize>,
}

impl Numbers {
    /// A producer id is at hand for any partition.
    pub(super) fn is_ready(&self) -> bool {
        self.current.is_some()
    }

    /// A batch of this partition could be numbered now.
    pub(super) fn can_number(&self, partition: &(TopicKey, i32)) -> bool {
        self.current.is_some() || self.partitions.contains_key(partition)
    }

    pub(super) fn given(&mut self, producer: ProducerId) {
        self.current = Some(producer);
        self.asked = false;
    }

    /// The next sequence of a partition; the batch takes `last_offset_delta + 1` of them. `None`: a producer id has to be asked for first.
    pub(super) fn next(&mut self, partition: &(TopicKey, i32), last_offset_delta: i32) -> Option<(ProducerId, i32)> {
        if let Some((producer, sequence)) = self.partitions.get_mut(partition) {
            let base = *sequence;
            *sequence = next_sequence(base, last_offset_delta);
            return Some((*producer, base));
        }
        let producer = self.current?;
        self.partitions.insert(partition.clone(), (producer, next_sequence(0, last_offset_delta)));
        Some((producer, 0))
    }

    /// The partition as one bit of a set. Beyond 64 partitions of one connection some share a bit, so that one may be taken for the other, never the other way.
    pub(super) fn bit(&mut self, partition: &(TopicKey, i32)) -> u64 {
        let next = self.met.len();
        let place = match self.met.get(partition) {
            Some(place) => *place,
            None => *self.met.entry(partition.clone()).or_insert(next),
        };
        1 << (place % 64)
    }

    /// The partition's sequence is spoilt: it begins again with a producer id that no partition has used.
    pub(super) fn spoil(&mut self, partition: &(TopicKey, i32)) {
        let spoilt = self.partitions.remove(partition).map(|(producer, _)| producer);
        if spoilt == self.current {
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> (TopicKey, i32) {
        (TopicKey::Name("t".into()), index)
    }

    #[test]
    fn sequences_go_on_for_each_partition_and_begin_again_once_spoilt() {
        let (one, two) = (ProducerId { id: 1, epoch: 0 }, ProducerId { id: 2, epoch: 0 });
        let mut numbers = Numbers::default();
        assert_eq!(numbers.next(&partition(0), 0), None);
        numbers.given(one);
        assert_eq!(numbers.next(&partition(0), 9), Some((one, 0)));
        assert_eq!(numbers.next(&partition(0), 0), Some((one, 10)));
        assert_eq!(numbers.next(&partition(1), 0), Some((one, 0)));
        numbers.spoil(&partition(0));
        assert_eq!(numbers.next(&partition(0), 0), None, "never twice the same producer id for a partition");
        assert_eq!(numbers.next(&partition(1), 0), Some((one, 1)), "the others go on");
        numbers.given(two);
        assert_eq!(numbers.next(&partition(0), 0), Some((two, 0)));
        numbers.spoil(&partition(1));
        assert_eq!(numbers.next(&partition(1), 0), Some((two, 0)), "an id that this partition has not used is good for it");
    }
}
