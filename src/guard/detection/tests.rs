use super::*;

const SECOND: Millis = 1000;
const MINUTE: Millis = 60 * SECOND;
const LIMITS: DetectionLimits = DetectionLimits { window: 30 * MINUTE, quiet: MINUTE };
const NOW: Millis = 1_000_000_000;

fn seen(brokers: &[(i32, bool)]) -> Detection {
    let mut detection = Detection::default();
    assert_eq!(detection.on_brokers(brokers, None, LIMITS, NOW), None, "what is seen first is no change");
    detection
}

#[test]
fn a_broker_that_goes_opens_a_window_and_every_broker_back_closes_it() {
    let mut detection = seen(&[(1, true), (2, true)]);
    let wish = detection.on_brokers(&[(1, true), (2, false)], None, LIMITS, NOW);
    assert_eq!(wish, Some(Wish::Open { lost: vec![2], until: NOW + LIMITS.window }));
    let expires = Some(NOW + LIMITS.window);
    assert_eq!(detection.on_brokers(&[(1, true), (2, false)], expires, LIMITS, NOW + SECOND), None, "nothing has changed");

    let back = NOW + 5 * MINUTE;
    assert_eq!(detection.on_brokers(&[(1, true), (2, true)], expires, LIMITS, back), None);
    assert_eq!(detection.next_change(expires, u64::MAX, LIMITS), Some(back + LIMITS.quiet));
    assert_eq!(detection.advance(expires, LIMITS, back + LIMITS.quiet - 1), None);
    assert_eq!(detection.advance(expires, LIMITS, back + LIMITS.quiet), Some(Wish::Close));
    assert_eq!(detection.advance(None, LIMITS, back + LIMITS.quiet), None);
}

#[test]
fn the_next_broker_of_a_rolling_restart_ends_the_quiet() {
    let mut detection = seen(&[(1, true), (2, true)]);
    detection.on_brokers(&[(1, false), (2, true)], None, LIMITS, NOW);
    let expires = Some(NOW + LIMITS.window);
    detection.on_brokers(&[(1, true), (2, true)], expires, LIMITS, NOW + MINUTE);
    let wish = detection.on_brokers(&[(1, true), (2, false)], expires, LIMITS, NOW + MINUTE + LIMITS.quiet / 2);
    assert_eq!(wish, Some(Wish::Open { lost: vec![2], until: NOW + MINUTE + LIMITS.quiet / 2 + LIMITS.window }));
    assert_eq!(detection.advance(expires, LIMITS, NOW + MINUTE + LIMITS.quiet), None, "the quiet begins again");
}

#[test]
fn it_is_prolonged_while_a_broker_is_away() {
    let mut detection = seen(&[(1, true)]);
    detection.on_brokers(&[(1, false)], None, LIMITS, NOW);
    let expires = NOW + LIMITS.window;
    let due = expires - LIMITS.window / 2;
    assert_eq!(detection.next_change(Some(expires), u64::MAX, LIMITS), Some(due));
    assert_eq!(detection.next_change(Some(expires), expires, LIMITS), None, "it cannot be prolonged any more");
    assert_eq!(detection.advance(Some(expires), LIMITS, due - 1), None);
    assert_eq!(detection.advance(Some(expires), LIMITS, due), Some(Wish::Prolong { until: due + LIMITS.window }));
}

#[test]
fn a_window_that_was_closed_by_hand_stays_closed_until_the_next_one_goes() {
    let mut detection = seen(&[(1, true), (2, true)]);
    detection.on_brokers(&[(1, false), (2, true)], None, LIMITS, NOW);
    assert_eq!(detection.on_brokers(&[(1, false), (2, true)], None, LIMITS, NOW + SECOND), None);
    assert!(matches!(detection.on_brokers(&[(1, false), (2, false)], None, LIMITS, NOW + MINUTE), Some(Wish::Open { lost, .. }) if lost == [1, 2]));
}

#[test]
fn a_window_from_before_a_restart_waits_for_brokers_that_this_process_never_saw() {
    let mut detection = Detection::default();
    let expires = Some(NOW + MINUTE);
    assert_eq!(detection.advance(expires, LIMITS, NOW), None, "nobody is known yet: that is no quiet");
    assert!(matches!(detection.on_brokers(&[(1, true), (2, false)], expires, LIMITS, NOW), Some(Wish::Prolong { .. })));
    assert_eq!(detection.away().collect::<Vec<_>>(), [2]);
    assert_eq!(detection.on_brokers(&[(1, true), (2, true)], Some(NOW + LIMITS.window), LIMITS, NOW + SECOND), None);
    assert_eq!(detection.advance(Some(NOW + LIMITS.window), LIMITS, NOW + SECOND + LIMITS.quiet), Some(Wish::Close));
}

#[test]
fn brokers_that_are_down_from_the_beginning_or_leave_for_good_open_nothing() {
    let mut detection = seen(&[(1, true), (2, false)]);
    assert_eq!(detection.on_brokers(&[(1, true), (2, true), (3, true)], None, LIMITS, NOW), None);
    assert_eq!(detection.on_brokers(&[(1, true), (2, true)], None, LIMITS, NOW), None, "a broker that is not in the picture any more");
    assert_eq!(detection.away().count(), 0);
}
