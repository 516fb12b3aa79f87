use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::HostPort;
use crate::rolling::census::{Broker, Gap, Quorum, Reassignment, Voter};

/// The broker that wants to stop.
const N: i32 = 1;

fn broker(node_id: i32) -> Broker {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    Broker { node_id, address, rack: None, is_listed: true, is_reachable: true, offer: None }
}

/// A partition that its first in-sync replica leads.
fn partition(index: i32, replicas: &[i32], isr: &[i32], min: u32) -> Partition {
    Partition { topic: Arc::from("t"), index, leader: isr.first().copied(), replicas: replicas.to_vec(), isr: isr.to_vec(), min_insync_replicas: Some(min) }
}

/// Brokers 1, 2 and 3 with nothing going on.
fn census(partitions: Vec<Partition>) -> Census {
    let brokers: BTreeMap<i32, Broker> = [1, 2, 3].into_iter().map(|node_id| (node_id, broker(node_id))).collect();
    Census { brokers, partitions, reassignments: Some(Vec::new()), ..Census::default() }
}

fn kinds(census: &Census, guarantee: Guarantee, draining: &[i32]) -> Vec<BlockerKind> {
    let verdict = may_stop(census, N, guarantee, &draining.iter().copied().collect());
    assert_eq!(verdict.may_stop, verdict.blockers.is_empty());
    for blocker in &verdict.blockers {
        assert!(blocker.text.len() > 60 && !blocker.text.contains("  "), "{}", blocker.text);
    }
    verdict.blockers.iter().map(|blocker| blocker.kind).collect()
}

/// Partitions alone: what blocks under strict, and what under available.
#[test]
fn a_partition_blocks_by_its_replicas() {
    use BlockerKind::{AtMinIsr, BelowMinIsr, NoLeader, OneReplica, OnlyInSync};
    let headless = Partition { leader: None, ..partition(0, &[1, 2, 3], &[2], 2) };
    let foreign = Partition { leader: None, ..partition(0, &[2, 3], &[2], 1) };
    type Row<'a> = (&'a str, Partition, Option<BlockerKind>, Option<BlockerKind>);
    let rows: [Row<'_>; 14] = [
        ("all in sync", partition(0, &[1, 2, 3], &[1, 2, 3], 2), None, None),
        ("at min ISR with it", partition(0, &[1, 2, 3], &[1, 2], 2), Some(AtMinIsr), None),
        ("at min ISR without it", partition(0, &[1, 2, 3], &[2, 3], 2), None, None),
        ("below min ISR with it", partition(0, &[1, 2, 3, 4], &[1, 2], 3), Some(BelowMinIsr), None),
        ("below min ISR without it", partition(0, &[1, 2, 3], &[2], 2), Some(BelowMinIsr), None),
        ("only it in sync", partition(0, &[1, 2, 3], &[1], 2), Some(OnlyInSync), Some(OnlyInSync)),
        ("one replica", partition(0, &[1], &[1], 1), Some(OneReplica), None),
        ("one replica, and min ISR above it", partition(0, &[1], &[1], 2), Some(OneReplica), None),
        ("min ISR is the replication factor", partition(0, &[1, 2, 3], &[1, 2, 3], 3), None, None),
        ("the same, but alone in sync", partition(0, &[1, 2], &[1], 2), Some(OnlyInSync), Some(OnlyInSync)),
        ("two replicas, min ISR 1", partition(0, &[1, 2], &[1, 2], 1), None, None),
        ("no leader", headless, Some(NoLeader), Some(NoLeader)),
        ("no leader elsewhere", foreign, Some(NoLeader), None),
        ("one replica elsewhere", partition(0, &[2], &[2], 1), None, None),
    ];
    for (name, row, strict, available) in rows {
        // A fourth broker serves, so that no replica of these is on one that is down.
        let mut census = census(vec![row]);
        census.brokers.insert(4, broker(4));
        assert_eq!(kinds(&census, Guarantee::Strict, &[]), Vec::from_iter(strict), "{name}, strict");
        assert_eq!(kinds(&census, Guarantee::Available, &[]), Vec::from_iter(available), "{name}, available");
        assert_eq!(kinds(&census, Guarantee::None, &[]), [], "{name}, none");
    }
}

