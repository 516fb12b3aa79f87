//! What the guard would have done (`guard.mode = "watch"`): counted, and nothing else. Every request and response goes by as on a plain wire.

use super::shelter::errands::asks_coordinator;
use super::{Moment, Observer, Session};
use crate::guard::decide::{self, Verdict};
use crate::guard::{ClientRef, Event, NotNumbered, Policy};
use crate::protocol::peek::Peek;
use crate::protocol::produce::{self, BatchLayout, Layout};
use crate::wire::api;

/// 14 COORDINATOR_LOAD_IN_PROGRESS, 15 COORDINATOR_NOT_AVAILABLE, 16 NOT_COORDINATOR.
const COORDINATOR_CODES: std::ops::RangeInclusive<i16> = 14..=16;

impl Session {
    /// Counts what a window would have done to this Produce. `frame`: what is there of it.
    pub(super) fn watch_produce<O: Observer>(&self, peek: &Peek, frame: &[u8], moment: &Moment<'_, O>) {
        let Some(produce) = peek.produce else { return };
        if !moment.policy.covers_client(self.client_id.as_bytes()) {
            return;
        }
        // Of a Produce that is not there as a whole only its head is counted.
        let layout = produce::parse(frame).ok();
        let is_covered = |layout: &Layout, batch: &BatchLayout| self.is_covered(layout.topic(frame, batch), moment);
        if layout.as_ref().is_some_and(|layout| !layout.batches.iter().any(|batch| is_covered(layout, batch))) {
            return;
        }
        if matches!(produce.acks, 0 | 1) {
            self.tell(moment, Event::AcksRaised);
        }
        let Some(layout) = layout.filter(|layout| !layout.transactional) else { return };
        let covered = || layout.batches.iter().filter(|batch| is_covered(&layout, batch));
        let plain = covered().filter(|batch| batch.head.as_ref().is_some_and(|head| head.producer_id < 0)).count();
        if plain > 0 {
            self.tell(moment, Event::Numbered { batches: u32::try_from(plain).unwrap_or(u32::MAX) });
        }
        if covered().any(|batch| batch.head.is_none()) {
            self.tell(moment, Event::NotNumbered { reason: NotNumbered::OldFormat });
        }
    }

    /// Counts what the loss of the home would have meant, before it ends the session.
    pub(super) fn watch_home_lost<O: Observer>(&self, moment: &Moment<'_, O>) {
        if !is_watching(moment.policy) {
            return;
        }
        self.tell(moment, Event::HomeLost);
        for entry in self.in_flight.iter().filter(|entry| entry.owed.kind.awaits_home()) {
            self.tell(moment, Event::AbsorbedLoss { api_key: entry.owed.api_key });
        }
    }
}

/// Counts an error of a broker's answer, which the client sees.
pub(super) fn watch_error<O: Observer>(client: ClientRef<'_>, api_key: i16, code: i16, moment: &Moment<'_, O>) {
    if is_watching(moment.policy) && would_absorb(api_key, code, moment.policy.covers_client(client.client_id.as_bytes())) {
        moment.observer.guard(client, Event::Absorbed { api_key, code });
    }
}

fn is_watching(policy: &Policy) -> bool {
    policy.watch_only && policy.absorbs()
}

/// Whether the guard keeps this error from a client; `is_numbered`: its batches would carry producer ids.
fn would_absorb(api_key: i16, code: i16, is_numbered: bool) -> bool {
    if api_key == api::PRODUCE {
        let acks = if is_numbered { -1 } else { 1 };
        let batch = decide::Batch {
            acks,
            has_producer_id: is_numbered,
            was_ambiguous: false,
            earlier_unresolved: false,
            topic_known: true,
            numbered_here: is_numbered,
        };
        return match decide::answered(code, &batch) {
            Verdict::Success | Verdict::Resend(_) | Verdict::Renumber => true,
            Verdict::Deliver | Verdict::GiveUp(_) => false,
        };
    }
    asks_coordinator(api_key) && COORDINATOR_CODES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_kept_from_the_client_is_counted() {
        for (api_key, code, is_numbered, expected) in [
            (api::PRODUCE, 6, true, true),
            (api::PRODUCE, 6, false, true),
            (api::PRODUCE, 7, true, true),
            // Ambiguous, and nothing would drop a duplicate.
            (api::PRODUCE, 7, false, false),
            (api::PRODUCE, 10, true, false),
            (api::FIND_COORDINATOR, 15, false, true),
            (api::FIND_COORDINATOR, 30, false, false),
            (12, 16, false, true),
            (12, 27, false, false),
            (api::FETCH, 6, true, false),
        ] {
            assert_eq!(would_absorb(api_key, code, is_numbered), expected, "{api_key} {code} {is_numbered}");
        }
    }
}
