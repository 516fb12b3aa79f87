use super::*;
use crate::wire::api::Api;

#[test]
fn the_table_covers_every_version_that_the_api_table_names() {
    for api in Api::all() {
        for version in api.min_version..=api.max_version {
            for kind in [Kind::Request, Kind::Response] {
                let found = message(kind, api.key, version).unwrap_or_else(|| panic!("{} v{version} {kind:?}", api.name));
                assert_eq!(version >= found.flexible_since, api.is_flexible(version), "{} v{version} {kind:?}", api.name);
            }
        }
        assert!(message(Kind::Request, api.key, -1).is_none());
        assert!(message(Kind::Response, api.key, i16::MAX).is_none());
    }
    assert!(message(Kind::Request, 95, 0).is_none() && message(Kind::Request, -1, 0).is_none());
}

#[test]
fn the_top_level_error_stands_where_the_api_table_says() {
    for api in Api::all() {
        for version in api.min_version..=api.max_version {
            let Some(offset) = api.top_error_offset(version) else { continue };
            let fields = message(Kind::Response, api.key, version).unwrap().fields;
            let mut at = 0;
            let field = fields.iter().filter(|field| field.is_in(version) && field.tag.is_none()).find(|field| match field.shape {
                Shape::Fixed(size) => {
                    at += size;
                    false
                }
                Shape::ErrorCode | Shape::String | Shape::Bytes | Shape::Array(_) | Shape::Struct(_) => true,
            });
            assert!(matches!(field, Some(Field { name: "ErrorCode", .. })) && at == offset, "{} v{version}", api.name);
        }
    }
}

#[test]
fn nested_error_codes_are_found() {
    // LeaveGroup v3: throttle, error, members of member id, group instance id, error.
    let body = [0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 1, b'm', 0xff, 0xff, 0, 0, 0, 1, b'n', 0, 1, b'i', 0, 82];
    let mut codes = Vec::new();
    error_codes(13, 3, &body, &mut |code| codes.push(code)).unwrap();
    assert_eq!(codes, [25, 82]);
    for end in 0..body.len() {
        assert!(check_response(13, 3, &body[..end]).is_err(), "{end}");
    }
}

#[test]
fn counts_beyond_the_frame_are_refused() {
    // Metadata request v1 with 2^31 - 1 topics, and v12 with 2^28 of them.
    let bad = |version, body: &[u8]| matches!(check_request(3, version, body), Err(WireError::BadLength { what: "Topics", .. }));
    assert!(bad(1, &[0x7f, 0xff, 0xff, 0xff, 0, 0]));
    assert!(bad(12, &[0xff, 0xff, 0xff, 0x7f, 0, 0, 0]));
    // Null where it means every topic, and where it means nothing.
    assert_eq!(check_request(3, 1, &[0xff; 4]), Ok(()));
    assert!(bad(0, &[0xff; 4]));
}

#[test]
fn a_known_tag_whose_size_disagrees_with_its_content_is_refused() {
    // ApiVersions response v3: no error, no keys, no throttle, then FinalizedFeaturesEpoch (tag 1) of eight bytes.
    let body = |size: u8| [&[0, 0, 1, 0, 0, 0, 0, 1, 1, size][..], &[0; 8]].concat();
    assert_eq!(check_response(18, 3, &body(8)), Ok(()));
    assert!(matches!(check_response(18, 3, &body(7)), Err(WireError::BadLength { what: "FinalizedFeaturesEpoch", .. })));
    assert!(check_response(18, 3, &body(9)).is_err());
    // The same number is not known to v3's request: passed by its size.
    assert_eq!(check_request(18, 3, &[2, b'n', 2, b'v', 1, 1, 1, 0]), Ok(()));
}
