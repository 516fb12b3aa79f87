//! A roll as it is shown.

use super::api::{LegView, RollView};
use crate::guard::time::{Millis, rfc3339};
use crate::rolling::walk::{Leg, Roll, State, Step};

pub(super) fn view(roll: &Roll, now: Millis) -> RollView {
    let progress = roll.progress(now);
    let (problem, hint) = match &roll.state {
        State::Stuck { problem, hint } => (Some(problem.clone()), Some(hint.clone())),
        State::Running | State::Paused { .. } | State::Aborted { .. } | State::Done => (None, None),
    };
    let left = match &roll.state {
        State::Aborted { left } => left.clone(),
        State::Running | State::Paused { .. } | State::Stuck { .. } | State::Done => Vec::new(),
    };
    RollView {
        id: roll.id.clone(),
        state: roll.label().to_owned(),
        sentence: progress.sentence,
        fraction: progress.fraction,
        seconds_left: progress.left.map(|left| left / 1000),
        reason: roll.reason.clone(),
        author: roll.author.clone(),
        begun: rfc3339(roll.begun),
        ended: roll.ended.map(rfc3339),
        seconds: roll.ended.unwrap_or(now).saturating_sub(roll.begun) / 1000,
        window: roll.window.clone(),
        problem,
        hint,
        left,
        brokers: roll.legs.iter().map(|leg| leg_view(leg, now)).collect(),
        old_view: None,
    }
}

fn leg_view(leg: &Leg, now: Millis) -> LegView {
    let is_at_hand = !matches!(leg.step, Step::Waiting | Step::Done);
    LegView {
        broker: leg.node_id,
        step: leg.step.label().to_owned(),
        seconds_in_step: is_at_hand.then(|| now.saturating_sub(leg.since) / 1000),
        waits_for: leg.waits_for.clone().filter(|waits| is_at_hand && !waits.is_empty()),
        begun: leg.begun.map(rfc3339),
        restarted: leg.restarted.map(rfc3339),
        ended: leg.ended.map(rfc3339),
        took_seconds: leg.ended.zip(leg.begun).map(|(ended, begun)| ended.saturating_sub(begun) / 1000),
    }
}
