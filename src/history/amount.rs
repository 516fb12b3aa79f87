//! An amount of traffic.

use std::ops::AddAssign;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// So much was carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    pub requests: u64,
    /// Bytes from clients to brokers.
    pub to_brokers: u64,
    /// Bytes from brokers to clients.
    pub to_clients: u64,
}

impl Amount {
    /// Both ways.
    pub fn bytes(self) -> u64 {
        self.to_brokers.saturating_add(self.to_clients)
    }

    pub fn is_zero(self) -> bool {
        self == Amount::default()
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Amount) {
        self.requests = self.requests.saturating_add(other.requests);
        self.to_brokers = self.to_brokers.saturating_add(other.to_brokers);
        self.to_clients = self.to_clients.saturating_add(other.to_clients);
    }
}

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Topic,
    Client,
    Broker,
}

impl Kind {
    /// Every kind, in the order of its index.
    pub const ALL: [Kind; 3] = [Kind::Topic, Kind::Client, Kind::Broker];
}

/// What was carried between two looks.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// Of all clients.
    pub total: Amount,
    /// By name, no name twice for one kind.
    pub rows: Vec<(Kind, Arc<str>, Amount)>,
}
