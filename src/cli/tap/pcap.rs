//! A file for Wireshark: classic pcap with raw IP packets, made up around frames as they passed.
//!
//! Each client's connection begins with a handshake, so that its sequence numbers are known; then each request and its answer follow as segments, numbered by
//! the bytes before them. Of a frame that was cut the rest is there by its length alone, as in a capture with a limit on each packet.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Timestamp;

use crate::admin::tap::{TapFrame, TapRequest};

/// The format: microseconds, version 2.4 (draft-ietf-opsawg-pcap).
const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: (u16, u16) = (2, 4);
/// Packets begin with their IP header.
const LINKTYPE_RAW: u32 = 101;
const PACKET_BYTES_MAX: u32 = 0x0004_0000;

/// Data of one segment: with both headers below the 65,535 bytes of an IPv4 packet.
const SEGMENT_BYTES: usize = 32 << 10;

const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

const TCP: u8 = 6;
const TCP_HEAD_BYTES: usize = 20;
const IPV4_HEAD_BYTES: usize = 20;

/// The file, as far as it is written.
#[derive(Debug)]
pub(super) struct Capture<W> {
    out: W,
    connections: HashMap<(SocketAddr, SocketAddr), Connection>,
    /// Connections that ended; their ports may come again.
    requests: u64,
    without_frame: u64,
    ports: Vec<u16>,
}

/// Bytes that either side has sent.
#[derive(Debug, Clone, Copy)]
struct Connection {
    client: u32,
    server: u32,
}

/// One direction of a connection.
struct Way {
    from: SocketAddr,
    to: SocketAddr,
    sequence: u32,
    acknowledged: u32,
}

impl<W: Write> Capture<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        let mut head = Vec::new();
        head.extend(MAGIC.to_le_bytes());
        head.extend(VERSION.0.to_le_bytes());
        head.extend(VERSION.1.to_le_bytes());
        head.extend([0; 8]);
        head.extend(PACKET_BYTES_MAX.to_le_bytes());
        head.extend(LINKTYPE_RAW.to_le_bytes());
        out.write_all(&head)?;
        Ok(Capture { out, connections: HashMap::new(), requests: 0, without_frame: 0, ports: Vec::new() })
    }

    /// Adds a request and its answer, where they have frames.
    pub(super) fn add(&mut self, request: &TapRequest) -> io::Result<()> {
        let Some(asked) = &request.request_frame else {
            self.without_frame += 1;
            return Ok(());
        };
        self.requests += 1;
        let (client, server) = ends(request);
        if !self.ports.contains(&server.port()) {
            self.ports.push(server.port());
        }
        let ended = request.at.parse::<Timestamp>().map_or(0, Timestamp::as_microsecond).max(0).cast_unsigned();
        let began = ended.saturating_sub(request.micros);
        let mut connection = match self.connections.get(&(client, server)) {
            Some(connection) => *connection,
            None => self.begin(client, server, began)?,
        };
        let way = Way { from: client, to: server, sequence: connection.client, acknowledged: connection.server };
        connection.client = self.frame(way, asked, began)?;
        if let Some(answered) = request.response_frame.as_ref().filter(|_| request.end == "answered") {
            let way = Way { from: server, to: client, sequence: connection.server, acknowledged: connection.client };
            connection.server = self.frame(way, answered, ended)?;
        }
        self.connections.insert((client, server), connection);
        Ok(())
    }

    /// What is in the file, and how to look at it.
    pub(super) fn summary(&self) -> String {
        let decode: Vec<_> = self.ports.iter().map(|port| format!("-d tcp.port=={port},kafka")).collect();
        let without = if self.without_frame > 0 { format!(", {} without, since they may hold secrets", self.without_frame) } else { String::new() };
        format!("{} requests with their frames{without}; open it with: wireshark {} FILE", self.requests, decode.join(" "))
    }

    /// The handshake of a connection.
    fn begin(&mut self, client: SocketAddr, server: SocketAddr, at: u64) -> io::Result<Connection> {
        self.packet(&Way { from: client, to: server, sequence: 0, acknowledged: 0 }, SYN, &[], 0, at)?;
        self.packet(&Way { from: server, to: client, sequence: 0, acknowledged: 1 }, SYN | ACK, &[], 0, at)?;
        self.packet(&Way { from: client, to: server, sequence: 1, acknowledged: 1 }, ACK, &[], 0, at)?;
        Ok(Connection { client: 1, server: 1 })
    }

    /// The segments of one frame; gives the number of the byte behind it.
    fn frame(&mut self, mut way: Way, frame: &TapFrame, at: u64) -> io::Result<u32> {
        let there = bytes(&frame.hex);
        let mut from = 0;
        while from < frame.bytes {
            let to = (from + SEGMENT_BYTES).min(frame.bytes);
            let known = there.get(from..to.min(there.len())).unwrap_or_default();
            let flags = if to == frame.bytes { PSH | ACK } else { ACK };
            self.packet(&way, flags, known, to - from, at)?;
            way.sequence = way.sequence.wrapping_add(wide(to - from));
            from = to;
        }
        Ok(way.sequence)
    }

    /// One packet with `length` bytes of data, of which `data` is there.
    fn packet(&mut self, way: &Way, flags: u8, data: &[u8], length: usize, at: u64) -> io::Result<()> {
        let tcp = tcp(way, flags, data, length);
        let ip = ip(way, tcp.len() + length);
        let captured = ip.len() + tcp.len() + data.len();
        let mut packet = Vec::with_capacity(16 + captured);
        packet.extend(wide_seconds(at).to_le_bytes());
        packet.extend(u32::try_from(at % 1_000_000).unwrap_or(0).to_le_bytes());
        packet.extend(wide(captured).to_le_bytes());
        packet.extend(wide(ip.len() + tcp.len() + length).to_le_bytes());
        packet.extend(ip);
        packet.extend(tcp);
        packet.extend(data);
        self.out.write_all(&packet)
    }
}

