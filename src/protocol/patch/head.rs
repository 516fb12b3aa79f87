//! Metadata, FindCoordinator and DescribeCluster: addresses at the front of the response.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Addresses, HEAD_BYTES_MAX, NodeAddress, PatchError, last_version};
use crate::protocol::put::put_string;
use crate::wire::{Cursor, WireError, api, frame::LENGTH_BYTES};

/// What to do with a response that names brokers at its front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// More bytes are needed: at least so many in all, from the frame's start. Never beyond the frame.
    Need(usize),
    /// Nodes that have no virtual broker yet, each once: learn them and ask again.
    Unknown(Vec<NodeAddress>),
    /// The first `taken` bytes of the frame (length field included) are replaced by `with`, which carries the new length; the rest passes untouched.
    Replace {
        taken: usize,
        with: Bytes,
        /// Every node that was named, once, with the address that the broker gave, so that a changed address can be followed.
        named: Vec<NodeAddress>,
    },
}

/// Rewrites the head of a response. `frame` is what has arrived of the frame, its length field included; `length` is what that field says.
///
/// The whole head is needed, and for FindCoordinator the whole frame.
///
/// # Errors
/// The response cannot be passed on, see [`PatchError`].
pub fn head(api_key: i16, api_version: i16, frame: &[u8], length: usize, addresses: &dyn Addresses) -> Result<Head, PatchError> {
    let end = LENGTH_BYTES.saturating_add(length);
    let frame = frame.get(..end).unwrap_or(frame);
    let mut scan = Scan { cursor: Cursor::new(frame), end, version: api_version, flexible: is_flexible(api_key, api_version)?, at_least: 0, found: Vec::new() };
    let scanned = match api_key {
        api::METADATA => scan.metadata(),
        api::DESCRIBE_CLUSTER => scan.describe_cluster(),
        _ => scan.find_coordinator(),
    };
    match scanned {
        Ok(()) => replace(frame, length, &scan, addresses),
        Err(PatchError::Malformed(WireError::Truncated { needed, .. })) => need(needed.max(scan.at_least), end),
        Err(error) => Err(error),
    }
}

fn is_flexible(api_key: i16, api_version: i16) -> Result<bool, PatchError> {
    let unknown = PatchError::Version { api_key, api_version };
    let known = matches!(api_key, api::METADATA | api::FIND_COORDINATOR | api::DESCRIBE_CLUSTER)
        && last_version(api_key).is_some_and(|last| (0..=last).contains(&api_version));
    if !known {
        return Err(unknown);
    }
    api::Api::of(api_key).map(|api| api.is_flexible(api_version)).ok_or(unknown)
}

fn need(needed: usize, end: usize) -> Result<Head, PatchError> {
    if needed > end {
        return Err(PatchError::Truncated { missing: needed - end });
    }
    if needed > HEAD_BYTES_MAX {
        return Err(PatchError::TooLarge { what: "the head of a response", bytes: needed, max: HEAD_BYTES_MAX });
    }
    Ok(Head::Need(needed))
}

/// Host and port of one broker in the frame, from the host's length field to the end of the port.
struct Found {
    from: usize,
    to: usize,
    node: NodeAddress,
}

fn replace(frame: &[u8], length: usize, scan: &Scan<'_>, addresses: &dyn Addresses) -> Result<Head, PatchError> {
    let taken = scan.cursor.position();
    let mut unknown = BTreeMap::new();
    let mut named = BTreeMap::new();
    let mut with = BytesMut::with_capacity(taken + taken / 2);
    let mut copied = 0;
    for Found { from, to, node } in &scan.found {
        match addresses.virtual_broker(node.node_id) {
            Some((host, port)) => {
                with.put_slice(frame.get(copied..*from).unwrap_or_default());
                put_string(&mut with, host, scan.flexible).ok_or(PatchError::TooLarge {
                    what: "an advertised host",
                    bytes: host.len(),
                    max: i16::MAX as usize,
                })?;
                with.put_i32(i32::from(port));
                copied = *to;
            }
            None => {
                unknown.insert(node.node_id, node.clone());
            }
        }
        named.insert(node.node_id, node.clone());
    }
    if !unknown.is_empty() {
        return Ok(Head::Unknown(unknown.into_values().collect()));
    }
    with.put_slice(frame.get(copied..taken).unwrap_or_default());
    // `with` and `taken` both count the length field, which the length itself does not.
    let new_length = with.len() + length - taken;
    let field = i32::try_from(new_length).map_err(|_| PatchError::TooLarge { what: "the response", bytes: new_length, max: i32::MAX as usize })?;
    for (to, from) in with.iter_mut().zip(field.to_be_bytes()) {
        *to = from;
    }
    Ok(Head::Replace { taken, with: with.freeze(), named: named.into_values().collect() })
}

/// As read: node id, host and port, and where the latter two stand.
struct Address {
    from: usize,
    to: usize,
    node_id: i32,
    host: String,
    port: i32,
}

