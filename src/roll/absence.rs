//! Whether the broker at hand was away, by the connection that Leeward keeps to it: that ends at once, also when the broker is back before the next reading.

use std::collections::BTreeSet;

use crate::rolling::walk::Step;

/// What was seen since Leeward began.
#[derive(Debug, Default)]
pub(super) struct Absence {
    /// Brokers that answered: one that Leeward has not reached yet is not away for that.
    reached: BTreeSet<i32>,
    /// The leg, and its step, in which its broker was seen to be away.
    seen_in: Option<(usize, Step)>,
}

impl Absence {
    /// The broker of this leg answers now, or does not.
    pub(super) fn note(&mut self, (at, step): (usize, Step), node_id: i32, is_reachable: bool) {
        if is_reachable {
            self.reached.insert(node_id);
        } else if self.reached.contains(&node_id) {
            self.seen_in = Some((at, step));
        }
    }

    pub(super) fn was_in(&self, at: usize, step: Step) -> bool {
        self.seen_in == Some((at, step))
    }

    /// Another roll begins.
    pub(super) fn forget(&mut self) {
        self.seen_in = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_away_only_when_it_was_there() {
        let mut absence = Absence::default();
        // Leeward was started again, and has not reached anybody yet.
        absence.note((0, Step::Stopping), 1, false);
        assert!(!absence.was_in(0, Step::Stopping));
        absence.note((0, Step::Stopping), 1, true);
        assert!(!absence.was_in(0, Step::Stopping));
        absence.note((0, Step::Stopping), 1, false);
        absence.note((0, Step::Stopping), 1, true);
        assert!(absence.was_in(0, Step::Stopping));
        assert!(!absence.was_in(0, Step::Starting) && !absence.was_in(1, Step::Stopping), "in that step of that leg alone");
        absence.forget();
        assert!(!absence.was_in(0, Step::Stopping));
    }
}
