use super::*;

fn values(values: &[&[u8]]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.to_vec()).collect()
}

/// The next offset, and offset and value of each record.
type ReadAll = (i64, Vec<(i64, Vec<u8>)>);

fn read_all(bytes: &[u8], from: i64) -> Result<ReadAll, WireError> {
    let mut records = vec![];
    let next = read(bytes, from, &mut |record| records.push((record.offset, record.value.to_vec())))?;
    Ok((next, records))
}

#[test]
fn a_batch_is_these_bytes() {
    let batch = write(&values(&[b"ab", b""]), 0x0102, Some(Numbering { producer_id: 7, epoch: 1, base_sequence: 5 }));
    #[rustfmt::skip]
    let covered = [
        0, 0,                           // attributes
        0, 0, 0, 1,                     // last offset delta
        0, 0, 0, 0, 0, 0, 1, 2,         // base timestamp
        0, 0, 0, 0, 0, 0, 1, 2,         // max timestamp
        0, 0, 0, 0, 0, 0, 0, 7,         // producer id
        0, 1,                           // producer epoch
        0, 0, 0, 5,                     // base sequence
        0, 0, 0, 2,                     // records
        16, 0, 0, 0, 1, 4, b'a', b'b', 0, // length 8, attributes, timestamp and offset delta, null key, value of 2, no headers
        12, 0, 0, 2, 1, 0, 0,           // length 6, offset delta 1, an empty value
    ];
    let mut expected = vec![0, 0, 0, 0, 0, 0, 0, 0];
    expected.extend(i32::try_from(covered.len() + 9).unwrap().to_be_bytes());
    expected.extend([0xff, 0xff, 0xff, 0xff, 2]);
    expected.extend(0x9497_875d_u32.to_be_bytes());
    expected.extend(covered);
    assert_eq!(batch.to_vec(), expected);
}

#[test]
fn the_sandbox_takes_what_is_written() {
    let long = vec![7_u8; 300];
    let batch = write(&values(&[b"one", &long]), 5, None);
    let header = crate::sandbox::model::batch::check(&batch, 9, 1 << 20).unwrap();
    assert_eq!((header.count, header.has_producer_id()), (2, false));
    let records = crate::sandbox::model::records::records_of(&batch).unwrap();
    assert_eq!(records[1].1.as_deref(), Some(&long[..]));
}

#[test]
fn records_come_back_from_the_offset_that_was_asked_for() {
    let first = write(&values(&[b"a", b"b", b"c"]), 1, None);
    let mut second = write(&values(&[b"d"]), 1, None).to_vec();
    second[7] = 3;
    let both = [&first[..], &second].concat();
    let record = |offset, value: &[u8]| (offset, value.to_vec());
    assert_eq!(read_all(&both, 2).unwrap(), (4, vec![record(2, b"c"), record(3, b"d")]));
    // A Fetch cuts its last batch where its bytes end.
    assert_eq!(read_all(&both[..both.len() - 1], 0).unwrap(), (3, vec![record(0, b"a"), record(1, b"b"), record(2, b"c")]));
    assert_eq!(read_all(&[], 9).unwrap(), (9, vec![]));
}

#[test]
fn damage_is_seen() {
    let good = write(&values(&[b"abc"]), 1, None);
    for at in 8..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0x41;
        // The leader epoch is not covered, and a longer length is a cut batch.
        let read = read_all(&bad, 0);
        let uncovered = (12..16).contains(&at) || read.as_ref().is_ok_and(|(next, records)| *next == 0 && records.is_empty());
        assert!(read.is_err() || uncovered, "a change at {at} was not seen");
    }
}

#[test]
fn varints_have_their_length() {
    for value in [0, -1, 63, 64, -64, -65, 8191, 8192, i64::MAX, i64::MIN] {
        let mut out = BytesMut::new();
        put_varint(&mut out, value);
        assert_eq!(varint_length(value), out.len() as i64, "{value}");
        assert_eq!(varint(&mut Cursor::new(&out)).unwrap(), value);
    }
}
