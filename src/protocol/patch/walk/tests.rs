use super::*;
use crate::protocol::patch::testing::Known;

/// Runs a walk over the frame behind its length field, given so many bytes at a time; returns what a client would get and the errors reported.
fn walk(api_key: i16, version: i16, body: &[u8], chunk: usize, known: &Known) -> Result<(Vec<u8>, Vec<i16>), PatchError> {
    let mut walk = ResponseWalk::new(api_key, version, body.len()).unwrap();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let (mut from, mut to, mut wanted) = (0, 0, 0);
    loop {
        to = (to + chunk.max(wanted)).min(body.len());
        match walk.advance(&body[from..to], known, &mut |error| errors.push(error))? {
            Step::Pass { pass, need } => {
                assert!(pass <= to - from && (need > 0) == (from + pass < to), "need {need}");
                assert!(to < body.len(), "a whole frame ends");
                out.extend(&body[from..from + pass]);
                from += pass;
                wanted = need;
            }
            Step::Tail { pass, with } => {
                out.extend(&body[from..from + pass]);
                let with = with.unwrap_or_default();
                assert_eq!(out.len() + with.len(), body.len());
                out.extend(with);
                return Ok((out, errors));
            }
        }
    }
}

#[test]
fn the_walk_is_small() {
    assert!(size_of::<ResponseWalk>() <= 64, "{}", size_of::<ResponseWalk>());
}

#[test]
fn other_apis_need_no_walk_and_unknown_versions_fail() {
    assert!(ResponseWalk::new(api::METADATA, 1, 10).is_none());
    let mut walk = ResponseWalk::new(api::FETCH, 19, 10).unwrap();
    assert_eq!(walk.advance(&[0; 10], &Known::default(), &mut |_| {}), Err(PatchError::Version { api_key: 1, api_version: 19 }));
}

#[test]
fn produce_v0_reports_its_errors_at_any_split() {
    let body =
        [&[0, 0, 0, 7, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2][..], &[0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]]
            .concat();
    for chunk in 1..=body.len() {
        assert_eq!(walk(api::PRODUCE, 0, &body, chunk, &Known::default()), Ok((body.clone(), vec![6])), "{chunk}");
    }
    let mut long = body.clone();
    long.push(0);
    assert_eq!(walk(api::PRODUCE, 0, &long, 100, &Known::default()), Err(PatchError::Trailing(1)));
    for end in 0..body.len() {
        assert!(walk(api::PRODUCE, 0, &body[..end], 100, &Known::default()).is_err(), "{end}");
    }
}
