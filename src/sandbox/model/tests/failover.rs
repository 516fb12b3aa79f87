//! What happens to leaders, followers and clients when brokers go.

use std::time::Duration;

use super::super::{Command, ModelConfig, Phase};
use super::driver::{Driver, numbered, one, produce_request, produced};

const FOREVER: Option<Duration> = Some(Duration::from_secs(100_000));

#[test]
fn a_graceful_stop_moves_leaders_first_and_ends_waits_with_not_leader() {
    let mut driver = Driver::new(ModelConfig::default());
    let (old, followers) = (driver.leader(), driver.followers());
    for &node in &followers {
        driver.command(Command::SetReplicationDelay { node, delay: FOREVER });
    }
    let producer = driver.connect(old);
    let sent = driver.send(producer, 10, &produce_request(-1, one("a")));
    driver.command(Command::Stop(old));
    let state = driver.until(|state| state.partition("t", 0).unwrap().leader != old);
    assert_eq!(state.broker(old).unwrap().phase, Phase::Stopping);
    driver.until(|state| state.broker(old).unwrap().phase == Phase::Down);
    assert_eq!(produced(&driver.answer(sent).unwrap()).error_code, 6, "answered before its connection was closed");
    assert!(driver.closed.contains(&producer) && !driver.listening.contains(&old));
}

#[test]
fn a_killed_leader_is_replaced_after_its_session_and_loses_what_nobody_fetched() {
    let mut driver = Driver::new(ModelConfig::default());
    let (old, followers) = (driver.leader(), driver.followers());
    assert_eq!(driver.produce(old, -1, one("kept")).error_code, 0);
    driver.run(Duration::from_secs(1));
    for &node in &followers {
        driver.command(Command::SetReplicationDelay { node, delay: FOREVER });
    }
    assert_eq!(driver.produce(old, 1, one("lost")).error_code, 0, "acknowledged by the leader alone");
    let killed = driver.now;
    driver.command(Command::Kill(old));
    for &node in &followers {
        driver.command(Command::SetReplicationDelay { node, delay: None });
    }
    driver.until(|state| state.partition("t", 0).unwrap().leader != old && state.partition("t", 0).unwrap().leader_ready);
    let took = driver.now - killed;
    assert!((Duration::from_millis(1_600)..=Duration::from_millis(2_020)).contains(&took), "session timeout less a heartbeat: {took:?}");
    let leader = driver.leader();
    assert_eq!(driver.produce(leader, -1, one("after")).base_offset, 1);
    assert_eq!(driver.model.stored_at(old, "t", 0).len(), 2, "the dead broker's disk");
    driver.command(Command::Start(old));
    driver.until(super::super::ClusterState::is_healthy);
    driver.run(Duration::from_secs(1));
    assert_eq!(driver.stored(), ["kept", "after"]);
    assert_eq!(driver.model.stored_at(old, "t", 0), driver.model.stored_at(leader, "t", 0), "truncated by leader epoch, then caught up");
}

#[test]
fn a_duplicate_is_known_to_the_next_leader() {
    let mut driver = Driver::new(ModelConfig::default());
    let old = driver.leader();
    for sequence in 0..3 {
        assert_eq!(driver.produce(old, -1, numbered(0, sequence, "x")).error_code, 0);
    }
    driver.command(Command::Kill(old));
    driver.until(|state| state.partition("t", 0).unwrap().leader != old && state.partition("t", 0).unwrap().leader_ready);
    let leader = driver.leader();
    let (again, next) = (driver.produce(leader, -1, numbered(0, 2, "x")), driver.produce(leader, -1, numbered(0, 3, "y")));
    assert_eq!((again.base_offset, again.log_append_time_ms), (2, 1_000), "with the time of its records");
    assert_eq!((next.base_offset, next.log_append_time_ms), (3, -1));
    assert_eq!(driver.stored(), ["x", "x", "x", "y"]);
}

#[test]
fn a_paused_leader_wakes_up_as_one_that_has_not_heard() {
    let mut driver = Driver::new(ModelConfig::default());
    let old = driver.leader();
    let producer = driver.connect(old);
    driver.command(Command::Pause(old));
    let sent = driver.send(producer, 10, &produce_request(1, one("zombie")));
    driver.until(|state| state.partition("t", 0).unwrap().leader != old);
    // Until they have heard of it, followers would still take what the old leader has.
    driver.run(Duration::from_millis(20));
    assert!(driver.answer::<kafka_protocol::messages::ProduceResponse>(sent).is_none() && !driver.closed.contains(&producer));
    driver.command(Command::Resume(old));
    assert_eq!(produced(&driver.answer(sent).unwrap()).error_code, 0, "it believes that it leads");
    driver.until(super::super::ClusterState::is_healthy);
    driver.run(Duration::from_secs(1));
    assert!(driver.stored().is_empty(), "what it took is gone");
    assert_eq!(driver.produce(old, 1, one("x")).error_code, 6);
}

