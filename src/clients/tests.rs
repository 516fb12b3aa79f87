use std::net::{IpAddr, Ipv4Addr};

use super::libraries::likely;
use super::*;
use crate::releases::{Release, Version};
use crate::session::{About, Carried, Software, TOPICS_MAX, Tally, Traits, Used, Way};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What one session used: API, version, and whether a higher one was offered.
fn traits(asked: Option<i16>, uses: &[(i16, i16, bool)]) -> Traits {
    let mut traits = Traits { asked, ..Traits::default() };
    for (api_key, version, chosen) in uses {
        let place = traits.uses.iter().position(|used| used.api_key == *api_key).unwrap_or_else(|| {
            traits.uses.push(Used { api_key: *api_key, versions: 0, chosen: 0 });
            traits.uses.len() - 1
        });
        traits.uses[place].versions |= 1 << version;
        traits.uses[place].chosen |= u32::from(*chosen) << version;
    }
    traits
}

fn tell(table: &mut Table, client_id: &str, traits: Traits, requests: u64, at: u64) {
    let about = About { client_id: client_id.into(), traits: traits.into(), ..About::default() };
    let tally = Tally { requests, ..Tally::default() };
    let contact = Contact { about: &about, address: HERE, tally, before: Tally::default(), read_bytes: 10, written_bytes: 20, is_new: true };
    table.note(&contact, at);
}

fn judged(sessions: &[Traits], client_id: &str, target: &str) -> Judgement {
    let mut table = Table::default();
    for session in sessions {
        tell(&mut table, client_id, session.clone(), 5, 1000);
    }
    let rows = table.rows();
    let [(key, row)] = rows.as_slice() else { panic!("{rows:?}") };
    judge(key, row, target.parse().unwrap())
}

const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const METADATA: i16 = 3;
const JOIN_GROUP: i16 = 11;

#[test]
fn a_verdict_rests_on_what_the_client_chose() {
    use Verdict::{Breaks, CannotTell, Fine};
    let asks = Some(2);
    let table: [(&str, Vec<Traits>, &str, Verdict); 16] = [
        ("its own maximum was removed", vec![traits(asks, &[(PRODUCE, 2, true)])], "4.0", Breaks),
        ("one that never asks, too", vec![traits(None, &[(FETCH, 3, true)])], "4.0", Breaks),
        ("it goes on before 4.0", vec![traits(None, &[(FETCH, 3, true)])], "3.9", Fine),
        ("the cluster's maximum proves nothing", vec![traits(asks, &[(PRODUCE, 2, false)])], "4.0", CannotTell),
        ("a lower one beside its maximum", vec![traits(asks, &[(FETCH, 3, true), (FETCH, 10, true)])], "4.0", Fine),
        ("but not in one that never asks", vec![traits(None, &[(FETCH, 3, true), (FETCH, 10, true)])], "4.0", Breaks),
        ("two programs under one client id", vec![traits(asks, &[(FETCH, 10, true)]), traits(asks, &[(FETCH, 3, true)])], "4.0", Breaks),
        ("the lowest that is left", vec![traits(asks, &[(PRODUCE, 3, true), (FETCH, 4, true)])], "4.0", Fine),
        ("versions that are too new are not sent", vec![traits(asks, &[(FETCH, 17, true)])], "2.1", Fine),
        ("unless it does not ask", vec![traits(None, &[(FETCH, 17, true)])], "2.1", CannotTell),
        ("it has only looked around", vec![traits(asks, &[(METADATA, 4, true)])], "4.0", CannotTell),
        ("JoinGroup v1 in 4.0.0", vec![traits(asks, &[(JOIN_GROUP, 1, true)])], "4.0.0", Breaks),
        ("JoinGroup v1 in some 4.0", vec![traits(asks, &[(JOIN_GROUP, 1, true)])], "4.0", CannotTell),
        ("JoinGroup v1 in 4.0.1", vec![traits(asks, &[(JOIN_GROUP, 1, true)])], "4.0.1", Fine),
        ("an API that went with ZooKeeper", vec![traits(asks, &[(4, 1, true)])], "4.0", Breaks),
        ("an API that is not there yet", vec![traits(asks, &[(68, 0, true)])], "2.1", CannotTell),
    ];
    for (why, sessions, target, verdict) in table {
        let judgement = judged(&sessions, "app", target);
        assert_eq!(judgement.verdict, verdict, "{why}: {judgement:?}");
        assert!(!judgement.reasons.is_empty() && judgement.reasons.iter().all(|reason| reason.last == 1000), "{why}: {judgement:?}");
    }
    let text = &judged(&[traits(None, &[(PRODUCE, 1, true)])], "app", "4.0").reasons[0].text;
    assert!(text.contains("Produce v1") && text.contains("message formats v0 and v1") && text.contains("v3 and later"), "{text}");
}

