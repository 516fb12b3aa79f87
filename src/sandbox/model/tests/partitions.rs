//! What a partition lets clients do: visibility, ISR, epochs.

use std::time::Duration;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::super::{Command, ModelConfig};
use super::driver::{Driver, fetch_request, fetched, numbered, one, produce_request, produced, topic};

const FOREVER: Option<Duration> = Some(Duration::from_secs(100_000));

fn stall(driver: &mut Driver, nodes: &[i32], delay: Option<Duration>) {
    for &node in nodes {
        driver.command(Command::SetReplicationDelay { node, delay });
    }
}

#[test]
fn consumers_see_what_the_isr_has() {
    let mut driver = Driver::new(ModelConfig::default());
    let (leader, followers) = (driver.leader(), driver.followers());
    assert_eq!(driver.produce(leader, -1, one("a")).error_code, 0);
    assert_eq!(driver.fetch(leader, 0), Ok(vec!["a".into()]));
    stall(&mut driver, &followers, FOREVER);
    assert_eq!(driver.produce(leader, 1, one("b")).base_offset, 1);
    assert_eq!(driver.fetch(leader, 1), Ok(vec![]), "appended, but in one replica only");
    stall(&mut driver, &followers, None);
    driver.until(|state| state.partition("t", 0).unwrap().high_watermark == 2);
    assert_eq!(driver.fetch(leader, 1), Ok(vec!["b".into()]));
    assert_eq!(driver.fetch(leader, 3), Err(1));
}

#[test]
fn a_fetch_waits_for_bytes_and_no_longer_than_it_said() {
    let mut driver = Driver::new(ModelConfig::default());
    let leader = driver.leader();
    let consumer = driver.connect(leader);
    let sent = driver.send(consumer, 11, &fetch_request(0, 500));
    driver.run(Duration::from_millis(100));
    assert!(driver.answer::<kafka_protocol::messages::FetchResponse>(sent).is_none());
    driver.produce(leader, -1, one("a"));
    assert_eq!(fetched(&driver.answer(sent).unwrap()), ["a"]);
    let sent = driver.send(consumer, 11, &fetch_request(1, 500));
    driver.run(Duration::from_millis(499));
    assert!(driver.answer::<kafka_protocol::messages::FetchResponse>(sent).is_none());
    driver.run(Duration::from_millis(1));
    assert!(fetched(&driver.answer(sent).unwrap()).is_empty());
}

#[test]
fn too_small_an_isr_refuses_acks_all_before_and_after_the_append() {
    for (below_min, expected) in [(false, 7), (true, 20)] {
        let mut driver = Driver::new(ModelConfig { watermark_below_min_isr: below_min, ..ModelConfig::default() });
        let (leader, followers) = (driver.leader(), driver.followers());
        stall(&mut driver, &followers, FOREVER);
        let producer = driver.connect(leader);
        let sent = driver.send(producer, 10, &produce_request(-1, one("a")));
        driver.until(|state| state.partition("t", 0).unwrap().isr == [leader]);
        driver.run(Duration::from_secs(31));
        let answer = produced(&driver.answer(sent).unwrap());
        assert_eq!(answer.error_code, expected, "appended, then the ISR shrank; watermark below min ISR: {below_min}");
        assert_eq!(driver.produce(leader, -1, one("b")).error_code, 19);
        assert_eq!(driver.produce(leader, 1, one("c")).error_code, 0);
    }
}

#[test]
fn a_follower_that_lags_leaves_the_isr_and_comes_back() {
    let mut driver = Driver::new(ModelConfig::default());
    let (leader, slow) = (driver.leader(), driver.followers()[0]);
    stall(&mut driver, &[slow], FOREVER);
    let began = driver.now;
    assert_eq!(driver.produce(leader, -1, one("a")).error_code, 0);
    let took = driver.now - began;
    assert!(took >= Duration::from_millis(2_900), "acks=all waits for the whole ISR, until the slow one has left it: {took:?}");
    assert!(!driver.model.snapshot().partition("t", 0).unwrap().isr.contains(&slow));
    assert_eq!(driver.produce(leader, -1, one("b")).error_code, 0);
    stall(&mut driver, &[slow], None);
    driver.until(|state| state.partition("t", 0).unwrap().isr.contains(&slow));
    stall(&mut driver, &[slow], FOREVER);
    driver.run(Duration::from_secs(10));
    assert_eq!(driver.model.snapshot().partition("t", 0).unwrap().isr.len(), 3, "nothing to catch up with");
}

