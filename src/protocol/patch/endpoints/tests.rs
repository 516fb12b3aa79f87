use super::*;
use crate::protocol::patch::testing::Known;

fn endpoint(node_id: u8, host: &str, rack: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, node_id, host.len() as u8 + 1];
    bytes.extend(host.bytes());
    bytes.extend(9092_i32.to_be_bytes());
    bytes.push(rack.map_or(0, |rack| rack.len() as u8 + 1));
    bytes.extend(rack.unwrap_or_default().bytes());
    bytes.push(0);
    bytes
}

fn tagged(endpoints: &[Vec<u8>], others: &[&[u8]]) -> Vec<u8> {
    let mut array = vec![endpoints.len() as u8 + 1];
    array.extend(endpoints.concat());
    let mut tail = vec![1 + others.len() as u8, 0, array.len() as u8];
    tail.extend(array);
    tail.extend(others.concat());
    tail
}

/// Node ids and hosts in a tail, and the tags behind them.
fn read(tail: &[u8], form: Form) -> (Vec<(i32, String)>, Vec<u32>) {
    let mut cursor = Cursor::new(tail);
    let array = |cursor: &mut Cursor<'_>| {
        let count = cursor.array_count(true).unwrap().unwrap();
        let read = |cursor: &mut Cursor<'_>| {
            let found = (cursor.i32().unwrap(), cursor.string(true).unwrap().to_owned());
            cursor.i32().unwrap();
            cursor.nullable_string(true).unwrap();
            cursor.skip_tags().unwrap();
            found
        };
        (0..count).map(|_| read(cursor)).collect::<Vec<_>>()
    };
    let mut found = if form == Form::Array { array(&mut cursor) } else { Vec::new() };
    let mut tags = Vec::new();
    for _ in 0..cursor.uvarint().unwrap() {
        let tag = cursor.uvarint().unwrap();
        let size = cursor.uvarint().unwrap() as usize;
        let data = cursor.take(size).unwrap();
        if form == Form::Tagged && tag == 0 {
            found = array(&mut Cursor::new(data));
        }
        tags.push(tag);
    }
    assert_eq!(cursor.remaining(), 0);
    assert!(tags.is_sorted());
    (found, tags)
}

#[test]
fn every_room_can_be_filled() {
    assert!(Fill::of(0, None).is_none() && Fill::of(1, None).is_none());
    let critical = [126..140, 16_380..16_400, 2_097_150..2_097_165].into_iter().flatten();
    for room in (2..1000).chain(critical) {
        let mut out = BytesMut::new();
        Fill::of(room, Some(3)).unwrap().put(&mut out);
        assert_eq!(out.len(), room);
        let mut cursor = Cursor::new(&out);
        assert!(cursor.uvarint().unwrap() >= 0x7f);
        let size = cursor.uvarint().unwrap();
        assert_eq!(cursor.remaining(), size as usize);
    }
    assert!(Fill::of(2, Some(0x7f)).is_none() && Fill::of(3, Some(0x7f)).is_some());
}

#[test]
fn hosts_of_any_length_give_a_tail_of_the_same_length() {
    for form in [Form::Tagged, Form::Array] {
        for (old, rack) in [(0, None), (4, None), (10, Some("rack")), (10, Some("")), (40, Some("r"))] {
            for new in 0..60 {
                let brokers = [endpoint(1, &"b".repeat(old), rack), endpoint(2, &"c".repeat(old), rack)];
                let other: &[u8] = &[5, 2, 1, 1];
                let tail = match form {
                    Form::Tagged => tagged(&brokers, &[other]),
                    Form::Array => [&[3][..], &brokers.concat(), &[1], other].concat(),
                };
                let host = "v".repeat(new);
                let known = Known::of(&[(1, &host, 1), (2, &host, 2)]);
                let rewritten = rewrite(&tail, form, &known).unwrap().unwrap();
                assert_eq!(rewritten.len(), tail.len());
                let (found, tags) = read(&rewritten, form);
                assert!(found.iter().all(|(_, name)| *name == host));
                assert!(tags.contains(&5), "{tags:?}");
                // Both stay while they fit, with one byte that cannot be filled taken for no fit.
                if new <= old && rack.is_none() && 2 * (old - new) != 1 {
                    assert_eq!(found.len(), 2, "{form:?} {old} {new}");
                }
                if new > 2 * (old + 12 + rack.map_or(0, str::len)) {
                    assert_eq!(found.len(), 0);
                }
            }
        }
    }
}

#[test]
fn what_names_no_address_stays() {
    let known = Known::default();
    assert_eq!(rewrite(&[0], Form::Tagged, &known), Ok(None));
    assert_eq!(rewrite(&[1, 9, 1, 7], Form::Tagged, &known), Ok(None));
    assert_eq!(rewrite(&[1, 0], Form::Array, &known), Ok(None));
    assert_eq!(rewrite(&[0, 1, 9, 1, 7], Form::Array, &known), Ok(None));
}

#[test]
fn a_node_that_is_not_known_is_left_out() {
    let tail = tagged(&[endpoint(1, "broker", None), endpoint(9, "broker", None)], &[]);
    let rewritten = rewrite(&tail, Form::Tagged, &Known::of(&[(9, "virtual", 1)])).unwrap().unwrap();
    assert_eq!(read(&rewritten, Form::Tagged), (vec![(9, "virtual".to_owned())], vec![0, 0x3fff]));
    let rewritten = rewrite(&tail, Form::Tagged, &Known::default()).unwrap().unwrap();
    assert_eq!(read(&rewritten, Form::Tagged), (vec![], vec![0x3fff]));
}

#[test]
fn many_endpoints_that_do_not_fit_cost_no_more_than_their_bytes() {
    let brokers: Vec<_> = (0..60_000).map(|_| endpoint(1, "b", None)).collect();
    let mut tail = Vec::from([0xe1, 0xd4, 0x03]);
    tail.extend(brokers.concat());
    tail.push(0);
    let host = "v".repeat(3000);
    let rewritten = rewrite(&tail, Form::Array, &Known::of(&[(1, &host, 1)])).unwrap().unwrap();
    assert_eq!(rewritten.len(), tail.len());
}

#[test]
fn hostile_tails_are_errors() {
    let known = Known::of(&[(1, "v", 1)]);
    let good = tagged(&[endpoint(1, "broker", Some("rack"))], &[]);
    for end in 0..good.len() {
        assert!(rewrite(&good[..end], Form::Tagged, &known).is_err(), "{end}");
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(rewrite(&long, Form::Tagged, &known), Err(PatchError::Trailing(1)));
    assert!(matches!(rewrite(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], Form::Array, &known), Err(PatchError::Malformed(WireError::BadLength { .. }))));
    assert!(rewrite(&[0xff, 0xff, 0xff, 0xff, 0x0f], Form::Tagged, &known).is_err());
    let twice = [&[2][..], &good[1..], &good[1..]].concat();
    assert!(matches!(rewrite(&twice, Form::Tagged, &known), Err(PatchError::Malformed(WireError::BadValue { .. }))));
    // The broker's own tag leaves no number for a field of three bytes.
    let crowded = [&[2, 0, 1, 1][..], &[0xff, 0xff, 0xff, 0x7f, 0]].concat();
    assert_eq!(rewrite(&crowded, Form::Tagged, &known), Ok(None));
}
