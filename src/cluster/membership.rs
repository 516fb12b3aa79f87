//! From what brokers report to the next picture.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{Broker, PortPlan, View};
use crate::config::HostPort;
use crate::protocol::patch::NodeAddress;
use crate::protocol::versions::{Offer, intersect};

/// Who made a statement about the cluster. A broker's metadata can be older than another's, so a new address is believed only when the same
/// reporter said something else before.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reporter {
    /// The broker at this address, asked by Leeward.
    Broker(HostPort),
    /// A response that passed through a session.
    Traffic,
}

/// What one metadata answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    pub cluster_id: Option<String>,
    pub controller_id: Option<i32>,
    pub brokers: Vec<NodeAddress>,
}

/// A report that was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it belongs to cluster {reported}, but Leeward stands in front of {known}")]
pub struct ForeignCluster {
    pub known: String,
    pub reported: String,
}

/// A virtual broker that has to be bound before its node can be shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub node_id: i32,
    /// `None`: no port is left.
    pub port: Option<u16>,
}

/// How long a broker that has left the metadata and answers nothing still limits what is offered to clients, and is named to them: longer than any restart.
const FORGET_AFTER_NANOS: u64 = 3600 * 1_000_000_000;

/// The cluster as it is known, with what led to it.
#[derive(Debug)]
pub struct Membership {
    plan: PortPlan,
    view: View,
    published: View,
    pending: BTreeMap<i32, NodeAddress>,
    statements: HashMap<(Reporter, i32), HostPort>,
    gone_since: HashMap<i32, u64>,
    /// What each address that is asked said last; `None`: it does not answer.
    answers: BTreeMap<HostPort, Option<Arc<Offer>>>,
    /// Those that answer, but tell Leeward no metadata.
    closed: BTreeSet<HostPort>,
}

impl Membership {
    pub fn new(plan: PortPlan, advertised_host: &str) -> Self {
        Membership {
            plan,
            view: View { advertised_host: Arc::from(advertised_host), ..View::default() },
            published: View::default(),
            pending: BTreeMap::new(),
            statements: HashMap::new(),
            gone_since: HashMap::new(),
            answers: BTreeMap::new(),
            closed: BTreeSet::new(),
        }
    }

    /// Takes in a report and returns the virtual brokers that it calls for. Nodes without one stay out of the picture until [`Membership::bound`].
    ///
    /// # Errors
    /// The report is another cluster's; nothing of it was taken in.
    pub fn report(&mut self, reporter: &Reporter, reported: Reported, now: u64) -> Result<Vec<Wanted>, ForeignCluster> {
        if let Some(id) = reported.cluster_id {
            match &self.view.cluster_id {
                Some(known) if *known != id => return Err(ForeignCluster { known: known.clone(), reported: id }),
                Some(_) => {}
                None => self.view.cluster_id = Some(id),
            }
        }
        self.view.controller_id = reported.controller_id.or(self.view.controller_id);
        // A starting broker may name nobody at all; that says nothing about the others.
        if *reporter != Reporter::Traffic && !reported.brokers.is_empty() {
            self.note_absences(&reported.brokers, now);
        }
        for node in reported.brokers {
            self.take_in(reporter, node);
        }
        Ok(self.wanted())
    }

    /// The virtual broker of `node_id` is bound: the node enters the picture.
    pub fn bound(&mut self, node_id: i32, port: u16) {
        if let Some(node) = self.pending.remove(&node_id) {
            let upstream = HostPort { host: node.host, port: node.port };
            // It may have been asked already, as a bootstrap address.
            let offer = self.answers.get(&upstream).cloned().flatten();
            let broker =
                Broker { node_id, rack: node.rack, virtual_port: port, listed: true, is_forgotten: false, reachable: offer.is_some(), offer, upstream };
            self.view.brokers.insert(node_id, broker);
        }
    }

