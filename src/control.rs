//! IO. Leeward as a client of the cluster: it asks every broker for its versions and for the metadata, and keeps the picture of the cluster that
//! the sessions work with.
//!
//! **Invariant: bound before shown.** A node enters the picture only when the port of its virtual broker is bound.

mod exchange;
mod leaders;
mod link;
mod operator;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, watch};

use crate::cluster::membership::{Reported, Reporter};
use crate::cluster::{Leaders, Membership, PortPlan, View};
use crate::config::{Config, HostPort, Upstream};
use crate::net::worker::{Interest, Learned};
use crate::net::{Endpoint, Learn, Listeners};
use crate::telemetry::Telemetry;
use crate::telemetry::events::{BrokerChanged, ClusterKnown, RefreshFailed, VirtualBrokerFailed, WaitingForUpstream};
use leaders::LeaderKeeper;
use link::{Link, LinkEvent};
pub use operator::{Journal, NotChanged, Operator, OperatorError, Reading as JournalReading, is_certain};

/// Reports of brokers that wait to be taken in.
const EVENTS_MAX: usize = 256;

/// Keeps the picture of the cluster.
pub struct Control {
    membership: Membership,
    publish: watch::Sender<Arc<View>>,
    leaders: watch::Sender<Arc<Leaders>>,
    upstream: watch::Sender<Upstream>,
    links: HashMap<HostPort, Link>,
    events: mpsc::Receiver<LinkEvent>,
    sender: mpsc::Sender<LinkEvent>,
    config: Arc<Config>,
    started: Instant,
    telemetry: Arc<Telemetry>,
    failures: HashMap<HostPort, Failure>,
    unbindable: HashMap<i32, String>,
    /// Further addresses to ask while no broker answers: those of the configuration may be away themselves.
    remembered: Vec<HostPort>,
    /// Failed tries before the first answer of any broker.
    tries: u64,
}

/// Why a broker does not answer, and for how many tries.
struct Failure {
    problem: String,
    in_a_row: u64,
}

impl Control {
    /// Control, and the pictures that it makes.
    pub fn new(config: Arc<Config>, telemetry: Arc<Telemetry>) -> (Self, watch::Receiver<Arc<View>>, watch::Receiver<Arc<Leaders>>) {
        let listen = &config.listen;
        let membership = Membership::new(PortPlan::new(listen.virtual_brokers.clone()), &listen.advertised_host);
        let (publish, view) = watch::channel(Arc::new(membership.view().clone()));
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (links, failures, unbindable) = (HashMap::new(), HashMap::new(), HashMap::new());
        let started = Instant::now();
        let (leaders, known_leaders) = watch::channel(Arc::default());
        let upstream = watch::Sender::new(config.upstream.clone());
        let control = Control {
            membership,
            publish,
            leaders,
            upstream,
            links,
            events,
            sender,
            config,
            started,
            telemetry,
            failures,
            unbindable,
            remembered: Vec::new(),
            tries: 0,
        };
        (control, view, known_leaders)
    }

