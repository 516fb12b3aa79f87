//! IO. Maintenance windows of a running Leeward: takes what operators ask for, what schedules say and what is detected, writes it down, and
//! publishes the [`Policy`] that sessions work by. Drains of brokers live beside them; a task of their own (`drainer`) does in the cluster what they ask for.
//!
//! **Invariant: written down first.** What an operator changes is in the audit file and in the state before it is in force and answered. What
//! happens by itself (an expiry, a schedule, a detection) is in force even when the disk refuses, and is said; so is the end of a window, and what
//! is changed elsewhere and only recorded here ([`MaintenanceHandle::record`]).
//!
//! Where several Leewards share a topic, a change is accepted there before it is in force (`shared`).

pub mod api;
pub mod cluster;
mod drainer;
pub mod preflight;
mod shared;
mod store;
mod task;
mod views;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::cluster::{Leaders, View};
use crate::config::Config;
use crate::control::Operator;
use crate::guard::time::{Millis, millis};
use crate::guard::{Policy, Windows};
use crate::rolling::drain::Phase;
use crate::rolling::reassign::run::Run;
use crate::rolling::walk::Roll;
use crate::rolling::{Draining, Drains};
use api::{
    Audit, ClosedView, DrainAnswer, DrainRequest, DrainView, MaintenanceStatus, OffAnswer, OffRequest, OnAnswer, OnRequest, ScheduleAnswer, ScheduleRequest,
    ScheduleView, UndrainRequest, UnscheduleRequest, WindowView,
};
pub use cluster::Cluster;
use drainer::Known;
use preflight::Preflight;
use shared::Shown;
pub use store::Kept;
use store::Store;
pub use task::Maintenance;
use task::{BrokerCommand, Pictures, Reading, unknown};

/// Commands of operators that wait for their turn.
const COMMANDS_MAX: usize = 16;

/// Why a request changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// What, and why.
    pub error: String,
    /// What to do.
    pub hint: String,
    /// What was found, where that is the reason.
    pub preflight: Option<Preflight>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request is wrong.
    Wrong,
    /// A check forbids it.
    Blocked,
    /// There is no such window or schedule.
    Missing,
    /// It could not be written down.
    Storage,
    /// The cluster does not answer.
    Unread,
    /// Another Leeward has changed the same meanwhile.
    Overtaken,
    /// Leeward is ending.
    Ending,
}

type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A change, or the refusal of one, that is not of the windows and belongs in the same audit file.
#[derive(Debug, Clone)]
pub struct Happening {
    /// Nobody said who.
    pub who: Option<String>,
    pub what: &'static str,
    pub why: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
    pub result: String,
}

/// How often a change is decided anew when other Leewards' changes come first.
pub(crate) const OVERTAKEN_MAX: usize = 8;

enum Command {
    On(OnRequest, Reply<OnAnswer>),
    Off(OffRequest, Reply<OffAnswer>),
    Schedule(ScheduleRequest, Reply<ScheduleAnswer>),
    Unschedule(UnscheduleRequest, Reply<ScheduleAnswer>),
    Preflight(Reply<Preflight>),
    Record(Happening, Reply<()>),
    SaveRoll(Box<RollChange>, Reply<()>),
    SaveReassign(Box<ReassignChange>, Reply<()>),
    Broker(BrokerCommand),
}

/// A roll as it is to be kept.
#[derive(Debug, Clone)]
struct RollChange {
    /// The one that is kept now, as far as whoever changes it knows.
    before: Option<Roll>,
    roll: Roll,
    told: Option<Happening>,
}

/// A reassignment as it is to be kept.
#[derive(Debug, Clone)]
struct ReassignChange {
    /// The one that is kept now, as far as whoever changes it knows.
    before: Option<Run>,
    run: Run,
    told: Option<Happening>,
}

/// What is in force, for those that only read.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    windows: Windows,
    kept: Kept,
    left_alone: BTreeSet<String>,
    brokers_away: Vec<i32>,
    drains: Arc<Drains>,
    roll: Option<Roll>,
    reassign: Option<Run>,
    /// What is known of drains that go on, and of the last one of each broker.
    known: BTreeMap<i32, Arc<Known>>,
    /// Where several Leewards share all this.
    shared: Option<Shown>,
}

impl Snapshot {
    fn is_window_open(&self, now: Millis) -> bool {
        self.windows.open_windows().iter().any(|window| window.expires > now)
    }
}

