//! PURE. What the brokers are, and which virtual broker stands for which of them.
//!
//! A [`View`] is an immutable picture that everybody shares; [`Membership`] turns what brokers report into the next picture.

pub mod leaders;
pub mod membership;
mod mend;
pub mod ports;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use leaders::{Leader, Leaders, TopicKey, TopicRef};
pub use membership::{Membership, Reported};
pub use mend::{from_memory, mend, without_absent_leaders};
pub use ports::PortPlan;

use crate::config::HostPort;
use crate::protocol::patch::Addresses;
use crate::protocol::versions::Offer;

/// One broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub node_id: i32,
    /// Where the broker itself listens, as it says.
    pub upstream: HostPort,
    pub rack: Option<String>,
    /// The port of its virtual broker; bound before this picture was published.
    pub virtual_port: u16,
    /// Whether the last metadata named it: brokers leave that list when they stop.
    pub listed: bool,
    /// It left that list so long ago that it is not coming back from a restart.
    pub is_forgotten: bool,
    /// What it answered to ApiVersions, if it ever did.
    pub offer: Option<Arc<Offer>>,
    /// Whether it answered Leeward's last question.
    pub reachable: bool,
}

/// A picture of the cluster. Never changed, only replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Grows with every picture.
    pub generation: u64,
    pub cluster_id: Option<String>,
    pub controller_id: Option<i32>,
    /// The host that clients are told for every virtual broker.
    pub advertised_host: Arc<str>,
    pub brokers: BTreeMap<i32, Broker>,
    /// What Leeward answers to ApiVersions: what all brokers and Leeward can do. `None` until one broker has answered.
    pub offer: Option<Arc<Offer>>,
    /// Brokers answer, but keep their metadata behind a login that Leeward has not: the nodes are learned from what clients read.
    pub closed: bool,
    /// Bootstrap addresses that answered when last asked, best first.
    pub bootstrap: Vec<HostPort>,
}

impl View {
    /// Whether a broker is away, or on its way.
    pub fn is_in_trouble(&self) -> bool {
        self.brokers.values().any(|broker| !broker.is_forgotten && (!broker.listed || !broker.reachable))
    }

    /// Whether a broker is where clients look for it: named in the metadata, and answering.
    pub fn is_healthy(&self, node_id: i32) -> bool {
        self.brokers.get(&node_id).is_some_and(|broker| broker.listed && broker.reachable)
    }

    /// The brokers that a session without a particular node may use as its home, best first.
    pub fn homes(&self) -> Vec<HostPort> {
        let mut homes: Vec<_> = self.brokers.values().filter(|broker| broker.reachable).map(|broker| broker.upstream.clone()).collect();
        homes.extend(self.bootstrap.iter().filter(|address| !homes.contains(address)).cloned().collect::<Vec<_>>());
        homes
    }
}

impl Addresses for View {
    fn virtual_broker(&self, node_id: i32) -> Option<(&str, u16)> {
        self.brokers.get(&node_id).map(|broker| (&*self.advertised_host, broker.virtual_port))
    }
}
