//! The files that a person's commands read, with brokers before Kafka 2.4.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rolling::reassign::run::{ByHand, Run, by_hand};

/// In the state's directory.
const DIRECTORY: &str = "reassign";

/// Writes the file of the topic at hand, if a person has to move it.
pub(super) fn tell(run: &Run, state: &Path) {
    let Some(hands) = by_hand(run) else { return };
    if let Err(error) = write(state, &hands) {
        tracing::warn!(%error, state = %state.display(), "the file for kafka-reassign-partitions is not on the disk; leeward reassign status -o json has it");
    }
}

/// Where the file of these hands is, if it is there.
pub(super) fn file(state: &Path, hands: &ByHand) -> Option<PathBuf> {
    let path = state.join(DIRECTORY).join(&hands.file);
    path.exists().then_some(path)
}

fn write(state: &Path, hands: &ByHand) -> std::io::Result<()> {
    let directory = state.join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(&hands.file), &hands.json)
}
