use super::by_hand::by_hand;
use super::*;
use crate::config::HostPort;
use crate::rolling::census::{Broker, Reassignment};

const NONE: BTreeSet<i32> = BTreeSet::new();

fn partition(topic: &str, index: i32, leader: i32, replicas: &[i32], isr: &[i32]) -> Partition {
    let leader = (leader >= 0).then_some(leader);
    Partition { topic: topic.into(), index, leader, replicas: replicas.to_vec(), isr: isr.to_vec(), min_insync_replicas: None }
}

fn broker(node_id: i32, is_up: bool) -> (i32, Broker) {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    (node_id, Broker { node_id, address, rack: None, is_listed: is_up, is_reachable: is_up, offer: None })
}

fn census(partitions: Vec<Partition>) -> Census {
    Census { brokers: (1..=4).map(|node_id| broker(node_id, true)).collect(), partitions, ..Census::default() }
}

fn saved(partition: i32, replicas: &[i32], led: bool) -> SavedOrder {
    SavedOrder { topic: "t".to_owned(), partition, replicas: replicas.to_vec(), led }
}

/// Broker 2 is drained; `None`: nothing is to be done.
#[test]
fn what_becomes_of_each_kind_of_partition() {
    use Hindrance::{NoneInSync, OneReplica};
    let to = |to: &[i32], elect| Some(Ok((to.to_vec(), elect)));
    for (what, leader, replicas, isr, expected) in [
        ("preferred and leader", 2, &[2, 1, 3][..], &[2, 1, 3][..], to(&[1, 3, 2], true)),
        ("the next is not in sync", 2, &[2, 1, 3], &[2, 3], to(&[3, 1, 2], true)),
        ("it leads in place of another, which is back", 2, &[1, 2, 3], &[1, 2, 3], to(&[1, 3, 2], true)),
        ("it leads in place of another, which is not back", 2, &[1, 2, 3], &[2, 3], to(&[3, 1, 2], true)),
        ("it is last already, and leads", 2, &[1, 3, 2], &[1, 2, 3], to(&[1, 3, 2], true)),
        ("it is preferred, and another leads", 3, &[2, 1, 3], &[2, 1, 3], to(&[3, 1, 2], false)),
        ("it is preferred, and nobody leads", -1, &[2, 1, 3], &[1], to(&[1, 3, 2], true)),
        ("one replica", 2, &[2], &[2], Some(Err(OneReplica))),
        ("one replica, which is away", -1, &[2], &[2], Some(Err(OneReplica))),
        ("nobody else is in sync", 2, &[2, 1], &[2], Some(Err(NoneInSync))),
        ("a follower", 1, &[1, 2, 3], &[1, 2, 3], None),
        ("not its own", 1, &[1, 3], &[1, 3], None),
    ] {
        let plan = Plan::of(&census(vec![partition("t", 0, leader, replicas, isr)]), 2, &NONE);
        let moved = plan.moves.first().map(|one| Ok((one.to.clone(), one.elect)));
        let got = moved.or_else(|| plan.stuck.first().map(|stuck| Err(stuck.why)));
        assert_eq!(got, expected, "{what}");
        assert_eq!(plan.led.len(), usize::from(leader == 2), "{what}");
    }
}

#[test]
fn nothing_moves_to_a_broker_that_is_away_down_or_being_changed() {
    let mut census = census(vec![partition("t", 0, 2, &[2, 1, 3, 4], &[1, 2, 3, 4])]);
    let first = |census: &Census, away: &[i32]| Plan::of(census, 2, &away.iter().copied().collect()).moves.first().map(|one| one.to.clone());
    assert_eq!(first(&census, &[1]), Some(vec![3, 4, 1, 2]), "those that are away come behind the others");
    census.brokers.extend([broker(3, false)]);
    assert_eq!(first(&census, &[1]), Some(vec![4, 3, 1, 2]));
    assert_eq!(first(&census, &[1, 4]), None);
    census.reassignments = Some(vec![Reassignment { topic: "t".into(), partition: 0, adding: vec![4], removing: Vec::new() }]);
    let plan = Plan::of(&census, 2, &NONE);
    assert_eq!((plan.moves.len(), plan.stuck[0].why, plan.is_done()), (0, Hindrance::Reassigning, false));
}

