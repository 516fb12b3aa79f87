//! The rows, by release.

use super::Effect::{self, *};
use super::Subject::{self, *};
use super::{Change, Mode};
use crate::releases::Release::{self, *};

const fn row(since: Release, subject: Subject, effect: Effect, what: &'static str, instead: &'static str, source: &'static str) -> Change {
    Change { since, subject, effect, what, instead, first: false, only_there: false, mode: None, source }
}

impl Change {
    const fn first(self) -> Self {
        Self { first: true, ..self }
    }

    const fn only_there(self) -> Self {
        Self { only_there: true, ..self }
    }

    const fn zookeeper(self) -> Self {
        Self { mode: Some(Mode::ZooKeeper), ..self }
    }

    const fn kraft(self) -> Self {
        Self { mode: Some(Mode::KRaft), ..self }
    }
}

/// By age.
#[rustfmt::skip]
pub(super) static CHANGES: [Change; 45] = [
    row(V2_2, Tool, Gained, "kafka-topics takes --bootstrap-server", "leave --zookeeper behind; brokers of 2.1 are asked with the tool of 2.1", "KIP-377, TopicCommand"),
    row(V2_2, Tool, Gained, "kafka-preferred-replica-election takes --bootstrap-server", "use it in place of --zookeeper", "KIP-183, PreferredReplicaLeaderElectionCommand"),
    row(V2_4, Tool, Gained, "kafka-leader-election is new; kafka-preferred-replica-election is deprecated", "kafka-leader-election --election-type preferred", "KIP-460"),
    row(V2_4, Platform, Changed, "reassignments that run during the upgrade can be lost", "finish or cancel them first, and begin none until every broker is upgraded", "docs/upgrade.html 2.4.0").first().zookeeper(),
    row(V2_4, Platform, Changed, "the ZooKeeper that comes with Kafka is 3.5", "before a 3.4 ensemble without snapshot files is upgraded, set snapshot.trust.empty=true in zookeeper.properties", "docs/upgrade.html 2.4.1, ZOOKEEPER-3056").zookeeper(),
    row(V2_5, Tool, Gained, "kafka-console-producer takes --bootstrap-server; kafka-configs takes it for topics too", "use it in place of --broker-list and --zookeeper", "ConsoleProducer, ConfigCommand"),
    row(V2_5, Client, Changed, "TLSv1 and TLSv1.1 are off by default", "clients need TLSv1.2, or name the old ones in ssl.enabled.protocols", "docs/upgrade.html 2.5.0").first(),
    row(V2_6, Tool, Gained, "kafka-reassign-partitions does everything with --bootstrap-server, and knows --cancel and --additional", "use it in place of --zookeeper, which is deprecated", "KIP-455"),
    row(V2_6, Tool, Gained, "kafka-configs takes --bootstrap-server for users and clients too", "use it in place of --zookeeper", "KIP-546, ConfigCommand"),
    row(V2_7, Tool, Gained, "kafka-configs manages SCRAM credentials with --bootstrap-server", "use it in place of --zookeeper", "KIP-554"),
    row(V2_8, Setting, Changed, "topics get ids once inter.broker.protocol.version is 2.8", "do not go back below it: topics may then lose or change their ids", "KIP-516, docs/upgrade.html 2.8.0").zookeeper(),
    row(V3_0, Tool, Lost, "kafka-topics and kafka-reassign-partitions have no --zookeeper", "--bootstrap-server", "docs/upgrade.html 3.0.0"),
    row(V3_0, Tool, Lost, "kafka-preferred-replica-election is gone", "kafka-leader-election --election-type preferred", "docs/upgrade.html 3.0.0"),
    row(V3_0, Tool, Lost, "kafka-configs takes --zookeeper only for SCRAM credentials and for brokers that are not running", "--bootstrap-server", "docs/upgrade.html 3.0.0"),
    row(V3_0, Setting, Lost, "host.name, port, advertised.host.name and advertised.port are gone", "listeners and advertised.listeners", "docs/upgrade.html 3.0.0").first(),
    row(V3_0, Setting, Lost, "quota.producer.default and quota.consumer.default are gone", "default quotas by kafka-configs --entity-type clients --entity-default", "KAFKA-12591").first(),
    row(V3_0, Setting, Deprecated, "log.message.format.version and message.format.version have no effect once inter.broker.protocol.version is 3.0", "remove them when the protocol is raised", "KIP-724").zookeeper(),
    row(V3_0, Platform, Lost, "SimpleAclAuthorizer and the Scala Authorizer are gone", "authorizer.class.name=kafka.security.authorizer.AclAuthorizer, which 2.4 and later have", "KIP-504, docs/upgrade.html 3.0.0").first().zookeeper(),
    row(V3_0, Platform, Changed, "a principal.builder.class of one's own must implement KafkaPrincipalSerde", "add it before the upgrade", "KIP-590").first(),
    row(V3_0, Client, Changed, "Java producers of 3.0 and later are idempotent with acks=all unless told otherwise", "on brokers older than 2.8 they need the IDEMPOTENT_WRITE permission: upgrade brokers before clients", "KIP-679"),
    row(V3_0, Platform, Deprecated, "Java 8, and MirrorMaker 1", "Java 11 or 17; MirrorMaker 2", "KIP-750, KIP-720"),
    row(V3_3, Tool, Gained, "kafka-features upgrade and downgrade take --metadata", "metadata.version takes the place of inter.broker.protocol.version in KRaft mode", "KIP-778").kraft(),
    row(V3_6, Platform, Changed, "the ZooKeeper client is 3.8, which needs an ensemble of 3.5 or later", "an ensemble of 3.4 (it came with Kafka before 2.4) is upgraded first", "KIP-902").first().zookeeper(),
    row(V3_6, Setting, Deprecated, "log.message.timestamp.difference.max.ms", "log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms", "KIP-937"),
    row(V3_7, Platform, Deprecated, "Java 11 for brokers and tools", "Java 17", "KIP-1013"),
    row(V3_7, Client, Deprecated, "the requests of clients older than 2.1", "upgrade them; before 4.0 it must be done", "KIP-896"),
    row(V4_0, Client, Lost, "requests that only clients older than Kafka 2.1 send are refused (Produce below 3, Fetch below 4, and others)", "upgrade Java clients to 2.1 or later, and others to a version that speaks these APIs; librdkafka's compression needs Produce listed from 0, which it is", "KIP-896").first(),
    row(V4_0, Client, Changed, "4.0.0 alone also refuses JoinGroup 0 and 1, which kafka-go, old sarama and librdkafka below 2.11 with Kerberos send", "go to 4.0.1 or later", "KAFKA-19444").first().only_there(),
    row(V4_0, Platform, Changed, "brokers and tools need Java 17; Java clients need 11", "put Java 17 on every machine of a broker; Kafka 3.1 and later run on it too", "KIP-750, KIP-1013").first(),
    row(V4_0, Platform, Lost, "ZooKeeper mode is gone", "migrate to KRaft on 3.9", "KIP-500, KIP-866").first().zookeeper(),
    row(V4_0, Platform, Changed, "logging is Log4j 2", "turn log4j.properties into log4j2.yaml (log4j-transform-cli); KafkaLog4jAppender is gone", "KIP-653").first(),
    row(V4_0, Platform, Lost, "MirrorMaker 1 (kafka-mirror-maker) is gone", "MirrorMaker 2 (connect-mirror-maker)", "KIP-720").first(),
    row(V4_0, Setting, Lost, "inter.broker.protocol.version and zookeeper.* are gone", "remove them; kafka-features --release-version takes their place", "KIP-500"),
    row(V4_0, Setting, Lost, "log.message.format.version and message.format.version are gone", "remove them from brokers and topics; records are written in v2 and no longer converted for consumers older than 0.11", "KIP-724"),
    row(V4_0, Setting, Changed, "log.segment.bytes below 1 MiB, and -1 for the thread pools remote.log.manager.copier and .expiration, are refused", "raise them before the upgrade", "KIP-1030").first(),
    row(V4_0, Setting, Lost, "delegation.token.master.key, offsets.commit.required.acks, log.message.timestamp.difference.max.ms, metrics.jmx.whitelist and .blacklist", "delegation.token.secret.key, nothing, log.message.timestamp.before.max.ms and .after.max.ms, metrics.jmx.include and .exclude", "docs upgrade 4.0.0").first(),
    row(V4_0, Setting, Changed, "message.timestamp.after.max.ms is 1 hour by default", "records from producers whose clocks are more than an hour ahead are refused", "KIP-1030"),
    row(V4_0, Tool, Lost, "kafka-configs has no --zookeeper; kafka-acls has no --authorizer; the zookeeper-* scripts are gone", "--bootstrap-server or --bootstrap-controller", "docs upgrade 4.0.0"),
    row(V4_0, Tool, Lost, "kafka-console-producer has no --broker-list; kafka-console-consumer has no --whitelist", "--bootstrap-server; --include", "ConsoleProducer, docs upgrade 4.0.0"),
    row(V4_0, Tool, Changed, "a --bootstrap-server list is separated by commas only; kafka-features --metadata is deprecated", "host1:9092,host2:9092; --release-version", "docs upgrade 4.0.0, FeatureCommand"),
    row(V4_1, Setting, Changed, "with eligible leader replicas on, min.insync.replicas of single brokers is dropped", "set it for the cluster: kafka-configs --entity-type brokers --entity-default", "KIP-966"),
    row(V4_2, Platform, Changed, "a KafkaPrincipalBuilder of one's own must implement KafkaPrincipalSerde; num.replica.fetchers is at least 1", "add it, and look at the setting, before the upgrade", "KIP-1157, docs upgrade 4.2.0").first(),
    row(V4_2, Tool, Deprecated, "--property, --consumer.config, --producer.config, --admin.config and other names", "--command-config, --command-property, --formatter-property, --reader-property", "KIP-1147"),
    row(V4_3, Setting, Gained, "controllers of a dynamic quorum take settings at run time; log directories can be cordoned", "kafka-configs --bootstrap-controller", "KAFKA-18928, KIP-1066"),
    row(V4_4, Client, Gained, "clients of 4.4 check that they reach the node and the cluster they mean", "proxies must answer ApiVersions 5 as Leeward does", "KIP-1242"),
];
