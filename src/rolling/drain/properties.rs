//! What holds of every cluster.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::tests::apply;
use super::*;

/// Brokers 1 to 5, and partitions with any replicas, some of them in sync, one of these leading.
fn clusters() -> impl Strategy<Value = Census> {
    let replicas = subsequence(vec![1, 2, 3, 4, 5], 1..=5).prop_shuffle();
    let partition = replicas.prop_flat_map(|replicas| {
        let count = replicas.len();
        (Just(replicas.clone()), subsequence(replicas, 1..=count), any::<prop::sample::Index>())
    });
    prop::collection::vec(partition, 1..20).prop_map(|partitions| {
        let partitions = partitions.into_iter().zip(0..).map(|((replicas, isr, leader), index)| {
            let leader = Some(*leader.get(&isr));
            Partition { topic: "t".into(), index, leader, replicas, isr, min_insync_replicas: None }
        });
        Census { partitions: partitions.collect(), ..Census::default() }
    })
}

/// Every leadership goes to the first replica, where that one is in sync: what Kafka does by itself.
fn prefer(census: &mut Census) {
    for partition in &mut census.partitions {
        if let Some(first) = partition.replicas.first().filter(|first| partition.isr.contains(first)) {
            partition.leader = Some(*first);
        }
    }
}

/// Saves and does what a drain wants. Gives what it wanted.
fn drain(drains: &mut Drains, census: &mut Census, node_id: i32) -> Plan {
    drains.begin(node_id, "r", "a", true, 0).unwrap();
    let plan = Plan::of(census, node_id, &drains.others(node_id));
    drains.save(node_id, drains.to_save(node_id, &plan));
    apply(census, &plan.moves);
    plan
}

fn undrain(drains: &mut Drains, census: &mut Census, node_id: i32) {
    drains.undo(node_id).unwrap();
    let restoring = Restoring::of(census, node_id, &drains.get(node_id).unwrap().saved, &drains.others(node_id));
    apply(census, &restoring.moves);
    drains.end(node_id).unwrap();
}

fn orders(census: &Census) -> Vec<Vec<i32>> {
    census.partitions.iter().map(|partition| partition.replicas.clone()).collect()
}

proptest! {
    #[test]
    fn a_move_keeps_the_replicas_puts_the_broker_last_and_leads_in_sync(census in clusters()) {
        for one in Plan::of(&census, 2, &BTreeSet::new()).moves {
            let partition = &census.partitions[usize::try_from(one.partition).unwrap()];
            prop_assert!(is_same_set(&one.from, &one.to) && one.from.len() == one.to.len());
            prop_assert!(one.to.last() == Some(&2) && partition.isr.contains(&one.to[0]));
            let rest = |order: &[i32]| order.iter().copied().filter(|id| *id != 2 && *id != one.to[0]).collect::<Vec<_>>();
            prop_assert_eq!(rest(&one.from), rest(&one.to));
        }
    }

    #[test]
    fn a_drained_broker_leads_only_what_is_stuck_and_preferred_election_changes_nothing(mut census in clusters()) {
        let stuck: BTreeSet<i32> = drain(&mut Drains::default(), &mut census, 2).stuck.into_iter().map(|stuck| stuck.partition).collect();
        prop_assert!(Plan::of(&census, 2, &BTreeSet::new()).moves.is_empty());
        prefer(&mut census);
        prop_assert!(census.led_by(2).all(|partition| stuck.contains(&partition.index)));
        let still = Plan::of(&census, 2, &BTreeSet::new());
        prop_assert!(still.moves.is_empty());
    }

    #[test]
    fn an_undrain_restores_every_order_and_every_preferred_leader_in_sync(before in clusters()) {
        let (mut drains, mut census) = (Drains::default(), before.clone());
        drain(&mut drains, &mut census, 2);
        let touched: BTreeSet<i32> = drains.get(2).unwrap().saved.iter().map(|saved| saved.partition).collect();
        undrain(&mut drains, &mut census, 2);
        prop_assert_eq!(orders(&census), orders(&before));
        for partition in census.partitions.iter().filter(|partition| touched.contains(&partition.index)) {
            let first = partition.replicas[0];
            prop_assert!(partition.leader == Some(first) || !partition.isr.contains(&first));
        }
    }

    #[test]
    fn two_drains_end_in_the_order_of_before_whichever_ends_first(before in clusters(), first_in_first_out: bool) {
        let (mut drains, mut census) = (Drains::default(), before.clone());
        drain(&mut drains, &mut census, 2);
        drain(&mut drains, &mut census, 3);
        prop_assert!(Plan::of(&census, 2, &drains.others(2)).moves.is_empty(), "they do not pass leaderships to and fro");
        for node_id in if first_in_first_out { [2, 3] } else { [3, 2] } {
            let led = |census: &Census, id: Option<i32>| census.partitions.iter().filter(|on| on.leader == id).map(|on| on.index).collect::<BTreeSet<_>>();
            let other = drains.iter().map(|(other, _)| other).find(|other| *other != node_id);
            let before_undrain = led(&census, other);
            undrain(&mut drains, &mut census, node_id);
            prop_assert!(other.is_none() || led(&census, other).is_subset(&before_undrain), "nothing is given to a broker that is still drained");
            // What could not leave before may leave now.
            let left = drains.iter().next().map(|(left, _)| left);
            if let Some(left) = left {
                drain(&mut drains, &mut census, left);
                prop_assert!(Plan::of(&census, left, &BTreeSet::new()).moves.is_empty());
            }
        }
        prop_assert_eq!(orders(&census), orders(&before));
    }
}
