//! Who the client is to a broker: what has to be said again on every further connection that is opened for it.
//!
//! The tokens of PLAIN and OAUTHBEARER are the same on every connection, so the client's own are said again for that client alone; they live as long as
//! the session and are in no log (`Debug` hides them). SCRAM and GSSAPI answer a challenge of the broker, which nobody but the client can.

use std::fmt;

use bytes::Bytes;

use crate::wire::frame::LENGTH_BYTES;
use crate::wire::{Cursor, RequestHeader, ResponseHeader, api};

/// What is known of the client's login.
#[derive(Default)]
pub(super) enum Identity {
    /// None was seen: a connection needs none.
    #[default]
    Anonymous,
    /// A mechanism whose token can be said again was chosen; the token is yet to come.
    Chosen { handshake: Bytes },
    /// Both frames, as the client sent them.
    Replayable { handshake: Bytes, authenticate: Bytes },
    /// Nobody but the client can log in. `under_way`: the login may not be over, so that the broker takes nothing else.
    Bound { under_way: bool },
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Identity::Anonymous => "Anonymous",
            Identity::Chosen { .. } => "Chosen",
            Identity::Replayable { .. } => "Replayable",
            Identity::Bound { .. } => "Bound",
        })
    }
}

impl Identity {
    /// Whether further connections can be opened in the client's name now.
    pub(super) fn can_detour(&self) -> bool {
        match self {
            Identity::Anonymous | Identity::Replayable { .. } => true,
            Identity::Chosen { .. } | Identity::Bound { .. } => false,
        }
    }

    /// Whether nobody but the client can log in.
    pub(super) fn is_bound(&self) -> bool {
        matches!(self, Identity::Bound { .. })
    }

    /// Whether a login has begun and may not be over.
    pub(super) fn is_under_way(&self) -> bool {
        match self {
            Identity::Chosen { .. } => true,
            Identity::Bound { under_way } => *under_way,
            Identity::Anonymous | Identity::Replayable { .. } => false,
        }
    }

    /// The login of nobody knows how many tokens has begun.
    pub(super) fn bind(&mut self) {
        *self = Identity::Bound { under_way: true };
    }

    /// The client sent something that is no part of a login: none is under way.
    pub(super) fn is_used(&mut self) {
        if let Identity::Bound { under_way } = self {
            *under_way = false;
        }
    }

    /// Takes note of an answer to SaslAuthenticate: with the broker's own proof SCRAM is over (RFC 5802, `server-final-message`). Other mechanisms show it by
    /// the client's next request alone.
    pub(super) fn authenticated(&mut self, frame: &[u8], version: i16) {
        if let Identity::Bound { under_way } = self
            && answered_token(frame, version).is_some_and(|token| token.starts_with(SCRAM_PROOF))
        {
            *under_way = false;
        }
    }

    /// Takes note of a SaslHandshake.
    pub(super) fn handshake(&mut self, frame: &[u8], version: i16) {
        let replayable = version >= 1 && mechanism(frame).is_some_and(|name| REPLAYABLE.contains(&name));
        *self = if replayable { Identity::Chosen { handshake: Bytes::copy_from_slice(frame) } } else { Identity::Bound { under_way: true } };
    }

    /// Takes note of a SaslAuthenticate; a later one (KIP-368) replaces it.
    pub(super) fn authenticate(&mut self, frame: &[u8]) {
        match self {
            Identity::Chosen { handshake } | Identity::Replayable { handshake, .. } => {
                *self = Identity::Replayable { handshake: handshake.clone(), authenticate: Bytes::copy_from_slice(frame) };
            }
            Identity::Anonymous | Identity::Bound { .. } => self.bind(),
        }
    }

    /// The frames to send first on a new connection.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Bytes> {
        let both = match self {
            Identity::Replayable { handshake, authenticate } => [Some(handshake), Some(authenticate)],
            Identity::Anonymous | Identity::Chosen { .. } | Identity::Bound { .. } => [None, None],
        };
        both.into_iter().flatten()
    }
}

/// Mechanisms whose token does not depend on what the broker says.
const REPLAYABLE: [&str; 2] = ["PLAIN", "OAUTHBEARER"];

/// How the last token of a broker begins in SCRAM.
const SCRAM_PROOF: &[u8] = b"v=";

/// The first version of SaslAuthenticate with compact fields.
const FLEXIBLE_SINCE: i16 = 2;

/// The broker's token in a SaslAuthenticate answer that carries no error.
fn answered_token(frame: &[u8], version: i16) -> Option<&[u8]> {
    let bytes = frame.get(LENGTH_BYTES..)?;
    let header = ResponseHeader::parse(bytes, api::SASL_AUTHENTICATE, version).ok()?;
    let mut body = Cursor::new(bytes.get(header.body..)?);
    let compact = version >= FLEXIBLE_SINCE;
    if body.i16().ok()? != 0 {
        return None;
    }
    body.nullable_string(compact).ok()?;
    let length = body.bytes_length(compact).ok()??;
    body.take(length).ok()
}

fn mechanism(frame: &[u8]) -> Option<&str> {
    let bytes = frame.get(LENGTH_BYTES..)?;
    let header = RequestHeader::parse(bytes).ok()?;
    Cursor::new(bytes.get(header.body..)?).string(false).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(name: &str) -> Vec<u8> {
        let mut body = vec![0, 17, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, u8::try_from(name.len()).unwrap()];
        body.extend_from_slice(name.as_bytes());
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(body);
        frame
    }

    #[test]
    fn only_tokens_that_are_the_same_everywhere_are_said_again() {
        for (name, version, replayable) in
            [("PLAIN", 1, true), ("OAUTHBEARER", 1, true), ("PLAIN", 0, false), ("SCRAM-SHA-256", 1, false), ("GSSAPI", 1, false)]
        {
            let mut identity = Identity::default();
            assert!(identity.can_detour());
            identity.handshake(&handshake(name), version);
            assert!(!identity.can_detour(), "{name}: not before its token is there");
            identity.authenticate(b"token one");
            identity.authenticate(b"token two");
            assert_eq!(identity.can_detour(), replayable, "{name} v{version}");
            let said: Vec<_> = identity.frames().cloned().collect();
            assert_eq!(said.len(), if replayable { 2 } else { 0 });
            assert!(!replayable || said[1] == "token two");
            assert!(!format!("{identity:?}").contains("token"));
        }
    }
}
