//! What is counted for one client's API, for one broker, or for everything.

use crate::guard::{Event, HoldEnd, NotNumbered};
use crate::telemetry::error_names;

/// Sums over one stretch of time. The conservation law: carried + begun = ends + held, where an end of the stretch leaves what is
/// [`Figures::held`] to the next one, which carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Errors that clients do not see.
    pub absorbed: Codes,
    /// Requests that lost their connection, which clients do not see.
    pub losses: u64,
    /// Requests that were held already when the stretch began.
    pub holds_carried: i64,
    pub holds_begun: u64,
    /// By [`HoldEnd`].
    pub hold_ends: [u64; HoldEnd::ALL.len()],
    pub hold_nanos: u64,
    pub hold_longest_nanos: u64,
    pub acks_raised: u64,
    pub numbered: u64,
    /// By [`NotNumbered`].
    pub not_numbered: [u64; NotNumbered::ALL.len()],
    pub duplicates_dropped: u64,
    pub resent: u64,
    /// Errors that went to clients after all.
    pub reached: Codes,
    /// Client connections that stayed although their broker's was lost, and those whose broker's came back.
    pub homes_lost: u64,
    pub homes_back: u64,
}

impl Figures {
    /// Counts one event.
    pub(super) fn note(&mut self, event: Event) {
        match event {
            Event::Absorbed { code, .. } => self.absorbed.add(code, 1),
            Event::AbsorbedLoss { .. } => self.losses += 1,
            Event::HomeLost => self.homes_lost += 1,
            Event::HomeBack => self.homes_back += 1,
            Event::HoldBegan { .. } => self.holds_begun += 1,
            Event::HoldEnded { end, nanos, .. } => {
                add_at(&mut self.hold_ends, end as usize, 1);
                self.hold_nanos = self.hold_nanos.saturating_add(nanos);
                self.hold_longest_nanos = self.hold_longest_nanos.max(nanos);
            }
            Event::AcksRaised => self.acks_raised += 1,
            Event::Numbered { batches } => self.numbered += u64::from(batches),
            Event::NotNumbered { reason } => add_at(&mut self.not_numbered, reason as usize, 1),
            Event::DuplicateDropped => self.duplicates_dropped += 1,
            Event::Resent { .. } => self.resent += 1,
            Event::Reached { code, .. } => self.reached.add(code, 1),
        }
    }

    /// Requests that are held at the end of the stretch. Below zero only in the row of a client whose hold began when it had no row.
    pub fn held(&self) -> i64 {
        let begun = self.holds_carried.saturating_add_unsigned(self.holds_begun);
        begun.saturating_sub_unsigned(self.hold_ends.iter().sum())
    }

    /// Holds that ended so.
    pub fn ended(&self, end: HoldEnd) -> u64 {
        self.hold_ends.get(end as usize).copied().unwrap_or(0)
    }

    /// Error codes and lost connections together: what clients would have seen.
    pub fn absorbed_in_all(&self) -> u64 {
        self.absorbed.sum() + self.losses
    }

    /// How much there is to tell: what reached the client first.
    pub(super) fn weight(&self) -> (u64, u64, u64, u64) {
        (self.reached.sum(), self.absorbed_in_all(), self.holds_begun, self.acks_raised)
    }

    /// Adds what somebody else counted in the same stretch.
    pub(super) fn add(&mut self, other: &Figures) {
        self.holds_carried += other.holds_carried;
        self.add_later(other);
    }

    /// Adds the stretch that came after this one: what it carried is counted here already.
    pub(super) fn add_later(&mut self, other: &Figures) {
        self.absorbed.merge(&other.absorbed);
        self.reached.merge(&other.reached);
        self.hold_longest_nanos = self.hold_longest_nanos.max(other.hold_longest_nanos);
        self.hold_nanos = self.hold_nanos.saturating_add(other.hold_nanos);
        self.hold_ends.iter_mut().zip(other.hold_ends).for_each(|(sum, count)| *sum += count);
        self.not_numbered.iter_mut().zip(other.not_numbered).for_each(|(sum, count)| *sum += count);
        for (sum, count) in [
            (&mut self.losses, other.losses),
            (&mut self.holds_begun, other.holds_begun),
            (&mut self.acks_raised, other.acks_raised),
            (&mut self.numbered, other.numbered),
            (&mut self.duplicates_dropped, other.duplicates_dropped),
            (&mut self.resent, other.resent),
            (&mut self.homes_lost, other.homes_lost),
            (&mut self.homes_back, other.homes_back),
        ] {
            *sum += count;
        }
    }

    /// Figures of a stretch that begins where this one ends; `None` where nothing is held.
    pub(super) fn carried_on(&self) -> Option<Figures> {
        (self.held() != 0).then(|| Figures { holds_carried: self.held(), ..Figures::default() })
    }
}

/// Counts by error code; the codes that Leeward does not know share one count, so there are never more than [`error_names::SLOTS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codes(Vec<(usize, u64)>);

impl Codes {
    fn add(&mut self, code: i16, count: u64) {
        self.add_slot(error_names::index(code), count);
    }

    fn add_slot(&mut self, slot: usize, count: u64) {
        match self.0.iter_mut().find(|(other, _)| *other == slot) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((slot, count)),
        }
    }

    fn merge(&mut self, other: &Codes) {
        other.0.iter().for_each(|(slot, count)| self.add_slot(*slot, *count));
    }

    /// Of all codes together.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Each code's name in Kafka, and its count.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(slot, count)| (error_names::name(*slot), *count))
    }
}

fn add_at(counts: &mut [u64], index: usize, count: u64) {
    if let Some(sum) = counts.get_mut(index) {
        *sum += count;
    }
}
