//! In which releases a broker's setting exists, for those that upgrades touch.
//!
//! Sources: `KafkaConfig.scala` of the branches 2.1 to 3.9, the classes of the published kafka-server 4.0.0, KIP-500, KIP-866, KIP-853, docs/upgrade.html.

use super::Release::{self, *};

pub const INTER_BROKER_PROTOCOL: &str = "inter.broker.protocol.version";
pub const MESSAGE_FORMAT: &str = "log.message.format.version";
pub const ZOOKEEPER_CONNECT: &str = "zookeeper.connect";
pub const MIGRATION: &str = "zookeeper.metadata.migration.enable";
pub const PROCESS_ROLES: &str = "process.roles";
pub const NODE_ID: &str = "node.id";
pub const BROKER_ID: &str = "broker.id";
pub const QUORUM: &str = "controller.quorum.bootstrap.servers";
pub const CONTROLLER_LISTENERS: &str = "controller.listener.names";
pub const SECURITY_MAP: &str = "listener.security.protocol.map";
pub const CONTROL_PLANE_LISTENER: &str = "control.plane.listener.name";
pub const AUTHORIZER: &str = "authorizer.class.name";
pub const INTER_BROKER_LISTENER: &str = "inter.broker.listener.name";
pub const LISTENERS: &str = "listeners";

/// (setting, first release that has it, last release that has it).
static LIVES: [(&str, Release, Release); 14] = [
    (INTER_BROKER_PROTOCOL, V2_1, V3_9),
    (MESSAGE_FORMAT, V2_1, V3_9),
    (ZOOKEEPER_CONNECT, V2_1, V3_9),
    (MIGRATION, V3_4, V3_9),
    (PROCESS_ROLES, V2_8, V4_4),
    (NODE_ID, V2_8, V4_4),
    (BROKER_ID, V2_1, V4_4),
    (QUORUM, V3_9, V4_4),
    (CONTROLLER_LISTENERS, V2_8, V4_4),
    (SECURITY_MAP, V2_1, V4_4),
    (CONTROL_PLANE_LISTENER, V2_2, V3_9),
    (AUTHORIZER, V2_1, V4_4),
    (INTER_BROKER_LISTENER, V2_1, V4_4),
    (LISTENERS, V2_1, V4_4),
];

/// Whether brokers of `release` have this setting; `None` when nothing is known of it here.
pub fn exists(setting: &str, release: Release) -> Option<bool> {
    LIVES.iter().find(|(name, _, _)| *name == setting).map(|(_, first, last)| (*first..=*last).contains(&release))
}
