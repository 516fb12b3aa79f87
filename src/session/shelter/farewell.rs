//! The end of a client that nobody else can log in, when its home is gone: every request gets the honest answer that its API has, in its place, before the
//! connection ends. So a client that does not retry gets a code that it knows, in place of a connection that breaks.
//!
//! **Invariant: honest.** Nothing is told as applied that no broker said was, and nothing as refused that may be in a log.

use super::Job;
use crate::session::in_flight::{InFlight, Kind};
use crate::session::{Moment, Observer, Outbox, Session};

impl Session {
    /// Answers what can be answered. The home is gone; the last `unwritten` bytes for it never left.
    pub(super) fn say_farewell<O: Observer>(&mut self, unwritten: usize, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        // Behind a request that has no answer here nothing can be answered in its place.
        let mute = |entry: &InFlight| match entry.owed.kind {
            Kind::Handshake | Kind::Token => true,
            Kind::Forward | Kind::Swallow => entry.frame.is_none(),
            Kind::Announcement | Kind::Versions | Kind::Replay | Kind::ProducerId | Kind::Resent | Kind::Sheltered | Kind::Ready => false,
        };
        let end = self.in_flight.iter().find(|entry| mute(entry)).map_or(u64::MAX, |entry| entry.owed.seq);
        if self.take_in_flight(unwritten, end, moment, outbox).is_err() {
            // What has an answer already is told still.
            self.deliver(outbox);
            return;
        }
        let open = |session: &Session| {
            let shelter = session.shelter.as_ref()?;
            let (seq, call) = shelter.calls.iter().find(|(seq, call)| !call.is_answered && **seq < end)?;
            Some((*seq, matches!(call.job, Job::Produce(_))))
        };
        while let Some((seq, is_produce)) = open(self) {
            if is_produce {
                self.give_up_produce(seq, moment);
            } else {
                self.give_up_errand(seq, moment);
            }
            // One that its API has no answer for ends it.
            if self.doom.take().is_some() {
                break;
            }
        }
        self.deliver(outbox);
    }
}
