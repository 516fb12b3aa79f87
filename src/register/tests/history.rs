//! The traffic's history: what looks bring, and what is on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use super::*;
use crate::clients::{Key, Row};
use crate::history::report::{self, Asked, Step};
use crate::history::{Amount, DAYS_KEPT, Kind, TopicAmounts};
use crate::protocol::produce::Topic;
use crate::session::{Departed, Departures, Software};
use crate::telemetry::NodeTotals;

const DAY: Millis = 86_400_000;
/// 2026-11-26T12:00:00Z.
const NOON: Millis = 1_795_694_400_000;

fn clients(rows: &[(&str, Option<&str>, u64)]) -> Table {
    let mut table = Table::default();
    for (client_id, version, bytes) in rows {
        let software = version.map(|version| Software { name: "lib".into(), version: version.into() });
        let row = Row { last: NOON, requests: 1, read_bytes: *bytes, written_bytes: 2 * bytes, ..Row::default() };
        table.insert(Key { client_id: (*client_id).into(), software }, &row);
    }
    table
}

fn nodes(node_id: Option<i32>, requests: u64) -> BTreeMap<Option<i32>, NodeTotals> {
    let kind = Departed { requests, frame_bytes: 10 * requests };
    BTreeMap::from([(node_id, NodeTotals { sessions: 1, sent: Departures { kinds: [kind; 3] }, received_bytes: 100 * requests })])
}

fn topics() -> TopicAmounts {
    let mut topics = TopicAmounts::default();
    let amount = |bytes| Amount { requests: 64, to_brokers: bytes, to_clients: 0 };
    topics.add(Topic::Name("orders"), amount(5));
    topics.add(Topic::Id([1; 16]), amount(7));
    topics.add(Topic::Id([2; 16]), amount(11));
    topics
}

/// The topic with this id is that one.
fn leaders() -> Leaders {
    Leaders { names: [([1; 16], Arc::from("orders"))].into(), ..Leaders::default() }
}

fn rows(keeper: &Keeper, kind: Kind, at: Millis) -> Vec<(String, Amount)> {
    let traffic = keeper.known(at);
    let asked = Asked { kind, name: None, from: at - DAY - 3_600_000, until: at, step: Step::Hour, top: 10 };
    report::report(&asked, |day| traffic.day(day)).rows.iter().map(|row| (row.name.to_string(), row.amount)).collect()
}

fn keeper(directory: &Path) -> Keeper {
    Keeper::open(Arc::new(Place::new(directory)), NOON)
}

fn write(keeper: &mut Keeper) -> Result<(), String> {
    let Some(unwritten) = keeper.unwritten() else { return Ok(()) };
    let result = unwritten.write();
    keeper.written(&unwritten, result.clone());
    result
}

#[test]
fn looks_bring_clients_topics_and_brokers_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut keeper = keeper(directory.path());
    let table = clients(&[("app", Some("1"), 5), ("app", Some("2"), 7), ("job", None, 20)]);
    keeper.note(&table, topics(), nodes(Some(3), 2), &leaders(), NOON);
    keeper.note(&Table::default(), TopicAmounts::default(), nodes(Some(3), 5), &leaders(), NOON);
    let amount = |requests, to_brokers, to_clients| Amount { requests, to_brokers, to_clients };
    let named = |rows: &[(&str, Amount)]| rows.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect::<Vec<_>>();
    assert_eq!(rows(&keeper, Kind::Client, NOON), named(&[("job", amount(1, 20, 40)), ("app", amount(2, 12, 24))]), "software does not matter here");
    assert_eq!(rows(&keeper, Kind::Topic, NOON), named(&[("orders", amount(128, 12, 0)), ("(unknown)", amount(64, 11, 0))]), "by name and by id");
    assert_eq!(rows(&keeper, Kind::Broker, NOON), named(&[("3", amount(15, 150, 500))]), "what the counters grew by");
    keeper.note(&Table::default(), TopicAmounts::default(), nodes(None, 1), &leaders(), NOON);
    assert_eq!(rows(&keeper, Kind::Broker, NOON).last(), named(&[("(unknown)", amount(3, 30, 100))]).last());
}