/// Reads the windows and sends commands.
#[derive(Debug, Clone)]
pub struct MaintenanceHandle {
    commands: mpsc::Sender<Command>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    audit_file: Arc<std::path::Path>,
    config: watch::Sender<Arc<Config>>,
    cluster: Arc<dyn Cluster>,
    view: watch::Receiver<Arc<View>>,
    draining: watch::Receiver<Arc<Draining>>,
    changes: watch::Receiver<u64>,
}

impl MaintenanceHandle {
    /// Opens a window.
    pub async fn on(&self, request: OnRequest) -> Result<OnAnswer, Refusal> {
        self.ask(|reply| Command::On(request, reply)).await
    }

    /// Closes windows.
    pub async fn off(&self, request: OffRequest) -> Result<OffAnswer, Refusal> {
        self.ask(|reply| Command::Off(request, reply)).await
    }

    /// Adds a schedule.
    pub async fn schedule(&self, request: ScheduleRequest) -> Result<ScheduleAnswer, Refusal> {
        self.ask(|reply| Command::Schedule(request, reply)).await
    }

    /// Removes a schedule.
    pub async fn unschedule(&self, request: UnscheduleRequest) -> Result<ScheduleAnswer, Refusal> {
        self.ask(|reply| Command::Unschedule(request, reply)).await
    }

    /// What an operator should know before a window opens.
    pub async fn preflight(&self) -> Result<Preflight, Refusal> {
        self.ask(Command::Preflight).await
    }

    /// Writes down what changes elsewhere; it is on the disk when this is done.
    pub async fn record(&self, happening: Happening) -> Result<(), Refusal> {
        self.ask(|reply| Command::Record(happening, reply)).await
    }

    /// Begins to drain a broker. The reading that it is decided by is made before it is anybody's turn.
    pub async fn drain(&self, node_id: i32, request: DrainRequest) -> Result<DrainAnswer, Refusal> {
        let reading = Box::new(self.reading().await?);
        self.ask(|reply| Command::Broker(BrokerCommand::Drain(node_id, request, reading, reply))).await
    }

    /// Begins to bring back what a drain has moved, whether or not the cluster can be read now.
    pub async fn undrain(&self, node_id: i32, request: UndrainRequest) -> Result<DrainAnswer, Refusal> {
        let reading = self.reading().await.ok().map(Box::new);
        self.ask(|reply| Command::Broker(BrokerCommand::Undrain(node_id, request, reading, reply))).await
    }

    /// How far the drain of a broker is.
    pub fn drain_status(&self, node_id: i32) -> Result<DrainView, Refusal> {
        let (snapshot, now) = (self.snapshot.load(), now());
        let known = snapshot.known.get(&node_id).map(|known| &**known);
        if known.is_none() && snapshot.drains.get(node_id).is_none() && !self.view.borrow().brokers.contains_key(&node_id) {
            return Err(unknown(node_id));
        }
        let window_open = snapshot.is_window_open(now);
        let view = views::drain_view(node_id, &snapshot.drains, known, window_open, now);
        Ok(views::shared_drain(view, snapshot.shared.as_ref()))
    }

    /// Whether a maintenance window is open now.
    pub fn is_window_open(&self) -> bool {
        self.snapshot.load().is_window_open(now())
    }

    /// Where the drain of a broker stands; `None`: it is not drained.
    pub fn drain_phase(&self, node_id: i32) -> Option<Phase> {
        self.snapshot.load().drains.get(node_id).map(|drain| drain.phase)
    }

    /// The roll that goes on, or the last one.
    pub fn roll(&self) -> Option<Roll> {
        self.snapshot.load().roll.clone()
    }

    /// Keeps a roll as it is now in the place of `before`, and tells the audit file of it; it is on the disk when this is done.
    pub async fn save_roll(&self, before: Option<Roll>, roll: Roll, told: Option<Happening>) -> Result<(), Refusal> {
        self.ask(|reply| Command::SaveRoll(Box::new(RollChange { before, roll, told }), reply)).await
    }

    /// The reassignment that goes on, or the last one.
    pub fn reassign(&self) -> Option<Run> {
        self.snapshot.load().reassign.clone()
    }

    /// Keeps a reassignment as it is now in the place of `before`, and tells the audit file of it; it is on the disk when this is done.
    pub async fn save_reassign(&self, before: Option<Run>, run: Run, told: Option<Happening>) -> Result<(), Refusal> {
        self.ask(|reply| Command::SaveReassign(Box::new(ReassignChange { before, run, told }), reply)).await
    }

    /// Whether this Leeward is the one that walks a roll. A single one always is.
    pub fn acts(&self) -> bool {
        self.snapshot.load().shared.as_ref().is_none_or(Shown::acts)
    }

