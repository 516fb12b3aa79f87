use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::config::HostPort;
use crate::rolling::census::Broker;
use crate::rolling::gate::may_stop;
use crate::rolling::resume::may_continue;
use crate::rolling::{Census, Partition};

const PLAIN: Paint = Paint { colour: false };

fn census(partitions: Vec<Partition>) -> Census {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    let broker = |node_id| Broker { node_id, address: address.clone(), rack: None, is_listed: true, is_reachable: true, offer: None };
    Census { brokers: [1, 2].map(|node_id| (node_id, broker(node_id))).into(), partitions, ..Census::default() }
}

fn partition(topic: &str, replicas: &[i32], min: u32) -> Partition {
    let leader = replicas.first().copied();
    Partition { topic: Arc::from(topic), index: 0, leader, replicas: replicas.to_vec(), isr: replicas.to_vec(), min_insync_replicas: Some(min) }
}

#[test]
fn a_no_names_what_is_in_the_way_and_what_to_do() {
    let census = census(vec![partition("orders", &[1], 1), partition("payments", &[1, 2], 2)]);
    let text = may_stop(&census, 1, Guarantee::Strict, &BTreeSet::new()).text(PLAIN);
    let expected = "\
no: broker 1 may not stop (strict)
  - orders-0 has one replica, on broker 1, and would be offline until it is back: add a replica on
    another broker (kafka-reassign-partitions), or accept that with --guarantee available
what its stop would do:
  - rf1_offline: orders-0: their only replica is on it, so they are neither written nor read until
    it is back
  - full_acks_produce_unavailable: payments-0: acks=all is refused, acks=1 and reading go on
  - acks1_data_loss: payments-0: it leads them: records with acks=1 that no follower has yet are
    lost; drain it first, or open a window (leeward maintenance on)
besides:
  - payments-0 cannot be written with acks=all while broker 1 is away, and does not block: its
    replication factor is not above min.insync.replicas, so that is so whenever any of its brokers
    is away; lower the setting or add replicas";
    assert_eq!(text, expected);
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_yes_is_a_line() {
    assert_eq!(may_stop(&census(Vec::new()), 2, Guarantee::Strict, &BTreeSet::new()).text(PLAIN), "yes: broker 2 may stop (strict)");
    let back = may_continue(&census(vec![partition("t", &[2, 1], 1)]), 2, None).text(PLAIN);
    assert_eq!(back, "yes: broker 2 is back, go on\nload: in sync with 1 of 1 replicas, leads 1 of the 1 partitions that prefer it");
}

#[test]
fn pauses_are_not_too_short() {
    assert_eq!(pause("10s"), Ok(Duration::from_secs(10)));
    assert_eq!(pause("0s"), Err("at least 200ms".to_owned()));
    assert!(pause("soon").is_err());
}
