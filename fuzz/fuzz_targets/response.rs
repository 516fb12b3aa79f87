//! Any frame as the response to a request of any key and version. The first four bytes choose key, version, the size of the pieces, and the length of virtual hosts.
#![no_main]

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, ResponseKind};
use leeward::protocol::patch::{Addresses, Head, PatchError, ResponseWalk, Step, head};
use leeward::protocol::schema::{check_response, error_codes};
use leeward::wire::ResponseHeader;
use libfuzzer_sys::fuzz_target;

struct Virtual(String);

impl Addresses for Virtual {
    fn virtual_broker(&self, node_id: i32) -> Option<(&str, u16)> {
        (node_id % 7 != 6).then_some((&self.0, node_id as u16))
    }
}

fn walked(key: i16, version: i16, frame: &[u8], piece: usize, addresses: &Virtual) -> Option<Result<Vec<u8>, PatchError>> {
    let mut walk = ResponseWalk::new(key, version, frame.len())?;
    let (mut out, mut from, mut to, mut wanted) = (Vec::new(), 0, 0, 0);
    loop {
        to = (to + piece.max(wanted)).min(frame.len());
        match walk.advance(&frame[from..to], addresses, &mut |code| assert_ne!(code, 0)) {
            Ok(Step::Pass { pass, need }) => {
                assert!(to < frame.len() && to + need <= frame.len());
                out.extend(&frame[from..from + pass]);
                (from, wanted) = (from + pass, need);
            }
            Ok(Step::Tail { pass, with }) => {
                out.extend(&frame[from..from + pass]);
                out.extend(with.unwrap_or_default());
                assert_eq!(out.len(), frame.len(), "the length field has left");
                return Some(Ok(out));
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let [key, version, piece, host, frame @ ..] = input else { return };
    let (key, version) = (i16::from(*key) % 100, i16::from(*version) % 24);
    let addresses = Virtual("v".repeat(usize::from(*host)));
    match walked(key, version, frame, frame.len(), &addresses) {
        Some(Ok(whole)) => assert_eq!(walked(key, version, frame, usize::from(*piece).max(1), &addresses), Some(Ok(whole))),
        Some(Err(_)) => assert!(walked(key, version, frame, usize::from(*piece).max(1), &addresses).is_some_and(|walked| walked.is_err())),
        None => {}
    }
    let with_length = [&(frame.len() as u32).to_be_bytes()[..], frame].concat();
    if let Ok(Head::Replace { taken, with, .. }) = head(key, version, &with_length, frame.len(), &addresses) {
        let out = [&with[..], &with_length[taken..]].concat();
        assert_eq!(u32::from_be_bytes(out[..4].try_into().unwrap()) as usize, out.len() - 4);
        for end in 0..taken.min(64) {
            assert!(matches!(head(key, version, &with_length[..end], frame.len(), &addresses), Ok(Head::Need(needed)) if needed > end));
        }
    }
    let Ok(header) = ResponseHeader::parse(frame, key, version) else { return };
    let body = &frame[header.body..];
    assert_eq!(check_response(key, version, body).is_ok(), error_codes(key, version, body, &mut |code| assert_ne!(code, 0)).is_ok());
    if check_response(key, version, body).is_ok()
        && let Ok(key) = ApiKey::try_from(key)
    {
        let _ = ResponseKind::decode(key, &mut Bytes::copy_from_slice(body), version);
    }
});
