//! Requests of the session that somebody listens to: looked at when they arrive, completed when they are answered.

use std::collections::VecDeque;
use std::sync::Arc;

use super::in_flight::Owed;
use super::{Moment, Observer, Session};
use crate::cluster::Leaders;
use crate::guard::Event;
use crate::tap::{Answer, End, Request, Tapped};

/// In a box, and only while there is something in it: an idle session has no use for it.
#[derive(Debug, Default)]
pub(super) struct Taps {
    /// By their numbers in the ring, oldest first.
    waiting: VecDeque<(u64, Box<Tapped>)>,
    /// Its answer passes, and has begun to: the rest may carry errors.
    passing: Option<Box<Tapped>>,
    over: Vec<Tapped>,
}

impl Taps {
    fn take(&mut self, seq: u64) -> Option<Box<Tapped>> {
        let at = self.waiting.iter().position(|(waiting, _)| *waiting == seq)?;
        self.waiting.remove(at).map(|(_, tapped)| tapped)
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.passing.is_none() && self.over.is_empty()
    }

    /// An error code of the answer that passes.
    pub(super) fn error(&mut self, code: i16) {
        if let Some(passing) = &mut self.passing {
            passing.error(code);
        }
    }
}

impl Session {
    /// Has listeners look at a request that was just taken; `frame`: what is there of it, as the client sent it.
    pub(super) fn tap_request<O: Observer>(&mut self, owed: &Owed, acks: Option<i16>, frame: &[u8], moment: &Moment<'_, O>) {
        let Owed { api_key, api_version, correlation_id, frame_bytes, .. } = *owed;
        let tapped = moment.observer.tap(|listeners| {
            let request = Request { api_key, api_version, correlation_id, frame_bytes, acks, ..Request::default() };
            Tapped::choose(listeners, request, frame, &|id| name_of(moment.leaders, id), owed.arrived)
        });
        if let Some(tapped) = tapped.flatten() {
            self.taps.get_or_insert_default().waiting.push_back((owed.seq, tapped));
        }
    }

    /// The request has another number in the ring.
    pub(super) fn tap_moved(&mut self, from: u64, to: u64) {
        let Some(taps) = &mut self.taps else { return };
        if let Some((seq, _)) = taps.waiting.iter_mut().find(|(seq, _)| *seq == from) {
            *seq = to;
        }
    }

    /// Tells what the guard did with one request, to those who count and to those who listen.
    pub(super) fn tell_of<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>, event: Event) {
        if let Some(taps) = &mut self.taps
            && let Some((_, tapped)) = taps.waiting.iter_mut().find(|(waiting, _)| *waiting == seq)
        {
            tapped.note(&event);
        }
        self.tell(moment, event);
    }

    /// The answer of a request is there, `frame` as far as it is; `frame_bytes`: all of it.
    pub(super) fn tap_answer<O>(&mut self, seq: u64, frame: &[&[u8]], answer: Answer, moment: &Moment<'_, O>) {
        let Some(taps) = &mut self.taps else { return };
        let Some(mut tapped) = taps.take(seq) else { return };
        let joined;
        let frame = match frame {
            [one] => *one,
            pieces => {
                joined = pieces.concat();
                &joined
            }
        };
        let frame_bytes = answer.frame_bytes;
        let frame = frame.get(..frame_bytes).unwrap_or(frame);
        tapped.answered(frame, answer, &|id| name_of(moment.leaders, id));
        tapped.ended(End::Answered, moment.now);
        if frame.len() < frame_bytes {
            taps.over.extend(taps.passing.replace(tapped).map(|passed| *passed));
        } else {
            taps.over.push(*tapped);
        }
    }

    /// The answer that passed is through.
    pub(super) fn tap_passed(&mut self) {
        if let Some(taps) = &mut self.taps {
            taps.over.extend(taps.passing.take().map(|passed| *passed));
        }
    }

    /// The request is over without an answer that the client would see.
    pub(super) fn tap_end(&mut self, seq: u64, end: End, now: u64) {
        let Some(taps) = &mut self.taps else { return };
        if let Some(mut tapped) = taps.take(seq) {
            tapped.ended(end, now);
            taps.over.push(*tapped);
        }
    }

    /// Of an answer that only Leeward sees what it says.
    pub(super) fn tap_swallowed<O>(&mut self, seq: u64, frame: &[u8], answer: Answer, moment: &Moment<'_, O>) {
        let Some(taps) = &mut self.taps else { return };
        if let Some(mut tapped) = taps.take(seq) {
            tapped.answered(frame, answer, &|id| name_of(moment.leaders, id));
            tapped.ended(End::Swallowed, moment.now);
            taps.over.push(*tapped);
        }
    }

    /// Whether [`Session::take_tapped`] has something.
    pub fn has_tapped(&self) -> bool {
        self.taps.as_ref().is_some_and(|taps| !taps.over.is_empty())
    }

    /// Requests that somebody listens to and that are over.
    pub fn take_tapped(&mut self) -> Vec<Tapped> {
        let over = self.taps.as_mut().map(|taps| std::mem::take(&mut taps.over)).unwrap_or_default();
        if self.taps.as_ref().is_some_and(|taps| taps.is_empty()) {
            self.taps = None;
        }
        over
    }

    /// The session is over: what has no answer will get none.
    pub(super) fn tap_abandoned(&mut self, now: u64) {
        self.tap_passed();
        let Some(taps) = &mut self.taps else { return };
        for (_, mut tapped) in taps.waiting.drain(..) {
            tapped.ended(End::Abandoned, now);
            taps.over.push(*tapped);
        }
    }
}

fn name_of(leaders: &Leaders, id: [u8; 16]) -> Option<Arc<str>> {
    leaders.names.get(&id).cloned()
}