#[test]
fn a_pause_shorter_than_the_session_changes_nothing() {
    let mut driver = Driver::new(ModelConfig::default());
    let old = driver.leader();
    driver.command(Command::Pause(old));
    driver.run(Duration::from_millis(1_500));
    driver.command(Command::Resume(old));
    driver.run(Duration::from_secs(5));
    assert_eq!((driver.leader(), driver.model.snapshot().partition("t", 0).unwrap().leader_epoch), (old, 0));
    assert_eq!(driver.produce(old, -1, one("a")).error_code, 0);
}

#[test]
fn a_broker_is_seen_before_it_listens() {
    let mut driver = Driver::new(ModelConfig::default());
    let node = driver.followers()[0];
    driver.command(Command::Stop(node));
    driver.until(|state| state.broker(node).unwrap().phase == Phase::Down);
    assert!(driver.model.snapshot().broker(node).unwrap().fenced);
    driver.command(Command::Start(node));
    driver.until(|state| !state.broker(node).unwrap().fenced);
    assert!(!driver.listening.contains(&node), "Metadata names it already");
    driver.until(super::super::ClusterState::is_healthy);
    assert!(driver.listening.contains(&node));
}

#[test]
fn a_broker_killed_and_started_at_once_waits_for_its_old_session() {
    let mut driver = Driver::new(ModelConfig::default());
    let node = driver.leader();
    driver.command(Command::Kill(node));
    driver.command(Command::Start(node));
    let began = driver.now;
    driver.until(|state| state.broker(node).unwrap().phase == Phase::Running);
    assert!(driver.now - began >= Duration::from_millis(1_600));
}

#[test]
fn the_last_replica_leads_again_when_it_is_back() {
    let mut driver = Driver::new(ModelConfig::default());
    driver.command(Command::CreateTopic { name: "single".to_owned(), partitions: 1, replication_factor: 1, min_isr: Some(1) });
    let node = driver.until(|state| state.partition("single", 0).is_some_and(|partition| partition.leader_ready)).partition("single", 0).unwrap().leader;
    driver.command(Command::Stop(node));
    driver.until(|state| state.broker(node).unwrap().phase == Phase::Down);
    let state = driver.model.snapshot();
    let partition = state.partition("single", 0).unwrap();
    assert_eq!((partition.leader, partition.isr.as_slice()), (-1, &[node][..]));
    driver.command(Command::Start(node));
    driver.until(|state| state.partition("single", 0).is_some_and(|partition| partition.leader == node && partition.leader_ready));
}

/// Faults chosen by a seed, with producers of every kind, for a minute of virtual time.
fn storm(seed: u64) -> Driver {
    let mut driver = Driver::new(ModelConfig { seed, ..ModelConfig::default() });
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut down: Option<(i32, bool)> = None;
    for n in 0..600 {
        let (node, acks) = (rng.i32(1..=3), rng.i16(-1..=1));
        let connection = driver.connect(node);
        driver.send(connection, 10, &produce_request(acks, one(&n.to_string())));
        if n % 60 == 30 {
            down = match down {
                Some((node, true)) => {
                    driver.command(Command::Resume(node));
                    None
                }
                Some((node, false)) => {
                    driver.command(Command::Start(node));
                    None
                }
                None => {
                    let paused = rng.bool();
                    driver.command(if paused { Command::Pause(node) } else { Command::Kill(node) });
                    Some((node, paused))
                }
            };
        }
        driver.run(Duration::from_millis(rng.u64(0..200)));
    }
    driver
}

#[test]
fn a_seed_gives_the_same_trace_twice() {
    for seed in 0..4 {
        let (first, second) = (storm(seed), storm(seed));
        assert!(first.trace.len() > 300, "{} effects", first.trace.len());
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.stored(), second.stored());
    }
    assert_ne!(storm(1).trace, storm(2).trace);
}

#[test]
fn what_acks_all_was_told_is_stored_whatever_happens() {
    for seed in 0..20 {
        let mut driver = Driver::new(ModelConfig { seed, ..ModelConfig::default() });
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut sent = Vec::new();
        for round in 0..6 {
            for n in 0..20 {
                let leader = driver.leader();
                if leader >= 0 {
                    let connection = driver.connect(leader);
                    let value = format!("{round}-{n}");
                    sent.push((driver.send(connection, 10, &produce_request(-1, one(&value))), value));
                }
                driver.run(Duration::from_millis(rng.u64(0..3)));
            }
            let victim = rng.i32(1..=3);
            driver.command(if rng.bool() { Command::Kill(victim) } else { Command::Stop(victim) });
            driver.run(Duration::from_millis(rng.u64(0..6_000)));
            driver.until(|state| state.broker(victim).unwrap().phase == Phase::Down);
            driver.command(Command::Start(victim));
            driver.until(super::super::ClusterState::is_healthy);
        }
        let stored = driver.stored();
        let mut acknowledged = 0;
        for (sent, value) in sent {
            let answer: Option<kafka_protocol::messages::ProduceResponse> = driver.answer(sent);
            if answer.is_some_and(|answer| produced(&answer).error_code == 0) {
                acknowledged += 1;
                assert_eq!(stored.iter().filter(|known| known[..] == *value.as_bytes()).count(), 1, "seed {seed}: {value}");
            }
        }
        assert!(acknowledged > 60, "seed {seed}: {acknowledged} acknowledged");
    }
}
