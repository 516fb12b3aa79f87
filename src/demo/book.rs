//! What each side's clients sent, were told and read, and what the brokers stored: each record by its number, so that the end can be proved.

mod marks;
mod stall;
mod stream;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::client::ClientError;
use super::histogram::Histogram;
use super::load::{Kind, PARTITIONS, Pace, Stamp};
use stream::Stream;

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
    pub(super) errors: Errors,
}

/// What went wrong for clients, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Errors {
    /// What the application is told: one for each record that is given up, and for each answer that no client library gets over by itself.
    pub(super) seen: BTreeMap<String, u64>,
    /// What a library gets over without a word: it connects again, looks for the leader or the coordinator, sends an idempotent batch again.
    pub(super) handled: BTreeMap<String, u64>,
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
    pub(super) errors: Errors,
}

/// Of one member of the group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MemberPage {
    pub(super) partitions: Vec<i32>,
    pub(super) joined: bool,
    /// In this generation.
    pub(super) committed: bool,
}

/// What became of the records of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) acknowledged: u64,
    pub(super) stored: u64,
    pub(super) read: u64,
    /// Acknowledged and not stored.
    pub(super) lost: u64,
    /// Sent with acks=0 and not stored: nobody was told.
    pub(super) gone: u64,
    /// Stored behind a later one of the same producer.
    pub(super) out_of_order: u64,
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
        if took.is_some() {
            stream.acknowledging.moved(Instant::now());
        }
        for number in records {
            stream.acknowledged.mark(number);
        }
    }

    /// Records that were sent with acks=0, and nothing will ever show what became of them.
    pub(super) fn unanswered(&self, kind: Kind, partition: i32, records: std::ops::Range<u64>) {
        let mut pages = self.pages();
        let stream = pages.streams.entry((kind, partition)).or_default();
        for number in records {
            stream.unanswered.mark(number);
        }
    }

    /// A batch is given up: each of its records is an error to whoever sent it.
    pub(super) fn given_up(&self, kind: Kind, records: &std::ops::Range<u64>, label: String) {
        *self.pages().kinds.entry(kind).or_default().errors.seen.entry(label).or_default() += records.end.saturating_sub(records.start);
    }

    /// Something that a producer gets over by itself.
    pub(super) fn producer_handled(&self, kind: Kind, label: String) {
        *self.pages().kinds.entry(kind).or_default().errors.handled.entry(label).or_default() += 1;
    }

    /// Something that went wrong for a consumer; whether its library gets over it is in the error's own nature.
    pub(super) fn group_error(&self, error: &ClientError) {
        let mut pages = self.pages();
        let errors = &mut pages.group.errors;
        let (page, label) = if error.is_retriable() { (&mut errors.handled, error.label()) } else { (&mut errors.seen, error.label_of_api()) };
        *page.entry(label).or_default() += 1;
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
            let stream = pages.streams.entry((stamp.kind, partition)).or_default();
            stream.read.mark(stamp.number);
            stream.reading.moved(now);
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
                Some(stamp) => pages.streams.entry((stamp.kind, partition)).or_default().store(stamp.number),
                None => pages.strange += 1,
            }
        }
    }
}

impl Pages {
    pub(super) fn forget_errors(&mut self) {
        self.kinds.values_mut().for_each(|page| page.errors = Errors::default());
        self.group.errors = Errors::default();
    }

    /// Begins a new picture.
    pub(super) fn forget_recent(&mut self) {
        self.kinds.values_mut().for_each(|page| page.recent = Histogram::default());
        self.group.recent = Histogram::default();
    }

    /// From now on everything is expected to move.
    pub(super) fn expect_movement(&mut self, now: Instant) {
        for kind in Kind::ALL {
            for partition in 0..PARTITIONS {
                let stream = self.streams.entry((kind, partition)).or_default();
                stream.reading.begin(now);
                if kind != Kind::AcksNone {
                    stream.acknowledging.begin(now);
                }
            }
        }
    }

    /// From now on nothing needs to move any more: who stood still did so until now.
    pub(super) fn expect_nothing(&mut self, now: Instant) {
        self.streams.values_mut().flat_map(|stream| [&mut stream.acknowledging, &mut stream.reading]).for_each(|stall| stall.end(now));
    }

    /// The longest time in which a producer that waits for answers got none.
    pub(super) fn longest_unacknowledged(&self) -> Option<Duration> {
        self.streams.values().filter_map(|stream| stream.acknowledging.longest()).max()
    }

    /// The longest time in which the group read nothing of a producer in a partition.
    pub(super) fn longest_unread(&self) -> Option<Duration> {
        self.streams.values().filter_map(|stream| stream.reading.longest()).max()
    }

    /// Errors that applications were told of, over all clients.
    pub(super) fn errors_seen(&self) -> BTreeMap<String, u64> {
        sum(self.errors().map(|errors| &errors.seen))
    }

    /// Errors that client libraries got over by themselves.
    pub(super) fn errors_handled(&self) -> BTreeMap<String, u64> {
        sum(self.errors().map(|errors| &errors.handled))
    }

    fn errors(&self) -> impl Iterator<Item = &Errors> {
        self.kinds.values().map(|page| &page.errors).chain([&self.group.errors])
    }

    pub(super) fn fate(&self) -> Fate {
        let mut fate = Fate { strange: self.strange, ..Fate::default() };
        for (&(kind, _), stream) in &self.streams {
            stream.add_to(&mut fate, kind);
        }
        fate
    }
}

fn sum<'a>(pages: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    pages.flatten().fold(BTreeMap::new(), |mut sums, (label, count)| {
        *sums.entry(label.clone()).or_default() += count;
        sums
    })
}
