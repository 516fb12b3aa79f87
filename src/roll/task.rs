//! The one owner of the roll: takes commands, readings of the cluster, and what became of what it has begun, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::absence::Absence;
use super::api::{AbortRequest, PauseRequest, ResumeRequest, RollAnswer, StartRequest};
use super::commands::Run;
use super::{Means, Order, Reply, now, output_directory, views};
use crate::config::{Config, parse_duration};
use crate::control::OperatorError;
use crate::guard::time::{Millis, millis};
use crate::maintenance::api::{DrainRequest, OffRequest, OnRequest, UndrainRequest};
use crate::maintenance::{Happening, MaintenanceHandle, OVERTAKEN_MAX, Refusal, RefusalKind};
use crate::rolling::Census;
use crate::rolling::drain::Phase;
use crate::rolling::walk::{Act, Command, DrainsSeen, Facts, Leg, Roll, Settings, State, Step, order};

/// Between two readings of the cluster while a roll goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// More checks in a row than anybody waits for.
const CHECKS_MAX: u32 = 1000;

/// Who acts when nobody does.
const ITSELF: &str = "leeward";

/// The rolls of a running Leeward, of which one at most is not over.
pub struct Rolls {
    means: Means,
    configs: watch::Receiver<Arc<Config>>,
    inbox: mpsc::Receiver<Order>,
    shown: Arc<ArcSwap<Option<Roll>>>,
    roll: Option<Roll>,
    /// As it was kept last, by this Leeward or by another one that shares it.
    kept: Option<Roll>,
    /// This Leeward is the one that walks; of several, one does.
    walks: bool,
    /// The window that it has opened, while that is not kept.
    window: Option<String>,
    work: JoinSet<Done>,
    is_reading: bool,
    /// What a look has called for and is not done yet.
    acting: usize,
    next_look: Instant,
    /// The last command that was run.
    command: Option<(i32, &'static str, Command)>,
    absence: Absence,
}

/// Something that was begun is over.
enum Done {
    Read(Result<Census, OperatorError>, Millis),
    ToStart(Box<StartRequest>, Result<Census, OperatorError>, Reply),
    /// The window that it opened, if it did.
    Acted(Result<Option<String>, Refusal>),
    Ran(i32, &'static str, Result<(), String>),
}

/// The drains, as they stand now.
#[derive(Debug)]
struct OfMaintenance<'a>(&'a MaintenanceHandle);

impl DrainsSeen for OfMaintenance<'_> {
    fn phase(&self, node_id: i32) -> Option<Phase> {
        self.0.drain_phase(node_id)
    }

    fn sentence(&self, node_id: i32) -> Option<String> {
        let view = self.0.drain_status(node_id).ok()?;
        Some(view.problem.map_or_else(|| view.sentence.clone(), |problem| format!("{}: {problem}", view.sentence)))
    }

    fn problem(&self, node_id: i32) -> Option<String> {
        self.0.drain_status(node_id).ok().filter(|view| view.blocked)?.problem
    }
}

impl Rolls {
    pub(super) fn new(means: Means, inbox: mpsc::Receiver<Order>, shown: Arc<ArcSwap<Option<Roll>>>) -> Self {
        let roll = Option::clone(&shown.load());
        let (work, next_look) = (JoinSet::new(), Instant::now());
        let configs = means.maintenance.configs();
        let (kept, walks, window) = (roll.clone(), false, None);
        Rolls {
            means,
            configs,
            inbox,
            shown,
            roll,
            kept,
            walks,
            window,
            work,
            is_reading: false,
            acting: 0,
            next_look,
            command: None,
            absence: Absence::default(),
        }
    }

    /// Goes on until nobody holds a handle any more.
    pub async fn run(mut self) {
        let (mut view, mut changes) = (self.means.view.clone(), self.means.maintenance.changes());
        loop {
            self.follow_walker();
            self.shown.store(Arc::new(self.roll.clone()));
            let looks = self.walks && self.roll.as_ref().is_some_and(|roll| roll.state == State::Running) && !self.is_reading && self.acting == 0;
            tokio::select! {
                order = self.inbox.recv() => match order {
                    Some(order) => self.on_order(order).await,
                    None => return,
                },
                Some(done) = self.work.join_next() => match done {
                    Ok(done) => self.on_done(done).await,
                    Err(error) => self.stop("something that the roll had begun ended without a result", &error.to_string()).await,
                },
                Ok(()) = view.changed() => self.note_absence(),
                Ok(()) = changes.changed() => self.take_in(),
                () = tokio::time::sleep_until(self.next_look), if looks => self.read(),
            }
        }
    }

