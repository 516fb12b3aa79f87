use std::sync::Arc;

use super::*;
use crate::config::HostPort;
use crate::rolling::census::{Broker, Gap, Partition, Reassignment};

const BOUNDS: Bounds = Bounds { min: 1_000, max: 13_000 };
/// A moment that a step has waited long enough for.
const SETTLED: Millis = 60_000;

/// Four brokers, of which the last has nothing.
fn census() -> Census {
    let broker = |node_id| {
        let address = HostPort { host: "kafka".to_owned(), port: 9092 };
        (node_id, Broker { node_id, address, rack: None, is_listed: true, is_reachable: true, offer: None })
    };
    let partitions = vec![partition("a", 0, &[1, 2, 3]), partition("a", 1, &[2, 3, 1]), partition("b", 0, &[3, 1, 2])];
    Census { brokers: (1..=4).map(broker).collect(), partitions, reassignments: Some(Vec::new()), ..Census::default() }
}

fn partition(topic: &str, index: i32, replicas: &[i32]) -> Partition {
    let leader = replicas.first().copied();
    Partition { topic: topic.into(), index, leader, replicas: replicas.to_vec(), isr: replicas.to_vec(), min_insync_replicas: None }
}

fn plan(entries: &[(&str, i32, &[i32])]) -> Assignment {
    Assignment(entries.iter().map(|(topic, index, replicas)| ((Arc::from(*topic), *index), replicas.to_vec())).collect())
}

fn run(census: &Census, wanted: &Assignment) -> Run {
    let mut topics = Run::topics_of(census, wanted).unwrap();
    topics.iter_mut().flat_map(|leg| &mut leg.partitions).for_each(|shift| shift.bytes = 1_000);
    Run {
        id: "m1".to_owned(),
        reason: "r".to_owned(),
        author: "alice".to_owned(),
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
    }
}

/// What would be read next, and the time.
struct World {
    census: Census,
    throttles: BTreeMap<Place, Option<Values>>,
    sizes: Sizes,
    now: Millis,
}

impl World {
    fn new() -> Self {
        let places = (1..=4).map(Place::Broker).chain(["a", "b"].map(|topic| Place::Topic(topic.to_owned())));
        World { census: census(), throttles: places.map(|place| (place, Some(Values::default()))).collect(), sizes: Sizes::new(), now: 1_000 }
    }

    /// Reads, and looks a second later.
    fn look(&mut self, run: &mut Run) -> Vec<Act> {
        let read_at = self.now;
        self.now += 1_000;
        let facts = Facts { census: &self.census, read_at, throttles: &self.throttles, sizes: &self.sizes, latency: None };
        run.advance(&facts, self.now)
    }

    /// Has the throttles set that are asked for; gives everything else.
    fn throttled(&mut self, acts: Vec<Act>) -> Vec<Act> {
        let mut others = Vec::new();
        for act in acts {
            match act {
                Act::Throttle { place, values } => drop(self.throttles.insert(place, Some(values))),
                Act::Reassign { .. } | Act::Elect { .. } => others.push(act),
            }
        }
        others
    }

    fn is_throttled(&self) -> bool {
        self.throttles.values().flatten().any(|values| *values != Values::default())
    }

    fn begins(&mut self, topic: &str, partition: i32, adding: &[i32], removing: &[i32]) {
        let (topic, adding, removing) = (topic.into(), adding.to_vec(), removing.to_vec());
        self.census.reassignments.as_mut().unwrap().push(Reassignment { topic, partition, adding, removing });
    }

    fn arrives(&mut self, topic: &str, index: i32, replicas: &[i32]) {
        self.census.reassignments.iter_mut().for_each(|running| running.retain(|one| &*one.topic != topic || one.partition != index));
        let place = self.census.partitions.iter_mut().find(|one| &*one.topic == topic && one.index == index).unwrap();
        *place = Partition { leader: place.leader, ..partition(topic, index, replicas) };
    }
}

fn both() -> Assignment {
    plan(&[("a", 0, &[4, 2, 3]), ("a", 1, &[2, 3, 4]), ("b", 0, &[3, 1, 4])])
}

