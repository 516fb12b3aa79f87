//! A large cluster: how long a plan takes, and that it is the same whatever the order in which the cluster was read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::super::*;
use crate::config::HostPort;
use crate::rolling::census::{Broker, Partition};

/// `brokers` in all over `racks` (none: no racks), of which the last `joined` have nothing yet; logs of 0 to 4 GiB.
fn census(brokers: usize, joined: usize, racks: usize, topics: usize, partitions: usize) -> (Census, LogSizes) {
    let mut random = fastrand::Rng::with_seed(7);
    let broker = |id: usize| {
        let rack = (racks > 0).then(|| format!("r{}", id % racks));
        let address = HostPort { host: "kafka".to_owned(), port: 9092 };
        (id as i32, Broker { node_id: id as i32, address, rack, is_listed: true, is_reachable: true, offer: None })
    };
    let old = brokers - joined;
    let (mut all, mut sizes) = (Vec::new(), BTreeMap::new());
    for topic in 0..topics {
        let name: Arc<str> = format!("topic-{topic}").into();
        for index in 0..(partitions / topics) as i32 {
            // As a person would have it who once placed them by rack and let time pass.
            let first = random.usize(0..old);
            let mut replicas = vec![first as i32];
            while replicas.len() < 3 {
                let next = random.usize(0..old);
                let is_apart = racks < 3 || replicas.iter().all(|other| *other as usize % racks != next % racks);
                if is_apart && !replicas.contains(&(next as i32)) {
                    replicas.push(next as i32);
                }
            }
            sizes.insert((Arc::clone(&name), index), BTreeMap::from([(replicas[0], random.u64(0..4 << 30))]));
            let (leader, isr) = (Some(replicas[0]), replicas.clone());
            all.push(Partition { topic: Arc::clone(&name), index, leader, replicas, isr, min_insync_replicas: None });
        }
    }
    (Census { brokers: (0..brokers).map(broker).collect(), partitions: all, ..Census::default() }, LogSizes(sizes))
}

fn asked() -> Asked {
    Asked { throttle: Some(50 << 20), retention_ms: 86_400_000, ..Asked::default() }
}

fn spread(proposal: &Proposal, of: impl Fn(&Share) -> usize) -> (usize, usize) {
    let all: Vec<usize> = proposal.brokers.iter().map(of).collect();
    (*all.iter().min().unwrap(), *all.iter().max().unwrap())
}

/// Not a test of time: it prints what was measured. `cargo test --release --lib reassign::tests::scale -- --ignored --nocapture`
#[test]
#[ignore = "it takes seconds, and many in a debug build"]
fn two_hundred_brokers_and_fifty_thousand_partitions() {
    for (joined, racks, topics) in [(5, 0, 1000), (5, 3, 1000), (40, 3, 1000), (100, 4, 5000), (5, 2, 1000), (1, 5, 20)] {
        let (census, sizes) = census(200, joined, racks, topics, 50_000);
        let layout = Layout::of(&census, &BTreeSet::new(), &sizes, &BTreeMap::new());
        let started = Instant::now();
        let proposal = plan(&layout, &asked()).unwrap();
        let took = started.elapsed();
        println!(
            "200 brokers, {joined} of them new, {racks} racks, {topics} topics, 50,000 partitions, 150,000 replicas: {took:.1?}; {} copies, {} leaders change, \
             replicas {:?} to {:?}, leaders {:?} to {:?}, crowded {} to {}, proven {:?}",
            proposal.copies,
            proposal.leader_changes,
            spread(&proposal, |share| share.replicas_before),
            spread(&proposal, |share| share.replicas_after),
            spread(&proposal, |share| share.leaders_before),
            spread(&proposal, |share| share.leaders_after),
            proposal.crowded_before,
            proposal.crowded_after,
            proposal.is_fewest,
        );
        assert!(proposal.crowded_after <= proposal.crowded_before);
    }
}

#[test]
fn the_order_in_which_a_cluster_was_read_changes_nothing() {
    let (mut census, sizes) = census(12, 2, 3, 10, 300);
    let of = |census: &Census| plan(&Layout::of(census, &BTreeSet::new(), &sizes, &BTreeMap::new()), &asked()).unwrap();
    let first = of(&census);
    assert!(first.copies > 0 && first.leader_changes > 0 && first.is_fewest == Some(true), "{first:?}");
    for seed in 0..3 {
        fastrand::Rng::with_seed(seed).shuffle(&mut census.partitions);
        assert_eq!(of(&census), first);
    }
    assert_eq!(of(&census).after().to_json(), first.after().to_json());
}
