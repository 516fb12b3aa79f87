use std::collections::BTreeMap;

use clap::CommandFactory;

use super::output::Paint;
use super::status::for_people;
use super::*;
use crate::admin::readiness::Check;
use crate::admin::status::{BrokerStatus, ClusterStatus, GuardStatus, LimitStatus, Status, TrafficStatus};
use crate::admin::traffic::BrokerTraffic;
use crate::maintenance::api::WindowView;

#[test]
fn the_arguments_are_well_formed() {
    Arguments::command().debug_assert();
}

fn broker(node_id: i32, host: &str, reachable: bool, listed: bool) -> BrokerStatus {
    let versions = if reachable { BTreeMap::from([("Produce".to_owned(), [0, 13]), ("Fetch".to_owned(), [4, 18])]) } else { BTreeMap::new() };
    let (upstream, virtual_broker) = (format!("{host}:9092"), format!("proxy.example.com:{}", 19093 + node_id));
    BrokerStatus {
        node_id,
        upstream,
        virtual_broker,
        rack: reachable.then(|| "rack-a".to_owned()),
        listed,
        reachable,
        versions,
        traffic: BrokerTraffic { sessions: 4, ..BrokerTraffic::default() },
    }
}

fn window(reason: &str) -> WindowView {
    WindowView {
        id: "w7".to_owned(),
        reason: reason.to_owned(),
        author: "alice@ops".to_owned(),
        origin: "operator".to_owned(),
        schedule: None,
        topics: vec!["orders".to_owned()],
        client_ids: Vec::new(),
        opened: "2026-03-01T14:00:00Z".to_owned(),
        expires: "2026-03-01T18:00:00Z".to_owned(),
        seconds_open: 4_320,
        seconds_left: 10_080,
    }
}

fn status() -> Status {
    let check = |name: &str, ok, detail: &str| Check { name: name.to_owned(), ok, detail: detail.to_owned() };
    Status {
        version: "0.1.0".to_owned(),
        started: "2026-03-01T12:00:00Z".to_owned(),
        uptime_seconds: 11_520.5,
        ready: true,
        checks: vec![check("listeners", true, "4 bound")],
        cluster: ClusterStatus {
            cluster_id: Some("5L6g3nShT-eMCtK--X86sw".to_owned()),
            controller_id: Some(1),
            generation: 7,
            bootstrap: vec!["kafka1.example.com:9092".to_owned()],
            brokers: vec![
                broker(1, "kafka1.example.com", true, true),
                broker(2, "kafka2.example.com", true, false),
                broker(3, "kafka3.example.com", false, true),
            ],
        },
        traffic: TrafficStatus {
            sessions: 12,
            sessions_opened: 40,
            sessions_closed: BTreeMap::from([("client_closed".to_owned(), 27), ("idle".to_owned(), 1)]),
            upstream_connections: 14,
            dials_failed: 3,
            requests: 123_456,
            responses: 123_450,
            in_flight_requests: 6,
            in_flight_bytes: 6144,
            held_requests: 0,
            held_bytes: 0,
        },
        guard: GuardStatus { absorb: "always".to_owned(), mode: "on".to_owned(), windows: vec![window("upgrade to 4.3")] },
        listeners: Vec::new(),
        limits: vec![
            LimitStatus { key: "limits.sessions_max".to_owned(), used: 12, max: 20_000 },
            LimitStatus { key: "limits.buffer_bytes_max".to_owned(), used: 64 << 20, max: 256 << 20 },
        ],
    }
}

const GOLDEN: &str = "\
Leeward 0.1.0, up 3h12m, ready

cluster   5L6g3nShT-eMCtK--X86sw, 2 of 3 brokers reachable, controller 1
asked at  kafka1.example.com:9092
guard     absorb always, 1 window open
          w7 for 2h48m more, topics orders: upgrade to 4.3
sessions  12 now, 40 since the start; 14 connections to brokers
requests  123456 since the start, 6 in flight (6KiB), 0 held (0B)
closed    27 client_closed, 1 idle
limits    limits.sessions_max <1 %, limits.buffer_bytes_max 25 %

NODE  UPSTREAM                 VIRTUAL BROKER           RACK    STATE        PRODUCE  FETCH
1     kafka1.example.com:9092  proxy.example.com:19094  rack-a  reachable    0-13     4-18
2     kafka2.example.com:9092  proxy.example.com:19095  rack-a  unlisted     0-13     4-18
3     kafka3.example.com:9092  proxy.example.com:19096  -       unreachable  ?        ?

NODE  SESSIONS  REQUESTS/S  PRODUCE/S  FETCH/S  BYTES/S  LAST PRODUCE OR FETCH
1     4         0.0         0.0        0.0      0B       none yet
2     4         0.0         0.0        0.0      0B       none yet
3     4         0.0         0.0        0.0      0B       none yet";

#[test]
fn a_status_is_shown_to_people() {
    let text = for_people(&status(), Paint { colour: false });
    assert_eq!(text, GOLDEN);
}

#[test]
fn a_status_fits_in_100_columns_and_is_plain_without_a_terminal() {
    let mut status = status();
    status.guard.windows.push(window(&"a long story ".repeat(20)));
    status.cluster.brokers.push(broker(2_147_483, &"very-long-host-name.".repeat(8), false, false));
    let text = for_people(&status, Paint { colour: false });
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!text.contains('\u{1b}'));
    let coloured = for_people(&status, Paint { colour: true });
    assert!(coloured.contains("\u{1b}[32mready"), "{coloured:?}");
}

#[test]
fn what_is_missing_is_said_first() {
    let mut status = status();
    status.ready = false;
    status.checks = vec![Check { name: "brokers".to_owned(), ok: false, detail: "none of 3 reachable".to_owned() }];
    let text = for_people(&status, Paint { colour: false });
    assert!(text.starts_with("Leeward 0.1.0, up 3h12m, not ready\n  brokers: none of 3 reachable\n"), "{text}");
}
