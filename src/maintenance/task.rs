//! The one owner of the windows: takes commands, the time, and the picture of the cluster, one after the other.

mod drain;
mod kept;
mod sharing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::api::{
    AuditEntry, ClosedView, OffAnswer, OffRequest, OnAnswer, OnRequest, ScheduleAnswer, ScheduleRequest, ScheduleView, UnscheduleRequest, WindowView,
};
use super::cluster::Cluster;
use super::drainer::{Drainer, Known};
use super::preflight::{Preflight, PreflightInput};
use super::shared::Shared;
use super::store::{ClosedAlone, Contents, Store, StoreError};
use super::{Command, Happening, OVERTAKEN_MAX, Refusal, RefusalKind, Reply, Snapshot, now};
use crate::cluster::{Leaders, View};
use crate::config::{Config, parse_duration};
use crate::control::Operator;
use crate::guard::detection::{DetectionLimits, Wish};
use crate::guard::time::{Millis, millis, rfc3339};
use crate::guard::windows::{Change, Coverage, Limits, Opening, Origin, Schedule, Window, WindowError};
use crate::guard::{Detection, Policy, Windows};
use crate::net::Surveyor;
use crate::rolling::drain::Phase;
use crate::rolling::reassign::run::Run;
use crate::rolling::walk::Roll;
use crate::rolling::{Draining, Drains};
use crate::telemetry::Telemetry;
use crate::telemetry::events::MaintenanceChanged;
use crate::telemetry::ledger::EpisodeKind;

pub(super) use drain::{BrokerCommand, Reading, unknown};

/// Reports of the drainer that wait for their turn.
const REPORTS_MAX: usize = 16;

/// The clock of the machine may be set: it is looked at so often at least.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// How long workers may take to tell of their clients. They do so between two events; it is not worth a wait.
const SURVEY_TIMEOUT: Duration = Duration::from_millis(500);

/// Who acts when nobody does.
const ITSELF: &str = "leeward";

/// Whoever asks over HTTP without a name.
const UNNAMED: &str = "unnamed (HTTP)";

/// The windows of a running Leeward.
pub struct Maintenance {
    windows: Windows,
    drains: Arc<Drains>,
    roll: Option<Roll>,
    reassign: Option<Run>,
    known: BTreeMap<i32, Arc<Known>>,
    detection: Detection,
    /// `None` only while the disk is being written.
    store: Option<Store>,
    inbox: mpsc::Receiver<Command>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    configs: watch::Receiver<Arc<Config>>,
    view: watch::Receiver<Arc<View>>,
    leaders: watch::Receiver<Arc<Leaders>>,
    surveyor: Surveyor,
    telemetry: Option<Arc<Telemetry>>,
    /// Ids of the windows that the ledger knows to be open.
    told: BTreeSet<String>,
    policy: watch::Sender<Arc<Policy>>,
    cluster: Arc<dyn Cluster>,
    /// What the drainer works from: it is on the disk.
    kept_drains: watch::Sender<Arc<Drains>>,
    draining: watch::Sender<Arc<Draining>>,
    /// Whoever reaches the topic that several Leewards share, where one is configured.
    operator: Option<Operator>,
    shared: Option<Shared>,
    /// Windows that were closed while that topic was out of reach.
    closed_alone: Vec<ClosedAlone>,
    /// Counts what walkers of a roll want to hear of.
    changed: watch::Sender<u64>,
}

/// Under which circumstances a change is in force that could not be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anyway {
    Never,
    /// Where the disk refuses.
    WithoutDisk,
    /// Where the topic that is shared is out of reach, too.
    Alone,
}

/// Decides a change again as long as others' changes come first.
macro_rules! until_first {
    ($change:expr) => {{
        let mut times = 0;
        loop {
            let outcome = $change;
            times += 1;
            match outcome {
                Err(Refusal { kind: RefusalKind::Overtaken, .. }) if times < OVERTAKEN_MAX => {}
                outcome => break outcome,
            }
        }
    }};
}
pub(super) use until_first;

