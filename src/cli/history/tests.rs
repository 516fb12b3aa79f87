use super::*;
use crate::history::Kind;

fn row(name: &str, points: &[Option<u64>]) -> HistoryRow {
    let point = |bytes: u64| Point { requests: 1, to_brokers_bytes: bytes, to_clients_bytes: 0 };
    let sum = points.iter().flatten().sum();
    HistoryRow { name: name.to_owned(), requests: 7, to_brokers_bytes: sum, to_clients_bytes: 0, points: points.iter().map(|bytes| bytes.map(point)).collect() }
}

fn history() -> TrafficHistory {
    // Half of the last hour was seen, so that it was as busy as the one before.
    let points = [None, Some(0), Some(1), Some(8192), Some(4096)];
    TrafficHistory {
        by: Kind::Topic,
        from: "2026-11-26T05:00:00Z".to_owned(),
        until: "2026-11-26T09:30:00Z".to_owned(),
        step_seconds: 3600,
        estimated: true,
        seen: vec![0.0, 1.0, 1.0, 1.0, 0.5],
        total: row("", &points),
        rows: vec![row("orders", &points), row("a name\u{1b}[31m that is far too long for any table", &points)],
        more: 3,
        rest: row("", &[None, Some(0), Some(0), Some(0), Some(0)]),
        problem: None,
    }
}

const NO_PAINT: Paint = Paint { colour: false };

#[test]
fn a_history_is_written_for_people() {
    let expected = "\
2026-11-26T05:00:00Z to 2026-11-26T09:30:00Z: 7 requests, 12.0KiB to brokers, 0B to clients, 1B/s on
average; what each topic has is estimated

TOPIC                         REQUESTS  TO BROKERS  TO CLIENTS  SHARE  HOURS
orders                        7         12.0KiB     0B          50%    · ▁██
a name [31m that is far too…  7         12.0KiB     0B          50%    · ▁██
(3 more)                      7         0B          0B          0%     ·";
    assert_eq!(text(&history(), "TOPIC", NO_PAINT), expected);
    let mut nothing = TrafficHistory { rows: Vec::new(), more: 0, seen: vec![0.0, 0.0, 0.1], problem: Some("disk full".to_owned()), ..history() };
    nothing.estimated = false;
    let told = text(&nothing, "CLIENT", NO_PAINT);
    assert!(told.contains("Leeward saw 6 minutes of it") && told.contains("disk full") && told.ends_with("nothing was carried in this time"), "{told}");
}

#[test]
fn a_line_has_a_column_for_each_point_until_there_are_too_many() {
    assert_eq!(line(&[Some(0.0), Some(1.0), Some(100.0), None]), " ▁█·");
    assert_eq!(line(&[Some(0.0), None]), " ·");
    assert_eq!(line(&[]), "");
    for points in [24, 36, 37, 168, 841] {
        let all: Vec<_> = (0..points).map(|at| Some(f64::from(at) + 1.0)).collect();
        let drawn = line(&all);
        assert!((19..=LINE_MAX).contains(&drawn.chars().count()) && drawn.ends_with('█'), "{points}: {drawn}");
    }
    assert_eq!(line(&vec![None; 100]).chars().filter(|c| *c == '·').count(), 34);
}

#[test]
fn what_is_asked_is_written_as_a_query() {
    let asked = HistoryArgs {
        admin: <AdminAddress as clap::FromArgMatches>::from_arg_matches(&<AdminAddress as Args>::augment_args(clap::Command::new("x")).get_matches_from(["x"]))
            .unwrap(),
        by: By::Client,
        last: "7 d".to_owned(),
        top: 3,
        name: Some("ä&b".to_owned()),
        step: Some(Step::Hour),
        output: Format::Json,
    };
    assert_eq!(asked.path(), "/v1/history?by=client&last=7%20d&top=3&name=%C3%A4%26b&step=hour");
}
