//! From the broker to the client: each response is matched with the oldest request, its addresses rewritten, its errors counted.

use bytes::{Buf, Bytes, BytesMut};

use super::in_flight::{Kind, Owed};
use super::requests::ANNOUNCEMENT_ID;
use super::sasl::Sasl;
use super::shelter::detours::{ANSWER_BYTES_MAX, login_error};
use super::shelter::errands::coordinator_moved;
use super::shelter::home::Examined;
use super::watch::watch_error;
use super::{Close, CloseCause, Moment, Observer, Outbox, Session, Waiting};
use crate::cluster::{View, mend, without_absent_leaders};
use crate::guard::{ClientRef, Policy};
use crate::protocol::patch::{self, Head, NodeAddress, PatchError, ResponseWalk, Rewrite, Step, rewrite_of};
use crate::protocol::{list_offsets, produce};
use crate::tap::Answer;
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Api, Cursor, ResponseHeader, api};

/// An answer that is not there after so long, in nanoseconds, raises the question whether its broker is: longer than a consumer's long poll.
const DOUBT_AFTER: u64 = 1_500_000_000;

/// How often that is asked, in nanoseconds.
const DOUBT_EVERY: u64 = 500_000_000;

/// Length field and correlation id: what is needed to know whose answer a frame is.
const PREFIX_BYTES: usize = 8;

/// Where in the broker's bytes the session stands.
pub(super) enum Response {
    /// Before a frame's length field.
    AtFrame,
    /// So many bytes of the frame pass untouched.
    Pass(usize),
    /// So many bytes of the frame are for nobody.
    Drop(usize),
    /// The rest of the frame is looked through for errors and addresses as it passes.
    Walk { walk: ResponseWalk, left: usize, api_key: i16 },
}

/// A response up to this size is there as a whole before any of it goes to the client, so that a broker that goes in the middle of it leaves nothing half done.
const GATHERED_BYTES_MAX: usize = 256 * 1024;

/// The same while a window is open or a broker is away, as long as that takes no more memory than may be held: consumers' answers of several partitions.
const GATHERED_IN_TROUBLE_BYTES_MAX: usize = 16 << 20;

/// A response up to this size can wait for its turn behind one that is sheltered; before a larger one reading from the home pauses.
const READY_BYTES_MAX: usize = 8 << 20;

/// A response frame with no broker's own address in it.
pub(super) enum Rewritten {
    /// `moved`: nodes that it named elsewhere than they are known to be.
    Frame { frame: Bytes, moved: Vec<NodeAddress> },
    /// Nodes that have no virtual broker yet.
    Unknown(Vec<NodeAddress>),
}

/// Whether the loop over the broker's bytes goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    Go,
    Wait,
}

