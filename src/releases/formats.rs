//! What the brokers of a cluster speak among themselves and store: inter.broker.protocol.version, metadata.version, the record format; and the Java they run on.
//!
//! Sources: `core/src/main/scala/kafka/api/ApiVersion.scala` (2.1 to 3.2), `MetadataVersion.java` (3.3 to 4.4, the later ones in the published kafka-server-common 4.0.0,
//! 4.1.0, 4.2.0, 4.3.1, 4.4.0), KIP-584, KIP-724, KIP-778, KIP-1013, docs/ops.html ("Java Version").

use super::Release::{self, *};
use super::Version;

/// A level of the feature metadata.version (KIP-778), which only KRaft has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataVersion {
    pub level: i16,
    /// As in `3.9-IV0`.
    pub name: &'static str,
    /// The first release that offers it without `unstable.feature.versions.enable`.
    pub release: Release,
    /// Whether it changed what is written to the metadata log, so that there is no way back over it (`didMetadataChange`).
    pub changed_metadata: bool,
}

/// The name of the feature.
pub const METADATA_VERSION: &str = "metadata.version";
/// The lowest level that 4.0 and later work with: 3.3-IV3.
pub const LEAST_LEVEL_OF_4: i16 = 7;

const fn level(level: i16, name: &'static str, release: Release, changed_metadata: bool) -> MetadataVersion {
    MetadataVersion { level, name, release, changed_metadata }
}

/// By level.
static METADATA_VERSIONS: [MetadataVersion; 33] = [
    level(1, "3.0-IV1", V3_0, true),
    level(2, "3.1-IV0", V3_1, false),
    level(3, "3.2-IV0", V3_2, true),
    level(4, "3.3-IV0", V3_3, false),
    level(5, "3.3-IV1", V3_3, true),
    level(6, "3.3-IV2", V3_3, true),
    level(7, "3.3-IV3", V3_3, true),
    level(8, "3.4-IV0", V3_4, true),
    level(9, "3.5-IV0", V3_5, false),
    level(10, "3.5-IV1", V3_5, false),
    level(11, "3.5-IV2", V3_5, true),
    level(12, "3.6-IV0", V3_6, false),
    level(13, "3.6-IV1", V3_6, true),
    level(14, "3.6-IV2", V3_6, true),
    level(15, "3.7-IV0", V3_7, true),
    level(16, "3.7-IV1", V3_7, false),
    level(17, "3.7-IV2", V3_7, true),
    level(18, "3.7-IV3", V3_7, false),
    level(19, "3.7-IV4", V3_7, false),
    level(20, "3.8-IV0", V3_8, false),
    level(21, "3.9-IV0", V3_9, false),
    level(22, "4.0-IV0", V4_0, false),
    level(23, "4.0-IV1", V4_0, true),
    level(24, "4.0-IV2", V4_0, false),
    level(25, "4.0-IV3", V4_0, false),
    level(26, "4.1-IV0", V4_1, false),
    level(27, "4.1-IV1", V4_1, false),
    level(28, "4.2-IV0", V4_2, false),
    level(29, "4.2-IV1", V4_2, false),
    level(30, "4.3-IV0", V4_3, true),
    level(31, "4.4-IV0", V4_4, false),
    level(32, "4.4-IV1", V4_4, true),
    level(33, "4.4-IV2", V4_4, true),
];

/// The highest level that a broker of each release supports with `unstable.feature.versions.enable`, where it is above the usual one (`latestTesting`).
static TESTING: [(Release, i16); 8] = [(V3_7, 20), (V3_8, 21), (V3_9, 23), (V4_0, 26), (V4_1, 29), (V4_2, 30), (V4_3, 31), (V4_4, 34)];

/// The level of metadata.version with this number; `None` for one that is not known here.
pub fn metadata_version_of(level: i16) -> Option<MetadataVersion> {
    METADATA_VERSIONS.iter().copied().find(|version| version.level == level)
}

