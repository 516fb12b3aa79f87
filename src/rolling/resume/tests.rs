use std::sync::Arc;

use super::*;
use crate::config::HostPort;
use crate::rolling::Partition;
use crate::rolling::census::Broker;

fn census(is_listed: bool, is_reachable: bool, partitions: Vec<Partition>) -> Census {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    let broker = Broker { node_id: 1, address, rack: None, is_listed, is_reachable, offer: None };
    Census { brokers: [(1, broker)].into(), partitions, ..Census::default() }
}

fn partition(index: i32, leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> Partition {
    Partition { topic: Arc::from("t"), index, leader, replicas: replicas.to_vec(), isr: isr.to_vec(), min_insync_replicas: Some(1) }
}

#[test]
fn it_is_back_when_it_answers_and_is_in_every_isr() {
    use MissingKind::{NoLeader, NotInSync, Unlisted, Unreachable};
    let whole = partition(0, Some(1), &[1, 2], &[1, 2]);
    let behind = partition(1, Some(2), &[1, 2], &[2]);
    let rows = [
        (census(true, true, vec![whole.clone()]), vec![]),
        (census(true, true, Vec::new()), vec![]),
        (census(true, true, vec![whole.clone(), behind.clone()]), vec![NotInSync]),
        // The metadata is older than its crash.
        (census(true, false, vec![whole.clone()]), vec![Unreachable]),
        (census(false, true, vec![behind.clone()]), vec![Unlisted, NotInSync]),
        (census(false, false, vec![behind]), vec![Unreachable, Unlisted, NotInSync]),
        (census(true, true, vec![partition(2, None, &[1, 2], &[2])]), vec![NoLeader]),
        (census(true, true, vec![partition(3, Some(3), &[2, 3], &[3])]), vec![]),
    ];
    for (census, expected) in rows {
        let verdict = may_continue(&census, 1, None);
        assert_eq!(verdict.missing.iter().map(|missing| missing.kind).collect::<Vec<_>>(), expected, "{verdict:?}");
        assert_eq!(verdict.may_continue, expected.is_empty());
    }
    assert_eq!(may_continue(&census(true, true, vec![whole]), 2, None).missing[0].kind, MissingKind::UnknownBroker);
}

#[test]
fn leaders_that_are_not_back_are_told_and_do_not_hold_it_up() {
    let partitions = vec![partition(0, Some(1), &[1, 2], &[1, 2]), partition(1, Some(2), &[1, 2], &[1, 2]), partition(2, Some(2), &[2, 1], &[1, 2])];
    let verdict = may_continue(&census(true, true, partitions), 1, Some(2));
    assert!(verdict.may_continue);
    assert_eq!(verdict.share, Share { replicas: 3, in_sync: 3, preferred: 2, preferred_led: 1, leaders: 1, leaders_before: Some(2) });
    assert!(verdict.notes[0].starts_with("broker 1 leads 1 of the 2 partitions that prefer it"), "{:?}", verdict.notes);
    assert_eq!(verdict.notes[1], "broker 1 leads 1 partitions, and led 2 before its drain: leeward broker undrain 1 brings them back");
}