    /// The next report of a broker. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<LinkEvent> {
        self.events.recv().await
    }

    /// Takes in what a broker said, or that it says nothing.
    pub fn on_event(&mut self, event: LinkEvent, listeners: &mut Listeners) {
        match event {
            LinkEvent::Versions { address, offer } => {
                self.failures.remove(&address);
                self.membership.answered(&address, &offer);
            }
            LinkEvent::Metadata { address, reported } => {
                self.telemetry.refresh_done();
                self.telemetry.settle(SystemTime::now());
                self.membership.opened(&address);
                self.report(&Reporter::Broker(address), reported, listeners);
            }
            LinkEvent::Closed { address, problem } => {
                self.membership.closed(&address);
                RefreshFailed { address: &address, error: &problem, in_a_row: 1 }.emit(&self.telemetry);
            }
            LinkEvent::Lost { address, problem } => self.on_lost(address, problem),
        }
        self.reconcile();
        self.publish();
    }

    fn on_lost(&mut self, address: HostPort, problem: String) {
        self.membership.lost(&address);
        let failure = self.failures.entry(address.clone()).or_insert(Failure { problem: String::new(), in_a_row: 0 });
        failure.problem = problem;
        failure.in_a_row += 1;
        RefreshFailed { address: &address, error: &failure.problem, in_a_row: failure.in_a_row }.emit(&self.telemetry);
        if self.publish.borrow().offer.is_none() {
            self.tries += 1;
            WaitingForUpstream { bootstrap: &self.config.upstream.bootstrap, tries: self.tries }.emit();
        }
    }

    /// Takes in nodes that a session heard of.
    pub fn on_learn(&mut self, learn: Learn, listeners: &mut Listeners) {
        let reported = Reported { brokers: learn.nodes, ..Reported::default() };
        self.report(&Reporter::Traffic, reported, listeners);
        self.reconcile();
        self.publish();
        self.refresh();
        if let Some(reply) = learn.reply {
            // The session may have ended meanwhile.
            let _ = reply.send(Learned(Arc::clone(&self.publish.borrow())));
        }
    }

    /// Brokers that were known when Leeward ran last, to be asked beside those of the configuration.
    pub fn remember(&mut self, addresses: Vec<HostPort>) {
        self.remembered = addresses;
    }

    /// Begins to ask the brokers of the configuration, and whatever sessions are interested in. Call within a runtime.
    pub fn start(&mut self, interested: mpsc::Receiver<Interest>) {
        let keeper = LeaderKeeper::new(self.upstream.subscribe(), self.publish.subscribe(), interested, self.sender.clone(), self.leaders.clone());
        tokio::spawn(keeper.run());
        self.reconcile();
    }

    /// For what persons ask of the cluster.
    pub fn operator(&self) -> Operator {
        Operator::new(self.publish.subscribe(), self.upstream.subscribe())
    }

    /// Asks every broker again, soon.
    pub fn refresh(&self) {
        for link in self.links.values() {
            link.refresh();
        }
    }

    /// New settings that may change while Leeward runs.
    pub fn set_config(&mut self, config: Arc<Config>) {
        // Links carry the old settings; new ones are made in their place.
        if config.upstream != self.config.upstream {
            self.links.clear();
            self.upstream.send_replace(config.upstream.clone());
        }
        self.config = config;
        self.reconcile();
    }

    /// Nodes whose virtual broker cannot be bound, and why.
    pub fn unbindable(&self) -> &HashMap<i32, String> {
        &self.unbindable
    }

    fn report(&mut self, reporter: &Reporter, reported: Reported, listeners: &mut Listeners) {
        match self.membership.report(reporter, reported, self.now()) {
            Ok(wanted) => {
                for wanted in wanted {
                    self.bind(wanted.node_id, wanted.port, listeners);
                }
            }
            Err(error) => tracing::error!(?reporter, %error, "the metadata was not taken in"),
        }
    }

    fn bind(&mut self, node_id: i32, port: Option<u16>, listeners: &mut Listeners) {
        let virtual_brokers = &self.config.listen.virtual_brokers;
        let bound = match port {
            Some(port) => listeners.bind(Endpoint::Node(node_id), SocketAddr::new(virtual_brokers.bind, port)).map_err(|error| format!("port {port}: {error}")),
            None => Err(format!("no port is left of {} from {} on; raise listen.virtual_brokers.range", virtual_brokers.range, virtual_brokers.base_port)),
        };
        match bound {
            Ok(address) => {
                self.unbindable.remove(&node_id);
                if !self.membership.has_stable_port(node_id) {
                    tracing::warn!(
                        node_id,
                        port = address.port(),
                        "this node id lies outside the range of ports, so its port can differ after a restart; map it in listen.virtual_brokers.ports"
                    );
                }
                self.membership.bound(node_id, address.port());
            }
            Err(problem) => {
                if self.unbindable.get(&node_id) != Some(&problem) {
                    VirtualBrokerFailed { node_id, port, error: &problem }.emit();
                    self.unbindable.insert(node_id, problem);
                }
            }
        }
    }

    /// One link for each address that should be asked: every broker's, and those of the configuration while no broker answers.
    fn reconcile(&mut self) {
        let view = self.membership.view();
        let mut wanted: Vec<HostPort> = view.brokers.values().map(|broker| broker.upstream.clone()).collect();
        if !view.brokers.values().any(|broker| broker.reachable) {
            wanted.extend(self.config.upstream.bootstrap.iter().chain(&self.remembered).cloned());
        }
        self.links.retain(|address, _| wanted.contains(address));
        self.failures.retain(|address, _| wanted.contains(address));
        for address in wanted {
            let (upstream, sender) = (&self.config.upstream, &self.sender);
            self.links.entry(address.clone()).or_insert_with(|| Link::start(address, upstream, sender.clone()));
        }
    }

    fn publish(&mut self) {
        let before = Arc::clone(&self.publish.borrow());
        let Some(view) = self.membership.picture(self.now()) else { return };
        self.tell_changes(&before, &view);
        self.telemetry.view_published(&view);
        self.publish.send_replace(Arc::new(view));
    }

    fn tell_changes(&self, before: &View, view: &View) {
        if before.brokers.is_empty() && !view.brokers.is_empty() {
            ClusterKnown { cluster_id: view.cluster_id.as_deref(), brokers: view.brokers.len() }.emit();
        }
        for broker in view.brokers.values() {
            let node_id = broker.node_id;
            let Some(old) = before.brokers.get(&node_id) else {
                BrokerChanged::Joined { node_id, upstream: &broker.upstream, virtual_port: broker.virtual_port }.emit();
                continue;
            };
            if old.upstream != broker.upstream {
                BrokerChanged::Moved { node_id, from: &old.upstream, to: &broker.upstream }.emit();
            }
            match (old.listed, broker.listed) {
                (true, false) => BrokerChanged::Unlisted { node_id }.emit(),
                (false, true) => BrokerChanged::Listed { node_id }.emit(),
                (true, true) | (false, false) => {}
            }
            match (old.reachable, broker.reachable) {
                (true, false) => {
                    let error = self.failures.get(&broker.upstream).map_or("", |failure| failure.problem.as_str());
                    self.telemetry.broker_lost(node_id, SystemTime::now());
                    BrokerChanged::Lost { node_id, error: &error }.emit();
                }
                // The first answer of a broker is no return.
                (false, true) if old.offer.is_some() => {
                    self.telemetry.broker_back(node_id, SystemTime::now());
                    BrokerChanged::Back { node_id }.emit();
                }
                (false, true) | (true, true) | (false, false) => {}
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
