//! The dashboard and the alert rules in `config/`: everything in them is exported by a running Leeward, with the labels that they use.

mod promql;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use super::{Running, leeward};
use leeward::sandbox::{Sandbox, SandboxConfig};
use promql::{Exported, Labels};

const DASHBOARD: &str = "config/grafana-dashboard.json";
const ALERTS: &str = "config/prometheus-alerts.yaml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[expect(dead_code, reason = "it has to be there")]
    name: String,
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    alert: String,
    expr: String,
    #[serde(default, rename = "for")]
    #[expect(dead_code, reason = "what fires at once has none")]
    lasting: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(DASHBOARD).expect("the dashboard")).expect("JSON")
}

fn alerts() -> Vec<Alert> {
    let rules: Rules = yaml_serde::from_str(&std::fs::read_to_string(ALERTS).expect("the rules")).expect("rules");
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key} in {value:#}"))
}

/// With a value for every variable of Grafana.
fn filled(expression: &str) -> String {
    let variables = [("$__rate_interval", "5m"), ("$__range", "1h"), ("$instance", ".*"), ("$api", ".*")];
    let filled = variables.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!filled.contains('$'), "a variable that the dashboard does not have: {expression}");
    filled
}

/// The labels that `text` names between `open` and `close`, such as `{{node_id}}`.
fn named(text: &str, open: &str, close: &str) -> Labels {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(label, _)| label.trim().to_owned()).collect()
}

fn assert_yields(labels: &Labels, asked: &Labels, whose: &str) {
    assert!(asked.is_subset(labels), "{whose}: {asked:?} is shown, but only {labels:?} is there");
}

async fn scraped() -> Exported {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.expect("a cluster");
    let running = Running::start(&sandbox.bootstrap());
    running.healthy("3 of 3 brokers reachable");
    let metrics = ureq::get(format!("http://{}/metrics", running.admin)).call().expect("scraped").into_body().read_to_string().expect("text");
    drop(running);
    sandbox.shutdown().await;
    Exported::parse(&metrics)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_on_the_dashboard_and_in_the_alerts_is_exported() {
    let exported = scraped().await;
    let check = |expression: &str, whose: &str| exported.check(expression).unwrap_or_else(|error| panic!("{whose}: {error}"));

    let dashboard = dashboard();
    let mut expressions = 0;
    for panel in list(&dashboard, "panels") {
        for target in list(panel, "targets") {
            let title = text(panel, "title");
            assert_yields(&check(&filled(text(target, "expr")), title), &named(text(target, "legendFormat"), "{{", "}}"), title);
            expressions += 1;
        }
    }
    assert!(expressions > 40, "{expressions} expressions were found on the dashboard");
    for annotation in list(&dashboard["annotations"], "list").iter().filter(|annotation| annotation.get("expr").is_some()) {
        check(&filled(text(annotation, "expr")), text(annotation, "name"));
    }
    for variable in list(&dashboard["templating"], "list").iter().filter(|variable| variable["type"] == "query") {
        let values = text(&variable["query"], "query").strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).expect("label_values");
        let (series, label) = values.rsplit_once(", ").expect("a metric and a label");
        assert_yields(&check(&filled(series), text(variable, "name")), &BTreeSet::from([label.to_owned()]), values);
    }

    let alerts = alerts();
    assert!(alerts.len() > 10, "{} alerts were found", alerts.len());
    for Alert { alert, expr, annotations, .. } in &alerts {
        let labels = check(expr, alert);
        annotations.values().for_each(|text| assert_yields(&labels, &named(text, "{{ $labels.", "}}"), alert));
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_can_lay_out() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64() >= Some(41) && dashboard["id"].is_null());
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{} has the id of another panel", text(panel, "title"));
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a place"));
        assert!(x + w <= 24, "{} is wider than the page", text(panel, "title"));
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies over another panel", text(panel, "title"));
        }
        if panel["type"] != "row" {
            assert!(!text(panel, "description").is_empty() && !list(panel, "targets").is_empty(), "{panel:#}");
            assert_eq!(text(&panel["datasource"], "uid"), "${datasource}", "{}", text(panel, "title"));
        }
        if ["timeseries", "stat"].contains(&text(panel, "type")) {
            assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{} has no unit", text(panel, "title"));
        }
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let mut names = BTreeSet::new();
    for Alert { alert, labels, annotations, .. } in alerts() {
        assert_eq!(annotations.keys().collect::<Vec<_>>(), ["description", "summary"], "{alert}");
        assert!(labels.get("severity").is_some_and(|severity| ["critical", "warning"].contains(&severity.as_str())), "{alert}: {labels:?}");
        assert!(annotations["description"].len() > 100, "{alert}: what is an operator to do?");
        assert!(names.insert(alert), "an alert's name is there twice");
    }
}

#[test]
fn promtool_accepts_the_alerts_and_sees_them_fire() {
    for arguments in [&["check", "rules", ALERTS][..], &["test", "rules", "tests/cli/watching/alerts.test.yaml"]] {
        match Command::new("promtool").args(arguments).output() {
            Ok(ran) => assert!(ran.status.success(), "{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr)),
            // Straight to the file descriptor: the test harness holds back what a test prints until it has failed.
            Err(error) => writeln!(std::io::stderr(), "skipped: promtool {}: {error}; Debian's package prometheus has it", arguments.join(" ")).expect("said"),
        }
    }
}

#[test]
fn every_metric_is_in_the_reference() {
    let ran = leeward(&["metrics", "reference"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.contains("| `leeward_broker_time_seconds` | histogram | `api` | From a request's leaving "), "{}", ran.out);
    let file = std::fs::read_to_string("config/metrics.md").expect("the reference");
    assert!(file.ends_with(&ran.out), "config/metrics.md: its table is what `leeward metrics reference` prints");
}
