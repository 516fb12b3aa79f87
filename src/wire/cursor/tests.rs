use super::*;

#[test]
fn reads_what_kafka_writes() {
    let mut c = Cursor::new(&[0, 3, 0, 0, 0, 9, 0xac, 0x02, 0x03, b'a', b'b', 0xff, 0xff]);
    assert_eq!(c.i16(), Ok(3));
    assert_eq!(c.i32(), Ok(9));
    assert_eq!(c.uvarint(), Ok(300));
    assert_eq!(c.string(true), Ok("ab"));
    assert_eq!(c.nullable_string(false), Ok(None));
    assert_eq!(c.remaining(), 0);
}

#[test]
fn an_end_inside_a_field_says_how_much_is_missing() {
    let mut c = Cursor::new(&[0, 0, 0]);
    assert_eq!(c.i32(), Err(WireError::Truncated { needed: 4, available: 3 }));
    assert_eq!(c.position(), 0);
}

#[test]
fn hostile_lengths_are_errors() {
    assert_eq!(Cursor::new(&[0xff, 0xfe]).string_length(false), Err(WireError::BadLength { what: "string length", value: -2, offset: 0 }));
    assert_eq!(Cursor::new(&[0x80, 0, 0, 0]).array_count(false), Err(WireError::BadLength { what: "array count", value: i64::from(i32::MIN), offset: 0 }));
    assert_eq!(Cursor::new(&[0xff; 6]).uvarint(), Err(WireError::BadVarint { offset: 0 }));
    assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).uvarint(), Err(WireError::BadVarint { offset: 0 }));
    assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).uvarint(), Ok(u32::MAX));
    // A string of 32,767 bytes is the longest; a compact one may not be longer either.
    assert!(Cursor::new(&[0x82, 0x80, 0x02]).string_length(true).is_err());
}

#[test]
fn skip_tags_passes_over_unknown_tags_only_if_they_are_whole() {
    let mut c = Cursor::new(&[2, 0, 1, 7, 5, 2, 8, 8, 42]);
    c.skip_tags().unwrap();
    assert_eq!(c.rest(), &[42]);
    assert!(Cursor::new(&[1, 0, 200, 1, 7]).skip_tags().is_err());
}