#[test]
fn the_history_outlives_a_restart_and_old_days_go() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    let mut first = keeper(&place);
    assert!(first.unwritten().is_none() && !place.exists(), "nothing is made before there is something to write");
    for day in 0..u64::from(DAYS_KEPT) + 5 {
        first.note(&clients(&[("app", None, 1000 + day)]), TopicAmounts::default(), BTreeMap::new(), &Leaders::default(), NOON + day * DAY);
        write(&mut first).unwrap();
        assert!(first.unwritten().is_none(), "all is written");
    }
    let last = NOON + (u64::from(DAYS_KEPT) + 4) * DAY;
    assert_eq!(fs::read_dir(place.join("history")).unwrap().count(), DAYS_KEPT as usize);
    assert!(place.join("history/2027-01-05.day").exists() && !place.join("history/2026-11-30.day").exists());
    let problem = Keeper::open(Arc::new(Place::new(&place)), last).known(last).problem.unwrap();
    assert!(problem.contains("another Leeward"), "{problem}");
    drop(first);
    let second = Keeper::open(Arc::new(Place::new(&place)), last);
    let traffic = second.known(last);
    assert_eq!((traffic.history.quarters().count(), traffic.history.recent().count(), &traffic.problem), (DAYS_KEPT as usize, 2, &None));
    assert_eq!(rows(&second, Kind::Client, last - 20 * DAY)[0].1.to_brokers, 2 * 1000 + 19 + 20, "of days that are on the disk alone");
    let asked = |at: Millis| Asked { kind: Kind::Client, name: None, from: at - 60_000, until: at, step: Step::Minute, top: 1 };
    let minutes = |at: Millis| report::report(&asked(at), |day| traffic.day(day)).total.amount.to_brokers;
    assert_eq!((minutes(last), minutes(last - DAY), minutes(last - 2 * DAY)), (1040, 1039, 0), "of two days");
    // It goes on where it was.
    let mut second = second;
    second.note(&clients(&[("app", None, 1)]), TopicAmounts::default(), BTreeMap::new(), &Leaders::default(), last);
    assert_eq!(rows(&second, Kind::Client, last)[0].1.to_brokers, (1000 + 40) + (1000 + 39) + 1);
}

#[test]
fn a_day_that_is_damaged_is_moved_aside_and_the_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = keeper(directory.path());
    for day in 0..4 {
        first.note(&clients(&[("app", None, 10)]), TopicAmounts::default(), BTreeMap::new(), &Leaders::default(), NOON + day * DAY);
    }
    write(&mut first).unwrap();
    drop(first);
    let path = |name: &str| directory.path().join("history").join(name);
    for name in ["2026-11-26.day", "2026-11-29.day"] {
        let mut bytes = fs::read(path(name)).unwrap();
        bytes[20] ^= 1;
        fs::write(path(name), bytes).unwrap();
    }
    fs::write(path("notes.txt"), "not ours").unwrap();
    let keeper = Keeper::open(Arc::new(Place::new(directory.path())), NOON + 3 * DAY);
    let problem = keeper.known(NOON).problem.unwrap();
    assert!(problem.contains("2026-11-26.day") && problem.contains("damaged"), "{problem}");
    assert!(
        path("2026-11-26.day.damaged").exists() && path("2026-11-29.day.damaged").exists() && !path("2026-11-29.day").exists() && path("notes.txt").exists()
    );
    assert_eq!(keeper.known(NOON).history.quarters().count(), 2);
}

#[test]
fn a_directory_that_cannot_be_written_leaves_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("state");
    fs::write(&place, "a file").unwrap();
    let mut keeper = keeper(&place);
    for day in 0..5 {
        keeper.note(&clients(&[("app", None, 10)]), TopicAmounts::default(), BTreeMap::new(), &Leaders::default(), NOON + day * DAY);
        assert!(write(&mut keeper).is_err());
    }
    let known = keeper.known(NOON + 4 * DAY);
    assert!(known.problem.is_some() && known.history.quarters().count() == 5 && known.history.recent().count() == 2);
    fs::remove_file(&place).unwrap();
    write(&mut keeper).unwrap();
    assert_eq!(keeper.known(NOON).problem, None);
    assert_eq!(fs::read_dir(place.join("history")).unwrap().count(), 2);
}
