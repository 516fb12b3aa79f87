//! How far a roll is.

use super::{Leg, Roll, State, Step};
use crate::guard::time::Millis;

/// How far a roll is, and how long it will take if the brokers that are left take as long as those before.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub done: usize,
    pub of: usize,
    /// 0 to 1, with a part for the steps of the broker at hand.
    pub fraction: f64,
    /// Milliseconds; `None` while no broker is done yet, and when it is over.
    pub left: Option<Millis>,
    /// All of this in a sentence.
    pub sentence: String,
}

impl Roll {
    pub fn progress(&self, now: Millis) -> Progress {
        let of = self.legs.len();
        let done = self.legs.iter().filter(|leg| leg.step == Step::Done).count();
        let at_hand = self.at_hand().and_then(|at| self.legs.get(at));
        let part = at_hand.map_or(0.0, |leg| f64::from(leg.step as u8) / f64::from(Step::Done as u8));
        #[expect(clippy::cast_precision_loss, reason = "a cluster has fewer brokers than a f64 has whole numbers")]
        let fraction = if of == 0 { 1.0 } else { (done as f64 + part) / of as f64 };
        Progress { done, of, fraction, left: self.left_of(at_hand, now), sentence: self.sentence(at_hand, done) }
    }

    fn left_of(&self, at_hand: Option<&Leg>, now: Millis) -> Option<Millis> {
        let took: Vec<Millis> = self.legs.iter().filter_map(|leg| Some(leg.ended?.saturating_sub(leg.begun?))).collect();
        let each = took.iter().sum::<Millis>().checked_div(took.len() as u64)?;
        let waiting = self.legs.iter().filter(|leg| leg.step == Step::Waiting).count() as u64;
        let of_this = at_hand.map_or(0, |leg| each.saturating_sub(now.saturating_sub(leg.begun.unwrap_or(now))));
        (!self.is_over()).then(|| each * waiting + of_this)
    }

    fn sentence(&self, at_hand: Option<&Leg>, done: usize) -> String {
        let of = self.legs.len();
        let here = || match at_hand {
            Some(leg) => {
                let waits = leg.waits_for.as_deref().filter(|waits| !waits.is_empty()).map(|waits| format!(": {waits}")).unwrap_or_default();
                format!("broker {} is {}{waits}", leg.node_id, leg.step.label())
            }
            None if done == of => "it ends".to_owned(),
            None => "the next one is to come".to_owned(),
        };
        match &self.state {
            State::Running if self.is_ending => format!("ending, {done} of {of} brokers done; {}", here()),
            State::Running => format!("{done} of {of} brokers done; {}", here()),
            State::Paused { by, why } => format!("paused by {by} ({why}), {done} of {of} brokers done; {}", here()),
            State::Stuck { problem, hint } => format!("stopped, {done} of {of} brokers done: {problem}; {hint}"),
            State::Aborted { left } if left.is_empty() => format!("aborted with {done} of {of} brokers done"),
            State::Aborted { left } => format!("aborted with {done} of {of} brokers done: {}", left.join("; ")),
            State::Done => format!("all {of} brokers done"),
        }
    }
}
