//! The owner's part in what is walked elsewhere: the roll and the reassignment are kept here, and what forbids them and drains one another is decided here, one after the
//! other.

use super::{Anyway, Maintenance, happened, sharing};
use crate::maintenance::store::Contents;
use crate::maintenance::{ReassignChange, Refusal, RefusalKind, RollChange};
use crate::rolling::Drains;
use crate::rolling::reassign::run::Run;
use crate::rolling::walk::Roll;

const MAY_WRITE: &str = "let Leeward write into state.directory";

impl Maintenance {
    /// As [`Maintenance::commit`], for the roll, unless another one is kept meanwhile.
    pub(super) async fn commit_roll(&mut self, change: &RollChange) -> Result<(), Refusal> {
        if self.roll != change.before {
            return Err(sharing::overtaken("the roll"));
        }
        if !goes_on(change.before.as_ref()) && !change.roll.is_over() {
            self.no_reassignment("a broker that stops")?;
        }
        let contents = Contents { roll: Some(change.roll.clone()), ..self.contents() };
        let entries = change.told.clone().into_iter().map(happened).collect();
        self.write(contents, entries, Anyway::Never, MAY_WRITE).await
    }

    /// The same for the reassignment.
    pub(super) async fn commit_reassign(&mut self, change: &ReassignChange) -> Result<(), Refusal> {
        if self.reassign != change.before {
            return Err(sharing::overtaken("the reassignment"));
        }
        if change.run.moves() && !change.before.as_ref().is_some_and(Run::moves) {
            self.no_maintenance()?;
        }
        let contents = Contents { reassign: Some(change.run.clone()), ..self.contents() };
        let entries = change.told.clone().into_iter().map(happened).collect();
        self.write(contents, entries, Anyway::Never, MAY_WRITE).await
    }

    /// Refuses what does not go together with a reassignment, if one moves.
    pub(super) fn no_reassignment(&self, what: &str) -> Result<(), Refusal> {
        let Some(run) = self.reassign.as_ref().filter(|run| run.moves()) else { return Ok(()) };
        let error = format!("reassignment {} moves partitions: with {what} its copies would stand still, and their orders would change under it", run.id);
        Err(blocked(error, "wait until it is over, or pause it (leeward reassign pause --now gives up what is on its way)"))
    }

    /// Refuses a reassignment while brokers are drained or walked.
    fn no_maintenance(&self) -> Result<(), Refusal> {
        if let Some((node_id, drain)) = self.drains.iter().next() {
            let error = format!("broker {node_id} is {}: a reassignment would change the orders that it is to come back to", drain.phase.label());
            return Err(blocked(error, "undrain it first (leeward broker undrain)"));
        }
        if let Some(roll) = self.roll.as_ref().filter(|roll| !roll.is_over()) {
            return Err(blocked(format!("roll {} is not over, and stops brokers", roll.id), "wait for its end, or end it with leeward roll abort"));
        }
        Ok(())
    }

    /// What is in force.
    pub(super) fn contents(&self) -> Contents {
        Contents {
            windows: self.windows.clone(),
            drains: Drains::clone(&self.drains),
            roll: self.roll.clone(),
            reassign: self.reassign.clone(),
            closed_alone: self.closed_alone.clone(),
        }
    }

    /// Whether there is anything for a walker to do.
    pub(super) fn has_work(&self) -> bool {
        !self.drains.is_empty() || goes_on(self.roll.as_ref()) || self.reassign.as_ref().is_some_and(|run| !run.rests())
    }
}

pub(super) fn goes_on(roll: Option<&Roll>) -> bool {
    roll.is_some_and(|roll| !roll.is_over())
}

fn blocked(error: String, hint: &str) -> Refusal {
    Refusal { kind: RefusalKind::Blocked, error, hint: hint.to_owned(), preflight: None }
}
