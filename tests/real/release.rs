//! The releases of Apache Kafka that are tested, and how they differ in what is needed to run them.

/// One release.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) version: &'static str,
    /// The version of Scala in its core artifact's name.
    pub(crate) scala: &'static str,
    pub(crate) java: Java,
    pub(crate) quorum: Quorum,
    pub(crate) logger: Logger,
    /// Where its tools live, oldest scheme first.
    tools: Tools,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Java {
    /// ZooKeeper 3.4's client, in Kafka 2.1, cannot resolve addresses on Java 14 and later.
    Eleven,
    Installed,
}

/// What keeps the cluster's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quorum {
    ZooKeeper,
    KRaft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logger {
    Reload4j,
    Log4j2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tools {
    /// In the core jar, and those for topics and reassignment speak to ZooKeeper alone.
    CoreZooKeeper,
    /// In the core jar.
    Core,
    /// Moved to kafka-tools but for the console producer.
    Moving,
    /// In kafka-tools.
    Moved,
}

/// The official command-line tools that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Topics,
    Configs,
    ConsumerGroups,
    ShareGroups,
    Reassign,
    ConsoleProducer,
    ConsoleConsumer,
    ConsoleShareConsumer,
    VerifiableProducer,
    VerifiableConsumer,
}

pub(crate) static KAFKA_2_1_0: Release =
    Release { version: "2.1.0", scala: "2.12", java: Java::Eleven, quorum: Quorum::ZooKeeper, logger: Logger::Reload4j, tools: Tools::CoreZooKeeper };
pub(crate) static KAFKA_2_6_3: Release =
    Release { version: "2.6.3", scala: "2.13", java: Java::Eleven, quorum: Quorum::ZooKeeper, logger: Logger::Reload4j, tools: Tools::Core };
pub(crate) static KAFKA_3_9_1: Release =
    Release { version: "3.9.1", scala: "2.13", java: Java::Installed, quorum: Quorum::KRaft, logger: Logger::Reload4j, tools: Tools::Moving };
pub(crate) static KAFKA_4_3_1: Release =
    Release { version: "4.3.1", scala: "2.13", java: Java::Installed, quorum: Quorum::KRaft, logger: Logger::Log4j2, tools: Tools::Moved };

impl Release {
    /// The main class of `tool`; `None` where this release has none that speaks to a broker.
    pub(crate) fn tool(&self, tool: Tool) -> Option<&'static str> {
        let zookeeper_only = self.tools == Tools::CoreZooKeeper;
        let core = self.tools <= Tools::Core;
        match tool {
            Tool::Topics if zookeeper_only => None,
            Tool::Topics if core => Some("kafka.admin.TopicCommand"),
            Tool::Topics => Some("org.apache.kafka.tools.TopicCommand"),
            Tool::Configs => Some("kafka.admin.ConfigCommand"),
            Tool::ConsumerGroups if core => Some("kafka.admin.ConsumerGroupCommand"),
            Tool::ConsumerGroups => Some("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
            Tool::Reassign if zookeeper_only => None,
            Tool::Reassign if core => Some("kafka.admin.ReassignPartitionsCommand"),
            Tool::Reassign => Some("org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
            Tool::ConsoleProducer if self.tools <= Tools::Moving => Some("kafka.tools.ConsoleProducer"),
            Tool::ConsoleProducer => Some("org.apache.kafka.tools.ConsoleProducer"),
            Tool::ConsoleConsumer if core => Some("kafka.tools.ConsoleConsumer"),
            Tool::ConsoleConsumer => Some("org.apache.kafka.tools.consumer.ConsoleConsumer"),
            Tool::ShareGroups if self.share_groups() => Some("org.apache.kafka.tools.consumer.group.ShareGroupCommand"),
            Tool::ConsoleShareConsumer if self.share_groups() => Some("org.apache.kafka.tools.consumer.ConsoleShareConsumer"),
            Tool::ShareGroups | Tool::ConsoleShareConsumer => None,
            Tool::VerifiableProducer => Some("org.apache.kafka.tools.VerifiableProducer"),
            Tool::VerifiableConsumer => Some("org.apache.kafka.tools.VerifiableConsumer"),
        }
    }

    /// Whether it can move a partition on request of a client (AlterPartitionReassignments, 2.4 and later).
    pub(crate) fn reassignment(&self) -> bool {
        self.tools > Tools::CoreZooKeeper
    }

    /// Whether the consumer protocol of KIP-848 is there for everybody (4.0 and later).
    pub(crate) fn consumer_protocol(&self) -> bool {
        self.tools >= Tools::Moved
    }

    /// Whether share groups (KIP-932) are there for everybody (4.2 and later).
    pub(crate) fn share_groups(&self) -> bool {
        self.tools >= Tools::Moved
    }
}

impl Logger {
    /// The artifacts that bind slf4j to it: group, artifact, version.
    pub(crate) fn artifacts(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Self::Reload4j => &[("org.slf4j", "slf4j-reload4j", "1.7.36")],
            Self::Log4j2 => &[("org.apache.logging.log4j", "log4j-core", "2.24.3"), ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")],
        }
    }

    /// A configuration that writes `level` and above to standard output, and the system property that names its file.
    pub(crate) fn configuration(self, level: &str) -> (&'static str, &'static str, String) {
        match self {
            Self::Reload4j => (
                "log4j.properties",
                "-Dlog4j.configuration=file:",
                format!(
                    "log4j.rootLogger={level}, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\nlog4j.appender.out.target=System.err\n\
                     log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n"
                ),
            ),
            Self::Log4j2 => (
                "log4j2.properties",
                "-Dlog4j2.configurationFile=",
                format!(
                    "appender.out.type=Console\nappender.out.name=out\nappender.out.target=SYSTEM_ERR\nappender.out.layout.type=PatternLayout\n\
                     appender.out.layout.pattern=[%d] %p %m (%c)%n\nrootLogger.level={level}\nrootLogger.appenderRef.out.ref=out\n"
                ),
            ),
        }
    }
}
