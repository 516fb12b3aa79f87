//! Runs in front of a cluster that does as it is told, or not, with brokers that go, operators that change their minds, and a Leeward that dies at any moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::HostPort;
use crate::rolling::census::{Broker, Partition, Reassignment};

const BOUNDS: Bounds = Bounds { min: 1_000, max: 13_000 };
const BROKERS: [i32; 5] = [1, 2, 3, 4, 5];
/// So long a broker may show what it had before, in milliseconds; less than what a note waits for.
const HEARD_AFTER: Millis = 900;
/// Looks after which everything must be over: every topic takes some ten.
const LOOKS_MAX: usize = 400;

/// A partition, and where it is on its way to.
#[derive(Debug, Clone)]
struct Copy {
    replicas: Vec<i32>,
    target: Option<Vec<i32>>,
    leader: i32,
}

struct World {
    random: fastrand::Rng,
    copies: BTreeMap<(String, i32), Copy>,
    throttles: BTreeMap<Place, Values>,
    /// What it showed before its last change, and when that was.
    shown: BTreeMap<Place, (Values, Millis)>,
    up: BTreeSet<i32>,
    now: Millis,
    run: Run,
    /// What is on the disk.
    disk: Run,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let some = |random: &mut fastrand::Rng| {
            let mut nodes = BROKERS.to_vec();
            random.shuffle(&mut nodes);
            nodes.truncate(3);
            nodes
        };
        let keys: Vec<(String, i32)> = ["a", "b", "c"].iter().flat_map(|topic| (0..3).map(|index| ((*topic).to_owned(), index))).collect();
        let copies: BTreeMap<(String, i32), Copy> = keys
            .iter()
            .map(|key| {
                let replicas = some(&mut random);
                (key.clone(), Copy { leader: replicas[0], replicas, target: None })
            })
            .collect();
        let planned = Assignment(keys.iter().map(|(topic, index)| ((Arc::from(topic.as_str()), *index), some(&mut random))).collect());
        let places = BROKERS.map(Place::Broker).into_iter().chain(["a", "b", "c"].map(|topic| Place::Topic(topic.to_owned())));
        // Somebody has throttles of their own.
        let throttles =
            places.map(|place| (place, if random.u8(..4) == 0 { Values { leader: Some("77".to_owned()), follower: None } } else { Values::default() }));
        let throttles = throttles.collect();
        let census = census_of(&copies, &BROKERS.into());
        let topics = Run::topics_of(&census, &planned).unwrap_or_default();
        let run = Run {
            id: "m1".to_owned(),
            reason: "r".to_owned(),
            author: "a".to_owned(),
            begun: 1,
            ended: None,
            bounds: BOUNDS,
            known: Vec::new(),
            is_by_hand: false,
            topics,
            is_back: false,
            pace: Pace::new(BOUNDS, None),
            noted: Vec::new(),
            state: State::Running,
        };
        World { random, copies, throttles, shown: BTreeMap::new(), up: BROKERS.into(), now: 10_000, disk: run.clone(), run }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.random.u32(..of) == 0
    }

    fn read(&self) -> BTreeMap<Place, Option<Values>> {
        let is_there = |place: &Place| match place {
            Place::Broker(node_id) => self.up.contains(node_id),
            Place::Topic(_) => true,
        };
        let told = |place: &Place, values: &Values| match self.shown.get(place) {
            Some((before, at)) if self.now < at + HEARD_AFTER => before.clone(),
            Some(_) | None => values.clone(),
        };
        self.throttles.iter().filter(|(place, _)| is_there(place)).map(|(place, values)| (place.clone(), Some(told(place, values)))).collect()
    }

    /// Reads, looks, writes down, and acts; dies anywhere in between where `may_die`.
    fn look(&mut self, may_die: bool) {
        let (census, throttles, read_at) = (census_of(&self.copies, &self.up), self.read(), self.now);
        self.now += self.random.u64(1..1_500);
        let sizes = self.sizes();
        let facts = Facts { census: &census, read_at, throttles: &throttles, sizes: &sizes, latency: None };
        let acts = self.run.advance(&facts, self.now);
        if may_die && self.chance(12) {
            return self.die();
        }
        self.disk = self.run.clone();
        for act in acts {
            if may_die && self.chance(12) {
                return self.die();
            }
            self.act(act);
        }
    }

    /// Some copies are nearly there.
    fn sizes(&mut self) -> Sizes {
        let mut sizes = Sizes::new();
        for ((topic, index), copy) in &self.copies {
            for node_id in copy.replicas.iter().chain(copy.target.iter().flatten()) {
                let bytes = if copy.replicas.contains(node_id) { 1 << 30 } else { (1 << 30) - self.random.u64(0..10 << 20) };
                sizes.insert((*node_id, topic.clone(), *index), bytes);
            }
        }
        sizes
    }

    fn die(&mut self) {
        self.now += self.random.u64(1..30_000);
        self.run = self.disk.clone();
        self.run.recover(self.now);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Throttle { place: Place::Broker(node_id), .. } if !self.up.contains(&node_id) => {}
            Act::Throttle { place, values } => {
                let before = self.throttles.insert(place.clone(), values).unwrap();
                self.shown.insert(place, (before, self.now));
            }
            Act::Reassign { topic, partitions } => {
                for (index, wanted) in partitions {
                    self.reassign(&topic, index, wanted);
                }
            }
            Act::Elect { topic, partitions } => {
                for index in partitions {
                    let copy = self.copies.get_mut(&(topic.clone(), index)).unwrap();
                    copy.leader = if self.up.contains(&copy.replicas[0]) { copy.replicas[0] } else { copy.leader };
                }
            }
        }
    }

    fn reassign(&mut self, topic: &str, index: i32, wanted: Option<Vec<i32>>) {
        let copy = self.copies.get(&(topic.to_owned(), index)).unwrap().clone();
        if let Some(wanted) = &wanted {
            let adding: Vec<i32> = wanted.iter().copied().filter(|node_id| !copy.replicas.contains(node_id)).collect();
            if adding.iter().any(|node_id| !self.up.contains(node_id)) {
                return;
            }
            if !adding.is_empty() && copy.target.as_ref() != Some(wanted) {
                let lists = &self.throttles[&Place::Topic(topic.to_owned())];
                let has =
                    |list: &Option<String>, node_id: i32| list.as_ref().is_some_and(|list| list.split(',').any(|one| one == format!("{index}:{node_id}")));
                assert!(adding.iter().all(|node_id| has(&lists.follower, *node_id)), "throttled before moved: {lists:?} {adding:?}");
                assert!(copy.replicas.iter().all(|node_id| has(&lists.leader, *node_id)), "throttled before moved: {lists:?} {copy:?}");
                for node_id in copy.replicas.iter().chain(wanted).filter(|node_id| self.up.contains(node_id)) {
                    let rates = &self.throttles[&Place::Broker(*node_id)];
                    assert!(rates.leader.is_some() && rates.follower.is_some() && rates.leader != Some("77".to_owned()), "broker {node_id}: {rates:?}");
                }
            }
        }
        let copy = self.copies.get_mut(&(topic.to_owned(), index)).unwrap();
        copy.target = wanted.filter(|wanted| *wanted != copy.replicas);
    }

    /// What is on its way arrives, or not yet.
    fn copy(&mut self, always: bool) {
        for copy in self.copies.values_mut() {
            let Some(target) = copy.target.clone().filter(|target| target.iter().all(|node_id| self.up.contains(node_id))) else { continue };
            if always || self.random.u8(..3) == 0 {
                copy.leader = if target.contains(&copy.leader) { copy.leader } else { target[0] };
                (copy.replicas, copy.target) = (target, None);
            }
        }
    }

    /// Somebody, or fate, does something.
    fn disturb(&mut self) {
        match self.random.u8(..24) {
            0 => drop(self.run.pause("bob", "lunch", false)),
            1 => drop(self.run.pause("bob", "lunch", true)),
            2..=5 => drop(self.run.resume()),
            6 if self.chance(4) => drop(self.run.roll_back(self.now)),
            7 => drop(self.up.remove(&self.random.i32(1..=5))),
            8..=10 => self.up = BROKERS.into(),
            11 => return self.die(),
            _ => return,
        }
        self.disk = self.run.clone();
    }
}