    /// The broker at `address` answered with its versions.
    pub fn answered(&mut self, address: &HostPort, offer: &Arc<Offer>) {
        for broker in self.view.brokers.values_mut().filter(|broker| broker.upstream == *address) {
            broker.offer = Some(Arc::clone(offer));
            broker.reachable = true;
        }
        self.answers.insert(address.clone(), Some(Arc::clone(offer)));
    }

    /// The broker at `address` does not answer.
    pub fn lost(&mut self, address: &HostPort) {
        for broker in self.view.brokers.values_mut().filter(|broker| broker.upstream == *address) {
            broker.reachable = false;
        }
        self.answers.insert(address.clone(), None);
        self.closed.remove(address);
    }

    /// The broker at `address` answers, but keeps its metadata behind a login that Leeward has not.
    pub fn closed(&mut self, address: &HostPort) {
        self.closed.insert(address.clone());
    }

    /// The broker at `address` told its metadata.
    pub fn opened(&mut self, address: &HostPort) {
        self.closed.remove(address);
    }

    /// The cluster as it is known now; readers get it from [`Membership::picture`].
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The next picture, if anything changed since the last one.
    pub fn picture(&mut self, now: u64) -> Option<View> {
        self.forget(now);
        self.view.offer = self.offer();
        self.view.closed = !self.closed.is_empty();
        self.view.bootstrap = self.answers.iter().filter(|(_, offer)| offer.is_some()).map(|(address, _)| address.clone()).collect();
        if self.view == self.published {
            return None;
        }
        self.view.generation += 1;
        self.published = self.view.clone();
        Some(self.view.clone())
    }

    /// Whether the port of `node_id` is the same after every restart.
    pub fn has_stable_port(&self, node_id: i32) -> bool {
        self.plan.is_stable(node_id)
    }

    fn forget(&mut self, now: u64) {
        for broker in self.view.brokers.values_mut() {
            let is_old = self.gone_since.get(&broker.node_id).is_some_and(|since| now.saturating_sub(*since) > FORGET_AFTER_NANOS);
            broker.is_forgotten = is_old && !broker.reachable;
        }
    }

    /// What all brokers can do. One that is down counts with what it could last, since it may come back as it was.
    fn offer(&self) -> Option<Arc<Offer>> {
        let mut offers: Vec<&Offer> = self.view.brokers.values().filter(|broker| !broker.is_forgotten).filter_map(|broker| broker.offer.as_deref()).collect();
        if offers.is_empty() {
            offers = self.answers.values().flatten().map(|offer| &**offer).collect();
        }
        intersect(offers.into_iter()).map(Arc::new)
    }

    fn note_absences(&mut self, named: &[NodeAddress], now: u64) {
        for broker in self.view.brokers.values_mut() {
            broker.listed = named.iter().any(|node| node.node_id == broker.node_id);
            if broker.listed {
                self.gone_since.remove(&broker.node_id);
            } else {
                self.gone_since.entry(broker.node_id).or_insert(now);
            }
        }
    }

    fn take_in(&mut self, reporter: &Reporter, node: NodeAddress) {
        let said = HostPort { host: node.host.clone(), port: node.port };
        let before = self.statements.insert((reporter.clone(), node.node_id), said.clone());
        let Some(broker) = self.view.brokers.get_mut(&node.node_id) else {
            self.pending.insert(node.node_id, node);
            return;
        };
        let changed_its_mind = before.is_some_and(|before| before != said);
        if broker.upstream != said && (changed_its_mind || !broker.reachable) {
            broker.reachable = self.answers.get(&said).is_some_and(Option::is_some);
            broker.upstream = said;
        }
        broker.rack = node.rack;
    }

    fn wanted(&self) -> Vec<Wanted> {
        let mut taken: Vec<u16> = self.view.brokers.values().map(|broker| broker.virtual_port).collect();
        let mut wanted = Vec::new();
        for node_id in self.pending.keys().copied() {
            let port = self.plan.port_for(node_id, |port| taken.contains(&port));
            taken.extend(port);
            wanted.push(Wanted { node_id, port });
        }
        wanted
    }
}

#[cfg(test)]
mod tests;
