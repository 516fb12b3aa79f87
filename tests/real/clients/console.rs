//! Kafka's own command-line tools, a process for each use, as an operator runs them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache;
use crate::process::{Spec, Supervised, tail};
use crate::release::{Release, Tool};

/// The slowest of them waits for a group to settle.
const TOOL_LIMIT: Duration = Duration::from_secs(90);
/// Keeps the tools' standard error apart from their output, and feeds them their input.
const REDIRECT: &str = r#"exec "$@" <"$INPUT" 2>"$ERRORS""#;

/// The tools of one release.
pub(crate) struct Console {
    release: &'static Release,
    /// Where inputs, outputs and logs go.
    directory: PathBuf,
    uses: usize,
}

impl Console {
    pub(crate) fn new(release: &'static Release, directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        Self { release, directory: directory.to_owned(), uses: 0 }
    }

    /// Runs `tool` to its end and gives its standard output. `input` is what it reads. Panics unless it ends with exit code 0.
    pub(crate) fn run(&mut self, tool: Tool, arguments: &[&str], input: &str) -> String {
        let (code, output, errors) = self.attempt(tool, arguments, input);
        assert!(code == 0, "{tool:?} {arguments:?} of Kafka {} ended with exit code {code}:\n{output}\n{errors}", self.release.version);
        output
    }

    /// Runs the console producer with these lines. Its own limit for a request, 1.5 s, is so short that a busy machine makes it send twice.
    pub(crate) fn produce(&mut self, bootstrap: &str, topic: &str, lines: &str) {
        // The old name of the option is the only one before 2.5, and gone in 4.0.
        let option = if self.release.consumer_protocol() { "--bootstrap-server" } else { "--broker-list" };
        let arguments = [option, bootstrap, "--topic", topic, "--request-required-acks", "all", "--request-timeout-ms", "30000"];
        self.run(Tool::ConsoleProducer, &arguments, lines);
    }

    /// Runs `tool`: its exit code, its output, the end of its errors.
    fn attempt(&mut self, tool: Tool, arguments: &[&str], input: &str) -> (i32, String, String) {
        self.uses += 1;
        let class = self.release.tool(tool).unwrap_or_else(|| panic!("Kafka {} has no {tool:?} for brokers", self.release.version));
        let file = |ending: &str| self.directory.join(format!("{}-{tool:?}-{}.{ending}", self.release.version, self.uses));
        let (file_in, file_out, file_err) = (file("in"), file("out"), file("err"));
        std::fs::write(&file_in, input).unwrap();
        let (name, property, text) = self.release.logger.configuration("WARN");
        let configuration = self.directory.join(format!("{}-{name}", self.release.version));
        std::fs::write(&configuration, text).unwrap();
        let spec = Spec::new("sh")
            .args(["-c", REDIRECT, "tool"])
            .arg(cache::java(self.release))
            .args(["-Xmx160m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"])
            .arg(format!("{property}{}", configuration.display()))
            .args(["-cp", &cache::class_path(self.release), class])
            .args(arguments)
            .env("INPUT", &file_in)
            .env("ERRORS", &file_err);
        let mut process = Supervised::start(&format!("{tool:?}"), &spec, &file_out);
        let code = process.await_exit(TOOL_LIMIT);
        (code, std::fs::read_to_string(&file_out).unwrap_or_default(), tail(&file_err, 15))
    }
}
