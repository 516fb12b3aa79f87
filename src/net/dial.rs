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
