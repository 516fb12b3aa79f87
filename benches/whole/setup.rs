//! Blocking connections, for what happens before or beside the measured load.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use kafka_protocol::messages::{MetadataResponse, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use crate::Result;
use crate::frames::{self, Request};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// An answer that takes longer will not come.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn connect(target: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target, CONNECT_TIMEOUT).map_err(|error| format!("cannot connect to {target}: {error}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(stream)
}

/// Sends one request and returns its answer without the size.
pub(crate) fn ask(stream: &mut TcpStream, request: &Request, correlation_id: u32) -> Result<Vec<u8>> {
    let peer = stream.peer_addr()?;
    let failed = |error: std::io::Error| format!("no answer from {peer}: {error}");
    stream.write_all(&request.frame(correlation_id)).map_err(failed)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).map_err(failed)?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).map_err(failed)?;
    match answer.first_chunk() {
        Some(id) if u32::from_be_bytes(*id) == correlation_id => Ok(answer),
        Some(_) | None => Err(format!("{peer} answered with another correlation id").into()),
    }
}

/// Where the one broker of the cluster is, as the cluster says at its bootstrap endpoint.
pub(crate) fn learn_broker(bootstrap: SocketAddr) -> Result<SocketAddr> {
    let mut stream = connect(bootstrap)?;
    ask(&mut stream, &frames::api_versions()?, 1)?;
    let mut answer = bytes::Bytes::from(ask(&mut stream, &frames::metadata()?, 2)?);
    ResponseHeader::decode(&mut answer, MetadataResponse::header_version(frames::METADATA))?;
    let metadata = MetadataResponse::decode(&mut answer, frames::METADATA)?;
    let broker = metadata.brokers.iter().find(|broker| broker.node_id.0 == frames::NODE_ID).ok_or("the broker is missing in the metadata")?;
    Ok(SocketAddr::new(broker.host.as_str().parse()?, u16::try_from(broker.port)?))
}