#[test]
fn leader_epochs_fence_clients() {
    let mut driver = Driver::new(ModelConfig::default());
    let old = driver.leader();
    driver.command(Command::Stop(old));
    driver.until(|state| state.partition("t", 0).unwrap().leader_ready && state.broker(old).unwrap().phase == super::super::Phase::Down);
    let (leader, epoch) = (driver.leader(), driver.model.snapshot().partition("t", 0).unwrap().leader_epoch);
    assert_eq!(epoch, 1);
    for (asked, expected) in [(epoch - 1, 74), (epoch, 0), (epoch + 1, 75), (-1, 0)] {
        let mut request = fetch_request(0, 0);
        request.topics[0].partitions[0].current_leader_epoch = asked;
        assert_eq!(driver.ask(leader, 11, &request).responses[0].partitions[0].error_code, expected, "Fetch with epoch {asked}");
        let partition = ListOffsetsPartition::default().with_partition_index(0).with_current_leader_epoch(asked).with_timestamp(-1);
        let request = ListOffsetsRequest::default().with_topics(vec![ListOffsetsTopic::default().with_name(topic()).with_partitions(vec![partition])]);
        assert_eq!(driver.ask(leader, 5, &request).topics[0].partitions[0].error_code, expected, "ListOffsets with epoch {asked}");
    }
}

#[test]
fn a_follower_says_who_leads() {
    let mut driver = Driver::new(ModelConfig::default());
    let (leader, follower) = (driver.leader(), driver.followers()[0]);
    let response = driver.ask(follower, 10, &produce_request(1, one("a")));
    let answer = produced(&response);
    assert_eq!((answer.error_code, answer.current_leader.leader_id, answer.current_leader.leader_epoch), (6, BrokerId(leader), 0));
    assert_eq!(response.node_endpoints.len(), 1);
    assert_eq!((response.node_endpoints[0].node_id, response.node_endpoints[0].port), (BrokerId(leader), 9_000 + leader));
    assert!(driver.ask(follower, 9, &produce_request(1, one("a"))).node_endpoints.is_empty(), "only since v10");
    // Consumers of v11 and later are served by a follower, older ones are not.
    assert_eq!(driver.ask(follower, 10, &fetch_request(0, 0)).responses[0].partitions[0].error_code, 6);
    assert_eq!(driver.fetch(follower, 0), Ok(vec![]));
}

#[test]
fn acks_zero_has_no_answer_and_an_error_closes() {
    let mut driver = Driver::new(ModelConfig::default());
    let (leader, follower) = (driver.leader(), driver.followers()[0]);
    let good = driver.connect(leader);
    let sent = driver.send(good, 9, &produce_request(0, one("a")));
    driver.run(Duration::from_secs(1));
    assert!(driver.answer::<kafka_protocol::messages::ProduceResponse>(sent).is_none());
    assert!(!driver.closed.contains(&good));
    assert_eq!(driver.stored(), ["a"]);
    let bad = driver.connect(follower);
    driver.send(bad, 9, &produce_request(0, one("b")));
    assert!(driver.closed.contains(&bad));
}

#[test]
fn a_batch_sent_twice_is_stored_once() {
    let mut driver = Driver::new(ModelConfig::default());
    let leader = driver.leader();
    let offsets: Vec<i64> = (0..7).map(|n| driver.produce(leader, -1, numbered(0, n, "x")).base_offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 6]);
    let again = |driver: &mut Driver, sequence| {
        let answer = driver.produce(leader, -1, numbered(0, sequence, "x"));
        (answer.error_code, answer.base_offset)
    };
    assert_eq!(again(&mut driver, 6), (0, 6));
    assert_eq!(again(&mut driver, 2), (0, 2));
    assert_eq!(again(&mut driver, 1), (45, -1), "older than the last five");
    assert_eq!(again(&mut driver, 8), (45, -1), "a gap");
    assert_eq!(driver.produce(leader, -1, numbered(1, 0, "y")).base_offset, 7, "a new epoch begins at 0");
    assert_eq!(driver.produce(leader, -1, numbered(0, 7, "x")).error_code, 47);
    assert_eq!(driver.produce(leader, 1, one("plain")).base_offset, 8);
    driver.run(Duration::from_millis(10));
    assert_eq!(driver.stored().len(), 9);
}