    /// Goes on where whoever walked before has left it: this Leeward before a crash, or another one.
    fn follow_walker(&mut self) {
        let walks = self.means.maintenance.acts();
        if walks && !self.walks {
            self.take_in();
            self.next_look = Instant::now();
            if let Some(roll) = self.roll.as_mut().filter(|roll| !roll.is_over()) {
                roll.recover(now());
                tracing::info!(roll = %roll.id, how_far = %roll.progress(now()).sentence, "a roll goes on");
            }
        }
        self.walks = walks;
    }

    /// What another Leeward has made of the roll takes the place of what this one knew.
    fn take_in(&mut self) {
        let kept = self.means.maintenance.roll();
        if kept != self.kept {
            (self.roll, self.kept) = (kept.clone(), kept);
            self.absence.forget();
        }
    }

    fn read(&mut self) {
        self.is_reading = true;
        let (cluster, read_at) = (Arc::clone(&self.means.cluster), now());
        self.work.spawn(async move { Done::Read(cluster.census().await, read_at) });
    }

    fn note_absence(&mut self) {
        let Some((at, leg)) = self.at_hand() else { return };
        let (step, node_id) = (leg.step, leg.node_id);
        let is_reachable = self.means.view.borrow().brokers.get(&node_id).map(|broker| broker.reachable);
        if let Some(is_reachable) = is_reachable {
            self.absence.note((at, step), node_id, is_reachable);
        }
    }

    fn at_hand(&self) -> Option<(usize, &Leg)> {
        let roll = self.roll.as_ref()?;
        let at = roll.at_hand()?;
        Some((at, roll.legs.get(at)?))
    }

    async fn on_done(&mut self, done: Done) {
        match done {
            Done::Read(census, read_at) => {
                self.is_reading = false;
                self.next_look = Instant::now() + LOOK_EVERY;
                match census {
                    Ok(census) => self.look(&census, read_at).await,
                    Err(error) => {
                        if let Some(roll) = &mut self.roll {
                            roll.unread(&error.to_string(), now());
                        }
                    }
                }
            }
            Done::ToStart(request, census, reply) => {
                let answer = match census {
                    Ok(census) => self.start(*request, &census).await,
                    Err(error) => {
                        Err(refusal(RefusalKind::Unread, format!("the cluster could not be read: {error}"), "see leeward status; nothing has changed"))
                    }
                };
                // Whoever asked may have gone.
                let _ = reply.send(answer);
            }
            Done::Acted(outcome) => {
                self.acting = self.acting.saturating_sub(1);
                match outcome {
                    Ok(window) => {
                        if let (Some(id), Some(roll)) = (window, &mut self.roll) {
                            roll.window_opened(&id, now());
                            if !self.save(None).await {
                                self.window = Some(id);
                            }
                        }
                    }
                    // A drain that is over already, or a window that has expired.
                    Err(refusal) if refusal.kind == RefusalKind::Missing => {}
                    Err(Refusal { error, hint, .. }) => self.stop(&error, &hint).await,
                }
                self.next_look = Instant::now();
            }
            Done::Ran(node_id, verb, outcome) => {
                let outcome = outcome.map_or_else(Command::Failed, |()| Command::Succeeded);
                self.command = Some((node_id, verb, outcome));
                self.next_look = Instant::now();
            }
        }
    }

    /// Goes on with the roll as far as this reading allows.
    async fn look(&mut self, census: &Census, read_at: Millis) {
        if !self.means.maintenance.acts() {
            return;
        }
        if let (Some(id), Some(roll)) = (self.window.take(), &mut self.roll) {
            roll.window_opened(&id, now());
        }
        let is_window_open = self.is_window_open();
        let (at, step) = self.at_hand().map_or((usize::MAX, Step::Waiting), |(at, leg)| (at, leg.step));
        let command = self.command_at_hand();
        let was_away = self.absence.was_in(at, step);
        let Some(roll) = &mut self.roll else { return };
        let before = roll.clone();
        let drains = OfMaintenance(&self.means.maintenance);
        let facts = Facts { census: Some((census, read_at)), drains: &drains, is_window_open, command: &command, was_away };
        let acts = roll.advance(&facts, now());
        if roll.is_where(&before) && acts.is_empty() {
            return;
        }
        let told = happening(&before, roll);
        if !self.save(told).await {
            return;
        }
        for act in acts {
            self.begin(act);
        }
        self.note_absence();
    }

