//! The operator's commands that stop and start a broker.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::config::HostPort;

/// Bytes at the end of a command's output that are told when it fails.
const TOLD_BYTES_MAX: u64 = 400;

/// One command, ready to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) node_id: i32,
    /// `stop` or `start`.
    pub(super) verb: &'static str,
    pub(super) command: String,
    /// Where the broker listens, if that is known.
    pub(super) address: Option<HostPort>,
    pub(super) roll: String,
    pub(super) directory: PathBuf,
}

impl Run {
    /// Runs it to its end. Its output goes into a file, which a broker that it started keeps; so does its process when Leeward ends.
    ///
    /// # Errors
    /// In a sentence: how it failed, with the end of its output.
    pub(super) async fn go(self) -> Result<(), String> {
        let path = self.directory.join(format!("{}-{}-{}.log", self.roll, self.node_id, self.verb));
        let output = open(&self.directory, &path).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        let errors = output.try_clone().map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        let mut command = tokio::process::Command::new("sh");
        command.arg("-c").arg(&self.command).stdin(Stdio::null()).stdout(output).stderr(errors);
        // A signal from a terminal to Leeward is not meant for the brokers that it has started.
        command.process_group(0);
        command.env("LEEWARD_NODE_ID", self.node_id.to_string()).env("LEEWARD_ROLL_ID", &self.roll);
        if let Some(HostPort { host, port }) = &self.address {
            command.env("LEEWARD_BROKER", format!("{host}:{port}")).env("LEEWARD_BROKER_HOST", host).env("LEEWARD_BROKER_PORT", port.to_string());
        }
        let status = command.status().await.map_err(|error| format!("sh could not be run: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let how = status.code().map_or_else(|| "it was ended by a signal".to_owned(), |code| format!("it ended with exit code {code}"));
        let said = end_of(&path).unwrap_or_default();
        let said = if said.is_empty() { "it said nothing".to_owned() } else { format!("it said: {said}") };
        Err(format!("{how}; {said} ({})", path.display()))
    }
}

/// A new file; what an earlier run said is of no use any more.
fn open(directory: &Path, path: &Path) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    File::create(path)
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TOLD_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(directory: &Path, command: &str) -> Run {
        let address = Some(HostPort { host: "b2".to_owned(), port: 9092 });
        Run { node_id: 2, verb: "stop", command: command.to_owned(), address, roll: "r1".to_owned(), directory: directory.to_owned() }
    }

    #[tokio::test]
    async fn a_command_knows_its_broker_and_its_output_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let command = "echo $LEEWARD_NODE_ID $LEEWARD_BROKER $LEEWARD_BROKER_HOST $LEEWARD_BROKER_PORT $LEEWARD_ROLL_ID; echo aside >&2";
        run(directory.path(), command).go().await.unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("r1-2-stop.log")).unwrap(), "2 b2:9092 b2 9092 r1\naside\n");
    }

    #[tokio::test]
    async fn a_failure_is_told_with_the_end_of_what_was_said() {
        let directory = tempfile::tempdir().unwrap();
        let told = run(directory.path(), "seq 1 1000; echo no such unit >&2; exit 5").go().await.unwrap_err();
        assert!(told.starts_with("it ended with exit code 5; it said: ") && told.contains("999 1000 no such unit (") && told.len() < 600, "{told}");
        let told = run(directory.path(), "kill -9 $$").go().await.unwrap_err();
        assert!(told.starts_with("it was ended by a signal; it said nothing ("), "{told}");
        let told = run(Path::new("/proc/nowhere"), "true").go().await.unwrap_err();
        assert!(told.contains("/proc/nowhere") && told.contains("cannot be written"), "{told}");
    }
}