/// Brokers since 2.1 offer more than 4.x removed, so whoever asks one of those and chooses a version that was removed has no better one.
#[test]
fn what_four_removed_was_below_what_every_broker_offers() {
    use crate::releases::{Mode, apis};
    for key in apis::keys().filter(|key| ![4, 5, 6, 7].contains(key)) {
        let four = apis::range(Release::V4_0, Mode::KRaft, key);
        let old = apis::range(Release::V2_1, Mode::ZooKeeper, key);
        if let (Some(four), Some(old)) = (four, old) {
            // WriteTxnMarkers is for brokers alone.
            assert!(old.max >= four.min || key == 27, "{key}: {old:?} {four:?}");
        }
    }
}

#[test]
fn a_librarys_version_decides_where_its_traffic_does_not() {
    let said = |name: &str, version: &str, uses: &[(i16, i16, bool)]| {
        let software = Some(Software { name: name.into(), version: version.into() });
        judged(&[Traits { software, ..traits(Some(3), uses) }], "app", "4.0").verdict
    };
    let looked = [(METADATA, 4, false)];
    assert_eq!(said("apache-kafka-java", "3.9.1", &looked), Verdict::Fine);
    assert_eq!(said("librdkafka", "1.8.2-rdkafka", &looked), Verdict::Fine);
    assert_eq!(said("librdkafka", "1.7.0", &looked), Verdict::CannotTell);
    assert_eq!(said("some-thing", "9.9.9", &looked), Verdict::CannotTell);
    // sarama says 1.45 and sends what Config.Version says.
    assert_eq!(said("sarama", "1.45.1", &[(PRODUCE, 2, true)]), Verdict::Breaks);
}

#[test]
fn libraries_are_told_by_their_name_their_client_id_or_their_versions() {
    let of = |client_id: &str, traits: Traits| {
        let mut table = Table::default();
        tell(&mut table, client_id, traits, 1, 1);
        let rows = table.rows();
        likely(&rows[0].0, rows[0].1).map(|likely| (likely.library.name, likely.version.unwrap_or_default(), likely.inferred))
    };
    let said = Traits { software: Some(Software { name: "confluent-kafka-python".into(), version: "2.5.0-rdkafka-2.5.0".into() }), ..Traits::default() };
    assert_eq!(of("x", said), Some(("librdkafka", "2.5.0-rdkafka-2.5.0".to_owned(), false)));
    let java = |asked, uses: &[(i16, i16, bool)]| of("consumer-1", traits(Some(asked), uses)).map(|(name, version, _)| format!("{name} {version}"));
    assert_eq!(java(0, &[(PRODUCE, 2, true)]), Some("Java (kafka-clients) 0.10.0 to 0.10.2".to_owned()));
    assert_eq!(java(1, &[(PRODUCE, 3, true)]), Some("Java (kafka-clients) 0.11".to_owned()));
    assert_eq!(java(1, &[(PRODUCE, 5, true)]), Some("Java (kafka-clients) 1.0 to 1.1".to_owned()));
    assert_eq!(java(1, &[(FETCH, 7, true)]), Some("Java (kafka-clients) 1.1".to_owned()));
    assert_eq!(java(2, &[(FETCH, 8, true)]), Some("Java (kafka-clients) 2.0".to_owned()));
    // In front of 2.1 nobody can use more than 10.
    assert_eq!(java(2, &[(FETCH, 10, false)]), Some("Java (kafka-clients) 2.1 to 2.3".to_owned()));
    assert_eq!(java(3, &[(FETCH, 11, true)]), None);
    assert_eq!(of("app", traits(Some(0), &[(PRODUCE, 2, true)])), None, "many ask with v0");
    for (client_id, name, version) in [
        ("kafka-python-2.0.2", "kafka-python", "2.0.2"),
        ("kafka-python-producer-1", "kafka-python", ""),
        ("worker@host (github.com/segmentio/kafka-go)", "kafka-go", ""),
        ("rdkafka", "librdkafka", ""),
    ] {
        assert_eq!(of(client_id, traits(None, &[])), Some((name, version.to_owned(), true)));
    }
}

