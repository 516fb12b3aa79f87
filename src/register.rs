//! IO. The register of clients and of the traffic of a running Leeward: asks the workers now and then, keeps what they tell over a restart, and answers who
//! there is and how much there was.
//!
//! It is one task. What it writes to `state.directory`, `clients.json` and a file of traffic for each day, is replaced as a whole, every few minutes and at the
//! end; a crash loses the minutes since. One Leeward for each directory; a second one keeps its register in memory and says so.

mod days;
mod file;
mod place;
mod traffic;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clients::Table;
use crate::cluster::Leaders;
use crate::guard::time::{Millis, millis};
use crate::net::{Connection, Surveyor};
use crate::telemetry::Telemetry;
use place::Place;
pub use traffic::Traffic;
use traffic::{Keeper, Unwritten};

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
    Traffic(oneshot::Sender<Traffic>),
    /// Take the last census and write everything.
    Finish(oneshot::Sender<()>),
}

/// Asks the register.
#[derive(Debug, Clone)]
pub struct RegisterHandle {
    questions: mpsc::Sender<Question>,
    reports: Arc<Semaphore>,
}

impl RegisterHandle {
    /// All that is known now. `None`: Leeward is ending.
    pub async fn look(&self) -> Option<Known> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(Question::Look(reply)).await.ok()?;
        answer.await.ok()
    }

    /// What is known of the traffic now. `None`: Leeward is ending.
    pub async fn traffic(&self) -> Option<Traffic> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(Question::Traffic(reply)).await.ok()?;
        answer.await.ok()
    }

    /// The right to make a report of the traffic: one at a time, since each takes a processor and, over weeks of many names, tens of MiB.
    pub async fn report_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.reports).acquire_owned().await.ok()
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

/// What the register looks at.
pub struct Sources {
    pub surveyor: Surveyor,
    pub telemetry: Arc<Telemetry>,
    /// Names of topics that requests name by id.
    pub leaders: watch::Receiver<Arc<Leaders>>,
}

/// The task.
pub struct Register {
    table: Table,
    connections: Vec<Connection>,
    place: Arc<Place>,
    traffic: Keeper,
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
    let place = Arc::new(Place::new(directory));
    let (table, problem) = match file::read(&place) {
        Ok(table) => (table, None),
        Err(problem) => (Table::default(), Some(problem)),
    };
    if let Some(problem) = &problem {
        tracing::warn!(%problem, "what was known of clients was not taken over");
    }
    let since = table.rows().iter().map(|(_, row)| row.first).min().unwrap_or_else(now);
    let rolled = Instant::now();
    let traffic = Keeper::open(Arc::clone(&place), now());
    let register = Register { table, connections: Vec::new(), place, traffic, is_changed: false, problem, since, rolled, questions };
    (register, RegisterHandle { questions: sender, reports: Arc::new(Semaphore::new(1)) })
}

impl Register {
    /// Goes on until nobody holds a handle any more.
    pub async fn run(mut self, sources: Sources) {
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
                        self.ask(&sources).await;
                        // Whoever asked may have gone.
                        let _ = reply.send(self.known());
                    }
                    Some(Question::Traffic(reply)) => {
                        self.ask(&sources).await;
                        let _ = reply.send(self.traffic.known(now()));
                    }
                    Some(Question::Finish(reply)) => {
                        self.ask(&sources).await;
                        self.write().await;
                        let _ = reply.send(());
                    }
                    None => return,
                },
                _ = looks.tick() => {
                    self.ask(&sources).await;
                    self.table.roll(self.rolled.elapsed().as_secs_f64());
                    self.rolled = Instant::now();
                }
                _ = writes.tick() => self.write().await,
            }
        }
    }

    async fn ask(&mut self, sources: &Sources) {
        let Ok(Some(census)) = timeout(CENSUS_TIMEOUT, sources.surveyor.census()).await else { return };
        self.is_changed |= !census.table.is_empty();
        let leaders = Arc::clone(&sources.leaders.borrow());
        self.traffic.note(&census.table, census.topics, sources.telemetry.nodes(), &leaders, now());
        self.table.add(census.table);
        self.connections = census.connections;
    }

    async fn write(&mut self) {
        self.write_traffic().await;
        self.table.forget_before(now().saturating_sub(millis(KEPT_FOR)));
        if !self.is_changed {
            return;
        }
        let (place, table) = (Arc::clone(&self.place), self.table.clone());
        match aside(move || file::replace(&place, &table)).await {
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

    async fn write_traffic(&mut self) {
        let Some(unwritten) = self.traffic.unwritten().map(Arc::new) else { return };
        let writing = Arc::<Unwritten>::clone(&unwritten);
        let result = aside(move || writing.write()).await;
        self.traffic.written(&unwritten, result);
    }

    fn known(&self) -> Known {
        let (table, connections) = (self.table.clone(), self.connections.clone());
        Known { at: now(), table, connections, since: self.since, problem: self.problem.clone() }
    }
}

/// Does what takes the disk's time on a thread that nobody waits for.
async fn aside(write: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    let written = tokio::task::spawn_blocking(write).await;
    written.unwrap_or_else(|error| Err(format!("the write ended without an answer: {error}")))
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
