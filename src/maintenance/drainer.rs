//! Does what the drains ask for: reads the cluster, has orders saved, changes them, and reads again, until nothing is left to do.
//!
//! It works from the drains that are written down, so that after a crash it goes on where it was. What it has sent it does not remember: the next
//! reading tells what is still to be done.
//!
//! **Invariant: saved before moved.** No order is changed before the owner has said that the one of before is on the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::cluster::Cluster;
use crate::control::{NotChanged, OperatorError};
use crate::guard::Policy;
use crate::rolling::drain::by_hand::{ByHand, by_hand};
use crate::rolling::drain::{Drain, Move, Phase, Plan, Progress, Restoring, SavedOrder};
use crate::rolling::walk::WINDOW_SETTLES;
use crate::rolling::{Census, Drains};

/// After a change the cluster is read again so soon: brokers hear of it within milliseconds.
const AFTER_A_CHANGE: Duration = Duration::from_millis(300);
/// Between two readings while something is awaited that Leeward does not do.
const WHILE_WAITING: Duration = Duration::from_secs(1);
/// Brokers hear of changes one after another, and one that is behind may have been read: what is done must be read twice, so far apart.
const TO_BE_SURE: Duration = Duration::from_secs(1);
/// After an error.
const AFTER_AN_ERROR: Duration = Duration::from_secs(3);
/// While Leeward's account may not alter the cluster: whether it may now.
const WHILE_FORBIDDEN: Duration = Duration::from_secs(15);
/// A drained broker: whether a topic was made or reassigned that it leads.
const WHILE_DRAINED: Duration = Duration::from_secs(30);

/// What the owner of the drains is told.
pub(super) enum Report {
    /// Orders are about to be changed; `done` when they are on the disk.
    Save {
        node_id: i32,
        orders: Vec<SavedOrder>,
        done: oneshot::Sender<Result<(), String>>,
    },
    State {
        node_id: i32,
        known: Arc<Known>,
        outcome: Option<Outcome>,
    },
}

/// What is known of one drain now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) progress: Progress,
    pub(super) problem: Option<Problem>,
    pub(super) by_hand: Option<ByHand>,
}

/// Why a drain does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) text: String,
    /// Whether it stays until somebody does something about it.
    pub(super) is_lasting: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Whatever can leave has left.
    Drained,
    /// Something is there again that can leave.
    NotDrained,
    /// All is as it was before.
    Restored,
}

/// Drives every drain, one step after another.
pub(super) struct Drainer {
    cluster: Arc<dyn Cluster>,
    drains: watch::Receiver<Arc<Drains>>,
    policy: watch::Receiver<Arc<Policy>>,
    reports: mpsc::Sender<Report>,
    /// Since when a window is seen to be open.
    window_since: Option<Instant>,
    /// When the cluster was first read as wanted, without a break since.
    done_since: BTreeMap<i32, (Phase, Instant)>,
}

/// Nobody owns the drains any more.
struct Ended;

impl Drainer {
    pub(super) fn new(
        cluster: Arc<dyn Cluster>,
        drains: watch::Receiver<Arc<Drains>>,
        policy: watch::Receiver<Arc<Policy>>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Drainer { cluster, drains, policy, reports, window_since: None, done_since: BTreeMap::new() }
    }