#[test]
fn what_goes_on_around_blocks_strict() {
    use BlockerKind::{AtMinIsr, NotKnown, OnlyInSync, OtherBrokerDown, OtherBrokerDraining, Reassigning};
    let healthy = || census(vec![partition(0, &[1, 2, 3], &[1, 2, 3], 2), partition(1, &[1, 2], &[1, 2], 1)]);
    assert_eq!(kinds(&healthy(), Guarantee::Strict, &[]), []);
    assert_eq!(kinds(&healthy(), Guarantee::Strict, &[N]), [], "its own drain is no obstacle");

    // Broker 2 was killed a moment ago, and the metadata does not know yet.
    let mut dead = healthy();
    dead.brokers.get_mut(&2).unwrap().is_reachable = false;
    assert_eq!(kinds(&dead, Guarantee::Strict, &[]), [OnlyInSync, AtMinIsr, OtherBrokerDown]);
    assert_eq!(kinds(&dead, Guarantee::Available, &[]), [OnlyInSync]);
    // A broker of which Leeward knows nothing but that replicas are on it.
    dead.brokers.remove(&2);
    assert_eq!(kinds(&dead, Guarantee::Strict, &[]), [OnlyInSync, AtMinIsr, OtherBrokerDown]);

    assert_eq!(kinds(&healthy(), Guarantee::Strict, &[2]), [OnlyInSync, OtherBrokerDraining]);
    assert_eq!(kinds(&healthy(), Guarantee::Available, &[2]), [OnlyInSync], "both may be away at once");
    assert_eq!(kinds(&healthy(), Guarantee::Available, &[3]), []);

    let mut moving = healthy();
    moving.reassignments = Some(vec![Reassignment { topic: Arc::from("t"), partition: 0, adding: vec![3], removing: vec![2] }]);
    assert_eq!(kinds(&moving, Guarantee::Strict, &[]), [Reassigning]);
    assert_eq!(kinds(&moving, Guarantee::Available, &[]), []);
    assert!(may_stop(&moving, N, Guarantee::Available, &BTreeSet::new()).notes.iter().any(|note| note.contains("t-0")));

    let mut unread = healthy();
    unread.gaps = vec![Gap { text: "brokers before 2.4 do not tell it".to_owned(), can_close: false }];
    assert_eq!(kinds(&unread, Guarantee::Strict, &[]), []);
    assert_eq!(may_stop(&unread, N, Guarantee::Strict, &BTreeSet::new()).notes, ["brokers before 2.4 do not tell it"]);
    unread.gaps.push(Gap { text: "running reassignments could not be read: refused".to_owned(), can_close: true });
    assert_eq!(kinds(&unread, Guarantee::Strict, &[]), [NotKnown]);
    assert_eq!(kinds(&unread, Guarantee::Available, &[]), []);
    unread.partitions[0].min_insync_replicas = None;
    assert_eq!(kinds(&unread, Guarantee::Strict, &[]), [NotKnown], "once, with the partition");
}

#[test]
fn controllers_keep_their_majority() {
    use BlockerKind::QuorumAtRisk;
    let fit = |node_id| Voter { node_id, lag: Some(0), caught_up_ms_ago: Some(300) };
    let late = |node_id| Voter { node_id, lag: Some(9), caught_up_ms_ago: Some(60_000) };
    let old = |node_id, lag| Voter { node_id, lag, caught_up_ms_ago: None };
    let rows: [(&str, Vec<Voter>, bool); 8] = [
        ("all fit, it is none of them", vec![fit(100), fit(101), fit(102)], false),
        ("all fit, it is one of them", vec![fit(1), fit(2), fit(3)], false),
        ("one late, it is one of the others", vec![fit(1), fit(2), late(3)], true),
        ("one late, it is none of them", vec![fit(100), fit(101), late(102)], false),
        ("it is the only one", vec![fit(1)], true),
        ("one of two", vec![fit(1), fit(2)], true),
        ("brokers before 3.4 tell records alone", vec![old(1, Some(0)), old(2, Some(0)), old(3, Some(1))], false),
        ("one of them never fetched", vec![old(1, Some(0)), old(2, Some(0)), old(3, None)], true),
    ];
    for (name, voters, is_blocked) in rows {
        let census = Census { quorum: Some(Quorum { leader_id: 2, voters }), ..census(Vec::new()) };
        let expected = if is_blocked { vec![QuorumAtRisk] } else { Vec::new() };
        assert_eq!(kinds(&census, Guarantee::Strict, &[]), expected, "{name}");
        assert_eq!(kinds(&census, Guarantee::Available, &[]), expected, "{name}");
        assert_eq!(kinds(&census, Guarantee::None, &[]), [], "{name}");
    }
}

