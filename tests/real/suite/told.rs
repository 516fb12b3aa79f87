//! Which release a broker is, told from what it offers alone: for each release that is tested, and in the middle of an upgrade.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::CreateTopicsRequest;
use leeward::releases::{Inference, Mode, Release as Line, Version, infer};

use super::prepare;
use crate::cluster::Cluster;
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_3_9_1, KAFKA_4_3_1, Quorum, Release};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};
use crate::wire::Wire;

/// One broker is enough: each tells its own release.
#[test]
fn told_by_what_it_offers() {
    let Some(_admission) = admit("told", Selection::Ci) else { return };
    let releases = [&KAFKA_2_1_0, &KAFKA_2_6_3, &KAFKA_3_9_1, &KAFKA_4_3_1];
    prepare(&releases, &[], false);
    let mut steps = Steps::new("told");
    for release in releases {
        let cluster = Cluster::start_mixed(&format!("told-{}", release.version), &[(1, release)]);
        steps.run(&format!("a broker of {} is told exactly", release.version), || assert_told(&cluster, 1, release));
        if release.quorum == Quorum::KRaft {
            steps.run("without features it is told as well", || {
                let mut offer = offer(&cluster, 1);
                offer.supported_features.clear();
                assert_eq!(infer(&offer).exact(), Some(line(release)));
            });
        }
        steps.run("it accepts what the table says, and nothing else", || assert_offer_is_the_table_s(&cluster, release));
    }
    steps.finish();
}

/// A broker of 4.3.1 offers some APIs only as far as the controller of 3.9.1 has them.
#[test]
fn told_in_the_middle_of_an_upgrade() {
    let Some(_admission) = admit("told-upgrade", Selection::All) else { return };
    prepare(&[&KAFKA_3_9_1, &KAFKA_4_3_1], &[], false);
    let mut steps = Steps::new("told-upgrade");
    let mut cluster = steps.must("three brokers of 3.9.1", || Cluster::start("told-upgrade", &KAFKA_3_9_1));
    steps.run("each is told", || cluster.node_ids().into_iter().for_each(|id| assert_told(&cluster, id, &KAFKA_3_9_1)));
    steps.must("broker 5 goes to 4.3.1", || {
        cluster.stop(5);
        cluster.restart_on(5, &KAFKA_4_3_1, BTreeMap::new());
    });
    steps.run("each is told again", || {
        assert_told(&cluster, 5, &KAFKA_4_3_1);
        [1, 42].into_iter().for_each(|id| assert_told(&cluster, id, &KAFKA_3_9_1));
    });
    steps.run("also when it has learnt what the controller has", || {
        // It learns that with the first request that it passes on; UpdateFeatures goes to 2 in 4.0 and later, and the controller of 3.9 has 1.
        until("what is passed on is offered as the controller has it", Duration::from_secs(60), || {
            let mut wire = Wire::connect_past(&cluster.inner_address(5))?;
            wire.ask(&CreateTopicsRequest::default().with_validate_only(true).with_timeout_ms(5_000), 5)?;
            match wire.offer()?.range(57) {
                Some(range) if range.max == 1 => Ok(()),
                other => Err(format!("UpdateFeatures is offered as {other:?}")),
            }
        });
        assert_told(&cluster, 5, &KAFKA_4_3_1);
    });
    steps.finish();
}

fn line(release: &Release) -> Line {
    release.version.parse::<Version>().unwrap().release
}

fn mode(release: &Release) -> Mode {
    match release.quorum {
        Quorum::ZooKeeper => Mode::ZooKeeper,
        Quorum::KRaft => Mode::KRaft,
    }
}

fn offer(cluster: &Cluster, id: i32) -> leeward::protocol::versions::Offer {
    Wire::connect_past(&cluster.inner_address(id)).and_then(|mut wire| wire.offer()).unwrap()
}

fn assert_told(cluster: &Cluster, id: i32, release: &Release) {
    let inference: Inference = infer(&offer(cluster, id));
    assert_eq!((inference.exact(), inference.mode), (Some(line(release)), Some(mode(release))), "{inference:?}");
    crate::steps::say("told", &format!("{}: {inference}: {}", release.version, inference.known_by.join("; ")));
}

/// Key by key, both ends of each range.
fn assert_offer_is_the_table_s(cluster: &Cluster, release: &Release) {
    use leeward::releases::apis;
    let offer = offer(cluster, 1);
    let seen: BTreeMap<i16, (i16, i16)> = offer.ranges.iter().map(|range| (range.api_key, (range.min, range.max))).collect();
    // Telemetry needs a receiver, which these brokers do not have.
    let known = apis::keys().filter(|key| ![71, 72].contains(key)).filter_map(|key| apis::listed(line(release), mode(release), key));
    let known: BTreeMap<i16, (i16, i16)> = known.map(|range| (range.api_key, (range.min, range.max))).collect();
    assert_eq!(seen, known);
}
