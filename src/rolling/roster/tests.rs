use std::sync::Arc;

use super::*;
use crate::config::HostPort;
use crate::rolling::Partition;
use crate::rolling::census::Broker;

fn broker(node_id: i32, is_listed: bool, is_reachable: bool) -> (i32, Broker) {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    (node_id, Broker { node_id, address, rack: None, is_listed, is_reachable, offer: None })
}

fn partition(index: i32, leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> Partition {
    Partition { topic: Arc::from("t"), index, leader, replicas: replicas.to_vec(), isr: isr.to_vec(), min_insync_replicas: Some(2) }
}

#[test]
fn every_broker_has_its_state_and_its_partitions() {
    let brokers = [broker(1, true, true), broker(2, true, true), broker(3, true, false), broker(4, false, true), broker(5, true, true)];
    let partitions = vec![
        partition(0, Some(1), &[1, 2, 3], &[1, 2, 3]),
        partition(1, Some(1), &[2, 1, 3], &[1, 3]),
        partition(2, None, &[4], &[4]),
        // A replica on a broker that is not known.
        partition(3, Some(1), &[1, 9], &[1]),
    ];
    let census = Census { brokers: brokers.into(), partitions, ..Census::default() };
    let rows: Vec<_> = roster(&census, &Drains::default())
        .into_iter()
        .map(|(node_id, s)| (node_id, s.state.label(), [s.leaders, s.replicas, s.under_replicated, s.at_min_isr, s.out_of_sync]))
        .collect();
    let expected = [
        (1, "serving", [3, 3, 2, 1, 0]),
        (2, "catching up", [0, 2, 1, 1, 1]),
        (3, "down", [0, 2, 1, 1, 0]),
        (4, "down", [0, 1, 0, 0, 0]),
        (5, "serving", [0, 0, 0, 0, 0]),
    ];
    assert_eq!(rows, expected);
    assert_eq!(totals(&census), Totals { partitions: 4, leaderless: 1, under_replicated: 2, at_min_isr: 1, below_min_isr: 2 });
}

#[test]
fn a_drained_broker_is_shown_as_such_unless_it_is_down() {
    let mut census = Census { brokers: [broker(1, true, true), broker(2, true, true)].into(), ..Census::default() };
    let mut drains = Drains::default();
    let states = |census: &Census, drains: &Drains| roster(census, drains).into_values().map(|standing| standing.state.label()).collect::<Vec<_>>();
    drains.begin(2, "r", "a", false, 0).unwrap();
    assert_eq!(states(&census, &drains), ["serving", "draining"]);
    drains.settle(2, true);
    assert_eq!(states(&census, &drains), ["serving", "drained"]);
    census.brokers.extend([broker(2, true, false)]);
    assert_eq!(states(&census, &drains), ["serving", "down"]);
    census.brokers.extend([broker(2, true, true)]);
    drains.undo(2).unwrap();
    assert_eq!(states(&census, &drains), ["serving", "serving"]);
}
