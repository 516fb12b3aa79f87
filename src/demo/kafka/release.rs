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
        let Some([major, minor, _patch]) = numbers(version) else {
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

    /// What brokers of this release can be upgraded to, one after the other.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub(super) fn upgrade_to(&self, version: &str) -> Result<Release, String> {
        let target = Release::parse(version)?;
        let (from, to) = (&self.version, &target.version);
        if target.quorum != Quorum::ZooKeeper || self.quorum != Quorum::ZooKeeper {
            return Err(format!(
                "the demo upgrades releases that keep their metadata in ZooKeeper (2.1 to 3.2), and {from} to {to} is another road; write --kafka 2.1.0 --upgrade-to 2.6.3"
            ));
        }
        if numbers(to) <= numbers(from) {
            return Err(format!("Kafka {to} is not later than {from}; write a later one, such as --kafka 2.1.0 --upgrade-to 2.6.3"));
        }
        Ok(target)
    }

    /// Its line, as protocol and message format versions are called: `2.1`.
    pub(super) fn line(&self) -> String {
        self.version.rsplit_once('.').map_or_else(|| self.version.clone(), |(line, _patch)| line.to_owned())
    }

    /// The Java to recommend.
    pub(super) fn recommended_java(&self) -> u32 {
        if *self.java.end() < 17 { 11 } else { 17 }
    }
}

/// The three numbers of a version.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
    numbers.and_then(|numbers| numbers.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrades_go_forward_and_stay_with_zookeeper() {
        let old = Release::parse("2.1.0").unwrap();
        assert_eq!(old.line(), "2.1");
        assert_eq!(old.upgrade_to("2.6.3"), Release::parse("2.6.3"));
        for (version, said) in [("2.1.0", "not later"), ("4.3.1", "another road"), ("2.6", "is not a version")] {
            assert!(old.upgrade_to(version).is_err_and(|error| error.contains(said)), "{version}");
        }
        assert!(Release::parse("2.10.0").unwrap().upgrade_to("2.9.9").is_err(), "numbers, not texts");
    }

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
