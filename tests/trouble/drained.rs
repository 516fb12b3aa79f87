//! Clients are led around a broker that is drained.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::Value;

use crate::leeward::{Leeward, until};
use crate::wire::Wire;

const DRAINED: u16 = 2;

fn tell(leeward: &Leeward, verb: &str) {
    let place = format!("http://{}/v1/brokers/{DRAINED}/{verb}", leeward.admin);
    assert_eq!(ureq::post(place).content_type("application/json").send(r#"{"reason": "trouble"}"#).unwrap().status(), 200);
}

fn phase(leeward: &Leeward) -> String {
    let text = ureq::get(format!("http://{}/v1/brokers/{DRAINED}/drain", leeward.admin)).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["phase"].as_str().unwrap().to_owned()
}

/// Requests of clients that were sent to it.
fn asked(leeward: &Leeward) -> f64 {
    let row = |kind: &str| leeward.metric(&format!("leeward_requests_sent_total node_id=\"{DRAINED}\",kind=\"{kind}\""));
    row("produce") + row("fetch") + row("other")
}

/// The node ids that a Metadata answer names.
fn named(wire: &mut Wire) -> Vec<i32> {
    wire.metadata().unwrap().brokers.iter().map(|broker| broker.node_id.0).collect()
}

#[test]
fn what_comes_for_it_is_answered_by_others_until_it_is_undrained_and_it_stays_in_the_list() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic("t", 6, 3, 2)).unwrap();
    let mut there = Wire::connect(leeward.broker(DRAINED));
    assert_eq!(named(&mut there).len(), 3);
    assert!(asked(&leeward) >= 1.0, "it was asked");
    tell(&leeward, "drain");
    until("it is drained", || phase(&leeward) == "drained");
    // Its own connections leave with the next thing that they do.
    until("it is asked nothing any more", || {
        let before = asked(&leeward);
        named(&mut there).len() == 3 && asked(&leeward) == before
    });
    let before = asked(&leeward);
    for _ in 0..20 {
        assert_eq!(named(&mut Wire::connect(leeward.bootstrap)).len(), 3);
    }
    for wire in [&mut there, &mut Wire::connect(leeward.broker(DRAINED))] {
        assert_eq!(named(wire).len(), 3);
    }
    assert_eq!(asked(&leeward), before, "it is asked nothing any more");

    tell(&leeward, "undrain");
    until("it serves", || phase(&leeward) == "serving");
    until("it is asked again", || {
        there.metadata();
        asked(&leeward) > before
    });
}

/// librdkafka since 2.10 takes a broker that is missing in the list for gone: it closes its connection, and sends what was in flight there again.
#[test]
fn a_client_that_reads_metadata_all_the_time_sends_nothing_twice() {
    const PARTITIONS: i32 = 6;
    const DRAINS: usize = 4;
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic("t", PARTITIONS, 3, 2)).unwrap();
    // Without one acks=1 loses what a leader that moves has not passed on.
    leeward.open_window();
    let is_enough = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|who| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", leeward.bootstrap.to_string()).set("acks", "1").set("retries", "0").set("linger.ms", "0");
            config.set("topic.metadata.refresh.interval.ms", "20");
            let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
            let is_enough = Arc::clone(&is_enough);
            std::thread::spawn(move || {
                let numbers = (0..).take_while(|_| !is_enough.load(Ordering::Relaxed));
                let sent = numbers.inspect(|number| {
                    let record = format!("{who}-{number}");
                    producer.send(BaseRecord::<(), _>::to("t").partition(number % PARTITIONS).payload(&record)).unwrap();
                    // A rate, so that a little is in flight at any time.
                    std::thread::sleep(Duration::from_millis(2));
                });
                let sent = sent.count();
                producer.flush(crate::leeward::PATIENCE).unwrap();
                sent
            })
        })
        .collect();
    for _ in 0..DRAINS {
        tell(&leeward, "drain");
        until("it is drained", || phase(&leeward) == "drained");
        tell(&leeward, "undrain");
        until("it serves", || phase(&leeward) == "serving");
    }
    is_enough.store(true, Ordering::Relaxed);
    let sent: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    let stored: Vec<_> = (0..PARTITIONS).flat_map(|partition| sandbox.records("t", partition).unwrap()).map(|(_, value)| value.unwrap()).collect();
    assert_eq!((stored.len(), stored.iter().collect::<BTreeSet<_>>().len()), (sent, sent));
}
