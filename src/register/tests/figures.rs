//! What weeks of 10,000 client ids and 10,000 topics take: `cargo test --lib --config profile.test.package.leeward.opt-level=2 -- --ignored --nocapture figures_of_ten_thousand`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::clients::{Contact, Key};
use crate::history::codec;
use crate::history::quiet::Week;
use crate::history::report::{self, Asked, Source, Step};
use crate::history::{Amount, DAYS_KEPT, Kind, TopicAmounts, day_of};
use crate::protocol::produce::Topic;
use crate::session::{About, Software, Tally, Traits, Used};
use crate::telemetry::ProcessFigures;

const MANY: usize = 10_000;
const HOUR: Millis = 3_600_000;
const START: Millis = 1_795_694_400_000 / 86_400_000 * 86_400_000;

/// A MiB more than what is said fails: what is bounded stays so.
const MEMORY_MAX: u64 = 160 << 20;

fn resident() -> u64 {
    ProcessFigures::read().resident_bytes.expect("the system tells")
}

/// Clients as they are: software, API versions, a group.
fn clients() -> Table {
    let mut table = Table::default();
    for number in 0..MANY {
        let uses = (0..14).map(|api_key| Used { api_key, versions: 1 << 7, chosen: 0 }).collect();
        let software = Some(Software { name: "apache-kafka-java".into(), version: "3.9.1".into() });
        let traits = Traits { software, uses, groups: vec![format!("group-of-service-{}", number % 500).into()], acks: 4, ..Traits::default() };
        let about = About { client_id: format!("service-{number}-consumer-1").into(), traits: Arc::new(traits), ..About::default() };
        let tally = Tally { requests: 100, produce_requests: 50, produce_bytes: 50_000, ..Tally::default() };
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        table.note(&Contact { about: &about, address, tally, before: Tally::default(), read_bytes: 123_456, written_bytes: 654_321, is_new: true }, START);
    }
    table
}

fn topics() -> TopicAmounts {
    let mut topics = TopicAmounts::default();
    for number in 0..MANY {
        let amount = Amount { requests: 640, to_brokers: 1_234_567 + number as u64, to_clients: 2_345_678 };
        topics.add(Topic::Name(&format!("team-{}.domain.event-{number}", number % 100)), amount);
    }
    topics
}

/// Some of them, for the minutes between.
fn some(clients: &Table, at: usize) -> Table {
    let mut some = Table::default();
    clients.rows().into_iter().skip(at * 131 % MANY).take(200).for_each(|(key, row)| some.insert(Key { software: None, ..key }, row));
    some
}

#[test]
#[ignore = "some minutes; prints the figures of the README"]
fn figures_of_ten_thousand() {
    let directory = tempfile::tempdir().unwrap();
    let empty = resident();
    let table = clients();
    println!("client table: {} KiB", (resident() - empty) / 1024);
    let before = resident();
    let mut keeper = Keeper::open(Arc::new(Place::new(directory.path())), START);
    let (mut slowest, mut peak) = (Duration::ZERO, 0);
    let hours = u64::from(DAYS_KEPT) * 24;
    for hour in 0..hours {
        let at = START + hour * HOUR + 60_000;
        let noting = Instant::now();
        keeper.note(&table, topics(), BTreeMap::new(), &Leaders::default(), at);
        slowest = slowest.max(noting.elapsed());
        for minute in (1..60).filter(|_| hour + 48 >= hours) {
            keeper.note(&some(&table, minute), TopicAmounts::default(), BTreeMap::new(), &Leaders::default(), at + minute as u64 * 60_000);
        }
        if hour % 6 == 5 {
            let unwritten = keeper.unwritten().unwrap();
            let result = unwritten.write();
            keeper.written(&unwritten, result);
            peak = peak.max(resident().saturating_sub(before));
        }
    }
    let sizes: Vec<u64> = fs::read_dir(directory.path().join("history")).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    println!("history: {} MiB in the memory, {} MiB at most while it is written; slowest look {slowest:?}", (resident() - before) >> 20, peak >> 20);
    println!("on the disk: {} days, {} MiB, the largest {} KiB", sizes.len(), sizes.iter().sum::<u64>() >> 20, sizes.iter().max().unwrap() / 1024);
    let traffic = keeper.known(START + hours * HOUR);
    let asking = Instant::now();
    let week = Week::of(traffic.history.quarters(), day_of(traffic.at), &jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
    println!("quiet hours: {:?}, {:.1} weeks", asking.elapsed(), week.weeks);
    for (kind, days, top) in [(Kind::Topic, 1, 10), (Kind::Topic, 35, 10), (Kind::Client, 35, 10), (Kind::Client, 35, 1000), (Kind::Broker, 35, 10)] {
        let (asking, before) = (Instant::now(), resident());
        let asked = Asked { kind, name: None, from: traffic.at - days * 24 * HOUR, until: traffic.at, step: Step::Hour, top };
        let report = report::report(&asked, |day| traffic.day(day));
        let grown = resident().saturating_sub(before) >> 20;
        println!("{kind:?}, {top} rows of {days} days: {:?}, {} rows, {grown} MiB more", asking.elapsed(), report.rows.len() + report.more);
        assert_eq!(report.rows.len() + report.more, if kind == Kind::Broker { 0 } else { MANY });
    }
    let making = Instant::now();
    let made =
        (0..DAYS_KEPT).filter(|back| matches!(traffic.day(day_of(traffic.at) - back), Some(Source::File(bytes)) if codec::decode(&bytes).is_ok())).count();
    println!("for comparison, {made} files made into days once: {:?}", making.elapsed());
    drop((keeper, traffic));
    let started = Instant::now();
    let again = Keeper::open(Arc::new(Place::new(directory.path())), START + (hours - 1) * HOUR);
    println!("read after a restart: {:?}, {} days", started.elapsed(), again.known(0).history.quarters().count());
    assert!(peak < MEMORY_MAX, "{peak}");
}