impl Release {
    /// The newest metadata.version that its brokers support, and finalize in a new cluster; `None` before KRaft.
    pub fn metadata_version(self) -> Option<MetadataVersion> {
        METADATA_VERSIONS.iter().rev().copied().find(|version| version.release == self)
    }

    /// Whether its brokers tell the levels of metadata.version that they support: from 3.3 on, in KRaft mode (KIP-778).
    pub fn tells_metadata_version(self) -> bool {
        self >= V3_3
    }

    /// Whether a broker of this release may say that `level` is the highest metadata.version it supports.
    pub fn may_support_up_to(self, level: i16) -> bool {
        let usual = self.metadata_version().map(|version| version.level);
        let testing = TESTING.iter().find(|(release, _)| *release == self).map(|(_, level)| *level);
        self.tells_metadata_version() && (usual == Some(level) || testing == Some(level))
    }

    /// The newest inter.broker.protocol.version that its brokers speak, which is their default: the short name that stands in server.properties, and the whole one.
    /// `None` from 4.0 on: the setting went with ZooKeeper.
    pub fn inter_broker_protocol(self) -> Option<(&'static str, &'static str)> {
        let whole = match self {
            V2_1 => "2.1-IV2",
            V2_2 => "2.2-IV1",
            V2_3 => "2.3-IV1",
            V2_4 => "2.4-IV1",
            V2_5 => "2.5-IV0",
            V2_6 => "2.6-IV0",
            V2_7 => "2.7-IV2",
            V2_8 => "2.8-IV1",
            V3_0 | V3_1 | V3_2 | V3_3 | V3_4 | V3_5 | V3_6 | V3_7 | V3_8 | V3_9 => self.metadata_version()?.name,
            V4_0 | V4_1 | V4_2 | V4_3 | V4_4 => return None,
        };
        Some((self.name(), whole))
    }

    /// What log.message.format.version does in this release.
    pub fn message_format(self) -> MessageFormat {
        match self {
            V2_1 | V2_2 | V2_3 | V2_4 | V2_5 | V2_6 | V2_7 | V2_8 => MessageFormat::Applies { default: self.name() },
            V3_0 | V3_1 | V3_2 | V3_3 | V3_4 | V3_5 | V3_6 | V3_7 | V3_8 | V3_9 => MessageFormat::IgnoredFromProtocol3,
            V4_0 | V4_1 | V4_2 | V4_3 | V4_4 => MessageFormat::Removed,
        }
    }

    /// The oldest Java on which its brokers run, and the newest with long support that its documentation names.
    pub fn java(self) -> (u8, u8) {
        match self {
            V2_1 | V2_2 | V2_3 | V2_4 | V2_5 | V2_6 | V2_7 | V2_8 | V3_0 => (8, 11),
            V3_1 | V3_2 | V3_3 | V3_4 | V3_5 | V3_6 | V3_7 | V3_8 | V3_9 => (8, 17),
            V4_0 | V4_1 | V4_2 | V4_3 | V4_4 => (17, 21),
        }
    }
}

/// What log.message.format.version does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFormat {
    /// It chooses the record format; every value from 0.11 on means v2.
    Applies { default: &'static str },
    /// Deprecated, and without effect once inter.broker.protocol.version is 3.0 or higher (KIP-724).
    IgnoredFromProtocol3,
    /// There is no such setting; records are written in v2.
    Removed,
}

/// Whether the finalized metadata.version of a KRaft cluster can be taken back from that of `newer` to that of `older`: only where no level between changed the metadata.
pub fn metadata_can_go_back(older: Version, newer: Version) -> bool {
    let (Some(low), Some(high)) = (older.release.metadata_version(), newer.release.metadata_version()) else { return false };
    older.release.tells_metadata_version()
        && !METADATA_VERSIONS.iter().any(|version| version.level > low.level && version.level <= high.level && version.changed_metadata)
}