fn census_of(copies: &BTreeMap<(String, i32), Copy>, up: &BTreeSet<i32>) -> Census {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    let broker = |node_id| {
        let is_up = up.contains(&node_id);
        (node_id, Broker { node_id, address: address.clone(), rack: None, is_listed: is_up, is_reachable: is_up, offer: None })
    };
    let less = |these: &[i32], those: &[i32]| these.iter().copied().filter(|node_id| !those.contains(node_id)).collect::<Vec<_>>();
    let mut census = Census { brokers: BROKERS.map(broker).into(), reassignments: Some(Vec::new()), ..Census::default() };
    for ((topic, index), copy) in copies {
        let topic: Arc<str> = Arc::from(topic.as_str());
        let removing = copy.target.as_ref().map_or_else(Vec::new, |target| less(&copy.replicas, target));
        let replicas = copy.target.as_ref().map_or_else(|| copy.replicas.clone(), |target| [target.clone(), removing.clone()].concat());
        if let Some(target) = &copy.target {
            let adding = less(target, &copy.replicas);
            census.reassignments.as_mut().unwrap().push(Reassignment { topic: Arc::clone(&topic), partition: *index, adding, removing });
        }
        let isr = copy.replicas.iter().copied().filter(|node_id| up.contains(node_id)).collect();
        census.partitions.push(Partition { topic, index: *index, leader: Some(copy.leader), replicas, isr, min_insync_replicas: None });
    }
    census
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn throttles_are_cleared_and_everything_is_where_it_is_wanted_or_where_it_was(seed: u64) {
        let mut world = World::new(seed);
        let (before, throttles) = (world.copies.clone(), world.throttles.clone());
        for _ in 0..world.random.usize(..150) {
            world.disturb();
            world.copy(false);
            world.look(true);
        }
        // Brokers are back and nobody disturbs it any more.
        world.up = BROKERS.into();
        for _ in 0..LOOKS_MAX {
            world.run.resume();
            world.copy(true);
            world.look(false);
            world.now += 1_000;
            if world.run.is_over() && world.run.rests() {
                break;
            }
        }
        prop_assert!(world.run.is_over() && world.run.rests(), "{:#?}", world.run);
        prop_assert_eq!(&world.throttles, &throttles, "as they were");
        for leg in &world.run.topics {
            for shift in &leg.partitions {
                let copy = &world.copies[&(leg.topic.clone(), shift.partition)];
                let wanted = if world.run.state == State::RolledBack { &shift.from } else { &shift.to };
                prop_assert_eq!((&copy.replicas, &copy.target), (wanted, &None));
                prop_assert_eq!(&shift.from, &before[&(leg.topic.clone(), shift.partition)].replicas, "the replicas of before are kept");
            }
        }
    }

    #[test]
    fn paused_it_comes_to_rest_with_nothing_left_behind(seed: u64, at_once: bool) {
        let mut world = World::new(seed);
        let throttles = world.throttles.clone();
        for _ in 0..world.random.usize(..60) {
            world.copy(false);
            world.look(true);
        }
        world.run.pause("bob", "lunch", at_once);
        for _ in 0..30 {
            // Given up at once, it needs nothing to arrive.
            if !at_once {
                world.copy(true);
            }
            world.look(false);
            world.now += 1_000;
        }
        prop_assert!(world.run.rests(), "{:#?}", world.run);
        prop_assert_eq!(&world.throttles, &throttles);
        prop_assert!(world.copies.values().all(|copy| copy.target.is_none()));
    }
}