/// The cluster, as it changes.
pub(super) struct Pictures {
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) leaders: watch::Receiver<Arc<Leaders>>,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) operator: Option<Operator>,
    pub(super) draining: watch::Sender<Arc<Draining>>,
    pub(super) changed: watch::Sender<u64>,
}

impl Maintenance {
    pub(super) fn new(
        contents: Contents,
        store: Store,
        inbox: mpsc::Receiver<Command>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        configs: watch::Receiver<Arc<Config>>,
        pictures: Pictures,
    ) -> (Self, watch::Receiver<Arc<Policy>>) {
        let (policy, policies) = watch::channel(Arc::new(Policy::default()));
        let Pictures { view, leaders, cluster, operator, draining, changed } = pictures;
        let Contents { windows, drains, roll, reassign, closed_alone } = contents;
        let drains = Arc::new(drains);
        let mut maintenance = Maintenance {
            windows,
            kept_drains: watch::Sender::new(Arc::clone(&drains)),
            drains,
            roll,
            reassign,
            known: BTreeMap::new(),
            detection: Detection::default(),
            store: Some(store),
            inbox,
            snapshot,
            configs,
            view,
            leaders,
            surveyor: Surveyor::default(),
            telemetry: None,
            told: BTreeSet::new(),
            policy,
            cluster,
            draining,
            operator,
            shared: None,
            closed_alone,
            changed,
        };
        if let Some(note) = maintenance.kept().note {
            tracing::warn!(%note, "the maintenance state was not taken over");
        }
        if let Some(problem) = maintenance.kept().problem {
            tracing::warn!(%problem, "maintenance windows do not outlive a restart; see state.directory");
        }
        for window in maintenance.windows.open_windows() {
            MaintenanceChanged { what: "window still open", id: &window.id, who: &window.author, why: &window.reason }.emit();
        }
        for (node_id, drain) in maintenance.drains.iter() {
            let what = match drain.phase {
                Phase::Draining => "drain goes on",
                Phase::Drained => "still drained",
                Phase::Undraining => "undrain goes on",
            };
            MaintenanceChanged { what, id: &drain::id(node_id), who: &drain.author, why: &drain.reason }.emit();
        }
        maintenance.publish();
        (maintenance, policies)
    }

    /// Goes on until nobody holds a handle any more. `surveyor` tells of the clients; `telemetry` hears of windows.
    pub async fn run(mut self, surveyor: Surveyor, telemetry: Arc<Telemetry>) {
        self.surveyor = surveyor;
        self.telemetry = Some(telemetry);
        self.begin_sharing();
        self.publish();
        self.look_at_brokers().await;
        let (sender, mut reports) = mpsc::channel(REPORTS_MAX);
        tokio::spawn(Drainer::new(Arc::clone(&self.cluster), self.kept_drains.subscribe(), self.policy.subscribe(), sender).run());
        loop {
            self.keep_up().await;
            self.keep_sharing().await;
            let sleep = self.next_change().map_or(SLEEP_MAX, |at| Duration::from_millis(at.saturating_sub(now())).min(SLEEP_MAX));
            let sleep = self.shared.as_ref().map_or(sleep, |shared| shared.next_beat().min(sleep));
            tokio::select! {
                command = self.inbox.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => return,
                },
                Some(report) = reports.recv() => self.on_report(report).await,
                news = next_news(&mut self.shared) => self.on_news(news).await,
                Ok(()) = self.configs.changed() => {}
                Ok(()) = self.view.changed() => self.look_at_brokers().await,
                // Topics whose acks stay as they are may be others now.
                Ok(()) = self.leaders.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
            self.publish();
        }
    }