#[test]
fn rows_are_merged_forgotten_and_counted() {
    let (mut one, mut other) = (Table::default(), Table::default());
    tell(&mut one, "a", traits(None, &[(FETCH, 4, true)]), 3, 100);
    tell(&mut other, "a", traits(Some(3), &[(FETCH, 4, true), (FETCH, 11, false)]), 4, 900);
    tell(&mut other, "b", traits(None, &[]), 0, 900);
    one.add(other);
    one.roll(2.0);
    let rows = one.rows();
    let [(key, row)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&*key.client_id, row.first, row.last, row.sessions, row.requests, row.asked), ("a", 100, 900, 2, 7, Some(3)));
    assert_eq!((row.rates.requests, row.rates.read_bytes, row.rates.written_bytes), (3.5, 10.0, 20.0));
    assert_eq!(row.uses, [Use { api_key: 1, version: 4, own: true, last: 900 }, Use { api_key: 1, version: 11, own: false, last: 900 }]);
    let json = serde_json::to_string(&rows).unwrap();
    let read: Vec<(Key, Row)> = serde_json::from_str(&json).unwrap();
    assert_eq!(read[0].1.uses, row.uses);

    let mut kept = Table::default();
    tell(&mut kept, "a", traits(None, &[(FETCH, 3, true)]), 1, 100);
    tell(&mut kept, "a", traits(None, &[(FETCH, 11, true)]), 1, 900);
    tell(&mut kept, "gone", traits(None, &[]), 1, 100);
    kept.forget_before(500);
    let rows = kept.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].1.uses.iter().map(|used| used.version).collect::<Vec<_>>(), [11], "what it was before its upgrade counts no more");
}

/// Topics that one session wrote and read.
fn using(written: &[&str], read: &[&str]) -> Traits {
    let mut topics = Carried::default();
    written.iter().for_each(|name| topics.note((*name).into(), Way::Written));
    read.iter().for_each(|name| topics.note((*name).into(), Way::Read));
    Traits { topics, ..Traits::default() }
}

#[test]
fn topics_are_kept_with_when_they_were_last_used_either_way() {
    let (mut one, mut other) = (Table::default(), Table::default());
    tell(&mut one, "a", using(&["orders"], &["audit"]), 1, 100);
    tell(&mut one, "a", using(&["orders"], &["orders"]), 1, 300);
    tell(&mut other, "a", using(&["audit", "payments"], &[]), 1, 200);
    one.add(other);
    let seen = |table: &Table| -> Vec<(String, u64, u64)> {
        let rows = table.rows();
        rows[0].1.topics.uses().iter().map(|topic| (topic.name.to_string(), topic.written, topic.read)).collect()
    };
    let expected = |name: &str, written, read| (name.to_owned(), written, read);
    assert_eq!(seen(&one), [expected("audit", 200, 100), expected("orders", 300, 300), expected("payments", 200, 0)]);
    let json = serde_json::to_string(&one.rows()).unwrap();
    let read: Vec<(Key, Row)> = serde_json::from_str(&json).unwrap();
    assert_eq!(read[0].1.topics, one.rows()[0].1.topics, "over a restart");
    // What is told later need not have been later.
    tell(&mut one, "a", using(&["orders"], &["orders"]), 1, 50);
    tell(&mut one, "a", using(&[], &["refunds"]), 1, 260);
    one.forget_before(250);
    assert_eq!(seen(&one), [expected("orders", 300, 300), expected("refunds", 0, 260)]);
}

#[test]
fn topics_of_a_client_are_bounded_and_what_is_missing_is_said() {
    let name = |number: usize| format!("t{number:02}");
    let mut table = Table::default();
    for number in 0..TOPICS_MAX {
        tell(&mut table, "a", using(&[&name(number)], &[]), 1, 100);
    }
    let topics = |table: &Table| (table.rows()[0].1.topics.uses().len(), table.rows()[0].1.topics.has_more());
    assert_eq!(topics(&table), (TOPICS_MAX, false));
    tell(&mut table, "a", using(&["t00"], &[]), 1, 200);
    assert_eq!(topics(&table), (TOPICS_MAX, false), "it is there");
    let mut merged = table.clone();
    tell(&mut table, "a", using(&[], &["more"]), 1, 300);
    assert_eq!(topics(&table), (TOPICS_MAX, true));
    merged.add(table.clone());
    assert_eq!(topics(&merged), (TOPICS_MAX, true), "what another table had no room for");
    table.forget_before(150);
    assert_eq!(topics(&table), (1, true));
    table.forget_before(301);
    assert!(table.is_empty());
    // A session that had no room itself.
    let names: Vec<_> = (0..=TOPICS_MAX).map(name).collect();
    let mut table = Table::default();
    tell(&mut table, "a", using(&[], &names.iter().map(String::as_str).collect::<Vec<_>>()), 1, 100);
    assert_eq!(topics(&table), (TOPICS_MAX, true));
    tell(&mut table, "a", using(&["t05"], &[]), 1, 500);
    table.forget_before(400);
    assert_eq!(topics(&table), (1, false), "it used more once, long ago");
}

