//! What a release of Apache Kafka needs to run, by its number.

use std::ops::RangeInclusive;

/// A release from 2.1 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: String,
    /// The version of Scala in its core artifact's name.
    pub(super) scala: &'static str,
    /// Major versions of Java that it runs on.
    pub(super) java: RangeInclusive<u32>,
    pub(super) quorum: Quorum,
    pub(super) logger: Logger,
}

/// What keeps the cluster's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quorum {
    ZooKeeper,
    KRaft,
}

impl Quorum {
    pub(super) fn label(self) -> &'static str {
        match self {
            Quorum::ZooKeeper => "ZooKeeper",
            Quorum::KRaft => "controller",
        }
    }
}

/// What slf4j is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logger {
    Reload4j,
    Log4j2,
}

impl Logger {
    /// Group, artifact, version.
    pub(super) fn artifacts(self) -> &'static [[&'static str; 3]] {
        match self {
            Logger::Reload4j => &[["org.slf4j", "slf4j-reload4j", "1.7.36"]],
            Logger::Log4j2 => &[["org.apache.logging.log4j", "log4j-core", "2.24.3"], ["org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"]],
        }
    }

    /// The system property that names the configuration, and the configuration: warnings to standard error.
    pub(super) fn configuration(self) -> (&'static str, &'static str) {
        match self {
            Logger::Reload4j => (
                "log4j.configuration",
                "log4j.rootLogger=WARN, e\nlog4j.appender.e=org.apache.log4j.ConsoleAppender\nlog4j.appender.e.target=System.err\n\
                 log4j.appender.e.layout=org.apache.log4j.PatternLayout\nlog4j.appender.e.layout.ConversionPattern=%d %p %m%n\n",
            ),
            Logger::Log4j2 => (
                "log4j2.configurationFile",
                "appender.e.type=Console\nappender.e.name=e\nappender.e.target=SYSTEM_ERR\nappender.e.layout.type=PatternLayout\n\
                 appender.e.layout.pattern=%d %p %m%n\nrootLogger.level=WARN\nrootLogger.appenderRef.e.ref=e\n",
            ),
        }
    }
}

/// The newest Java that is worth trying.
const JAVA_NEWEST: u32 = 99;

impl Release {
    /// # Errors
    /// What is wrong with the version, in a sentence.
    pub(super) fn parse(version: &str) -> Result<Self, String> {
        let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
        let Some([major, minor, _patch]) = numbers.and_then(|numbers| <[u32; 3]>::try_from(numbers).ok()) else {
            return Err(format!("\"{version}\" is not a version of Kafka; write three numbers, such as --kafka 4.3.1"));
        };
        let number = (major, minor);
        if !((2, 1)..(5, 0)).contains(&number) {
            return Err(format!("Kafka {version} is not known here; releases from 2.1 to 4.x are, such as --kafka 4.3.1"));
        }
        let java = match number {
            // ZooKeeper's client in 2.1 cannot resolve addresses on Java 14 and later, and the releases before 3.0 were made for 8 and 11.
            (2, _) => 8..=13,
            (3, _) => 8..=JAVA_NEWEST,
            _ => 17..=JAVA_NEWEST,
        };
        Ok(Release {
            version: version.to_owned(),
            scala: if number < (2, 4) { "2.12" } else { "2.13" },
            java,
            // KRaft is for production from 3.3 on.
            quorum: if number < (3, 3) { Quorum::ZooKeeper } else { Quorum::KRaft },
            logger: if major < 4 { Logger::Reload4j } else { Logger::Log4j2 },
        })
    }

    /// The Java to recommend.
    pub(super) fn recommended_java(&self) -> u32 {
        if *self.java.end() < 17 { 11 } else { 17 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_differ_in_what_they_need() {
        let table = [
            ("2.1.0", "2.12", 8..=13, Quorum::ZooKeeper, Logger::Reload4j),
            ("2.6.3", "2.13", 8..=13, Quorum::ZooKeeper, Logger::Reload4j),
            ("3.2.3", "2.13", 8..=JAVA_NEWEST, Quorum::ZooKeeper, Logger::Reload4j),
            ("3.9.1", "2.13", 8..=JAVA_NEWEST, Quorum::KRaft, Logger::Reload4j),
            ("4.3.1", "2.13", 17..=JAVA_NEWEST, Quorum::KRaft, Logger::Log4j2),
        ];
        for (version, scala, java, quorum, logger) in table {
            assert_eq!(Release::parse(version), Ok(Release { version: version.to_owned(), scala, java, quorum, logger }), "{version}");
        }
    }

    #[test]
    fn what_is_no_release_is_refused_with_what_to_write() {
        for version in ["", "4", "4.3", "4.3.x", "4.3.1.2", "../../x", "2.0.1", "1.1.0", "5.0.0", "4.3.1</version>"] {
            assert!(Release::parse(version).is_err_and(|said| said.contains("--kafka 4.3.1")), "{version}");
        }
    }
}
