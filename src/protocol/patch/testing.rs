//! What the tests of this module share.

use std::collections::HashMap;

use super::Addresses;

/// Virtual brokers by node id.
#[derive(Debug, Default)]
pub(super) struct Known(pub(super) HashMap<i32, (String, u16)>);

impl Known {
    pub(super) fn of(brokers: &[(i32, &str, u16)]) -> Self {
        Known(brokers.iter().map(|(node_id, host, port)| (*node_id, ((*host).to_owned(), *port))).collect())
    }
}

impl Addresses for Known {
    fn virtual_broker(&self, node_id: i32) -> Option<(&str, u16)> {
        self.0.get(&node_id).map(|(host, port)| (host.as_str(), *port))
    }
}

/// A frame: length field, correlation id 7, no header tags if the header has any, body.
pub(super) fn frame(header_version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend(7_i32.to_be_bytes());
    if header_version >= 1 {
        frame.push(0);
    }
    frame.extend(body);
    let length = frame.len() as i32 - 4;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}
