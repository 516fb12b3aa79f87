//! Pictures, lines and the summary, as text. Nothing here looks at a clock, a socket or a terminal.

mod live;
mod plain;
mod summary;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::front::Ledger;
use super::load::Kind;
use super::observe::Moment;

pub(super) use live::live;
pub(super) use plain::{plain, said};
pub(super) use summary::{Summary, summary};

/// What goes on at one moment. Rates are since the last picture.
#[derive(Debug, Clone, Default)]
pub(super) struct Picture {
    /// What Leeward stands in front of.
    pub(super) title: String,
    pub(super) moment: Moment,
    pub(super) brokers: Vec<BrokerRow>,
    /// Direct, then Leeward.
    pub(super) sides: Vec<SidePicture>,
    /// `None` while its admin endpoint does not answer.
    pub(super) leeward: Option<LeewardRow>,
    /// `None` while it has nothing to tell of.
    pub(super) ledger: Option<Ledger>,
}

#[derive(Debug, Clone)]
pub(super) struct BrokerRow {
    pub(super) node_id: i32,
    pub(super) address: String,
    pub(super) virtual_broker: String,
    /// Partitions of the demo that it leads; `None` where nobody said.
    pub(super) leads: Option<usize>,
    pub(super) state: &'static str,
}

impl BrokerRow {
    /// With what is known of the broker that is away. Leeward finds out about it for itself, a moment later.
    pub(super) fn marked(self, away: Option<(i32, &'static str)>) -> Self {
        match away {
            Some((node_id, state)) if node_id == self.node_id => BrokerRow { state, ..self },
            _ => self,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct SidePicture {
    pub(super) kinds: Vec<KindRow>,
    pub(super) group: GroupRow,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct KindRow {
    pub(super) kind: Kind,
    pub(super) per_second: f64,
    pub(super) p50: Option<Duration>,
    pub(super) p99: Option<Duration>,
    pub(super) errors: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GroupRow {
    pub(super) members: usize,
    pub(super) per_second: f64,
    pub(super) p50: Option<Duration>,
    pub(super) p99: Option<Duration>,
    pub(super) lag: i64,
    pub(super) errors: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LeewardRow {
    pub(super) sessions: u64,
    pub(super) requests_per_second: f64,
    pub(super) own_p50: Option<Duration>,
    pub(super) own_p99: Option<Duration>,
    pub(super) errors: u64,
    /// Cores.
    pub(super) cpu: f64,
    pub(super) memory_bytes: u64,
}