    fn is_window_open(&self) -> bool {
        let Some(id) = self.roll.as_ref().and_then(|roll| roll.window.as_deref()) else { return false };
        self.means.maintenance.status().open.iter().any(|window| window.id == id)
    }

    fn command_at_hand(&self) -> Command {
        let Some((_, leg)) = self.at_hand() else { return Command::NotRun };
        let verb = match leg.step {
            Step::Stopping => STOP,
            Step::Starting => START,
            Step::Waiting | Step::Draining | Step::Gate | Step::CatchingUp | Step::Undraining | Step::Done => return Command::NotRun,
        };
        match &self.command {
            Some((node_id, of, command)) if *node_id == leg.node_id && *of == verb => command.clone(),
            Some(_) | None => Command::NotRun,
        }
    }

    fn begin(&mut self, act: Act) {
        let Some(roll) = &self.roll else { return };
        let (maintenance, author) = (self.means.maintenance.clone(), Some(roll.author.clone()));
        let reason = format!("roll {}: {}", roll.id, roll.reason);
        let id = roll.id.clone();
        match act {
            Act::Stop { node_id, command } => self.run_command(id, node_id, STOP, command),
            Act::Start { node_id, command } => self.run_command(id, node_id, START, command),
            Act::OpenWindow => self.act(async move {
                // The gate has looked at what the preflight looks at, and a broker may be down when a window has to be opened again.
                let request = OnRequest { reason, author, force: true, ..OnRequest::default() };
                maintenance.on(request).await.map(|answer| Some(answer.window.id))
            }),
            Act::CloseWindow(id) => self.act(async move {
                let request = OffRequest { reason, author, id: Some(id), ..OffRequest::default() };
                maintenance.off(request).await.map(|_| None)
            }),
            Act::Drain(node_id) => self.act(async move {
                let request = DrainRequest { reason, author, ..DrainRequest::default() };
                maintenance.drain(node_id, request).await.map(|_| None)
            }),
            Act::Undrain(node_id) => self.act(async move {
                let request = UndrainRequest { reason: Some(reason), author, ..UndrainRequest::default() };
                maintenance.undrain(node_id, request).await.map(|_| None)
            }),
        }
    }

    fn act(&mut self, act: impl Future<Output = Result<Option<String>, Refusal>> + Send + 'static) {
        self.acting += 1;
        self.work.spawn(async move { Done::Acted(act.await) });
    }

    fn run_command(&mut self, roll: String, node_id: i32, verb: &'static str, command: String) {
        // A roll that was resumed does not run beside itself.
        if matches!(&self.command, Some((of, same, Command::Runs)) if *of == node_id && *same == verb) {
            return;
        }
        // It may have been begun at another Leeward, which may.
        if !self.configs.borrow().roll.allow_commands {
            let problem = "the command was not run: this Leeward, which walks the roll now, runs none (roll.allow_commands)".to_owned();
            self.command = Some((node_id, verb, Command::Failed(problem)));
            return;
        }
        self.command = Some((node_id, verb, Command::Runs));
        tracing::info!(node_id, verb, command, "a roll runs a command");
        let directory = output_directory(&self.configs.borrow());
        let address = self.at_hand().and_then(|(_, leg)| leg.address.as_deref()?.parse().ok());
        let run = Run { node_id, verb, command, address, roll, directory };
        self.work.spawn(async move { Done::Ran(node_id, verb, run.go().await) });
    }

    /// Writes the roll down. False: it could not be; the roll has stopped, or is as it was kept last where others share it.
    async fn save(&mut self, told: Option<Happening>) -> bool {
        let Some(roll) = &mut self.roll else { return false };
        match self.means.maintenance.save_roll(self.kept.clone(), roll.clone(), told).await {
            Ok(()) => {
                self.kept.clone_from(&self.roll);
                return true;
            }
            Err(Refusal { kind: RefusalKind::Unread | RefusalKind::Overtaken, error, .. }) => {
                // Nothing of it has been done. The next look decides anew, from what is kept then.
                tracing::warn!(%error, "a roll waits, as what it does next is not accepted");
                self.kept = self.means.maintenance.roll();
                self.roll.clone_from(&self.kept);
            }
            Err(Refusal { error, hint, .. }) => {
                tracing::warn!(%error, "a roll could not be written down");
                roll.failed(error, hint);
            }
        }
        false
    }

