//! The entries of the ring: one for each request that is owed an answer, oldest first.

use bytes::Bytes;

/// What is to become of the answer, and from where it comes.
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
    /// The client's login, said again on a new home: the answer is dropped.
    Replay,
    /// A Produce with acks=0 that went on as acks=-1: the client expects no answer.
    Swallow,
    /// Leeward's own InitProducerId.
    ProducerId,
    /// An attempt of the shelter on the home itself ([`own_way`]): its answer goes there.
    ///
    /// [`own_way`]: super::shelter::own_way
    Resent,
    /// The shelter has it: the home owes nothing for it any more.
    Sheltered,
    /// Its answer stands in `frame`, and waits for its turn.
    Ready,
}

impl Kind {
    /// Whether the home upstream owes an answer.
    pub(super) fn awaits_home(self) -> bool {
        match self {
            Kind::Forward
            | Kind::Announcement
            | Kind::Versions
            | Kind::Handshake
            | Kind::Token
            | Kind::Replay
            | Kind::Swallow
            | Kind::ProducerId
            | Kind::Resent => true,
            Kind::Sheltered | Kind::Ready => false,
        }
    }
}

/// What kind of batches a Produce has, as far as changing between them is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batches {
    /// It is no Produce.
    None,
    /// As the client made them.
    Plain,
    /// At least one got its producer id from Leeward.
    Numbered,
}

/// The fixed part of an entry. Small: a pipelining client has hundreds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    /// Grows with every request of the session, in the order of their arrival.
    pub(super) seq: u64,
    pub(super) correlation_id: i32,
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) kind: Kind,
    pub(super) batches: Batches,
    /// The partitions of its batches, as a set of bits; 0: not known ([`Numbers::bit`]).
    ///
    /// [`Numbers::bit`]: super::numbers::Numbers::bit
    pub(super) partitions: u64,
    /// Length of the request's frame, its length field included.
    pub(super) frame_bytes: usize,
    /// When its head was read, in nanoseconds.
    pub(super) arrived: u64,
    /// When it was handed to the broker's socket; 0: not yet.
    pub(super) sent: u64,
}

/// A request that is owed an answer.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) owed: Owed,
    /// The request as it was sent, to be sent again; for [`Kind::Ready`] the answer. `None`: it cannot be sheltered.
    pub(super) frame: Option<Bytes>,
}
