//! The sandbox through librdkafka: what real clients see of it, and what the log says about what they were told.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic, and says where")]

use std::time::Duration;

use leeward::sandbox::{Fault, ModelConfig, Sandbox, SandboxConfig, SandboxError};
use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const TOPIC: &str = "t";

async fn cluster() -> Sandbox {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic(TOPIC, 1, 3, 2).await.unwrap();
    sandbox
}

fn producer(sandbox: &Sandbox, settings: &[(&str, &str)]) -> FutureProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", sandbox.bootstrap()).set("linger.ms", "0").set("message.timeout.ms", "20000");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

async fn send(producer: &FutureProducer, value: &str) -> Result<i64, KafkaError> {
    let record: FutureRecord<'_, (), str> = FutureRecord::to(TOPIC).payload(value);
    producer.send(record, Duration::from_secs(20)).await.map(|delivery| delivery.offset).map_err(|(error, _)| error)
}

fn stored(sandbox: &Sandbox) -> Vec<String> {
    let records = sandbox.records(TOPIC, 0).unwrap();
    records.into_iter().filter_map(|(_, value)| value).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

fn leader(sandbox: &Sandbox) -> i32 {
    sandbox.state().partition(TOPIC, 0).unwrap().leader
}

#[tokio::test]
async fn every_acks_and_idempotence_reach_the_log_in_order() {
    let sandbox = cluster().await;
    let kinds: [&[(&str, &str)]; 4] = [&[("acks", "0")], &[("acks", "1")], &[("acks", "all")], &[("enable.idempotence", "true")]];
    for (kind, settings) in (0..).zip(kinds) {
        let producer = producer(&sandbox, settings);
        for n in 0..50 {
            send(&producer, &format!("{}", kind * 50 + n)).await.unwrap();
        }
        // Nobody tells a client with acks=0 that its records are there.
        sandbox.wait(|state| state.partition(TOPIC, 0).unwrap().high_watermark == (kind + 1) * 50).await.unwrap();
    }
    let expected: Vec<String> = (0..200).map(|n: i32| n.to_string()).collect();
    assert_eq!(stored(&sandbox), expected);
    sandbox.shutdown().await;
}

/// The next message. librdkafka also tells of each broker that it cannot reach, and tries the others.
async fn next(consumer: &StreamConsumer) -> rdkafka::message::BorrowedMessage<'_> {
    loop {
        match consumer.recv().await {
            Ok(message) => return message,
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_group_reads_everything_once_and_goes_on_where_it_was() {
    let sandbox = cluster().await;
    let producer = producer(&sandbox, &[("acks", "all")]);
    for n in 0..100 {
        send(&producer, &n.to_string()).await.unwrap();
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", sandbox.bootstrap()).set("group.id", "g").set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    let mut read = Vec::new();
    for part in 0..2 {
        let consumer: StreamConsumer = config.create().unwrap();
        consumer.subscribe(&[TOPIC]).unwrap();
        for _ in 0..50 {
            let message = tokio::time::timeout(Duration::from_secs(20), next(&consumer)).await.unwrap();
            read.push(message.offset());
            consumer.commit_message(&message, CommitMode::Sync).unwrap();
        }
        if part == 0 {
            // The second half is read with another coordinator.
            drop(consumer);
            let coordinator =
                sandbox.state().partitions.iter().find(|partition| partition.topic == "__consumer_offsets" && partition.log_end > 0).unwrap().leader;
            sandbox.stop(coordinator).await.unwrap();
        }
    }
    assert_eq!(read, (0..100).collect::<Vec<i64>>());
    sandbox.shutdown().await;
}

/// Sends until told to end; returns what was acknowledged.
fn keep_sending(producer: FutureProducer, end: tokio_util::sync::CancellationToken) -> tokio::task::JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        for n in 0.. {
            if end.is_cancelled() {
                break;
            }
            let value = n.to_string();
            if send(&producer, &value).await.is_ok() {
                acknowledged.push(value);
            }
        }
        acknowledged
    })
}

#[tokio::test]
async fn acks_all_loses_nothing_when_leaders_are_stopped_and_killed() {
    let sandbox = cluster().await;
    for idempotent in ["false", "true"] {
        let end = tokio_util::sync::CancellationToken::new();
        let before = sandbox.state().partition(TOPIC, 0).unwrap().log_end;
        let sending = keep_sending(producer(&sandbox, &[("acks", "all"), ("enable.idempotence", idempotent)]), end.clone());
        for graceful in [true, false] {
            let reached = sandbox.state().partition(TOPIC, 0).unwrap().high_watermark + 20;
            sandbox.wait(|state| state.partition(TOPIC, 0).unwrap().high_watermark >= reached).await.unwrap();
            let old = leader(&sandbox);
            if graceful {
                sandbox.stop(old).await.unwrap();
            } else {
                sandbox.kill(old).unwrap();
            }
            sandbox.wait(|state| state.partition(TOPIC, 0).is_some_and(|partition| partition.leader != old && partition.leader_ready)).await.unwrap();
            let reached = sandbox.state().partition(TOPIC, 0).unwrap().high_watermark + 20;
            sandbox.wait(|state| state.partition(TOPIC, 0).unwrap().high_watermark >= reached).await.unwrap();
            sandbox.start_broker(old).await.unwrap();
            sandbox.wait(|state| state.is_healthy()).await.unwrap();
        }
        end.cancel();
        let acknowledged = sending.await.unwrap();
        let stored: Vec<String> = stored(&sandbox).split_off(before as usize);
        assert!(acknowledged.len() >= 80);
        let lost: Vec<&String> = acknowledged.iter().filter(|value| !stored.contains(value)).collect();
        assert!(lost.is_empty(), "acknowledged and not stored: {lost:?}");
        if idempotent == "true" {
            assert_eq!(stored.len(), stored.iter().collect::<std::collections::BTreeSet<_>>().len(), "stored once each");
        }
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn acks_one_loses_what_a_killed_leader_had_alone() {
    let sandbox = cluster().await;
    let old = leader(&sandbox);
    let followers: Vec<i32> = (1..=3).filter(|&node| node != old).collect();
    let producer = producer(&sandbox, &[("acks", "1")]);
    send(&producer, "kept").await.unwrap();
    sandbox.wait(|state| state.partition(TOPIC, 0).unwrap().copies.iter().all(|copy| copy.log_end == 1)).await.unwrap();
    for &node in &followers {
        sandbox.set_replication_delay(node, Some(Duration::from_secs(3_600))).unwrap();
    }
    assert_eq!(send(&producer, "lost").await.unwrap(), 1, "acknowledged");
    sandbox.kill(old).unwrap();
    for &node in &followers {
        sandbox.set_replication_delay(node, None).unwrap();
    }
    sandbox.wait(|state| state.partition(TOPIC, 0).is_some_and(|partition| partition.leader != old && partition.leader_ready)).await.unwrap();
    send(&producer, "after").await.unwrap();
    sandbox.start_broker(old).await.unwrap();
    sandbox.wait(|state| state.is_healthy() && state.partition(TOPIC, 0).unwrap().high_watermark == 2).await.unwrap();
    assert_eq!(stored(&sandbox), ["kept", "after"]);
    sandbox.shutdown().await;
}

/// ApiVersions v0 with correlation id 7.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

async fn connect(sandbox: &Sandbox, node: i32) -> std::io::Result<tokio::net::TcpStream> {
    let (_, address) = sandbox.brokers().into_iter().find(|(id, _)| *id == node).unwrap();
    tokio::net::TcpStream::connect(address).await
}

/// Asks for ApiVersions and returns what came until the connection ended or the answer was whole.
async fn ask(sandbox: &Sandbox, node: i32) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let mut stream = connect(sandbox, node).await.unwrap();
    stream.write_all(&API_VERSIONS).await.unwrap();
    let mut all = Vec::new();
    loop {
        let mut some = [0; 4_096];
        match stream.read(&mut some).await {
            Ok(0) => return (all, None),
            Ok(n) => all.extend_from_slice(&some[..n]),
            Err(error) => return (all, Some(error.kind())),
        }
        if all.len() > 4 && all.len() == 4 + i32::from_be_bytes(all[..4].try_into().unwrap()) as usize {
            return (all, None);
        }
    }
}

#[tokio::test]
async fn connections_can_be_hurt() {
    let sandbox = Sandbox::start(SandboxConfig { brokers: 1, ..SandboxConfig::default() }).await.unwrap();
    let (good, error) = ask(&sandbox, 1).await;
    assert!(error.is_none() && good[4..8] == [0, 0, 0, 7]);
    sandbox.inject(1, Fault::ResetInResponse { api_key: Some(18), after: 9 });
    let (cut, error) = ask(&sandbox, 1).await;
    assert!(cut.len() <= 9 && error == Some(std::io::ErrorKind::ConnectionReset), "{} bytes, {error:?}", cut.len());
    for fault in [Fault::ResetOnRequest { api_key: None }, Fault::DropResponse { api_key: Some(18) }] {
        sandbox.inject(1, fault);
        assert_eq!(ask(&sandbox, 1).await, (vec![], Some(std::io::ErrorKind::ConnectionReset)));
    }
    sandbox.inject(1, Fault::WrongCorrelationId { api_key: None });
    let (wrong, _) = ask(&sandbox, 1).await;
    assert_eq!((wrong.len(), wrong[4..8] == [0, 0, 0, 7]), (good.len(), false));
    sandbox.inject(1, Fault::Delay(Duration::from_millis(200)));
    let began = std::time::Instant::now();
    assert_eq!(ask(&sandbox, 1).await.0, good);
    assert!(began.elapsed() >= Duration::from_millis(200));
    sandbox.clear_faults(1);
    sandbox.inject(1, Fault::AcceptAndHang);
    let hung = tokio::time::timeout(Duration::from_millis(300), ask(&sandbox, 1)).await;
    assert!(hung.is_err(), "accepted, never answered");
    sandbox.clear_faults(1);
    sandbox.inject(1, Fault::Refuse);
    // The listener ends in another thread, soon.
    let refused = async {
        while connect(&sandbox, 1).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    sandbox.clear_faults(1);
    assert_eq!(ask(&sandbox, 1).await.0, good);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_paused_broker_keeps_its_sockets_and_a_killed_one_refuses() {
    let sandbox = Sandbox::start(SandboxConfig {
        model: ModelConfig { session_timeout: Duration::from_millis(600), ..ModelConfig::default() },
        ..SandboxConfig::default()
    })
    .await
    .unwrap();
    sandbox.pause(2).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), ask(&sandbox, 2)).await.is_err());
    sandbox.wait(|state| state.broker(2).unwrap().fenced).await.unwrap();
    sandbox.resume(2).unwrap();
    assert!(!ask(&sandbox, 2).await.0.is_empty());
    sandbox.wait(|state| state.is_healthy()).await.unwrap();
    sandbox.kill(2).unwrap();
    let refused = async {
        while connect(&sandbox, 2).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert!(matches!(sandbox.kill(2), Err(SandboxError::Command(_))));
    let added = sandbox.add_broker().await.unwrap();
    assert_eq!((added, sandbox.brokers().len()), (4, 4));
    assert!(!ask(&sandbox, added).await.0.is_empty());
    sandbox.shutdown().await;
}
