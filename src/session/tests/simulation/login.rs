//! A login with a challenge, as in SCRAM: what a broker says on one connection answers nothing on another.

use bytes::Bytes;

use super::brokers::framed;

pub(super) const SASL_HANDSHAKE: i16 = 17;
pub(super) const SASL_AUTHENTICATE: i16 = 36;
const API_VERSIONS: i16 = 18;

/// In front of a token: length field, header with client id "c", and the token's own length.
const TOKEN_AT: usize = 4 + 8 + 3 + 4;

/// How far a connection has come, as its broker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtBroker {
    /// It asks for none.
    Open,
    /// Nothing was said yet; its challenge will be this number.
    Asked(u64),
    Challenged(u64),
    LoggedIn,
}

impl AtBroker {
    /// What a broker answers to a part of a login. `Ok(None)`: the frame is none. Err: it may not be on this connection.
    pub(super) fn answer(&mut self, frame: &[u8]) -> Result<Option<Bytes>, String> {
        let key = i16::from_be_bytes([frame[4], frame[5]]);
        let id = &frame[8..12];
        match (key, *self) {
            (API_VERSIONS, _) | (_, AtBroker::Open | AtBroker::LoggedIn) => Ok(None),
            (SASL_HANDSHAKE, AtBroker::Asked(_)) => Ok(Some(framed(&[id, &[0, 0], &[0; 4]].concat()))),
            (SASL_AUTHENTICATE, AtBroker::Asked(nonce)) => {
                *self = AtBroker::Challenged(nonce);
                Ok(Some(authenticated(id, format!("r={nonce}").as_bytes())))
            }
            (SASL_AUTHENTICATE, AtBroker::Challenged(nonce)) if frame[TOKEN_AT..] == *format!("p={nonce}").as_bytes() => {
                *self = AtBroker::LoggedIn;
                Ok(Some(authenticated(id, b"v=proof")))
            }
            _ => Err(format!("API key {key} on a connection that is {self:?}")),
        }
    }
}

fn authenticated(id: &[u8], token: &[u8]) -> Bytes {
    let length = (token.len() as i32).to_be_bytes();
    framed(&[id, &[0, 0], &[0xff, 0xff], &length, token].concat())
}

/// How far the client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum AtClient {
    /// It need not log in, or has.
    #[default]
    Done,
    Greeting,
    Choosing,
    Beginning,
    Proving,
}

impl AtClient {
    /// The client has an answer (a whole frame): the next thing that it says, under this correlation id.
    pub(super) fn next(&mut self, answer: &[u8], id: i32) -> Option<Vec<u8>> {
        let (next, said) = match self {
            AtClient::Done => return None,
            AtClient::Greeting => (AtClient::Choosing, request(SASL_HANDSHAKE, 1, id, b"\0\x0dSCRAM-SHA-256")),
            AtClient::Choosing => (AtClient::Beginning, request(SASL_AUTHENTICATE, 0, id, &token(b"n=me"))),
            AtClient::Beginning => {
                // Behind length, correlation id, code, no message and the token's length.
                let challenge = answer.strip_prefix(&answer[..4 + 4 + 2 + 2 + 4]).unwrap();
                let proof = [b"p=", challenge.strip_prefix(b"r=").unwrap()].concat();
                (AtClient::Proving, request(SASL_AUTHENTICATE, 0, id, &token(&proof)))
            }
            AtClient::Proving => {
                *self = AtClient::Done;
                return None;
            }
        };
        *self = next;
        Some(said)
    }
}

fn token(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat()
}

fn request(key: i16, version: i16, id: i32, body: &[u8]) -> Vec<u8> {
    let header = [&key.to_be_bytes()[..], &version.to_be_bytes(), &id.to_be_bytes(), &[0, 1, b'c']].concat();
    framed(&[&header[..], body].concat()).to_vec()
}
