//! What `leeward rehearse` says beside what then really happens: a broker goes under load, by SIGTERM and by SIGKILL. Both are in the output.
//!
//! Partitions must be as they were said, each with its new leader. Held requests are said as the most that there can be: a producer fills its five places in
//! an election that takes seconds, so what is measured must be within a factor of four of it after a crash; where leaders are handed over within a moment
//! most places stay empty, so there it is a bound from above. Twice as much is allowed, since a place that is free again can be filled again while the
//! next partition moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsRequest, ElectLeadersRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use serde_json::Value;

use super::prepare;
use crate::cluster::{Assignment, Cluster};
use crate::front::Front;
use crate::guard::Blow;
use crate::release::KAFKA_4_3_1;
use crate::selection::{Selection, admit_alone};
use crate::steps::{Steps, say, until};

const NAME: &str = "rehearsal-4.3.1";
const TOPIC: &str = "rehearsed";
const PARTITIONS: i32 = 12;

/// The broker that goes.
const N: i32 = 5;

const PRODUCERS: usize = 6;
/// Of each, in a second.
const RATE: u32 = 60;

/// Rates are over 10 s.
const WARM_UP: Duration = Duration::from_secs(12);
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn rehearsal_4_3_1() {
    let Some(_admission) = admit_alone(NAME, Selection::All) else { return };
    prepare(&[&KAFKA_4_3_1], &[], false);
    let mut steps = Steps::new(NAME);
    let mut cluster = steps.must("three brokers", || Cluster::start(NAME, &KAFKA_4_3_1));
    let mut front = steps.must("Leeward is ready, and a window is open", || {
        let state = format!("state.directory={}", cluster.scrap().join("state").display());
        let front = Front::start_with(&cluster, &cluster.node_ids(), "leeward.log", &[&state]);
        until("a window is open", LIMIT, || front.attempt_command(&["maintenance", "on", "--reason", "rehearsal", "--for", "1h", "--yes"]).transpose());
        front
    });
    if !front.is_leeward() {
        return say(NAME, "skipped: without Leeward there is nobody to ask");
    }
    create(&cluster);
    let load = Load::start(front.bootstrap());
    steps.run("a graceful stop is as it was said", || rehearsed(&mut cluster, &front, &load, Blow::Term));
    steps.run("a crash is as it was said", || rehearsed(&mut cluster, &front, &load, Blow::Kill));
    steps.run("a broker that is drained is sent nothing more, by measure", || drained(&front));
    steps.run("no producer has seen an error", || assert_eq!(load.end(), 0));
    steps.run("Leeward ends gracefully", || front.assert_graceful_end());
    steps.finish();
}

fn rehearsed(cluster: &mut Cluster, front: &Front, load: &Load, blow: Blow) {
    prefer(cluster);
    sleep(WARM_UP);
    for line in front.command(&["rehearse", "broker", &N.to_string()]).unwrap().lines() {
        assert!(line.chars().count() <= 100, "{line}");
        say(NAME, &format!("    {line}"));
    }
    let said: Value = serde_json::from_str(&front.command(&["rehearse", "broker", &N.to_string(), "-o", "json"]).unwrap()).unwrap();
    let act = &said[if blow == Blow::Term { "graceful" } else { "crash" }];
    let (before, held_before, errors_before) = (cluster.assignment().unwrap(), held(front), load.errors());

    let begun = Instant::now();
    match blow {
        Blow::Term => drop(cluster.stop(N)),
        Blow::Kill => cluster.kill(N),
    }
    let after = until("nothing is led by it", LIMIT, || {
        let now = cluster.assignment()?;
        if now.values().all(|(_, leader)| *leader != N && *leader >= 0) { Ok(now) } else { Err(format!("{now:?}")) }
    });
    let election = begun.elapsed();
    // What was held is sent, or its hold is over.
    until("nothing is held", LIMIT, || if held(front).1 == 0 { Ok(()) } else { Err("something is".to_owned()) });
    let (begun_holds, longest) = (held(front).0 - held_before.0, held(front).2);
    cluster.launch(N);
    cluster.await_up(N);
    cluster.await_in_sync();

    let (moved, predicted) = (moved(&before, &after), predicted(act));
    let most = act["held"]["produce"].as_u64().unwrap();
    let expected = act["expected"]["seconds"].as_f64().unwrap();
    let errors = load.errors() - errors_before;
    for (what, predicted, measured) in [
        ("partitions moved", predicted.len().to_string(), moved.len().to_string()),
        ("Produce held, at most", most.to_string(), begun_holds.to_string()),
        ("longest hold until now, s", format!("{expected:.1}"), format!("{longest:.1}")),
        ("until the last leader was gone, s", format!("{expected:.1}"), format!("{:.1}", election.as_secs_f64())),
        ("a client sees errors", act["errors"].to_string(), errors.to_string()),
    ] {
        say(NAME, &format!("    {blow:?}: {what}: said {predicted}, measured {measured}"));
    }
    assert!(!moved.is_empty(), "it led nothing, so nothing was tested: {before:?}");
    assert_eq!(moved, predicted, "what moved, and to whom");
    assert_eq!((&act["errors"], errors), (&Value::Bool(false), 0));
    assert_eq!(act["offline"].as_array().map(Vec::len), Some(0));
    assert!(begun_holds <= 2 * most, "{begun_holds} held, at most {most} were said");
    if blow == Blow::Kill {
        assert!(4 * begun_holds >= most, "{begun_holds} held, {most} were said");
        assert!((0.5..=1.5).contains(&(longest / expected)), "the longest was held for {longest} s, {expected} s were said");
    } else {
        assert!(longest < 5.0, "the longest was held for {longest} s");
    }
}

