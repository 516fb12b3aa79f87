//! Everything together, step by step.

use std::time::Duration;

use bytes::BytesMut;

use super::brokers::Brokers;
use super::client::Told;
use super::login::{AtBroker, AtClient};
use super::{Dice, Kind, NODES, PARTITIONS, Producer, TOPIC};
use crate::cluster::leaders::{PartitionInfo, Topic};
use crate::cluster::{Leader, Leaders};
use crate::guard::{Absorb, HoldEnd, WindowScope};
use crate::session::outbox::Wish;
use crate::session::tests::{LIMITS, Seen, view};
use crate::session::*;

const MILLIS: u64 = 1_000_000;

/// Longer than any trouble here: an error that reaches the client is one too many.
const HOLD: Duration = Duration::from_secs(3600);

/// REQUEST_TIMED_OUT: the record may be in the log.
const MAY_BE_STORED: i16 = 7;

/// Steps in which things happen; then everything is well again, and the rest must come to its end.
const STEPS: usize = 220;

/// A connection of the session to a broker.
struct Connection {
    /// `None`: the home.
    detour: Option<DetourId>,
    node: i32,
    to_broker: Vec<u8>,
    /// Arrived at the broker, and not yet a whole frame.
    at_broker: Vec<u8>,
    to_session: Vec<u8>,
    read: BytesMut,
    login: AtBroker,
}

pub(super) struct World {
    kind: Kind,
    /// Trouble comes one at a time, and the home leads again soon: sessions go into their shelter and out of it, over and over.
    is_gentle: bool,
    dice: Dice,
    now: u64,
    session: Session,
    view: View,
    leaders: Leaders,
    policy: Policy,
    seen: Seen,
    outbox: Outbox,
    brokers: Brokers,
    client: Producer,
    from_client: BytesMut,
    connections: Vec<Connection>,
    /// Leaders or brokers changed since the session looked last.
    has_news: bool,
    /// Records stored and answers given when the invariants were last looked at.
    checked: (usize, usize),
    /// What a broker found that may not be.
    broken: Option<String>,
    pub(super) trace: Vec<String>,
}

