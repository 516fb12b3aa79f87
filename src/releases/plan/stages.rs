//! What the stages of all ways are made of.

use super::{Action, Node, Setting, Stage};
use crate::releases::{Mode, Release, Version};

/// Where commands reach the cluster.
pub(super) const BROKER: &str = "HOST:9092";
const ZOOKEEPER: &str = "HOST:2181";

pub(super) fn set(name: &'static str, value: impl Into<String>) -> Setting {
    Setting { of: Node::Broker, name, value: Some(value.into()) }
}

pub(super) fn remove(name: &'static str) -> Setting {
    Setting { of: Node::Broker, name, value: None }
}

pub(super) fn stage(action: Action, title: impl Into<String>, release: Release, why: impl Into<String>, source: &'static str) -> Stage {
    Stage { action, title: title.into(), release, settings: Vec::new(), commands: Vec::new(), why: why.into(), point_of_no_return: None, source }
}

/// A restart on another patch of the same release.
pub(super) fn patch(to: Version, mode: Mode) -> Stage {
    let title = format!("Restart {} on {to}", everybody(mode));
    let why = format!("all of {} speak and store the same, so brokers of both patches work side by side and the way back is the same", to.release);
    stage(Action::Software, title, to.release, why, "docs/upgrade.html")
}

/// The cluster is well before anything is touched.
pub(super) fn well(release: Release, mode: Mode) -> Stage {
    let why = "a partition that lacks a replica loses another one when its broker is restarted";
    let mut stage =
        stage(Action::Check, "See that every partition has all its replicas in sync, and that nothing is being reassigned", release, why, "docs/ops.html");
    stage.commands = vec![under_replicated(release)];
    if mode == Mode::KRaft && release >= Release::V3_3 {
        stage.commands.push(format!("bin/kafka-metadata-quorum.sh --bootstrap-server {BROKER} describe --status"));
    }
    stage
}

/// After the new software, before what cannot be undone.
pub(super) fn satisfied(from: Release, release: Release, kept_back: &str) -> Stage {
    let title = format!("See that {release} does what it should, for as long as you want");
    let why = format!("with {kept_back} still that of {from}, every broker can go back to {from} by being restarted on it; after the next stage none can");
    let mut stage = stage(Action::Check, title, release, why, "docs/upgrade.html");
    stage.commands = vec![under_replicated(release)];
    stage
}

fn under_replicated(release: Release) -> String {
    // KIP-377: before 2.2 the tool knows ZooKeeper only.
    let whom = if release < Release::V2_2 { format!("--zookeeper {ZOOKEEPER}") } else { format!("--bootstrap-server {BROKER}") };
    format!("bin/kafka-topics.sh {whom} --describe --under-replicated-partitions")
}

pub(super) fn everybody(mode: Mode) -> &'static str {
    match mode {
        Mode::ZooKeeper => "every broker, one by one, the controller last,",
        Mode::KRaft => "every controller, the active one last, then every broker, one by one,",
    }
}

/// Releases whose early patches make trouble in an upgrade.
static EARLY_PATCHES: [(Release, &str); 3] = [
    (Release::V3_5, "; take 3.5.2 or later, since during a rolling upgrade 3.5.0 and 3.5.1 can report an empty ISR (KAFKA-15353)"),
    (Release::V3_7, "; take 3.7.1 or later where KRaft brokers have several log directories (KAFKA-16606)"),
    (Release::V4_0, "; take 4.0.1 or later, since 4.0.0 refuses JoinGroup 0 and 1 (KAFKA-19444)"),
];

/// Which patch of a release to take, where that matters.
pub(super) fn which_patch(release: Release) -> &'static str {
    EARLY_PATCHES.iter().find(|(of, _)| *of == release).map_or("", |(_, advice)| advice)
}
