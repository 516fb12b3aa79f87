use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::events::{ConfigRejected, ConfigReloaded, DialFailed, RefreshFailed, SessionClosed, SessionRefused};
use super::names::{Kind, METRICS};
use super::*;
use crate::cluster::Broker;
use crate::config::{ConfigErrors, HostPort};
use crate::guard::{ClientRef, Event, HoldEnd, NotNumbered};
use crate::session::{CloseCause, Departed, Departures, Observer, Pause};

/// Names of the families that `text` describes, in their order, with unit but without `_total`.
fn families(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|rest| rest.split_whitespace().next().unwrap().to_owned()).collect()
}

fn peer() -> SocketAddr {
    "127.0.0.1:4".parse().unwrap()
}

/// Something of everything on two workers.
fn busy() -> Arc<Telemetry> {
    let (telemetry, workers) = Telemetry::new(2);
    for metrics in workers.into_iter().map(Rc::new) {
        metrics.session_opened();
        metrics.session_opened();
        SessionClosed { peer: peer(), node_id: Some(3), cause: CloseCause::NotKafka, detail: &"an HTTP request", requests: 0, lasted: Duration::ZERO }
            .emit(&metrics);
        SessionRefused { peer: None, reason: Refusal::AcceptFailed, detail: &"no descriptors" }.emit(&metrics);
        DialFailed { address: &HostPort { host: "a".to_owned(), port: 1 }, node_id: None, error: &"refused" }.emit(&metrics);
        metrics.upstream_opened();
        metrics.home_opened(Some(3));
        metrics.sent(Some(3), &Departures { kinds: [Departed { requests: 2, frame_bytes: 50 }, Departed::default(), Departed::default()] });
        metrics.request(0, 100);
        metrics.response(0, 60, 2_000_000, 20_000);
        metrics.request(77, 10);
        metrics.request(1234, 10);
        metrics.unknown_api();
        metrics.error(0, 6);
        metrics.error(0, 999);
        metrics.paused(Pause::BytesInFlight);
        metrics.in_flight(2, 200);
        metrics.held(1, 100);
        metrics.buffers(3, 5);
        let client = ClientRef { client_id: "a-client-of-ours", node_id: Some(1) };
        for event in [
            Event::Absorbed { api_key: 0, code: 6 },
            Event::Absorbed { api_key: 13, code: 15 },
            Event::AbsorbedLoss { api_key: 0 },
            Event::HoldBegan { api_key: 0, frame_bytes: 10 },
            Event::HoldBegan { api_key: 0, frame_bytes: 10 },
            Event::HoldEnded { api_key: 0, frame_bytes: 10, end: HoldEnd::Resent, nanos: 2_000_000 },
            Event::AcksRaised,
            Event::Numbered { batches: 4 },
            Event::NotNumbered { reason: NotNumbered::OldFormat },
            Event::DuplicateDropped,
            Event::Resent { api_key: 0 },
            Event::Reached { api_key: 0, code: 7 },
            Event::HomeLost,
            Event::HomeBack,
        ] {
            metrics.guard(client, event);
        }
        metrics.read(Side::Client, 120);
        metrics.write(Side::Broker, 120);
    }
    telemetry.set_windows_open(1);
    telemetry.refresh_done();
    RefreshFailed { address: &HostPort { host: "a".to_owned(), port: 1 }, error: &"refused", in_a_row: 1 }.emit(&telemetry);
    ConfigReloaded { applied: &[], needs_restart: &[] }.emit(&telemetry);
    ConfigRejected { errors: &ConfigErrors(Vec::new()) }.emit(&telemetry);
    telemetry.view_published(&View { generation: 9, brokers: [(1001, broker(1001, true)), (1002, broker(1002, false))].into(), ..Default::default() });
    telemetry
}

fn standing() -> Standing {
    let reassignment = Reassignment { state: "rolling back", partitions_moved: 3, partitions_left: 5, bytes_copied: 70, bytes_left: 30, throttle: 1 << 20 };
    Standing {
        ready: true,
        held_bytes_max: 500,
        sessions_max: 40,
        window: Some((1_000, 61_000)),
        draining: [1002].into(),
        roll: Some("paused"),
        reassignment: Some(reassignment),
    }
}

fn broker(node_id: i32, reachable: bool) -> Broker {
    let upstream = HostPort { host: "b".to_owned(), port: 9092 };
    Broker { node_id, upstream, rack: None, virtual_port: 1, listed: true, is_forgotten: false, offer: None, reachable }
}

#[test]
fn what_is_rendered_and_the_table_are_the_same() {
    let (telemetry, _workers) = Telemetry::new(1);
    for text in [telemetry.render(Standing::default()), busy().render(standing())] {
        let table: Vec<_> = METRICS.iter().map(|metric| metric.name().trim_end_matches("_total").to_owned()).collect();
        assert_eq!(families(&text), table);
        assert!(text.ends_with("# EOF\n"));
    }
    let names: BTreeSet<_> = METRICS.iter().map(names::Metric::name).collect();
    assert_eq!(names.len(), METRICS.len());
}

