//! What Leeward's ledger says of all that happened since it started.

use crate::admin::report::{Counts, Report};

/// Sums over episodes. Every Leeward of a demo is a new one: all its episodes are the demo's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::demo) struct Ledger {
    /// Times that a broker was lost.
    pub(in crate::demo) restarts: u64,
    pub(in crate::demo) counts: Counts,
}

impl Ledger {
    pub(in crate::demo) fn add(&mut self, report: &Report) {
        self.restarts += report.episode.broker_restarts;
        self.counts.add(&report.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::report::{EpisodeHead, Holds};

    fn report(number: u64, broker_restarts: u64, begun: u64, longest_seconds: f64) -> Report {
        let episode = EpisodeHead {
            number,
            kind: "restart".to_owned(),
            reason: String::new(),
            began: String::new(),
            ended: None,
            seconds: 1.0,
            age_seconds: 1.0,
            broker_restarts,
            away: vec![],
            absorbed: 0,
            reached: 0,
            held: 0,
            longest_hold_seconds: longest_seconds,
        };
        let total = Counts { acks_raised: 10, holds: Holds { begun, longest_seconds, ..Holds::default() }, ..Counts::default() };
        Report { episode, total, brokers: vec![], clients: vec![] }
    }

    #[test]
    fn episodes_add_up_and_the_longest_hold_is_the_longest() {
        let mut ledger = Ledger::default();
        for report in [report(1, 1, 3, 0.2), report(2, 2, 4, 0.1)] {
            ledger.add(&report);
        }
        let Counts { acks_raised, holds, .. } = &ledger.counts;
        assert_eq!((ledger.restarts, *acks_raised, holds.begun, holds.longest_seconds), (3, 20, 7, 0.2));
    }
}
