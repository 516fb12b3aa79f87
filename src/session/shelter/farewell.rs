//! The end of a client that nobody else can log in, when its home is gone: every request gets the honest answer that its API has, in its place, and so does
//! what the client had sent before it could know; then the connection ends. So a client that does not retry gets a code that it knows, in place of a connection
//! that breaks.
//!
//! **Invariant: honest.** Nothing is told as applied that no broker said was, and nothing as refused that may be in a log.

use super::Job;
use crate::session::in_flight::{InFlight, Kind};
use crate::session::{Close, Home, Moment, Observer, Outbox, Session};

/// Why a session ends, and when at the latest.
#[derive(Debug)]
pub(in crate::session) struct Leaving {
    close: Close,
    until: u64,
}

/// Between the last answer and the connection's end, in nanoseconds: a client that finds both at once may throw the answer away (kafka-python does, in
/// `BrokerConnection._recv`).
pub(in crate::session) const PARTING: u64 = 50_000_000;

impl Session {
    /// Answers what can be answered; the last `unwritten` bytes for the home never left.
    ///
    /// # Errors
    /// The session has to end at once: not everything could be answered.
    pub(super) fn say_farewell<O: Observer>(&mut self, unwritten: usize, close: Close, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<(), Close> {
        // Behind a request that has no answer here nothing can be answered in its place.
        let mute = |entry: &InFlight| match entry.owed.kind {
            Kind::Handshake | Kind::Token => true,
            Kind::Forward | Kind::Swallow => entry.frame.is_none(),
            Kind::Announcement | Kind::Versions | Kind::Replay | Kind::ProducerId | Kind::Resent | Kind::Sheltered | Kind::Ready => false,
        };
        let end = self.in_flight.iter().find(|entry| mute(entry)).map_or(u64::MAX, |entry| entry.owed.seq);
        self.home = Home::Down;
        let taken = self.take_in_flight(unwritten, end, moment, outbox);
        self.give_up_before(end, moment);
        self.deliver(outbox);
        if taken.is_err() || self.doom.is_some() || !self.in_flight.is_empty() || self.request_left > 0 {
            self.doom = None;
            return Err(close);
        }
        self.leaving = Some(Box::new(Leaving { close, until: moment.now + PARTING }));
        Ok(())
    }

    /// Gives what came since the home went its answers.
    pub(super) fn answer_late<O: Observer>(&mut self, moment: &Moment<'_, O>) {
        let Some(leaving) = &self.leaving else { return };
        if moment.now >= leaving.until {
            self.doom = Some(leaving.close.clone());
        }
        self.give_up_before(u64::MAX, moment);
    }

    /// When a session that ends has to.
    pub(super) fn next_leave(&self) -> Option<u64> {
        self.leaving.as_ref().map(|leaving| leaving.until)
    }

    /// Why the session takes no more, when it is about to end.
    pub(in crate::session) fn end_in_sight(&self) -> Option<Close> {
        self.leaving.as_ref().map(|leaving| leaving.close.clone())
    }

    /// Gives up the calls up to the request with the number `end`, in their order, as far as there is an answer.
    fn give_up_before<O: Observer>(&mut self, end: u64, moment: &Moment<'_, O>) {
        let open = |session: &Session| {
            let (seq, call) = session.shelter.as_ref()?.calls.iter().find(|(seq, call)| !call.is_answered && **seq < end)?;
            Some((*seq, matches!(call.job, Job::Produce(_))))
        };
        while let Some((seq, is_produce)) = open(self) {
            if is_produce {
                self.give_up_produce(seq, moment);
            } else {
                self.give_up_errand(seq, moment);
            }
            if self.doom.is_some() {
                return; // Its API has no answer for that.
            }
        }
    }
}
