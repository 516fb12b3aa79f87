//! What can go wrong for a client.

use std::io;

use kafka_protocol::error::ResponseError;

use crate::wire::WireError;

/// No fault: the group shares its partitions out anew, and its members join again.
pub(in crate::demo) const REBALANCE_IN_PROGRESS: i16 = 27;

/// Why a request did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(in crate::demo) enum ClientError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the connection was closed")]
    Closed,
    #[error("no answer in time")]
    TimedOut,
    #[error("the answer is malformed: {0}")]
    Malformed(#[from] WireError),
    #[error("{what}: {cause}")]
    Codec { what: &'static str, cause: String },
    #[error("an answer of {0} bytes")]
    TooLarge(i32),
    #[error("answer {got:?} came for question {expected}")]
    Correlation { expected: i32, got: Option<i32> },
    #[error("{api} has no version in common with the broker")]
    NoVersion { api: &'static str },
    #[error("{api} was answered with {error}")]
    Refused { api: &'static str, error: Code },
    #[error("partition {0} has no leader")]
    NoLeader(i32),
}

/// An error code of the protocol, shown by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::demo) struct Code(pub(in crate::demo) i16);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match ResponseError::try_from_code(self.0) {
            Some(error) => write!(f, "{error:?}"),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl ClientError {
    /// A short name for tables: an error code's, or that the connection went.
    pub(in crate::demo) fn label(&self) -> String {
        match self {
            ClientError::Io(_) | ClientError::Closed => "ConnectionLost".to_owned(),
            ClientError::TimedOut => "TimedOut".to_owned(),
            ClientError::Refused { error, .. } => error.to_string(),
            ClientError::NoLeader(_) => "NoLeader".to_owned(),
            ClientError::Malformed(_) | ClientError::Codec { .. } | ClientError::TooLarge(_) | ClientError::Correlation { .. } => "MalformedAnswer".to_owned(),
            ClientError::NoVersion { .. } => "NoVersion".to_owned(),
        }
    }

    /// The same with the API that was refused: to a consumer an error means nothing without it.
    pub(in crate::demo) fn label_of_api(&self) -> String {
        match self {
            ClientError::Refused { api, error } => format!("{error} ({api})"),
            ClientError::Io(_)
            | ClientError::Closed
            | ClientError::TimedOut
            | ClientError::NoLeader(_)
            | ClientError::Malformed(_)
            | ClientError::Codec { .. }
            | ClientError::TooLarge(_)
            | ClientError::Correlation { .. }
            | ClientError::NoVersion { .. } => self.label(),
        }
    }

    /// Whether a client library gets over it by itself: it connects again, or asks again, elsewhere or later.
    pub(in crate::demo) fn is_retriable(&self) -> bool {
        match self {
            ClientError::Io(_) | ClientError::Closed | ClientError::TimedOut | ClientError::NoLeader(_) => true,
            ClientError::Refused { error, .. } => {
                error.0 == REBALANCE_IN_PROGRESS || ResponseError::try_from_code(error.0).is_some_and(|error| error.is_retriable())
            }
            ClientError::Malformed(_)
            | ClientError::Codec { .. }
            | ClientError::TooLarge(_)
            | ClientError::Correlation { .. }
            | ClientError::NoVersion { .. } => false,
        }
    }

    /// The error code that a broker answered, where it did.
    pub(in crate::demo) fn code(&self) -> Option<i16> {
        match self {
            ClientError::Refused { error, .. } => Some(error.0),
            ClientError::Io(_)
            | ClientError::Closed
            | ClientError::TimedOut
            | ClientError::NoLeader(_)
            | ClientError::Malformed(_)
            | ClientError::Codec { .. }
            | ClientError::TooLarge(_)
            | ClientError::Correlation { .. }
            | ClientError::NoVersion { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_gets_over_by_itself() {
        let refused = |code| ClientError::Refused { api: "Produce", error: Code(code) };
        // No longer the leader, request timed out, the coordinator loads or is another, the offset is not known yet; a rebalance.
        for code in [6, 7, 14, 15, 16, 78, REBALANCE_IN_PROGRESS] {
            assert!(refused(code).is_retriable(), "{code}");
        }
        // An offset out of range, an unknown member, an old generation, a gap in the sequence, a code that nobody knows.
        for code in [1, 25, 22, 45, 32_000] {
            assert!(!refused(code).is_retriable(), "{code}");
        }
        assert!(ClientError::Closed.is_retriable() && !ClientError::TooLarge(1).is_retriable());
    }
}
