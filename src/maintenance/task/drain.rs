//! The owner's part in drains: what an operator asks for and what the drainer reports becomes state on the disk, and an entry in the audit file.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Anyway, ITSELF, Maintenance, OVERTAKEN_MAX, answer, entry, named, sharing, until_first};
use crate::guard::time::Millis;
use crate::guard::windows::TEXT_BYTES_MAX;
use crate::maintenance::api::{DrainAnswer, DrainRequest, DrainView, UndrainRequest};
use crate::maintenance::drainer::{Known, Outcome, Report};
use crate::maintenance::preflight::{Finding, Level, Preflight};
use crate::maintenance::views;
use crate::maintenance::{Refusal, RefusalKind, Reply, now};
use crate::rolling::drain::{DrainError, Move, Phase, Plan, Progress, Restoring, SavedOrder, by_hand, dangers};
use crate::rolling::{Census, Drains};
use crate::telemetry::events::MaintenanceChanged;

/// What an operator asks of a broker, with the reading that it is decided by.
pub(in crate::maintenance) enum BrokerCommand {
    Drain(i32, DrainRequest, Box<Reading>, Reply<DrainAnswer>),
    Undrain(i32, UndrainRequest, Option<Box<Reading>>, Reply<DrainAnswer>),
}

/// The cluster, as it was read for a command.
pub(in crate::maintenance) struct Reading {
    pub(in crate::maintenance) census: Census,
    /// The brokers leave it to a person to change the order of replicas.
    pub(in crate::maintenance) needs_hands: bool,
}

impl Maintenance {
    pub(super) async fn on_broker(&mut self, command: BrokerCommand) {
        match command {
            BrokerCommand::Drain(node_id, request, census, reply) => answer(reply, until_first!(self.drain(node_id, request.clone(), &census).await)),
            BrokerCommand::Undrain(node_id, request, census, reply) => {
                answer(reply, until_first!(self.undrain(node_id, request.clone(), census.as_deref()).await))
            }
        }
    }

    async fn drain(&mut self, node_id: i32, request: DrainRequest, reading: &Reading) -> Result<DrainAnswer, Refusal> {
        let (now, author) = (now(), named(request.author));
        let (why, census) = (reason(&request.reason)?, &reading.census);
        if !census.brokers.contains_key(&node_id) {
            return Err(unknown(node_id));
        }
        let is_new = self.drains.get(node_id).is_none_or(|drain| drain.phase == Phase::Undraining);
        if is_new {
            self.no_reassignment("a drained broker")?;
        }
        let preflight = self.drain_preflight(node_id, census);
        let mut drains = Drains::clone(&self.drains);
        let begun = drains.begin(node_id, &why, &author, request.force, now);
        let danger = match &begun {
            _ if !is_new => None,
            Err(error) => Some(error.to_string()),
            Ok(()) if !preflight.safe && !request.force => Some(format!("it is dangerous now: {}", preflight.dangers())),
            Ok(()) => None,
        };
        if let Some(error) = danger {
            if !request.dry_run {
                let entry = entry(now, &author, "drain refused", &why, None::<()>, Some(brief(node_id, &self.drains)), &format!("blocked: {error}"));
                self.record(entry).await;
            }
            let hint = "wait until that is over, or drain it all the same with --force (\"force\": true)".to_owned();
            return Err(Refusal { kind: RefusalKind::Blocked, error, hint, preflight: Some(preflight) });
        }
        let plan = Plan::of(census, node_id, &drains.others(node_id));
        if request.dry_run || is_new {
            let drain = drains.get(node_id).ok_or_else(|| unknown(node_id))?;
            let known = known(Progress::of_drain(census, node_id, drain, &plan), node_id, &plan.moves, reading);
            if request.dry_run {
                let drain = views::drain_view(node_id, &drains, Some(&known), self.is_window_open(now), now);
                return Ok(DrainAnswer { dry_run: true, drain, preflight: Some(preflight), kept: self.kept() });
            }
            self.known.insert(node_id, Arc::new(known));
        }
        if is_new {
            let what = if preflight.safe { "drain begun" } else { "drain begun by force" };
            let entry = entry(now, &author, what, &why, Some(brief(node_id, &self.drains)), Some(brief(node_id, &drains)), "done");
            self.commit_drains(drains, vec![entry], Anyway::Never).await?;
            MaintenanceChanged { what, id: &id(node_id), who: &author, why: &why }.emit();
        }
        Ok(DrainAnswer { dry_run: false, drain: self.drain_view(node_id), preflight: Some(preflight), kept: self.kept() })
    }

