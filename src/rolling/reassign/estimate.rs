//! What a reassignment takes: bytes, time at a throttle, and what shorter retention would save.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::{Layout, Topic};
use super::proposal::Move;

/// How long copies take when every broker sends at most so many bytes a second for them, and receives at most so many.
///
/// What producers write meanwhile is not in it, nor is what brokers and disks cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Bytes a second, for each broker.
    pub throttle: u64,
    /// One topic after the other, as `leeward reassign run` does it.
    pub seconds_by_topic: u64,
    /// All at once, as `kafka-reassign-partitions --execute` does it.
    pub seconds_at_once: u64,
}

/// What need not be copied when topics are first made to keep less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shorter {
    /// `retention.ms` as it would be.
    pub retention_ms: i64,
    /// Topics with copies that keep longer, and delete what is older.
    pub topics: usize,
    /// Among them those that keep for ever: how old what they have is cannot be told.
    pub unlimited: usize,
    /// If all that they have is older.
    pub bytes_at_most: u64,
    /// If their logs were written evenly over the time that they are kept. Those that keep for ever are not in it.
    pub bytes_about: u64,
}

impl Time {
    pub(super) fn of(layout: &Layout, moves: &[Move], throttle: u64) -> Self {
        let (mut all, mut by_topic, mut topic) = (Load::default(), 0u64, Load::default());
        let mut last = None;
        for one in moves {
            if last.replace(&one.topic) != Some(&one.topic) {
                by_topic += std::mem::take(&mut topic).seconds(throttle);
            }
            let leader = layout.partition(&one.topic, one.partition).and_then(|part| part.leader);
            for load in [&mut all, &mut topic] {
                load.add(one, leader);
            }
        }
        by_topic += topic.seconds(throttle);
        Time { throttle, seconds_by_topic: by_topic, seconds_at_once: all.seconds(throttle) }
    }
}

/// Bytes that brokers send and receive.
#[derive(Default)]
struct Load {
    sent: BTreeMap<i32, u64>,
    received: BTreeMap<i32, u64>,
}

impl Load {
    /// Copies come from the leader.
    fn add(&mut self, one: &Move, leader: Option<i32>) {
        let bytes = one.copy_bytes.unwrap_or(0);
        for to in &one.copies {
            *self.received.entry(*to).or_default() += bytes;
            if let Some(leader) = leader {
                *self.sent.entry(leader).or_default() += bytes;
            }
        }
    }

    fn seconds(&self, throttle: u64) -> u64 {
        let most = self.sent.values().chain(self.received.values()).max().copied().unwrap_or(0);
        most.div_ceil(throttle.max(1))
    }
}

impl Shorter {
    pub(super) fn of(layout: &Layout, moves: &[Move], retention_ms: i64) -> Self {
        let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
        for one in moves.iter().filter(|one| !one.copies.is_empty()) {
            *bytes.entry(&one.topic).or_default() += one.copy_bytes.unwrap_or(0).saturating_mul(one.copies.len() as u64);
        }
        let mut shorter = Shorter { retention_ms, ..Shorter::default() };
        let of = |topic: &Topic| bytes.get(topic.name.as_str()).copied();
        for (topic, bytes) in layout.topics.iter().filter_map(|topic| Some((topic, of(topic)?))) {
            let Some(retention) = topic.retention.filter(|retention| retention.deletes && (retention.ms < 0 || retention.ms > retention_ms)) else { continue };
            shorter.topics += 1;
            shorter.bytes_at_most += bytes;
            if retention.ms < 0 {
                shorter.unlimited += 1;
                continue;
            }
            let (kept, now) = (i128::from(retention_ms.max(0)), i128::from(retention.ms.max(1)));
            shorter.bytes_about += u64::try_from(i128::from(bytes) * (now - kept) / now).unwrap_or(0);
        }
        shorter
    }
}