    async fn on_command(&mut self, command: Command) {
        // Time goes first: what has expired is not open for the command.
        self.keep_up().await;
        // Whoever asked may have gone.
        match command {
            Command::On(request, reply) => answer(reply, until_first!(self.on(request.clone()).await)),
            Command::Off(request, reply) => answer(reply, until_first!(self.off(request.clone()).await)),
            Command::Schedule(request, reply) => answer(reply, until_first!(self.schedule(request.clone()).await)),
            Command::Unschedule(request, reply) => answer(reply, until_first!(self.unschedule(request.clone()).await)),
            Command::Preflight(reply) => answer(reply, Ok(self.preflight().await)),
            Command::Record(happening, reply) => answer(reply, self.written(happening).await),
            Command::SaveRoll(change, reply) => answer(reply, until_first!(self.commit_roll(&change).await)),
            Command::SaveReassign(change, reply) => answer(reply, until_first!(self.commit_reassign(&change).await)),
            Command::Broker(command) => self.on_broker(command).await,
        }
    }

    async fn on(&mut self, request: OnRequest) -> Result<OnAnswer, Refusal> {
        let (now, limits) = (now(), self.limits());
        let lasts = match &request.lasts {
            Some(text) => duration(text)?,
            None => millis(self.configs.borrow().guard.window_default),
        };
        let author = named(request.author);
        let coverage = coverage(request.topics, request.client_ids);
        let asked = Opening { coverage, reason: request.reason, author: author.clone(), origin: Origin::Operator, lasts };
        let why = asked.reason.clone();
        let mut windows = self.windows.clone();
        let window = WindowView::of(&windows.open(asked, limits, now).map_err(refused)?, now);
        let preflight = self.preflight().await;
        let what = if preflight.safe { "window opened" } else { "window opened by force" };
        if !preflight.safe && !request.force {
            let error = format!("it is dangerous now: {}", preflight.dangers());
            if !request.dry_run {
                let entry = entry(now, &author, "window refused", &why, None::<()>, None::<()>, &format!("blocked: {error}"));
                self.record(entry).await;
            }
            let hint = "wait until that is over, or open the window all the same with --force (\"force\": true)".to_owned();
            return Err(Refusal { kind: RefusalKind::Blocked, error, hint, preflight: Some(preflight) });
        }
        if !request.dry_run {
            let entry = entry(now, &author, what, &why, None::<()>, Some(&window), "done");
            self.commit(windows, vec![entry], if request.force { Anyway::WithoutDisk } else { Anyway::Never }).await?;
            MaintenanceChanged { what, id: &window.id, who: &author, why: &why }.emit();
        }
        Ok(OnAnswer { dry_run: request.dry_run, window, preflight, kept: self.kept() })
    }

    async fn off(&mut self, request: OffRequest) -> Result<OffAnswer, Refusal> {
        let (now, author) = (now(), named(request.author));
        let mut windows = self.windows.clone();
        let closed = windows.close(request.id.as_deref(), &author, &request.reason, now).map_err(refused)?;
        if !request.dry_run {
            let view = |window: &Window| WindowView::of(window, now);
            let entries = closed.iter().map(|closed| entry(now, &author, "window closed", &request.reason, Some(view(&closed.window)), None::<()>, "done"));
            let entries = entries.collect();
            // To end a window must be possible with a full disk too, and without the topic that is shared.
            self.commit(windows, entries, Anyway::Alone).await?;
            if self.is_alone() {
                self.remember_closed(&closed).await;
            }
            for closed in &closed {
                MaintenanceChanged { what: "window closed", id: &closed.window.id, who: &author, why: &request.reason }.emit();
            }
        }
        Ok(OffAnswer { dry_run: request.dry_run, closed: closed.iter().map(|closed| ClosedView::of(closed, now)).collect() })
    }

