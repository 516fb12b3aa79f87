//! A roll over a model of a cluster whose brokers take their time, with Leeward broken off anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::HostPort;
use crate::rolling::Partition;
use crate::rolling::census::{Broker, Census};

/// Milliseconds from one look to the next.
const TICK: Millis = 1_000;

const MINUTE: Millis = 60_000;

fn settings() -> Settings {
    Settings {
        stop_command: Some("stop".to_owned()),
        start_command: Some("start".to_owned()),
        drains: true,
        opens_window: true,
        guarantee: Guarantee::Strict,
        checks: 3,
        check_every: 2 * TICK,
        step_max: 10 * MINUTE,
    }
}

fn roll(order: &[i32], settings: Settings) -> Roll {
    let (reason, author) = ("patches".to_owned(), "ops".to_owned());
    let legs = order.iter().map(|node_id| Leg::new(*node_id)).collect();
    Roll {
        id: "r1".to_owned(),
        reason,
        author,
        begun: 0,
        ended: None,
        settings,
        window: None,
        window_since: 0,
        known: Vec::new(),
        legs,
        state: State::Running,
        is_ending: false,
    }
}

/// What a broker does by itself, so many looks after it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Up,
    Stopping(u32),
    Down,
    Starting(u32),
    /// Up, and not in the ISRs.
    Behind(u32),
}

#[derive(Debug)]
struct World {
    brokers: BTreeMap<i32, Life>,
    drains: BTreeMap<i32, (Phase, u32)>,
    /// The broker that cannot be drained.
    undrainable: Option<i32>,
    window: Option<String>,
    windows: u32,
    controller: Option<i32>,
    commands: BTreeMap<i32, Command>,
    /// Everything that was asked for, in order.
    done: Vec<Act>,
    /// Looks that each thing takes.
    pace: u32,
    now: Millis,
    /// Restarts of each broker.
    restarts: BTreeMap<i32, u32>,
}

impl DrainsSeen for World {
    fn phase(&self, node_id: i32) -> Option<Phase> {
        self.drains.get(&node_id).map(|(phase, _)| *phase)
    }

    fn sentence(&self, node_id: i32) -> Option<String> {
        self.drains.get(&node_id).map(|(phase, _)| format!("broker {node_id} is {}", phase.label()))
    }

    fn problem(&self, node_id: i32) -> Option<String> {
        self.undrainable.filter(|node| *node == node_id).map(|_| "Leeward's account may not alter the cluster".to_owned())
    }
}

impl World {
    fn new(nodes: i32, pace: u32) -> Self {
        World {
            brokers: (1..=nodes).map(|node| (node, Life::Up)).collect(),
            drains: BTreeMap::new(),
            undrainable: None,
            window: None,
            windows: 0,
            controller: None,
            commands: BTreeMap::new(),
            done: Vec::new(),
            pace,
            now: TICK,
            restarts: BTreeMap::new(),
        }
    }

    /// One partition with a replica on every broker.
    fn census(&self) -> Census {
        let broker = |(node_id, life): (&i32, &Life)| {
            let is_there = matches!(life, Life::Up | Life::Stopping(_) | Life::Behind(_));
            let address = HostPort { host: format!("b{node_id}"), port: 9092 };
            (*node_id, Broker { node_id: *node_id, address, rack: None, is_listed: is_there, is_reachable: is_there, offer: None })
        };
        let replicas: Vec<i32> = self.brokers.keys().copied().collect();
        let isr: Vec<i32> = self.brokers.iter().filter(|(_, life)| matches!(life, Life::Up | Life::Stopping(_))).map(|(node, _)| *node).collect();
        let leader = isr.iter().copied().find(|node| !self.drains.contains_key(node)).or(isr.first().copied());
        let partition = Partition { topic: Arc::from("t"), index: 0, leader, replicas, isr, min_insync_replicas: Some(2) };
        Census {
            controller_id: self.controller,
            brokers: self.brokers.iter().map(broker).collect(),
            partitions: vec![partition],
            reassignments: Some(Vec::new()),
            ..Census::default()
        }
    }