#[test]
fn every_row_belongs_to_its_family_and_has_its_labels() {
    let text = busy().render(standing());
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        let metric = METRICS.iter().find(|metric| match metric.kind {
            Kind::Counter | Kind::Gauge => metric.name() == name,
            Kind::Histogram => ["_bucket", "_sum", "_count"].iter().any(|end| format!("{}{end}", metric.name()) == name),
        });
        let metric = metric.unwrap_or_else(|| panic!("{line} is in no family"));
        let labels: Vec<_> = if line.contains('{') {
            rest.split("\",").map(|label| label.split('=').next().unwrap()).filter(|label| *label != "le").collect()
        } else {
            Vec::new()
        };
        assert_eq!(labels, metric.labels, "{line}");
        seen.insert(metric.base);
    }
    assert_eq!(seen, METRICS.iter().map(|metric| metric.base).collect());
}

#[test]
fn workers_are_summed() {
    let text = busy().render(standing());
    for row in [
        "leeward_requests_total{api=\"Produce\"} 2",
        "leeward_request_bytes_total{api=\"Produce\"} 200",
        "leeward_responses_total{api=\"Produce\"} 2",
        "leeward_response_bytes_total{api=\"Produce\"} 120",
        "leeward_requests_total{api=\"ShareGroupDescribe\"} 2",
        "leeward_requests_total{api=\"Unknown\"} 2",
        "leeward_requests_total{api=\"Fetch\"} 0",
        "leeward_requests_sent_total{node_id=\"3\",kind=\"produce\"} 4",
        "leeward_requests_sent_total{node_id=\"3\",kind=\"fetch\"} 0",
        "leeward_sent_bytes_total{node_id=\"3\",kind=\"produce\"} 100",
        "leeward_broker_sessions{node_id=\"3\"} 2",
        "leeward_broker_time_seconds_bucket{le=\"0.001\",api=\"Produce\"} 0",
        "leeward_broker_time_seconds_bucket{le=\"0.0025\",api=\"Produce\"} 2",
        "leeward_broker_time_seconds_bucket{le=\"+Inf\",api=\"Produce\"} 2",
        "leeward_broker_time_seconds_sum{api=\"Produce\"} 0.004",
        "leeward_own_time_seconds_count{api=\"Produce\"} 2",
        "leeward_errors_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 2",
        "leeward_errors_total{api=\"Produce\",error=\"OTHER\"} 2",
        "leeward_unknown_api_requests_total 2",
        "leeward_in_flight_requests 4",
        "leeward_in_flight_bytes 400",
        "leeward_held_requests 2",
        "leeward_absorbed_errors_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 2",
        "leeward_absorbed_errors_total{api=\"LeaveGroup\",error=\"COORDINATOR_NOT_AVAILABLE\"} 2",
        "leeward_absorbed_losses_total{api=\"Produce\"} 2",
        "leeward_holds_total{api=\"Produce\"} 4",
        "leeward_hold_ends_total{api=\"Produce\",end=\"resent\"} 2",
        "leeward_hold_ends_total{api=\"Produce\",end=\"abandoned\"} 0",
        "leeward_hold_time_seconds_bucket{le=\"0.0025\"} 2",
        "leeward_hold_time_seconds_sum 0.004",
        "leeward_acks_raised_total 2",
        "leeward_batches_numbered_total 8",
        "leeward_batches_not_numbered_total{reason=\"old_format\"} 2",
        "leeward_duplicates_dropped_total 2",
        "leeward_resent_total{api=\"Produce\"} 2",
        "leeward_reached_errors_total{api=\"Produce\",error=\"REQUEST_TIMED_OUT\"} 2",
        "leeward_home_lost_total 2",
        "leeward_home_back_total 2",
        "leeward_windows_open 1",
        "leeward_window_opened_seconds 1",
        "leeward_window_expires_seconds 61",
        "leeward_roll{state=\"paused\"} 1",
        "leeward_roll{state=\"running\"} 0",
        "leeward_reassignment{state=\"rolling back\"} 1",
        "leeward_reassignment{state=\"running\"} 0",
        "leeward_reassignment_partitions{progress=\"moved\"} 3",
        "leeward_reassignment_partitions{progress=\"left\"} 5",
        "leeward_reassignment_copy_bytes{progress=\"copied\"} 70",
        "leeward_reassignment_copy_bytes{progress=\"left\"} 30",
        "leeward_reassignment_throttle_bytes 1048576",
        "leeward_held_max_bytes 500",
        "leeward_sessions 2",
        "leeward_sessions_max 40",
        "leeward_ready 1",
        "leeward_broker_draining{node_id=\"1001\"} 0",
        "leeward_broker_draining{node_id=\"1002\"} 1",
        "leeward_sessions_opened_total 4",
        "leeward_sessions_closed_total{cause=\"not_kafka\",fault=\"client\"} 2",
        "leeward_sessions_closed_total{cause=\"idle\",fault=\"none\"} 0",
        "leeward_sessions_refused_total{reason=\"accept_failed\"} 2",
        "leeward_reads_paused_total{reason=\"bytes_in_flight\"} 2",
        "leeward_upstream_connections 2",
        "leeward_upstream_dials_failed_total 2",
        "leeward_reads_total{side=\"client\"} 2",
        "leeward_read_bytes_total{side=\"client\"} 240",
        "leeward_written_bytes_total{side=\"broker\"} 240",
        "leeward_buffers{state=\"out\"} 6",
        "leeward_brokers 2",
        "leeward_broker_reachable{node_id=\"1001\"} 1",
        "leeward_broker_reachable{node_id=\"1002\"} 0",
        "leeward_view_generation 9",
        "leeward_metadata_refreshes_total{result=\"done\"} 1",
        "leeward_metadata_refreshes_total{result=\"failed\"} 1",
        "leeward_config_reloads_total{result=\"failed\"} 1",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} is not in\n{text}");
    }
    assert!(!text.contains("api=\"Heartbeat\""), "keys that were never seen have no rows");
    assert!(!text.contains("a-client-of-ours"), "no client id is a label");
}