/// Finds every address up to the end of the head.
struct Scan<'a> {
    cursor: Cursor<'a>,
    /// Where the frame ends, whether it has arrived or not.
    end: usize,
    version: i16,
    flexible: bool,
    /// So many bytes of the frame the head takes at least, as far as is known.
    at_least: usize,
    found: Vec<Found>,
}

impl Scan<'_> {
    fn header(&mut self) -> Result<(), PatchError> {
        self.cursor.skip(LENGTH_BYTES + size_of::<i32>())?;
        self.tags()
    }

    fn metadata(&mut self) -> Result<(), PatchError> {
        self.header()?;
        if self.version >= 3 {
            self.cursor.skip(4)?;
        }
        // Node id, host, port.
        let smallest = if self.flexible { 4 + 1 + 4 + 1 + 1 } else { 4 + 2 + 4 };
        self.entries("Brokers", smallest, |scan| {
            let address = scan.address()?;
            let rack = if scan.version >= 1 { scan.nullable_text()? } else { None };
            scan.tags()?;
            scan.keep(address, rack)
        })
    }

    fn describe_cluster(&mut self) -> Result<(), PatchError> {
        const CONTROLLERS: i8 = 2;
        self.header()?;
        self.cursor.skip(4 + 2)?;
        self.pass_string()?;
        let controllers = self.version >= 1 && self.cursor.i8()? == CONTROLLERS;
        self.pass_string()?;
        self.cursor.skip(4)?;
        self.entries("Brokers", 4 + 1 + 4 + 1 + 1, |scan| {
            if controllers {
                return Err(PatchError::Controllers);
            }
            let address = scan.address()?;
            let rack = scan.nullable_text()?;
            if scan.version >= 2 {
                scan.cursor.skip(1)?;
            }
            scan.tags()?;
            scan.keep(address, rack)
        })
    }

    fn find_coordinator(&mut self) -> Result<(), PatchError> {
        // The one small message whose addresses stand at its end: asked for as a whole.
        self.at_least = self.end;
        self.header()?;
        if self.version >= 1 {
            self.cursor.skip(4)?;
        }
        if self.version >= 4 {
            self.entries("Coordinators", 1 + 4 + 1 + 4 + 2 + 1 + 1, |scan| {
                scan.pass_string()?;
                let address = scan.address()?;
                scan.cursor.skip(2)?;
                scan.pass_string()?;
                scan.tags()?;
                scan.keep(address, None)
            })?;
        } else {
            self.cursor.skip(2)?;
            if self.version >= 1 {
                self.pass_string()?;
            }
            let address = self.address()?;
            self.keep(address, None)?;
        }
        self.tags()
    }

    fn entries(&mut self, what: &'static str, smallest: usize, entry: impl Fn(&mut Self) -> Result<(), PatchError>) -> Result<(), PatchError> {
        let offset = self.cursor.position();
        let count = self.cursor.array_count(self.flexible)?.ok_or(PatchError::Null(what))?;
        let least = count.saturating_mul(smallest);
        if least > self.end.saturating_sub(self.cursor.position()) {
            return Err(WireError::BadLength { what, value: count as i64, offset }.into());
        }
        for left in (0..count).rev() {
            self.at_least = self.at_least.max(self.cursor.position() + (left + 1) * smallest);
            entry(self)?;
        }
        Ok(())
    }

    fn address(&mut self) -> Result<Address, PatchError> {
        let node_id = self.cursor.i32()?;
        let from = self.cursor.position();
        let host = self.nullable_text()?.ok_or(PatchError::Null("Host"))?;
        let port = self.cursor.i32()?;
        Ok(Address { from, to: self.cursor.position(), node_id, host, port })
    }

    fn keep(&mut self, address: Address, rack: Option<String>) -> Result<(), PatchError> {
        let Address { from, to, node_id, host, port } = address;
        if host.is_empty() && port <= 0 {
            // No node, as in the answer to a FindCoordinator that failed: there is nothing to rewrite and nothing to leak.
            return Ok(());
        }
        match u16::try_from(port) {
            Ok(port) if node_id >= 0 => {
                self.found.push(Found { from, to, node: NodeAddress { node_id, host, port, rack } });
                Ok(())
            }
            Ok(_) | Err(_) => Err(PatchError::Address { node_id, port }),
        }
    }

    fn nullable_text(&mut self) -> Result<Option<String>, PatchError> {
        let offset = self.cursor.position();
        let Some(bytes) = self.cursor.nullable_string(self.flexible)? else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| WireError::BadValue { what: "text that is not UTF-8", offset })?;
        Ok(Some(text.to_owned()))
    }

    fn pass_string(&mut self) -> Result<(), PatchError> {
        Ok(self.cursor.nullable_string(self.flexible).map(drop)?)
    }

    fn tags(&mut self) -> Result<(), PatchError> {
        if self.flexible {
            self.cursor.skip_tags()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