    async fn schedule(&mut self, request: ScheduleRequest) -> Result<ScheduleAnswer, Refusal> {
        let (now, limits, author) = (now(), self.limits(), named(request.author));
        let asked = Schedule {
            id: String::new(),
            cron: request.cron,
            zone: request.zone,
            lasts: duration(&request.lasts)?,
            coverage: coverage(request.topics, request.client_ids),
            reason: request.reason,
            author: author.clone(),
            done_until: now,
        };
        let mut windows = self.windows.clone();
        let schedule = windows.add_schedule(asked, limits, now).map_err(refused)?;
        let view = ScheduleView::of(&schedule, now);
        if !request.dry_run {
            let entry = entry(now, &author, "schedule added", &schedule.reason, None::<()>, Some(&view), "done");
            self.commit(windows, vec![entry], Anyway::Never).await?;
            MaintenanceChanged { what: "schedule added", id: &schedule.id, who: &author, why: &schedule.reason }.emit();
        }
        Ok(ScheduleAnswer { dry_run: request.dry_run, schedule: view })
    }

    async fn unschedule(&mut self, request: UnscheduleRequest) -> Result<ScheduleAnswer, Refusal> {
        let (now, author) = (now(), named(request.author));
        if request.reason.trim().is_empty() {
            return Err(refused(WindowError::NoReason));
        }
        let mut windows = self.windows.clone();
        let view = ScheduleView::of(&windows.remove_schedule(&request.id).map_err(refused)?, now);
        if !request.dry_run {
            let entry = entry(now, &author, "schedule removed", &request.reason, Some(&view), None::<()>, "done");
            self.commit(windows, vec![entry], Anyway::Never).await?;
            MaintenanceChanged { what: "schedule removed", id: &view.id, who: &author, why: &request.reason }.emit();
        }
        Ok(ScheduleAnswer { dry_run: request.dry_run, schedule: view })
    }

    /// What the time asks for.
    async fn keep_up(&mut self) {
        let now = now();
        // Prolonged before it could expire.
        let (expires, limits) = (self.detected().map(|window| window.expires), self.detection_limits());
        let wish = self.detection.advance(expires, limits, now).filter(|_| self.configs.borrow().guard.detect);
        self.happen(wish.as_ref(), true, now).await;
    }

    async fn look_at_brokers(&mut self) {
        let now = now();
        let brokers: Vec<_> = self.view.borrow_and_update().brokers.values().map(|broker| (broker.node_id, broker.listed && broker.reachable)).collect();
        let (expires, limits) = (self.detected().map(|window| window.expires), self.detection_limits());
        let wish = self.detection.on_brokers(&brokers, expires, limits, now);
        if let Some(wish) = wish.filter(|_| self.configs.borrow().guard.detect) {
            self.happen(Some(&wish), false, now).await;
        }
    }

    /// Does what is wished for and, with `advances`, what the time asks for; anew as long as others' changes come first.
    async fn happen(&mut self, wish: Option<&Wish>, advances: bool, now: Millis) {
        for _ in 0..OVERTAKEN_MAX {
            let mut windows = self.windows.clone();
            let mut changes = wish.map_or_else(Vec::new, |wish| self.grant(&mut windows, wish, now));
            if advances {
                changes.extend(windows.advance(self.limits(), now));
            }
            if self.happened(windows, changes, now).await {
                return;
            }
        }
    }

    /// Does what the detection wishes.
    fn grant(&self, windows: &mut Windows, wish: &Wish, now: Millis) -> Vec<Change> {
        let (limits, open) = (self.limits(), self.detected().map(|window| window.id.clone()));
        match (wish, open) {
            (Wish::Open { until, .. } | Wish::Prolong { until }, Some(id)) => windows.prolong(&id, *until, limits).into_iter().collect(),
            (Wish::Open { lost, until }, None) => {
                let lost = lost.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let lasts = until.saturating_sub(now).min(limits.window_max);
                let reason = format!("broker {lost} announced its shutdown or was lost");
                let asked = Opening { coverage: Coverage::default(), reason, author: ITSELF.to_owned(), origin: Origin::Detection, lasts };
                match windows.open(asked, limits, now) {
                    Ok(window) => vec![Change::Opened(window)],
                    Err(error) => {
                        tracing::warn!(%error, "a broker went, and no window could be opened");
                        Vec::new()
                    }
                }
            }
            (Wish::Close, Some(id)) => windows
                .close(Some(&id), ITSELF, "every broker has been back for guard.detect_quiet", now)
                .unwrap_or_default()
                .into_iter()
                .map(Change::Closed)
                .collect(),
            (Wish::Prolong { .. } | Wish::Close, None) => Vec::new(),
        }
    }

