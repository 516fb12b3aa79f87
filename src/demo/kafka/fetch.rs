//! Java, and Kafka's jars through Maven. A release is fetched once and kept.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::sleep;

use super::release::Release;
use crate::demo::child::Supervised;
use crate::demo::screen::Screen;

/// Between two looks at whether another demo has finished fetching.
const LOCK_LOOK: Duration = Duration::from_millis(200);
/// Lines of Maven's output that are shown when it fails.
const LAST_WORDS: usize = 12;

/// A Java that a release runs on.
#[derive(Debug, Clone)]
pub(super) struct Java {
    pub(super) program: PathBuf,
}

impl Java {
    /// That of JAVA_HOME, else the one on the PATH.
    ///
    /// # Errors
    /// There is none, or it is too old or too new, and how to get one.
    pub(super) async fn find(release: &Release) -> Result<Self, String> {
        let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
        let program = home.as_ref().map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin/java"));
        let (needed, advice) = (needed(release), advice(release));
        let output = match Command::new(&program).arg("-version").stdin(Stdio::null()).kill_on_drop(true).output().await {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let place = if home.is_some() { format!("there is no {}", program.display()) } else { "there is no java on the PATH".to_owned() };
                return Err(format!("{needed}, and {place}; {advice}"));
            }
            Err(error) => return Err(format!("{needed}, and {} cannot be run: {error}; {advice}", program.display())),
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        match major(&said) {
            Some(major) if release.java.contains(&major) => Ok(Java { program }),
            Some(major) => Err(format!("{needed}, and {} is Java {major}; {advice}", program.display())),
            None => Err(format!("{needed}, and {} -version says no version that is understood; {advice}", program.display())),
        }
    }
}

fn needed(release: &Release) -> String {
    let (from, to) = (release.java.start(), release.java.end());
    if *to < 17 { format!("Kafka {} needs Java {from} to {to}", release.version) } else { format!("Kafka {} needs Java {from} or later", release.version) }
}

fn advice(release: &Release) -> String {
    let recommended = release.recommended_java();
    format!("install one (Debian and Ubuntu: apt install openjdk-{recommended}-jre-headless; others: https://adoptium.net), or set JAVA_HOME to it")
}

/// The major version in the output of `java -version`: `"17.0.15"` is 17, `"1.8.0_402"` is 8.
fn major(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

/// The directory of a release's jars; fetched if it is not in the cache.
///
/// # Errors
/// Maven is missing or failed, and what to do about it.
pub(super) async fn jars(release: &Release, scrap: &Path, screen: &mut Screen) -> Result<PathBuf, String> {
    let cache = cache()?;
    let finished = cache.join(format!("kafka-{}", release.version));
    if finished.is_dir() {
        return Ok(finished);
    }
    let io = |what: &str| {
        let what = format!("{what} {}", cache.display());
        move |error: std::io::Error| format!("{what}: {error}; set XDG_CACHE_HOME to a directory that can be written")
    };
    fs::create_dir_all(&cache).map_err(io("cannot make"))?;
    // Two Mavens at once may spoil each other's repository. The lock ends with the process, however that ends.
    let lock = File::create(cache.join("lock")).map_err(io("cannot lock"))?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => sleep(LOCK_LOOK).await,
            Err(TryLockError::Error(error)) => return Err(io("cannot lock")(error)),
        }
    }
    if finished.is_dir() {
        return Ok(finished);
    }
    screen.line(&format!("fetching Apache Kafka {} through Maven, once: it is kept in {}", release.version, finished.display()));
    let unfinished = cache.join(format!("kafka-{}.unfinished", release.version));
    let _left_over = fs::remove_dir_all(&unfinished);
    fetch(release, &unfinished, scrap).await?;
    // There whole or not at all.
    fs::rename(&unfinished, &finished).map_err(io("cannot write into"))?;
    Ok(finished)
}

async fn fetch(release: &Release, into: &Path, scrap: &Path) -> Result<(), String> {
    let version = &release.version;
    let maven = Command::new("mvn").arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).status().await;
    match maven {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!(
                "Kafka {version} is fetched with Maven 3, and there is no mvn on the PATH; install it (Debian and Ubuntu: apt install maven; others: https://maven.apache.org/install.html)"
            ));
        }
        Err(error) => return Err(format!("Kafka {version} is fetched with Maven 3, and mvn cannot be run: {error}")),
    }
    let file = scrap.join("pom.xml");
    fs::write(&file, pom(release)).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    let output = format!("-DoutputDirectory={}", into.display());
    let argv = ["mvn".as_ref(), "-q".as_ref(), "-B".as_ref(), "-f".as_ref(), file.as_os_str(), "dependency:copy-dependencies".as_ref(), output.as_ref()];
    let mut maven = Supervised::start(argv, &scrap.join("maven.log")).map_err(|error| format!("cannot start mvn: {error}"))?;
    let code = maven.exited().await;
    let core = into.join(format!("kafka_{}-{version}.jar", release.scala));
    if code == 0 && core.is_file() {
        return Ok(());
    }
    let _useless = fs::remove_dir_all(into);
    Err(format!(
        "Maven did not fetch Kafka {version} (exit code {code}); is there such a release, and is its repository reachable? It said:\n{}",
        maven.last_words(LAST_WORDS)
    ))
}

fn cache() -> Result<PathBuf, String> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("leeward")).ok_or_else(|| "there is no place to keep Kafka's jars: set HOME or XDG_CACHE_HOME".to_owned())
}

fn pom(release: &Release) -> String {
    let core = format!("kafka_{}", release.scala);
    let mut artifacts = vec![["org.apache.kafka", core.as_str(), release.version.as_str()]];
    artifacts.extend(release.logger.artifacts());
    // Kafka 2.x brings another log4j and another binding to it, beside the ones that are asked for.
    let exclusion = |[group, artifact]: [&str; 2]| format!("<exclusion><groupId>{group}</groupId><artifactId>{artifact}</artifactId></exclusion>");
    let exclusions = [["log4j", "log4j"], ["org.slf4j", "slf4j-log4j12"]].map(exclusion).concat();
    let dependency = |[group, artifact, version]: [&str; 3]| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version><exclusions>{exclusions}</exclusions></dependency>\n"
        )
    };
    let dependencies: String = artifacts.into_iter().map(dependency).collect();
    format!(
        "<project>\n  <modelVersion>4.0.0</modelVersion><groupId>leeward</groupId><artifactId>demo</artifactId><version>1</version>\n  \
         <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_tell_their_major_version() {
        let table = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"11.0.13\" 2021-10-19", Some(11)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"25-ea\" 2025", Some(25)),
            ("sh: no", None),
            ("version \"x\"", None),
        ];
        for (said, expected) in table {
            assert_eq!(major(said), expected, "{said}");
        }
    }

    #[test]
    fn advice_names_what_is_needed() {
        let old = Release::parse("2.1.0").unwrap();
        assert_eq!(needed(&old), "Kafka 2.1.0 needs Java 8 to 13");
        assert!(advice(&old).contains("openjdk-11-jre-headless"));
        assert_eq!(needed(&Release::parse("4.3.1").unwrap()), "Kafka 4.3.1 needs Java 17 or later");
    }

    #[test]
    fn the_pom_names_the_release_and_its_logger() {
        let pom = pom(&Release::parse("4.3.1").unwrap());
        for part in ["<artifactId>kafka_2.13</artifactId><version>4.3.1</version>", "<artifactId>log4j-core</artifactId>"] {
            assert!(pom.contains(part), "{pom}");
        }
    }
}
