//! The programs of clients that are not of this process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::load::{Duty, PARTITIONS, Row};
use crate::cache::{self, KafkaPython};
use crate::process::Spec;
use crate::release::{Quorum, Release};
use crate::steps::say;

const PYTHON: &str = include_str!("python/load.py");
const GO: [(&str, &str); 3] = [("main.go", include_str!("go/main.go")), ("go.mod", include_str!("go/go.mod")), ("go.sum", include_str!("go/go.sum"))];
const JAVA: [(&str, &str); 2] = [("Load.java", include_str!("java/Load.java")), ("Journal.java", include_str!("java/Journal.java"))];
const SHARE_NONE: (&str, &str) = ("LoadShareNone.java", include_str!("java/LoadShareNone.java"));
const SHARE_SOME: (&str, &str) = ("LoadShareSome.java", include_str!("java/LoadShareSome.java"));

/// Where a client writes, and what it looks for to end.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) journal: &'a Path,
    pub(super) stop: &'a Path,
}

/// Whether there is a Go to build sarama's client with. Without one the row is left out, but not where everything has to be tested.
pub(crate) fn go_is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let here =
            Command::new("go").arg("version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !here {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true, but go is missing (apt-get install golang-go)");
            say("guard", "go is missing (apt-get install golang-go): there is no row of sarama");
        }
        here
    })
}

pub(super) fn sarama() -> PathBuf {
    cache::go_program("sarama", &GO)
}

pub(super) fn java_classes(release: &Release) -> PathBuf {
    cache::java_classes(release, &[JAVA.as_slice(), &[if release.share_groups() { SHARE_SOME } else { SHARE_NONE }]].concat())
}

pub(super) fn python_spec(version: KafkaPython, directory: &Path, row: &Row, bootstrap: &str, topic: &str, files: Files<'_>) -> Spec {
    let script = directory.join("load.py");
    std::fs::write(&script, PYTHON).unwrap();
    Spec::new(cache::python(version)).arg(script).args(producer_arguments(row, bootstrap, topic, files))
}

/// It is told which version the brokers are of, and says who it is to those of 2.4 and later.
pub(super) fn sarama_spec(release: &Release, row: &Row, bootstrap: &str, topic: &str, files: Files<'_>) -> Spec {
    let version = if release.quorum == Quorum::KRaft { "3.6.0" } else { "2.1.0" };
    Spec::new(sarama()).args(producer_arguments(row, bootstrap, topic, files)).arg(format!("version={version}"))
}

fn producer_arguments(row: &Row, bootstrap: &str, topic: &str, files: Files<'_>) -> Vec<String> {
    let Duty::Produce { acks, rate } = row.duty else { panic!("{}: a producer alone", row.name) };
    vec![
        format!("bootstrap={bootstrap}"),
        format!("row={}", row.name),
        format!("topic={topic}"),
        format!("partitions={PARTITIONS}"),
        format!("acks={acks}"),
        format!("rate={rate}"),
        format!("journal={}", files.journal.display()),
        format!("stop={}", files.stop.display()),
    ]
}

/// What the Java program is told about one of its clients.
pub(super) fn java_argument(row: &Row, topics: &[String], label: &str, files: Files<'_>) -> String {
    let duty = match row.duty {
        Duty::Produce { acks, rate } => format!("task=produce;acks={acks};rate={rate};retries=0;enable.idempotence=false"),
        Duty::Resend { rate } => format!("task=produce;acks=all;rate={rate};enable.idempotence=true"),
        Duty::Transact { rate, chunk } => format!("task=transact;rate={rate};chunk={chunk};transactional.id={}-{label}", row.name),
        // Clients before 3.7 know of no protocols.
        Duty::Read { protocol: "classic" } => format!("task=consume;group.id={}-{label}", row.name),
        Duty::Read { protocol } => format!("task=consume;group.id={}-{label};group.protocol={protocol}", row.name),
        Duty::Share => format!("task=share;group.id={}-{label}", row.name),
    };
    let (journal, stop) = (files.journal.display(), files.stop.display());
    format!("row={};topic={};partitions={PARTITIONS};journal={journal};stop={stop};{duty}", row.name, topics.join(","))
}

/// All Java clients in one process: a virtual machine for each would be most of the load.
pub(super) fn java_spec(release: &'static Release, directory: &Path, bootstrap: &str, arguments: &[String]) -> Spec {
    let classes = java_classes(release);
    let (file, property, text) = release.logger.configuration("WARN");
    let configuration = directory.join(file);
    std::fs::write(&configuration, text).unwrap();
    Spec::new(cache::java(release))
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"])
        .arg(format!("{property}{}", configuration.display()))
        .args(["-cp", &format!("{}:{}", classes.display(), cache::class_path(release)), "Load", bootstrap])
        .args(arguments)
}