#[test]
fn a_broker_that_is_not_there_may_not_stop() {
    let verdict = may_stop(&census(Vec::new()), 9, Guarantee::None, &BTreeSet::new());
    assert!(!verdict.may_stop);
    assert_eq!(verdict.blockers[0].text, "there is no broker 9: 1, 2, 3 are known; leeward cluster lists them");
}

#[test]
fn risks_are_named_as_the_probe_names_them() {
    let partitions = vec![
        partition(0, &[1], &[1], 1),
        partition(1, &[1, 2], &[1], 1),
        partition(2, &[1, 2, 3], &[1, 2], 2),
        partition(3, &[2, 1], &[2, 1], 2),
        partition(4, &[1, 2, 3], &[1, 2, 3], 2),
        partition(5, &[2, 3], &[2, 3], 1),
    ];
    let verdict = may_stop(&census(partitions), N, Guarantee::None, &BTreeSet::new());
    let indexes = |names: &[PartitionName]| names.iter().map(|name| name.partition).collect::<Vec<_>>();
    assert_eq!(indexes(&verdict.risks.rf1_offline), [0]);
    assert_eq!(indexes(&verdict.risks.unavailable), [1]);
    assert_eq!(indexes(&verdict.risks.full_acks_produce_unavailable), [2, 3]);
    assert_eq!(indexes(&verdict.risks.acks1_data_loss), [2, 4]);
    assert!(verdict.may_stop && verdict.notes[0].starts_with("t-3 cannot be written with acks=all"), "{:?}", verdict.notes);
    assert_eq!(serde_json::to_value(verdict.risks).unwrap()["rf1_offline"][0]["topic"], "t");
}

#[test]
fn a_sentence_names_three_and_counts_the_rest() {
    let verdict = may_stop(&census((0..5).map(|index| partition(index, &[1], &[1], 1)).collect()), N, Guarantee::Strict, &BTreeSet::new());
    assert!(verdict.blockers[0].text.starts_with("5 partitions (t-0, t-1, t-2 and 2 more) have one replica, on broker 1,"), "{}", verdict.blockers[0].text);
    assert_eq!(verdict.blockers[0].partitions.len(), 5);
}

/// Any partition over brokers 1 to 4, in any state.
fn any_partition() -> impl Strategy<Value = Partition> {
    let replicas = Just(vec![1, 2, 3, 4]).prop_shuffle().prop_flat_map(|nodes| (1..=4usize).prop_map(move |count| nodes[..count].to_vec()));
    replicas.prop_flat_map(|replicas| {
        let isr = proptest::sample::subsequence(replicas.clone(), 0..=replicas.len());
        (Just(replicas), isr, proptest::option::weighted(0.9, 1u32..4), any::<bool>()).prop_map(|(replicas, isr, min, has_leader)| Partition {
            leader: isr.first().copied().filter(|_| has_leader),
            min_insync_replicas: min,
            ..partition(0, &replicas, &isr, 1)
        })
    })
}