#[test]
fn the_guards_counters_are_there_at_zero_from_the_start() {
    let (telemetry, _workers) = Telemetry::new(1);
    let text = telemetry.render(Standing::default());
    let guards = ["absorbed", "hold", "acks_raised", "batches", "duplicates", "resent", "reached", "home", "window", "roll", "reassignment"];
    for metric in METRICS.iter().filter(|metric| guards.iter().any(|word| metric.base.starts_with(&format!("leeward_{word}")))) {
        let row = text.lines().find(|line| line.starts_with(&metric.name()));
        assert!(row.is_some_and(|row| row.ends_with(" 0") || row.ends_with(" 0.0")), "{}: {row:?}", metric.base);
    }
    assert!(text.contains("leeward_reached_errors_total{api=\"Produce\",error=\"NOT_LEADER_OR_FOLLOWER\"} 0\n"), "{text}");
}

#[test]
fn a_gauge_may_begin_on_one_worker_and_end_on_another() {
    let (telemetry, workers) = Telemetry::new(2);
    workers[0].in_flight(-1, -50);
    workers[1].in_flight(3, 150);
    assert_eq!((telemetry.totals().in_flight_requests, telemetry.totals().in_flight_bytes), (2, 100));
    workers[0].in_flight(-3, -150);
    assert_eq!((telemetry.totals().in_flight_requests, telemetry.totals().in_flight_bytes), (0, 0));
}

#[test]
fn an_idle_exposition_stays_small() {
    let (telemetry, _workers) = Telemetry::new(64);
    let bytes = telemetry.render(Standing::default()).len();
    assert!(bytes < 28 << 10, "{bytes} bytes");
}

/// What is logged while `act` runs, a line each.
fn logged(act: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, act);
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_lost_peer_is_silent_and_a_violation_is_one_line() {
    let (_telemetry, workers) = Telemetry::new(1);
    let closed = |cause, detail: &str| {
        let lasted = Duration::from_millis(1500);
        logged(|| SessionClosed { peer: peer(), node_id: Some(3), cause, detail: &detail, requests: 7, lasted }.emit(&workers[0]))
    };
    assert_eq!(closed(CloseCause::ClientReset, ""), [""; 0]);
    assert_eq!(closed(CloseCause::BrokerClosed, ""), [""; 0]);
    let expected = "leeward::session: session closed peer=127.0.0.1:4 node_id=3 cause=frame_too_large detail=2147483647 bytes requests=7 seconds=1.5";
    assert_eq!(closed(CloseCause::FrameTooLarge, "2147483647 bytes"), [format!(" INFO {expected}")]);
    assert!(closed(CloseCause::CorrelationMismatch, "")[0].starts_with(" WARN leeward::session: "));
}

#[test]
fn a_flood_is_not_a_flood_of_lines() {
    let (telemetry, workers) = Telemetry::new(1);
    let lines = logged(|| {
        for _ in 0..1000 {
            SessionRefused { peer: None, reason: Refusal::SessionsMax, detail: &"" }.emit(&workers[0]);
        }
        for in_a_row in 1..=100 {
            RefreshFailed { address: &HostPort { host: "a".to_owned(), port: 1 }, error: &"refused", in_a_row }.emit(&telemetry);
        }
    });
    assert_eq!(lines.len(), 10 + 7, "{lines:#?}");
    assert!(telemetry.render(Standing::default()).contains("leeward_sessions_refused_total{reason=\"sessions_max\"} 1000"));
}
