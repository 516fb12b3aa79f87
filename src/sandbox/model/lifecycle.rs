//! How brokers live and die (`BrokerServer`, `BrokerLifecycleManager`).

use std::time::Duration;

use super::broker::{Broker, Deferred, Phase, ProducerIds};
use super::event::{Event, LifeStep};
use super::image::{BrokerImage, NodeId, Record};
use super::pending::{ConnectionId, Effect};
use super::replica::Role;
use super::{CommandError, Model};

/// How often a broker that wants to stop asks whether it may.
const MAY_STOP_INTERVAL: Duration = Duration::from_millis(50);
/// A broker whose id still has a session is registered only when that has ended; it tries so often.
const REGISTER_INTERVAL: Duration = Duration::from_millis(100);

impl Model {
    pub(super) fn add_broker(&mut self, node: NodeId, host: String, port: u16) -> Result<(), CommandError> {
        if self.brokers.contains_key(&node) {
            return Err(CommandError::BrokerExists(node));
        }
        self.decide(Record::Broker(BrokerImage { id: node, host, port, fenced: true, shutting_down: false }));
        self.brokers.insert(node, Broker::new(node));
        self.start(node)
    }

    pub(super) fn start(&mut self, node: NodeId) -> Result<(), CommandError> {
        let broker = self.broker_in(node, &[Phase::Down])?;
        let first = broker.incarnation == 0;
        broker.incarnation += 1;
        broker.phase = Phase::Starting;
        broker.watch += 1;
        broker.applied = 0;
        broker.image = super::Image::default();
        broker.producer_ids = ProducerIds::None;
        for replica in broker.replicas.values_mut() {
            replica.log.reload(broker.stopped_cleanly);
            replica.role = Role::Offline;
        }
        let startup = if first { Duration::ZERO } else { self.config.startup };
        self.plan_life(node, startup, LifeStep::Register);
        Ok(())
    }

    pub(super) fn stop(&mut self, node: NodeId) -> Result<(), CommandError> {
        let broker = self.broker_in(node, &[Phase::Running])?;
        if broker.paused {
            return Err(CommandError::WrongPhase { node, phase: broker.phase });
        }
        broker.phase = Phase::Stopping;
        self.plan_life(node, self.config.controller_delay, LifeStep::WantShutdown);
        Ok(())
    }

    pub(super) fn kill(&mut self, node: NodeId) -> Result<(), CommandError> {
        self.broker_in(node, &[Phase::Starting, Phase::Running, Phase::Stopping])?;
        self.process_gone(node, false);
        self.lose_session(node);
        Ok(())
    }

    pub(super) fn pause(&mut self, node: NodeId) -> Result<(), CommandError> {
        let broker = self.broker_in(node, &[Phase::Starting, Phase::Running, Phase::Stopping])?;
        if !broker.paused {
            broker.paused = true;
            self.lose_session(node);
        }
        Ok(())
    }

    pub(super) fn resume(&mut self, node: NodeId) -> Result<(), CommandError> {
        let broker = self.broker_in(node, &[Phase::Starting, Phase::Running, Phase::Stopping])?;
        if !broker.paused {
            return Ok(());
        }
        broker.paused = false;
        broker.watch += 1;
        let is_running = broker.phase == Phase::Running;
        // What clients had sent lies in the socket buffers and is read at once, before the metadata that was missed arrives.
        let deferred = std::mem::take(&mut broker.deferred);
        let (requests, events): (Vec<_>, Vec<_>) = deferred.into_iter().partition(|one| matches!(one, Deferred::Request { .. }));
        for one in requests.into_iter().chain(events) {
            match one {
                Deferred::Request { connection, frame } => self.arrived(connection, frame),
                Deferred::Event(event @ Event::Metadata { .. }) => {
                    let delay = self.draw_up_to(self.config.metadata_delay);
                    self.plan(delay, event);
                }
                Deferred::Event(event) => self.happen(event),
            }
        }
        if is_running {
            self.plan_life(node, self.config.controller_delay + self.config.metadata_delay, LifeStep::Unfence);
        }
        Ok(())
    }

    pub(super) fn set_replication_delay(&mut self, node: NodeId, delay: Option<Duration>) -> Result<(), CommandError> {
        let broker = self.brokers.get_mut(&node).ok_or(CommandError::NoBroker(node))?;
        broker.replication_delay = delay;
        let tps: Vec<_> = broker.replicas.iter().filter(|(_, replica)| replica.follower().is_some()).map(|(tp, _)| *tp).collect();
        for tp in tps {
            self.restart_fetcher(node, tp);
        }
        Ok(())
    }

    /// The controller gives a broker up that it has not heard of for the session timeout, counted from its last heartbeat.
    fn lose_session(&mut self, node: NodeId) {
        let since_heartbeat = self.draw_up_to(self.config.heartbeat_interval);
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        broker.watch += 1;
        let watch = broker.watch;
        self.plan(self.config.session_timeout.saturating_sub(since_heartbeat), Event::SessionEnds { node, watch });
    }

