//! Child processes that cannot outlive the tests.
//!
//! Each is started by a small shell that holds the read end of a pipe whose write end is here. When this process goes, however it goes, the pipe closes and
//! the shell kills its child. (`PR_SET_PDEATHSIG` would need unsafe code, and is bound to the thread that started the child.)

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs `$@` with its output appended to `$LOG`, prints its process id, kills it when standard input ends, and exits as it exits.
const SUPERVISOR: &str = r#"
exec 3<&0
"$@" </dev/null >>"$LOG" 2>&1 3<&- &
pid=$!
echo "$pid"
exec 1>&-
{ read -r _ <&3; kill -s KILL "$pid"; } 2>/dev/null &
lifeline=$!
wait "$pid"
code=$?
kill "$lifeline" 2>/dev/null
exit "$code"
"#;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Ask to end.
    Term,
    Kill,
    /// Stop where it is, sockets open.
    Stop,
    Cont,
}

/// What to run: a program, its arguments, and changes to the environment.
pub(crate) struct Spec {
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Spec {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { argv: vec![program.as_ref().to_owned()], environment: Vec::new() }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.argv.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.argv.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }
}

/// A running child. Dropping it kills it and waits until it is gone.
pub(crate) struct Supervised {
    name: String,
    supervisor: Child,
    lifeline: Option<ChildStdin>,
    pid: u32,
    log: PathBuf,
    exit: Option<i32>,
}

impl Supervised {
    /// Starts `spec`; its standard output and error are appended to `log`.
    pub(crate) fn start(name: &str, spec: &Spec, log: &Path) -> Self {
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .args(&spec.argv)
            .envs(spec.environment.iter().map(|(key, value)| (key, value)))
            .env("LOG", log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: cannot start sh: {error}"));
        let lifeline = supervisor.stdin.take();
        let mut first = String::new();
        BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let pid = first.trim().parse().unwrap_or_else(|_| panic!("{name}: the supervisor printed {first:?} in place of a process id"));
        Self { name: name.to_owned(), supervisor, lifeline, pid, log: log.to_owned(), exit: None }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let word = match signal {
            Signal::Term => "TERM",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Cont => "CONT",
        };
        let _ = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", word, &self.pid.to_string()]).stderr(Stdio::null()).status();
    }

    /// The exit code once it has ended (128 + signal when a signal ended it), `None` while it runs.
    pub(crate) fn exited(&mut self) -> Option<i32> {
        if self.exit.is_none() {
            self.exit = self.supervisor.try_wait().unwrap().map(|status| status.code().unwrap_or(-1));
        }
        self.exit
    }

    /// Waits until it has ended. Panics after `limit`, with the end of its log.
    pub(crate) fn await_exit(&mut self, limit: Duration) -> i32 {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(code) = self.exited() {
                return code;
            }
            assert!(Instant::now() < deadline, "{} (pid {}) still runs after {limit:?}; its log ends:\n{}", self.name, self.pid, tail(&self.log, 20));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Closing the pipe makes the shell kill the child, also one that is stopped.
        drop(self.lifeline.take());
        let _ = self.supervisor.wait();
    }
}

/// The last `lines` lines of a log, for a failure message.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    /// Enough for the lines wanted, little enough to read at once.
    const TAIL_BYTES: u64 = 64 * 1024;
    let Ok(mut file) = File::open(log) else { return format!("(no log at {})", log.display()) };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)));
    let mut bytes = Vec::new();
    let _ = file.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