#[test]
fn leaderships_spread_evenly_over_those_that_stay() {
    // Broker 4 is the preferred leader of three others already.
    let own = (0..9).map(|index| partition("a", index, 2, &[2, 1, 3, 4], &[1, 2, 3, 4]));
    let others = (0..3).map(|index| partition("b", index, 4, &[4, 1], &[4, 1]));
    let plan = Plan::of(&census(own.chain(others).collect()), 2, &NONE);
    let of = |id: i32| plan.moves.iter().filter(|one| one.to.first() == Some(&id)).count();
    assert_eq!((of(1), of(3), of(4)), (4, 4, 1));
    assert_eq!(plan.moves[0].to, [1, 3, 4, 2]);
}

#[test]
fn a_drain_and_its_undrain_in_sentences() {
    let mut drains = Drains::default();
    drains.begin(2, "r", "a", false, 1).unwrap();
    let mut census = census((0..3).map(|index| partition("t", index, 2, &[2, 1, 3], &[1, 2, 3])).chain([partition("one", 0, 2, &[2], &[2])]).collect());
    let said = |drains: &Drains, census: &Census| {
        let plan = Plan::of(census, 2, &NONE);
        Progress::of_drain(census, 2, drains.get(2).unwrap(), &plan).sentence
    };
    assert_eq!(said(&drains, &census), "broker 2: 0 of 4 leaders moved; 1 has one replica and cannot move (one-0)");
    let plan = Plan::of(&census, 2, &NONE);
    drains.save(2, drains.to_save(2, &plan));
    assert_eq!(drains.get(2).unwrap().saved, [saved(0, &[2, 1, 3], true), saved(1, &[2, 1, 3], true), saved(2, &[2, 1, 3], true)]);
    assert!(drains.to_save(2, &plan).is_empty(), "once");
    apply(&mut census, &plan.moves);
    let plan = Plan::of(&census, 2, &NONE);
    assert!(plan.is_done());
    assert_eq!(said(&drains, &census), "broker 2: 3 of 4 leaders moved; 1 has one replica and cannot move (one-0)");
    census.partitions.pop();
    assert_eq!(said(&drains, &census), "broker 2: all 3 leaders moved");

    // Meanwhile: one is reassigned, one is gone, and the broker is not in sync again.
    census.partitions[0].replicas = vec![1, 3, 4];
    census.partitions.pop();
    census.partitions[1].isr = vec![1, 3];
    drains.undo(2).unwrap();
    let drain = drains.get(2).unwrap().clone();
    let restoring = Restoring::of(&census, 2, &drain.saved, &NONE);
    assert_eq!(restoring.moves.iter().map(|one| (one.to.clone(), one.elect)).collect::<Vec<_>>(), [(vec![2, 1, 3], false)]);
    apply(&mut census, &restoring.moves);
    let restoring = Restoring::of(&census, 2, &drain.saved, &NONE);
    assert!(restoring.moves.is_empty() && !restoring.is_done());
    let expected = "broker 2: 0 of 3 partitions have the order of before; 1 waits for the broker to be in sync (t-1); \
                    1 was reassigned meanwhile and stays as it is (t-0); 1 is gone (t-2)";
    assert_eq!(Progress::of_undrain(&census, 2, &drain, &restoring).sentence, expected);
    census.partitions[1].isr = vec![1, 3, 2];
    let restoring = Restoring::of(&census, 2, &drain.saved, &NONE);
    assert!(restoring.moves[0].elect && !restoring.moves[0].reorders());
    apply(&mut census, &restoring.moves);
    let restoring = Restoring::of(&census, 2, &drain.saved, &NONE);
    assert!(restoring.is_done() && restoring.restored == 1);
}