    async fn stop(&mut self, problem: &str, hint: &str) {
        let Some(roll) = &mut self.roll else { return };
        let before = roll.clone();
        roll.failed(problem, hint);
        let told = happening(&before, roll);
        self.save(told).await;
    }

    async fn on_order(&mut self, order: Order) {
        match order {
            Order::Start(request, reply) => {
                let cluster = Arc::clone(&self.means.cluster);
                self.work.spawn(async move { Done::ToStart(Box::new(request), cluster.census().await, reply) });
            }
            // Whoever asked may have gone.
            Order::Pause(PauseRequest { reason, author }, reply) => {
                let by = author.clone().unwrap_or_else(|| ITSELF.to_owned());
                let outcome = self.change("roll paused", &reason, author, |roll| roll.pause(&by, &reason), "it does not run, so it cannot pause").await;
                let _ = reply.send(outcome);
            }
            Order::Resume(ResumeRequest { reason, author }, reply) => {
                let outcome = self.change("roll resumed", &reason, author, |roll| roll.resume(now()), "it neither pauses nor has it stopped").await;
                self.next_look = Instant::now();
                let _ = reply.send(outcome);
            }
            Order::Abort(AbortRequest { reason, at_once, author }, reply) => {
                let outcome = self.change("roll aborted", &reason, author, |roll| roll.abort(at_once, now()), "it is over").await;
                self.next_look = Instant::now();
                let _ = reply.send(outcome);
            }
        }
    }

    async fn change(
        &mut self,
        what: &'static str,
        why: &str,
        who: Option<String>,
        change: impl Fn(&mut Roll) -> bool,
        cannot: &str,
    ) -> Result<RollAnswer, Refusal> {
        let why = reason(why)?;
        let changed = self
            .keep(|roll| {
                let Some(roll) = roll else {
                    return Err(refusal(RefusalKind::Missing, "there is no roll".to_owned(), "leeward roll start begins one"));
                };
                let mut changed = roll.clone();
                if !change(&mut changed) {
                    let error = format!("roll {}: {cannot} ({})", roll.id, roll.progress(now()).sentence);
                    return Err(refusal(RefusalKind::Blocked, error, "leeward roll status shows how far it is"));
                }
                let (who, why) = (who.clone(), why.clone());
                let told = Happening { who, what, why, before: Some(brief(roll)), after: Some(brief(&changed)), result: "done".to_owned() };
                Ok((changed, told))
            })
            .await?;
        Ok(RollAnswer { dry_run: false, roll: views::view(&changed, now()) })
    }

    /// Writes down what an order makes of the roll. Where another Leeward has changed the roll meanwhile, it is made of that.
    async fn keep(&mut self, make: impl Fn(Option<&Roll>) -> Result<(Roll, Happening), Refusal>) -> Result<Roll, Refusal> {
        let mut times = 0;
        loop {
            let (roll, told) = make(self.roll.as_ref())?;
            times += 1;
            match self.means.maintenance.save_roll(self.kept.clone(), roll.clone(), Some(told)).await {
                Ok(()) => {
                    self.kept = Some(roll.clone());
                    self.roll = Some(roll.clone());
                    self.shown.store(Arc::new(self.roll.clone()));
                    return Ok(roll);
                }
                Err(Refusal { kind: RefusalKind::Overtaken, .. }) if times < OVERTAKEN_MAX => self.take_in(),
                Err(refusal) => return Err(refusal),
            }
        }
    }

