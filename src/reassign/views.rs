//! A reassignment as it is shown.

use std::path::Path;

use super::api::{ByHandView, LegView, ReassignView};
use super::hands::file;
use crate::guard::time::{Millis, rfc3339};
use crate::rolling::reassign::run::{Leg, Run, State, Step, by_hand};

pub(super) fn view(run: &Run, state: &Path, now: Millis) -> ReassignView {
    let progress = run.progress(now);
    let (problem, hint) = match &run.state {
        State::Stuck { problem, hint } => (Some(problem.clone()), Some(hint.clone())),
        State::Running | State::Paused { .. } | State::Done | State::RolledBack => (None, None),
    };
    let throttled = run.noted.iter().map(|noted| noted.place.to_string());
    ReassignView {
        id: run.id.clone(),
        state: run.label().to_owned(),
        sentence: progress.sentence,
        fraction: progress.fraction,
        copied_bytes: progress.copied,
        bytes: progress.bytes,
        seconds_left: progress.left.map(|left| left / 1000),
        reason: run.reason.clone(),
        author: run.author.clone(),
        begun: rfc3339(run.begun),
        ended: run.ended.map(rfc3339),
        seconds: run.ended.unwrap_or(now).saturating_sub(run.begun) / 1000,
        throttle: run.pace.rate,
        throttle_min: run.bounds.min,
        throttle_max: run.bounds.max,
        produce_p99_before_ms: run.pace.before.map(in_millis),
        produce_p99_ms: run.pace.now.map(in_millis),
        throttled: throttled.collect(),
        problem,
        hint,
        topics: run.topics.iter().map(|leg| leg_view(leg, run.is_back, now)).collect(),
        by_hand: by_hand(run).map(|hands| ByHandView {
            file: file(state, &hands).map(|path| path.display().to_string()),
            commands: hands.commands,
            json: hands.json,
        }),
        assignment_before: run.before().to_json(),
        old_view: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a latency has far fewer microseconds than a f64 has whole numbers")]
fn in_millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

fn leg_view(leg: &Leg, is_back: bool, now: Millis) -> LegView {
    let bytes = leg.bytes(is_back);
    LegView {
        topic: leg.topic.clone(),
        step: leg.step.label().to_owned(),
        partitions: leg.partitions.len(),
        copied_bytes: if leg.step == Step::Done { bytes } else { leg.copied.min(bytes) },
        bytes,
        waits_for: leg.waits_for.clone().filter(|_| !matches!(leg.step, Step::Waiting | Step::Done)),
        begun: leg.begun.map(rfc3339),
        ended: leg.ended.map(rfc3339),
        seconds: leg.begun.map(|begun| leg.ended.unwrap_or(now).saturating_sub(begun) / 1000),
    }
}
