//! A frame is an INT32 length (without itself), then that many bytes.

/// Bytes of the length field in front of each frame.
pub const LENGTH_BYTES: usize = 4;

/// What the first four bytes of a frame say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameLength {
    /// So many bytes follow.
    Bytes(usize),
    /// Negative, or above the limit: the peer is broken, or does not speak Kafka. See [`stranger`].
    Refused(i32),
}

impl FrameLength {
    /// Reads the length field; `max` bounds it (`socket.request.max.bytes`).
    pub fn read(field: [u8; LENGTH_BYTES], max: usize) -> Self {
        let length = i32::from_be_bytes(field);
        match usize::try_from(length) {
            Ok(bytes) if bytes <= max => FrameLength::Bytes(bytes),
            Ok(_) | Err(_) => FrameLength::Refused(length),
        }
    }
}

/// Names the protocol that a peer seems to speak instead of Kafka's, from the first bytes that it sent.
pub fn stranger(first: [u8; LENGTH_BYTES]) -> Option<&'static str> {
    match &first {
        [0x16, 0x03, 0x00..=0x04, _] => Some("a TLS handshake"),
        [0x15, 0x03, 0x00..=0x04, _] => Some("a TLS alert"),
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"DELE" | b"OPTI" | b"CONN" | b"PATC" => Some("an HTTP request"),
        b"HTTP" => Some("an HTTP response"),
        b"PRI " => Some("an HTTP/2 request"),
        b"SSH-" => Some("an SSH banner"),
        b"PROX" | [0x0d, 0x0a, 0x0d, 0x0a] => Some("a PROXY protocol header"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_bounded() {
        assert_eq!(FrameLength::read([0, 0, 1, 0], 256), FrameLength::Bytes(256));
        assert_eq!(FrameLength::read([0, 0, 1, 1], 256), FrameLength::Refused(257));
        assert_eq!(FrameLength::read([0xff; 4], 256), FrameLength::Refused(-1));
        assert_eq!(FrameLength::read([0; 4], 256), FrameLength::Bytes(0));
    }

    #[test]
    fn strangers_are_named() {
        assert_eq!(stranger(*b"GET "), Some("an HTTP request"));
        assert_eq!(stranger([0x16, 3, 1, 2]), Some("a TLS handshake"));
        assert_eq!(stranger([0, 0, 0, 20]), None);
    }
}
