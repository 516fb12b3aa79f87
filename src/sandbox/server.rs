//! Drives the model with sockets and a clock: one listener for each broker, one task for each connection, one for time.
//!
//! A connection is muted from the moment a request is read until its response is written, as a broker does it.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::fault::{Fault, Faults};
use super::model::image::NodeId;
use super::model::pending::{ConnectionId, Effect};
use super::model::time::Time;
use super::model::{CommandError, Input, Model};
use crate::wire::frame::{FrameLength, LENGTH_BYTES};

/// `socket.request.max.bytes`.
const FRAME_BYTES_MAX: usize = 100 << 20;
/// Read at once; a longer frame grows its buffer by as much as has arrived, never by what its length promises.
const READ_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// What the tasks share.
pub(super) struct Server {
    state: Mutex<State>,
    runtime: Handle,
    /// Something is due earlier than the clock's task believes.
    earlier: Notify,
    changed: watch::Sender<u64>,
    began: Instant,
}

pub(super) struct State {
    pub(super) model: Model,
    pub(super) endpoints: BTreeMap<NodeId, Endpoint>,
    outboxes: HashMap<ConnectionId, UnboundedSender<Outgoing>>,
    next_connection: ConnectionId,
    clock_waits_for: Option<Time>,
}

/// Where a broker listens.
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) faults: Faults,
    /// Bound but not listening, for as long as the sandbox lives: nobody else gets the port while the broker is down, and connections are refused.
    _port: Socket,
    is_open: bool,
    acceptor: Option<AbortHandle>,
}

enum Outgoing {
    Frame(Bytes),
    Nothing,
    Close,
}

