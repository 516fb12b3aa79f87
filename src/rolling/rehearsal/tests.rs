use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::config::HostPort;
use crate::protocol::versions::Offer;
use crate::releases::{Mode, Release, apis};
use crate::rolling::census::Broker;

/// The broker that is restarted.
const N: i32 = 1;

fn broker(node_id: i32, offer: Option<(Release, Mode)>) -> Broker {
    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
    let offer = offer.map(|(release, mode)| {
        let ranges = apis::keys().filter_map(|key| apis::listed(release, mode, key)).collect();
        Arc::new(Offer { ranges, supported_features: Vec::new(), finalized_epoch: -1, finalized_features: Vec::new(), zk_migration_ready: false })
    });
    Broker { node_id, address, rack: None, is_listed: true, is_reachable: true, offer }
}

fn partition(index: i32, leader: Option<i32>, replicas: &[i32], isr: &[i32], min: u32) -> Partition {
    Partition { topic: Arc::from("t"), index, leader, replicas: replicas.to_vec(), isr: isr.to_vec(), min_insync_replicas: Some(min) }
}

/// Brokers 1, 2 and 3 of a release.
fn census(partitions: Vec<Partition>, of: Option<(Release, Mode)>) -> Census {
    let brokers: BTreeMap<i32, Broker> = [1, 2, 3].into_iter().map(|node_id| (node_id, broker(node_id, of))).collect();
    Census { brokers, partitions, reassignments: Some(Vec::new()), ..Census::default() }
}

fn settings() -> Settings {
    Settings { absorbs: true, window_open: true, hold_max: Duration::from_secs(15), held_bytes_max: 256 << 20 }
}

/// 200 Produce requests a second of 1000 bytes by ten sessions.
fn traffic() -> Traffic {
    Traffic { sessions: 10, produce: 200.0, fetch: 4.0, other: 0.5, produce_bytes: 200_000.0, other_bytes: 450.0 }
}

fn rehearsed(census: &Census, traffic: &Traffic, clients: &[Client], settings: Settings) -> Rehearsal {
    rehearse(census, N, traffic, clients, settings, &BTreeSet::new()).unwrap()
}

fn client(client_id: &str, library: Library, produce_limit: Option<u64>) -> Client {
    Client { client_id: client_id.to_owned(), library, produce_limit: produce_limit.map(Duration::from_secs), ..Client::default() }
}

#[test]
fn partitions_go_to_the_next_replica_in_sync_or_nowhere() {
    type Row<'a> = (&'a str, Partition, Option<i32>, bool, bool, bool);
    let rows: [Row<'_>; 10] = [
        ("the next in order", partition(0, Some(1), &[1, 3, 2], &[1, 2, 3], 2), Some(3), false, false, false),
        ("the next is not in sync", partition(0, Some(1), &[1, 3, 2], &[1, 2], 1), Some(2), false, false, false),
        ("it leads, and is not preferred", partition(0, Some(1), &[2, 1, 3], &[1, 2, 3], 2), Some(2), false, false, false),
        ("nobody else is in sync", partition(0, Some(1), &[1, 2, 3], &[1], 1), None, true, false, false),
        ("one replica", partition(0, Some(1), &[1], &[1], 1), None, true, false, false),
        ("at min ISR", partition(0, Some(1), &[1, 2, 3], &[1, 2], 2), Some(2), false, true, false),
        ("at min ISR, and another leads", partition(0, Some(2), &[1, 2, 3], &[1, 2], 2), None, false, true, true),
        ("another leads", partition(0, Some(2), &[1, 2, 3], &[1, 2, 3], 2), None, false, false, true),
        ("another leads, and it is not in sync", partition(0, Some(2), &[1, 2, 3], &[2, 3], 2), None, false, false, false),
        ("elsewhere", partition(0, Some(2), &[2, 3], &[2, 3], 1), None, false, false, false),
    ];
    for (name, row, to, offline, not_writable, stalled) in rows {
        let told = rehearsed(&census(vec![row], None), &Traffic::default(), &[], settings());
        for act in [&told.graceful, &told.crash] {
            assert_eq!(act.moves.iter().map(|moved| moved.to).collect::<Vec<_>>(), Vec::from_iter(to), "{name}: {act:?}");
            assert_eq!((act.offline.len(), act.not_writable.len()), (usize::from(offline), usize::from(not_writable)), "{name}: {act:?}");
        }
        assert_eq!((told.graceful.stalled.len(), told.crash.stalled.len()), (0, usize::from(stalled)), "{name}");
    }
}

#[test]
fn a_replica_on_a_broker_that_is_down_is_no_leader() {
    let mut census = census(vec![partition(0, Some(1), &[1, 2, 3], &[1, 2, 3], 1)], None);
    let to = |census: &Census| rehearsed(census, &Traffic::default(), &[], settings()).graceful.moves.first().map(|moved| moved.to);
    assert_eq!(to(&census), Some(2));
    census.brokers.get_mut(&2).unwrap().is_reachable = false;
    assert_eq!(to(&census), Some(3));
    census.brokers.get_mut(&3).unwrap().is_listed = false;
    assert_eq!(to(&census), None);
}

#[test]
fn an_election_takes_as_long_as_the_release_and_the_stop_make_it() {
    for (of, graceful, crash, because) in [
        (Some((Release::V4_3, Mode::KRaft)), 2.0, 10.0, "broker.session.timeout.ms"),
        (Some((Release::V2_1, Mode::ZooKeeper)), 2.0, 7.0, "before 2.5"),
        (Some((Release::V2_6, Mode::ZooKeeper)), 2.0, 19.0, "since 2.5"),
        (None, 2.0, 19.0, "mode is not known"),
    ] {
        let told = rehearsed(&census(Vec::new(), of), &Traffic::default(), &[], settings());
        assert_eq!((told.graceful.expected.seconds, told.crash.expected.seconds), (graceful, crash), "{of:?}");
        assert!(told.crash.expected.because.contains(because) && !told.graceful.expected.because.contains("  "), "{:?}", told.crash.expected);
    }
}

