//! The records of one producer in one partition.

use super::Fate;
use super::marks::Marks;
use super::stall::Stall;
use crate::demo::load::Kind;

/// The records of one producer and partition, by number from 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Stream {
    pub(super) acknowledged: Marks,
    /// Handed over with acks=0 on a connection that went before anything showed what became of them: the application was told nothing.
    pub(super) unanswered: Marks,
    stored: Marks,
    /// The highest number that is stored so far, and how many lower ones came behind it for the first time.
    highest_stored: Option<u64>,
    out_of_order: u64,
    pub(super) read: Marks,
    pub(super) acknowledging: Stall,
    pub(super) reading: Stall,
}

impl Stream {
    /// As its log has it, in the log's order.
    pub(super) fn store(&mut self, number: u64) {
        let is_new = self.stored.mark(number);
        if is_new && self.highest_stored.is_some_and(|highest| number < highest) {
            self.out_of_order += 1;
        }
        self.highest_stored = self.highest_stored.max(Some(number));
    }

    pub(super) fn add_to(&self, fate: &mut Fate, kind: Kind) {
        fate.acknowledged += self.acknowledged.count();
        fate.stored += self.stored.count();
        fate.read += self.read.count();
        let lost = self.acknowledged.missing_in(&self.stored);
        // With acks=0 nothing is acknowledged: what a later answer shows to be processed and what nobody knows of are the same to the application.
        if kind == Kind::AcksNone {
            fate.gone += lost + self.unanswered.missing_in(&self.stored);
        } else {
            fate.lost += lost;
        }
        fate.out_of_order += self.out_of_order;
        fate.unread += self.stored.missing_in(&self.read);
        fate.stored_again += self.stored.again();
        fate.read_again += self.read.again().saturating_sub(self.stored.again());
    }
}
