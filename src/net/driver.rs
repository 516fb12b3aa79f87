//! Carries one session: reads, lets the [`Session`] decide, writes; until neither side has anything more to give.
//!
//! It is one hand-written poll over both sockets: there is one waker, a short read is known to have emptied the socket, and a buffer is borrowed only
//! between a read and the end of its write. A side is read only when everything read before has been written, so the peer's own TCP window is the
//! backpressure. It takes any byte stream; TLS will be one.

mod deadlines;
mod detours;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Sleep, timeout};
use tokio_util::io::poll_read_buf;

use super::dial::DialError;
use super::linger::linger;
use super::listeners::Endpoint;
use super::pool::Buffer;
use super::worker::{Learned, WorkerContext};
use crate::session::outbox::Queue;
use crate::session::{Close, CloseCause, Moment, Observer, Outbox, Pause, Session, Waiting, WayHome};
use crate::tap::Delivery;
use crate::telemetry::{Side, WorkerMetrics};
use detours::Links;

/// Rounds of reading and writing before the other sessions of the thread get their turn.
const ROUNDS_MAX: usize = 16;

/// Pieces in one vectored write.
const PIECES_PER_WRITE: usize = 16;

/// How long a session that ends tries to hand its client the answers that it has for it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A connection, and the node id of the broker that it leads to; `None`: an address of which it is not known whose it is.
pub(super) type Dialing<H> = Pin<Box<dyn Future<Output = Result<(H, Option<i32>), DialError>>>>;

/// Opens the connection to the broker behind an endpoint.
pub(super) type Dial<H> = fn(&Rc<WorkerContext>, Endpoint) -> Dialing<H>;

