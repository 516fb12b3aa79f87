//! Clients are led around a broker that is drained.

use serde_json::Value;

use crate::leeward::{Leeward, until};
use crate::wire::Wire;

const DRAINED: u16 = 2;

fn tell(leeward: &Leeward, verb: &str) {
    let place = format!("http://{}/v1/brokers/{DRAINED}/{verb}", leeward.admin);
    assert_eq!(ureq::post(place).content_type("application/json").send(r#"{"reason": "trouble"}"#).unwrap().status(), 200);
}

fn phase(leeward: &Leeward) -> String {
    let text = ureq::get(format!("http://{}/v1/brokers/{DRAINED}/drain", leeward.admin)).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["phase"].as_str().unwrap().to_owned()
}

/// Requests of clients that were sent to it.
fn asked(leeward: &Leeward) -> f64 {
    let row = |kind: &str| leeward.metric(&format!("leeward_requests_sent_total node_id=\"{DRAINED}\",kind=\"{kind}\""));
    row("produce") + row("fetch") + row("other")
}

/// The node ids that a Metadata answer names.
fn named(wire: &mut Wire) -> Vec<i32> {
    wire.metadata().unwrap().brokers.iter().map(|broker| broker.node_id.0).collect()
}

#[test]
fn nobody_is_sent_there_and_what_comes_for_it_is_answered_by_others_until_it_is_undrained() {
    let (leeward, sandbox, runtime) = Leeward::before_sandbox("");
    runtime.block_on(sandbox.create_topic("t", 6, 3, 2)).unwrap();
    let mut there = Wire::connect(leeward.broker(DRAINED));
    assert_eq!(named(&mut there).len(), 3);
    assert!(asked(&leeward) >= 1.0, "it was asked");
    tell(&leeward, "drain");
    until("it is drained", || phase(&leeward) == "drained");
    until("nobody is told of it", || !named(&mut Wire::connect(leeward.bootstrap)).contains(&i32::from(DRAINED)));
    // Its own connections leave with the next thing that they do.
    assert!(there.metadata().is_some());
    let before = asked(&leeward);
    for _ in 0..20 {
        assert_eq!(named(&mut Wire::connect(leeward.bootstrap)).len(), 2);
    }
    for wire in [&mut there, &mut Wire::connect(leeward.broker(DRAINED))] {
        assert_eq!(named(wire).len(), 2);
    }
    assert_eq!(asked(&leeward), before, "it is asked nothing any more");

    tell(&leeward, "undrain");
    until("it serves", || phase(&leeward) == "serving");
    until("everybody is told of it", || named(&mut Wire::connect(leeward.bootstrap)).len() == 3);
    until("it is asked again", || {
        there.metadata();
        asked(&leeward) > before
    });
}