/// Client and server, of the same family.
fn ends(request: &TapRequest) -> (SocketAddr, SocketAddr) {
    let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let client = request.peer.parse().map_or(nobody, plain);
    let server = request.local.as_deref().and_then(|local| local.parse().ok()).map_or(nobody, plain);
    (client, server)
}

fn tcp(way: &Way, flags: u8, data: &[u8], length: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(TCP_HEAD_BYTES);
    head.extend(way.from.port().to_be_bytes());
    head.extend(way.to.port().to_be_bytes());
    head.extend(way.sequence.to_be_bytes());
    head.extend(way.acknowledged.to_be_bytes());
    // Five words of header, and a window that is always open.
    head.extend([5 << 4, flags, 0xff, 0xff]);
    let mut sum = Sum::default();
    sum.address(way.from.ip());
    sum.address(way.to.ip());
    sum.word(u16::from(TCP));
    sum.long(wide(TCP_HEAD_BYTES + length));
    sum.bytes(&head);
    // What is not there counts as zeros.
    sum.bytes(data);
    head.extend(sum.complement().to_be_bytes());
    head.extend([0, 0]);
    head
}

fn ip(way: &Way, payload: usize) -> Vec<u8> {
    match (way.from.ip(), way.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut head = vec![0x45, 0];
            head.extend(short(IPV4_HEAD_BYTES + payload).to_be_bytes());
            // No identification, may not be divided, 64 hops.
            head.extend([0, 0, 0x40, 0, 64, TCP]);
            let mut sum = Sum::default();
            sum.bytes(&head);
            sum.bytes(&from.octets());
            sum.bytes(&to.octets());
            head.extend(sum.complement().to_be_bytes());
            head.extend(from.octets());
            head.extend(to.octets());
            head
        }
        (from, to) => {
            let mut head = vec![0x60, 0, 0, 0];
            head.extend(short(payload).to_be_bytes());
            head.extend([TCP, 64]);
            head.extend(sixteen(from));
            head.extend(sixteen(to));
            head
        }
    }
}

fn sixteen(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The Internet's checksum (RFC 1071).
#[derive(Debug, Default)]
struct Sum(u64);

impl Sum {
    fn word(&mut self, word: u16) {
        self.0 += u64::from(word);
    }

    fn long(&mut self, long: u32) {
        self.0 += u64::from(long >> 16) + u64::from(long & 0xffff);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<2>();
        words.iter().for_each(|word| self.word(u16::from_be_bytes(*word)));
        rest.iter().for_each(|byte| self.word(u16::from_be_bytes([*byte, 0])));
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.bytes(&address.octets()),
            IpAddr::V6(address) => self.bytes(&address.octets()),
        }
    }

    fn complement(&self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap_or(0)
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let (pairs, _) = hex.as_bytes().as_chunks::<2>();
    pairs.iter().filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn wide(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn wide_seconds(micros: u64) -> u32 {
    u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX)
}
