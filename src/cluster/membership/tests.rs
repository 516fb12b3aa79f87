use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::config::VirtualBrokers;
use crate::protocol::versions::VersionRange;

fn membership() -> Membership {
    let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Membership::new(PortPlan::new(VirtualBrokers { bind, base_port: 20_000, range: 100, ports: BTreeMap::new() }), "gate.example")
}

fn at(port: u16) -> HostPort {
    HostPort { host: "10.0.0.1".to_owned(), port }
}

fn node(node_id: i32, port: u16) -> NodeAddress {
    NodeAddress { node_id, host: "10.0.0.1".to_owned(), port, rack: None }
}

fn says(brokers: &[NodeAddress]) -> Reported {
    Reported { cluster_id: Some("one".to_owned()), controller_id: Some(1), brokers: brokers.to_vec() }
}

fn bind_all(membership: &mut Membership, wanted: Vec<Wanted>) {
    for wanted in wanted {
        membership.bound(wanted.node_id, wanted.port.unwrap());
    }
}

fn offer(max: i16) -> Arc<Offer> {
    let ranges = vec![VersionRange { api_key: 3, min: 0, max }];
    Arc::new(Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false })
}

#[test]
fn a_node_enters_the_picture_only_when_its_port_is_bound() {
    let mut membership = membership();
    let wanted = membership.report(&Reporter::Broker(at(9092)), says(&[node(1, 9092), node(2, 9093)]), 0).unwrap();
    assert_eq!(wanted, [Wanted { node_id: 1, port: Some(20_001) }, Wanted { node_id: 2, port: Some(20_002) }]);
    membership.bound(2, 20_002);
    let view = membership.picture(0).unwrap();
    assert_eq!(view.brokers.keys().copied().collect::<Vec<_>>(), [2]);
    // What could not be bound is asked for again with the next report.
    let again = membership.report(&Reporter::Broker(at(9093)), says(&[node(1, 9092)]), 1).unwrap();
    assert_eq!(again, [Wanted { node_id: 1, port: Some(20_001) }]);
}

#[test]
fn two_nodes_never_share_a_port() {
    let mut membership = membership();
    let wanted = membership.report(&Reporter::Traffic, says(&[node(1001, 1), node(1002, 2), node(99, 3)]), 0).unwrap();
    let mut ports: Vec<_> = wanted.iter().map(|wanted| wanted.port.unwrap()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 3);
}

#[test]
fn a_broker_that_is_down_keeps_its_virtual_broker() {
    let mut membership = membership();
    let reporter = Reporter::Broker(at(9092));
    let wanted = membership.report(&reporter, says(&[node(1, 9092), node(2, 9093)]), 0).unwrap();
    bind_all(&mut membership, wanted);
    membership.answered(&at(9093), &offer(12));
    membership.lost(&at(9093));
    assert_eq!(membership.report(&reporter, says(&[node(1, 9092)]), 1).unwrap(), []);
    let view = membership.picture(1).unwrap();
    let gone = &view.brokers[&2];
    assert_eq!((gone.virtual_port, gone.listed, gone.reachable), (20_002, false, false));
    assert!(gone.offer.is_some());
}

#[test]
fn an_empty_list_of_a_starting_broker_says_nothing() {
    let mut membership = membership();
    let wanted = membership.report(&Reporter::Broker(at(9092)), says(&[node(1, 9092)]), 0).unwrap();
    bind_all(&mut membership, wanted);
    membership.report(&Reporter::Broker(at(9093)), says(&[]), 1).unwrap();
    assert!(membership.picture(1).unwrap().brokers[&1].listed);
}

#[test]
fn a_changed_address_is_followed_but_not_an_old_one() {
    let mut membership = membership();
    let (fresh, stale) = (Reporter::Broker(at(9092)), Reporter::Broker(at(9094)));
    for reporter in [&fresh, &stale] {
        let wanted = membership.report(reporter, says(&[node(1, 9092), node(2, 9093)]), 0).unwrap();
        bind_all(&mut membership, wanted);
    }
    membership.answered(&at(9093), &offer(12));
    membership.report(&fresh, says(&[node(2, 7777)]), 1).unwrap();
    assert_eq!(membership.view().brokers[&2].upstream, at(7777));
    // The new address answers; a broker whose metadata is older still says the old one.
    membership.answered(&at(7777), &offer(12));
    membership.report(&stale, says(&[node(2, 9093)]), 2).unwrap();
    assert_eq!(membership.view().brokers[&2].upstream, at(7777));
    assert_eq!(membership.view().brokers[&2].virtual_port, 20_002);
}

