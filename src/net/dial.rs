//! Connecting to a broker: a short time for each address, then the next one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::config::HostPort;

/// Addresses tried for one connection: with the connect timeout of each, a client learns within seconds that there is no way.
const ADDRESSES_MAX: usize = 5;

/// No address accepted a connection.
#[derive(Debug, thiserror::Error)]
#[error("no connection to {tried}: {last}")]
pub struct DialError {
    /// The addresses that were tried, for the log.
    pub tried: String,
    pub last: io::Error,
}

/// Connects to the first of `targets` that accepts, each of its addresses in turn; `failed` hears of every one that does not.
///
/// # Errors
/// What the last address said, when none accepted.
pub async fn dial(targets: Vec<HostPort>, connect_timeout: Duration, failed: impl Fn(&HostPort, &io::Error)) -> Result<(TcpStream, HostPort), DialError> {
    let mut tried = Vec::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "no broker is known");
    for target in targets {
        let addresses = match resolve(&target, connect_timeout).await {
            Ok(addresses) => addresses,
            Err(error) => {
                tried.push(target.to_string());
                failed(&target, &error);
                last = error;
                continue;
            }
        };
        for address in addresses {
            if tried.len() >= ADDRESSES_MAX {
                break;
            }
            tried.push(address.to_string());
            let connected = timeout(connect_timeout, TcpStream::connect(address)).await;
            match connected.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("not accepted within {connect_timeout:?}")))) {
                Ok(stream) => {
                    // A socket that refuses the option still carries bytes, only later.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, target));
                }
                Err(error) => {
                    failed(&target, &error);
                    last = error;
                }
            }
        }
    }
    Err(DialError { tried: tried.join(", "), last })
}

async fn resolve(target: &HostPort, limit: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = target.host.parse() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    match timeout(limit, lookup_host((target.host.as_str(), target.port))).await {
        Ok(found) => Ok(found?.collect()),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{} was not resolved within {limit:?}", target.host))),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn at(address: SocketAddr) -> HostPort {
        HostPort { host: address.ip().to_string(), port: address.port() }
    }

    /// A port that neither accepts nor refuses: its queue of one is full. The streams keep it so.
    fn hanging() -> (Socket, SocketAddr, Vec<Socket>) {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let queued = (0..8)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                let _ = socket.connect(&address.into());
                socket
            })
            .collect();
        (listener, address, queued)
    }

    #[tokio::test]
    async fn an_address_that_refuses_or_hangs_gives_way_to_the_next() {
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (_listener, hanging, _queued) = hanging();
        let failed = RefCell::new(Vec::new());
        let targets = vec![at(refusing), at(hanging), at(good.local_addr().unwrap())];
        let note = |address: &HostPort, error: &io::Error| failed.borrow_mut().push((address.port, error.kind()));
        let (stream, _) = dial(targets, Duration::from_millis(300), note).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
        assert_eq!(*failed.borrow(), [(refusing.port(), io::ErrorKind::ConnectionRefused), (hanging.port(), io::ErrorKind::TimedOut)]);
    }

    #[tokio::test]
    async fn when_none_accepts_the_error_names_them_all() {
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let unnamed = HostPort { host: "no-such-host.invalid".to_owned(), port: 9092 };
        let error = dial(vec![unnamed, at(refusing)], Duration::from_secs(5), |_, _| {}).await.unwrap_err();
        assert!(error.to_string().contains("no-such-host.invalid:9092") && error.to_string().contains(&refusing.to_string()), "{error}");
        assert!(dial(Vec::new(), Duration::from_secs(1), |_, _| {}).await.unwrap_err().to_string().contains("no broker is known"));
    }
}