    pub(super) fn session_ends(&mut self, node: NodeId, watch: u64) {
        let is_silent = self.brokers.get(&node).is_some_and(|broker| broker.watch == watch || broker.phase == Phase::Starting);
        if is_silent && self.controller.alive(node).is_some() {
            self.fence(node);
        }
    }

    pub(super) fn live(&mut self, node: NodeId, incarnation: u64, step: LifeStep) {
        match step {
            LifeStep::Register => {
                // The old process's session must end first (`DUPLICATE_BROKER_REGISTRATION`).
                if self.controller.alive(node).is_some() {
                    self.plan_life(node, REGISTER_INTERVAL, LifeStep::Register);
                    return;
                }
                self.learn(node, self.records.len());
                self.plan_life(node, self.config.controller_delay + self.config.metadata_delay, LifeStep::Unfence);
                self.plan_life(node, self.config.replica_lag_max / 2, LifeStep::CheckIsr);
            }
            LifeStep::Unfence => {
                if self.controller.alive(node).is_none() {
                    self.unfence(node);
                }
                if self.brokers.get(&node).is_some_and(|broker| broker.phase == Phase::Starting) {
                    self.plan_life(node, self.config.listener_delay, LifeStep::Listen);
                }
            }
            LifeStep::Listen => {
                if let Some(broker) = self.brokers.get_mut(&node) {
                    broker.phase = Phase::Running;
                }
                self.effects.push_back(Effect::Listen { node });
            }
            LifeStep::WantShutdown => {
                if let Some(mut broker) = self.controller.brokers.get(&node).cloned() {
                    broker.shutting_down = true;
                    self.decide(Record::Broker(broker));
                }
                self.leave_everything(node);
                self.plan_life(node, MAY_STOP_INTERVAL, LifeStep::MayStop);
            }
            LifeStep::MayStop => {
                if self.may_stop(node) {
                    self.fence(node);
                    self.plan_life(node, self.config.controller_delay, LifeStep::Exit);
                } else {
                    self.plan_life(node, MAY_STOP_INTERVAL, LifeStep::MayStop);
                }
            }
            LifeStep::Exit => self.process_gone(node, true),
            LifeStep::CheckIsr => {
                self.check_isr(node);
                self.plan(self.config.replica_lag_max / 2, Event::Life { node, incarnation, step: LifeStep::CheckIsr });
            }
            LifeStep::ProducerIdsHere => {
                if let Some(broker) = self.brokers.get_mut(&node) {
                    broker.producer_ids = ProducerIds::Here;
                }
            }
        }
    }

    /// It leads nothing any more, and everybody alive has heard of that.
    fn may_stop(&self, node: NodeId) -> bool {
        let leads = self.controller.partitions().any(|(_, partition)| partition.leader == node);
        let believes = self.brokers.get(&node).is_some_and(|broker| broker.replicas.values().any(|replica| replica.leader().is_some()));
        let last_said = self.records.iter().rposition(|record| matches!(record, Record::Partition { .. })).map_or(0, |at| at + 1);
        let heard = |broker: &Broker| broker.applied >= last_said || broker.paused || !self.controller.is_eligible(broker.id);
        !leads && !believes && self.brokers.values().filter(|broker| broker.is_up()).all(heard)
    }

    fn process_gone(&mut self, node: NodeId, cleanly: bool) {
        let Some(broker) = self.brokers.get_mut(&node) else {
            return;
        };
        broker.phase = Phase::Down;
        broker.paused = false;
        broker.stopped_cleanly = cleanly;
        broker.deferred.clear();
        broker.pending.clear();
        broker.coordinator = Default::default();
        broker.sessions = Default::default();
        let mut parked = Vec::new();
        for (tp, replica) in &mut broker.replicas {
            replica.fetches.clear();
            if let Role::Leader(leader) = std::mem::take(&mut replica.role) {
                parked.extend(leader.parked.into_iter().map(|(follower, fetcher)| (*tp, follower, fetcher)));
            }
        }
        let connections: Vec<ConnectionId> = broker.connections.iter().copied().collect();
        self.effects.push_back(Effect::Unlisten { node });
        connections.into_iter().for_each(|connection| self.close(connection));
        // Followers whose fetch it kept see their connection end, and will ask again.
        for (tp, follower, fetcher) in parked {
            self.plan(self.config.replica_backoff, Event::FetchArrives { leader: node, follower, tp, fetcher });
        }
    }

    pub(super) fn plan_life(&mut self, node: NodeId, delay: Duration, step: LifeStep) {
        let incarnation = self.incarnation(node);
        self.plan(delay, Event::Life { node, incarnation, step });
    }

    fn broker_in(&mut self, node: NodeId, phases: &[Phase]) -> Result<&mut Broker, CommandError> {
        let broker = self.brokers.get_mut(&node).ok_or(CommandError::NoBroker(node))?;
        if phases.contains(&broker.phase) { Ok(broker) } else { Err(CommandError::WrongPhase { node, phase: broker.phase }) }
    }
}
