//! The owner's part in what several Leewards share: changes are accepted in the topic before they are in force, and what others have changed is taken in.

use super::kept::goes_on;
use super::{Anyway, Maintenance, not_written};
use crate::guard::windows::Closed;
use crate::maintenance::api::AuditEntry;
use crate::maintenance::shared::{News, Outcome, Shared};
use crate::maintenance::store::{ClosedAlone, Contents};
use crate::maintenance::{Refusal, RefusalKind};
use crate::telemetry::events::MaintenanceChanged;

impl Maintenance {
    pub(super) fn begin_sharing(&mut self) {
        let config = self.configs.borrow();
        let (Some(topic), Some(operator)) = (&config.state.topic, &self.operator) else { return };
        self.shared = Some(Shared::begin(operator, topic, config.admin.listen.to_string()));
    }

    /// Whether this one drives the drains. A single one always does.
    pub(super) fn drives(&self) -> bool {
        self.shared.as_ref().is_none_or(Shared::acts)
    }

    fn is_cut_off(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.why_not().is_some() || shared.is_alone())
    }

    /// Whether something is in force here alone.
    pub(super) fn is_alone(&self) -> bool {
        self.shared.as_ref().is_some_and(Shared::is_alone)
    }

    pub(super) async fn on_news(&mut self, news: News) {
        if let Some(shared) = &mut self.shared {
            shared.take(news);
        }
        self.adopt().await;
    }

    /// Says that this one lives; becomes the first to write, or a lost walker's successor, where that is due.
    pub(super) async fn keep_sharing(&mut self) {
        let has_work = self.has_work();
        let Some(shared) = &mut self.shared else { return };
        shared.beat();
        let is_empty = shared.is_empty() && shared.why_not().is_none();
        if is_empty {
            // What was kept before there was a topic.
            let contents = self.contents();
            let outcome = self.propose(&contents, None).await;
            tracing::info!(?outcome, "the shared state begins with what is in force here");
        } else if has_work && shared.may_take_over() {
            let (lost, me, contents) = (shared.walker().map(str::to_owned), shared.me.clone(), self.contents());
            if self.propose(&contents, Some(me.clone())).await == Outcome::Accepted {
                let why = lost.map_or_else(|| "nobody did".to_owned(), |lost| format!("Leeward {lost} is not heard any more"));
                MaintenanceChanged { what: "drains and the roll are taken over", id: &me, who: super::ITSELF, why: &why }.emit();
                let entry = super::entry(super::now(), super::ITSELF, "taken over", &why, None::<()>, None::<()>, "done");
                self.record(entry).await;
                self.publish();
            }
        }
        self.close_what_was_closed_alone().await;
    }

    async fn propose(&mut self, contents: &Contents, walker: Option<String>) -> Outcome {
        let Some(shared) = &mut self.shared else { return Outcome::Accepted };
        let outcome = shared.propose(contents.to_shared(), walker).await;
        if outcome == Outcome::Overtaken {
            shared.catch_up().await;
            self.adopt().await;
        }
        outcome
    }

    /// Puts in force what others have changed.
    async fn adopt(&mut self) {
        let Some(fresh) = self.shared.as_ref().and_then(Shared::fresh) else { return };
        // Why it is not understood is told wherever the view is asked for.
        let Ok((version, value)) = fresh else { return };
        let contents = match Contents::from_shared(value, self.closed_alone.clone()) {
            Ok(contents) => contents,
            Err(problem) => {
                if let Some(shared) = &mut self.shared {
                    shared.does_not_understand(version, problem);
                }
                return;
            }
        };
        self.tell_changes(&contents);
        let written = contents.clone();
        if let Err(error) = self.with_store(move |store| store.commit(&written, &[])).await {
            tracing::warn!(%error, "what another Leeward has changed is not on the disk");
        }
        if let Some(shared) = &mut self.shared {
            shared.adopt(version);
        }
        self.put_in_force(contents);
    }

    fn tell_changes(&self, new: &Contents) {
        let is_in = |windows: &crate::guard::Windows, id: &str| windows.open_windows().iter().any(|window| window.id == id);
        let told = |what, window: &crate::guard::windows::Window| MaintenanceChanged { what, id: &window.id, who: &window.author, why: &window.reason }.emit();
        new.windows.open_windows().iter().filter(|window| !is_in(&self.windows, &window.id)).for_each(|window| told("window opened elsewhere", window));
        self.windows.open_windows().iter().filter(|window| !is_in(&new.windows, &window.id)).for_each(|window| told("window closed elsewhere", window));
    }

    /// As [`Maintenance::write`], where several Leewards share: in the audit file first, then accepted in the topic, then in force.
    pub(super) async fn write_shared(&mut self, contents: Contents, entries: Vec<AuditEntry>, anyway: Anyway, hint: &str) -> Result<(), Refusal> {
        let audited = entries.clone();
        if let Err(error) = self.with_store(move |store| store.record(&audited)).await {
            tracing::warn!(%error, in_force = anyway != Anyway::Never, "a change of maintenance is not on the disk");
            if anyway == Anyway::Never {
                return Err(not_written(&error, hint));
            }
        }
        let walker = self.next_walker(&contents);
        let refusal = match self.propose(&contents, walker).await {
            Outcome::Accepted => {
                self.keep(contents).await;
                return Ok(());
            }
            Outcome::Failed { problem, .. } if anyway == Anyway::Alone => {
                tracing::warn!(%problem, "a change is in force here alone");
                if let Some(shared) = &mut self.shared {
                    shared.stand_alone();
                }
                self.keep(contents).await;
                return Ok(());
            }
            Outcome::Overtaken => overtaken("the state"),
            Outcome::Failed { problem, may_come } => {
                let (so, hint) = if may_come {
                    ("it may still be accepted", "look at leeward maintenance status in a moment, and ask again if it is not there")
                } else {
                    ("nothing has changed", "mend that, or ask another Leeward; a window can be closed here all the same (leeward maintenance off)")
                };
                Refusal { kind: RefusalKind::Unread, error: format!("{problem}; {so}"), hint: hint.to_owned(), preflight: None }
            }
        };
        let failed: Vec<_> = entries.into_iter().map(|entry| AuditEntry { result: format!("failed: {}", refusal.error), ..entry }).collect();
        if let Err(error) = self.with_store(move |store| store.record(&failed)).await {
            tracing::warn!(%error, "a refusal is not in the audit file");
        }
        Err(refusal)
    }

    /// Puts it in force, and on the disk as far as that takes it: the topic has it, or the time has.
    async fn keep(&mut self, contents: Contents) {
        let written = contents.clone();
        if let Err(error) = self.with_store(move |store| store.commit(&written, &[])).await {
            tracing::warn!(%error, "a change of maintenance is in force, and not on the disk");
        }
        self.put_in_force(contents);
    }

    /// Whoever begins a roll walks it, and whoever begins the only drain or a reassignment drives it; what goes on stays with its walker.
    fn next_walker(&self, new: &Contents) -> Option<String> {
        let shared = self.shared.as_ref()?;
        let begins_roll = goes_on(new.roll.as_ref()) && !goes_on(self.roll.as_ref());
        let begins_drain = !new.drains.is_empty() && self.drains.is_empty() && !goes_on(self.roll.as_ref());
        let begins_reassignment = new.reassign.as_ref().is_some_and(|run| !run.rests()) && !self.has_work();
        if begins_roll || begins_drain || begins_reassignment { Some(shared.me.clone()) } else { shared.walker().map(str::to_owned) }
    }

    /// These were closed while the topic was out of reach.
    pub(super) async fn remember_closed(&mut self, closed: &[Closed]) {
        let alone = closed.iter().map(|closed| ClosedAlone {
            id: closed.window.id.clone(),
            opened: closed.window.opened,
            by: closed.by.clone(),
            why: closed.why.clone(),
        });
        self.closed_alone.extend(alone);
        let contents = self.contents();
        self.keep(contents).await;
    }

    async fn close_what_was_closed_alone(&mut self) {
        if self.closed_alone.is_empty() || self.is_cut_off() || self.shared.as_ref().is_none_or(|shared| shared.fresh().is_some()) {
            return;
        }
        let mut windows = self.windows.clone();
        for ClosedAlone { id, opened, by, why } in self.closed_alone.clone() {
            if windows.open_windows().iter().any(|window| window.id == id && window.opened == opened) {
                // It is there.
                let _ = windows.close(Some(&id), &by, &why, super::now());
            }
        }
        let contents = Contents { windows, closed_alone: Vec::new(), ..self.contents() };
        let walker = self.shared.as_ref().and_then(|shared| shared.walker().map(str::to_owned));
        if contents.windows == self.windows || self.propose(&contents, walker).await == Outcome::Accepted {
            self.keep(contents).await;
        }
    }
}

/// Another Leeward has changed it; what was to be done is to be decided anew.
pub(super) fn overtaken(what: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Overtaken,
        error: format!("another Leeward has changed {what} meanwhile; nothing has changed here"),
        hint: "look at it, and ask again".to_owned(),
        preflight: None,
    }
}
