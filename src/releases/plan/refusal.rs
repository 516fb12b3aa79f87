//! Ways that there are not, each with what is possible in its place.

use crate::releases::formats::metadata_can_go_back;
use crate::releases::{Mode, Release, Version};

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{from} has no {mode} mode{}", other_mode(*from))]
    NoSuchMode { from: Release, mode: Mode },
    #[error("from {from} to {to} is a way back, and none is planned. {}", way_back(*from, *to, *mode))]
    Downgrade { from: Version, to: Version, mode: Mode },
    #[error(
        "KRaft was a preview until 3.2, and Kafka promises no upgrade from {from} to {to}. Go from {from} to 3.3 or later: leeward roll plan --from {from} --to 3.9 --mode kraft"
    )]
    Preview { from: Release, to: Release },
}

pub(super) fn check(from: Version, to: Version, mode: Mode) -> Result<(), Refusal> {
    let (old, new) = (from.release, to.release);
    if !old.runs_in(mode) {
        return Err(Refusal::NoSuchMode { from: old, mode });
    }
    let earlier_patch = old == new && from.patch.zip(to.patch).is_some_and(|(from, to)| to < from);
    if new < old || earlier_patch {
        return Err(Refusal::Downgrade { from, to, mode });
    }
    if mode == Mode::KRaft && new > old && new < Release::V3_3 {
        return Err(Refusal::Preview { from: old, to: new });
    }
    Ok(())
}

fn other_mode(release: Release) -> &'static str {
    if release == Release::V2_8 {
        " that can be upgraded: it was early access, and a cluster of it has to be made anew. Its ZooKeeper mode can be upgraded: say --mode zookeeper"
    } else if release < Release::V3_0 {
        ", it came with 3.0: say --mode zookeeper"
    } else {
        ", it went with 4.0: say --mode kraft"
    }
}

fn way_back(from: Version, to: Version, mode: Mode) -> String {
    let (newer, older) = (from.release, to.release);
    if newer == older {
        return format!("Brokers of {newer} speak and store the same whatever their patch, so they can be restarted one by one on {to} as they are");
    }
    if mode == Mode::ZooKeeper {
        return format!(
            "As long as inter.broker.protocol.version is {older} or lower on every broker, they can be restarted one by one on {to}, with that line left in; \
             once it has been raised, only a new cluster of {to} to which the topics are mirrored"
        );
    }
    if !older.runs_in(Mode::KRaft) {
        return format!("{older} cannot read the metadata of a KRaft cluster: only a new cluster of {to} to which the topics are mirrored");
    }
    if !older.tells_metadata_version() {
        return format!(
            "KRaft was a preview in {older}, and metadata.version cannot be taken back to it: only a new cluster of {to} to which the topics are mirrored"
        );
    }
    let back = if metadata_can_go_back(to, from) {
        let option = if older >= Release::V4_0 { "--release-version" } else { "--metadata" };
        format!(
            "once it is finalized, it is taken back first: bin/kafka-features.sh --bootstrap-server HOST:9092 downgrade {option} {older}; nothing in between changed the metadata"
        )
    } else {
        format!("once it is finalized, only a new cluster of {to} to which the topics are mirrored, for what is in the metadata log then {older} cannot read")
    };
    format!("As long as the finalized metadata.version is that of {older} or lower, brokers and controllers can be restarted one by one on {to}; {back}")
}
