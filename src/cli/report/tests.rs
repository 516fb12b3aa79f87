use std::collections::BTreeMap;

use super::*;
use crate::admin::report::{BrokerReport, ClientReport, Counts, EpisodeHead, Holds, RestartReport};
use crate::cli::output::Paint;

const PLAIN: Paint = Paint { colour: false };

fn head() -> EpisodeHead {
    EpisodeHead {
        number: 1,
        kind: "window".to_owned(),
        reason: "upgrade to 4.3".to_owned(),
        began: "2026-03-01T19:02:11Z".to_owned(),
        ended: Some("2026-03-01T19:31:02Z".to_owned()),
        seconds: 1731.0,
        age_seconds: 7200.0,
        broker_restarts: 3,
        away: Vec::new(),
        absorbed: 1284,
        reached: 0,
        held: 0,
        longest_hold_seconds: 2.12,
    }
}

fn produce() -> Counts {
    Counts {
        absorbed_errors: BTreeMap::from([("NOT_LEADER_OR_FOLLOWER".to_owned(), 1200)]),
        absorbed_losses: 60,
        holds: Holds { begun: 210, resent: 206, abandoned: 4, longest_seconds: 2.12, ..Holds::default() },
        acks_raised: 120_000,
        batches_numbered: 60_000,
        batches_not_numbered: BTreeMap::from([("old_format".to_owned(), 3)]),
        duplicates_dropped: 12,
        resent: 266,
        connections_kept: 40,
        connections_restored: 40,
        ..Counts::default()
    }
}

fn coordinator() -> Counts {
    Counts { absorbed_errors: BTreeMap::from([("NOT_COORDINATOR".to_owned(), 24)]), resent: 24, ..Counts::default() }
}

fn sample() -> Report {
    let client = |client_id: &str, api: &str, counts| ClientReport { client_id: client_id.to_owned(), api: api.to_owned(), counts };
    let away = |lost: &str, back: &str| RestartReport { lost: lost.to_owned(), back: Some(back.to_owned()), seconds: Some(21.0) };
    let mut total = produce();
    total.add(&coordinator());
    Report {
        episode: head(),
        total,
        brokers: vec![
            BrokerReport { node_id: Some(1), restarts: vec![away("2026-03-01T19:04:10Z", "2026-03-01T19:04:31Z")], counts: produce() },
            BrokerReport { node_id: Some(2), restarts: vec![away("2026-03-01T19:14:10Z", "2026-03-01T19:14:31Z")], counts: coordinator() },
        ],
        clients: vec![client("orders", "Produce", produce()), client("", "OffsetCommit", coordinator())],
    }
}

const GOLDEN: &str = "\
window 'upgrade to 4.3', 2026-03-01 19:02–19:31 UTC, 3 broker restarts: 1,284 errors absorbed,
  longest hold 2.1 s, 0 errors reached clients

holds     210 = 206 sent again + 0 answered with an error + 4 abandoned by the client + 0 held now
produce   acks raised 120,000, batches numbered 60,000, not numbered 3 old_format
resent    requests 290, duplicates that the broker dropped 12
kept      connections 40, of which the broker's is up again 40; requests that lost theirs 60

BROKER  AWAY               LONGEST  ABSORBED  LOST  HOLDS  LONGEST HOLD  REACHED
1       19:04:10–19:04:31  21.0 s   1,260     60    210    2.1 s         0
2       19:14:10–19:14:31  21.0 s   24        0     0      0 s           0

ERROR                   ABSORBED  REACHED
NOT_LEADER_OR_FOLLOWER  1,200     0
NOT_COORDINATOR         24        0

CLIENT  API           ABSORBED  HOLDS  LONGEST  RESENT  RAISED   NUMBERED  DUPES  REACHED
orders  Produce       1,260     210    2.1 s    266     120,000  60,000    12     0
(none)  OffsetCommit  24        0      0 s      24      0        0         0      0";

#[test]
fn a_report_can_be_pasted_into_a_ticket() {
    assert_eq!(text::report(&sample(), By::Client, PLAIN), GOLDEN);
}

#[test]
fn rows_can_be_by_api_or_left_out() {
    let mut report = sample();
    report.clients.push(ClientReport { client_id: "other".to_owned(), ..report.clients[0].clone() });
    let by_api = text::report(&report, By::Api, PLAIN);
    let rows: Vec<_> = by_api.lines().skip_while(|line| !line.starts_with("API ")).collect();
    assert_eq!(rows.len(), 3, "{by_api}");
    assert_eq!(rows[1].split_whitespace().collect::<Vec<_>>(), ["Produce", "2,520", "420", "2.1", "s", "532", "240,000", "120,000", "24", "0"]);
    let by_broker = text::report(&report, By::Broker, PLAIN);
    assert!(!by_broker.contains("CLIENT") && by_broker.contains("BROKER"), "{by_broker}");
}

#[test]
fn a_report_fits_in_100_columns_whatever_clients_call_themselves() {
    let mut report = sample();
    report.episode.reason = format!("{} {}", "word ".repeat(40), "x".repeat(300));
    report.episode.ended = None;
    report.episode.away = vec![2];
    report.total.reached_errors.insert("REQUEST_TIMED_OUT".to_owned(), 1);
    let restart = report.brokers[0].restarts[0].clone();
    report.brokers[0].restarts = vec![restart; 9];
    report.brokers[1].restarts[0].back = None;
    report.brokers[1].node_id = None;
    let awful = ClientReport { client_id: format!("\u{1b}[2J{}", "ü".repeat(100)), api: "AlterReplicaLogDirs".to_owned(), counts: produce() };
    report.clients = vec![awful; 100];
    for by in [By::Client, By::Api, By::Broker] {
        let text = text::report(&report, by, PLAIN);
        let too_long: Vec<_> = text.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(too_long.is_empty(), "{too_long:#?}");
        assert!(!text.contains('\u{1b}'), "no client writes to the operator's terminal");
        assert!(text.contains("not back: broker 2") && text.contains("since 2026-03-01 19:02 UTC") && text.contains("–now"), "{text}");
    }
    assert!(text::report(&report, By::Client, PLAIN).ends_with("and 60 more rows; -o json has them all"));
    assert!(text::report(&report, By::Client, Paint { colour: true }).contains("\u{1b}["));
}

#[test]
fn episodes_are_listed() {
    let restart = EpisodeHead {
        number: 2,
        kind: "restart".to_owned(),
        reason: "broker 1 was lost".to_owned(),
        ended: None,
        age_seconds: 75.0,
        broker_restarts: 1,
        absorbed: 7,
        reached: 1,
        ..head()
    };
    let text = text::list(&Episodes { episodes: vec![restart, head()] }, PLAIN);
    let expected = "\
NO  KIND     BEGAN      LASTED   RESTARTS  ABSORBED  REACHED  REASON
2   restart  1m15s ago  goes on  1         7         1        broker 1 was lost
1   window   2h0m ago   28m51s   3         1,284     0        upgrade to 4.3";
    assert_eq!(text, expected);
    assert!(text::list(&Episodes { episodes: Vec::new() }, PLAIN).starts_with("since Leeward started no"));
}

#[test]
fn an_episode_is_a_number_or_last() {
    assert!(episode("last").is_ok() && episode("17").is_ok());
    assert!(episode("first").is_err() && episode("-1").is_err() && episode("1&by=x").is_err());
}
