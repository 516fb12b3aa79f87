//! A client that says exactly what it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequest;
use kafka_protocol::messages::metadata_response::MetadataResponse;
use kafka_protocol::protocol::{Decodable, Encodable};
use leeward::protocol::versions;

use crate::leeward::PATIENCE;

pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The next frame without its length field; `None` at the end of the connection, in order or by reset.
    pub(crate) fn frame(&mut self) -> Option<Vec<u8>> {
        let mut field = [0; 4];
        self.0.read_exact(&mut field).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(field) as usize];
        self.0.read_exact(&mut frame).ok()?;
        Some(frame)
    }

    /// Reads until the connection ends, and returns what came.
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => rest,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("the connection did not end: {error}"),
        }
    }

    /// ApiVersions there and back.
    pub(crate) fn hello(&mut self) -> bool {
        self.send(&api_versions(1));
        self.frame().is_some_and(|frame| frame.starts_with(&[0, 0, 0, 1]))
    }

    /// Metadata v7 without topics, there and back: the broker is needed for it.
    pub(crate) fn metadata(&mut self) -> Option<MetadataResponse> {
        self.send(&metadata(2));
        let mut body = Bytes::from(self.frame()?).slice(4..);
        Some(MetadataResponse::decode(&mut body, 7).unwrap())
    }
}

pub(crate) fn api_versions(id: i32) -> Bytes {
    versions::encode_request(3, id, Some("trouble"), Some(("trouble", "1")))
}

pub(crate) fn request(api_key: i16, api_version: i16, id: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(api_key.to_be_bytes());
    frame.extend(api_version.to_be_bytes());
    frame.extend(id.to_be_bytes());
    frame.extend([0, 1, b't']);
    frame.extend(body);
    let length = u32::try_from(frame.len() - 4).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

pub(crate) fn metadata(id: i32) -> Vec<u8> {
    let mut body = BytesMut::new();
    MetadataRequest::default().with_topics(Some(Vec::new())).encode(&mut body, 7).unwrap();
    request(3, 7, id, &body)
}
