//! The Java clients of any release, in one process that does many operations: starting Java for each would cost a second or two every time.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::cache;
use crate::process::tail;
use crate::records::TestRecord;
use crate::release::Release;

const PROBE: (&str, &str) = ("Probe.java", include_str!("java/Probe.java"));
const VERSION_OLD: (&str, &str) = ("VersionBefore24.java", include_str!("java/VersionBefore24.java"));
const VERSION_NEW: (&str, &str) = ("VersionSince25.java", include_str!("java/VersionSince25.java"));
const SHARE_NONE: (&str, &str) = ("ShareNone.java", include_str!("java/ShareNone.java"));
const SHARE_SOME: (&str, &str) = ("ShareSome.java", include_str!("java/ShareSome.java"));

/// Above the helper's own limits (60 to 90 s), which come with a better message.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A running helper. It ends when dropped, and when this process ends: its standard input closes.
pub(crate) struct Java {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

/// Compiles the helper for a release, so that no test's clock runs while it is done.
pub(crate) fn prepare(release: &Release) -> PathBuf {
    let version = if release.reassignment() { VERSION_NEW } else { VERSION_OLD };
    let share = if release.share_groups() { SHARE_SOME } else { SHARE_NONE };
    cache::java_classes(release, &[PROBE, version, share])
}

impl Java {
    /// The clients of `release`, connected to `bootstrap`; what they log goes to `log`.
    pub(crate) fn start(release: &'static Release, bootstrap: &str, log: &Path) -> Self {
        Self::start_with(release, bootstrap, log, &[])
    }

    /// As `start`; every client gets these settings.
    pub(crate) fn start_with(release: &'static Release, bootstrap: &str, log: &Path, settings: &[(&str, String)]) -> Self {
        let classes = prepare(release);
        let (file, property, text) = release.logger.configuration("WARN");
        let configuration = log.with_extension(file);
        std::fs::write(&configuration, text).unwrap();
        let mut process = Command::new(cache::java(release))
            .args(["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"])
            .arg(format!("{property}{}", configuration.display()))
            .args(["-cp", &format!("{}:{}", classes.display(), cache::class_path(release)), "Probe", bootstrap])
            .args(settings.iter().map(|(key, value)| format!("{key}={value}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(log).unwrap())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, input, lines, log: log.to_owned() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Does one command and gives its rows, or what went wrong in the client's own words.
    pub(crate) fn attempt(&mut self, command: &str, arguments: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let arguments: String = arguments.iter().map(|(key, value)| format!("\t{key}={value}")).collect();
        writeln!(self.input.as_mut().unwrap(), "{command}{arguments}")
            .unwrap_or_else(|error| panic!("the Java helper is gone ({error}):\n{}", tail(&self.log, 20)));
        let mut rows = Vec::new();
        loop {
            match self.lines.recv_timeout(ANSWER_LIMIT) {
                Ok(line) if line == "ok" => return Ok(rows),
                Ok(line) => match (line.strip_prefix("| "), line.strip_prefix("error ")) {
                    (Some(row), _) => rows.push(row.to_owned()),
                    (None, Some(error)) => return Err(error.to_owned()),
                    (None, None) => panic!("the Java helper printed {line:?}"),
                },
                Err(RecvTimeoutError::Timeout) => panic!("{command}: no answer within {ANSWER_LIMIT:?}; the log ends:\n{}", tail(&self.log, 20)),
                Err(RecvTimeoutError::Disconnected) => panic!("{command}: the Java helper ended; its log ends:\n{}", tail(&self.log, 20)),
            }
        }
    }

    /// As `attempt`; a failure ends the test.
    pub(crate) fn run(&mut self, command: &str, arguments: &[(&str, &str)]) -> Vec<String> {
        self.attempt(command, arguments).unwrap_or_else(|error| panic!("java {command} {arguments:?}: {error}; the log ends:\n{}", tail(&self.log, 12)))
    }

    /// As `run`, for commands whose rows are records.
    pub(crate) fn records(&mut self, command: &str, arguments: &[(&str, &str)]) -> Vec<TestRecord> {
        self.run(command, arguments).iter().map(|row| TestRecord::parse(row)).collect()
    }

    /// All that is stored in a topic, control records and aborted ones left out.
    pub(crate) fn read_committed(&mut self, topic: &str) -> Vec<TestRecord> {
        self.records("read", &[("topic", topic), ("isolation.level", "read_committed")])
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}
