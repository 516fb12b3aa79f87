//! kafka-python, a short process for each use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::{self, KafkaPython};
use crate::process::{Spec, Supervised, tail};
use crate::records::TestRecord;

const SCRIPT: &str = include_str!("python/probe.py");
/// Above the script's own limit of 60 s.
const LIMIT: Duration = Duration::from_secs(100);

/// One version of it, connected to one address.
pub(crate) struct Python {
    version: KafkaPython,
    bootstrap: String,
    directory: PathBuf,
    uses: usize,
}

impl Python {
    pub(crate) fn new(version: KafkaPython, bootstrap: &str, directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("probe.py"), SCRIPT).unwrap();
        Self { version, bootstrap: bootstrap.to_owned(), directory: directory.to_owned(), uses: 0 }
    }

    /// Runs one command of the script and gives its rows.
    pub(crate) fn run(&mut self, command: &str, arguments: &[(&str, &str)]) -> Vec<String> {
        self.attempt(command, arguments).unwrap_or_else(|said| panic!("kafka-python {} {command} {arguments:?}: {said}", self.version.version()))
    }

    /// As `run`, or how it ended and what it said last.
    pub(crate) fn attempt(&mut self, command: &str, arguments: &[(&str, &str)]) -> Result<Vec<String>, String> {
        self.uses += 1;
        let log = self.directory.join(format!("python-{}-{}.log", self.version.version(), self.uses));
        let spec = Spec::new(cache::python(self.version))
            .arg(self.directory.join("probe.py"))
            .args([command, &format!("bootstrap={}", self.bootstrap)])
            .args(arguments.iter().map(|(key, value)| format!("{key}={value}")));
        let mut process = Supervised::start("kafka-python", &spec, &log);
        let code = process.await_exit(LIMIT);
        let output = std::fs::read_to_string(&log).unwrap_or_default();
        if code != 0 || !output.lines().any(|line| line == "ok") {
            return Err(format!("exit code {code}:\n{}", tail(&log, 20)));
        }
        Ok(output.lines().filter_map(|line| line.strip_prefix("| ")).map(str::to_owned).collect())
    }

    pub(crate) fn records(&mut self, command: &str, arguments: &[(&str, &str)]) -> Vec<TestRecord> {
        self.run(command, arguments).iter().map(|row| TestRecord::parse(row)).collect()
    }
}
