//! Request header v0 to v2 and response header v0 to v1 (`RequestHeader.json`, `ResponseHeader.json`, KIP-482).

use super::{Cursor, WireError, api};

/// The head of a request. Offsets count from the first byte after the frame's length field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    /// Raw bytes: Kafka asks for UTF-8, a peer may send anything. Always the INT16 form, in header v2 too.
    pub client_id: Option<&'a [u8]>,
    /// Where the body begins.
    pub body: usize,
}

impl<'a> RequestHeader<'a> {
    /// Parses the header at the start of `bytes` (the frame without its length field, perhaps not yet whole).
    ///
    /// # Errors
    /// [`WireError::Truncated`] when more bytes are needed; any other error is a protocol violation.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut cursor = Cursor::new(bytes);
        let (api_key, api_version, correlation_id) = (cursor.i16()?, cursor.i16()?, cursor.i32()?);
        let version = api::request_header_version(api_key, api_version);
        let client_id = if version >= 1 { cursor.nullable_string(false)? } else { None };
        if version >= 2 {
            cursor.skip_tags()?;
        }
        Ok(RequestHeader { api_key, api_version, correlation_id, client_id, body: cursor.position() })
    }
}

/// The head of a response. Its version comes from the request that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHeader {
    pub correlation_id: i32,
    /// Where the body begins, counted from the first byte after the frame's length field.
    pub body: usize,
}

impl ResponseHeader {
    /// Parses the header of the answer to a request of this key and version.
    ///
    /// # Errors
    /// As [`RequestHeader::parse`].
    pub fn parse(bytes: &[u8], api_key: i16, api_version: i16) -> Result<Self, WireError> {
        let mut cursor = Cursor::new(bytes);
        let correlation_id = cursor.i32()?;
        if api::response_header_version(api_key, api_version) >= 1 {
            cursor.skip_tags()?;
        }
        Ok(ResponseHeader { correlation_id, body: cursor.position() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flexible_request_keeps_the_old_client_id_form() {
        let bytes = [0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'm', b'e', 0, 99];
        let header = RequestHeader::parse(&bytes).unwrap();
        assert_eq!((header.api_key, header.api_version, header.correlation_id), (18, 3, 7));
        assert_eq!(header.client_id, Some(&b"me"[..]));
        assert_eq!(header.body, 13);
    }

    #[test]
    fn controlled_shutdown_v0_has_no_client_id() {
        assert_eq!(RequestHeader::parse(&[0, 7, 0, 0, 0, 0, 0, 1]).unwrap().body, 8);
    }

    #[test]
    fn an_api_versions_response_never_has_tags_in_its_header() {
        assert_eq!(ResponseHeader::parse(&[0, 0, 0, 1, 9], 18, 3).unwrap().body, 4);
        assert_eq!(ResponseHeader::parse(&[0, 0, 0, 1, 0, 9], 3, 9).unwrap().body, 5);
    }
}