fn reassign(topic: &str, partitions: &[(i32, Option<&[i32]>)]) -> Act {
    let partitions = partitions.iter().map(|(index, replicas)| (*index, replicas.map(<[i32]>::to_vec))).collect();
    Act::Reassign { topic: topic.to_owned(), partitions }
}

/// A run whose first topic is on its way.
fn moving(world: &mut World) -> Run {
    let mut run = run(&world.census, &both());
    for _ in 0..3 {
        let acts = world.look(&mut run);
        assert_eq!(world.throttled(acts), [], "nothing moves before it is throttled");
    }
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), [reassign("a", &[(0, Some(&[4, 2, 3])), (1, Some(&[2, 3, 4]))])]);
    world.begins("a", 0, &[4], &[1]);
    world.begins("a", 1, &[4], &[1]);
    run
}

#[test]
fn topic_by_topic_throttled_before_and_cleared_after() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    let rate = Values { leader: Some("1000".to_owned()), follower: Some("1000".to_owned()) };
    assert_eq!(world.throttles[&Place::Broker(4)], Some(rate));
    let lists = Values { leader: Some("0:1,0:2,0:3,1:2,1:3,1:1".to_owned()), follower: Some("0:4,1:4".to_owned()) };
    assert_eq!(world.throttles[&Place::Topic("a".to_owned())], Some(lists));
    assert_eq!(run.noted.len(), 5);

    world.arrives("a", 1, &[2, 3, 4]);
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), []);
    let progress = run.progress(world.now);
    assert!(progress.sentence.contains("1 of 2 partitions have arrived, 1 on their way"), "{}", progress.sentence);
    assert_eq!((progress.moved, progress.partitions, progress.copied, progress.bytes), (1, 3, 1_000, 3_000));
    world.arrives("a", 0, &[4, 2, 3]);
    let acts = world.look(&mut run);
    assert_eq!((world.throttled(acts), run.topics[0].step), (vec![], Step::Electing));
    assert_eq!(world.throttles[&Place::Topic("a".to_owned())], Some(Values::default()), "its lists go as soon as it has arrived");
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), [Act::Elect { topic: "a".to_owned(), partitions: vec![0] }], "broker 1 leads it still");
    world.census.partitions[0].leader = Some(4);
    world.look(&mut run);
    assert_eq!((run.topics[0].step, run.topics[1].step), (Step::Done, Step::Waiting));
    assert_eq!(run.progress(world.now).moved, 2);

    // What has gone there has not come back yet.
    let mut back = run.clone();
    assert!(back.roll_back(world.now));
    let progress = back.progress(world.now);
    assert_eq!((progress.moved, progress.copied, progress.bytes), (1, 1_000, 3_000), "but for the topic that was never touched");

    for _ in 0..3 {
        let acts = world.look(&mut run);
        world.throttled(acts);
    }
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), [reassign("b", &[(0, Some(&[3, 1, 4]))])]);
    world.arrives("b", 0, &[3, 1, 4]);
    for _ in 0..8 {
        let acts = world.look(&mut run);
        assert_eq!(world.throttled(acts), []);
    }
    assert_eq!((&run.state, run.rests(), world.is_throttled()), (&State::Done, true, false));
    assert_eq!(run.progress(world.now).sentence, "all 2 topics are where the plan wants them");
}

#[test]
fn what_others_have_set_is_set_again() {
    let mut world = World::new();
    let theirs = Values { leader: Some("77".to_owned()), follower: None };
    world.throttles.insert(Place::Broker(2), Some(theirs.clone()));
    let mut run = moving(&mut world);
    assert_ne!(world.throttles[&Place::Broker(2)], Some(theirs.clone()));
    run.pause("bob", "lunch", true);
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), [reassign("a", &[(0, None), (1, None)])], "what is on its way is given up");
    world.census.reassignments = Some(Vec::new());
    for _ in 0..6 {
        let acts = world.look(&mut run);
        world.throttled(acts);
    }
    assert_eq!((run.rests(), run.topics[0].step), (true, Step::Waiting));
    assert_eq!(world.throttles[&Place::Broker(2)], Some(theirs));
    assert_eq!(world.throttles[&Place::Broker(1)], Some(Values::default()));
}