    /// What was asked for, done.
    fn act(&mut self, act: Act, roll: &mut Roll) {
        self.done.push(act.clone());
        match act {
            Act::OpenWindow => {
                self.windows += 1;
                self.window = Some(format!("w{}", self.windows));
                roll.window_opened(self.window.as_deref().unwrap(), self.now);
            }
            Act::CloseWindow(id) => assert_eq!(self.window.take(), Some(id)),
            Act::Drain(node) => {
                self.drains.entry(node).or_insert((Phase::Draining, self.pace));
            }
            Act::Undrain(node) => {
                if let Some(drain) = self.drains.get_mut(&node) {
                    *drain = (Phase::Undraining, self.pace);
                }
            }
            Act::Stop { node_id, command } => {
                assert_eq!(command, "stop");
                if self.brokers[&node_id] == Life::Up {
                    self.brokers.insert(node_id, Life::Stopping(self.pace));
                }
                self.commands.insert(node_id, Command::Succeeded);
            }
            Act::Start { node_id, command } => {
                assert_eq!(command, "start");
                if self.brokers[&node_id] == Life::Down {
                    self.brokers.insert(node_id, Life::Starting(self.pace));
                }
                self.commands.insert(node_id, Command::Succeeded);
            }
        }
    }

    fn live(&mut self) {
        self.now += TICK;
        for (node, life) in &mut self.brokers {
            *life = match *life {
                Life::Stopping(0) => Life::Down,
                Life::Stopping(left) => Life::Stopping(left - 1),
                Life::Starting(0) => {
                    *self.restarts.entry(*node).or_default() += 1;
                    Life::Behind(self.pace)
                }
                Life::Starting(left) => Life::Starting(left - 1),
                Life::Behind(0) => Life::Up,
                Life::Behind(left) => Life::Behind(left - 1),
                same @ (Life::Up | Life::Down) => same,
            };
        }
        self.drains.retain(|_, (phase, left)| {
            *left = left.saturating_sub(1);
            match (*phase, *left) {
                (Phase::Draining, 0) => *phase = Phase::Drained,
                (Phase::Undraining, 0) => return false,
                (Phase::Draining | Phase::Drained | Phase::Undraining, _) => {}
            }
            true
        });
    }

    /// One look of the roll, and what follows.
    fn look(&mut self, roll: &mut Roll) {
        let census = self.census();
        let command = roll.at_hand().and_then(|at| self.commands.get(&roll.legs[at].node_id)).cloned().unwrap_or_default();
        let step_before = roll.at_hand().map(|at| (at, roll.legs[at].step));
        let is_window_open = self.window.is_some() && self.window == roll.window;
        let facts = Facts { census: Some((&census, self.now)), drains: &*self, is_window_open, command: &command, was_away: false };
        let acts = roll.advance(&facts, self.now);
        if roll.at_hand().map(|at| (at, roll.legs[at].step)) != step_before {
            self.commands.clear();
        }
        for act in acts {
            self.act(act, roll);
        }
        self.check(roll);
        self.live();
    }

    /// At every look: one broker at most is away, and none without a drain and a window.
    fn check(&self, roll: &Roll) {
        let away: Vec<i32> = self.brokers.iter().filter(|(_, life)| **life != Life::Up).map(|(node, _)| *node).collect();
        assert!(away.len() <= 1, "{away:?} are away together");
        let at_hand = roll.legs.iter().filter(|leg| !matches!(leg.step, Step::Waiting | Step::Done)).count();
        assert!(at_hand <= 1);
        // One that goes by itself is nobody's fault.
        let stopped = away.first().filter(|node| stops(self).contains(node));
        if let (Some(node), true) = (stopped, roll.state == State::Running) {
            assert!(self.drains.contains_key(node), "{node} went without a drain");
            assert!(self.window.is_some());
        }
    }

    fn run(&mut self, roll: &mut Roll, looks: u32) {
        for _ in 0..looks {
            if roll.state != State::Running {
                return;
            }
            self.look(roll);
        }
    }
}

