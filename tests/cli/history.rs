//! `leeward history` and `leeward quiet-hours`, in front of the sandbox.
#![expect(clippy::unwrap_used, reason = "a test may panic, and says where")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use leeward::history::codec;
use leeward::history::{Amount, History, Kind, News};
use leeward::sandbox::{Sandbox, SandboxConfig};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use super::{Running, leeward};

const RECORDS: u64 = 20;
/// A request with one is looked into for sure, so that the figures by topic are exact but for what surrounds it.
const RECORD_BYTES: u64 = 100_000;

/// Each record in a request of its own, and then all of them read.
fn carry(bootstrap: &str) {
    let config = |client_id: &str| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("broker.address.family", "v4").set("client.id", client_id);
        config
    };
    let producer: BaseProducer = config("till").set("linger.ms", "0").create().unwrap();
    for _ in 0..RECORDS {
        producer.send(BaseRecord::<[u8], [u8]>::to("orders").payload(&[7; RECORD_BYTES as usize])).unwrap();
        producer.flush(Duration::from_secs(20)).unwrap();
    }
    let consumer: BaseConsumer = config("books").set("group.id", "books").set("auto.offset.reset", "earliest").create().unwrap();
    consumer.subscribe(&["orders"]).unwrap();
    let (started, mut read) = (Instant::now(), 0);
    while read < RECORDS {
        assert!(started.elapsed() < Duration::from_secs(60), "{read} records were read");
        // Nothing comes while the group forms.
        if let Some(record) = consumer.poll(Duration::from_secs(1)) {
            record.unwrap();
            read += 1;
        }
    }
}

fn row<'a>(history: &'a Value, name: &str) -> &'a Value {
    history["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {history}"))
}

