//! A batch that is given up, and what its client sends behind it.

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Produce v7 with acks=1: one record for a partition of topic `t`.
fn record(id: i32, partition: i32, timeout_ms: i32) -> Vec<u8> {
    let batch = batch(u32::try_from(id).unwrap(), -1);
    let mut body = vec![0xff, 0xff, 0, 1];
    body.put_i32(timeout_ms);
    body.put_slice(&[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1]);
    body.put_i32(partition);
    body.put_i32(i32::try_from(batch.len()).unwrap());
    body.put_slice(&batch);
    request(api::PRODUCE, 7, id, &body)
}

/// The request that each answer is for, and the code of its one partition.
fn told(desk: &mut Desk) -> Vec<(i32, i16)> {
    desk.decide(Session::pump);
    let bytes = desk.left_for_client();
    let answer = |answer: &[u8]| (i32::from_be_bytes(answer[4..8].try_into().unwrap()), i16::from_be_bytes(answer[23..25].try_into().unwrap()));
    let mut rest = &bytes[..];
    std::iter::from_fn(|| {
        let (length, _) = rest.split_first_chunk::<4>()?;
        let (frame, behind) = rest.split_at(4 + u32::from_be_bytes(*length) as usize);
        rest = behind;
        Some(answer(frame))
    })
    .collect()
}

/// Order: a record that was sent in the belief that the one before it is in may not get in without it.
#[test]
fn what_was_sent_before_the_client_knew_fails_too_and_what_it_sends_after_is_new() {
    const REQUEST_TIMED_OUT: i16 = 7;
    let mut desk = Desk::new();
    desk.policy.absorb = Absorb::Always;
    desk.lose_home().unwrap();
    desk.client(&[record(1, 0, 30_000), record(2, 1, 100)].concat()).unwrap();
    assert_eq!(told(&mut desk), []);

    desk.now += 8 * SECOND;
    assert_eq!(told(&mut desk), [], "the second is given up, and its answer waits for the first one's");
    desk.session.client_is_drained();
    desk.client(&record(3, 1, 30_000)).unwrap();
    assert_eq!(told(&mut desk), []);

    desk.now += 7 * SECOND;
    assert_eq!(told(&mut desk), [(1, REQUEST_TIMED_OUT), (2, REQUEST_TIMED_OUT), (3, REQUEST_TIMED_OUT)], "the third had time left");
    desk.client(&record(4, 1, 30_000)).unwrap();
    assert_eq!(told(&mut desk), [(4, REQUEST_TIMED_OUT)], "it may have been on its way when the client was told");
    desk.session.client_is_drained();
    desk.client(&record(5, 1, 30_000)).unwrap();
    assert_eq!(told(&mut desk), [], "the client knew: it is held like any other");
}
