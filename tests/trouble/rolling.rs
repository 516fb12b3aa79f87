//! Every broker restarts, one by one, under load, with a window open: nobody sees an error, nothing acknowledged is lost, nothing is there twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use leeward::admin::report::Report;
use leeward::sandbox::{Fault, Sandbox};
use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::leeward::{Leeward, say, until};

const TOPIC: &str = "rolled";
const PARTITIONS: i32 = 3;
const EVERY: Duration = Duration::from_millis(4);

/// A kind of producer: its name, and what it sets.
type Kind = (&'static str, &'static [(&'static str, &'static str)]);

const KINDS: [Kind; 4] =
    [("acks-0", &[("acks", "0")]), ("acks-1", &[("acks", "1")]), ("acks-all", &[("acks", "all")]), ("idempotent", &[("enable.idempotence", "true")])];

/// What became of a producer's records.
struct Told {
    name: &'static str,
    sent: usize,
    acknowledged: Vec<String>,
    errors: Vec<String>,
}

/// Sends a record now and then until `end`, each once: what fails is not tried again by the client.
async fn produce((name, settings): Kind, bootstrap: String, end: Arc<AtomicBool>) -> Told {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("client.id", name).set("linger.ms", "0").set("request.timeout.ms", "20000");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    if name != "idempotent" {
        config.set("retries", "0");
    }
    let producer: FutureProducer = config.create().unwrap();
    let mut pending = Vec::new();
    let mut ticks = tokio::time::interval(EVERY);
    while !end.load(Ordering::Relaxed) {
        ticks.tick().await;
        let n = pending.len();
        let partition = i32::try_from(n).unwrap() % PARTITIONS;
        let value = format!("{name}/{partition}/{n:08}");
        let record: FutureRecord<'_, (), String> = FutureRecord::to(TOPIC).partition(partition).payload(&value);
        let delivery = producer.send_result(record).map_err(|(error, _)| error).unwrap();
        pending.push((value, delivery));
    }
    let (mut acknowledged, mut errors) = (Vec::new(), Vec::new());
    let sent = pending.len();
    for (value, delivery) in pending {
        match delivery.await.unwrap() {
            Ok(_) => acknowledged.push(value),
            Err((error, _)) => errors.push(format!("{value}: {error}")),
        }
    }
    Told { name, sent, acknowledged, errors }
}

/// Reads with a group until every value of `expected` was read, or for ever.
async fn consume(bootstrap: String, end: Arc<AtomicBool>) -> (HashMap<String, usize>, Vec<String>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "readers").set("auto.offset.reset", "earliest").set("client.id", "reader");
    let consumer: StreamConsumer = config.create().unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    let (mut values, mut errors) = (HashMap::new(), Vec::new());
    loop {
        match tokio::time::timeout(Duration::from_secs(2), consumer.recv()).await {
            Ok(Ok(message)) => *values.entry(String::from_utf8(message.payload().unwrap().to_vec()).unwrap()).or_insert(0) += 1,
            Ok(Err(error)) => errors.push(error.to_string()),
            Err(_) if end.load(Ordering::Relaxed) => return (values, errors),
            Err(_) => {}
        }
    }
}

/// Everything that is in the brokers, for each partition in the order of the log.
fn stored(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let text = |(_, value): (_, Option<bytes::Bytes>)| String::from_utf8(value.unwrap().to_vec()).unwrap();
    (0..PARTITIONS).map(|partition| sandbox.records(TOPIC, partition).unwrap().into_iter().map(text).collect()).collect()
}

async fn in_sync(sandbox: &Sandbox) {
    sandbox.wait(|state| state.partitions.iter().all(|partition| partition.isr.len() == 3)).await.unwrap();
}