impl World {
    pub(super) fn new(kind: Kind, seed: u64) -> Self {
        let windows = if matches!(kind, Kind::Window(_) | Kind::Scram { window: true, .. }) { vec![WindowScope::default()] } else { Vec::new() };
        let mut brokers = Brokers::new();
        brokers.is_strict = kind == Kind::Idempotent;
        if matches!(kind, Kind::Scram { .. }) {
            // What moves elsewhere is of no interest for long.
            brokers.refuses = 3;
        }
        World {
            kind,
            is_gentle: seed % 2 == 1,
            dice: Dice(seed),
            now: 1,
            session: Session::new(Some(1), seed),
            view: view(&[(1, "b1", 1), (2, "b2", 2), (3, "b3", 3)]),
            leaders: Leaders::default(),
            policy: Policy { absorb: Absorb::Always, windows, hold_max: HOLD, ..Policy::default() },
            checked: (0, 0),
            seen: Seen::default(),
            outbox: Outbox::default(),
            brokers,
            client: Producer::default(),
            from_client: BytesMut::new(),
            connections: Vec::new(),
            has_news: false,
            broken: None,
            trace: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) -> Result<(), String> {
        self.learn_leaders();
        if self.is_scram() {
            self.client.login = AtClient::Greeting;
        }
        let hello = self.client.hello();
        self.from_client.extend_from_slice(&hello);
        self.offer_client_bytes()?;
        for _ in 0..STEPS {
            self.step(true)?;
            self.check()?;
        }
        self.note("everything is well again".into());
        for node in NODES {
            self.brokers.up.insert(node, true);
        }
        self.view.brokers.values_mut().for_each(|broker| broker.reachable = true);
        for _ in 0..6_000 {
            self.step(false)?;
            self.check()?;
            if self.session.is_at_rest() && self.client.waiting.is_empty() && self.from_client.is_empty() {
                return self.check_end();
            }
        }
        Err(format!("it does not come to rest: {} requests wait, {} are held", self.client.waiting.len(), self.session.held_requests()))
    }

    fn step(&mut self, trouble: bool) -> Result<(), String> {
        self.now += (1 + self.dice.roll() % 20) * MILLIS;
        match self.dice.below(if trouble { 20 } else { 12 }) {
            0..=2 if trouble => self.client_sends()?,
            0..=5 => self.carry_to_brokers(),
            6..=8 => self.carry_to_session()?,
            9 => self.learn_leaders(),
            10 if matches!(self.kind, Kind::Toggled(_)) => {
                self.policy.windows = if self.policy.windows.is_empty() { vec![WindowScope::default()] } else { Vec::new() };
                self.has_news = true;
                self.note(format!("{} windows are open", self.policy.windows.len()));
            }
            10 if trouble && self.is_scram() && self.dice.one_in(6) => {
                self.note("the client leaves".into());
                self.come_again();
            }
            11 if self.dice.one_in(3) => {
                // The home is drained, or it is not any more.
                let avoided = if self.policy.avoided.is_empty() { [1].into() } else { std::collections::BTreeSet::new() };
                (self.policy.draining, self.policy.avoided) = (avoided.clone(), avoided);
                self.has_news = true;
                self.note(format!("avoided are {:?}", self.policy.avoided));
            }
            10 | 11 => {}
            12 | 13 => self.client_sends()?,
            14..=16 if self.is_gentle && !self.dice.one_in(6) => {
                self.brokers.elect(1);
                self.note("1 leads again, if it is up".into());
            }
            14 => self.break_a_connection()?,
            15 => {
                let partition = self.dice.below(PARTITIONS);
                self.brokers.move_leader(partition, &mut self.dice);
                self.note(format!("partition {partition} is led by {}", self.brokers.partitions[partition].leader));
            }
            16 => self.stop_a_broker()?,
            17 | 18 => self.start_a_broker(),
            _ => self.now += self.dice.roll() % 200 * MILLIS,
        }
        self.look();
        self.obey()
    }

    /// As the driver does it: when there is news, and when the session asked for it.
    fn look(&mut self) {
        let is_due = self.session.next_look(self.now).is_some_and(|at| at <= self.now);
        if std::mem::take(&mut self.has_news) || is_due {
            self.decide(Session::pump);
        }
    }

    fn client_sends(&mut self) -> Result<(), String> {
        // More than five batches of one producer id on their way no broker recognises again.
        let in_flight_max = if self.kind == Kind::Idempotent { 5 } else { 8 };
        if self.client.waiting.len() < in_flight_max && self.client.login == AtClient::Done {
            let request = self.client.request(self.kind, &mut self.dice);
            self.note(format!("the client sends {} bytes", request.len()));
            self.from_client.extend_from_slice(&request);
        }
        self.offer_client_bytes()
    }

    fn offer_client_bytes(&mut self) -> Result<(), String> {
        let mut buffer = std::mem::take(&mut self.from_client);
        let result = self.decide(|session, moment, outbox| session.on_client_bytes(&mut buffer, moment, outbox));
        self.from_client = buffer;
        result.or_else(|close| self.end(close))
    }

    fn is_scram(&self) -> bool {
        matches!(self.kind, Kind::Scram { .. })
    }

    /// The session ends, as the driver has it: what there is for the client it gets, and it comes again.
    fn end(&mut self, close: Close) -> Result<(), String> {
        let is_allowed = matches!(close.cause, CloseCause::BrokerReset | CloseCause::BrokerClosed | CloseCause::BrokerUnreachable | CloseCause::BrokerReturned);
        if !self.is_scram() || !is_allowed {
            return Err(format!("the session ended: {close:?}"));
        }
        self.note(format!("the connection is closed: {close:?}"));
        self.hand_answers()?;
        self.come_again();
        Ok(())
    }

    /// The client connects to the virtual broker of a leader, or to any.
    fn come_again(&mut self) {
        self.decide(|session, moment, _| session.abandon(moment));
        while let Some(connection) = self.connections.pop() {
            self.work_on(connection);
        }
        let node = if self.dice.one_in(4) { NODES[self.dice.below(NODES.len())] } else { self.brokers.partitions[0].leader };
        self.session = Session::new(Some(node), self.dice.roll());
        self.outbox = Outbox::default();
        self.from_client.clear();
        let hello = self.client.comes_again();
        self.note(format!("the client connects to virtual broker {node}"));
        self.from_client.extend_from_slice(&hello);
    }

    fn hand_answers(&mut self) -> Result<(), String> {
        let answers: Vec<u8> = self.outbox.to_client.pieces().flat_map(|piece| piece.to_vec()).collect();
        self.outbox.to_client.advance(answers.len());
        self.client.read(&answers)?;
        let says = std::mem::take(&mut self.client.says);
        self.from_client.extend_from_slice(&says);
        Ok(())
    }

    fn decide<R>(&mut self, decision: impl FnOnce(&mut Session, &Moment<'_, Seen>, &mut Outbox) -> R) -> R {
        let World { session, view, leaders, policy, seen, outbox, now, .. } = self;
        let moment = Moment { now: *now, view, leaders, policy, observer: &*seen, limits: &LIMITS, held_bytes: 0 };
        decision(session, &moment, outbox)
    }

    /// Does what the session wants done.
    fn obey(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            self.offer_client_bytes()?;
            let is_idle = self.outbox.to_home.is_empty() && self.connections.iter().all(|connection| connection.detour.is_some() || connection.read.is_empty());
            if self.connections.iter().any(|connection| connection.detour.is_none()) && self.decide(|session, moment, _| session.leaves_home(is_idle, moment)) {
                self.note("the home is left".into());
                self.connections.retain(|connection| connection.detour.is_some());
            }
            if std::mem::take(&mut self.outbox.dial) {
                let node = self.session.home_node().unwrap_or(1);
                self.note(format!("{node} is dialled as the home"));
                if self.connect(None, node) {
                    self.decide(|session, moment, _| session.home_up(moment));
                } else {
                    self.lose_home(usize::MAX)?;
                }
            }
            if let Some(home) = self.connections.iter_mut().find(|connection| connection.detour.is_none()) {
                let n = self.outbox.to_home.len();
                for piece in self.outbox.to_home.pieces() {
                    home.to_broker.extend_from_slice(piece);
                }
                if n > 0 {
                    self.outbox.to_home.advance(n);
                    self.session.sent(self.now);
                }
            }
            let Some(wish) = self.outbox.wishes.pop_front() else { break };
            match wish {
                Wish::Open { .. } if self.is_scram() => return Err("another connection of a client that nobody else can log in".into()),
                Wish::Open { id, node_id } => {
                    let node = node_id.unwrap_or(1 + self.dice.below(3) as i32);
                    self.note(format!("detour {id} to {node}"));
                    if !self.connect(Some(id), node) {
                        self.decide(|session, moment, outbox| session.detour_lost(id, usize::MAX, moment, outbox));
                    }
                }
                Wish::Send { id, bytes } => {
                    if let Some(connection) = self.connections.iter_mut().find(|connection| connection.detour == Some(id)) {
                        connection.to_broker.extend_from_slice(&bytes);
                    }
                }
                Wish::Close { id } => self.connections.retain(|connection| connection.detour != Some(id)),
            }
        }
        self.outbox.ask_leaders.clear();
        self.hand_answers()?;
        if let Some(doom) = self.session.take_doom() {
            return self.end(doom);
        }
        if self.session.is_away_from_home() {
            let is_idle = self.outbox.to_home.is_empty() && self.from_client.is_empty();
            match self.decide(|session, moment, _| session.way_home(is_idle, moment)) {
                WayHome::Stay => {}
                WayHome::Leave(close) => return self.end(close),
                WayHome::Redial => return Err("it dials in the name of a client that nobody else can log in".into()),
            }
        }
        if self.from_client.is_empty() {
            self.session.client_is_drained();
        }
        Ok(())
    }

    fn connect(&mut self, detour: Option<DetourId>, node: i32) -> bool {
        if !self.brokers.up[&node] {
            self.note(format!("{node} refuses"));
            return false;
        }
        let login = if self.is_scram() { AtBroker::Asked(self.dice.roll()) } else { AtBroker::Open };
        let (to_broker, at_broker, to_session) = (Vec::new(), Vec::new(), Vec::new());
        self.connections.push(Connection { detour, node, to_broker, at_broker, to_session, read: BytesMut::new(), login });
        true
    }

    /// Some bytes of some connection arrive at its broker, which answers every whole frame.
    fn carry_to_brokers(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        let at = self.dice.below(self.connections.len());
        let whole = self.dice.one_in(2);
        let n = if whole { usize::MAX } else { 1 + self.dice.below(150) };
        let World { connections, brokers, dice, trace, now, .. } = self;
        let connection = &mut connections[at];
        let n = n.min(connection.to_broker.len());
        connection.at_broker.extend(connection.to_broker.drain(..n));
        while let Some(length) = connection.at_broker.first_chunk::<4>().map(|field| u32::from_be_bytes(*field) as usize) {
            if connection.at_broker.len() < 4 + length {
                break;
            }
            let frame: Vec<u8> = connection.at_broker.drain(..4 + length).collect();
            let answer = match connection.login.answer(&frame) {
                Ok(None) => brokers.answer(connection.node, &frame, dice),
                Ok(answer) => answer,
                Err(broken) => {
                    self.broken = Some(broken);
                    return;
                }
            };
            trace.extend(brokers.said.drain(..).map(|said| format!("{:>6} ms: {said}, by {:?}", *now / MILLIS, connection.detour)));
            if let Some(answer) = answer {
                connection.to_session.extend_from_slice(&answer);
            }
        }
    }

    fn carry_to_session(&mut self) -> Result<(), String> {
        if self.connections.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.connections.len());
        let n = if self.dice.one_in(2) { usize::MAX } else { 1 + self.dice.below(60) };
        let connection = &mut self.connections[at];
        let n = n.min(connection.to_session.len());
        let arrived: Vec<u8> = connection.to_session.drain(..n).collect();
        connection.read.extend_from_slice(&arrived);
        let (detour, mut read) = (connection.detour, std::mem::take(&mut connection.read));
        match detour {
            Some(id) => {
                self.decide(|session, moment, outbox| session.on_detour_bytes(id, &mut read, moment, outbox));
            }
            None => {
                if let Err(close) = self.decide(|session, moment, outbox| session.on_home_bytes(&mut read, moment, outbox)) {
                    return self.end(close);
                }
            }
        }
        if let Some(connection) = self.connections.iter_mut().find(|connection| connection.detour == detour) {
            connection.read = read;
        }
        Ok(())
    }

