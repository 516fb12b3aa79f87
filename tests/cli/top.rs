//! `leeward top` where there is no screen, in front of the sandbox.
#![expect(clippy::unwrap_used, reason = "a test may panic, and says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leeward::sandbox::{Sandbox, SandboxConfig};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;

use super::Running;

/// Sends until it is told that it is enough.
fn traffic(bootstrap: String, is_enough: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("client.id", "invoices").set("linger.ms", "0");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
        while !is_enough.load(Ordering::Relaxed) {
            producer.send(BaseRecord::<(), _>::to("orders").payload("a record")).unwrap();
            // A rate.
            std::thread::sleep(Duration::from_millis(5));
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_in_rows_by_broker_topic_client_and_api() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    sandbox.create_topic("orders", 3, 3, 2).await.unwrap();
    let running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let is_enough = Arc::new(AtomicBool::new(false));
    let writer = traffic(running.bootstrap(), Arc::clone(&is_enough));

    let ran = super::leeward(&["top", "-o", "json", "--count", "4", "--admin", &running.admin]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let pictures: Vec<Value> = serde_json::Deserializer::from_str(&ran.out).into_iter().map(Result::unwrap).collect();
    assert_eq!(pictures.len(), 4);
    let last = &pictures[3];
    let names = |kind: &str| last[kind]["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((names("topics"), names("clients")), (vec!["orders".to_owned()], vec!["invoices".to_owned()]), "{last:#}");
    assert!(names("apis").contains(&"Produce".to_owned()) && names("brokers").contains(&"1".to_owned()), "{last:#}");
    let orders = &last["topics"]["rows"][0];
    assert!(
        orders["requests"].as_f64() > Some(0.0) && orders["request_bytes"].as_f64() > Some(0.0) && orders["broker_p99_ms"].as_f64() > Some(0.0),
        "{orders}"
    );
    assert!(last["sessions"].as_u64() > Some(0) && last["one_of"].as_f64() < Some(1.5), "{last:#}");

    let ran = running.tell(&["top", "--by", "topic", "--sort", "bytes", "--count", "1", "--plain"]);
    assert!(ran.code == Some(0) && ran.out.contains("sessions, ") && ran.out.contains("TOPIC"), "{:?} {}{}", ran.code, ran.out, ran.err);
    is_enough.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    sandbox.shutdown().await;
}

#[test]
fn what_cannot_be_shown_is_said() {
    let ran = super::leeward(&["top", "--admin", "127.0.0.1:1"]);
    assert!(ran.code == Some(1) && ran.err.contains("no Leeward answers on 127.0.0.1:1"), "{:?} {}", ran.code, ran.err);
    let ran = super::leeward(&["top", "--count", "0"]);
    assert!(ran.code == Some(2) && ran.err.contains("--count"), "{}", ran.err);
}