#[test]
fn a_pause_lets_what_is_on_its_way_come_to_its_end() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    assert!(run.pause("bob", "lunch", false) && !run.pause("bob", "lunch", false));
    for _ in 0..3 {
        let acts = world.look(&mut run);
        assert_eq!((world.throttled(acts), world.is_throttled(), run.moves()), (vec![], true, true));
    }
    world.arrives("a", 0, &[4, 2, 3]);
    world.arrives("a", 1, &[2, 3, 4]);
    world.census.partitions[0].leader = Some(4);
    for _ in 0..6 {
        let acts = world.look(&mut run);
        assert_eq!(world.throttled(acts), []);
    }
    assert_eq!((run.topics[0].step, run.topics[1].step, run.rests(), world.is_throttled()), (Step::Done, Step::Waiting, true, false));
    assert!(run.resume() && !run.resume());
    world.look(&mut run);
    assert_eq!(run.topics[1].step, Step::Throttling);
}

#[test]
fn back_gives_up_what_is_on_its_way_and_moves_the_rest_back_throttled() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    world.arrives("a", 1, &[2, 3, 4]);
    world.look(&mut run);
    assert!(run.roll_back(world.now) && !run.roll_back(world.now));
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), [reassign("a", &[(0, None)])], "the throttle of the way back comes first");
    world.census.reassignments = Some(Vec::new());
    let mut asked = Vec::new();
    for _ in 0..6 {
        let acts = world.look(&mut run);
        asked = world.throttled(acts);
        if !asked.is_empty() {
            break;
        }
    }
    assert_eq!(asked, [reassign("a", &[(1, Some(&[2, 3, 1]))])]);
    let lists = Values { leader: Some("0:4,0:2,0:3,1:2,1:3,1:4".to_owned()), follower: Some("0:1,1:1".to_owned()) };
    assert_eq!(world.throttles[&Place::Topic("a".to_owned())], Some(lists));
    world.arrives("a", 1, &[2, 3, 1]);
    for _ in 0..8 {
        let acts = world.look(&mut run);
        assert_eq!(world.throttled(acts), [], "the topic that was never touched is not");
    }
    assert_eq!((&run.state, run.rests(), world.is_throttled()), (&State::RolledBack, true, false));
}

#[test]
fn the_rate_of_a_broker_that_is_away_is_cleared_when_it_is_back() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    let away = world.throttles.remove(&Place::Broker(3)).unwrap();
    world.arrives("a", 0, &[4, 2, 3]);
    world.arrives("a", 1, &[2, 3, 4]);
    world.arrives("b", 0, &[3, 1, 4]);
    world.census.partitions[0].leader = Some(4);
    for _ in 0..16 {
        let acts = world.look(&mut run);
        world.throttled(acts);
    }
    assert_eq!((&run.state, run.rests(), run.moves()), (&State::Done, false, false), "it is over, but for that");
    let told = run.progress(world.now);
    assert_eq!(told.uncleared, [3]);
    assert!(told.sentence.contains("the throttle of broker 3 is cleared as soon as it answers"), "{}", told.sentence);
    assert!(!world.is_throttled(), "the lists and the other rates are cleared");
    world.throttles.insert(Place::Broker(3), away);
    let acts = world.look(&mut run);
    assert_eq!(acts, [Act::Throttle { place: Place::Broker(3), values: Values::default() }]);
    world.throttled(acts);
    for _ in 0..3 {
        world.look(&mut run);
    }
    assert!(run.rests());
}