    /// A connection ends; what the broker got before it works on still, or has.
    fn break_a_connection(&mut self) -> Result<(), String> {
        if self.connections.is_empty() {
            return Ok(());
        }
        let at = self.dice.below(self.connections.len());
        self.break_at(at)
    }

    fn break_at(&mut self, at: usize) -> Result<(), String> {
        let connection = self.connections.swap_remove(at);
        let detour = connection.detour;
        self.note(format!("the connection to {} breaks (detour {:?})", connection.node, connection.detour));
        self.work_on(connection);
        match detour {
            Some(id) => {
                self.decide(|session, moment, outbox| session.detour_lost(id, 0, moment, outbox));
                Ok(())
            }
            None => self.lose_home(self.outbox.to_home.len()),
        }
    }

    /// Bytes that had been handed to the socket are the broker's or lost; either way the session cannot tell.
    fn work_on(&mut self, mut connection: Connection) {
        if self.dice.one_in(2) && self.brokers.up[&connection.node] {
            let mut bytes = connection.at_broker;
            bytes.extend(connection.to_broker);
            while let Some(length) = bytes.first_chunk::<4>().map(|field| u32::from_be_bytes(*field) as usize) {
                if bytes.len() < 4 + length {
                    break;
                }
                let frame: Vec<u8> = bytes.drain(..4 + length).collect();
                if connection.login.answer(&frame) == Ok(None) {
                    self.brokers.answer(connection.node, &frame, &mut self.dice);
                }
                let said: Vec<_> = self.brokers.said.drain(..).collect();
                said.into_iter().for_each(|said| self.note(format!("{said}, and nobody hears it")));
            }
        }
    }

