//! The sockets of a session's detours: whole answers come back, so they are read and written with less ado than the home.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::{ClientStream, Dialing, Driver, poll_write_queue};
use crate::net::listeners::Endpoint;
use crate::net::pool::{Buffer, Pool};
use crate::net::worker::Interest;
use crate::session::DetourId;
use crate::session::outbox::{Queue, Wish};
use crate::telemetry::Side;

/// Leaders are asked for at most this often by one session, in nanoseconds.
const ASK_EVERY: u64 = 20_000_000;

/// The open detours.
pub(super) struct Links<H> {
    all: Vec<Link<H>>,
}

impl<H> Default for Links<H> {
    fn default() -> Self {
        Links { all: Vec::new() }
    }
}

struct Link<H> {
    id: DetourId,
    state: State<H>,
    /// Whose connection it is while it is up.
    node_id: Option<i32>,
    out: Queue,
    buffer: Buffer,
    /// So many bytes must be there in one piece before they can be understood.
    needed: usize,
}

enum State<H> {
    Dialing(Dialing<H>),
    Up(H),
}

/// What a look at one link found.
enum Found {
    Nothing,
    Moved,
    /// Bytes to be understood.
    Bytes,
    Lost,
}

impl<H> Links<H> {
    pub(super) fn settle(&mut self, pool: &mut Pool) {
        for link in &mut self.all {
            link.buffer.settle(pool);
        }
    }
}

impl<C, H> Driver<C, H>
where
    C: ClientStream + 'static,
    H: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// Does what the session wishes of its detours, and carries their bytes. True: something moved.
    pub(super) fn poll_links(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = self.grant_wishes();
        let mut at = 0;
        while at < self.links.all.len() {
            match self.poll_link(at, cx) {
                Found::Nothing => at += 1,
                Found::Moved => moved = true,
                Found::Bytes => {
                    moved = true;
                    self.understand_link(at);
                }
                Found::Lost => {
                    moved = true;
                    self.lose_link(at);
                }
            }
            moved |= self.grant_wishes();
        }
        moved
    }

    fn grant_wishes(&mut self) -> bool {
        let mut granted = false;
        while let Some(wish) = self.outbox.wishes.pop_front() {
            granted = true;
            match wish {
                Wish::Open { id, node_id } => {
                    let endpoint = node_id.map_or(Endpoint::Bootstrap, Endpoint::Node);
                    let state = State::Dialing((self.dial)(&self.context, endpoint));
                    self.links.all.push(Link { id, state, node_id: None, out: Queue::default(), buffer: Buffer::default(), needed: 0 });
                }
                Wish::Send { id, bytes } => {
                    if let Some(link) = self.links.all.iter_mut().find(|link| link.id == id) {
                        link.out.push(bytes);
                    }
                }
                Wish::Close { id } => {
                    if let Some(at) = self.links.all.iter().position(|link| link.id == id) {
                        self.drop_link(at);
                    }
                }
            }
        }
        granted
    }

    fn poll_link(&mut self, at: usize, cx: &mut Context<'_>) -> Found {
        let Some(link) = self.links.all.get_mut(at) else { return Found::Nothing };
        let stream = match &mut link.state {
            State::Dialing(dialing) => match dialing.as_mut().poll(cx) {
                Poll::Pending => return Found::Nothing,
                Poll::Ready(Ok((stream, node_id))) => {
                    self.context.metrics.upstream_opened();
                    link.node_id = node_id;
                    link.state = State::Up(stream);
                    return Found::Moved;
                }
                Poll::Ready(Err(_)) => return Found::Lost,
            },
            State::Up(stream) => stream,
        };
        while !link.out.is_empty() {
            match poll_write_queue(stream, cx, &link.out) {
                Poll::Pending => break,
                Poll::Ready(Ok(n)) => {
                    self.context.metrics.write(Side::Broker, n);
                    link.out.advance(n);
                    if link.out.is_empty() {
                        self.context.metrics.sent(link.node_id, &self.session.take_detour_departures(link.id));
                    }
                }
                // What it answered before it went is read below, until that ends too.
                Poll::Ready(Err(_)) => break,
            }
        }
        link.buffer.make_room(&mut self.context.pool.borrow_mut(), link.needed);
        match poll_read_buf(Pin::new(stream), cx, &mut link.buffer.bytes) {
            Poll::Pending => Found::Nothing,
            Poll::Ready(Ok(0) | Err(_)) => Found::Lost,
            Poll::Ready(Ok(n)) => {
                self.context.metrics.read(Side::Broker, n);
                self.context.metrics.received(link.node_id, n);
                Found::Bytes
            }
        }
    }

    fn understand_link(&mut self, at: usize) {
        let Some(link) = self.links.all.get_mut(at) else { return };
        let (id, mut bytes) = (link.id, std::mem::take(&mut link.buffer.bytes));
        let needed = self.decide(|session, moment, outbox| session.on_detour_bytes(id, &mut bytes, moment, outbox));
        if let Some(link) = self.links.all.get_mut(at) {
            link.buffer.bytes = bytes;
            link.needed = needed;
        }
    }

    fn lose_link(&mut self, at: usize) {
        let Some(link) = self.links.all.get(at) else { return };
        let node_id = link.node_id;
        let (id, unwritten) = match link.state {
            // Not even what a socket would have taken.
            State::Dialing(_) => (link.id, usize::MAX),
            State::Up(_) => (link.id, link.out.len()),
        };
        self.drop_link(at);
        self.context.metrics.sent(node_id, &self.session.take_lost_detour_departures(id, unwritten));
        self.decide(|session, moment, outbox| session.detour_lost(id, unwritten, moment, outbox));
    }

    fn drop_link(&mut self, at: usize) {
        let mut link = self.links.all.swap_remove(at);
        if matches!(link.state, State::Up(_)) {
            self.context.metrics.upstream_closed();
        }
        link.buffer.bytes.clear();
        link.buffer.settle(&mut self.context.pool.borrow_mut());
    }

    pub(super) fn close_links(&mut self) {
        while !self.links.all.is_empty() {
            self.drop_link(0);
        }
    }

    /// Tells control what the session waits for.
    pub(super) fn tell_interest(&mut self) {
        let topics = std::mem::take(&mut self.outbox.ask_leaders);
        let doubts_home = std::mem::take(&mut self.outbox.doubts_home);
        let now = self.context.now();
        if (doubts_home || !topics.is_empty()) && now.saturating_sub(self.asked) >= ASK_EVERY {
            self.asked = now;
            self.context.ask(if topics.is_empty() { Interest::Brokers } else { Interest::Topics(topics) });
        }
    }

    /// Tells the metrics, and the other sessions of the thread, what this one holds.
    pub(super) fn tell_held(&mut self) {
        let is = (self.session.held_requests(), self.session.held_bytes());
        if is != self.told_held {
            let (requests, bytes) = self.told_held;
            self.context.metrics.held(super::signed(is.0) - super::signed(requests), super::signed(is.1) - super::signed(bytes));
            self.context.held_bytes.set((self.context.held_bytes.get() + is.1).saturating_sub(bytes));
            self.told_held = is;
        }
        // A response that is waited for as a whole takes its memory now.
        let gathered = self.outbox.home_bytes_needed;
        if gathered != self.told_gathered {
            self.context.held_bytes.set((self.context.held_bytes.get() + gathered).saturating_sub(self.told_gathered));
            self.told_gathered = gathered;
        }
    }
}
