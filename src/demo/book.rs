//! What each side's clients sent, were told and read, and what the brokers stored: each record by its number, so that the end can be proved.

mod marks;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::histogram::Histogram;
use super::load::{Kind, Pace, Stamp};
use marks::Marks;

/// The book of one side, shared by its clients.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    /// Something was read by the group.
    pub(super) read: Notify,
}

/// Everything that is written down.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    pub(super) kinds: BTreeMap<Kind, KindPage>,
    pub(super) group: GroupPage,
    streams: BTreeMap<(Kind, i32), Stream>,
    /// Stored or read records that nobody here wrote.
    pub(super) strange: u64,
}

/// Of the producers of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct KindPage {
    /// Records of batches that the broker acknowledged; with acks=0, those that a later answer on the connection shows to have been processed.
    pub(super) acknowledged: u64,
    /// Of these, sent at full speed.
    pub(super) at_full_speed: u64,
    /// From sending a batch to its answer, at the steady load.
    pub(super) steady: Histogram,
    /// The same at full speed.
    pub(super) full: Histogram,
    /// The same for either since the last picture.
    pub(super) recent: Histogram,
    /// By name.
    pub(super) errors: BTreeMap<String, u64>,
}

/// Of the consumer group.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupPage {
    pub(super) members: BTreeMap<usize, MemberPage>,
    pub(super) read: u64,
    /// Generations that the group has seen.
    pub(super) generations: u64,
    pub(super) commits: u64,
    /// Records behind the high watermark, by partition.
    pub(super) lag: BTreeMap<i32, i64>,
    /// From sending a record to reading it, at the steady load.
    pub(super) steady: Histogram,
    pub(super) recent: Histogram,
    pub(super) errors: BTreeMap<String, u64>,
}

/// Of one member of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MemberPage {
    pub(super) partitions: Vec<i32>,
    pub(super) joined: bool,
    /// In this generation.
    pub(super) committed: bool,
}

/// The records of one producer and partition, by number from 0.
#[derive(Debug, Clone, Default)]
struct Stream {
    acknowledged: Marks,
    stored: Marks,
    read: Marks,
}

/// What became of the records of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) acknowledged: u64,
    pub(super) stored: u64,
    pub(super) read: u64,
    /// Acknowledged and not stored.
    pub(super) lost: u64,
    /// Stored and not read by the group.
    pub(super) unread: u64,
    /// Stored more than once.
    pub(super) stored_again: u64,
    /// Read more than once though stored once.
    pub(super) read_again: u64,
    pub(super) strange: u64,
}

impl Book {
    pub(super) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch of `count` records from `first` on is acknowledged; it took so long, where that is known.
    pub(super) fn acknowledged(&self, kind: Kind, partition: i32, records: std::ops::Range<u64>, pace: Pace, took: Option<Duration>) {
        let mut pages = self.pages();
        let count = records.end.saturating_sub(records.start);
        let page = pages.kinds.entry(kind).or_default();
        page.acknowledged += count;
        if pace == Pace::Full {
            page.at_full_speed += count;
        }
        if let Some(took) = took {
            page.recent.add(took);
            match pace {
                Pace::Warm => {}
                Pace::Steady => page.steady.add(took),
                Pace::Full => page.full.add(took),
            }
        }
        let stream = pages.streams.entry((kind, partition)).or_default();
        for number in records {
            stream.acknowledged.mark(number);
        }
    }

    pub(super) fn producer_error(&self, kind: Kind, label: String) {
        *self.pages().kinds.entry(kind).or_default().errors.entry(label).or_default() += 1;
    }

    pub(super) fn group_error(&self, label: String) {
        *self.pages().group.errors.entry(label).or_default() += 1;
    }

    pub(super) fn member(&self, member: usize, page: MemberPage) {
        self.pages().group.members.insert(member, page);
    }

    /// Values that a member of the group read from `partition`, and how many more there are.
    pub(super) fn read(&self, partition: i32, values: &[Option<Stamp>], lag: i64, now: Instant, epoch: Instant) {
        let mut pages = self.pages();
        let pages = &mut *pages;
        pages.group.lag.insert(partition, lag.max(0));
        pages.group.read += values.len() as u64;
        for stamp in values {
            let Some(stamp) = stamp else {
                pages.strange += 1;
                continue;
            };
            let took = now.saturating_duration_since(epoch).saturating_sub(Duration::from_nanos(stamp.sent_nanos));
            pages.group.recent.add(took);
            if stamp.pace == Pace::Steady {
                pages.group.steady.add(took);
            }
            pages.streams.entry((stamp.kind, partition)).or_default().read.mark(stamp.number);
        }
        if !values.is_empty() {
            self.read.notify_waiters();
        }
    }

    /// A value as a partition's log has it.
    pub(super) fn stored(&self, partition: i32, values: &[Option<Stamp>]) {
        let mut pages = self.pages();
        for stamp in values {
            match stamp {
                Some(stamp) => pages.streams.entry((stamp.kind, partition)).or_default().stored.mark(stamp.number),
                None => pages.strange += 1,
            }
        }
    }
}

impl Pages {
    pub(super) fn forget_errors(&mut self) {
        self.kinds.values_mut().for_each(|page| page.errors.clear());
        self.group.errors.clear();
    }

    /// Begins a new picture.
    pub(super) fn forget_recent(&mut self) {
        self.kinds.values_mut().for_each(|page| page.recent = Histogram::default());
        self.group.recent = Histogram::default();
    }

    pub(super) fn fate(&self) -> Fate {
        let mut fate = Fate { strange: self.strange, ..Fate::default() };
        for stream in self.streams.values() {
            fate.acknowledged += stream.acknowledged.count();
            fate.stored += stream.stored.count();
            fate.read += stream.read.count();
            fate.lost += stream.acknowledged.missing_in(&stream.stored);
            fate.unread += stream.stored.missing_in(&stream.read);
            fate.stored_again += stream.stored.again();
            fate.read_again += stream.read.again().saturating_sub(stream.stored.again());
        }
        fate
    }
}