#[test]
fn what_is_held_is_the_rate_times_the_time_and_no_more_than_clients_have_in_flight() {
    let kraft = census(Vec::new(), Some((Release::V4_3, Mode::KRaft)));
    let told = rehearsed(&kraft, &traffic(), &[], settings());
    // 200/s for two seconds is 400, and ten sessions have five each.
    assert_eq!((told.graceful.held.produce, told.graceful.held.fetch, told.graceful.held.other), (50, 8, 1));
    assert_eq!((told.crash.held.produce, told.crash.held.fetch, told.crash.held.other), (50, 10, 5));
    assert_eq!((told.graceful.held.seconds, told.crash.held.seconds, told.crash.held.requests()), (2.0, 10.0, 65));
    assert_eq!(told.graceful.held.bytes, 50 * 1000 + 9 * 100);
    let slow = rehearsed(&kraft, &Traffic { produce: 5.0, ..traffic() }, &[], settings());
    assert_eq!(slow.graceful.held.produce, 10, "the rate alone");
    let open = rehearsed(&kraft, &traffic(), &[], Settings { window_open: false, ..settings() });
    assert_eq!((open.graceful.held.produce, open.crash.held.produce), (400, 2000), "nothing bounds what is in flight");
    let idle = rehearsed(&kraft, &Traffic { sessions: 0, ..traffic() }, &[], Settings { window_open: false, ..settings() });
    assert_eq!(idle.crash.held.requests(), 0);
    let patient = rehearsed(&kraft, &traffic(), &[], Settings { hold_max: Duration::from_secs(3), ..settings() });
    assert_eq!(patient.crash.held.seconds, 3.0, "no hold is longer than guard.hold_max");
    let off = rehearsed(&kraft, &traffic(), &[], Settings { absorbs: false, ..settings() });
    assert_eq!((off.crash.held.requests(), off.crash.errors, off.graceful.errors), (0, true, true));
}

#[test]
fn more_than_fits_is_an_error_and_is_said() {
    let kraft = census(Vec::new(), Some((Release::V4_3, Mode::KRaft)));
    let tight = rehearsed(&kraft, &traffic(), &[], Settings { held_bytes_max: 50_899, ..settings() });
    assert!(tight.graceful.errors && tight.notes.iter().any(|note| note.contains("guard.held_bytes_max")), "{:?}", tight.notes);
    let fits = rehearsed(&kraft, &traffic(), &[], Settings { held_bytes_max: 50_900, ..settings() });
    assert!(!fits.graceful.errors && fits.crash.errors);
}

#[test]
fn clients_that_give_up_before_the_election_are_named_with_what_to_do() {
    let kraft = census(Vec::new(), Some((Release::V4_3, Mode::KRaft)));
    let clients = [
        client("java", Library::Java, Some(30)),
        client("hasty", Library::Java, Some(12)),
        client("hasty", Library::Java, Some(12)),
        client("stranger", Library::Unknown, Some(10)),
        client("reader", Library::Unknown, None),
        Client { hindrance: Some("cannot log in twice"), sees_losses: true, ..client("scram", Library::Java, Some(30)) },
    ];
    let told = rehearsed(&kraft, &traffic(), &clients, settings());
    let names = |concerns: &[Concern]| concerns.iter().map(|concern| (concern.client_id.clone(), concern.connections)).collect::<Vec<_>>();
    assert_eq!(names(&told.crash.timed_out), [("hasty".to_owned(), 2), ("stranger".to_owned(), 1)]);
    assert_eq!(names(&told.graceful.timed_out), []);
    assert!(told.crash.timed_out[0].text.contains("a Java client, which gives up a Produce after 12 s: it is held for 9.6 s"), "{:?}", told.crash.timed_out);
    assert!(told.crash.timed_out[1].text.contains("its library is not known"), "{:?}", told.crash.timed_out);
    assert_eq!(names(&told.unsheltered), [("scram".to_owned(), 1)]);
    assert!(told.graceful.errors, "a lost broker reaches a client that cannot be sheltered");
    let calm = rehearsed(&kraft, &traffic(), &clients[..1], settings());
    assert!(!calm.graceful.errors && !calm.crash.errors, "{calm:?}");
    let short = Settings { hold_max: Duration::from_secs(9), ..settings() };
    assert_eq!(names(&rehearsed(&kraft, &traffic(), &clients[..1], short).crash.timed_out), [("java".to_owned(), 1)], "guard.hold_max ends the hold");
}

#[test]
fn partitions_without_a_leader_are_an_error_only_where_somebody_is_there() {
    let lonely = census(vec![partition(0, Some(1), &[1], &[1], 1)], Some((Release::V4_3, Mode::KRaft)));
    assert!(rehearsed(&lonely, &traffic(), &[], settings()).graceful.errors);
    let idle = rehearsed(&lonely, &Traffic::default(), &[], settings());
    assert!(!idle.graceful.errors && idle.notes.iter().any(|note| note.contains("no client of Leeward's")), "{:?}", idle.notes);
}

#[test]
fn a_broker_that_is_not_there_is_an_error_with_those_that_are() {
    let error = rehearse(&census(Vec::new(), None), 9, &traffic(), &[], settings(), &BTreeSet::new()).unwrap_err();
    assert_eq!(error.to_string(), "there is no broker 9: 1, 2, 3 are known; leeward cluster lists them");
}
