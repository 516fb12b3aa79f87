//! Child processes that cannot outlive the demo.
//!
//! Each is started by a small shell that reads words from a pipe: a word is the signal to send, and the pipe's end means that the demo is gone, however it went, so
//! the child is killed. The shell and its child are in a process group of their own: Ctrl-C reaches the demo alone, which then ends them in order.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

/// Runs `$@` with its output appended to `$LOG`, and ends as it ends.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" </dev/null >>"$LOG" 2>&1 3<&- &
pid=$!
{ while read -r word <&3; do kill -s "$word" "$pid"; done; kill -s KILL "$pid"; } 2>/dev/null &
reader=$!
wait "$pid"
code=$?
kill "$reader" 2>/dev/null
exit "$code"
"#;

/// Removes `$1` when the pipe ends, again and again for a while: servers that are being killed may still write.
const REMOVER: &str = r#"read -r _; for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" 2>/dev/null; [ -e "$1" ] || exit 0; sleep 0.3; done"#;

/// A running child. Dropping it kills it.
pub(super) struct Supervised {
    shell: Child,
    pipe: Option<ChildStdin>,
    log: PathBuf,
}

impl Supervised {
    /// Starts `argv`; what it prints is appended to `log`.
    ///
    /// # Errors
    /// There is no shell, or no process to be had.
    pub(super) fn start<T: AsRef<OsStr>>(argv: impl IntoIterator<Item = T>, log: &Path) -> io::Result<Self> {
        let argv: Vec<OsString> = argv.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let mut command = Command::new("sh");
        command.args(["-c", SUPERVISOR, "leeward-demo"]).args(argv).env("LOG", log);
        let mut shell = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let pipe = shell.stdin.take();
        Ok(Supervised { shell, pipe, log: log.to_owned() })
    }

    /// SIGTERM; returns its exit code, or `None` when it had to be killed after `limit`.
    pub(super) async fn end(mut self, limit: Duration) -> Option<i32> {
        if let Some(pipe) = &mut self.pipe {
            // A broken pipe: it has ended already.
            let _ = pipe.write_all(b"TERM\n").await;
        }
        let ended = tokio::time::timeout(limit, self.exited()).await;
        if ended.is_err() {
            drop(self.pipe.take());
            let _killed = self.shell.wait().await;
        }
        ended.ok()
    }

    /// SIGKILL; returns when it is gone.
    pub(super) async fn kill(mut self) {
        drop(self.pipe.take());
        let _killed = self.shell.wait().await;
    }

    /// Its exit code, when it ends (128 + signal where a signal ended it).
    pub(super) async fn exited(&mut self) -> i32 {
        self.shell.wait().await.ok().and_then(|status| status.code()).unwrap_or(-1)
    }

    /// The last lines of what it printed.
    pub(super) fn last_words(&self, lines: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
    }
}

/// A directory of the demo. It goes when this is dropped, and when the demo is killed.
pub(super) struct Scrap {
    pub(super) path: PathBuf,
    remover: std::process::Child,
}

impl Scrap {
    /// # Errors
    /// No directory or no shell can be had.
    pub(super) fn new() -> io::Result<Self> {
        use std::os::unix::process::CommandExt;

        let path = std::env::temp_dir().join(format!("leeward-demo-{}-{:08x}", std::process::id(), fastrand::u32(..)));
        std::fs::create_dir(&path)?;
        let mut command = std::process::Command::new("sh");
        command.args(["-c", REMOVER, "leeward-demo"]).arg(&path).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(remover) => Ok(Scrap { path, remover }),
            Err(error) => {
                let _removed = std::fs::remove_dir(&path);
                Err(error)
            }
        }
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _removed = self.remover.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn is_there(pid: &str) -> bool {
        Path::new("/proc").join(pid.trim()).exists()
    }

    #[tokio::test]
    async fn a_child_ends_when_asked_and_its_words_are_kept() {
        let scrap = Scrap::new().unwrap();
        let child =
            Supervised::start(["sh", "-c", "trap 'echo asked; exit 7' TERM; echo begun; while :; do sleep 0.05; done"], &scrap.path.join("log")).unwrap();
        tokio::time::timeout(PATIENCE, async {
            while !child.last_words(9).contains("begun") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        let log = child.log.clone();
        assert_eq!(child.end(PATIENCE).await, Some(7));
        assert_eq!(std::fs::read_to_string(log).unwrap(), "begun\nasked\n");
    }

    #[tokio::test]
    async fn a_child_that_does_not_end_is_killed() {
        let scrap = Scrap::new().unwrap();
        let pid = scrap.path.join("pid");
        let script = format!("trap '' TERM; echo $$ > {}.new; mv {0}.new {0}; while :; do sleep 0.05; done", pid.display());
        let mut child = Supervised::start(["sh", "-c", &script], &scrap.path.join("log")).unwrap();
        tokio::time::timeout(PATIENCE, async {
            while !pid.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        let pid = std::fs::read_to_string(&pid).unwrap();
        assert!(is_there(&pid));
        drop(child.pipe.take());
        assert_eq!(child.exited().await, 128 + 9);
        assert!(!is_there(&pid));
    }

    #[test]
    fn a_directory_goes_with_its_owner() {
        let scrap = Scrap::new().unwrap();
        let path = scrap.path.clone();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(scrap);
        assert!(!path.exists());
    }
}