#[test]
fn another_cluster_is_refused_whole() {
    let mut membership = membership();
    membership.report(&Reporter::Broker(at(9092)), says(&[]), 0).unwrap();
    let other = Reported { cluster_id: Some("two".to_owned()), controller_id: None, brokers: vec![node(7, 1)] };
    let error = membership.report(&Reporter::Broker(at(1)), other, 0).unwrap_err();
    assert_eq!((error.known.as_str(), error.reported.as_str()), ("one", "two"));
    assert!(membership.wanted().is_empty());
}

#[test]
fn the_offer_is_what_all_brokers_can_do_the_one_that_is_down_included_for_an_hour() {
    let mut membership = membership();
    let reporter = Reporter::Broker(at(9092));
    let wanted = membership.report(&reporter, says(&[node(1, 9092), node(2, 9093)]), 0).unwrap();
    bind_all(&mut membership, wanted);
    membership.answered(&at(9092), &offer(12));
    membership.answered(&at(9093), &offer(7));
    let max = |membership: &mut Membership, now| {
        membership.picture(now);
        membership.view().offer.as_ref().unwrap().range(3).unwrap().max
    };
    assert_eq!(max(&mut membership, 0), 7);
    membership.lost(&at(9093));
    membership.report(&reporter, says(&[node(1, 9092)]), 5).unwrap();
    assert_eq!(max(&mut membership, 6), 7);
    assert_eq!(max(&mut membership, 6 + FORGET_AFTER_NANOS), 12);
    membership.answered(&at(9093), &offer(9));
    assert_eq!(max(&mut membership, 6 + FORGET_AFTER_NANOS), 9);
}

#[test]
fn before_any_metadata_the_bootstrap_brokers_offer_counts() {
    let mut membership = membership();
    assert!(membership.offer().is_none());
    membership.answered(&at(9092), &offer(9));
    let view = membership.picture(0).unwrap();
    assert_eq!(view.offer.unwrap().range(3).unwrap().max, 9);
    assert_eq!(view.bootstrap, [at(9092)]);
}

#[test]
fn a_bootstrap_address_that_answered_is_a_reachable_broker_at_once() {
    let mut membership = membership();
    membership.answered(&at(9092), &offer(9));
    let wanted = membership.report(&Reporter::Broker(at(9092)), says(&[node(1, 9092), node(2, 9093)]), 0).unwrap();
    bind_all(&mut membership, wanted);
    let view = membership.picture(0).unwrap();
    assert!(view.brokers[&1].reachable && view.brokers[&1].offer.is_some());
    assert!(!view.brokers[&2].reachable);
}

#[test]
fn a_picture_is_made_only_of_changes() {
    let mut membership = membership();
    membership.answered(&at(9092), &offer(9));
    let first = membership.picture(0).unwrap();
    assert!(membership.picture(1).is_none());
    membership.lost(&at(9092));
    assert_eq!(membership.picture(2).unwrap().generation, first.generation + 1);
}

#[test]
fn brokers_behind_a_login_are_told_apart_until_one_speaks_or_goes() {
    let mut membership = membership();
    membership.answered(&at(9092), &offer(12));
    membership.closed(&at(9092));
    let view = membership.picture(0).unwrap();
    assert!(view.closed && view.offer.is_some() && view.brokers.is_empty());
    assert_eq!(view.homes(), [at(9092)], "clients can log in there");
    membership.opened(&at(9092));
    assert!(!membership.picture(0).unwrap().closed);
    membership.closed(&at(9092));
    membership.lost(&at(9092));
    assert!(!membership.picture(0).unwrap().closed);
}