fn stops(world: &World) -> Vec<i32> {
    let stop = |act: &Act| if let Act::Stop { node_id, .. } = act { Some(*node_id) } else { None };
    world.done.iter().filter_map(stop).collect()
}

#[test]
fn every_broker_is_drained_stopped_started_and_whole_before_the_next() {
    let (mut world, mut roll) = (World::new(3, 2), roll(&[1, 2, 3], settings()));
    world.run(&mut roll, 1_000);
    assert_eq!(roll.state, State::Done);
    let kinds: Vec<String> = world.done.iter().map(|act| format!("{act:?}")).collect();
    let of = |node: i32| {
        [
            format!("Drain({node})"),
            format!("Stop {{ node_id: {node}, command: \"stop\" }}"),
            format!("Start {{ node_id: {node}, command: \"start\" }}"),
            format!("Undrain({node})"),
        ]
    };
    let expected: Vec<String> =
        [vec!["OpenWindow".to_owned()], of(1).to_vec(), of(2).to_vec(), of(3).to_vec(), vec!["CloseWindow(\"w1\")".to_owned()]].concat();
    assert_eq!(kinds, expected);
    assert!(world.drains.is_empty() && world.window.is_none());
    assert_eq!(roll.progress(world.now).sentence, "all 3 brokers done");
    assert!(roll.legs.iter().all(|leg| leg.restarted.is_some() && leg.ended > leg.begun));
}

#[test]
fn the_controller_of_that_moment_goes_last() {
    let (mut world, mut roll) = (World::new(3, 1), roll(&[1, 2, 3], settings()));
    world.controller = Some(1);
    while stops(&world).is_empty() {
        world.look(&mut roll);
    }
    world.controller = Some(3);
    world.run(&mut roll, 1_000);
    assert_eq!(stops(&world), [2, 1, 3]);
}

#[test]
fn the_gate_must_be_green_several_times_in_a_row() {
    let (mut world, mut roll) = (World::new(3, 0), roll(&[1, 2, 3], settings()));
    // Broker 3 is behind every few looks, so that three checks in a row are never green.
    for look in 0..100 {
        world.brokers.insert(3, if look % 5 < 2 { Life::Behind(1) } else { Life::Up });
        let census = world.census();
        let facts = Facts { census: Some((&census, world.now)), drains: &world, is_window_open: true, command: &Command::NotRun, was_away: false };
        let acts = roll.advance(&facts, world.now);
        acts.into_iter().for_each(|act| world.act(act, &mut roll));
        world.live();
    }
    assert!(stops(&world).is_empty(), "{}", roll.progress(world.now).sentence);
    assert_eq!(roll.legs[0].step, Step::Gate);
}

#[test]
fn what_does_not_come_to_be_stops_the_roll_and_says_what_and_what_next() {
    let mut world = World::new(3, 0);
    let mut roll = roll(&[1, 2, 3], settings());
    world.brokers.insert(3, Life::Down);
    world.run(&mut roll, 700);
    let State::Stuck { problem, hint } = &roll.state else { panic!("{:?}", roll.state) };
    assert!(problem.contains("broker 1 is asking whether it may stop for 10 min: ") && problem.contains("broker 3 is down"), "{problem}");
    assert!(hint.contains("leeward roll resume") && hint.contains("leeward roll abort"), "{hint}");
    assert!(stops(&world).is_empty());
    world.brokers.insert(3, Life::Up);
    assert!(roll.resume(world.now));
    world.run(&mut roll, 1_000);
    assert_eq!(roll.state, State::Done);
    assert_eq!(world.restarts.values().sum::<u32>(), 3);
}

