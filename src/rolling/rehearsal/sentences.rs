//! What the rehearsal says: what is so, why it matters, and what to do.

use std::time::Duration;

use super::{Act, Scene};
use crate::guard::deadline::Library;
use crate::rolling::gate::named;

/// Of a client whose Produce is not waited for long enough.
pub(super) fn times_out(library: Library, limit: Duration, held: Duration, election: Duration) -> String {
    let who = if library == Library::Unknown {
        "its library is not known, so it is taken to give up".to_owned()
    } else {
        format!("a {} client, which gives up", library.label())
    };
    format!(
        "{who} a Produce after {} s: it is held for {} s, and the election takes about {} s, so it gets a retriable error; raise its timeout, or guard.hold_max",
        seconds(limit),
        seconds(held),
        seconds(election)
    )
}

impl Scene<'_> {
    /// What one should know besides.
    pub(super) fn notes(&self, graceful: &Act, crash: &Act) -> Vec<String> {
        let (node_id, mut notes) = (self.node_id, Vec::new());
        if self.census.brokers.get(&node_id).is_some_and(|broker| !broker.is_reachable || !broker.is_listed) {
            notes.push(format!("broker {node_id} is down already: what is said here was due when it went"));
        }
        if !self.settings.absorbs {
            notes
                .push("nothing is kept from clients now: guard.absorb or guard.mode says so, so every error and every lost connection reaches them".to_owned());
        } else if !self.settings.window_open {
            notes.push(
                "no maintenance window is open: acks 0 and 1 can lose records, and a batch without a producer id gets an error when its broker is lost; \
                 leeward maintenance on opens one"
                    .to_owned(),
            );
        }
        if self.traffic.sessions == 0 {
            notes.push(format!("no client of Leeward's has a connection to broker {node_id} now, so none would see anything"));
        }
        if !graceful.moves.is_empty() {
            notes.push(format!(
                "{} would come back to broker {node_id} after its restart with the next preferred election, which moves them once more",
                if graceful.moves.len() == 1 { "its partition".to_owned() } else { format!("its {} partitions", graceful.moves.len()) }
            ));
        }
        if !crash.stalled.is_empty() {
            notes.push(format!(
                "after a crash acks=all would wait {} s at other brokers too, at {}: the broker that is gone is in their ISR until then",
                crash.expected.seconds,
                named(&crash.stalled)
            ));
        }
        if crash.held.is_too_much() || graceful.held.is_too_much() {
            notes.push(
                "more than guard.held_bytes_max would be held: at that bound reading from clients pauses; raise it, or restart when there is less traffic"
                    .to_owned(),
            );
        }
        notes.extend(self.census.gaps.iter().map(|gap| gap.text.clone()));
        notes
    }
}

/// With a decimal where it has one.
fn seconds(time: Duration) -> String {
    format!("{}", (time.as_secs_f64() * 10.0).round() / 10.0)
}