    async fn undrain(&mut self, node_id: i32, request: UndrainRequest, reading: Option<&Reading>) -> Result<DrainAnswer, Refusal> {
        let (now, author) = (now(), named(request.author));
        let mut drains = Drains::clone(&self.drains);
        let before = drains.get(node_id).cloned();
        drains.undo(node_id).map_err(refused)?;
        let own = before.as_ref().map(|drain| drain.reason.clone()).unwrap_or_default();
        let why = request.reason.as_deref().map_or(Ok(own), reason)?;
        let is_new = before.is_some_and(|drain| drain.phase != Phase::Undraining);
        let known = reading.zip(drains.get(node_id)).map(|(reading, drain)| {
            let restoring = Restoring::of(&reading.census, node_id, &drain.saved, &drains.others(node_id));
            known(Progress::of_undrain(&reading.census, node_id, drain, &restoring), node_id, &restoring.moves, reading)
        });
        let known = known.unwrap_or_else(|| Known { progress: Progress::unknown(node_id, Phase::Undraining), ..Known::default() });
        if request.dry_run {
            let drain = views::drain_view(node_id, &drains, Some(&known), self.is_window_open(now), now);
            return Ok(DrainAnswer { dry_run: true, drain, preflight: None, kept: self.kept() });
        }
        if is_new {
            self.known.insert(node_id, Arc::new(known));
            let entry = entry(now, &author, "undrain begun", &why, Some(brief(node_id, &self.drains)), Some(brief(node_id, &drains)), "done");
            // To bring a broker back must be possible with a full disk too.
            self.commit_drains(drains, vec![entry], Anyway::WithoutDisk).await?;
            MaintenanceChanged { what: "undrain begun", id: &id(node_id), who: &author, why: &why }.emit();
        }
        Ok(DrainAnswer { dry_run: false, drain: self.drain_view(node_id), preflight: None, kept: self.kept() })
    }

    /// Takes in what the drainer says.
    pub(super) async fn on_report(&mut self, report: Report) {
        match report {
            Report::Save { node_id, orders, done } => self.save(node_id, orders, done).await,
            Report::State { node_id, known, outcome } => {
                let sentence = known.progress.sentence.clone();
                self.known.insert(node_id, known);
                if let Some(outcome) = outcome {
                    self.on_outcome(node_id, outcome, &sentence).await;
                }
            }
        }
    }

    async fn save(&mut self, node_id: i32, orders: Vec<SavedOrder>, done: oneshot::Sender<Result<(), String>>) {
        let saved = until_first!(self.try_save(node_id, &orders).await).map_err(|refusal| refusal.error);
        // The drainer ends with its owner.
        let _ = done.send(saved);
    }

    async fn try_save(&mut self, node_id: i32, orders: &[SavedOrder]) -> Result<(), Refusal> {
        if !self.drives() {
            return Err(sharing::overtaken("the drain"));
        }
        let mut drains = Drains::clone(&self.drains);
        drains.save(node_id, orders.to_vec());
        let why = drains.get(node_id).map(|drain| drain.reason.clone()).unwrap_or_default();
        let entry = entry(now(), ITSELF, "orders saved", &why, Some(brief(node_id, &self.drains)), Some(brief(node_id, &drains)), "done");
        self.commit_drains(drains, vec![entry], Anyway::Never).await
    }

    async fn on_outcome(&mut self, node_id: i32, outcome: Outcome, sentence: &str) {
        // With the disk's refusal it has happened all the same; where it is lost, the next reading finds it out again.
        let _ = until_first!(self.try_outcome(node_id, outcome, sentence).await);
    }