    fn lose_home(&mut self, unwritten: usize) -> Result<(), String> {
        let close = Close::new(CloseCause::BrokerReset, "simulated");
        self.decide(|session, moment, outbox| session.home_lost(unwritten, close, moment, outbox)).or_else(|close| self.end(close))
    }

    fn stop_a_broker(&mut self) -> Result<(), String> {
        let up: Vec<i32> = NODES.iter().copied().filter(|node| self.brokers.up[node]).collect();
        if up.len() < 2 {
            return Ok(());
        }
        let node = up[self.dice.below(up.len())];
        self.note(format!("{node} stops"));
        self.brokers.up.insert(node, false);
        for partition in 0..PARTITIONS {
            if self.brokers.partitions[partition].leader == node {
                self.brokers.move_leader(partition, &mut self.dice);
            }
        }
        while let Some(at) = self.connections.iter().position(|connection| connection.node == node) {
            self.break_at(at)?;
        }
        if let Some(broker) = self.view.brokers.get_mut(&node) {
            broker.reachable = false;
        }
        Ok(())
    }

    fn start_a_broker(&mut self) {
        let node = NODES[self.dice.below(3)];
        self.brokers.up.insert(node, true);
        self.has_news = true;
        if let Some(broker) = self.view.brokers.get_mut(&node) {
            broker.reachable = true;
        }
    }

