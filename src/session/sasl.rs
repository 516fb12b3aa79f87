//! Where a connection stands in SASL, as far as framing depends on it.
//!
//! Behind SaslHandshake v0 client and broker exchange tokens with a length but without Kafka headers until the mechanism is done
//! (`SaslServerAuthenticator.java`). How many there are only the mechanism knows, so the exchange ends here with the first frame that is a
//! well-formed request: tokens of PLAIN, SCRAM, OAUTHBEARER and GSSAPI cannot pass for one.

use crate::protocol::peek::Peek;
use crate::wire::Api;

/// ```text
/// None ──SaslHandshake v0──▶ Offered ──accepted──▶ Raw ──a request──▶ None
///                               └──refused──▶ None
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sasl {
    /// Every frame has a Kafka header.
    None,
    /// SaslHandshake v0 is unanswered: until then nobody knows what the next bytes are, so none is read.
    Offered,
    /// Tokens pass; so many have passed.
    Raw { tokens: u32 },
}

/// Whether a frame inside a raw exchange is the first request after it.
pub(super) fn ends_raw(tokens: u32, peek: &Peek) -> bool {
    // The exchange begins with a token of the client in every mechanism. Which versions and whose APIs pass is not decided here: a request that may not pass
    // must not pass as a token either.
    tokens > 0 && Api::of(peek.api_key).is_some() && peek.api_version >= 0 && peek.correlation_id >= 0
}