#[test]
fn a_note_stays_until_the_old_value_was_read_a_while_after_it_was_asked_for() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    run.pause("bob", "lunch", true);
    // The broker has not heard of its throttle yet, so that it seems to be cleared.
    world.throttles.insert(Place::Broker(1), Some(Values::default()));
    world.census.reassignments = Some(Vec::new());
    // Nothing is on its way for a while.
    world.look(&mut run);
    world.now += SETTLED;
    let read_at = world.now;
    let facts = Facts { census: &world.census, read_at, throttles: &world.throttles, sizes: &world.sizes, latency: None };
    let noted = |run: &Run| run.noted.iter().any(|noted| noted.place == Place::Broker(1));
    run.recover(read_at);
    run.advance(&facts, read_at + 10);
    assert!(noted(&run));
    run.advance(&Facts { read_at: read_at + SETTLED, ..facts }, read_at + SETTLED + 10);
    assert!(!noted(&run));
}

#[test]
fn a_reassignment_of_somebody_else_stops_it() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    world.census.reassignments.as_mut().unwrap()[1].adding = vec![5];
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), []);
    assert!(
        matches!(&run.state, State::Stuck { problem, .. } if problem.contains("a-1 is being reassigned by somebody else (adding 5; removing 1)")),
        "{:?}",
        run.state
    );
    assert!(world.is_throttled(), "as long as something of it is on its way");
    world.census.reassignments = Some(Vec::new());
    for _ in 0..6 {
        let acts = world.look(&mut run);
        world.throttled(acts);
    }
    assert!(run.rests() && !world.is_throttled() && run.resume());
}

#[test]
fn bytes_that_are_there_are_progress() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    for (partition, there) in [(0, 500), (1, 2_000)] {
        // The log of the leader has grown to 2000 bytes since the run began, when it had 1000.
        world.sizes.insert((2, "a".to_owned(), partition), 2_000);
        world.sizes.insert((4, "a".to_owned(), partition), there);
    }
    world.look(&mut run);
    let told = run.progress(world.now);
    assert_eq!((told.copied, told.bytes), (1_250, 3_000), "a quarter of one, all of the other");
    assert!((told.fraction - 1_250.0 / 3_000.0).abs() < 1e-9);
    assert_eq!(told.left, Some(1_750), "at the throttle of 1000 bytes a second");
}

#[test]
fn what_does_not_fit_the_cluster_does_not_begin() {
    let problem = |census: &Census, wanted: &Assignment| Run::topics_of(census, wanted).unwrap_err();
    let fine = census();
    for (wanted, words) in [
        (plan(&[("c", 0, &[1])]), "there is no partition c-0"),
        (plan(&[("a", 0, &[1, 2, 9])]), "a-0 is to have a replica on broker 9"),
        (plan(&[("a", 0, &[])]), "a-0 is to have no replica"),
        (plan(&[("a", 0, &[1, 2, 3])]), "every partition has the replicas"),
    ] {
        let unfit = problem(&fine, &wanted);
        assert!(unfit.is_wrong && unfit.problem.contains(words), "{unfit:?}");
    }
    let mut away = census();
    away.brokers.get_mut(&4).unwrap().is_reachable = false;
    let mut others = census();
    others.reassignments = Some(vec![Reassignment { topic: "x".into(), partition: 1, adding: vec![1], removing: vec![] }]);
    let gaps = vec![Gap { text: "no answer".to_owned(), can_close: true }];
    let unread = Census { reassignments: None, gaps, ..census() };
    for (census, words) in [(away, "brokers that it concerns are away: 4"), (others, "by somebody else: x-1"), (unread, "it is not known whether")] {
        let unfit = problem(&census, &both());
        assert!(!unfit.is_wrong && unfit.problem.contains(words), "{unfit:?}");
    }
}

