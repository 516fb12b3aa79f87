use serde_json::json;

use super::*;

fn state(ledger: &mut Ledger, version: u64, nonce: &str, walker: Option<&str>, now: Millis) -> Option<Accepted> {
    let proposal = Proposal::new("w", walker.map(str::to_owned), json!({ "by": nonce }));
    ledger.read(Some(state_key(version, nonce).as_bytes()), Some(&serde_json::to_vec(&proposal).unwrap()), now)
}

fn beat(ledger: &mut Ledger, id: &str, number: u64, now: Millis) {
    let value = serde_json::to_vec(&Beat::new(number, "host", "127.0.0.1:1")).unwrap();
    assert_eq!(ledger.read(Some(instance_key(id).as_bytes()), Some(&value), now), None);
}

fn by(ledger: &Ledger) -> &Value {
    &ledger.accepted().unwrap().unwrap().contents["by"]
}

#[test]
fn the_first_of_a_version_is_the_state() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.accepted(), None);
    assert_eq!(state(&mut ledger, 1, "a", None, 0), Some(Accepted { version: 1, nonce: "a".to_owned() }));
    assert_eq!(state(&mut ledger, 2, "b", None, 0), Some(Accepted { version: 2, nonce: "b".to_owned() }));
    assert_eq!(state(&mut ledger, 2, "c", None, 0), None, "b was first");
    assert_eq!(state(&mut ledger, 1, "late", None, 0), None);
    assert_eq!((ledger.version(), by(&ledger)), (2, &json!("b")));
    assert_eq!(ledger.litter(10), [state_key(1, "a"), state_key(1, "late")], "what lost version 2 stays until 3 is decided");
    assert_eq!(ledger.litter(1).len(), 1);
    ledger.read(Some(state_key(1, "a").as_bytes()), None, 0);
    assert_eq!(ledger.litter(10), [state_key(1, "late")]);
}

#[test]
fn what_is_not_understood_is_decided_all_the_same() {
    let mut ledger = Ledger::default();
    state(&mut ledger, 1, "a", Some("w"), 0);
    for (version, value, told) in [(2, &b"{\"layout\":9}"[..], "layout 9"), (3, b"{\"layout\":1}", "damaged"), (4, b"\xff", "damaged")] {
        assert!(ledger.read(Some(state_key(version, "n").as_bytes()), Some(value), 0).is_some());
        let problem = ledger.accepted().unwrap().unwrap_err();
        assert!(problem.contains(told), "{problem}");
        assert_eq!(ledger.walker(), None);
    }
    for key in [&b"state.x.n"[..], b"state.9", b"other.1", b"", b"\xff", b"instance"] {
        assert_eq!(ledger.read(Some(key), Some(b"{}"), 0), None);
    }
    ledger.read(None, Some(b"{}"), 0);
    ledger.read(Some(instance_key("i").as_bytes()), Some(b"{}"), 0);
    assert_eq!((ledger.version(), ledger.instances().count()), (4, 0));
}

#[test]
fn a_walker_is_followed_when_it_is_silent_and_only_then() {
    let mut ledger = Ledger::default();
    assert!(ledger.may_take_over("b", 0, 0), "nobody walks");
    state(&mut ledger, 1, "n", Some("a"), 100);
    beat(&mut ledger, "a", 1, 1_000);
    assert!(!ledger.may_take_over("b", 0, 1_000 + TAKE_OVER - 1));
    assert!(ledger.may_take_over("b", 0, 1_000 + TAKE_OVER));
    assert!(!ledger.may_take_over("a", 0, 1_000 + TAKE_OVER), "not from itself");
    // Who has not read the log for a while has not heard what was said there.
    assert!(!ledger.may_take_over("b", 2_000, 1_000 + TAKE_OVER));
    // One that has become it just now has time to beat.
    state(&mut ledger, 2, "n", Some("c"), 50_000);
    assert!(!ledger.may_take_over("b", 0, 50_000 + TAKE_OVER - 1));
    assert!(ledger.may_take_over("b", 0, 50_000 + TAKE_OVER));
}

#[test]
fn a_walker_stops_before_another_begins() {
    let mut ledger = Ledger::default();
    state(&mut ledger, 1, "n", Some("a"), 0);
    assert_eq!(ledger.acts_until("a", None), None, "before its first beat is in the log");
    assert_eq!(ledger.acts_until("b", Some(5)), None);
    // It sends at 1,000; whoever reads that does so later, and counts from then.
    let ends = ledger.acts_until("a", Some(1_000)).unwrap();
    beat(&mut ledger, "a", 1, 1_001);
    assert!(!ledger.may_take_over("b", 0, ends));
    state(&mut ledger, 2, "n", Some("b"), 2_000);
    assert_eq!(ledger.acts_until("a", Some(1_500)), None, "the log has named another");
}

#[test]
fn who_is_silent_for_long_is_forgotten() {
    let mut ledger = Ledger::default();
    beat(&mut ledger, "a", 1, 0);
    beat(&mut ledger, "b", 1, 5);
    assert_eq!(ledger.silent(FORGET).collect::<Vec<_>>(), ["a"]);
    ledger.read(Some(instance_key("a").as_bytes()), None, 6);
    assert_eq!(ledger.instances().map(|(id, _)| id).collect::<Vec<_>>(), ["b"]);
    for extra in 0..100 {
        beat(&mut ledger, &format!("x{extra}"), 1, 7);
        ledger.read(Some(b"instance.y"), Some(b"no beat"), 7);
    }
    assert_eq!(ledger.instances().count(), INSTANCES_MAX);
}
