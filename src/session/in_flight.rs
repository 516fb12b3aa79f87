//! The entries of the ring: one for each request that is owed an answer, oldest first.

/// What is to become of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The broker's answer goes to the client, its addresses rewritten.
    Forward,
    /// Leeward's own ApiVersions request that tells the broker the client's name: the answer is dropped.
    Announcement,
    /// The client's ApiVersions on a home that is up: the broker hears it, the client gets Leeward's answer, which stands ready.
    Versions,
    /// SaslHandshake: its success may begin a raw exchange.
    Handshake,
    /// A SASL token without Kafka header, behind SaslHandshake v0.
    Token,
}

/// A request that is owed an answer. Small: a pipelining client has hundreds.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) correlation_id: i32,
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) kind: Kind,
    /// Length of the request's frame, its length field included.
    pub(super) frame_bytes: usize,
    /// When its head was read, in nanoseconds.
    pub(super) arrived: u64,
    /// When it was handed to the broker's socket; 0: not yet.
    pub(super) sent: u64,
}
