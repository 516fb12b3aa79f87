//! Sheltered requests that are no Produce: asked again elsewhere, at their coordinator, or answered here.

use bytes::Bytes;

use super::groups::{COORDINATOR_NOT_AVAILABLE, GroupKey};
use super::{Call, Job};
use crate::cluster::from_memory;
use crate::guard::Event;
use crate::protocol::list_offsets::Search;
use crate::protocol::{answer, coordinator};
use crate::session::pace::Backoff;
use crate::session::responses::Rewritten;
use crate::session::{Close, CloseCause, Moment, Observer, Outbox, Session};
use crate::wire::{Route, api};

/// How the request gets its answer.
#[derive(Debug, Clone)]
pub(in crate::session) enum Plan {
    /// From any broker.
    Any,
    /// From the home's broker alone, when it is back.
    Node,
    /// From the coordinator.
    Group(GroupKey),
    /// From the leaders of its partitions: ListOffsets.
    Leaders,
    /// From here, at this moment: what makes the client look elsewhere.
    Answer { at: u64, with: Bytes },
}

/// A request that is no Produce.
#[derive(Debug)]
pub(in crate::session) struct Errand {
    pub(super) plan: Plan,
    /// It is on its way.
    pub(super) is_sent: bool,
    pub(super) backoff: Backoff,
    /// For [`Plan::Leaders`].
    pub(super) search: Option<Box<Search>>,
}

impl Errand {
    pub(super) fn new(plan: Plan) -> Self {
        Errand { plan, is_sent: false, backoff: Backoff::default(), search: None }
    }
}

/// How long a consumer whose leader is gone waits before it is told so, at most: it asks for metadata then and comes back.
const FETCH_PAUSE_MAX: u64 = 250_000_000;

/// How long other answers that are made here wait: long enough that a client that asks again at once does not spin.
const ANSWER_PAUSE: u64 = 50_000_000;

/// The error that clients of this API take for "try again", in a moment. `None`: it has none.
pub(super) fn honest(frame: &[u8], api_key: i16, api_version: i16, now: u64) -> Option<Plan> {
    Some(Plan::Answer { at: now + ANSWER_PAUSE, with: answer::answer(frame, answer::retriable_code(api_key, api_version))? })
}