/// A client's connection.
pub(super) trait ClientStream: AsyncRead + AsyncWrite + Unpin {
    /// Whether the client has ended its sending, though what it sent before may not have been read: reading pauses at a bound, and then tells nothing.
    fn has_left(&self, cx: &mut Context<'_>) -> bool;

    /// The address at which the client came in, where there is one.
    fn local(&self) -> Option<SocketAddr> {
        None
    }
}

impl ClientStream for TcpStream {
    fn has_left(&self, cx: &mut Context<'_>) -> bool {
        matches!(pin!(self.ready(Interest::READABLE)).poll(cx), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }

    fn local(&self) -> Option<SocketAddr> {
        self.local_addr().ok()
    }
}

enum Home<H> {
    /// No request has needed it yet.
    Idle,
    Dialing(Dialing<H>),
    Up(H),
}

/// Moments at which a peer began not to take bytes; 0: it takes them.
#[derive(Default)]
struct Stuck {
    client: u64,
    home: u64,
}

/// One client's connection with everything that belongs to it.
pub(super) struct Driver<C, H> {
    context: Rc<WorkerContext>,
    dial: Dial<H>,
    session: Session,
    outbox: Outbox,
    client: C,
    home: Home<H>,
    /// Whose connection the home is while it is up.
    home_node: Option<i32>,
    from_client: Buffer,
    from_home: Buffer,
    client_ended: bool,
    /// The home takes no bytes any more; what it has sent is still read.
    home_broken: bool,
    links: Links<H>,
    /// When leaders were asked for last.
    asked: u64,
    learning: Option<oneshot::Receiver<Learned>>,
    accepted: u64,
    /// When bytes last came or went.
    active: u64,
    stuck: Stuck,
    timer: Option<Pin<Box<Sleep>>>,
    timer_at: u64,
    /// Requests and bytes in flight as last told to the metrics.
    told: (usize, usize),
    /// The same for what is held.
    told_held: (usize, usize),
    /// Bytes of a response that is waited for as a whole, as far as the other sessions of the thread know.
    told_gathered: usize,
    /// Bytes that were read from the client and written to it.
    client_bytes: (u64, u64),
}

impl<C, H> Driver<C, H>
where
    C: ClientStream + 'static,
    H: AsyncRead + AsyncWrite + Unpin + 'static,
{
    pub(super) fn new(context: Rc<WorkerContext>, endpoint: Endpoint, client: C, dial: Dial<H>) -> Self {
        let now = context.now();
        Driver {
            context,
            dial,
            session: Session::new(endpoint.node_id(), fastrand::u64(..)),
            outbox: Outbox::default(),
            client,
            home: Home::Idle,
            home_node: None,
            from_client: Buffer::default(),
            from_home: Buffer::default(),
            client_ended: false,
            home_broken: false,
            links: Links::default(),
            asked: 0,
            learning: None,
            accepted: now,
            active: now,
            stuck: Stuck::default(),
            timer: None,
            timer_at: 0,
            told: (0, 0),
            told_held: (0, 0),
            told_gathered: 0,
            client_bytes: (0, 0),
        }
    }

    /// Goes on as far as the sockets allow. Ready when the session has to end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Close> {
        match self.advance(cx) {
            Ok(()) => Poll::Pending,
            Err(close) => Poll::Ready(close),
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Whose connection the home is, where that is known; `None` while it is not up.
    pub(super) fn home_node(&self) -> Option<i32> {
        self.home_node.filter(|_| matches!(self.home, Home::Up(_)))
    }

    /// Bytes that were read from the client and written to it.
    pub(super) fn client_bytes(&self) -> (u64, u64) {
        self.client_bytes
    }

    /// Since the client was accepted.
    pub(super) fn lasted(&self) -> Duration {
        Duration::from_nanos(self.context.now().saturating_sub(self.accepted))
    }

    /// Hands requests that somebody listens to, and that are over, to those who do; `ends`: the session does, so that nothing more is answered.
    pub(super) fn tell_tapped(&mut self, peer: SocketAddr, ends: bool) {
        if ends {
            self.decide(|session, moment, _| session.abandon(moment));
        }
        if !self.session.has_tapped() {
            return;
        }
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at_micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        let (local, node_id, home) = (self.client.local(), self.session.node_id(), self.home_node());
        for tapped in self.session.take_tapped() {
            tapped.deliver(Delivery { at_micros, peer, local, node_id, home });
        }
    }

    /// Gives everything back. What the peers are still owed is written, and the sockets are closed so that it reaches them.
    pub(super) async fn finish(mut self, cause: CloseCause) {
        self.decide(|session, moment, _| session.abandon(moment));
        self.from_client.bytes.clear();
        self.from_home.bytes.clear();
        self.outbox.home_bytes_needed = 0;
        self.close_links();
        self.settle_buffers();
        self.tell_held();
        let (requests, bytes) = self.told;
        self.context.metrics.in_flight(-signed(requests), -signed(bytes));
        let client_is_gone = matches!(cause, CloseCause::ClientClosed | CloseCause::ClientReset | CloseCause::ClientStalled);
        if matches!(self.home, Home::Up(_)) {
            self.context.metrics.upstream_closed();
            self.context.metrics.home_closed(self.home_node);
        }
        let end_home = async {
            // The broker may still be at work on what it got, acks=0 included: a reset would make it throw that away.
            if let Home::Up(home) = self.home
                && (client_is_gone || cause == CloseCause::Shutdown)
            {
                linger(home).await;
            }
        };
        let end_client = async {
            if !client_is_gone {
                write_and_linger(self.client, self.outbox.to_client).await;
            }
        };
        tokio::join!(end_home, end_client);
    }

    fn advance(&mut self, cx: &mut Context<'_>) -> Result<(), Close> {
        if self.session.is_sheltering() {
            // What is held for a client that has left is dropped: it will send it again by itself, and a late write would be a duplicate.
            if !self.session.is_silent_producer() && self.client.has_left(cx) {
                return Err(self.client_left());
            }
            self.decide(Session::pump);
        }
        for round in 0..ROUNDS_MAX {
            let mut moved = self.poll_dial(cx)?;
            moved |= self.poll_learning(cx)?;
            moved |= self.home_to_client(cx)?;
            moved |= self.client_to_home(cx)?;
            moved |= self.poll_links(cx);
            if let Some(doom) = self.session.take_doom() {
                return Err(doom);
            }
            if !moved && !self.outbox.dial {
                self.settle_buffers();
                self.tell_in_flight();
                self.tell_held();
                self.check_end()?;
                self.tell_interest();
                return self.check_deadlines(cx, round == 0);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn poll_dial(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        if std::mem::take(&mut self.outbox.dial) {
            let endpoint = self.session.home_node().map_or(Endpoint::Bootstrap, Endpoint::Node);
            self.home = Home::Dialing((self.dial)(&self.context, endpoint));
        }
        let Home::Dialing(dialing) = &mut self.home else { return Ok(false) };
        match dialing.as_mut().poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok((stream, node_id))) => {
                self.context.metrics.upstream_opened();
                self.context.metrics.home_opened(node_id);
                (self.home, self.home_node) = (Home::Up(stream), node_id);
                self.decide(|session, moment, _| session.home_up(moment));
                Ok(true)
            }
            Poll::Ready(Err(error)) => self.lose_home(Close::new(CloseCause::BrokerUnreachable, error.to_string())),
        }
    }

    /// The home is gone. Ok(true): the session goes on without it.
    fn lose_home(&mut self, close: Close) -> Result<bool, Close> {
        let unwritten = match self.home {
            // Not even what a socket would have taken.
            Home::Idle | Home::Dialing(_) => usize::MAX,
            Home::Up(_) => self.outbox.to_home.len(),
        };
        self.context.metrics.sent(self.home_node, &self.session.take_lost_departures(unwritten));
        self.drop_home();
        self.decide(|session, moment, outbox| session.home_lost(unwritten, close, moment, outbox))?;
        Ok(true)
    }

    /// Lets the session decide something, with all that it sees of the world now.
    fn decide<R>(&mut self, decision: impl FnOnce(&mut Session, &Moment<'_, WorkerMetrics>, &mut Outbox) -> R) -> R {
        let (view, leaders, policy) = (self.context.view.borrow(), self.context.leaders.borrow(), self.context.policy.borrow());
        let limits = self.context.limits.borrow();
        let moment = Moment {
            now: self.context.now(),
            view: &view,
            leaders: &leaders,
            policy: &policy,
            observer: &*self.context.metrics,
            limits: &limits.session,
            held_bytes: self.context.held_bytes.get(),
        };
        decision(&mut self.session, &moment, &mut self.outbox)
    }

    fn poll_learning(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        if self.session.waiting() == Some(Waiting::Offer) {
            if self.context.view.borrow().offer.is_none() {
                return Ok(false);
            }
            self.session.view_changed();
            return Ok(true);
        }
        let Some(learning) = &mut self.learning else { return Ok(false) };
        let Poll::Ready(learned) = Pin::new(learning).poll(cx) else { return Ok(false) };
        self.learning = None;
        if let Ok(Learned(view)) = learned {
            self.context.set_view(view);
        }
        self.session.learned();
        self.understand_home()?;
        Ok(true)
    }

    fn home_to_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        if !self.flush_client(cx)? {
            return Ok(false);
        }
        if self.session.was_home_blocked() {
            self.understand_home()?;
        }
        let Home::Up(home) = &mut self.home else { return Ok(false) };
        if self.session.waiting() == Some(Waiting::Learning) || self.session.is_home_blocked() {
            return Ok(false);
        }
        self.from_home.make_room(&mut self.context.pool.borrow_mut(), self.outbox.home_bytes_needed);
        match poll_read_buf(Pin::new(home), cx, &mut self.from_home.bytes) {
            Poll::Pending if self.home_broken => self.lose_home(Close::new(CloseCause::BrokerReset, "it takes no more bytes")),
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => {
                let detail = format!("{} requests unanswered", self.session.requests_in_flight());
                self.lose_home(Close::new(CloseCause::BrokerClosed, detail))
            }
            Poll::Ready(Ok(n)) => {
                self.active = self.context.now();
                self.context.metrics.read(Side::Broker, n);
                self.context.metrics.received(self.home_node, n);
                self.understand_home()?;
                self.flush_client(cx)?;
                Ok(true)
            }
            Poll::Ready(Err(error)) => self.lose_home(Close::new(CloseCause::BrokerReset, error.to_string())),
        }
    }

    fn client_to_home(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        if !self.flush_home(cx)? {
            return Ok(false);
        }
        let before = self.from_client.bytes.len();
        let mut moved = false;
        if before > 0 {
            self.understand_client()?;
            moved = self.from_client.bytes.len() != before;
            if !self.flush_home(cx)? {
                return Ok(moved);
            }
        }
        if self.client_ended || !self.wants_client_bytes() {
            return Ok(moved);
        }
        self.from_client.make_room(&mut self.context.pool.borrow_mut(), self.outbox.client_bytes_needed);
        match poll_read_buf(Pin::new(&mut self.client), cx, &mut self.from_client.bytes) {
            Poll::Pending => {
                if self.from_client.bytes.is_empty() {
                    self.session.client_is_drained();
                }
                Ok(moved)
            }
            Poll::Ready(Ok(0)) => {
                self.client_ended = true;
                Ok(true)
            }
            Poll::Ready(Ok(n)) => {
                self.active = self.context.now();
                self.context.metrics.read(Side::Client, n);
                self.client_bytes.0 += n as u64;
                self.understand_client()?;
                self.flush_home(cx)?;
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(Close::new(CloseCause::ClientReset, error.to_string())),
        }
    }

    /// A client that does not take its answers is not read. A session that is being drained reads only the rest of a request that has begun to pass.
    fn wants_client_bytes(&mut self) -> bool {
        if !self.outbox.to_client.is_empty() {
            return false;
        }
        if self.session.is_mid_request() {
            return true;
        }
        !self.context.draining.get() && self.decide(|session, moment, _| session.takes_requests(moment))
    }

    fn understand_client(&mut self) -> Result<(), Close> {
        let mut buffer = std::mem::take(&mut self.from_client.bytes);
        let understood = self.decide(|session, moment, outbox| session.on_client_bytes(&mut buffer, moment, outbox));
        self.from_client.bytes = buffer;
        understood?;
        Ok(())
    }

    fn understand_home(&mut self) -> Result<(), Close> {
        let mut buffer = std::mem::take(&mut self.from_home.bytes);
        let understood = self.decide(|session, moment, outbox| session.on_home_bytes(&mut buffer, moment, outbox));
        self.from_home.bytes = buffer;
        understood?;
        if !self.outbox.learn.is_empty() {
            let nodes = std::mem::take(&mut self.outbox.learn);
            let must_wait = self.session.waiting() == Some(Waiting::Learning);
            self.learning = self.context.learn(nodes, must_wait);
        }
        Ok(())
    }

    /// Ok(true): nothing is left to write.
    fn flush_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        while !self.outbox.to_client.is_empty() {
            match poll_write_queue(&mut self.client, cx, &self.outbox.to_client) {
                Poll::Pending => {
                    if self.stuck.client == 0 {
                        self.stuck.client = self.context.now();
                    }
                    return Ok(false);
                }
                Poll::Ready(Ok(n)) => {
                    self.active = self.context.now();
                    self.context.metrics.write(Side::Client, n);
                    self.client_bytes.1 += n as u64;
                    self.stuck.client = 0;
                    self.outbox.to_client.advance(n);
                }
                Poll::Ready(Err(error)) => return Err(Close::new(CloseCause::ClientReset, error.to_string())),
            }
        }
        Ok(true)
    }

    /// Ok(true): nothing is left to write.
    fn flush_home(&mut self, cx: &mut Context<'_>) -> Result<bool, Close> {
        if self.outbox.to_home.is_empty() {
            return Ok(true);
        }
        let Home::Up(home) = &mut self.home else { return Ok(false) };
        if self.home_broken {
            return Ok(false);
        }
        while !self.outbox.to_home.is_empty() {
            match poll_write_queue(home, cx, &self.outbox.to_home) {
                Poll::Pending => {
                    if self.stuck.home == 0 {
                        self.stuck.home = self.context.now();
                        self.context.metrics.paused(Pause::BrokerBusy);
                    }
                    return Ok(false);
                }
                Poll::Ready(Ok(n)) => {
                    self.context.metrics.write(Side::Broker, n);
                    self.stuck.home = 0;
                    self.outbox.to_home.advance(n);
                }
                Poll::Ready(Err(_)) => {
                    // What it answered before it went is still to be read.
                    self.home_broken = true;
                    cx.waker().wake_by_ref();
                    return Ok(false);
                }
            }
        }
        self.session.sent(self.context.now());
        self.context.metrics.sent(self.home_node, &self.session.take_departures());
        Ok(true)
    }

    fn settle_buffers(&mut self) {
        let pool = &mut *self.context.pool.borrow_mut();
        self.from_client.settle(pool);
        self.from_home.settle(pool);
        self.links.settle(pool);
        let (out, free) = pool.counts();
        self.context.metrics.buffers(out, free);
    }

    fn tell_in_flight(&mut self) {
        let is = (self.session.requests_in_flight(), self.session.bytes_in_flight());
        if is != self.told {
            self.context.metrics.in_flight(signed(is.0) - signed(self.told.0), signed(is.1) - signed(self.told.1));
            self.told = is;
        }
    }

    fn check_end(&mut self) -> Result<(), Close> {
        let nothing_to_write = self.outbox.to_client.is_empty() && self.outbox.to_home.is_empty();
        if self.client_ended && self.outbox.to_home.is_empty() && !self.has_silent_work() {
            return Err(self.client_left());
        }
        if self.context.draining.get() && nothing_to_write && self.session.is_at_rest() {
            return Err(Close::new(CloseCause::Shutdown, "nothing was in flight"));
        }
        if !self.context.policy.borrow().avoided.is_empty() && matches!(self.home, Home::Up(_)) {
            let is_idle = self.outbox.to_home.is_empty();
            if self.decide(|session, moment, _| session.leaves_home(is_idle, moment)) {
                self.drop_home();
            }
        }
        if self.session.is_away_from_home() {
            return self.go_home(nothing_to_write && self.from_client.bytes.is_empty());
        }
        Ok(())
    }

    /// Another broker stood in for the home's, which may be back.
    fn go_home(&mut self, is_idle: bool) -> Result<(), Close> {
        match self.decide(|session, moment, _| session.way_home(is_idle, moment)) {
            WayHome::Stay => Ok(()),
            WayHome::Leave(close) => Err(close),
            WayHome::Redial => {
                self.drop_home();
                Ok(())
            }
        }
    }

    fn drop_home(&mut self) {
        if matches!(self.home, Home::Up(_)) {
            self.context.metrics.upstream_closed();
            self.context.metrics.home_closed(self.home_node);
        }
        self.home = Home::Idle;
        self.home_broken = false;
        self.stuck.home = 0;
        self.from_home.bytes.clear();
    }

    fn client_left(&self) -> Close {
        Close::new(CloseCause::ClientClosed, format!("{} requests unanswered", self.session.requests_in_flight()))
    }

    /// Whether records of a producer without acks are still on their way: it has left believing that they are there, and nobody will send them again.
    fn has_silent_work(&mut self) -> bool {
        // Without any of that, bytes that are left are a request of which the rest will never come.
        self.session.is_silent_producer()
            && !self.session.is_mid_request()
            && (!self.session.is_at_rest() || !self.decide(|session, moment, _| session.takes_requests(moment)))
    }
}

async fn write_and_linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, mut queue: Queue) {
    let written = timeout(LAST_WORDS, async {
        while !queue.is_empty() {
            match std::future::poll_fn(|cx| poll_write_queue(&mut stream, cx, &queue)).await {
                Ok(n) => queue.advance(n),
                Err(_) => return false,
            }
        }
        true
    });
    if written.await == Ok(true) {
        linger(stream).await;
    }
}

fn poll_write_queue<S: AsyncWrite + Unpin>(stream: &mut S, cx: &mut Context<'_>, queue: &Queue) -> Poll<io::Result<usize>> {
    let mut pieces = queue.pieces();
    let first = pieces.next().map_or(&[][..], |piece| piece);
    let written = match pieces.next() {
        None => ready!(Pin::new(stream).poll_write(cx, first))?,
        Some(second) => {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            let pieces = [first, second].into_iter().chain(pieces.map(|piece| &**piece));
            let mut used = 0;
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                *slice = IoSlice::new(piece);
                used += 1;
            }
            ready!(Pin::new(stream).poll_write_vectored(cx, slices.get(..used).unwrap_or_default()))?
        }
    };
    if written == 0 { Poll::Ready(Err(io::ErrorKind::WriteZero.into())) } else { Poll::Ready(Ok(written)) }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
