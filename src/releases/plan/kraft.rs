//! With KRaft: new software, then metadata.version is finalized.

use super::stages::{BROKER, everybody, satisfied, stage, well, which_patch};
use super::{Action, PointOfNoReturn, Stage};
use crate::releases::formats::{LEAST_LEVEL_OF_4, METADATA_VERSION, metadata_can_go_back, metadata_version_of};
use crate::releases::{Mode, Release};

/// The first release whose KRaft was called ready, and the oldest from which 4.0 can be reached.
const LEAST_OF_4: Release = Release::V3_3;

pub(super) fn stages(from: Release, to: Release) -> Vec<Stage> {
    let mut stages = vec![well(from, Mode::KRaft)];
    if to >= Release::V4_0 && from < LEAST_OF_4 {
        stages.extend(from_well(from, Release::BRIDGE));
        stages.extend(from_well(Release::BRIDGE, to));
    } else {
        if from < Release::V4_0 && to >= Release::V4_0 {
            stages.push(least_metadata(from));
        }
        stages.extend(from_well(from, to));
    }
    stages
}

/// As [`stages`], once the cluster is known to be well.
pub(super) fn from_well(from: Release, to: Release) -> Vec<Stage> {
    vec![software(from, to), satisfied(from, to, METADATA_VERSION), finalize(from, to)]
}

fn least_metadata(from: Release) -> Stage {
    let name = metadata_version_of(LEAST_LEVEL_OF_4).map_or("", |version| version.name);
    let title = format!("See that the finalized metadata.version is {name} (level {LEAST_LEVEL_OF_4}) or higher");
    let why = format!(
        "brokers and controllers of 4.0 do not start below it; raise it first, for good, with: bin/kafka-features.sh --bootstrap-server {BROKER} upgrade --metadata {from}"
    );
    let mut stage = stage(Action::Check, title, from, why, "docs upgrade 4.0.0, MetadataVersion.MINIMUM_VERSION");
    stage.commands = vec![format!("bin/kafka-features.sh --bootstrap-server {BROKER} describe")];
    stage
}

fn software(from: Release, to: Release) -> Stage {
    let title = format!("Restart {} on {to}", everybody(Mode::KRaft));
    let mut why = format!("until metadata.version is raised, {to} writes the metadata as {from} does, so both work side by side");
    if to == Release::BRIDGE && from < LEAST_OF_4 {
        why.push_str("; 4.0 cannot be reached from a preview of KRaft directly, and 3.9 runs on Java 17 already, which 4.0 needs");
    }
    why.push_str(which_patch(to));
    stage(Action::Software, title, to, why, "docs/upgrade.html, \"Upgrading KRaft-based clusters\"")
}

fn finalize(from: Release, to: Release) -> Stage {
    let name = to.metadata_version().map_or("", |version| version.name);
    let title = format!("Finalize metadata.version {name}");
    let mut why = format!("what is new in {to} is off until the whole cluster may rely on it");
    let option = if to >= Release::V4_0 {
        why.push_str("; the other features of the release are finalized with it (KIP-1022)");
        "--release-version"
    } else {
        "--metadata"
    };
    let mut stage = stage(Action::Command, title, to, why, "docs/upgrade.html, \"Upgrading KRaft-based clusters\"; KIP-778, KIP-1022");
    stage.commands = vec![format!("bin/kafka-features.sh --bootstrap-server {BROKER} upgrade {option} {to}")];
    let lost = if metadata_can_go_back(from.into(), to.into()) {
        format!(
            "Once it is finalized, no node can be restarted on {from} before metadata.version is taken back, which Kafka allows here since nothing in between changed the metadata"
        )
    } else {
        format!("Once it is finalized, the cluster cannot go back to {from}: the metadata log has records that {from} cannot read")
    };
    stage.point_of_no_return = Some(PointOfNoReturn { lost });
    stage
}