impl Session {
    /// Takes what it can from the front of `buffer`, the broker's bytes; what it leaves must be there again, with more behind it, at the next call.
    ///
    /// # Errors
    /// The session has to end: the broker's bytes cannot be handed on.
    pub fn on_home_bytes<O: Observer>(&mut self, buffer: &mut BytesMut, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<(), Close> {
        outbox.home_bytes_needed = 0;
        self.home_blocked = false;
        let mut passed = 0;
        while self.waiting != Some(Waiting::Learning) && self.response_step(buffer, &mut passed, moment, outbox)? == Flow::Go {}
        outbox.to_client.push_front_of(buffer, passed);
        self.pump(moment, outbox);
        Ok(())
    }

    fn response_step<O: Observer>(&mut self, buffer: &mut BytesMut, passed: &mut usize, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<Flow, Close> {
        let rest = buffer.get(*passed..).unwrap_or_default();
        match &mut self.response {
            Response::AtFrame => return self.begin_response(buffer, passed, moment, outbox),
            Response::Pass(left) => {
                let here = rest.len().min(*left);
                *passed += here;
                *left -= here;
                if *left > 0 {
                    return Ok(Flow::Wait);
                }
            }
            Response::Drop(left) => {
                let here = rest.len().min(*left);
                *left -= here;
                let done = *left == 0;
                outbox.to_client.push_front_of(buffer, *passed);
                *passed = 0;
                buffer.advance(here);
                if !done {
                    return Ok(Flow::Wait);
                }
            }
            Response::Walk { walk, left, api_key } => {
                let api_key = *api_key;
                let bytes = rest.get(..*left).unwrap_or(rest);
                let client = ClientRef { client_id: &self.client_id, node_id: self.node_id };
                let step = walk.advance(bytes, moment.view, &mut |code| {
                    moment.observer.error(api_key, code);
                    watch_error(client, api_key, code, moment);
                    if let Some(taps) = &mut self.taps {
                        taps.error(code);
                    }
                });
                match step.map_err(|error| malformed(api_key, error))? {
                    Step::Pass { pass, need } => {
                        *passed += pass;
                        *left -= pass;
                        outbox.home_bytes_needed = bytes.len() - pass + need;
                        return Ok(Flow::Wait);
                    }
                    Step::Tail { pass, with: None } => {
                        debug_assert_eq!(pass, *left);
                        *passed += pass;
                    }
                    Step::Tail { pass, with: Some(tail) } => {
                        debug_assert_eq!(pass + tail.len(), *left);
                        outbox.to_client.push_front_of(buffer, *passed + pass);
                        *passed = 0;
                        buffer.advance(tail.len());
                        outbox.to_client.push(tail);
                    }
                }
            }
        }
        self.response = Response::AtFrame;
        self.tap_passed();
        Ok(Flow::Go)
    }

    /// At the start of a frame: whose answer it is, and what is done with it.
    fn begin_response<O: Observer>(&mut self, buffer: &mut BytesMut, passed: &mut usize, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<Flow, Close> {
        let rest = buffer.get(*passed..).unwrap_or_default();
        let Some((field, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(Flow::Wait) };
        let Some((index, owed)) = self.first_awaiting() else {
            return Err(Close::new(CloseCause::CorrelationMismatch, "the broker sent a response to no request"));
        };
        let Ok(length) = usize::try_from(i32::from_be_bytes(*field)) else {
            return Err(Close::new(CloseCause::MalformedResponse, "a negative response length"));
        };
        let frame_bytes = LENGTH_BYTES + length;
        if owed.kind != Kind::Token {
            check_owner(&owed, length, behind)?;
            if rest.len() < PREFIX_BYTES {
                return Ok(Flow::Wait);
            }
        }
        self.home_backoff.reset();
        self.home_answered = true;
        if self.gathers(index, &owed, frame_bytes, moment) {
            if rest.len() < frame_bytes {
                outbox.home_bytes_needed = frame_bytes;
                return Ok(Flow::Wait);
            }
            let frame = rest.get(..frame_bytes).unwrap_or_default();
            if owed.kind == Kind::Resent {
                let frame = Bytes::copy_from_slice(frame);
                if !self.own_way_answered(&owed, frame, moment, outbox) {
                    return Err(malformed(owed.api_key, "it does not answer what was sent again"));
                }
                self.response = Response::Drop(frame_bytes);
                return Ok(Flow::Go);
            }
            if self.examine(index, &owed, frame, moment)? == Examined::Taken {
                self.response = Response::Drop(frame_bytes);
                return Ok(Flow::Go);
            }
            let is_mended = owed.api_key == api::METADATA && mends(moment.policy);
            if (index > 0 || is_mended) && matches!(owed.kind, Kind::Forward | Kind::Handshake) {
                let frame = Bytes::copy_from_slice(frame);
                outbox.to_client.push_front_of(buffer, *passed);
                *passed = 0;
                return self.keep_ready(&owed, frame, moment, outbox);
            }
        } else if index > 0 && owed.kind == Kind::Forward {
            // Its turn has not come, and it is too large to wait anywhere but with the broker.
            self.home_blocked = true;
            return Ok(Flow::Wait);
        }
        match owed.kind {
            Kind::Token => {
                self.answered(&owed, frame_bytes, &[rest], moment);
                self.response = Response::Pass(frame_bytes);
                Ok(Flow::Go)
            }
            Kind::Forward | Kind::Handshake => self.begin_forward(&owed, buffer, passed, frame_bytes, moment, outbox),
            Kind::Announcement | Kind::Replay | Kind::Swallow | Kind::ProducerId => {
                if owed.kind == Kind::Swallow {
                    self.tap_swallowed(owed.seq, rest.get(..frame_bytes).unwrap_or(rest), latencies(&owed, frame_bytes, moment), moment);
                }
                self.remove(owed.seq);
                self.response = Response::Drop(frame_bytes);
                Ok(Flow::Go)
            }
            Kind::Versions => {
                outbox.to_client.push_front_of(buffer, *passed);
                *passed = 0;
                self.versions_ready(&owed, moment, outbox);
                self.response = Response::Drop(frame_bytes);
                Ok(Flow::Go)
            }
            Kind::Resent => Err(malformed(owed.api_key, format!("{frame_bytes} bytes to what was sent again"))),
            // The home owes nothing for these.
            Kind::Sheltered | Kind::Ready => Ok(Flow::Wait),
        }
    }

    /// Whether reading from the home pauses, because the next answer is too large to wait for its turn here.
    pub fn is_home_blocked(&self) -> bool {
        self.home_blocked && self.first_awaiting().is_some_and(|(index, _)| index > 0)
    }

    /// Whether the home's bytes that were left can go on now.
    pub fn was_home_blocked(&self) -> bool {
        self.home_blocked && !self.is_home_blocked()
    }

    /// When an answer of the home will have been waited for so long that it is asked whether that broker is still there.
    pub(super) fn next_doubt(&self, now: u64) -> Option<u64> {
        let (_, owed) = self.first_awaiting().filter(|(_, owed)| owed.sent > 0)?;
        Some((owed.sent + DOUBT_AFTER).max(self.doubted + DOUBT_EVERY).max(now))
    }

    /// Whether the home owes an answer for long and has left the cluster: a broker that was stopped, or cut off, without its connection's end. Until then
    /// [`Outbox::doubts_home`] asks for news.
    pub fn is_home_gone<O: Observer>(&mut self, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        if self.next_doubt(0).is_none_or(|at| at > moment.now) {
            return false;
        }
        self.doubted = moment.now;
        let may_go = self.shelters(moment) || (mends(moment.policy) && self.identity.is_under_way());
        if !may_go {
            return false;
        }
        outbox.doubts_home = true;
        self.home_node().and_then(|node_id| moment.view.brokers.get(&node_id)).is_some_and(|broker| !broker.listed)
    }

    /// The oldest request for which the home owes an answer, and its place in the ring.
    fn first_awaiting(&self) -> Option<(usize, Owed)> {
        self.in_flight.iter().enumerate().find(|(_, entry)| entry.owed.kind.awaits_home()).map(|(index, entry)| (index, entry.owed))
    }

    /// Whether a response is looked at as a whole before anything of it goes on.
    fn gathers<O>(&self, index: usize, owed: &Owed, frame_bytes: usize, moment: &Moment<'_, O>) -> bool {
        if owed.kind == Kind::Resent {
            return frame_bytes <= ANSWER_BYTES_MAX;
        }
        let expects_trouble = || moment.policy.is_window_open() || moment.view.is_in_trouble();
        let most = match index {
            0 if frame_bytes <= GATHERED_BYTES_MAX => GATHERED_BYTES_MAX,
            0 if expects_trouble() && moment.held_bytes + frame_bytes <= moment.policy.held_bytes_max => GATHERED_IN_TROUBLE_BYTES_MAX,
            0 => GATHERED_BYTES_MAX,
            _ => READY_BYTES_MAX,
        };
        let is_kept = self.in_flight.get(index).is_some_and(|entry| entry.frame.is_some());
        let own = matches!(owed.kind, Kind::Replay | Kind::ProducerId);
        let is_mended = owed.api_key == api::METADATA && mends(moment.policy);
        (is_kept || own || is_mended || index > 0) && frame_bytes <= most
    }

    /// Looks at a whole response of the home.
    fn examine<O: Observer>(&mut self, index: usize, owed: &Owed, frame: &[u8], moment: &Moment<'_, O>) -> Result<Examined, Close> {
        match owed.kind {
            Kind::Replay => match login_error(frame, owed.api_key, owed.api_version) {
                Some(0) => Ok(Examined::Pass),
                _ => Err(Close::new(CloseCause::BrokerClosed, "the broker refused the client's login on a new connection")),
            },
            Kind::ProducerId => {
                self.producer_id_answered(owed.api_version, frame, moment);
                Ok(Examined::Pass)
            }
            Kind::Forward | Kind::Swallow if !self.shelters(moment) && self.shelter.is_none() => Ok(Examined::Pass),
            Kind::Forward | Kind::Swallow if owed.api_key == api::PRODUCE => {
                let has_errors = produce::has_errors(owed.api_version, frame).map_err(|error| malformed(owed.api_key, error))?;
                if !has_errors && self.shelter.is_none() {
                    return Ok(Examined::Pass);
                }
                self.examine_produced(index, &Bytes::copy_from_slice(frame), moment)
            }
            Kind::Forward if owed.api_key == api::LIST_OFFSETS => match list_offsets::moved(owed.api_version, &Bytes::copy_from_slice(frame)) {
                Some(code) => Ok(self.examine_moved(index, code, moment)),
                None => Ok(Examined::Pass),
            },
            Kind::Forward => match coordinator_moved(owed.api_key, owed.api_version, frame) {
                Some(code) => Ok(self.examine_coordinated(index, code, moment)),
                None => Ok(Examined::Pass),
            },
            Kind::Handshake => {
                self.identity.authenticated(frame, owed.api_version);
                Ok(Examined::Pass)
            }
            Kind::Announcement | Kind::Versions | Kind::Token | Kind::Swallow | Kind::Resent | Kind::Sheltered | Kind::Ready => Ok(Examined::Pass),
        }
    }

    /// An answer that is given when its turn comes, which may be now.
    fn keep_ready<O: Observer>(&mut self, owed: &Owed, frame: Bytes, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<Flow, Close> {
        let frame_bytes = frame.len();
        let rewritten = self.rewritten(owed.api_key, owed.api_version, frame, moment).map_err(|error| malformed(owed.api_key, error))?;
        match rewritten {
            Rewritten::Frame { frame: answer, moved } => {
                self.learned = false;
                outbox.learn = moved;
                self.note_fetched((owed.api_key, owed.api_version), &answer, answer.len(), moment);
                if let Some(entry) = self.entry_mut(owed.seq) {
                    entry.owed.kind = Kind::Ready;
                    entry.frame = Some(answer.clone());
                }
                self.tell_response(owed, answer.len(), &[&answer], moment);
                self.response = Response::Drop(frame_bytes);
                self.deliver(outbox);
                Ok(Flow::Go)
            }
            Rewritten::Unknown(nodes) if self.learned => Err(no_virtual_broker(owed.api_key, &nodes)),
            Rewritten::Unknown(nodes) => {
                outbox.learn = nodes;
                self.waiting = Some(Waiting::Learning);
                Ok(Flow::Wait)
            }
        }
    }

    /// A whole response frame as the client may see it.
    pub(super) fn rewritten<O: Observer>(&self, api_key: i16, api_version: i16, frame: Bytes, moment: &Moment<'_, O>) -> Result<Rewritten, PatchError> {
        let length = frame.len() - LENGTH_BYTES;
        let as_it_is = |frame| Ok(Rewritten::Frame { frame, moved: Vec::new() });
        match rewrite_of(api_key, api_version) {
            Rewrite::None => as_it_is(frame),
            Rewrite::Head => {
                let mended = if api_key == api::METADATA && mends(moment.policy) { mend(api_version, &frame, moment.leaders, moment.view) } else { None };
                let frame = mended.unwrap_or(frame);
                let is_bound = api_key == api::METADATA && mends(moment.policy) && self.identity.is_bound();
                let honest = if is_bound { without_absent_leaders(api_version, &frame, moment.view) } else { None };
                let frame = honest.unwrap_or(frame);
                match patch::head(api_key, api_version, &frame, frame.len() - LENGTH_BYTES, moment.view)? {
                    Head::Need(needed) => Err(PatchError::Truncated { missing: needed.saturating_sub(frame.len()) }),
                    Head::Unknown(nodes) => Ok(Rewritten::Unknown(nodes)),
                    Head::Replace { taken, with, named } => {
                        let moved = if named.iter().any(|node| differs(node, moment.view)) { named } else { Vec::new() };
                        Ok(Rewritten::Frame { frame: [&with[..], frame.get(taken..).unwrap_or_default()].concat().into(), moved })
                    }
                }
            }
            Rewrite::Tail => {
                let Some(mut walk) = ResponseWalk::new(api_key, api_version, length) else { return as_it_is(frame) };
                let bytes = frame.get(LENGTH_BYTES..).unwrap_or_default();
                let mut at = 0;
                loop {
                    match walk.advance(bytes.get(at..).unwrap_or_default(), moment.view, &mut |code| moment.observer.error(api_key, code))? {
                        Step::Pass { pass: 0, need } => return Err(PatchError::Truncated { missing: need }),
                        Step::Pass { pass, .. } => at += pass,
                        Step::Tail { with: None, .. } => return as_it_is(frame),
                        Step::Tail { pass, with: Some(tail) } => {
                            let head = frame.get(..LENGTH_BYTES + at + pass).unwrap_or_default();
                            return as_it_is([head, &tail[..]].concat().into());
                        }
                    }
                }
            }
        }
    }

    /// The client's ApiVersions has gone by the broker; the answer that stands ready is given when its turn comes.
    fn versions_ready<O: Observer>(&mut self, owed: &Owed, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let answer = self.versions_answers.pop_front();
        let frame = answer.clone().unwrap_or_default();
        self.tell_response(owed, frame.len(), &[&frame], moment);
        if let Some(entry) = self.entry_mut(owed.seq) {
            entry.owed.kind = Kind::Ready;
            entry.frame = answer;
        }
        self.deliver(outbox);
    }

    fn begin_forward<O: Observer>(
        &mut self,
        owed: &Owed,
        buffer: &mut BytesMut,
        passed: &mut usize,
        frame_bytes: usize,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> Result<Flow, Close> {
        let Owed { api_key, api_version, .. } = *owed;
        let length = frame_bytes - LENGTH_BYTES;
        let rest = buffer.get(*passed..).unwrap_or_default();
        if let Some(walk) = ResponseWalk::new(api_key, api_version, length) {
            self.note_fetched((api_key, api_version), rest.get(..frame_bytes).unwrap_or(rest), frame_bytes, moment);
            self.answered(owed, frame_bytes, &[rest], moment);
            *passed += LENGTH_BYTES;
            self.response = Response::Walk { walk, left: length, api_key };
            return Ok(Flow::Go);
        }
        if rewrite_of(api_key, api_version) != Rewrite::Head {
            return self.begin_plain(owed, rest, frame_bytes, moment, outbox);
        }
        let frame = rest.get(..frame_bytes).unwrap_or(rest);
        match patch::head(api_key, api_version, frame, length, moment.view).map_err(|error| malformed(api_key, error))? {
            Head::Need(needed) => {
                outbox.home_bytes_needed = needed;
                Ok(Flow::Wait)
            }
            Head::Unknown(nodes) if self.learned => Err(no_virtual_broker(api_key, &nodes)),
            Head::Unknown(nodes) => {
                outbox.learn = nodes;
                self.waiting = Some(Waiting::Learning);
                Ok(Flow::Wait)
            }
            Head::Replace { taken, with, named } => {
                self.learned = false;
                if named.iter().any(|node| differs(node, moment.view)) {
                    outbox.learn = named;
                }
                outbox.to_client.push_front_of(buffer, *passed);
                *passed = 0;
                buffer.advance(taken);
                let left = frame_bytes - taken;
                let behind = buffer.get(..left).unwrap_or_default();
                self.answered(owed, with.len() + left, &[&with, behind], moment);
                outbox.to_client.push(with);
                self.response = Response::Pass(left);
                Ok(Flow::Go)
            }
        }
    }

    /// A response without addresses: its top-level error, if it has one, is counted, and it passes.
    fn begin_plain<O: Observer>(&mut self, owed: &Owed, rest: &[u8], frame_bytes: usize, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<Flow, Close> {
        let Owed { api_key, api_version, .. } = *owed;
        let mut accepted = true;
        if let Some(offset) = Api::of(api_key).and_then(|api| api.top_error_offset(api_version)) {
            match top_error(rest, api_key, api_version, offset) {
                Some(0) => {}
                Some(code) => {
                    accepted = false;
                    moment.observer.error(api_key, code);
                    watch_error(ClientRef { client_id: &self.client_id, node_id: self.node_id }, api_key, code, moment);
                }
                None if rest.len() < frame_bytes.min(TOP_ERROR_WITHIN_BYTES) => {
                    outbox.home_bytes_needed = rest.len() + 1;
                    return Ok(Flow::Wait);
                }
                None => {}
            }
        }
        if owed.kind == Kind::Handshake && self.sasl == Sasl::Offered {
            self.sasl = if accepted { Sasl::Raw { tokens: 0 } } else { Sasl::None };
        }
        self.answered(owed, frame_bytes, &[rest], moment);
        self.response = Response::Pass(frame_bytes);
        Ok(Flow::Go)
    }

    /// The oldest request has its answer, of which `frame` is there in pieces.
    fn answered<O: Observer>(&mut self, owed: &Owed, frame_bytes: usize, frame: &[&[u8]], moment: &Moment<'_, O>) {
        self.tell_response(owed, frame_bytes, frame, moment);
        self.pop();
    }

    fn tell_response<O: Observer>(&mut self, owed: &Owed, frame_bytes: usize, frame: &[&[u8]], moment: &Moment<'_, O>) {
        let answer = latencies(owed, frame_bytes, moment);
        moment.observer.response(owed.api_key, frame_bytes, answer.broker_nanos, answer.own_nanos);
        self.tap_answer(owed.seq, frame, answer, moment);
    }

    pub(super) fn pop(&mut self) {
        if let Some(entry) = self.in_flight.pop_front() {
            self.bytes_in_flight -= entry.owed.frame_bytes;
        }
    }
}

/// A top-level error stands within so many bytes of a frame's start, unless its header has unusual tags; then it is not counted.
const TOP_ERROR_WITHIN_BYTES: usize = 64;

fn top_error(frame: &[u8], api_key: i16, api_version: i16, offset: usize) -> Option<i16> {
    let bytes = frame.get(LENGTH_BYTES..)?;
    let header = ResponseHeader::parse(bytes, api_key, api_version).ok()?;
    let mut cursor = Cursor::new(bytes.get(header.body..)?);
    cursor.skip(offset).ok()?;
    cursor.i16().ok()
}

fn check_owner(owed: &Owed, length: usize, behind: &[u8]) -> Result<(), Close> {
    if length < PREFIX_BYTES - LENGTH_BYTES {
        return Err(Close::new(CloseCause::MalformedResponse, format!("a response of {length} bytes")));
    }
    let Some((id, _)) = behind.split_first_chunk::<4>() else { return Ok(()) };
    let id = i32::from_be_bytes(*id);
    let expected = if owed.kind == Kind::Announcement { ANNOUNCEMENT_ID } else { owed.correlation_id };
    if id == expected {
        return Ok(());
    }
    let detail = format!("the broker answered request {id} where {expected} ({}) is the oldest", api::name(owed.api_key));
    Err(Close::new(CloseCause::CorrelationMismatch, detail))
}

/// Whether what clients are told of the cluster is mended. That takes no other connection, so that it is for everybody.
fn mends(policy: &Policy) -> bool {
    policy.absorbs() && !policy.watch_only
}

/// How long an answer took that is there now.
fn latencies<O>(owed: &Owed, frame_bytes: usize, moment: &Moment<'_, O>) -> Answer {
    let sent = if owed.sent == 0 { moment.now } else { owed.sent };
    let (broker_nanos, own_nanos) = (moment.now.saturating_sub(sent), sent.saturating_sub(owed.arrived));
    Answer { frame_bytes, broker_nanos, own_nanos, ..Answer::default() }
}

fn differs(node: &NodeAddress, view: &View) -> bool {
    view.brokers.get(&node.node_id).is_none_or(|broker| broker.upstream.host != node.host || broker.upstream.port != node.port)
}

fn malformed(api_key: i16, error: impl std::fmt::Display) -> Close {
    Close::new(CloseCause::MalformedResponse, format!("{} response: {error}", api::name(api_key)))
}

fn no_virtual_broker(api_key: i16, nodes: &[NodeAddress]) -> Close {
    let node_id = nodes.first().map_or(-1, |node| node.node_id);
    Close::new(CloseCause::NoVirtualBroker, format!("{} names node {node_id}, which has no virtual broker", api::name(api_key)))
}