#[test]
fn phases_go_where_the_diagram_says() {
    let mut drains = Drains::default();
    assert_eq!(drains.undo(2), Err(DrainError::NotDraining(2)));
    drains.begin(2, "first", "alice", false, 1).unwrap();
    drains.save(2, vec![saved(0, &[2, 1], true)]);
    drains.begin(2, "again", "bob", false, 2).unwrap();
    assert_eq!(drains.get(2).unwrap().reason, "first", "it goes on as it is");
    assert_eq!(drains.begin(3, "r", "a", false, 3), Err(DrainError::Other { other: 2, phase: Phase::Draining }));
    assert!(drains.settle(2, true) && !drains.settle(2, true));
    assert_eq!(drains.draining(), Draining(BTreeSet::from([2])));
    assert!(drains.settle(2, false), "a partition came that it leads");
    assert_eq!(drains.end(2), None, "only what is being undone ends");
    drains.undo(2).unwrap();
    assert_eq!((drains.draining(), drains.settle(2, true)), (Draining::default(), false));
    assert!(drains.begin(3, "r", "a", false, 4).is_err(), "its leaderships are still on their way");
    drains.begin(2, "back", "bob", false, 5).unwrap();
    assert_eq!((drains.end(2), drains.get(2).unwrap().saved.len()), (None, 1), "what was saved stays saved");
    drains.begin(3, "r", "a", true, 6).unwrap();
    assert_eq!(drains.others(2), BTreeSet::from([3]));
    drains.undo(2).unwrap();
    assert!(drains.end(2).is_some() && drains.get(2).is_none());
}

#[test]
fn the_state_is_read_as_it_was_written() {
    let mut drains = Drains::default();
    drains.begin(2, "r", "a", false, 7).unwrap();
    drains.save(2, vec![saved(0, &[2, 1], true)]);
    let text = serde_json::to_string(&drains).unwrap();
    let expected = r#"{"2":{"phase":"draining","reason":"r","author":"a","since":7,"saved":[{"topic":"t","partition":0,"replicas":[2,1],"led":true}]}}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Drains>(&text).unwrap(), drains);
}

#[test]
fn what_is_dangerous_is_named() {
    let mut census = census(vec![partition("t", 0, 2, &[2, 1, 3], &[1, 2]), partition("u", 0, 1, &[1, 3], &[1])]);
    let checks = |census: &Census, away: &[i32]| dangers(census, 2, &away.iter().copied().collect()).into_iter().map(|danger| danger.check).collect::<Vec<_>>();
    assert_eq!(dangers(&census, 2, &NONE)[0].detail, "1 partition of broker 2 under-replicated: t-0", "what other brokers have is not its matter");
    census.brokers.extend([broker(3, false)]);
    assert_eq!(checks(&census, &[4]), ["brokers", "replicas", "drains"]);
    census.brokers.extend([broker(3, true)]);
    census.partitions.remove(0);
    assert_eq!(checks(&census, &[]), [""; 0]);
}

#[test]
fn by_hand_first_the_orders_then_the_election() {
    let plan = Plan::of(&census(vec![partition("t", 0, 2, &[2, 1], &[2, 1])]), 2, &NONE);
    let first = by_hand(2, &plan.moves);
    assert_eq!(first.reassignment.unwrap(), r#"{"partitions":[{"partition":0,"replicas":[1,2],"topic":"t"}],"version":1}"#);
    assert!(first.election.is_none() && first.commands[0].starts_with("kafka-reassign-partitions.sh --zookeeper"));
    let plan = Plan::of(&census(vec![partition("t", 0, 2, &[1, 2], &[2, 1])]), 2, &NONE);
    let then = by_hand(2, &plan.moves);
    assert_eq!((then.reassignment, then.election.unwrap().as_str()), (None, r#"{"partitions":[{"partition":0,"topic":"t"}],"version":1}"#));
}

/// As the cluster does it.
pub(super) fn apply(census: &mut Census, moves: &[Move]) {
    for one in moves {
        let partition = census.partitions.iter_mut().find(|partition| partition.topic == one.topic && partition.index == one.partition).unwrap();
        partition.replicas.clone_from(&one.to);
        if one.elect {
            partition.leader = one.to.first().copied();
        }
    }
}
