//! Any frame as a request.
#![no_main]

use bytes::Bytes;
use kafka_protocol::messages::{ApiKey, RequestKind};
use leeward::protocol::{digest, peek::peek, schema::check_request};
use leeward::wire::RequestHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let whole = peek(frame, frame.len());
    assert!(!matches!(whole, Ok(None)), "a whole frame is either a request or none");
    for end in 0..frame.len().min(64) {
        match (peek(&frame[..end], frame.len()), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(early)), Ok(Some(whole))) => assert_eq!(early, *whole),
            (Err(_), Err(_)) => {}
            (early, whole) => panic!("{early:?} became {whole:?}"),
        }
    }
    let mut framed = [&(frame.len() as u32).to_be_bytes()[..], frame].concat();
    digest::request(&framed, &mut |_| {});
    digest::blank_request(&mut framed);
    digest::contents(frame, 100);
    let Ok(header) = RequestHeader::parse(frame) else { return };
    let body = &frame[header.body..];
    if check_request(header.api_key, header.api_version, body).is_ok()
        && let Ok(key) = ApiKey::try_from(header.api_key)
    {
        let _ = RequestKind::decode(key, &mut Bytes::copy_from_slice(body), header.api_version);
    }
});