impl Server {
    pub(super) fn new(model: Model, runtime: Handle) -> Self {
        let state = State { model, endpoints: BTreeMap::new(), outboxes: HashMap::new(), next_connection: 0, clock_waits_for: None };
        Server { state: Mutex::new(state), runtime, earlier: Notify::new(), changed: watch::Sender::new(0), began: Instant::now() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A port for a broker that is about to be.
    pub(super) fn reserve(&self, node: NodeId) -> std::io::Result<SocketAddr> {
        let port = shared_port(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = port.local_addr()?.as_socket().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
        self.state().endpoints.insert(node, Endpoint { address, faults: Faults::default(), _port: port, is_open: false, acceptor: None });
        Ok(address)
    }

    /// Tells the model, and does what it wants done.
    pub(super) fn handle(self: &std::sync::Arc<Self>, input: Input) -> Result<(), CommandError> {
        let mut state = self.state();
        let done = state.model.handle(self.began.elapsed(), input);
        self.perform(&mut state);
        done
    }

    /// Adds a fault, or with `None` clears those that last.
    pub(super) fn inject(self: &std::sync::Arc<Self>, node: NodeId, fault: Option<Fault>) {
        let mut state = self.state();
        if let Some(endpoint) = state.endpoints.get_mut(&node) {
            match fault {
                Some(fault) => endpoint.faults.add(fault),
                None => endpoint.faults = Faults::default(),
            }
            self.open_or_close(node, endpoint);
        }
    }

    /// The clock: wakes the model when something is due.
    pub(super) async fn keep_time(self: std::sync::Arc<Self>) {
        loop {
            let due = {
                let mut state = self.state();
                state.model.advance(self.began.elapsed());
                self.perform(&mut state);
                let due = state.model.next_wakeup();
                state.clock_waits_for = due;
                due
            };
            match due {
                Some(at) => {
                    tokio::select! {
                        () = tokio::time::sleep_until((self.began + at).into()) => {}
                        () = self.earlier.notified() => {}
                    }
                }
                None => self.earlier.notified().await,
            }
        }
    }

    fn perform(self: &std::sync::Arc<Self>, state: &mut State) {
        while let Some(effect) = state.model.next_effect() {
            match effect {
                Effect::Respond { connection, frame } => state.post(connection, Outgoing::Frame(frame)),
                Effect::NoResponse { connection } => state.post(connection, Outgoing::Nothing),
                Effect::Close { connection } => {
                    state.post(connection, Outgoing::Close);
                    state.outboxes.remove(&connection);
                }
                Effect::Listen { node } => self.set_open(state, node, true),
                Effect::Unlisten { node } => self.set_open(state, node, false),
            }
        }
        if state.model.next_wakeup() < state.clock_waits_for || state.clock_waits_for.is_none() {
            self.earlier.notify_one();
        }
        if self.changed.receiver_count() > 0 {
            self.changed.send_replace(state.model.revision());
        }
    }

    fn set_open(self: &std::sync::Arc<Self>, state: &mut State, node: NodeId, open: bool) {
        if let Some(endpoint) = state.endpoints.get_mut(&node) {
            endpoint.is_open = open;
            self.open_or_close(node, endpoint);
        }
    }

    fn open_or_close(self: &std::sync::Arc<Self>, node: NodeId, endpoint: &mut Endpoint) {
        let wanted = endpoint.is_open && !endpoint.faults.refuse;
        if !wanted {
            if let Some(acceptor) = endpoint.acceptor.take() {
                acceptor.abort();
            }
        } else if endpoint.acceptor.is_none() {
            match listen(endpoint.address) {
                Ok(listener) => endpoint.acceptor = Some(self.runtime.spawn(std::sync::Arc::clone(self).accept(node, listener)).abort_handle()),
                Err(error) => tracing::error!(node, address = %endpoint.address, %error, "a sandbox broker cannot listen"),
            }
        }
    }

    async fn accept(self: std::sync::Arc<Self>, node: NodeId, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(node, %error, "a sandbox broker cannot listen"),
        };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => drop(tokio::spawn(std::sync::Arc::clone(&self).serve(node, stream, peer))),
                Err(error) => {
                    tracing::warn!(node, %error, "a sandbox broker cannot accept");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn serve(self: std::sync::Arc<Self>, node: NodeId, mut stream: TcpStream, peer: SocketAddr) {
        let (outbox, mut outgoing) = unbounded_channel();
        let (connection, hangs) = {
            let mut state = self.state();
            state.next_connection += 1;
            let connection = state.next_connection;
            state.outboxes.insert(connection, outbox);
            (connection, state.endpoints.get(&node).is_some_and(|endpoint| endpoint.faults.hang))
        };
        // A command is refused, a connection is not: there is nothing to look at.
        let _never_refused = self.handle(Input::Connected { node, connection, host: format!("/{}", peer.ip()) });
        if hangs {
            while !matches!(outgoing.recv().await, Some(Outgoing::Close) | None) {}
        } else if let Err(error) = self.exchange(node, connection, &mut stream, &mut outgoing).await {
            tracing::debug!(node, connection, %peer, %error, "a sandbox connection ended");
        }
        self.state().outboxes.remove(&connection);
        let _never_refused = self.handle(Input::Disconnected { connection });
    }

    async fn exchange(
        self: &std::sync::Arc<Self>,
        node: NodeId,
        connection: ConnectionId,
        stream: &mut TcpStream,
        outgoing: &mut UnboundedReceiver<Outgoing>,
    ) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = BytesMut::new();
        loop {
            let frame = tokio::select! {
                frame = read_frame(stream, &mut buffer) => frame?,
                // Nothing is due while no request is open: only the end of the connection comes.
                _closed = outgoing.recv() => return Ok(()),
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            let key = frame.get(..2).and_then(|field| field.try_into().ok()).map_or(-1, i16::from_be_bytes);
            if self.faults(node, |faults| faults.on_request(key)).is_some() {
                return reset(stream);
            }
            let _never_refused = self.handle(Input::Request { connection, frame });
            match outgoing.recv().await {
                Some(Outgoing::Frame(response)) => self.respond(node, key, stream, response).await?,
                Some(Outgoing::Nothing) => {}
                Some(Outgoing::Close) | None => return Ok(()),
            }
        }
    }

    async fn respond(&self, node: NodeId, key: i16, stream: &mut TcpStream, response: Bytes) -> std::io::Result<()> {
        let delay = self.faults(node, |faults| faults.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match self.faults(node, |faults| faults.on_response(key)) {
            Some(Fault::ResetInResponse { after, .. }) => {
                stream.write_all(response.get(..after.min(response.len())).unwrap_or_default()).await?;
                reset(stream)
            }
            Some(Fault::DropResponse { .. }) => reset(stream),
            Some(Fault::WrongCorrelationId { .. }) => {
                let mut changed = BytesMut::from(&response[..]);
                if let Some(byte) = changed.get_mut(LENGTH_BYTES + 3) {
                    *byte ^= 0x55;
                }
                stream.write_all(&changed).await
            }
            Some(Fault::Refuse | Fault::AcceptAndHang | Fault::Delay(_) | Fault::ResetOnRequest { .. }) | None => stream.write_all(&response).await,
        }
    }

    fn faults<T: Default>(&self, node: NodeId, look: impl FnOnce(&mut Faults) -> T) -> T {
        self.state().endpoints.get_mut(&node).map(|endpoint| look(&mut endpoint.faults)).unwrap_or_default()
    }
}

impl State {
    fn post(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        if let Some(outbox) = self.outboxes.get(&connection) {
            // The task is gone already: its client left.
            let _gone = outbox.send(outgoing);
        }
    }
}

/// The next frame without its length; `None` at the end of the stream.
async fn read_frame(stream: &mut TcpStream, buffer: &mut BytesMut) -> std::io::Result<Option<Bytes>> {
    loop {
        if let Some(field) = buffer.first_chunk::<LENGTH_BYTES>() {
            match FrameLength::read(*field, FRAME_BYTES_MAX) {
                FrameLength::Bytes(length) if buffer.len() >= LENGTH_BYTES + length => {
                    drop(buffer.split_to(LENGTH_BYTES));
                    return Ok(Some(buffer.split_to(length).freeze()));
                }
                FrameLength::Bytes(_) => {}
                FrameLength::Refused(length) => return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("a frame of {length} bytes"))),
            }
        }
        buffer.reserve(READ_BYTES);
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Lets the close that follows be a reset.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_zero_linger()?;
    Err(std::io::ErrorKind::ConnectionReset.into())
}

/// Bound so that a second socket of this process may listen on the same port.
fn shared_port(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = shared_port(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