#[test]
fn with_old_brokers_a_person_is_told_what_to_run_and_it_follows() {
    let mut world = World::new();
    world.census.reassignments = None;
    let mut run = Run { is_by_hand: true, ..run(&world.census, &both()) };
    assert_eq!(world.look(&mut run), []);
    let hands = by_hand(&run).unwrap();
    assert_eq!(
        hands.commands,
        [
            "kafka-reassign-partitions.sh --zookeeper ZOOKEEPER --reassignment-json-file leeward-m1-1-replicas.json --execute --throttle 1000",
            "kafka-reassign-partitions.sh --zookeeper ZOOKEEPER --reassignment-json-file leeward-m1-1-replicas.json --verify"
        ]
    );
    assert_eq!(Assignment::from_json(hands.json.as_bytes()).unwrap(), plan(&[("a", 0, &[4, 2, 3]), ("a", 1, &[2, 3, 4])]));
    // In ZooKeeper the new replicas stand there at once, and are in sync later.
    world.arrives("a", 0, &[4, 2, 3]);
    world.arrives("a", 1, &[2, 3, 4]);
    world.census.partitions[1].isr = vec![2, 3];
    assert_eq!((world.look(&mut run), run.topics[0].step), (vec![], Step::Moving));
    world.census.partitions[1].isr = vec![2, 3, 4];
    assert_eq!((world.look(&mut run), run.topics[0].step), (vec![], Step::Electing));
    let election = by_hand(&run).unwrap();
    assert!(election.commands[0].ends_with("leeward-m1-1-replicas.json --verify"), "{election:?}");
    assert!(election.commands[1].contains("kafka-preferred-replica-election.sh") && election.json.contains("\"partition\":1"), "{election:?}");
    world.census.partitions[0].leader = Some(4);
    world.arrives("b", 0, &[3, 1, 4]);
    for _ in 0..5 {
        assert_eq!(world.look(&mut run), []);
    }
    assert_eq!((&run.state, by_hand(&run)), (&State::Done, None));
    assert_eq!(run.before(), plan(&[("a", 0, &[1, 2, 3]), ("a", 1, &[2, 3, 1]), ("b", 0, &[3, 1, 2])]));
}

#[test]
fn it_is_kept_as_it_is() {
    let mut world = World::new();
    let run = moving(&mut world);
    let text = serde_json::to_string(&run).unwrap();
    assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
}

#[test]
fn what_a_run_did_to_clients_is_no_measure_for_the_next() {
    let world = World::new();
    let mut last = run(&world.census, &both());
    (last.pace.before, last.ended) = (Some(10_000), Some(5_000));
    assert_eq!([64_999, 65_000].map(|now| last.before_next(Some(900_000), now)), [Some(10_000), Some(900_000)]);
}

#[test]
fn progress_alone_is_not_written_down() {
    let mut world = World::new();
    let run = moving(&mut world);
    let mut further = run.clone();
    (further.pace.now, further.pace.looked) = (Some(5), 9_000);
    let leg = &mut further.topics[0];
    (leg.copied, leg.arrived, leg.waits_for) = (500, 1, Some("more".to_owned()));
    assert!(further.is_where(&run));
    for change in
        [|run: &mut Run| run.pace.rate += 1, |run: &mut Run| run.topics[0].step = Step::Electing, |run: &mut Run| run.topics[0].partitions[0].is_lifted = true]
    {
        let mut other = further.clone();
        change(&mut other);
        assert!(!other.is_where(&run), "{other:?}");
    }
}

#[test]
fn a_copy_that_is_nearly_there_is_throttled_no_more() {
    const GIB: u64 = 1 << 30;
    let mut world = World::new();
    let mut run = moving(&mut world);
    let lists = |world: &World| world.throttles[&Place::Topic("a".to_owned())].clone().unwrap();
    for (partition, lacks) in [(0, 2 << 20), (1, 100 << 20)] {
        world.sizes.insert((2, "a".to_owned(), partition), GIB);
        world.sizes.insert((4, "a".to_owned(), partition), GIB - lacks);
    }
    let acts = world.look(&mut run);
    assert_eq!((world.throttled(acts), run.topics[0].partitions[0].is_lifted), (vec![], true));
    assert_eq!(lists(&world), Values { leader: Some("1:2,1:3,1:1".to_owned()), follower: Some("1:4".to_owned()) });
    // It is given up behind the run's back: before it is begun again its throttle is there again.
    world.arrives("a", 0, &[1, 2, 3]);
    let acts = world.look(&mut run);
    assert_eq!((world.throttled(acts), lists(&world).follower.as_deref()), (vec![], Some("0:4,1:4")));
    for _ in 0..2 {
        let acts = world.look(&mut run);
        if world.throttled(acts) == [reassign("a", &[(0, Some(&[4, 2, 3]))])] {
            return;
        }
    }
    panic!("it is not begun again: {run:#?}");
}