    /// Changes with the roll and the reassignment, and with who walks them.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// How old the view is of what several Leewards share, and why, where it is old.
    pub fn old_view(&self) -> Option<String> {
        self.snapshot.load().shared.as_ref().and_then(Shown::old_view)
    }

    /// Of the windows that are open: when the first one opened, and when the first one closes by itself.
    pub fn open_between(&self) -> Option<(Millis, Millis)> {
        let snapshot = self.snapshot.load();
        let open = snapshot.windows.open_windows();
        open.iter().map(|window| window.opened).min().zip(open.iter().map(|window| window.expires).min())
    }

    /// Every drain that is not over.
    pub fn drains(&self) -> Arc<Drains> {
        Arc::clone(&self.snapshot.load().drains)
    }

    /// The brokers that traffic is to be routed around.
    pub fn draining(&self) -> watch::Receiver<Arc<Draining>> {
        self.draining.clone()
    }

    async fn reading(&self) -> Result<Reading, Refusal> {
        let census = self.cluster.census().await.map_err(|error| Refusal {
            kind: RefusalKind::Unread,
            error: format!("the cluster could not be read: {error}"),
            hint: "see leeward status; nothing has changed".to_owned(),
            preflight: None,
        })?;
        let needs_hands = self.cluster.needs_hands(&census);
        Ok(Reading { census, needs_hands })
    }

    /// Everything there is to see.
    pub fn status(&self) -> MaintenanceStatus {
        let (snapshot, config, now) = (self.snapshot.load(), self.config.borrow(), now());
        MaintenanceStatus {
            absorb: config.guard.absorb.label().to_owned(),
            mode: if config.guard.watch_only { "watch" } else { "on" }.to_owned(),
            detect: config.guard.detect,
            open: WindowView::all(&snapshot.windows, now),
            schedules: snapshot.windows.schedules().iter().map(|schedule| ScheduleView::of(schedule, now)).collect(),
            history: snapshot.windows.history().map(|closed| ClosedView::of(closed, now)).collect(),
            left_alone: snapshot.left_alone.iter().cloned().collect(),
            brokers_away: snapshot.brokers_away.clone(),
            kept: snapshot.kept.clone(),
            shared: snapshot.shared.as_ref().map(views::shared),
        }
    }

    /// The last entries of the audit file.
    pub async fn audit(&self, last: usize) -> Result<Audit, Refusal> {
        let file = Arc::clone(&self.audit_file);
        let read = tokio::task::spawn_blocking(move || store::last_entries(&file, last)).await;
        let failed = |error: &dyn std::fmt::Display| Refusal {
            kind: RefusalKind::Storage,
            error: format!("{} cannot be read: {error}", self.audit_file.display()),
            hint: "look at the file and its directory (state.directory)".to_owned(),
            preflight: None,
        };
        read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    /// The settings, as they change.
    pub fn configs(&self) -> watch::Receiver<Arc<Config>> {
        self.config.subscribe()
    }

    /// Settings that may change while Leeward runs.
    pub fn set_config(&self, config: Arc<Config>) {
        self.config.send_replace(config);
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refusal> {
        let ending =
            || Refusal { kind: RefusalKind::Ending, error: "Leeward is ending".to_owned(), hint: "ask again when it runs".to_owned(), preflight: None };
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())?
    }
}

/// Reads the state of before, and gives what has to be driven with [`Maintenance::run`], its handle, and the policy that sessions work by.
pub fn open(
    config: Arc<Config>,
    view: watch::Receiver<Arc<View>>,
    leaders: watch::Receiver<Arc<Leaders>>,
    cluster: Arc<dyn Cluster>,
    operator: Option<Operator>,
) -> (Maintenance, MaintenanceHandle, watch::Receiver<Arc<Policy>>) {
    let (store, contents) = Store::open(&config.state.directory, now());
    let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let (config, configs) = watch::channel(config);
    let audit_file = Arc::from(store.audit_file());
    let draining = watch::Sender::new(Arc::new(contents.drains.draining()));
    let changed = watch::Sender::new(0);
    let handle = MaintenanceHandle {
        commands,
        snapshot: Arc::clone(&snapshot),
        audit_file,
        config,
        cluster: Arc::clone(&cluster),
        view: view.clone(),
        draining: draining.subscribe(),
        changes: changed.subscribe(),
    };
    let (maintenance, policy) = Maintenance::new(contents, store, inbox, snapshot, configs, Pictures { view, leaders, cluster, operator, draining, changed });
    (maintenance, handle, policy)
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