    /// Goes on until the owner is gone.
    pub(super) async fn run(mut self) {
        loop {
            let drains = Arc::clone(&self.drains.borrow_and_update());
            let is_open = self.policy.borrow_and_update().is_window_open();
            self.window_since = is_open.then(|| self.window_since.unwrap_or_else(Instant::now));
            let mut pause = None;
            for node_id in drains.iter().map(|(node_id, _)| node_id).collect::<Vec<_>>() {
                match self.step(&drains, node_id).await {
                    Ok(wanted) => pause = Some(pause.map_or(wanted, |pause: Duration| pause.min(wanted))),
                    Err(Ended) => return,
                }
            }
            let sleep = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.drains.changed() => if changed.is_err() { return },
                changed = self.policy.changed() => if changed.is_err() { return },
                () = sleep => {}
            }
        }
    }

    /// One step of one drain; gives how long the next one has time.
    async fn step(&mut self, drains: &Drains, node_id: i32) -> Result<Duration, Ended> {
        let Some(drain) = drains.get(node_id) else { return Ok(WHILE_DRAINED) };
        let census = match self.cluster.census().await {
            Ok(census) => census,
            Err(error) => {
                self.done_since.remove(&node_id);
                // After its start Leeward knows no broker for a moment.
                let pause = if matches!(error, OperatorError::NoBroker) { WHILE_WAITING } else { AFTER_AN_ERROR };
                let problem = Problem { text: format!("the cluster could not be read: {error}"), is_lasting: false };
                let known = Known { progress: Progress::unknown(node_id, drain.phase), problem: Some(problem), by_hand: None };
                self.tell(node_id, known, None).await?;
                return Ok(pause);
            }
        };
        match drain.phase {
            Phase::Draining | Phase::Drained => self.drain(drains, node_id, drain, &census).await,
            Phase::Undraining => self.restore(drains, node_id, drain, &census).await,
        }
    }

    async fn drain(&mut self, drains: &Drains, node_id: i32, drain: &Drain, census: &Census) -> Result<Duration, Ended> {
        let plan = Plan::of(census, node_id, &drains.others(node_id));
        let orders = drains.to_save(node_id, &plan);
        let progress = Progress::of_drain(census, node_id, drain, &plan);
        if !orders.is_empty() {
            let (done, saved) = oneshot::channel();
            self.reports.send(Report::Save { node_id, orders, done }).await.map_err(|_| Ended)?;
            if let Err(error) = saved.await.map_err(|_| Ended)? {
                let text = format!("the orders to come back to could not be written down, so nothing is moved: {error}");
                let known = Known { progress, problem: Some(Problem { text, is_lasting: true }), by_hand: None };
                self.tell(node_id, known, None).await?;
                return Ok(AFTER_AN_ERROR);
            }
        }
        if !plan.moves.is_empty() {
            return self.change(node_id, progress, &plan.moves, (drain.phase == Phase::Drained).then_some(Outcome::NotDrained)).await;
        }
        let is_done = plan.is_done() && self.is_sure(node_id, Phase::Drained, plan.is_done());
        self.tell(node_id, Known { progress, ..Known::default() }, is_done.then_some(Outcome::Drained)).await?;
        Ok(match (is_done, plan.is_done()) {
            (true, _) => WHILE_DRAINED,
            (false, true) => TO_BE_SURE,
            (false, false) => WHILE_WAITING,
        })
    }

    async fn restore(&mut self, drains: &Drains, node_id: i32, drain: &Drain, census: &Census) -> Result<Duration, Ended> {
        let restoring = Restoring::of(census, node_id, &drain.saved, &drains.others(node_id));
        let progress = Progress::of_undrain(census, node_id, drain, &restoring);
        if !restoring.moves.is_empty() {
            return self.change(node_id, progress, &restoring.moves, None).await;
        }
        let is_done = self.is_sure(node_id, Phase::Undraining, restoring.is_done());
        self.tell(node_id, Known { progress, ..Known::default() }, is_done.then_some(Outcome::Restored)).await?;
        Ok(WHILE_WAITING)
    }

    /// Asks the cluster for these moves, once a window that was opened has settled ([`WINDOW_SETTLES`]).
    async fn change(&mut self, node_id: i32, progress: Progress, moves: &[Move], outcome: Option<Outcome>) -> Result<Duration, Ended> {
        self.done_since.remove(&node_id);
        let settles = Duration::from_millis(WINDOW_SETTLES);
        if let Some(left) = self.window_since.map(|since| settles.saturating_sub(since.elapsed())).filter(|left| !left.is_zero()) {
            let text = format!("the window was opened just now: nothing moves for {settles:?}, so that what was sent before it is answered");
            let known = Known { progress, problem: Some(Problem { text, is_lasting: false }), by_hand: None };
            self.tell(node_id, known, outcome).await?;
            return Ok(left);
        }
        let (problem, hands, pause) = match self.cluster.change(moves).await {
            Ok(refused) if refused.is_empty() => (None, None, AFTER_A_CHANGE),
            Ok(refused) => (Some(Problem { text: not_changed(&refused), is_lasting: false }), None, WHILE_WAITING),
            Err(error @ OperatorError::MayNotAlter { .. }) => {
                let text = format!("{error}; until then no leadership is moved, and routing alone goes on");
                (Some(Problem { text, is_lasting: true }), None, WHILE_FORBIDDEN)
            }
            Err(OperatorError::TooOld { .. }) => {
                let text = "brokers before Kafka 2.4 have no API for it: run these commands beside ZooKeeper, one after the other; \
                            Leeward follows, and says what comes next. With upstream.zookeeper it does this itself";
                (Some(Problem { text: text.to_owned(), is_lasting: false }), Some(by_hand(node_id, moves)), WHILE_WAITING)
            }
            Err(error) => (Some(Problem { text: error.to_string(), is_lasting: false }), None, AFTER_AN_ERROR),
        };
        self.tell(node_id, Known { progress, problem, by_hand: hands }, outcome).await?;
        Ok(pause)
    }

    /// Whether what is done was read so before, a while ago.
    fn is_sure(&mut self, node_id: i32, phase: Phase, is_done: bool) -> bool {
        if !is_done {
            self.done_since.remove(&node_id);
            return false;
        }
        let (seen, since) = *self.done_since.entry(node_id).or_insert_with(|| (phase, Instant::now()));
        if seen != phase {
            self.done_since.insert(node_id, (phase, Instant::now()));
            return false;
        }
        since.elapsed() >= TO_BE_SURE
    }

    async fn tell(&self, node_id: i32, known: Known, outcome: Option<Outcome>) -> Result<(), Ended> {
        self.reports.send(Report::State { node_id, known: Arc::new(known), outcome }).await.map_err(|_| Ended)
    }
}

fn not_changed(refused: &[NotChanged]) -> String {
    let more = refused.len().saturating_sub(1);
    let first = refused.first().map(|one| format!("{}-{}: {}", one.topic, one.partition, one.why)).unwrap_or_default();
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    format!("the controller did not change {first}{more}; Leeward asks again")
}
