//! Which versions of which APIs the brokers of each release accept from clients and from other brokers.

mod rows;

#[cfg(test)]
mod tests;

use rows::{ROWS, UNSTABLE};

use super::Release::{self, *};
use super::{Mode, Version};
use crate::protocol::versions::VersionRange;
use crate::wire::api;

/// The history of one API.
#[derive(Debug, Clone, Copy)]
struct Row {
    api_key: i16,
    /// Offered by brokers in ZooKeeper mode from this release to 3.9.
    zookeeper_since: Option<Release>,
    /// Offered by brokers in KRaft mode from this release on.
    kraft_since: Option<Release>,
    /// (since, lowest, highest), by age.
    steps: &'static [(Release, i16, i16)],
}

/// Whether a release's brokers take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    Yes,
    /// The broker ends the connection, or answers UNSUPPORTED_VERSION to ApiVersions.
    No,
    /// Not all brokers of the release do: which do.
    Depends(&'static str),
}

const JOIN_GROUP: i16 = 11;
/// Carries requests that a broker passes on to the controller. Brokers in KRaft mode listed it in 3.0 and 3.1, though they take none (`ApiVersionManager.scala`), so it tells nothing.
pub(super) const ENVELOPE: i16 = 58;
const GET_TELEMETRY_SUBSCRIPTIONS: i16 = 71;
const PUSH_TELEMETRY: i16 = 72;

/// The first version of JoinGroup that 4.0.0 accepts; 4.0.1 and later accept all again (KAFKA-19444). The table has 4.0.1.
pub const JOIN_GROUP_MIN_OF_4_0_0: i16 = 2;

/// Offered only so far as the active controller has them too, which may be of another release (`forwardable` in `ApiKeys.java`, `ApiVersionsResponse.java`).
const FORWARDED: [i16; 24] = [19, 20, 30, 31, 33, 37, 38, 39, 40, 43, 44, 45, 46, 49, 51, 55, 56, 57, 64, 67, 80, 81, 94, ENVELOPE];

/// Whether a broker of one and the same release may offer `api_key` or leave it out, or with other versions, by its configuration or by its controller.
pub(super) fn varies(api_key: i16) -> bool {
    FORWARDED.contains(&api_key) || matches!(api_key, GET_TELEMETRY_SUBSCRIPTIONS | PUSH_TELEMETRY)
}

/// Every key that some release has, ascending.
pub fn keys() -> impl Iterator<Item = i16> {
    ROWS.iter().map(|row| row.api_key)
}

/// The versions of `api_key` that brokers of `release` in `mode` accept; `None` where they do not have it.
pub fn range(release: Release, mode: Mode, api_key: i16) -> Option<VersionRange> {
    let row = ROWS.iter().find(|row| row.api_key == api_key)?;
    let since = match mode {
        Mode::ZooKeeper => row.zookeeper_since,
        Mode::KRaft => row.kraft_since,
    }?;
    if release < since || !release.runs_in(mode) {
        return None;
    }
    let (_, min, max) = row.steps.iter().rev().find(|(since, _, _)| *since <= release)?;
    Some(VersionRange { api_key, min: *min, max: *max })
}

/// As [`range`], in the form in which ApiVersions tells it: 4.x lists Produce from 0 on, though it takes only 3 and later (KAFKA-18659).
pub fn listed(release: Release, mode: Mode, api_key: i16) -> Option<VersionRange> {
    let range = range(release, mode, api_key)?;
    Some(if api_key == api::PRODUCE { VersionRange { min: 0, ..range } } else { range })
}

/// The highest version of `api_key` with `unstable.api.versions.enable`, where that is not the highest anyway.
pub fn unstable(release: Release, mode: Mode, api_key: i16) -> Option<i16> {
    // Those of 3.9 and later have the listener `broker` alone, which is KRaft's.
    let offered = release.runs_in(mode) && (mode == Mode::KRaft || release < V3_9);
    UNSTABLE.iter().find(|(of, key, _)| offered && (*of, *key) == (release, api_key)).map(|(_, _, version)| *version)
}

/// Whether brokers of `version` in `mode` take a request of this key and version.
pub fn accepts(version: Version, mode: Mode, api_key: i16, api_version: i16) -> Accepted {
    let release = version.release;
    let inside = range(release, mode, api_key).is_some_and(|range| (range.min..=range.max).contains(&api_version));
    if !inside {
        return if unstable(release, mode, api_key) == Some(api_version) {
            Accepted::Depends("those with unstable.api.versions.enable=true")
        } else {
            Accepted::No
        };
    }
    if (release, api_key) == (V4_0, JOIN_GROUP) && api_version < JOIN_GROUP_MIN_OF_4_0_0 {
        return match version.patch {
            Some(0) => Accepted::No,
            Some(_) => Accepted::Yes,
            None => Accepted::Depends("4.0.1 and later; 4.0.0 does not (KAFKA-19444)"),
        };
    }
    match api_key {
        GET_TELEMETRY_SUBSCRIPTIONS | PUSH_TELEMETRY => Accepted::Depends("those with a metrics reporter that receives telemetry (KIP-714)"),
        _ => Accepted::Yes,
    }
}

/// The versions that `from` takes for sure and `to` does not, as ranges by key: what a client of the old cluster may still speak, and the new one refuses.
pub fn lost(from: (Version, Mode), to: (Version, Mode)) -> Vec<VersionRange> {
    let mut lost: Vec<VersionRange> = Vec::new();
    for api_key in keys() {
        let Some(range) = range(from.0.release, from.1, api_key) else { continue };
        for version in range.min..=range.max {
            let taken = |(release, mode)| accepts(release, mode, api_key, version);
            if taken(from) != Accepted::Yes || taken(to) == Accepted::Yes {
                continue;
            }
            match lost.last_mut() {
                Some(last) if (last.api_key, last.max + 1) == (api_key, version) => last.max = version,
                Some(_) | None => lost.push(VersionRange { api_key, min: version, max: version }),
            }
        }
    }
    lost
}