fn is_about(value: &Value, expected: u64) {
    let value = value.as_u64().unwrap();
    assert!(value >= expected && value < expected + expected / 10, "{value} for {expected}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_is_shown_by_topic_client_and_broker_and_outlives_a_restart() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    sandbox.create_topic("orders", 1, 3, 2).await.expect("a topic");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    assert!(running.tell(&["history"]).out.ends_with("nothing was carried in this time\n"), "{}", running.tell(&["history"]).out);
    let bootstrap = running.bootstrap();
    tokio::task::spawn_blocking(move || carry(&bootstrap)).await.unwrap();

    let holds = |running: &Running| {
        let topics = running.json(&["history"]);
        is_about(&row(&topics, "orders")["to_brokers_bytes"], RECORDS * RECORD_BYTES);
        is_about(&row(&topics, "orders")["to_clients_bytes"], RECORDS * RECORD_BYTES);
        assert_eq!((&topics["by"], &topics["estimated"], &topics["step_seconds"]), (&"topic".into(), &true.into(), &3600.into()));
        let clients = running.json(&["history", "--by", "client", "--last", "1h"]);
        is_about(&row(&clients, "till")["to_brokers_bytes"], RECORDS * RECORD_BYTES);
        is_about(&row(&clients, "books")["to_clients_bytes"], RECORDS * RECORD_BYTES);
        assert_eq!((&clients["estimated"], &clients["step_seconds"]), (&false.into(), &60.into()), "minutes up to three hours");
        let brokers = running.json(&["history", "--by", "broker", "--last", "7d"]);
        let sum: u64 = brokers["rows"].as_array().unwrap().iter().map(|row| row["to_brokers_bytes"].as_u64().unwrap()).sum();
        is_about(&sum.into(), RECORDS * RECORD_BYTES);
        let table = running.tell(&["history", "--by", "client", "--name", "till"]).out;
        assert!(table.contains("CLIENT  REQUESTS") && table.contains("till") && !table.contains("books") && table.contains('█'), "{table}");
        topics
    };
    let before = holds(&running);
    running.signal("TERM");
    running.process.wait().unwrap();
    (running.process, running.lines) = Running::spawn(&running.config);
    running.healthy("3 of 3 brokers reachable");
    let after = holds(&running);
    assert_eq!(row(&before, "orders")["to_brokers_bytes"], row(&after, "orders")["to_brokers_bytes"]);

    for (arguments, said) in [
        (&["history", "--last", "6w"][..], "hours are kept for 35d"),
        (&["history", "--last", "3 days"], "write 90m, 24h, 7d or 2w"),
        (&["history", "--last", "7d", "--step", "minute"], "minutes are kept for 24h"),
        (&["quiet-hours", "--time-zone", "Europe/Nowhere"], "there is no time zone"),
        (&["quiet-hours", "--for", "8d"], "at most a week"),
    ] {
        let ran = running.tell(arguments);
        assert!(ran.code == Some(2) && ran.err.contains(said), "{arguments:?}: {:?} {}", ran.code, ran.err);
    }
    // Seconds are no week.
    let quiet = running.tell(&["quiet-hours"]).out;
    assert!(quiet.contains("nothing can be said"), "{quiet}");
    let ran = running.tell(&["maintenance", "schedule", "add", "--reason", "patches", "--quiet", "--for", "3h", "--yes"]);
    assert!(ran.code == Some(3) && ran.err.contains("no telling yet when it is quiet"), "{}", ran.err);
}

/// Writes the files of four weeks until now: quiet from two to five on Sundays, in Berlin.
pub(super) fn write_weeks(state: &std::path::Path) {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let mut history = History::default();
    let quarter = Duration::from_secs(15 * 60);
    let mut write = |at: u64| {
        let local = Timestamp::from_millisecond(i64::try_from(at).unwrap()).unwrap().to_zoned(berlin.clone());
        let is_night = local.weekday() == civil::Weekday::Sunday && (2..5).contains(&local.hour());
        let amount = Amount { requests: 9, to_brokers: if is_night { 900 * 1024 * 40 } else { 900 * 1024 * 1000 }, to_clients: 0 };
        // It ends with the quarter hour.
        history.note(at + 15 * 60_000, quarter, &News { total: amount, rows: vec![(Kind::Client, "app".into(), amount)] });
    };
    let first = now / 900_000 * 900_000 - 28 * 86_400_000;
    (0..28 * 96).for_each(|at| write(first + at * 900_000));
    std::fs::create_dir_all(state.join("history")).unwrap();
    for day in history.recent() {
        let date = Timestamp::from_second(i64::from(day.number) * 86_400).unwrap().strftime("%Y-%m-%d").to_string();
        std::fs::write(state.join(format!("history/{date}.day")), codec::encode(day)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_are_named_and_a_schedule_goes_there() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let mut running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    running.signal("TERM");
    running.process.wait().unwrap();
    write_weeks(&running.state.path().join("leeward-state"));
    (running.process, running.lines) = Running::spawn(&running.config);
    running.healthy("3 of 3 brokers reachable");

    let quiet = running.tell(&["quiet-hours", "--time-zone", "Europe/Berlin", "--for", "2h"]).out;
    assert!(quiet.starts_with("4.0 weeks seen, in the time of Europe/Berlin"), "{quiet}");
    assert!(quiet.contains("Sunday 02:00–05:00  3h    4 %          40.0KiB/s   40.0KiB/s"), "{quiet}");
    assert!(quiet.contains("The quietest 2h: Sunday 02:00–04:00, 4 % of the weekly mean, 40.0KiB/s at most."), "{quiet}");

    let add = ["maintenance", "schedule", "add", "--reason", "patches", "--quiet", "--zone", "Europe/Berlin", "--for", "3h"];
    let planned = running.tell(&[&add[..], &["--dry-run"]].concat());
    assert!(planned.code == Some(0) && planned.err.contains("Sunday 02:00–05:00, 4 % of the weekly mean"), "{}{}", planned.out, planned.err);
    assert_eq!(running.json(&["maintenance", "schedule", "list"]).as_array().map(Vec::len), Some(0), "a dry run");
    let added = running.json(&[&add[..], &["--yes"]].concat());
    assert_eq!((&added["schedule"]["cron"], &added["schedule"]["zone"]), (&"0 2 * * SUN".into(), &"Europe/Berlin".into()), "{added}");
    let ran = running.tell(&["maintenance", "schedule", "add", "--reason", "x", "--quiet", "--cron", "0 2 * * *", "--for", "3h"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);

    let plan = ["roll", "plan", "--from", "2.1", "--to", "2.2"];
    let plain = leeward(&plan);
    assert!(plain.code == Some(0) && !plain.out.contains("least traffic"), "{}", plain.err);
    let timed = running.tell(&[&plan[..], &["--time-zone", "Europe/Berlin"]].concat()).out;
    assert!(timed.starts_with(plain.out.trim_end()) && timed.contains("Sunday 02:00–05:00"), "{timed}");
    let timed = running.json(&[&plan[..], &["--time-zone", "Europe/Berlin"]].concat());
    assert_eq!((&timed["quiet_hours"]["quietest"]["cron"], timed["stages"].as_array().map(Vec::len)), (&"0 2 * * SUN".into(), Some(4)));
    let alone = leeward(&[&plan[..], &["--admin", "127.0.0.1:1"]].concat());
    assert!(alone.code == Some(1) && alone.err.contains("no Leeward answers"), "{}", alone.err);
}