#[test]
fn a_faster_throttle_is_lifted_earlier_but_never_before_half_is_there() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    let rate = 50 << 20;
    (run.bounds, run.pace.rate) = (Bounds { min: rate, max: rate }, rate);
    for (partition, whole, lacks) in [(0, 1 << 30, 90 << 20), (1, 1 << 30, 110 << 20)] {
        world.sizes.insert((2, "a".to_owned(), partition), whole);
        world.sizes.insert((4, "a".to_owned(), partition), whole - lacks);
    }
    world.look(&mut run);
    assert_eq!([run.topics[0].partitions[0].is_lifted, run.topics[0].partitions[1].is_lifted], [true, false], "two seconds of it are 100 MiB");
    // The same bytes, of a log of 200 MiB.
    world.sizes.insert((2, "a".to_owned(), 1), 200 << 20);
    world.sizes.insert((4, "a".to_owned(), 1), 99 << 20);
    world.look(&mut run);
    assert!(!run.topics[0].partitions[1].is_lifted, "less than half is there");
    world.sizes.insert((4, "a".to_owned(), 1), 101 << 20);
    world.look(&mut run);
    assert!(run.topics[0].partitions[1].is_lifted);
}

/// Metadata may be read before it tells what the list of reassignments tells already.
#[test]
fn a_pause_does_not_take_what_has_just_arrived_for_what_stopped() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    run.pause("bob", "lunch", false);
    world.census.reassignments = Some(Vec::new());
    for _ in 0..2 {
        let acts = world.look(&mut run);
        assert_eq!((world.throttled(acts), run.topics[0].step, run.moves()), (vec![], Step::Moving, true));
    }
    world.arrives("a", 0, &[4, 2, 3]);
    world.arrives("a", 1, &[2, 3, 4]);
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), []);
    let acts = world.look(&mut run);
    assert_eq!(world.throttled(acts), [Act::Elect { topic: "a".to_owned(), partitions: vec![0] }], "its leaders are elected, and it is done");

    // What does not show itself in time has stopped, and is asked for again when the run goes on.
    let mut world = World::new();
    let mut run = moving(&mut world);
    run.pause("bob", "lunch", false);
    world.census.reassignments = Some(Vec::new());
    let stopped = (0..5).map(|_| (world.look(&mut run), run.topics[0].step).1).collect::<Vec<_>>();
    assert_eq!(stopped, [Step::Moving, Step::Moving, Step::Waiting, Step::Waiting, Step::Waiting]);
}

#[test]
fn what_is_on_its_way_while_it_pauses_slows_down_for_clients_too() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    (run.pace.rate, run.pace.before) = (8_000, Some(10_000));
    assert!(run.pause("bob", "too slow", false));
    world.now += 10_000;
    let facts = Facts { census: &world.census, read_at: world.now, throttles: &world.throttles, sizes: &world.sizes, latency: Some(90_000) };
    let acts = run.advance(&facts, world.now);
    assert_eq!(run.pace.rate, 4_000);
    let slower = Values { leader: Some("4000".to_owned()), follower: Some("4000".to_owned()) };
    assert!(acts.contains(&Act::Throttle { place: Place::Broker(4), values: slower }), "{acts:?}");
}

#[test]
fn no_more_is_lifted_at_a_time_than_the_throttle_lets_through_in_a_moment() {
    let mut world = World::new();
    let mut run = moving(&mut world);
    for (partition, lacks) in [(0, 4 << 20), (1, 3 << 20)] {
        world.sizes.insert((2, "a".to_owned(), partition), 1 << 30);
        world.sizes.insert((4, "a".to_owned(), partition), (1 << 30) - lacks);
    }
    world.look(&mut run);
    assert_eq!([run.topics[0].partitions[0].is_lifted, run.topics[0].partitions[1].is_lifted], [false, true], "the one that lacks least");
}
