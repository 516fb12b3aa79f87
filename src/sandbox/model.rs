//! PURE. A Kafka cluster as a model: several brokers, their controller, replication, coordinators. Time and faults are handed in as values.
//!
//! A driver calls [`Model::handle`] with what happened and the time, performs the effects that [`Model::next_effect`] gives, and calls [`Model::advance`] when
//! [`Model::next_wakeup`] comes. The same seed and the same inputs at the same times give the same effects.
//!
//! What a broker does follows from what *it* has heard (its image of the metadata, its replicas), never from what the controller knows already: a leader that
//! has not heard of its successor goes on as leader, as a real one does. The controller is a quorum of its own, as with `process.roles=controller`; it never fails.
//!
//! Sources: KRaft of Kafka 3.9 to 4.4 (`ReplicationControlManager`, `BrokerLifecycleManager`, `Partition`, `ReplicaManager`, `GroupCoordinator`).

mod api;
pub mod batch;
mod broker;
pub mod config;
mod controller;
mod event;
mod group;
mod groups;
pub mod image;
mod lifecycle;
mod log;
mod offsets_log;
pub mod pending;
mod producers;
pub mod records;
mod replica;
mod replication;
mod requests;
mod sessions;
mod snapshot;
pub mod time;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use std::time::Duration;

pub use batch::StoredBatch;
pub use broker::Phase;
use broker::{Broker, Deferred};
pub use config::ModelConfig;
use event::Event;
use image::{Image, NodeId, Record};
use pending::{ConnectionId, Effect};
pub use snapshot::{BrokerState, ClusterState, PartitionState, ReplicaState};
use time::{Agenda, Time};

/// The cluster.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    now: Time,
    rng: fastrand::Rng,
    agenda: Agenda<Event>,
    effects: VecDeque<Effect>,
    /// What the controller has decided: all records, and their sum.
    records: Vec<Record>,
    controller: Image,
    brokers: BTreeMap<NodeId, Broker>,
    /// Which broker each connection belongs to.
    connections: BTreeMap<ConnectionId, Connection>,
    next_pending: u64,
    next_fetcher: u64,
    next_producer_id: i64,
    cluster_id: String,
    revision: u64,
}

/// A client's connection.
#[derive(Debug, Clone)]
struct Connection {
    node: NodeId,
    client_id: String,
    host: String,
}

/// What happens to the cluster from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A client connected from this host.
    Connected {
        node: NodeId,
        connection: ConnectionId,
        host: String,
    },
    /// A whole request, without the frame's length. The driver hands in the next one of a connection when the last one's effect has come.
    Request {
        connection: ConnectionId,
        frame: Bytes,
    },
    /// The client is gone.
    Disconnected {
        connection: ConnectionId,
    },
    Command(Command),
}

/// What an operator, or fate, does to the cluster.
#[derive(Debug, Clone)]
pub enum Command {
    /// A broker that was not there before, with the address that it will have; it is started.
    AddBroker {
        node: NodeId,
        host: String,
        port: u16,
    },
    /// Controlled shutdown.
    Stop(NodeId),
    /// The process is gone at once.
    Kill(NodeId),
    /// The process does nothing until resumed.
    Pause(NodeId),
    Resume(NodeId),
    Start(NodeId),
    CreateTopic {
        name: String,
        partitions: i32,
        replication_factor: i16,
        min_isr: Option<usize>,
    },
    /// One way from this broker to its leaders takes so long; `None`: as long as everybody's.
    SetReplicationDelay {
        node: NodeId,
        delay: Option<Duration>,
    },
}

/// Why a command cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("there is no broker {0}")]
    NoBroker(NodeId),
    #[error("broker {0} exists already")]
    BrokerExists(NodeId),
    #[error("broker {node} is {phase:?}")]
    WrongPhase { node: NodeId, phase: Phase },
    #[error("topic {name}: {reason}")]
    Topic { name: String, reason: String },
}