    /// What happened by itself is in force, whether or not the disk takes it. False: another Leeward's change came first.
    async fn happened(&mut self, windows: Windows, changes: Vec<Change>, now: Millis) -> bool {
        if changes.is_empty() {
            // A start that was left out is dealt with all the same.
            self.windows = windows;
            return true;
        }
        let entries = changes.iter().map(|change| entry_of(change, now)).collect();
        if self.commit(windows, entries, Anyway::Alone).await.is_err() {
            return false;
        }
        for change in &changes {
            let (what, id, who, why) = told(change);
            MaintenanceChanged { what, id, who, why }.emit();
        }
        true
    }

    /// Puts `windows` in force once they are written down, or where `anyway` allows it without.
    async fn commit(&mut self, windows: Windows, entries: Vec<AuditEntry>, anyway: Anyway) -> Result<(), Refusal> {
        let contents = Contents { windows, ..self.contents() };
        self.write(contents, entries, anyway, "let Leeward write into state.directory; a window alone can be opened without it with --force (\"force\": true)")
            .await
    }

    /// As [`Maintenance::commit`], for drains.
    async fn commit_drains(&mut self, drains: Drains, entries: Vec<AuditEntry>, anyway: Anyway) -> Result<(), Refusal> {
        let contents = Contents { drains, ..self.contents() };
        self.write(contents, entries, anyway, "let Leeward write into state.directory").await
    }

    async fn write(&mut self, contents: Contents, entries: Vec<AuditEntry>, anyway: Anyway, hint: &str) -> Result<(), Refusal> {
        if self.shared.is_some() {
            return self.write_shared(contents, entries, anyway, hint).await;
        }
        let written = contents.clone();
        let result = self.with_store(move |store| store.commit(&written, &entries)).await;
        if let Err(error) = &result {
            tracing::warn!(%error, in_force = anyway != Anyway::Never, "a change of maintenance is not on the disk");
        }
        match result {
            Err(error) if anyway == Anyway::Never => Err(not_written(&error, hint)),
            Ok(()) | Err(_) => {
                self.put_in_force(contents);
                Ok(())
            }
        }
    }

    fn put_in_force(&mut self, contents: Contents) {
        (self.windows, self.roll, self.reassign, self.closed_alone) = (contents.windows, contents.roll, contents.reassign, contents.closed_alone);
        if *self.drains != contents.drains {
            self.drains = Arc::new(contents.drains);
        }
        self.publish();
    }

    async fn written(&mut self, happening: Happening) -> Result<(), Refusal> {
        let entry = happened(happening);
        self.with_store(move |store| store.record(&[entry])).await.map_err(|error| Refusal {
            kind: RefusalKind::Storage,
            error: format!("it could not be written down: {error}"),
            hint: "let Leeward write into state.directory".to_owned(),
            preflight: None,
        })
    }

    async fn record(&mut self, entry: AuditEntry) {
        if let Err(error) = self.with_store(move |store| store.record(&[entry])).await {
            tracing::warn!(%error, "a refusal is not in the audit file");
        }
    }

    /// On a thread where waiting for the disk holds nobody up.
    async fn with_store(&mut self, work: impl FnOnce(&mut Store) -> Result<(), StoreError> + Send + 'static) -> Result<(), StoreError> {
        let Some(mut store) = self.store.take() else { return Err(StoreError::gone()) };
        let written = tokio::task::spawn_blocking(move || {
            let result = work(&mut store);
            (store, result)
        });
        let (store, result) = written.await.map_err(|_| StoreError::gone())?;
        self.store = Some(store);
        result
    }

