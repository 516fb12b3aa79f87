//! From the broker to the client: each response is matched with the oldest request, its addresses rewritten, its errors counted.

use bytes::{Buf, BytesMut};

use super::in_flight::{InFlight, Kind};
use super::requests::ANNOUNCEMENT_ID;
use super::sasl::Sasl;
use super::{Close, CloseCause, Moment, Observer, Outbox, Session, Waiting};
use crate::cluster::View;
use crate::protocol::patch::{self, Head, NodeAddress, ResponseWalk, Rewrite, Step, rewrite_of};
use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Api, Cursor, ResponseHeader, api};

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
        let mut passed = 0;
        while self.waiting != Some(Waiting::Learning) && self.response_step(buffer, &mut passed, moment, outbox)? == Flow::Go {}
        outbox.to_client.push_front_of(buffer, passed);
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
                let step = walk.advance(bytes, moment.view, &mut |code| moment.observer.error(api_key, code));
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
        Ok(Flow::Go)
    }

    /// At the start of a frame: whose answer it is, and what is done with it.
    fn begin_response<O: Observer>(&mut self, buffer: &mut BytesMut, passed: &mut usize, moment: &Moment<'_, O>, outbox: &mut Outbox) -> Result<Flow, Close> {
        let rest = buffer.get(*passed..).unwrap_or_default();
        let Some((field, behind)) = rest.split_first_chunk::<LENGTH_BYTES>() else { return Ok(Flow::Wait) };
        let Some(&entry) = self.in_flight.front() else {
            return Err(Close::new(CloseCause::CorrelationMismatch, "the broker sent a response to no request"));
        };
        let Ok(length) = usize::try_from(i32::from_be_bytes(*field)) else {
            return Err(Close::new(CloseCause::MalformedResponse, "a negative response length"));
        };
        let frame_bytes = LENGTH_BYTES + length;
        if entry.kind != Kind::Token {
            check_owner(&entry, length, behind)?;
            if rest.len() < PREFIX_BYTES {
                return Ok(Flow::Wait);
            }
        }
        match entry.kind {
            Kind::Token => {
                self.answered(&entry, frame_bytes, moment);
                self.response = Response::Pass(frame_bytes);
                Ok(Flow::Go)
            }
            Kind::Forward | Kind::Handshake => self.begin_forward(&entry, buffer, passed, frame_bytes, moment, outbox),
            Kind::Announcement => {
                self.pop();
                self.response = Response::Drop(frame_bytes);
                Ok(Flow::Go)
            }
            Kind::Versions => {
                outbox.to_client.push_front_of(buffer, *passed);
                *passed = 0;
                if let Some(answer) = self.versions_answers.pop_front() {
                    self.answered(&entry, answer.len(), moment);
                    outbox.to_client.push(answer);
                }
                self.response = Response::Drop(frame_bytes);
                Ok(Flow::Go)
            }
        }
    }

    fn begin_forward<O: Observer>(
        &mut self,
        entry: &InFlight,
        buffer: &mut BytesMut,
        passed: &mut usize,
        frame_bytes: usize,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> Result<Flow, Close> {
        let InFlight { api_key, api_version, .. } = *entry;
        let length = frame_bytes - LENGTH_BYTES;
        let rest = buffer.get(*passed..).unwrap_or_default();
        if let Some(walk) = ResponseWalk::new(api_key, api_version, length) {
            self.answered(entry, frame_bytes, moment);
            *passed += LENGTH_BYTES;
            self.response = Response::Walk { walk, left: length, api_key };
            return Ok(Flow::Go);
        }
        if rewrite_of(api_key, api_version) != Rewrite::Head {
            return self.begin_plain(entry, rest, frame_bytes, moment, outbox);
        }
        let frame = rest.get(..frame_bytes).unwrap_or(rest);
        match patch::head(api_key, api_version, frame, length, moment.view).map_err(|error| malformed(api_key, error))? {
            Head::Need(needed) => {
                outbox.home_bytes_needed = needed;
                Ok(Flow::Wait)
            }
            Head::Unknown(nodes) if self.learned => Err(Close::new(
                CloseCause::NoVirtualBroker,
                format!("{} names node {}, which has no virtual broker", api::name(api_key), nodes.first().map_or(-1, |node| node.node_id)),
            )),
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
                self.answered(entry, with.len() + left, moment);
                outbox.to_client.push(with);
                self.response = Response::Pass(left);
                Ok(Flow::Go)
            }
        }
    }

    /// A response without addresses: its top-level error, if it has one, is counted, and it passes.
    fn begin_plain<O: Observer>(
        &mut self,
        entry: &InFlight,
        rest: &[u8],
        frame_bytes: usize,
        moment: &Moment<'_, O>,
        outbox: &mut Outbox,
    ) -> Result<Flow, Close> {
        let InFlight { api_key, api_version, .. } = *entry;
        let mut accepted = true;
        if let Some(offset) = Api::of(api_key).and_then(|api| api.top_error_offset(api_version)) {
            match top_error(rest, api_key, api_version, offset) {
                Some(0) => {}
                Some(code) => {
                    accepted = false;
                    moment.observer.error(api_key, code);
                }
                None if rest.len() < frame_bytes.min(TOP_ERROR_WITHIN_BYTES) => {
                    outbox.home_bytes_needed = rest.len() + 1;
                    return Ok(Flow::Wait);
                }
                None => {}
            }
        }
        if entry.kind == Kind::Handshake && self.sasl == Sasl::Offered {
            self.sasl = if accepted { Sasl::Raw { tokens: 0 } } else { Sasl::None };
        }
        self.answered(entry, frame_bytes, moment);
        self.response = Response::Pass(frame_bytes);
        Ok(Flow::Go)
    }

    /// The oldest request has its answer.
    fn answered<O: Observer>(&mut self, entry: &InFlight, frame_bytes: usize, moment: &Moment<'_, O>) {
        let sent = if entry.sent == 0 { moment.now } else { entry.sent };
        moment.observer.response(entry.api_key, frame_bytes, moment.now.saturating_sub(sent), sent.saturating_sub(entry.arrived));
        self.pop();
    }

    fn pop(&mut self) {
        if let Some(entry) = self.in_flight.pop_front() {
            self.bytes_in_flight -= entry.frame_bytes;
        }
        self.unsent = self.unsent.min(self.in_flight.len());
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

fn check_owner(entry: &InFlight, length: usize, behind: &[u8]) -> Result<(), Close> {
    if length < PREFIX_BYTES - LENGTH_BYTES {
        return Err(Close::new(CloseCause::MalformedResponse, format!("a response of {length} bytes")));
    }
    let Some((id, _)) = behind.split_first_chunk::<4>() else { return Ok(()) };
    let id = i32::from_be_bytes(*id);
    let expected = if entry.kind == Kind::Announcement { ANNOUNCEMENT_ID } else { entry.correlation_id };
    if id == expected {
        return Ok(());
    }
    let detail = format!("the broker answered request {id} where {expected} ({}) is the oldest", api::name(entry.api_key));
    Err(Close::new(CloseCause::CorrelationMismatch, detail))
}

fn differs(node: &NodeAddress, view: &View) -> bool {
    view.brokers.get(&node.node_id).is_none_or(|broker| broker.upstream.host != node.host || broker.upstream.port != node.port)
}

fn malformed(api_key: i16, error: impl std::fmt::Display) -> Close {
    Close::new(CloseCause::MalformedResponse, format!("{} response: {error}", api::name(api_key)))
}