/// What operators find an application by.
#[test]
fn names_of_a_client_are_bounded_and_each_is_kept_once() {
    let mut table = Table::default();
    for number in 0..30 {
        let groups = vec![format!("g{}", number % 15).into()];
        tell(&mut table, "a", Traits { groups, ..Traits::default() }, 1, 1);
    }
    let rows = table.rows();
    assert_eq!((rows[0].1.groups.len(), rows[0].1.addresses.len()), (8, 1));
    assert!(rows[0].1.groups.iter().all(|group| rows[0].1.groups.iter().filter(|other| *other == group).count() == 1));
}

#[test]
fn a_library_that_is_new_enough_clears_what_traffic_does_not_tell() {
    let said = |version: &str| Some(Software { name: "apache-kafka-java".into(), version: version.into() });
    let unclear = |version: &str| Traits { software: said(version), ..traits(Some(3), &[(PRODUCE, 2, false)]) };
    for (version, target, verdict) in [("3.9.1", "4.0", Verdict::Fine), ("2.0.1", "4.0", Verdict::CannotTell)] {
        let judgement = judged(&[unclear(version)], "app", target);
        assert_eq!(judgement.verdict, verdict, "{version}: {judgement:?}");
    }
}

/// A file of a Leeward that kept no topics.
#[test]
fn rows_without_topics_are_read() {
    let mut table = Table::default();
    tell(&mut table, "a", using(&["orders"], &[]), 1, 100);
    let mut row = serde_json::to_value(table.rows()[0].1).unwrap();
    assert!(row.as_object_mut().unwrap().remove("topics").is_some());
    let read: Row = serde_json::from_value(row).unwrap();
    assert!(read.topics.uses().is_empty() && read.sessions == 1);
}

#[test]
fn the_table_is_bounded_and_the_others_are_judged_too() {
    let mut table = Table::default();
    for number in 0..CLIENTS_MAX + 5 {
        tell(&mut table, &format!("client-{number:05}"), traits(None, &[(FETCH, 11, true)]), 1, 1);
    }
    tell(&mut table, "client-00000", traits(None, &[]), 1, 1);
    assert_eq!(table.len(), CLIENTS_MAX + 1);
    let four = Version::from(Release::V4_0);
    let verdict = |table: &Table| {
        let rows = table.rows();
        let (key, row) = rows.last().unwrap();
        assert_eq!((&*key.client_id, judge(key, row, four).verdict == Verdict::Breaks), (OTHERS, row.uses.iter().any(|used| used.version == 3)));
        (row.sessions, judge(key, row, four).verdict)
    };
    assert_eq!(verdict(&table), (5, Verdict::CannotTell));
    tell(&mut table, "one more", traits(None, &[(FETCH, 3, true)]), 1, 1);
    assert_eq!(verdict(&table), (6, Verdict::Breaks));
    let mut again = Table::default();
    again.add(table.clone());
    assert_eq!((again.len(), verdict(&again)), (CLIENTS_MAX + 1, (6, Verdict::Breaks)));
    // As a file is read.
    let mut read = Table::default();
    table.rows().into_iter().rev().for_each(|(key, row)| read.insert(key, row));
    assert_eq!((read.len(), verdict(&read)), (CLIENTS_MAX + 1, (6, Verdict::Breaks)));
    read.forget_before(2);
    assert!(read.is_empty(), "the others are forgotten as well");
}

/// What the README says of a full table. `cargo test --release --lib -- --ignored --nocapture full_table`.
#[test]
#[ignore = "it measures the whole process, so it has to be alone in it"]
fn a_full_table_takes_some_mebibytes() {
    let resident = || {
        let pages: usize = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096
    };
    let before = resident();
    let mut table = Table::default();
    let uses: Vec<(i16, i16, bool)> = [0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 17, 22, 36, 60].into_iter().map(|key| (key, 4, true)).collect();
    for number in 0..CLIENTS_MAX {
        let software = Some(Software { name: "apache-kafka-java".into(), version: "3.9.1".into() });
        let groups = vec![format!("group-of-service-{number:05}").into()];
        let principal = Some(format!("user-{number:05}").into());
        tell(&mut table, &format!("service-{number:05}-consumer-1"), Traits { software, groups, principal, ..traits(Some(3), &uses) }, 1, 1_700_000_000_000);
    }
    let (taken, written) = (resident() - before, serde_json::to_vec(&table.rows()).unwrap().len());
    println!("{CLIENTS_MAX} rows: {:.1} MiB in memory, {:.1} MiB in clients.json", taken as f64 / 1_048_576.0, written as f64 / 1_048_576.0);
    assert!(taken < 32 << 20 && written < 32 << 20);
}