    fn publish(&mut self) {
        let (now, left_alone) = (now(), self.preflight_input().left_alone());
        let policy = {
            let (config, old) = (self.configs.borrow(), self.policy.borrow());
            let draining = self.drains.draining().0;
            // Without a picture of the leaders nobody knows that a broker leads nothing.
            let leaders = self.leaders.borrow();
            let avoided = draining.iter().copied().filter(|node_id| !leaders.topics.is_empty() && !leaders.leads(*node_id)).collect();
            let policy = self.windows.policy(&config.guard, config.runtime.workers, left_alone.clone(), old.generation, now);
            let policy = Policy { draining, avoided, ..policy };
            (policy != **old).then(|| Policy { generation: old.generation + 1, ..policy })
        };
        if let Some(policy) = policy {
            self.policy.send_replace(Arc::new(policy));
        }
        self.tell_ledger();
        let brokers_away = self.detection.away().collect();
        let (windows, kept, drains, known) = (self.windows.clone(), self.kept(), Arc::clone(&self.drains), self.known.clone());
        // Of several Leewards one drives the drains; all route around.
        let driven = if self.shared.as_ref().is_none_or(Shared::acts) { Arc::clone(&drains) } else { Arc::default() };
        let is_new = **self.kept_drains.borrow() != *driven;
        if is_new {
            self.kept_drains.send_replace(driven);
        }
        let draining = drains.draining();
        // Sessions are woken by what concerns them alone.
        if **self.draining.borrow() != draining {
            self.draining.send_replace(Arc::new(draining));
        }
        let shared = self.shared.as_ref().map(Shared::shown);
        let walker = shared.as_ref().map(|shared| (shared.walker.clone(), shared.acts()));
        let before = self.snapshot.load_full();
        let is_news = before.roll != self.roll
            || before.reassign != self.reassign
            || before.shared.as_ref().map(|shared| (shared.walker.clone(), shared.acts())) != walker;
        let (roll, reassign) = (self.roll.clone(), self.reassign.clone());
        self.snapshot.store(Arc::new(Snapshot { windows, kept, left_alone, brokers_away, drains, known, roll, reassign, shared }));
        if is_news {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    fn tell_ledger(&mut self) {
        let Some(telemetry) = &self.telemetry else { return };
        let (at, open) = (SystemTime::now(), self.windows.open_windows());
        for window in open.iter().filter(|window| !self.told.contains(&window.id)) {
            telemetry.episode_began(EpisodeKind::Window, &window.reason, at);
        }
        let open: BTreeSet<String> = open.iter().map(|window| window.id.clone()).collect();
        self.told.difference(&open).for_each(|_| telemetry.episode_ended(at));
        telemetry.set_windows_open(open.len());
        self.told = open;
    }

    fn next_change(&self) -> Option<Millis> {
        let config = self.configs.borrow();
        let detected = self.detected().filter(|_| config.guard.detect);
        let longest = detected.map_or(0, |window| window.opened.saturating_add(millis(config.guard.window_max)));
        let detection = self.detection.next_change(detected.map(|window| window.expires), longest, self.detection_limits());
        self.windows.next_change(now()).into_iter().chain(detection).min()
    }

    fn detected(&self) -> Option<&Window> {
        self.windows.open_windows().iter().find(|window| window.origin == Origin::Detection)
    }

    async fn preflight(&self) -> Preflight {
        let input = self.preflight_input();
        let clients = tokio::time::timeout(SURVEY_TIMEOUT, self.surveyor.survey()).await.ok().flatten();
        Preflight::of(&match clients {
            Some(clients) => input.with_clients(&clients),
            None => input,
        })
    }

    fn preflight_input(&self) -> PreflightInput {
        PreflightInput::gather(&self.view.borrow(), &self.leaders.borrow(), &self.configs.borrow())
    }

    fn limits(&self) -> Limits {
        Limits { window_max: millis(self.configs.borrow().guard.window_max) }
    }

    fn detection_limits(&self) -> DetectionLimits {
        let config = self.configs.borrow();
        DetectionLimits { window: millis(config.guard.detect_window), quiet: millis(config.guard.detect_quiet) }
    }

    fn kept(&self) -> super::Kept {
        self.store.as_ref().map(Store::kept).unwrap_or_default()
    }
}

/// What happened by itself, who had it happen, and why.
fn told(change: &Change) -> (&'static str, &str, &str, &str) {
    match change {
        Change::Opened(window) => ("window opened", &window.id, window.origin.label(), &window.reason),
        Change::Prolonged { after, .. } => ("window prolonged", &after.id, after.origin.label(), &after.reason),
        Change::Closed(closed) => ("window closed", &closed.window.id, &closed.by, &closed.why),
    }
}

fn entry_of(change: &Change, now: Millis) -> AuditEntry {
    let (what, _, who, why) = told(change);
    let view = |window: &Window| WindowView::of(window, now);
    let (before, after) = match change {
        Change::Opened(window) => (None, Some(view(window))),
        Change::Prolonged { before, after } => (Some(view(before)), Some(view(after))),
        Change::Closed(closed) => (Some(view(&closed.window)), None),
    };
    entry(now, who, what, why, before, after, "done")
}

fn not_written(error: &StoreError, hint: &str) -> Refusal {
    Refusal { kind: RefusalKind::Storage, error: format!("it could not be written down: {error}; nothing has changed"), hint: hint.to_owned(), preflight: None }
}

async fn next_news(shared: &mut Option<Shared>) -> super::shared::News {
    match shared {
        Some(shared) => shared.next().await,
        None => std::future::pending().await,
    }
}

fn answer<T>(reply: Reply<T>, result: Result<T, Refusal>) {
    let _ = reply.send(result);
}

fn happened(happening: Happening) -> AuditEntry {
    let Happening { who, what, why, before, after, result } = happening;
    entry(now(), &named(who), what, &why, before, after, &result)
}

fn named(author: Option<String>) -> String {
    author.map(|author| author.trim().to_owned()).filter(|author| !author.is_empty()).unwrap_or_else(|| UNNAMED.to_owned())
}

fn coverage(topics: Vec<String>, client_ids: Vec<String>) -> Coverage {
    let names = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
    Coverage { topics: names(topics), client_ids: names(client_ids) }
}

fn duration(text: &str) -> Result<Millis, Refusal> {
    let wrong = |error| Refusal { kind: RefusalKind::Wrong, error, hint: "write it as \"2h\" or \"1h30m\" (units: ms, s, m, h)".to_owned(), preflight: None };
    parse_duration(text).map(millis).map_err(wrong)
}

fn refused(error: WindowError) -> Refusal {
    let kind = match error {
        WindowError::NoneOpen | WindowError::NoSuchWindow(_) | WindowError::NoSuchSchedule(_) => RefusalKind::Missing,
        WindowError::NoReason
        | WindowError::Text { .. }
        | WindowError::Names(_)
        | WindowError::TooLong { .. }
        | WindowError::NoLength
        | WindowError::TooMany
        | WindowError::TooManySchedules
        | WindowError::Cron { .. }
        | WindowError::Zone(_)
        | WindowError::NeverStarts(_)
        | WindowError::Overlaps(_) => RefusalKind::Wrong,
    };
    let text = error.to_string();
    // What and why stand before what to do.
    let (error, hint) = text.rsplit_once("; ").unwrap_or((&text, "see leeward maintenance --help"));
    Refusal { kind, error: error.to_owned(), hint: hint.to_owned(), preflight: None }
}

fn entry(now: Millis, who: &str, what: &str, why: &str, before: Option<impl Serialize>, after: Option<impl Serialize>, result: &str) -> AuditEntry {
    // Views are plain data, which always becomes a value.
    let value = |view: Result<serde_json::Value, serde_json::Error>| view.unwrap_or_default();
    AuditEntry {
        at: rfc3339(now),
        who: who.to_owned(),
        what: what.to_owned(),
        why: why.to_owned(),
        before: before.map(|view| value(serde_json::to_value(view))),
        after: after.map(|view| value(serde_json::to_value(view))),
        result: result.to_owned(),
    }
}