#[test]
fn a_drain_that_cannot_be_and_a_cluster_that_cannot_be_read_stop_it() {
    let (mut world, mut roll) = (World::new(3, 5), roll(&[1, 2, 3], settings()));
    world.undrainable = Some(1);
    world.run(&mut roll, 100);
    let State::Stuck { problem, hint } = &roll.state else { panic!("{:?}", roll.state) };
    assert!(problem.contains("may not alter the cluster") && hint.contains("--no-drain"), "{problem}; {hint}");
    world.undrainable = None;
    assert!(roll.resume(world.now));
    world.look(&mut roll);
    let since = roll.legs[0].since;
    roll.unread("nobody answers", since + 9 * MINUTE);
    assert_eq!(roll.state, State::Running);
    assert!(roll.progress(world.now).sentence.contains("nobody answers"));
    roll.unread("nobody answers", since + 10 * MINUTE);
    assert!(matches!(&roll.state, State::Stuck { problem, .. } if problem.contains("for 10 min: the cluster could not be read: nobody answers")));
}

#[test]
fn a_command_that_fails_stops_the_roll_at_once() {
    let (mut world, mut roll) = (World::new(3, 3), roll(&[1, 2, 3], settings()));
    while stops(&world).is_empty() {
        world.look(&mut roll);
    }
    world.commands.insert(1, Command::Failed("it ended with exit code 5: no such unit".to_owned()));
    world.look(&mut roll);
    let State::Stuck { problem, hint } = &roll.state else { panic!("{:?}", roll.state) };
    assert_eq!(problem, "the command that is to stop broker 1 failed: it ended with exit code 5: no such unit");
    assert!(hint.contains("it was: stop;"), "{hint}");
    // It is run again, unless the broker is down by now.
    world.commands.clear();
    assert!(roll.resume(world.now));
    world.run(&mut roll, 1_000);
    assert_eq!(roll.state, State::Done);
}

#[test]
fn a_reading_from_before_the_start_is_no_sign_of_life() {
    let (mut world, mut roll) = (World::new(3, 0), roll(&[1], settings()));
    while roll.legs[0].step != Step::Starting {
        world.look(&mut roll);
    }
    world.brokers.insert(1, Life::Up);
    let census = world.census();
    world.brokers.insert(1, Life::Down);
    let read_at = roll.legs[0].since - 1;
    let facts = Facts { census: Some((&census, read_at)), drains: &world, is_window_open: true, command: &Command::Runs, was_away: false };
    assert_eq!(roll.advance(&facts, world.now), []);
    assert_eq!(roll.legs[0].step, Step::Starting);
}

#[test]
fn a_person_is_told_what_to_do_and_waited_for_without_end() {
    let by_hand = Settings { stop_command: None, start_command: None, ..settings() };
    let (mut world, mut roll) = (World::new(3, 0), roll(&[2], by_hand));
    world.run(&mut roll, 2_000);
    assert_eq!(roll.state, State::Running);
    assert_eq!(roll.progress(world.now).sentence, "0 of 1 brokers done; broker 2 is stopping: a person: stop broker 2 (b2:9092) now");
    world.brokers.insert(2, Life::Down);
    world.run(&mut roll, 2_000);
    assert_eq!(roll.legs[0].waits_for.as_deref(), Some("a person: start broker 2 (b2:9092) now"));
    world.brokers.insert(2, Life::Starting(0));
    world.run(&mut roll, 1_000);
    assert_eq!(roll.state, State::Done);
}

#[test]
fn a_restart_that_nobody_saw_as_down_is_known_by_its_connection() {
    let by_hand = Settings { stop_command: None, start_command: None, ..settings() };
    let (mut world, mut roll) = (World::new(3, 0), roll(&[2], by_hand));
    while roll.legs[0].step != Step::Stopping {
        world.look(&mut roll);
    }
    for _ in 0..2 {
        world.now += TICK;
        let census = world.census();
        let was_away = roll.legs[0].step == Step::Stopping;
        let facts = Facts { census: Some((&census, world.now)), drains: &world, is_window_open: true, command: &Command::NotRun, was_away };
        assert_eq!(roll.advance(&facts, world.now), []);
    }
    assert_eq!(roll.legs[0].step, Step::CatchingUp);
}