    /// What control tells: the truth, a little late.
    fn learn_leaders(&mut self) {
        let partitions = self.brokers.partitions.iter().enumerate().map(|(at, partition)| {
            let leader = Leader { node_id: partition.leader, epoch: partition.epoch };
            (at as i32, PartitionInfo { leader, last_leader: Some(leader), replicas: NODES.to_vec(), isr: NODES.to_vec() })
        });
        let topic = Topic { id: None, partitions: partitions.collect(), ..Topic::default() };
        self.has_news = true;
        self.leaders.generation += 1;
        self.leaders.topics.insert(TOPIC.into(), topic.into());
    }

    /// At every step: no duplicate, the client's order, and nothing acknowledged that is not there.
    fn check(&mut self) -> Result<(), String> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if self.session.withholds_answer() {
            return Err("the oldest request has its answer, and its client does not".into());
        }
        let now = (self.brokers.partitions.iter().map(|partition| partition.log.len()).sum(), self.client.told.len());
        if std::mem::replace(&mut self.checked, now) == now {
            return Ok(());
        }
        for (at, partition) in self.brokers.partitions.iter().enumerate() {
            let values: Vec<u32> = partition.log.iter().map(|stored| stored.value).collect();
            let ordered = values.windows(2).all(|pair| pair[0] < pair[1]);
            if !ordered && self.kind.is_protected() {
                return Err(format!("partition {at} has {values:?}"));
            }
            let mut unique = values.clone();
            unique.sort_unstable();
            unique.dedup();
            if unique.len() != values.len() {
                return Err(format!("partition {at} has a duplicate: {values:?}"));
            }
            let acknowledged = |told: &&Told| told.partition == at && told.code == 0;
            let places = |connection| {
                let of_it = self.client.told.iter().filter(acknowledged).filter(move |told| told.connection == connection);
                of_it.filter_map(|told| values.iter().position(|value| *value == told.value))
            };
            let is_numbered = matches!(self.kind, Kind::Scram { window: true, .. });
            if is_numbered && !(0..=self.client.connection).all(|connection| places(connection).is_sorted()) {
                return Err(format!("partition {at} is not in the client's order: {values:?}"));
            }
            let refused = |told: &&Told| told.partition == at && told.code != 0 && told.code != MAY_BE_STORED && values.contains(&told.value);
            if let Some(dishonest) = self.client.told.iter().find(refused).filter(|_| is_numbered) {
                return Err(format!("told as refused and stored: {dishonest:?} in {values:?}"));
            }
            let missing = self.client.told.iter().find(|told| told.partition == at && told.code == 0 && !values.contains(&told.value));
            if let Some(missing) = missing {
                return Err(format!("acknowledged and not stored: {missing:?} in {values:?}"));
            }
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), String> {
        let held = self.seen.guarded.borrow();
        let is_end = |end: HoldEnd| end != HoldEnd::Abandoned || self.is_scram();
        let began = held.iter().filter(|event| matches!(event, Event::HoldBegan { .. })).count();
        let ended = held.iter().filter(|event| matches!(event, Event::HoldEnded { end, .. } if is_end(*end))).count();
        if began != ended {
            return Err(format!("{began} holds began and {ended} ended"));
        }
        if !self.kind.is_protected() {
            return Ok(());
        }
        if let Some(error) = self.client.told.iter().find(|told| told.code != 0) {
            return Err(format!("an error reached the client: {error:?}"));
        }
        for (at, partition) in self.brokers.partitions.iter().enumerate() {
            let expected = self.client.sent(at) as usize;
            if partition.log.len() != expected {
                return Err(format!("partition {at} has {} of {expected} records", partition.log.len()));
            }
        }
        Ok(())
    }

    fn note(&mut self, line: String) {
        self.trace.push(format!("{:>6} ms: {line}", self.now / MILLIS));
    }
}
