//! Accepts clients and deals them to the workers. Everything here is on the control thread and away from the data path.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::worker::{Accepted, WorkerHandle};
use crate::config::Limits;
use crate::telemetry::events::SessionRefused;
use crate::telemetry::{Refusal, WorkerMetrics};

/// Which of Leeward's ports a client came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Bootstrap,
    /// The virtual broker of this node id.
    Node(i32),
}

impl Endpoint {
    /// The node that the endpoint stands for.
    pub fn node_id(self) -> Option<i32> {
        match self {
            Endpoint::Bootstrap => None,
            Endpoint::Node(node_id) => Some(node_id),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Bootstrap => f.write_str("bootstrap"),
            Endpoint::Node(node_id) => write!(f, "node {node_id}"),
        }
    }
}

/// Connections that the kernel keeps until they are accepted: clients of a restarted Leeward all come at once.
const BACKLOG: i32 = 4096;

/// A pause after a failed accept: usually file descriptors are used up, and trying again at once would only burn a core.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The bound ports.
pub struct Listeners {
    bound: HashMap<Endpoint, Bound>,
    gate: Gate,
    dealer: Rc<Dealer>,
}

struct Bound {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Dealer {
    workers: Vec<WorkerHandle>,
    metrics: WorkerMetrics,
}

impl Listeners {
    /// `metrics` are the accepting thread's own.
    pub fn new(workers: &[WorkerHandle], limits: &Limits, metrics: WorkerMetrics) -> Self {
        let dealer = Rc::new(Dealer { workers: workers.to_vec(), metrics });
        Listeners { bound: HashMap::new(), gate: Gate::new(limits), dealer }
    }

    /// Binds `address` and begins to accept; call within a `LocalSet`. An endpoint that is bound already keeps its port.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(&mut self, endpoint: Endpoint, address: SocketAddr) -> io::Result<SocketAddr> {
        if let Some(bound) = self.bound.get(&endpoint) {
            return Ok(bound.address);
        }
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let accepting = tokio::task::spawn_local(accept(listener, endpoint, self.gate.clone(), Rc::clone(&self.dealer)));
        self.bound.insert(endpoint, Bound { address, accepting });
        Ok(address)
    }

    /// Every bound endpoint with its address, the bootstrap first, then by node id.
    pub fn bound(&self) -> Vec<(Endpoint, SocketAddr)> {
        let mut bound: Vec<_> = self.bound.iter().map(|(endpoint, bound)| (*endpoint, bound.address)).collect();
        bound.sort_by_key(|(endpoint, _)| match endpoint {
            Endpoint::Bootstrap => i64::MIN,
            Endpoint::Node(node_id) => i64::from(*node_id),
        });
        bound
    }

    pub fn set_limits(&self, limits: &Limits) {
        self.gate.set_limits(limits);
    }

    /// Closes the ports; sessions go on.
    pub fn stop_accepting(&mut self) {
        for (_, bound) in self.bound.drain() {
            bound.accepting.abort();
        }
    }
}

/// A listening socket. `SO_REUSEADDR` alone: a port that somebody listens on is refused, one whose old connections linger is not.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: TcpListener, endpoint: Endpoint, gate: Gate, dealer: Rc<Dealer>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match gate.admit(peer.ip()) {
                Ok(permit) => dealer.deal(stream, peer, endpoint, permit),
                Err(reason) => SessionRefused { peer: Some(peer), reason, detail: &endpoint }.emit(&dealer.metrics),
            },
            Err(error) => {
                SessionRefused { peer: None, reason: Refusal::AcceptFailed, detail: &error }.emit(&dealer.metrics);
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

impl Dealer {
    /// To the worker with the fewest sessions: connections live long, so an even spread now is an even load later.
    fn deal(&self, stream: TcpStream, peer: SocketAddr, endpoint: Endpoint, permit: Permit) {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.sessions()) else { return };
        // A socket that refuses the option still carries bytes, only later.
        let _ = stream.set_nodelay(true);
        match stream.into_std() {
            Ok(stream) => worker.serve(Accepted { stream, peer, endpoint, permit }),
            Err(error) => tracing::debug!(%peer, %error, "the accepted socket could not be handed over"),
        }
    }
}

/// Bounds the sessions in all and from each address.
#[derive(Clone)]
struct Gate(Arc<Mutex<Places>>);

struct Places {
    sessions_max: usize,
    per_address_max: usize,
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One session's place; given back when dropped.
pub(super) struct Permit {
    gate: Gate,
    address: IpAddr,
}

impl Gate {
    fn new(limits: &Limits) -> Self {
        let (sessions_max, per_address_max) = (limits.sessions_max, limits.sessions_per_address_max);
        Gate(Arc::new(Mutex::new(Places { sessions_max, per_address_max, taken: 0, by_address: HashMap::new() })))
    }

    fn set_limits(&self, limits: &Limits) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (places.sessions_max, places.per_address_max) = (limits.sessions_max, limits.sessions_per_address_max);
    }

    fn admit(&self, address: IpAddr) -> Result<Permit, Refusal> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.taken >= places.sessions_max {
            return Err(Refusal::SessionsMax);
        }
        let max = places.per_address_max;
        let of_address = places.by_address.entry(address).or_insert(0);
        if max > 0 && *of_address >= max {
            return Err(Refusal::SessionsPerAddressMax);
        }
        *of_address += 1;
        places.taken += 1;
        Ok(Permit { gate: self.clone(), address })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut places = self.gate.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.taken -= 1;
        if let Some(of_address) = places.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                places.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let gate = Gate(Arc::new(Mutex::new(Places { sessions_max: 3, per_address_max: 2, taken: 0, by_address: HashMap::new() })));
        let first = gate.admit(a).ok().unwrap();
        let _second = gate.admit(a).ok().unwrap();
        assert_eq!(gate.admit(a).err(), Some(Refusal::SessionsPerAddressMax));
        let _third = gate.admit(b).ok().unwrap();
        assert_eq!(gate.admit(b).err(), Some(Refusal::SessionsMax));
        drop(first);
        assert!(gate.admit(a).is_ok());
    }
}
