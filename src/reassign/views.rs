//! A reassignment as it is shown.

use std::path::Path;

use super::api::{ByHandView, LegView, ReassignView};
use super::hands::file;
use crate::guard::time::{Millis, rfc3339};
use crate::rolling::reassign::run::{Leg, Progress, Run, State, Step, by_hand};
use crate::telemetry::Reassignment as Standing;

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

/// `acts`: this Leeward carries it out.
pub(super) fn standing(run: &Run, acts: bool, now: Millis) -> Standing {
    let state = run.label();
    if !acts || run.is_over() {
        return Standing { state, ..Standing::default() };
    }
    let Progress { moved, partitions, copied, bytes, .. } = run.progress(now);
    let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    Standing {
        state,
        partitions_moved: wide(moved),
        partitions_left: wide(partitions.saturating_sub(moved)),
        bytes_copied: copied,
        bytes_left: bytes.saturating_sub(copied),
        throttle: if run.noted.is_empty() { 0 } else { run.pace.rate },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolling::reassign::run::{Noted, Place, Shift, Values};
    use crate::rolling::reassign::throttle::{Bounds, Pace};

    /// Two partitions of which one has arrived, and one of which nothing was asked yet; a broker is throttled.
    fn run() -> Run {
        let shift = |partition| Shift { partition, from: vec![1], to: vec![2], bytes: 100, is_lifted: false };
        let mut first = Leg::new("a", vec![shift(0), shift(1)]);
        (first.step, first.copied, first.arrived) = (Step::Moving, 130, 1);
        let bounds = Bounds { min: 1_000, max: 13_000 };
        Run {
            id: "m1".to_owned(),
            reason: "r".to_owned(),
            author: "alice".to_owned(),
            begun: 1,
            ended: None,
            bounds,
            known: Vec::new(),
            is_by_hand: false,
            topics: vec![first, Leg::new("b", vec![shift(0)])],
            is_back: false,
            pace: Pace::new(bounds, None),
            noted: vec![Noted { place: Place::Broker(2), before: Values::default(), set: 5 }],
            state: State::Running,
        }
    }

    #[test]
    fn who_carries_it_out_tells_its_figures() {
        let running = Standing { state: "running", partitions_moved: 1, partitions_left: 2, bytes_copied: 130, bytes_left: 170, throttle: 1_000 };
        assert_eq!(standing(&run(), true, 9), running);
        assert_eq!(standing(&run(), false, 9), Standing { state: "running", ..Standing::default() }, "nobody counts it twice");
        let cleared = Run { noted: Vec::new(), ..run() };
        assert_eq!(standing(&cleared, true, 9), Standing { throttle: 0, ..running });
        let over = Run { state: State::Done, ..run() };
        assert_eq!(standing(&over, true, 9), Standing { state: "done", ..Standing::default() });
    }
}
