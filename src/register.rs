//! IO. The register of clients of a running Leeward: asks the workers now and then, keeps what they tell over a restart, and answers who there is.
//!
//! It is one task. What it writes, `clients.json` in `state.directory`, is replaced as a whole, every few minutes and at the end; a crash loses the minutes since.
//! One Leeward for each directory; a second one keeps its register in memory and says so.

mod file;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clients::Table;
use crate::guard::time::{Millis, millis};
use crate::net::{Connection, Surveyor};
use file::File;

/// Between two questions to the workers; rates are of so long.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two writes: a cluster's clients change slowly, and 10,000 of them are some MiB.
const WRITE_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long workers may take to tell. They do so between two events; it is not worth a wait.
const CENSUS_TIMEOUT: Duration = Duration::from_millis(500);
/// What was not seen for so long is forgotten: a monthly job is still there.
pub const KEPT_FOR: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// Questions that wait for their turn.
const QUESTIONS_MAX: usize = 16;

/// All that is known at one moment.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub at: Millis,
    pub table: Table,
    pub connections: Vec<Connection>,
    /// Since when there are entries, and why they do not outlive a restart, or what happened when they were read.
    pub since: Millis,
    pub problem: Option<String>,
}

enum Question {
    Look(oneshot::Sender<Known>),
    /// Take the last census and write everything.
    Finish(oneshot::Sender<()>),
}

/// Asks the register.
#[derive(Debug, Clone)]
pub struct RegisterHandle {
    questions: mpsc::Sender<Question>,
}

impl RegisterHandle {
    /// All that is known now. `None`: Leeward is ending.
    pub async fn look(&self) -> Option<Known> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(Question::Look(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Writes everything, before the workers end.
    pub async fn finish(&self) {
        let (reply, answer) = oneshot::channel();
        if self.questions.send(Question::Finish(reply)).await.is_ok() {
            // Whether it was written is in the log.
            let _ = answer.await;
        }
    }
}

/// The task.
pub struct Register {
    table: Table,
    connections: Vec<Connection>,
    file: Arc<File>,
    /// Something is not written yet.
    is_changed: bool,
    problem: Option<String>,
    since: Millis,
    rolled: Instant,
    questions: mpsc::Receiver<Question>,
}

/// Reads what was kept, and gives what has to be driven with [`Register::run`], and its handle.
pub fn open(directory: &Path) -> (Register, RegisterHandle) {
    let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
    let file = Arc::new(File::new(directory));
    let (table, problem) = match file.read() {
        Ok(table) => (table, None),
        Err(problem) => (Table::default(), Some(problem)),
    };
    if let Some(problem) = &problem {
        tracing::warn!(%problem, "what was known of clients was not taken over");
    }
    let since = table.rows().iter().map(|(_, row)| row.first).min().unwrap_or_else(now);
    let rolled = Instant::now();
    let register = Register { table, connections: Vec::new(), file, is_changed: false, problem, since, rolled, questions };
    (register, RegisterHandle { questions: sender })
}

impl Register {
    /// Goes on until nobody holds a handle any more.
    pub async fn run(mut self, surveyor: Surveyor) {
        let mut looks = interval(LOOK_EVERY);
        let mut writes = interval(WRITE_EVERY);
        for ticks in [&mut looks, &mut writes] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
        }
        loop {
            tokio::select! {
                question = self.questions.recv() => match question {
                    Some(Question::Look(reply)) => {
                        self.ask(&surveyor).await;
                        // Whoever asked may have gone.
                        let _ = reply.send(self.known());
                    }
                    Some(Question::Finish(reply)) => {
                        self.ask(&surveyor).await;
                        self.write().await;
                        let _ = reply.send(());
                    }
                    None => return,
                },
                _ = looks.tick() => {
                    self.ask(&surveyor).await;
                    self.table.roll(self.rolled.elapsed().as_secs_f64());
                    self.rolled = Instant::now();
                }
                _ = writes.tick() => self.write().await,
            }
        }
    }

    async fn ask(&mut self, surveyor: &Surveyor) {
        let Ok(Some(census)) = timeout(CENSUS_TIMEOUT, surveyor.census()).await else { return };
        self.is_changed |= !census.table.is_empty();
        self.table.add(census.table);
        self.connections = census.connections;
    }

    async fn write(&mut self) {
        self.table.forget_before(now().saturating_sub(millis(KEPT_FOR)));
        if !self.is_changed {
            return;
        }
        let (file, table) = (Arc::clone(&self.file), self.table.clone());
        let written = tokio::task::spawn_blocking(move || file.replace(&table)).await;
        let result = written.unwrap_or_else(|error| Err(format!("the write ended without an answer: {error}")));
        match result {
            Ok(()) => {
                self.is_changed = false;
                self.problem = None;
            }
            Err(problem) => {
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(%problem, "what is known of clients would not outlive a restart; see state.directory");
                }
                self.problem = Some(problem);
            }
        }
    }

    fn known(&self) -> Known {
        let (table, connections) = (self.table.clone(), self.connections.clone());
        Known { at: now(), table, connections, since: self.since, problem: self.problem.clone() }
    }
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
