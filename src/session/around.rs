//! Around a home that is drained: its broker leads nothing any more and is about to stop, so nothing is sent there that another broker can answer.
//!
//! The session behaves as with a home that is away: everything goes by the shelter's detours to whoever leads, coordinates or can answer. It changes over when the
//! home owes nothing, so that no answer is lost and none comes out of turn. A connection that only its client can log in on stays where it is.

use super::{Home, Moment, Observer, Session};
use crate::wire::{Route, api};

impl Session {
    /// Whether the home is to be avoided now, and can be.
    fn is_home_avoided<O>(&self, moment: &Moment<'_, O>) -> bool {
        let is_drained = self.node_id.is_some_and(|node_id| moment.policy.avoided.contains(&node_id));
        is_drained && self.stand_in.is_none() && self.shelters(moment) && self.identity.can_detour()
    }

    /// Before a request is looked at: whether it goes by the home or around it.
    pub(super) fn choose_home<O: Observer>(&mut self, api_key: i16, moment: &Moment<'_, O>) {
        // A login is a connection's own, and only the home has one that the client speaks on.
        let is_login = api::Api::of(api_key).is_some_and(|row| row.route == Route::Connection);
        if self.avoids_home && (is_login || !self.is_home_avoided(moment)) {
            self.avoids_home = false;
            if is_login && self.home == Home::Down {
                self.home = Home::Unwanted;
            }
        } else if self.home == Home::Unwanted && !is_login && self.is_home_avoided(moment) {
            self.home = Home::Down;
            self.avoids_home = true;
        }
    }

    /// Whether the home's connection can be closed because nothing has to go there any more; then everything goes around it. `is_idle`: nothing is left to write
    /// to it.
    pub fn leaves_home<O: Observer>(&mut self, is_idle: bool, moment: &Moment<'_, O>) -> bool {
        let owes_nothing = self.in_flight.iter().all(|entry| !entry.owed.kind.awaits_home());
        let leaves = self.home == Home::Wanted && is_idle && owes_nothing && self.request_left == 0 && self.is_home_avoided(moment);
        if leaves {
            self.home = Home::Down;
            self.avoids_home = true;
        }
        leaves
    }
}