    async fn try_outcome(&mut self, node_id: i32, outcome: Outcome, sentence: &str) -> Result<(), Refusal> {
        let mut drains = Drains::clone(&self.drains);
        let why = drains.get(node_id).map(|drain| drain.reason.clone()).unwrap_or_default();
        let (what, is_new) = match outcome {
            Outcome::Drained => ("drained", drains.settle(node_id, true)),
            Outcome::NotDrained => ("drain goes on", drains.settle(node_id, false)),
            Outcome::Restored => ("undrained", drains.end(node_id).is_some()),
        };
        if !is_new || !self.drives() {
            return Ok(());
        }
        let mut after = brief(node_id, &drains);
        if let Value::Object(fields) = &mut after {
            fields.insert("told".to_owned(), json!(sentence));
        }
        let entry = entry(now(), ITSELF, what, &why, Some(brief(node_id, &self.drains)), Some(after), "done");
        self.commit_drains(drains, vec![entry], Anyway::WithoutDisk).await?;
        MaintenanceChanged { what, id: &id(node_id), who: ITSELF, why: sentence }.emit();
        Ok(())
    }

    fn drain_preflight(&self, node_id: i32, census: &Census) -> Preflight {
        let found = dangers(census, node_id, &self.drains.others(node_id));
        let check = |check: &str, fine: &str| {
            let danger = found.iter().find(|danger| danger.check == check);
            let (level, detail) = danger.map_or((Level::Ok, fine.to_owned()), |danger| (Level::Danger, danger.detail.clone()));
            Finding { check: check.to_owned(), level, detail }
        };
        let mut findings = vec![
            check("brokers", &format!("all {} healthy", census.brokers.len())),
            check("replicas", &format!("every replica beside those of broker {node_id} is in sync")),
            check("drains", "no other broker is drained"),
        ];
        let (level, detail) = if self.is_window_open(now()) {
            (Level::Ok, "a maintenance window is open")
        } else {
            (Level::Note, "no maintenance window is open; a drain needs none, a stop does: leeward maintenance on --reason …")
        };
        findings.push(Finding { check: "window".to_owned(), level, detail: detail.to_owned() });
        let gaps = census.gaps.iter().filter(|gap| gap.can_close);
        findings.extend(gaps.map(|gap| Finding { check: "reading".to_owned(), level: Level::Unknown, detail: gap.text.clone() }));
        Preflight { safe: found.is_empty(), findings, left_alone: Vec::new() }
    }

    fn drain_view(&self, node_id: i32) -> DrainView {
        let now = now();
        views::drain_view(node_id, &self.drains, self.known.get(&node_id).map(|known| &**known), self.is_window_open(now), now)
    }

    fn is_window_open(&self, now: Millis) -> bool {
        self.windows.open_windows().iter().any(|window| window.expires > now)
    }
}

fn known(progress: Progress, node_id: i32, moves: &[Move], reading: &Reading) -> Known {
    let hands = reading.needs_hands.then(|| by_hand::by_hand(node_id, moves)).filter(|hands| !hands.commands.is_empty());
    Known { progress, problem: None, by_hand: hands }
}

pub(super) fn id(node_id: i32) -> String {
    format!("broker {node_id}")
}

/// A drain in an entry of the audit file. The orders themselves are in the state.
fn brief(node_id: i32, drains: &Drains) -> Value {
    let drain = drains.get(node_id);
    json!({ "id": id(node_id), "phase": drain.map_or("serving", |drain| drain.phase.label()), "orders": drain.map_or(0, |drain| drain.saved.len()) })
}

fn reason(text: &str) -> Result<String, Refusal> {
    let wrong = |error: String| Refusal { kind: RefusalKind::Wrong, error, hint: "say why with --reason (\"reason\")".to_owned(), preflight: None };
    match text.trim() {
        "" => Err(wrong("there is no reason".to_owned())),
        text if text.len() > TEXT_BYTES_MAX => Err(wrong(format!("the reason has {} bytes; {TEXT_BYTES_MAX} are allowed", text.len()))),
        text => Ok(text.to_owned()),
    }
}

fn refused(error: DrainError) -> Refusal {
    let (kind, hint) = match error {
        DrainError::Other { .. } => (RefusalKind::Blocked, "undrain the other first, or say --force (\"force\": true)"),
        DrainError::NotDraining(_) => (RefusalKind::Missing, "leeward broker drain N --reason … drains it"),
    };
    Refusal { kind, error: error.to_string(), hint: hint.to_owned(), preflight: None }
}

pub(in crate::maintenance) fn unknown(node_id: i32) -> Refusal {
    Refusal { kind: RefusalKind::Missing, error: format!("there is no broker {node_id}"), hint: "leeward status lists the brokers".to_owned(), preflight: None }
}
