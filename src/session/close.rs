//! Why a session ended: whose doing it was, and the label under which it is counted.

use std::fmt;

/// Whose doing an end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nobody's: a connection came to its normal end.
    None,
    Client,
    Broker,
    /// Leeward's own limits or its shutdown.
    Leeward,
}

/// An end with what led to it, for one log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    pub cause: CloseCause,
    /// What was seen, in words; never a payload or a token.
    pub detail: String,
}

impl Close {
    pub fn new(cause: CloseCause, detail: impl Into<String>) -> Self {
        Close { cause, detail: detail.into() }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCause {
    /// The client closed its connection in order.
    ClientClosed,
    /// The client's connection broke.
    ClientReset,
    /// The first bytes are another protocol's.
    NotKafka,
    /// A request frame is longer than the limit, or has a negative length.
    FrameTooLarge,
    /// A request is not well formed.
    MalformedRequest,
    /// An API between brokers, which a client listener refuses.
    InternalApi,
    /// A version that Leeward cannot keep sheltered, and never offered.
    UnsupportedVersion,
    /// No whole request header in time.
    FirstRequestTimeout,
    /// Nothing was read or in flight for the idle time.
    Idle,
    /// The client takes no bytes.
    ClientStalled,
    /// The broker closed its connection.
    BrokerClosed,
    /// The broker's connection broke.
    BrokerReset,
    /// No address of the broker accepted a connection.
    BrokerUnreachable,
    /// The broker takes no bytes.
    BrokerStalled,
    /// The client's own broker is back, for which another stood in.
    BrokerReturned,
    /// A response does not belong to the oldest request.
    CorrelationMismatch,
    /// A response is not well formed, so that its addresses cannot be rewritten for sure.
    MalformedResponse,
    /// A broker named a node whose virtual broker could not be bound.
    NoVirtualBroker,
    /// Leeward ended, with nothing of this session in flight.
    Shutdown,
    /// Leeward ended before this session was done: the grace time was over.
    ShutdownForced,
}

impl CloseCause {
    /// Every cause, in the order of its index.
    pub const ALL: [CloseCause; 20] = [
        CloseCause::ClientClosed,
        CloseCause::ClientReset,
        CloseCause::NotKafka,
        CloseCause::FrameTooLarge,
        CloseCause::MalformedRequest,
        CloseCause::InternalApi,
        CloseCause::UnsupportedVersion,
        CloseCause::FirstRequestTimeout,
        CloseCause::Idle,
        CloseCause::ClientStalled,
        CloseCause::BrokerClosed,
        CloseCause::BrokerReset,
        CloseCause::BrokerUnreachable,
        CloseCause::BrokerStalled,
        CloseCause::BrokerReturned,
        CloseCause::CorrelationMismatch,
        CloseCause::MalformedResponse,
        CloseCause::NoVirtualBroker,
        CloseCause::Shutdown,
        CloseCause::ShutdownForced,
    ];

    /// Position in [`CloseCause::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The value of the metric's label `cause`.
    pub fn label(self) -> &'static str {
        match self {
            CloseCause::ClientClosed => "client_closed",
            CloseCause::ClientReset => "client_reset",
            CloseCause::NotKafka => "not_kafka",
            CloseCause::FrameTooLarge => "frame_too_large",
            CloseCause::MalformedRequest => "malformed_request",
            CloseCause::InternalApi => "internal_api",
            CloseCause::UnsupportedVersion => "unsupported_version",
            CloseCause::FirstRequestTimeout => "first_request_timeout",
            CloseCause::Idle => "idle",
            CloseCause::ClientStalled => "client_stalled",
            CloseCause::BrokerClosed => "broker_closed",
            CloseCause::BrokerReset => "broker_reset",
            CloseCause::BrokerUnreachable => "broker_unreachable",
            CloseCause::BrokerStalled => "broker_stalled",
            CloseCause::BrokerReturned => "broker_returned",
            CloseCause::CorrelationMismatch => "correlation_mismatch",
            CloseCause::MalformedResponse => "malformed_response",
            CloseCause::NoVirtualBroker => "no_virtual_broker",
            CloseCause::Shutdown => "shutdown",
            CloseCause::ShutdownForced => "shutdown_forced",
        }
    }

    /// Whose doing it was.
    pub fn fault(self) -> Fault {
        match self {
            CloseCause::ClientClosed | CloseCause::Idle | CloseCause::BrokerReturned | CloseCause::Shutdown => Fault::None,
            CloseCause::ClientReset
            | CloseCause::NotKafka
            | CloseCause::FrameTooLarge
            | CloseCause::MalformedRequest
            | CloseCause::InternalApi
            | CloseCause::UnsupportedVersion
            | CloseCause::FirstRequestTimeout
            | CloseCause::ClientStalled => Fault::Client,
            CloseCause::BrokerClosed
            | CloseCause::BrokerReset
            | CloseCause::BrokerUnreachable
            | CloseCause::BrokerStalled
            | CloseCause::CorrelationMismatch
            | CloseCause::MalformedResponse => Fault::Broker,
            CloseCause::NoVirtualBroker | CloseCause::ShutdownForced => Fault::Leeward,
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_stands_at_its_index_with_a_label_of_its_own() {
        for (index, cause) in CloseCause::ALL.iter().enumerate() {
            assert_eq!(cause.index(), index);
            assert_eq!(CloseCause::ALL.iter().filter(|other| other.label() == cause.label()).count(), 1, "{cause}");
        }
    }
}