/// Opens a window, has everybody produce and read while `trouble` happens, and compares what clients were told with what is stored.
fn under_load(leeward: &Leeward, sandbox: &Sandbox, runtime: &tokio::runtime::Runtime, trouble: impl FnOnce()) {
    leeward.open_window();
    let (end, read_end) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let producers: Vec<_> = KINDS.iter().map(|kind| runtime.spawn(produce(*kind, leeward.bootstrap.to_string(), Arc::clone(&end)))).collect();
    let reader = runtime.spawn(consume(leeward.bootstrap.to_string(), Arc::clone(&read_end)));
    until("records of every producer", || {
        let all: Vec<String> = stored(sandbox).concat();
        KINDS.iter().all(|(name, _)| all.iter().any(|value| value.starts_with(name)))
    });
    trouble();
    end.store(true, Ordering::Relaxed);
    let told: Vec<Told> = producers.into_iter().map(|producer| runtime.block_on(producer).unwrap()).collect();
    // Nobody tells a client with acks=0 when its last records are there.
    let sent: usize = told.iter().map(|told| told.sent).sum();
    until("the last records", || stored(sandbox).concat().len() >= sent);
    let stored = stored(sandbox);
    let mut problems = Vec::new();
    let mut count = HashMap::<&str, usize>::new();
    for value in stored.iter().flatten() {
        *count.entry(value).or_default() += 1;
    }
    for Told { name, sent, acknowledged, errors } in &told {
        let lost: Vec<&String> = acknowledged.iter().filter(|value| !count.contains_key(value.as_str())).collect();
        let twice: Vec<_> = count.iter().filter(|(value, times)| value.starts_with(name) && **times > 1).collect();
        let disorder: usize = stored
            .iter()
            .map(|partition| {
                let own: Vec<&String> = partition.iter().filter(|value| value.starts_with(name)).collect();
                own.windows(2).filter(|pair| pair[0] > pair[1]).count()
            })
            .sum();
        say(&format!("{name}: {sent} sent, {} errors, {} lost, {} twice, {disorder} out of order", errors.len(), lost.len(), twice.len()));
        if !errors.is_empty() || !lost.is_empty() || !twice.is_empty() || disorder > 0 {
            problems.push(format!("{name}: {:?}, lost {:?}, twice {:?}", errors.first(), lost.first(), twice.first()));
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    read_end.store(true, Ordering::Relaxed);
    let (read, errors) = runtime.block_on(reader).unwrap();
    let missed = count.keys().filter(|value| !read.contains_key(**value)).count();
    say(&format!("reader: {} read, {missed} missed, {errors:?}", read.len()));
    if missed > 0 || !errors.is_empty() {
        problems.push(format!("the reader missed {missed}, and saw {errors:?}"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(leeward.metric("leeward_acks_raised_total") > 0.0);
}

fn roll(leeward: &Leeward, sandbox: &Sandbox, runtime: &tokio::runtime::Runtime, kill: bool) {
    under_load(leeward, sandbox, runtime, || {
        for (node, _) in sandbox.brokers() {
            if kill {
                sandbox.kill(node).unwrap();
            } else {
                runtime.block_on(sandbox.stop(node)).unwrap();
            }
            std::thread::sleep(Duration::from_millis(700)); // How long it is away.
            runtime.block_on(async {
                sandbox.start_broker(node).await.unwrap();
                in_sync(sandbox).await;
            });
        }
    });
    assert_eq!(leeward.metric("leeward_windows_open"), 1.0);
    let report = ureq::get(format!("http://{}/v1/report", leeward.admin)).call().unwrap().body_mut().read_to_string().unwrap();
    let report: Report = serde_json::from_str(&report).unwrap();
    assert_eq!((report.episode.kind.as_str(), report.episode.reason.as_str()), ("window", "trouble"));
    assert!(report.brokers.iter().filter(|broker| broker.node_id.is_some()).all(|broker| broker.restarts.len() == 1), "{report:?}");
}

#[test]
fn every_broker_is_stopped_in_turn_and_nobody_notices() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic(TOPIC, PARTITIONS, 3, 2)).unwrap();
    roll(&leeward, &sandbox, &runtime, false);
}

#[test]
fn every_broker_is_killed_in_turn_and_nobody_notices() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic(TOPIC, PARTITIONS, 3, 2)).unwrap();
    roll(&leeward, &sandbox, &runtime, true);
}

/// Connections break in the middle of requests and of responses, before a request is looked at and after it was done.
#[test]
fn connections_break_at_every_byte_and_nobody_notices() {
    const ROUNDS: usize = 120;
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic(TOPIC, PARTITIONS, 3, 2)).unwrap();
    // Produce three times: most of the traffic. Then Fetch, Metadata, OffsetCommit, FindCoordinator, Heartbeat.
    let keys = [0, 0, 0, 1, 3, 8, 10, 12];
    under_load(&leeward, &sandbox, &runtime, || {
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..ROUNDS {
            let api_key = Some(keys[rng.usize(..keys.len())]);
            let fault = match round % 3 {
                0 => Fault::ResetInResponse { api_key, after: rng.usize(..90) },
                1 => Fault::ResetOnRequest { api_key },
                _ => Fault::DropResponse { api_key },
            };
            sandbox.inject(rng.i32(1..=3), fault);
            std::thread::sleep(Duration::from_millis(50)); // A pace: what was injected meets whoever comes.
        }
        (1..=3).for_each(|node| sandbox.clear_faults(node));
    });
    assert!(leeward.metric("leeward_home_lost_total") > 0.0);
}