#[test]
fn an_abort_makes_the_broker_at_hand_whole_and_stops_there() {
    for (until, restarts) in [(Step::Draining, 0), (Step::Gate, 0), (Step::Stopping, 1), (Step::Starting, 1), (Step::CatchingUp, 1), (Step::Undraining, 1)] {
        let (mut world, mut roll) = (World::new(3, 3), roll(&[1, 2, 3], settings()));
        while roll.legs[0].step != until {
            world.look(&mut roll);
        }
        assert!(roll.abort(false, world.now));
        world.run(&mut roll, 1_000);
        assert_eq!(roll.state, State::Aborted { left: Vec::new() }, "{until:?}");
        assert_eq!(world.restarts.values().sum::<u32>(), restarts, "{until:?}");
        assert!(world.drains.is_empty() && world.window.is_none() && world.brokers.values().all(|life| *life == Life::Up), "{until:?}: {world:?}");
        assert!(!roll.abort(false, world.now), "it is over");
    }
}

#[test]
fn an_abort_at_once_says_what_it_leaves() {
    let (mut world, mut roll) = (World::new(3, 3), roll(&[1, 2, 3], settings()));
    while roll.legs[0].step != Step::Starting {
        world.look(&mut roll);
    }
    assert!(roll.abort(true, world.now));
    let State::Aborted { left } = &roll.state else { panic!("{:?}", roll.state) };
    assert_eq!(left.len(), 3);
    for (text, words) in left.iter().zip(["start it", "leeward broker undrain 1", "leeward maintenance off --id w1"]) {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_pause_lets_nothing_begin() {
    let (mut world, mut roll) = (World::new(3, 1), roll(&[1, 2, 3], settings()));
    while roll.legs[0].step != Step::Done {
        world.look(&mut roll);
    }
    assert!(roll.pause("ops", "lunch"));
    assert!(!roll.pause("ops", "again"));
    let before = world.done.len();
    for _ in 0..50 {
        world.look(&mut roll);
    }
    assert_eq!(world.done.len(), before);
    assert!(roll.progress(world.now).sentence.starts_with("paused by ops (lunch), 1 of 3 brokers done"));
    assert!(roll.resume(world.now) && !roll.resume(world.now));
    world.run(&mut roll, 1_000);
    assert_eq!(roll.state, State::Done);
}

#[test]
fn a_window_that_ends_meanwhile_is_opened_again_before_anything_else() {
    let (mut world, mut roll) = (World::new(3, 1), roll(&[1, 2, 3], settings()));
    while roll.legs[1].step != Step::Gate {
        world.look(&mut roll);
    }
    world.window = None;
    world.look(&mut roll);
    assert_eq!(world.done.last(), Some(&Act::OpenWindow));
    world.run(&mut roll, 1_000);
    assert_eq!((&roll.state, world.window), (&State::Done, None));
}

#[test]
fn what_was_sent_before_the_window_has_time_to_be_answered() {
    let (mut world, mut roll) = (World::new(3, 1), roll(&[1], settings()));
    while world.window.is_none() {
        world.look(&mut roll);
    }
    let opened = world.now;
    while !world.done.contains(&Act::Drain(1)) {
        assert_eq!(world.done, [Act::OpenWindow]);
        world.look(&mut roll);
    }
    assert!(world.now - opened >= WINDOW_SETTLES, "{} ms", world.now - opened);
}

#[test]
fn the_time_that_is_left_is_that_of_the_brokers_before() {
    let (mut world, mut roll) = (World::new(3, 2), roll(&[1, 2, 3], settings()));
    assert_eq!(roll.progress(world.now).left, None);
    while roll.legs[0].step != Step::Done {
        world.look(&mut roll);
    }
    let each = roll.legs[0].ended.unwrap() - roll.legs[0].begun.unwrap();
    assert_eq!(roll.progress(world.now).left, Some(2 * each));
    let mut last = 0.0;
    while roll.state == State::Running {
        let fraction = roll.progress(world.now).fraction;
        assert!(fraction >= last && fraction <= 1.0);
        last = fraction;
        world.look(&mut roll);
    }
    assert_eq!(roll.progress(world.now).left, None);
}

#[test]
fn between_two_brokers_and_at_the_end_it_says_what_comes() {
    let (mut world, mut roll) = (World::new(3, 2), roll(&[1, 2, 3], settings()));
    let mut said = Vec::new();
    while roll.state == State::Running {
        said.push(roll.progress(world.now).sentence);
        world.look(&mut roll);
    }
    for sentence in ["0 of 3 brokers done; the next one is to come", "3 of 3 brokers done; it ends"] {
        assert!(said.iter().any(|other| other == sentence), "{sentence}: {said:#?}");
    }
}

#[test]
fn where_a_broker_is_that_went_is_known_also_after_a_crash() {
    let (mut world, mut roll) = (World::new(3, 0), roll(&[1, 2], settings()));
    while roll.legs[0].step != Step::Starting {
        world.look(&mut roll);
    }
    roll = serde_json::from_str(&serde_json::to_string(&roll).unwrap()).unwrap();
    world.now += TICK;
    roll.recover(world.now);
    // Nobody tells the Leeward that was started again of a broker that is away.
    let mut census = world.census();
    census.brokers.remove(&1);
    let facts = Facts { census: Some((&census, world.now)), drains: &world, is_window_open: true, command: &Command::NotRun, was_away: false };
    assert_eq!(roll.advance(&facts, world.now), [Act::Start { node_id: 1, command: "start".to_owned() }]);
    assert_eq!(roll.legs[0].address.as_deref(), Some("b1:9092"));
    assert_eq!(roll.legs[0].waits_for.as_deref(), Some("broker 1 (b1:9092) does not answer yet, or is not in the metadata"));
}

#[test]
fn brokers_go_by_node_id_by_rack_or_as_asked_and_the_controller_last() {
    let mut world = World::new(4, 0);
    world.controller = Some(2);
    let mut census = world.census();
    for (node, rack) in [(1, "b"), (2, "a"), (3, "a"), (4, "b")] {
        census.brokers.get_mut(&node).unwrap().rack = Some(rack.to_owned());
    }
    assert_eq!(order(&census, &[], false).unwrap(), [1, 3, 4, 2]);
    assert_eq!(order(&census, &[], true).unwrap(), [3, 1, 4, 2]);
    assert_eq!(order(&census, &[4, 2, 1], false).unwrap(), [4, 1, 2]);
    assert_eq!(order(&census, &[4, 4], false), Err(OrderError::Twice(4)));
    assert_eq!(order(&census, &[9], false).unwrap_err().to_string(), "there is no broker 9; known are 1, 2, 3, 4");
    assert_eq!(order(&Census::default(), &[], false), Err(OrderError::Nobody));
}

proptest! {
    /// Leeward may end at any moment: before what it wrote down is done, or after. The roll, as it was written down, goes on and restarts every broker.
    #[test]
    fn broken_off_anywhere_it_goes_on(crashes in prop::collection::vec((0u32..80, any::<bool>()), 0..12), pace in 0u32..4, nodes in 3i32..5) {
        let order: Vec<i32> = (1..=nodes).collect();
        let (mut world, mut roll) = (World::new(nodes, pace), roll(&order, settings()));
        for (looks, lost) in crashes {
            world.run(&mut roll, looks);
            if lost && roll.state == State::Running {
                // Written down, and not done.
                let census = world.census();
                let is_window_open = world.window.is_some() && world.window == roll.window;
                let facts = Facts { census: Some((&census, world.now)), drains: &world, is_window_open, command: &Command::NotRun, was_away: false };
                roll.advance(&facts, world.now);
            }
            let written = serde_json::to_string(&roll).unwrap();
            roll = serde_json::from_str(&written).unwrap();
            world.commands.clear();
            world.now += TICK;
            roll.recover(world.now);
        }
        world.run(&mut roll, 2_000);
        prop_assert_eq!(&roll.state, &State::Done);
        prop_assert!(world.restarts.values().all(|restarts| *restarts == 1) && world.restarts.len() == order.len(), "{:?}", world.restarts);
        prop_assert!(world.drains.is_empty());
    }
}