impl Model {
    /// A cluster without brokers.
    pub fn new(config: ModelConfig) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        let cluster_id = format!("sandbox-{:014x}", rng.u64(..) >> 8);
        let mut agenda = Agenda::default();
        agenda.put(config.preferred_election_interval, Event::PreferredElection);
        Model {
            config,
            now: Time::ZERO,
            rng,
            agenda,
            effects: VecDeque::new(),
            records: Vec::new(),
            controller: Image::default(),
            brokers: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_pending: 0,
            next_fetcher: 0,
            next_producer_id: 1_000,
            cluster_id,
            revision: 0,
        }
    }

    /// Something happened at `now`. Times never go back; an earlier one counts as the last one.
    ///
    /// # Errors
    /// Only a [`Command`] can be refused; nothing has changed then.
    pub fn handle(&mut self, now: Time, input: Input) -> Result<(), CommandError> {
        self.advance(now);
        self.revision += 1;
        let done = match input {
            Input::Connected { node, connection, host } => {
                self.connected(node, connection, host);
                Ok(())
            }
            Input::Request { connection, frame } => {
                self.arrived(connection, frame);
                Ok(())
            }
            Input::Disconnected { connection } => {
                self.forget_connection(connection);
                Ok(())
            }
            Input::Command(command) => self.command(command),
        };
        self.advance(now);
        done
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(&mut self, now: Time) {
        while let Some((at, event)) = self.agenda.due(now) {
            self.now = self.now.max(at);
            self.revision += 1;
            self.happen(event);
        }
        self.now = self.now.max(now);
    }

    /// The next thing for the driver to do, in order.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Model::advance`] next.
    pub fn next_wakeup(&self) -> Option<Time> {
        self.agenda.next_at()
    }

    /// Grows with everything that may have changed the state.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn plan(&mut self, delay: Duration, event: Event) {
        self.agenda.put(self.now + delay, event);
    }

    fn connected(&mut self, node: NodeId, connection: ConnectionId, host: String) {
        match self.brokers.get_mut(&node) {
            Some(broker) if broker.is_up() => {
                broker.connections.insert(connection);
                self.connections.insert(connection, Connection { node, client_id: String::new(), host });
            }
            Some(_) | None => self.effects.push_back(Effect::Close { connection }),
        }
    }

    fn arrived(&mut self, connection: ConnectionId, frame: Bytes) {
        let Some(node) = self.connections.get(&connection).map(|known| known.node) else {
            return;
        };
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        if broker.paused {
            broker.deferred.push(Deferred::Request { connection, frame });
        } else {
            self.request(node, connection, &frame);
        }
    }

    fn forget_connection(&mut self, connection: ConnectionId) {
        if let Some(known) = self.connections.remove(&connection)
            && let Some(broker) = self.brokers.get_mut(&known.node)
        {
            broker.connections.remove(&connection);
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        if self.connections.contains_key(&connection) {
            self.forget_connection(connection);
            self.effects.push_back(Effect::Close { connection });
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(broker) = event.owner().and_then(|node| self.brokers.get_mut(&node))
            && broker.paused
        {
            broker.deferred.push(Deferred::Event(event));
            return;
        }
        match event {
            Event::Metadata { node, upto } => self.learn(node, upto),
            Event::SessionEnds { node, watch } => self.session_ends(node, watch),
            Event::Life { node, incarnation, step } => {
                if self.is_process(node, incarnation) {
                    self.live(node, incarnation, step);
                }
            }
            Event::FetchArrives { leader, follower, tp, fetcher } => self.replica_fetch(leader, follower, tp, fetcher),
            Event::FetchEnds { leader, follower, tp, fetcher } => self.replica_fetch_ends(leader, follower, tp, fetcher),
            Event::FetchAnswered { follower, tp, fetcher, answer } => self.replica_answer(follower, tp, fetcher, answer),
            Event::AlterIsr { leader, tp, epoch, isr } => self.alter_isr(leader, tp, epoch, isr),
            Event::IsrAltered { leader, tp, epoch, isr } => self.isr_altered(leader, tp, epoch, isr),
            Event::PendingEnds { node, incarnation, pending } => {
                if self.is_process(node, incarnation) {
                    self.pending_ends(node, pending);
                }
            }
            Event::Answer { node, incarnation, connection, frame } => {
                if self.is_process(node, incarnation) && self.connections.contains_key(&connection) {
                    self.effects.push_back(Effect::Respond { connection, frame });
                }
            }
            Event::Group { node, incarnation, group, timer } => {
                if self.is_process(node, incarnation) {
                    self.with_group(node, &group, |group, actions| group.timer(timer, actions));
                }
            }
            Event::CoordinatorLoaded { node, incarnation, partition, epoch } => {
                if self.is_process(node, incarnation) {
                    self.coordinator_loaded(node, partition, epoch);
                }
            }
            Event::PreferredElection => {
                self.preferred_election(|_, _| true);
                self.plan(self.config.preferred_election_interval, Event::PreferredElection);
            }
        }
    }

    fn is_process(&self, node: NodeId, incarnation: u64) -> bool {
        self.brokers.get(&node).is_some_and(|broker| broker.is_up() && broker.incarnation == incarnation)
    }

    fn incarnation(&self, node: NodeId) -> u64 {
        self.brokers.get(&node).map_or(0, |broker| broker.incarnation)
    }
}

#[cfg(test)]
mod tests;
