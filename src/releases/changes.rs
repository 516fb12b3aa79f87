//! What operators' commands, settings, clients and machines lose and gain from release to release.
//!
//! Sources: docs/upgrade.html of the branches 2.2 to 3.9 and docs/getting-started/upgrade.md of 4.3 ("Notable changes"); where a row names a class, that class in the
//! release before and in the release itself. For 4.4 no notes were to be had: its rows come from what its published classes offer.

mod rows;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{Mode, Release};

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A command-line tool.
    Tool,
    /// A broker's or a topic's setting.
    Setting,
    /// What applications run.
    Client,
    /// What brokers run on: Java, ZooKeeper, plugins, logging.
    Platform,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    Gained,
    Changed,
    Deprecated,
    Lost,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The first release in which it is so.
    pub since: Release,
    pub subject: Subject,
    pub effect: Effect,
    pub what: &'static str,
    /// What to do about it.
    pub instead: &'static str,
    /// It stops brokers or clients that are not ready: to be seen to before brokers of that release start.
    #[serde(skip)]
    pub first: bool,
    /// It is so in that release alone, and of no interest to who goes beyond it.
    #[serde(skip)]
    pub only_there: bool,
    /// The mode of the cluster that it concerns; `None`: both.
    #[serde(skip)]
    pub mode: Option<Mode>,
    pub source: &'static str,
}

/// What changes between `from` and `to` (the first left out, the second included), by age, for a cluster that begins in `mode`.
pub fn between(from: Release, to: Release, mode: Mode) -> impl Iterator<Item = &'static Change> {
    let on_the_way = move |change: &&Change| change.since > from && change.since <= to && (!change.only_there || change.since == to);
    rows::CHANGES.iter().filter(on_the_way).filter(move |change| change.mode.is_none_or(|of| of == mode))
}