impl Session {
    /// What to do with a request whose home is gone; `may_be_applied`: the broker had all of it. `None`: nothing can be done for it.
    pub(super) fn plan_for(&self, frame: &[u8], api_key: i16, api_version: i16, may_be_applied: bool, now: u64) -> Option<Plan> {
        let row = api::Api::of(api_key)?;
        let may_repeat = !may_be_applied || api::repeats_after_ambiguity(api_key, api_version);
        let honest = || honest(frame, api_key, api_version, now);
        match row.route {
            Route::Leader if api_key == api::FETCH => {
                let wait = answer::fetch_max_wait_ms(frame).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0).saturating_mul(1_000_000);
                Some(Plan::Answer { at: now + wait.clamp(ANSWER_PAUSE, FETCH_PAUSE_MAX), with: answer::fetch_moved(frame)? })
            }
            Route::Leader if api_key == api::LIST_OFFSETS && Search::of(&Bytes::copy_from_slice(frame)).is_some() => Some(Plan::Leaders),
            Route::Leader | Route::Sticky => honest(),
            Route::GroupCoordinator | Route::TransactionCoordinator => match coordinator::coordinator_of(frame) {
                Some((kind, id)) if may_repeat => Some(Plan::Group(GroupKey { kind, id: id.into() })),
                None if may_repeat => Some(Plan::Any),
                Some(_) | None => honest(),
            },
            Route::Any | Route::Controller | Route::ForwardedController if may_repeat => Some(Plan::Any),
            Route::Node if may_repeat => Some(Plan::Node),
            Route::Any | Route::Controller | Route::ForwardedController | Route::Node => honest(),
            Route::Connection | Route::Internal => None,
        }
    }

    /// A detour answered a whole call. False: it is no answer to it.
    pub(super) fn call_answered<O: Observer>(&mut self, seq: u64, node_id: Option<i32>, frame: Bytes, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        let Some(shelter) = &mut self.shelter else { return true };
        let jitter = shelter.pace.jitter();
        let Some(call) = shelter.calls.get_mut(&seq) else { return true };
        call.outstanding = call.outstanding.saturating_sub(1);
        let (api_key, api_version, is_answered) = (call.api_key, call.api_version, call.is_answered);
        let Job::Errand(errand) = &mut call.job else { return true };
        errand.is_sent = false;
        let plan = errand.plan.clone();
        if is_answered {
            self.leave_group(seq, &plan);
            self.drop_if_over(seq);
            return true;
        }
        if errand.search.is_some() {
            return self.search_answered(seq, &frame, moment, outbox);
        }
        let code = match coordinator::coordinator_error(api_key, api_version, &frame) {
            _ if !asks_coordinator(api_key) => None,
            Ok(code) => code,
            Err(_) => return false,
        };
        if let Some(code) = code {
            errand.backoff.failed(moment.now, jitter);
            if let Plan::Group(key) = &plan
                && let Some(group) = shelter.groups.get_mut(key)
            {
                group.failed(Some(code), moment.now, jitter);
            }
            self.tell_of(seq, moment, Event::Absorbed { api_key, code });
            return true;
        }
        match self.rewritten(api_key, api_version, frame, moment) {
            Ok(Rewritten::Frame { frame: answer, moved }) => {
                outbox.learn.extend(moved);
                if let Plan::Group(key) = &plan
                    && let Some(group) = self.shelter.as_mut().and_then(|shelter| shelter.groups.get_mut(key))
                {
                    group.done(seq);
                    group.node_id = node_id.or(group.node_id);
                }
                self.tell_of(seq, moment, Event::Resent { api_key });
                self.finish_call(seq, Some(answer), moment);
                self.drop_if_over(seq);
                true
            }
            Ok(Rewritten::Unknown(nodes)) => {
                outbox.learn.extend(nodes);
                self.try_later(seq, moment.now);
                true
            }
            Err(_) => false,
        }
    }

    /// The detour with a whole call is gone.
    pub(super) fn call_lost<O: Observer>(&mut self, seq: u64, whole: bool, moment: &Moment<'_, O>, _outbox: &mut Outbox) {
        let Some(shelter) = &mut self.shelter else { return };
        let jitter = shelter.pace.jitter();
        let Some(call) = shelter.calls.get_mut(&seq) else { return };
        call.outstanding = call.outstanding.saturating_sub(1);
        let (api_key, api_version, is_answered) = (call.api_key, call.api_version, call.is_answered);
        let Job::Errand(errand) = &mut call.job else { return };
        errand.is_sent = false;
        errand.backoff.failed(moment.now, jitter);
        let plan = errand.plan.clone();
        if let Plan::Group(key) = &plan
            && let Some(group) = shelter.groups.get_mut(key)
        {
            group.failed(None, moment.now, jitter);
        }
        if is_answered {
            self.leave_group(seq, &plan);
            self.drop_if_over(seq);
            return;
        }
        self.tell_absorbed_loss(seq, api_key, moment);
        if whole && !api::repeats_after_ambiguity(api_key, api_version) {
            self.give_up_errand(seq, moment);
        }
    }

    fn try_later(&mut self, seq: u64, now: u64) {
        let Some(shelter) = &mut self.shelter else { return };
        let jitter = shelter.pace.jitter();
        if let Some(Call { job: Job::Errand(errand), .. }) = shelter.calls.get_mut(&seq) {
            errand.backoff.failed(now, jitter);
        }
    }

    /// The client gets the error that its API tolerates; where there is none, the session ends.
    pub(super) fn give_up_errand<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>) {
        let Some(call) = self.shelter.as_mut().and_then(|shelter| shelter.calls.get_mut(&seq)) else { return };
        let (api_key, api_version) = (call.api_key, call.api_version);
        call.was_given_up = true;
        let Job::Errand(errand) = &call.job else { return };
        let plan = errand.plan.clone();
        let code = answer::retriable_code(api_key, api_version);
        let remembered = if api_key == api::METADATA { from_memory(&call.frame, moment.leaders, moment.view) } else { None };
        if let Some(Ok(Rewritten::Frame { frame, .. })) = remembered.map(|frame| self.rewritten(api_key, api_version, frame, moment)) {
            self.finish_call(seq, Some(frame), moment);
            self.drop_if_over(seq);
            return;
        }
        let Some(call) = self.shelter.as_ref().and_then(|shelter| shelter.calls.get(&seq)) else { return };
        let made = match &plan {
            Plan::Answer { with, .. } => Some(with.clone()),
            Plan::Any | Plan::Node | Plan::Group(_) | Plan::Leaders => answer::answer(&call.frame, code),
        };
        let Some(made) = made else {
            let detail = format!("{} could not be answered within its time", api::name(api_key));
            self.doom = Some(Close::new(CloseCause::BrokerClosed, detail));
            return;
        };
        self.leave_group(seq, &plan);
        self.tell_of(seq, moment, Event::Reached { api_key, code });
        self.finish_call(seq, Some(made), moment);
        self.drop_if_over(seq);
    }

    fn leave_group(&mut self, seq: u64, plan: &Plan) {
        if let Plan::Group(key) = plan
            && let Some(group) = self.shelter.as_mut().and_then(|shelter| shelter.groups.get_mut(key))
        {
            group.remove(seq);
        }
    }
}

/// Whether an answer to this API can say that the coordinator is elsewhere, or is not there yet.
pub(in crate::session) fn asks_coordinator(api_key: i16) -> bool {
    api_key == api::FIND_COORDINATOR || api::Api::of(api_key).is_some_and(|row| matches!(row.route, Route::GroupCoordinator | Route::TransactionCoordinator))
}

/// Whether the code says that a coordinator is to be looked for again.
pub(in crate::session) fn coordinator_moved(api_key: i16, api_version: i16, frame: &[u8]) -> Option<i16> {
    if !asks_coordinator(api_key) {
        return None;
    }
    let code = coordinator::coordinator_error(api_key, api_version, frame).ok().flatten()?;
    (api_key != api::FIND_COORDINATOR || code == COORDINATOR_NOT_AVAILABLE).then_some(code)
}