/// A drain whose end is shown by what is sent, not by who leads.
fn drained(front: &Front) {
    front.command(&["broker", "drain", &N.to_string(), "--reason", "test", "--yes", "--wait", "--timeout", "2m"]).unwrap();
    let sent = || front.metric(&format!("leeward_requests_sent_total{{node_id=\"{N}\",kind=\"produce\"}}"));
    let idle = until("no Produce for 5 s", LIMIT, || {
        let status: Value = serde_json::from_str(&front.command(&["status", "-o", "json"]).unwrap()).unwrap();
        let broker = status["cluster"]["brokers"].as_array().unwrap().iter().find(|broker| broker["node_id"] == N).unwrap().clone();
        match broker["traffic"]["produce_or_fetch_seconds_ago"].as_u64() {
            Some(ago) if ago >= 5 => Ok((ago, sent())),
            ago => Err(format!("{ago:?} s ago")),
        }
    });
    say(NAME, &format!("    drained: the last Produce or Fetch was sent {} s ago; {:?} Produce requests since the start", idle.0, idle.1));
    let told = front.command(&["broker", "drain", &N.to_string(), "--reason", "test", "--yes", "--wait"]).unwrap();
    assert!(told.contains("the last Produce or Fetch of Leeward's") && told.contains("s ago"), "{told}");
    sleep(Duration::from_secs(3));
    assert!(idle.1.is_some_and(|sent| sent > 0), "it was sent something before: {idle:?}");
    assert_eq!(sent(), idle.1, "while producers work, nothing more");
    front.command(&["broker", "undrain", &N.to_string(), "--yes", "--wait", "--timeout", "2m"]).unwrap();
}

fn create(cluster: &Cluster) {
    let config = CreatableTopicConfig::default().with_name(StrBytes::from_static_str("min.insync.replicas")).with_value(Some(StrBytes::from_static_str("2")));
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(3)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    cluster.ask_controller(&request, 4, |answer| answer.topics.first().map_or(-1, |topic| topic.error_code));
    cluster.await_topic(TOPIC);
    cluster.await_in_sync();
}

/// Every leader is the preferred one: so a restart begins as the first did.
fn prefer(cluster: &Cluster) {
    let all = ElectLeadersRequest::default().with_topic_partitions(None).with_timeout_ms(30_000);
    cluster.ask_controller(&all, 1, |answer| answer.error_code);
    until("every leader is the preferred one", LIMIT, || {
        let now = cluster.assignment()?;
        if now.values().all(|(replicas, leader)| replicas.first() == Some(leader)) { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

/// Partitions with another leader than before, and that leader.
fn moved(before: &Assignment, after: &Assignment) -> BTreeMap<(String, i32), i32> {
    let led = |of: &Assignment, name: &(String, i32)| of.get(name).map(|(_, leader)| *leader);
    let changed = after.iter().filter(|(name, (_, leader))| led(before, name) != Some(*leader));
    changed.map(|(name, (_, leader))| (name.clone(), *leader)).collect()
}

fn predicted(act: &Value) -> BTreeMap<(String, i32), i32> {
    let number = |value: &Value| i32::try_from(value.as_i64().unwrap()).unwrap();
    let one = |moved: &Value| ((moved["topic"].as_str().unwrap().to_owned(), number(&moved["partition"])), number(&moved["to"]));
    act["moves"].as_array().unwrap().iter().map(one).collect()
}

/// Of all Produce requests of the episode: holds that began, that go on, and the longest in seconds.
fn held(front: &Front) -> (u64, u64, f64) {
    let report: Value = serde_json::from_str(&front.command(&["report", "-o", "json"]).unwrap()).unwrap();
    let rows = report["clients"].as_array().unwrap().iter().filter(|row| row["api"] == "Produce").map(|row| &row["holds"]);
    rows.fold((0, 0, 0.0), |(begun, goes_on, longest), holds| {
        let count = |name: &str| holds[name].as_u64().unwrap();
        (begun + count("begun"), goes_on + count("held"), f64::max(longest, holds["longest_seconds"].as_f64().unwrap()))
    })
}

/// Producers that send whether or not they are answered.
struct Load {
    threads: Vec<JoinHandle<()>>,
    failed: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

/// Counts deliveries that failed: none is tried again by the client itself.
struct Failures(Arc<AtomicU64>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            say(NAME, &format!("a delivery failed: {error}"));
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Load {
    fn start(bootstrap: &str) -> Self {
        let (failed, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let threads = (0..PRODUCERS).map(|number| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4").set("client.id", format!("rehearsal-{number}"));
            config.set("acks", "1").set("message.send.max.retries", "0").set("linger.ms", "5");
            let (failures, over) = (Failures(Arc::clone(&failed)), Arc::clone(&over));
            spawn(move || produce(&config, failures, &over))
        });
        Self { threads: threads.collect(), failed: Arc::clone(&failed), over: Arc::clone(&over) }
    }

    fn errors(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// What failed in the whole time.
    fn end(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.failed.load(Ordering::Relaxed)
    }
}

fn produce(config: &ClientConfig, failures: Failures, over: &AtomicBool) {
    let producer: BaseProducer<Failures> = config.create_with_context(failures).unwrap();
    let (interval, mut due, mut number) = (Duration::from_secs(1) / RATE, Instant::now(), 0);
    while !over.load(Ordering::Relaxed) {
        let record = BaseRecord::<[u8], [u8]>::to(TOPIC).partition(number % PARTITIONS).payload(&[7; 500]);
        producer.send(record).unwrap_or_else(|(error, _)| panic!("{error}"));
        number += 1;
        due = (due + interval).max(Instant::now());
        producer.poll(due.saturating_duration_since(Instant::now()));
    }
    producer.flush(LIMIT).unwrap();
}