    async fn start(&mut self, request: StartRequest, census: &Census) -> Result<RollAnswer, Refusal> {
        let why = reason(&request.reason)?;
        let settings = self.settings(&request)?;
        let order = order(census, &request.brokers, request.by_rack)
            .map_err(|error| refusal(RefusalKind::Wrong, error.to_string(), "leeward cluster lists the brokers"))?;
        let make = |last: Option<&Roll>| {
            if let Some(roll) = last.filter(|roll| !roll.is_over()) {
                let error = format!("roll {} is not over: {}", roll.id, roll.progress(now()).sentence);
                return Err(refusal(RefusalKind::Blocked, error, "wait for its end, or end it with leeward roll abort"));
            }
            let number = last.and_then(|roll| roll.id.strip_prefix('r')?.parse::<u64>().ok()).unwrap_or(0) + 1;
            let roll = Roll {
                id: format!("r{number}"),
                reason: why.clone(),
                author: request.author.clone().unwrap_or_else(|| ITSELF.to_owned()),
                begun: now(),
                ended: None,
                settings: settings.clone(),
                window: None,
                known: census.brokers.values().map(|broker| broker.address.to_string()).collect(),
                window_since: 0,
                legs: order.iter().copied().map(Leg::new).collect(),
                state: State::Running,
                is_ending: false,
            };
            let (who, why) = (request.author.clone(), why.clone());
            let told = Happening { who, what: "roll begun", why, before: None, after: Some(brief(&roll)), result: "done".to_owned() };
            Ok((roll, told))
        };
        if request.dry_run {
            let (roll, _) = make(self.roll.as_ref())?;
            return Ok(RollAnswer { dry_run: true, roll: views::view(&roll, now()) });
        }
        let roll = self.keep(make).await?;
        self.command = None;
        self.absence.forget();
        self.next_look = Instant::now();
        Ok(RollAnswer { dry_run: false, roll: views::view(&roll, now()) })
    }

    fn settings(&self, request: &StartRequest) -> Result<Settings, Refusal> {
        let duration = |name: &str, text: &str| {
            let parsed = parse_duration(text).map_err(|error| refusal(RefusalKind::Wrong, format!("{name}: {error}"), "write it as 5s, 30m or 1h30m"))?;
            Ok(millis(parsed))
        };
        let has_commands = request.stop_command.is_some() || request.start_command.is_some();
        if has_commands && !self.configs.borrow().roll.allow_commands {
            let error = "this Leeward runs no commands: whoever reaches its admin endpoint would run them as the user that it runs as".to_owned();
            let hint = "set roll.allow_commands = true in its configuration and reload it, or start the roll without commands and stop each broker by hand";
            return Err(refusal(RefusalKind::Blocked, error, hint));
        }
        if !(1..=CHECKS_MAX).contains(&request.checks) {
            return Err(refusal(RefusalKind::Wrong, format!("{} checks in a row are not between 1 and {CHECKS_MAX}", request.checks), "ask for 3"));
        }
        Ok(Settings {
            stop_command: request.stop_command.clone(),
            start_command: request.start_command.clone(),
            drains: request.drain,
            opens_window: request.window,
            guarantee: request.guarantee,
            checks: request.checks,
            check_every: duration("check_every", &request.check_every)?,
            step_max: duration("step_timeout", &request.step_timeout)?,
        })
    }
}

const STOP: &str = "stop";
const START: &str = "start";

/// What the audit file is to tell of a step, if anything: each broker that is stopped or done, a problem, and the end.
fn happening(before: &Roll, after: &Roll) -> Option<Happening> {
    let at = |roll: &Roll, step: Step| roll.legs.iter().filter(|leg| leg.step == step).map(|leg| leg.node_id).collect::<BTreeSet<_>>();
    let new = |step: Step| at(after, step).difference(&at(before, step)).next().copied();
    let (what, result) = match &after.state {
        State::Stuck { problem, .. } if before.state != after.state => ("roll stopped", problem.clone()),
        State::Done | State::Aborted { .. } if before.state != after.state => ("roll ended", after.progress(after.ended.unwrap_or_default()).sentence),
        State::Running | State::Paused { .. } | State::Stuck { .. } | State::Aborted { .. } | State::Done => {
            let stopped = new(Step::Stopping).map(|node_id| ("roll stops a broker", format!("broker {node_id}")));
            stopped.or_else(|| new(Step::Done).map(|node_id| ("roll is done with a broker", format!("broker {node_id}"))))?
        }
    };
    let (who, why) = (Some(ITSELF.to_owned()), after.reason.clone());
    Some(Happening { who, what, why, before: Some(brief(before)), after: Some(brief(after)), result })
}

/// A roll as the audit file shows it.
fn brief(roll: &Roll) -> serde_json::Value {
    let legs: Vec<_> = roll.legs.iter().map(|leg| json!({ "broker": leg.node_id, "step": leg.step })).collect();
    json!({ "id": roll.id, "state": roll.state, "settings": roll.settings, "brokers": legs })
}

fn reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refusal(RefusalKind::Wrong, "there is no reason".to_owned(), "say why, for whoever reads the audit file"));
    }
    Ok(text.to_owned())
}

fn refusal(kind: RefusalKind, error: String, hint: &str) -> Refusal {
    Refusal { kind, error, hint: hint.to_owned(), preflight: None }
}
