//! Drains, and what several Leewards share, as they are shown.

use super::api::{ByHandView, DrainView, InstanceView, SharedView};
use super::drainer::Known;
use super::shared::Shown;
use crate::guard::time::{Millis, rfc3339};
use crate::rolling::Drains;
use crate::rolling::drain::by_hand::ByHand;

pub(super) fn drain_view(node_id: i32, drains: &Drains, known: Option<&Known>, window_open: bool, now: Millis) -> DrainView {
    let drain = drains.get(node_id);
    let mut view = DrainView {
        broker: node_id,
        phase: drain.map_or("serving", |drain| drain.phase.label()).to_owned(),
        sentence: format!("broker {node_id}: not drained"),
        reason: drain.map(|drain| drain.reason.clone()),
        author: drain.map(|drain| drain.author.clone()),
        since: drain.map(|drain| rfc3339(drain.since)),
        seconds: drain.map(|drain| now.saturating_sub(drain.since) / 1000),
        window_open,
        ..DrainView::default()
    };
    if let Some(Known { progress, problem, by_hand }) = known {
        let progress = progress.clone();
        view.sentence = progress.sentence;
        (view.moved, view.of, view.leads, view.pending, view.unmoved) = (progress.moved, progress.of, progress.leads, progress.pending, progress.unmoved);
        view.problem = problem.as_ref().map(|problem| problem.text.clone());
        view.blocked = problem.as_ref().is_some_and(|problem| problem.is_lasting);
        view.by_hand = by_hand.as_ref().map(by_hand_view);
    }
    view
}

fn by_hand_view(hands: &ByHand) -> ByHandView {
    let ByHand { reassignment, election, commands } = hands.clone();
    ByHandView { commands, reassignment, election }
}

/// A drain that another Leeward may drive: what is known of it here is its phase.
pub(super) fn shared_drain(mut view: DrainView, shared: Option<&Shown>) -> DrainView {
    let Some(shared) = shared else { return view };
    view.old_view = shared.old_view();
    if view.phase != "serving" && !shared.acts() {
        let who =
            shared.walker.as_deref().map_or_else(|| "no Leeward drives it yet".to_owned(), |id| format!("Leeward {id} drives it, and shows how far it is"));
        view.sentence = format!("broker {}: {}; {who}", view.broker, view.phase);
    }
    view
}

pub(super) fn shared(shown: &Shown) -> SharedView {
    let instance = |(id, host, admin, heard): &(String, String, String, tokio::time::Instant)| InstanceView {
        id: id.clone(),
        host: host.clone(),
        admin: admin.clone(),
        seconds_since_heard: heard.elapsed().as_secs(),
        is_this: *id == shown.me,
        walks: shown.walker.as_ref() == Some(id),
    };
    SharedView {
        topic: shown.topic.clone(),
        id: shown.me.clone(),
        version: shown.version,
        seconds_old: shown.age().as_secs(),
        old_view: shown.old_view(),
        walker: shown.walker.clone(),
        instances: shown.instances.iter().map(instance).collect(),
    }
}