fn any_census() -> impl Strategy<Value = (Census, BTreeSet<i32>)> {
    let away = proptest::collection::btree_set(2..=4i32, 0..2);
    let draining = proptest::collection::btree_set(1..=4i32, 0..2);
    (proptest::collection::vec(any_partition(), 0..4), away, draining).prop_map(|(mut partitions, away, draining)| {
        for (index, partition) in (0..).zip(&mut partitions) {
            partition.index = index;
        }
        let mut census = census(partitions);
        census.brokers.insert(4, broker(4));
        for node_id in away {
            census.brokers.get_mut(&node_id).unwrap().is_reachable = false;
        }
        (census, draining)
    })
}

/// What the controller makes of a partition when these brokers are gone: the ISR that is left, and a leader from it.
fn after(partition: &Partition, gone: &BTreeSet<i32>) -> (Option<i32>, Vec<i32>) {
    let isr: Vec<i32> = partition.isr.iter().copied().filter(|node_id| !gone.contains(node_id)).collect();
    let leader = partition.leader.filter(|leader| isr.contains(leader));
    (leader.or_else(|| partition.replicas.iter().copied().find(|replica| isr.contains(replica))), isr)
}

fn gone(census: &Census, more: impl IntoIterator<Item = i32>) -> BTreeSet<i32> {
    census.brokers.values().filter(|broker| !broker.is_reachable).map(|broker| broker.node_id).chain(more).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_weaker_guarantee_never_blocks_more((census, draining) in any_census()) {
        let may = |guarantee| may_stop(&census, N, guarantee, &draining).may_stop;
        prop_assert!(!may(Guarantee::Strict) || may(Guarantee::Available));
        prop_assert!(may(Guarantee::None));
    }

    /// The election that a stop brings about: acks=all goes on wherever it could, and the leader has all that was acknowledged with it.
    #[test]
    fn strict_keeps_its_word((census, draining) in any_census()) {
        if !may_stop(&census, N, Guarantee::Strict, &draining).may_stop {
            return Ok(());
        }
        for partition in &census.partitions {
            let (leader, isr) = after(partition, &gone(&census, [N]));
            let leader = leader.expect("a leader");
            prop_assert!(partition.isr.contains(&leader), "the leader of {partition:?} misses what the ISR has");
            let min = partition.min_insync();
            let is_written = !partition.replicas.contains(&N) || min.is_some_and(|min| isr.len() >= min || partition.replicas.len() <= min);
            prop_assert!(is_written, "acks=all is refused by {partition:?}");
        }
    }

    #[test]
    fn available_keeps_its_word((census, draining) in any_census()) {
        if !may_stop(&census, N, Guarantee::Available, &draining).may_stop {
            return Ok(());
        }
        for partition in census.partitions_on(N).filter(|partition| partition.replicas.len() > 1) {
            prop_assert!(after(partition, &gone(&census, draining.iter().copied().chain([N]))).0.is_some(), "{partition:?}");
        }
    }

    /// It blocks for nothing: what it names is so.
    #[test]
    fn what_it_names_is_so((census, draining) in any_census()) {
        for blocker in may_stop(&census, N, Guarantee::Strict, &draining).blockers {
            for name in &blocker.partitions {
                let partition = census.partitions.iter().find(|partition| partition.index == name.partition).expect("a partition of the census");
                let (now, then) = (after(partition, &gone(&census, [])), after(partition, &gone(&census, [N])));
                let min = partition.min_insync();
                let is_so = match blocker.kind {
                    BlockerKind::NoLeader => partition.leader.is_none(),
                    BlockerKind::OneReplica => partition.replicas == [N],
                    BlockerKind::OnlyInSync => after(partition, &gone(&census, draining.iter().copied().chain([N]))).0.is_none(),
                    BlockerKind::BelowMinIsr => min.is_some_and(|min| now.1.len() < min),
                    BlockerKind::AtMinIsr => min.is_some_and(|min| now.1.len() >= min && then.1.len() < min),
                    BlockerKind::NotKnown => min.is_none(),
                    BlockerKind::Reassigning | BlockerKind::OtherBrokerDown | BlockerKind::OtherBrokerDraining => false,
                    BlockerKind::UnknownBroker | BlockerKind::QuorumAtRisk => false,
                };
                prop_assert!(is_so, "{:?}: {partition:?}", blocker.kind);
            }
        }
    }
}
