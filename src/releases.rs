//! What is known of the releases of Apache Kafka from 2.1 to 4.4, as data with its sources: which versions of which APIs each offers, which formats its
//! cluster speaks and stores, what its tools and settings lost and gained. From that data: which releases a broker can be, by what it offers ([`infer`]), and by which
//! stages a cluster goes from one release to another ([`plan`]).
//!
//! A release here is a line, such as 2.6: its patch releases (2.6.0 to 2.6.3) offer the same, with the one exception that [`apis`] names.
//! Nothing here knows a cluster: what is said of one comes in as a value.

pub mod apis;
pub mod changes;
pub mod formats;
mod inference;
mod plan;
pub mod settings;

#[cfg(test)]
mod tests;

pub use inference::{Inference, infer};
pub use plan::{Action, Node, Plan, PointOfNoReturn, Refusal, Setting, Stage, Step, plan};

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A release line of Apache Kafka, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    V2_1,
    V2_2,
    V2_3,
    V2_4,
    V2_5,
    V2_6,
    V2_7,
    V2_8,
    V3_0,
    V3_1,
    V3_2,
    V3_3,
    V3_4,
    V3_5,
    V3_6,
    V3_7,
    V3_8,
    V3_9,
    V4_0,
    V4_1,
    V4_2,
    V4_3,
    V4_4,
}

use Release::*;

/// Every release with its name, by age.
const RELEASES: [(Release, &str); 23] = [
    (V2_1, "2.1"),
    (V2_2, "2.2"),
    (V2_3, "2.3"),
    (V2_4, "2.4"),
    (V2_5, "2.5"),
    (V2_6, "2.6"),
    (V2_7, "2.7"),
    (V2_8, "2.8"),
    (V3_0, "3.0"),
    (V3_1, "3.1"),
    (V3_2, "3.2"),
    (V3_3, "3.3"),
    (V3_4, "3.4"),
    (V3_5, "3.5"),
    (V3_6, "3.6"),
    (V3_7, "3.7"),
    (V3_8, "3.8"),
    (V3_9, "3.9"),
    (V4_0, "4.0"),
    (V4_1, "4.1"),
    (V4_2, "4.2"),
    (V4_3, "4.3"),
    (V4_4, "4.4"),
];

impl Release {
    /// The oldest that is known here.
    pub const OLDEST: Release = V2_1;
    /// The newest that is known here.
    pub const NEWEST: Release = V4_4;
    /// The last with ZooKeeper, where a cluster crosses over to KRaft.
    pub const BRIDGE: Release = V3_9;

    /// Every release, by age.
    pub fn all() -> impl DoubleEndedIterator<Item = Release> {
        RELEASES.iter().map(|(release, _)| *release)
    }

    /// As in `2.6`.
    pub fn name(self) -> &'static str {
        RELEASES.iter().find(|(release, _)| *release == self).map_or("", |(_, name)| name)
    }

    /// The first number: a step that changes it is a major one.
    pub fn major(self) -> u8 {
        match self {
            V2_1 | V2_2 | V2_3 | V2_4 | V2_5 | V2_6 | V2_7 | V2_8 => 2,
            V3_0 | V3_1 | V3_2 | V3_3 | V3_4 | V3_5 | V3_6 | V3_7 | V3_8 | V3_9 => 3,
            V4_0 | V4_1 | V4_2 | V4_3 | V4_4 => 4,
        }
    }

    /// Whether its brokers can run in `mode`. KRaft counts from 3.0: in 2.8 it was early access, and a cluster of it can be upgraded to nothing
    /// (docs/upgrade.html of 3.0).
    pub fn runs_in(self, mode: Mode) -> bool {
        match mode {
            Mode::ZooKeeper => self <= Self::BRIDGE,
            Mode::KRaft => self >= V3_0,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Where a cluster keeps its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    ZooKeeper,
    KRaft,
}

impl Mode {
    /// Both.
    pub const ALL: [Mode; 2] = [Mode::ZooKeeper, Mode::KRaft];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::ZooKeeper => "ZooKeeper",
            Mode::KRaft => "KRaft",
        })
    }
}

/// What an operator names: a release, perhaps with its patch, such as `2.6` or `2.6.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub release: Release,
    pub patch: Option<u16>,
}

/// A text that names no release that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no release of Apache Kafka that is known here; say one from {} to {}, such as 2.6 or 2.6.3", Release::OLDEST, Release::NEWEST)]
pub struct UnknownRelease {
    pub text: String,
}

impl FromStr for Version {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        let unknown = || UnknownRelease { text: text.to_owned() };
        let mut parts = text.splitn(3, '.');
        let line = match (parts.next(), parts.next()) {
            (Some(major), Some(minor)) => format!("{major}.{minor}"),
            (_, _) => return Err(unknown()),
        };
        let (release, _) = RELEASES.iter().find(|(_, name)| *name == line).ok_or_else(unknown)?;
        let digits = |patch: &str| patch.bytes().all(|byte| byte.is_ascii_digit()).then(|| patch.parse::<u16>().ok()).flatten().ok_or_else(unknown);
        Ok(Self { release: *release, patch: parts.next().map(digits).transpose()? })
    }
}

impl From<Release> for Version {
    fn from(release: Release) -> Self {
        Self { release, patch: None }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.patch {
            Some(patch) => f.pad(&format!("{}.{patch}", self.release)),
            None => f.pad(self.release.name()),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
