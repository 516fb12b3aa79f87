//! What can go wrong for a client.

use std::io;

use kafka_protocol::error::ResponseError;

use crate::wire::WireError;

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
