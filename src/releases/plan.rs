//! By which stages a cluster goes from one release to another, with the exact settings of each, and what cannot be undone.
//!
//! Sources: docs/upgrade.html of every release ("For a rolling upgrade"), docs/getting-started/upgrade.md of 4.3, docs/ops.html of 3.9 ("ZooKeeper to KRaft Migration"),
//! KIP-584, KIP-724, KIP-778, KIP-866, KIP-902, KIP-1022. That controllers come before brokers, and the active controller last, is advice of Leeward's own.

mod kraft;
mod migration;
mod refusal;
mod stages;
mod zookeeper;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::changes::{self, Change};
use super::{Mode, Release, Version};
pub use refusal::Refusal;

/// A way from one release to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub from: Version,
    pub to: Version,
    /// Where the cluster keeps its metadata now.
    pub mode: Mode,
    pub step: Step,
    /// What has to be seen to before the first stage.
    pub before: Vec<&'static Change>,
    /// In their order; none when there is nothing to do.
    pub stages: Vec<Stage>,
    /// What else is different afterwards.
    pub changes: Vec<&'static Change>,
}

/// How far a way goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    None,
    /// Within one release line.
    Patch,
    /// The first number stays.
    Minor,
    /// The first number changes: things that were deprecated are gone.
    Major,
}

/// One stage. The next begins when it is done and the cluster is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    pub action: Action,
    pub title: String,
    /// What the brokers run when it is done.
    pub release: Release,
    /// What to write into the nodes' properties, or to take out of them. In a check: what must stand there.
    pub settings: Vec<Setting>,
    /// To be run once, from that release's directory.
    pub commands: Vec<String>,
    pub why: String,
    pub point_of_no_return: Option<PointOfNoReturn>,
    pub source: &'static str,
}

/// What is done in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing is changed.
    Check,
    /// Every node is stopped and started on another release, one by one.
    Software,
    /// Every node is restarted with other settings, one by one.
    Settings,
    /// The commands are run once for the cluster.
    Command,
    /// Something beside the brokers is set up or upgraded.
    Provision,
}

/// A line of a node's properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub of: Node,
    pub name: &'static str,
    /// `None`: the line is taken out.
    pub value: Option<String>,
}

/// Whose properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    Broker,
    Controller,
}

/// What cannot be undone once a stage is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PointOfNoReturn {
    /// A sentence: what is impossible from then on.
    pub lost: String,
}

impl Plan {
    /// How many stages cannot be undone.
    pub fn points_of_no_return(&self) -> usize {
        self.stages.iter().filter(|stage| stage.point_of_no_return.is_some()).count()
    }
}

/// The way from one release to another, for a cluster that keeps its metadata as `mode` says.
///
/// # Errors
/// There is no such way: what is possible in its place.
pub fn plan(from: Version, to: Version, mode: Mode) -> Result<Plan, Refusal> {
    refusal::check(from, to, mode)?;
    let step = step(from, to);
    let stages = match (step, mode) {
        (Step::None, _) => Vec::new(),
        (Step::Patch, _) => vec![stages::patch(to, mode)],
        (Step::Minor | Step::Major, Mode::ZooKeeper) => zookeeper::stages(from.release, to.release),
        (Step::Minor | Step::Major, Mode::KRaft) => kraft::stages(from.release, to.release),
    };
    let (before, changes) = changes::between(from.release, to.release, mode).partition(|change| change.first);
    Ok(Plan { from, to, mode, step, before, stages, changes })
}

fn step(from: Version, to: Version) -> Step {
    if from.release.major() != to.release.major() {
        Step::Major
    } else if from.release != to.release {
        Step::Minor
    } else if from.patch == to.patch {
        Step::None
    } else {
        Step::Patch
    }
}
