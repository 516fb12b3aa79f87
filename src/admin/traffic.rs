//! What goes to each broker, as it is told.

use serde::{Deserialize, Serialize};

use crate::telemetry::traffic::{NodeTraffic, Rates};

/// What Leeward's sessions send to one broker, measured where it leaves: detours and what is sent again included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BrokerTraffic {
    /// Client connections whose requests go to it now, apart from their detours.
    pub sessions: u64,
    /// Over the last 10 s.
    pub now: TrafficRates,
    /// Over the last minute.
    pub minute: TrafficRates,
    /// How long ago the last Produce or Fetch was sent to it, to within a second; absent where none was since Leeward began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub produce_or_fetch_seconds_ago: Option<u64>,
}

/// In a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficRates {
    pub produce: f64,
    pub fetch: f64,
    pub other: f64,
    /// Of all requests.
    pub bytes: f64,
}

impl TrafficRates {
    /// Requests of every kind.
    pub fn requests(&self) -> f64 {
        self.produce + self.fetch + self.other
    }
}

impl From<Rates> for TrafficRates {
    fn from(rates: Rates) -> Self {
        TrafficRates { produce: rates.produce, fetch: rates.fetch, other: rates.other, bytes: rates.bytes }
    }
}

impl From<NodeTraffic> for BrokerTraffic {
    fn from(node: NodeTraffic) -> Self {
        BrokerTraffic {
            sessions: node.totals.sessions,
            now: node.now.into(),
            minute: node.minute.into(),
            produce_or_fetch_seconds_ago: node.records_asked_ago.map(|ago| ago.as_secs()),
        }
    }
}
