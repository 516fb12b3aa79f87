//! Any body as an ApiVersions request or response.
#![no_main]

use leeward::protocol::versions::{encode_request, encode_response, intersect, parse_request, parse_response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [version, split, bodies @ ..] = input else { return };
    let version = i16::from(*version) % 8;
    if let Ok(Some(software)) = parse_request(version, bodies) {
        let again = encode_request(version, 1, None, Some((software.name, software.version)));
        if software.is_acceptable() {
            assert_eq!(parse_request(version.min(4), &again[15..]), Ok(Some(software)));
        }
    }
    let (first, second) = bodies.split_at(usize::from(*split).min(bodies.len()));
    let offers: Vec<_> = [first, second].into_iter().filter_map(|body| parse_response(version, body).ok()).map(|(_, offer)| offer).collect();
    let Some(offer) = intersect(offers.iter()) else {
        assert!(offers.is_empty());
        return;
    };
    for range in &offer.ranges {
        assert!(range.min <= range.max && offers.iter().all(|offer| offer.range(range.api_key).is_some()));
    }
    // In v4 nothing is hidden.
    let frame = encode_response(&offer, 4, 9);
    assert_eq!(parse_response(4, &frame[8..]), Ok((0, offer)));
});
