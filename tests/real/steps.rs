//! Progress lines, and a test that is a row of named steps: a step that fails is reported and the next one still runs.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::selection::Selection;

/// One line of progress. Straight to the file descriptor: the test harness would hold back what `eprintln!` says until a test has failed.
pub(crate) fn say(who: &str, what: &str) {
    let _ = writeln!(std::io::stderr().lock(), "real [{who}] {what}");
}

/// The steps of one test. `finish` must be called: it fails the test if a step failed.
pub(crate) struct Steps {
    name: String,
    selection: Selection,
    failed: Vec<String>,
    done: usize,
    begun: Instant,
}

impl Steps {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), selection: Selection::from_env(), failed: Vec::new(), done: 0, begun: Instant::now() }
    }

    pub(crate) fn say(&self, what: &str) {
        say(&self.name, what);
    }

    /// A step of every selection.
    pub(crate) fn run(&mut self, step: &str, body: impl FnOnce()) {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(body));
        let seconds = begun.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => {
                self.done += 1;
                self.say(&format!("ok     {step} ({seconds:.1} s)"));
            }
            Err(panic) => {
                let message = panic_message(panic.as_ref());
                self.say(&format!("FAILED {step} ({seconds:.1} s): {message}"));
                self.failed.push(format!("{step}: {message}"));
            }
        }
    }

    /// A step of `LEEWARD_REAL=all` alone.
    pub(crate) fn run_in_all(&mut self, step: &str, body: impl FnOnce()) {
        if self.selection == Selection::All {
            self.run(step, body);
        }
    }

    /// A step that the rest of the test stands on: its panic ends the test.
    pub(crate) fn must<T>(&mut self, step: &str, body: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(value) => {
                self.done += 1;
                self.say(&format!("ok     {step} ({:.1} s)", begun.elapsed().as_secs_f32()));
                value
            }
            Err(panic) => {
                self.say(&format!("FAILED {step}: {}", panic_message(panic.as_ref())));
                resume_unwind(panic)
            }
        }
    }

    pub(crate) fn finish(self) {
        self.say(&format!("{} steps done, {} failed, {:.0} s", self.done, self.failed.len(), self.begun.elapsed().as_secs_f32()));
        assert!(self.failed.is_empty(), "{}: failed steps:\n  {}", self.name, self.failed.join("\n  "));
        assert!(self.done > 0, "{}: no step ran", self.name);
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_else(|| "panic".to_owned())
}

/// Asks `condition` again and again until it gives a value. For what cannot be awaited as an event: another process's state. Panics after `limit` with the last reason.
pub(crate) fn until<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Result<T, String>) -> T {
    /// Often enough to add little to a wait of seconds, seldom enough to leave the cores to the brokers.
    const POLL: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + limit;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(reason) if Instant::now() >= deadline => panic!("{what}: not within {limit:?}: {reason}"),
            Err(_) => std::thread::sleep(POLL),
        }
    }
}
