//! Which tests run: by `LEEWARD_REAL`, and by what is installed.

use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};

use crate::steps::say;

/// How much of the suite was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Selection {
    Off,
    Ci,
    All,
}

impl Selection {
    /// From `LEEWARD_REAL`; a word that is none of the three fails the test rather than skipping it quietly.
    pub(crate) fn from_env() -> Self {
        match std::env::var("LEEWARD_REAL").as_deref() {
            Err(_) | Ok("" | "ci") => Self::Ci,
            Ok("all") => Self::All,
            Ok("off") => Self::Off,
            Ok(other) => panic!("LEEWARD_REAL={other}: allowed are all, ci and off"),
        }
    }
}

/// Clusters that may run at once: a cluster is four or five virtual machines of Java, about 2 GB, on machines of two cores.
const CLUSTERS_MAX: usize = 2;

static CLUSTERS: Mutex<usize> = Mutex::new(0);
static CLUSTER_ENDED: Condvar = Condvar::new();

/// The right to run one cluster, or to be alone. Given back when dropped.
pub(crate) struct Admission(usize);

impl Drop for Admission {
    fn drop(&mut self) {
        *CLUSTERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner) -= self.0;
        CLUSTER_ENDED.notify_all();
    }
}

/// `Some` when the test `name`, which belongs to `least` and everything above it, is to run; `None` when it is not, after a line that says why.
pub(crate) fn admit(name: &str, least: Selection) -> Option<Admission> {
    admit_with(name, least, 1)
}

/// As `admit`, with no other cluster beside it: clients with time limits that work while brokers restart need the machine for themselves.
pub(crate) fn admit_alone(name: &str, least: Selection) -> Option<Admission> {
    admit_with(name, least, CLUSTERS_MAX)
}

fn admit_with(name: &str, least: Selection, clusters: usize) -> Option<Admission> {
    let selection = Selection::from_env();
    if selection < least {
        say(name, &format!("skipped: LEEWARD_REAL is {selection:?}, this one needs {least:?}"));
        return None;
    }
    let missing = missing_tools();
    if !missing.is_empty() {
        let what = missing.join("; ");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true, but {what}");
        say(name, &format!("SKIPPED, nothing was tested: {what}"));
        return None;
    }
    let mut running = CLUSTERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    while *running + clusters > CLUSTERS_MAX {
        running = CLUSTER_ENDED.wait(running).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
    *running += clusters;
    Some(Admission(clusters))
}

/// What is not installed, each as a sentence.
fn missing_tools() -> &'static [String] {
    static MISSING: OnceLock<Vec<String>> = OnceLock::new();
    MISSING.get_or_init(|| {
        let mut missing = Vec::new();
        match java_version() {
            None => missing.push("Java is missing (a JDK of version 17 or later is needed: apt-get install openjdk-17-jdk-headless)".to_owned()),
            Some(version) if version < 17 => missing.push(format!("Java {version} is too old (17 or later is needed)")),
            Some(_) => {}
        }
        for (program, arguments, hint) in [
            ("javac", ["-version"].as_slice(), "openjdk-17-jdk-headless"),
            ("mvn", &["-version"], "maven"),
            ("python3", &["-c", "import venv, ensurepip"], "python3-venv"),
        ] {
            if !runs(program, arguments) {
                missing.push(format!("{program} {} is missing (apt-get install {hint})", arguments.join(" ")));
            }
        }
        missing
    })
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The first number in the quoted version that `java -version` prints.
fn java_version() -> Option<u32> {
    let output = Command::new("java").arg("-version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split('"').nth(1)?.split('.').next()?.parse().ok()
}
