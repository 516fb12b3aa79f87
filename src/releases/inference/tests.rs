use super::*;
use crate::protocol::versions::{Feature, VersionRange};

/// What a broker of `release` offers, all optional APIs included.
fn offer(release: Release, mode: Mode) -> Offer {
    let ranges = apis::keys().filter_map(|key| apis::listed(release, mode, key)).collect();
    let level = release.metadata_version().filter(|_| mode == Mode::KRaft && release.tells_metadata_version());
    let feature = |level: i16| Feature { name: METADATA_VERSION.to_owned(), min: 1, max: level };
    Offer {
        ranges,
        supported_features: level.map(|version| feature(version.level)).into_iter().collect(),
        finalized_epoch: -1,
        finalized_features: Vec::new(),
        zk_migration_ready: false,
    }
}

fn set(offer: &mut Offer, api_key: i16, min: i16, max: i16) {
    offer.ranges.retain(|range| range.api_key != api_key);
    offer.ranges.push(VersionRange { api_key, min, max });
}

#[test]
fn every_release_is_told_exactly() {
    for (release, mode) in candidates() {
        let inference = infer(&offer(release, mode));
        assert_eq!((inference.exact(), inference.mode), (Some(release), Some(mode)), "{release} {mode}: {inference:?}");
        assert!(inference.known_by.len() >= 2, "{release} {mode}: {inference:?}");
        assert_eq!(inference.to_string(), release.name());
    }
}

/// In ApiVersions below 3 nobody tells features.
#[test]
fn without_features_one_pair_stays_together() {
    let mut together = Vec::new();
    for (release, mode) in candidates() {
        let inference = infer(&Offer { supported_features: Vec::new(), ..offer(release, mode) });
        assert!(inference.oldest <= Some(release) && Some(release) <= inference.newest, "{release} {mode}: {inference:?}");
        if inference.exact().is_none() {
            together.push((release.name(), inference.to_string()));
        }
    }
    assert_eq!(together, [("3.3", "3.3 to 3.4".to_owned()), ("3.4", "3.3 to 3.4".to_owned())]);
}

/// What depends on configuration or on the active controller's release moves nothing.
#[test]
fn what_varies_is_no_evidence() {
    for (release, mode) in candidates() {
        let mut less = offer(release, mode);
        less.ranges.retain(|range| !apis::varies(range.api_key));
        assert_eq!(infer(&less).exact(), Some(release), "{release} {mode}");
    }
    // As brokers of 3.0 and 3.1 in KRaft mode do.
    let mut with_envelope = offer(Release::V3_1, Mode::KRaft);
    set(&mut with_envelope, 58, 0, 0);
    assert_eq!(infer(&with_envelope).exact(), Some(Release::V3_1));
    // A 4.3 broker whose controller is still of 3.9, in an upgrade.
    let (mut mixed, old) = (offer(Release::V4_3, Mode::KRaft), offer(Release::V3_9, Mode::KRaft));
    for range in mixed.ranges.iter_mut().filter(|range| apis::varies(range.api_key)) {
        range.max = range.max.min(old.range(range.api_key).map_or(range.max, |range| range.max));
    }
    assert_eq!(infer(&mixed).exact(), Some(Release::V4_3));
    // But one that is above a release is evidence against it.
    let mut above = offer(Release::V3_3, Mode::KRaft);
    set(&mut above, 57, 0, 2);
    assert_eq!(infer(&above).oldest, None);
}

#[test]
fn unstable_versions_are_borne() {
    let mut borne = 0;
    for (release, mode) in candidates() {
        let mut offer = offer(release, mode);
        for (key, version) in apis::keys().filter_map(|key| Some((key, apis::unstable(release, mode, key)?))) {
            set(&mut offer, key, apis::listed(release, mode, key).map_or(version, |range| range.min), version);
            borne += 1;
        }
        assert_eq!(infer(&offer).exact(), Some(release), "{release} {mode}");
    }
    // 5 of 3.5 to 3.7 in both modes, and 26 in KRaft's alone.
    assert_eq!(borne, 2 * 5 + 26);
    let mut testing = offer(Release::V4_1, Mode::KRaft);
    testing.supported_features[0].max = 29;
    let inference = infer(&testing);
    assert_eq!(inference.exact(), Some(Release::V4_1));
    assert!(
        inference.known_by.contains(&"supported metadata.version goes up to 4.2-IV1 (level 29): 4.2, or with unstable versions switched on 4.1".to_owned()),
        "{inference:?}"
    );
}

#[test]
fn it_says_how_it_knows() {
    assert_eq!(
        infer(&offer(Release::V3_9, Mode::KRaft)).known_by,
        [
            "Fetch goes up to 17: 3.9 or later",
            "Produce goes no further than 11: 3.9 or earlier",
            "supported metadata.version goes up to 3.9-IV0 (level 21): 3.9, or with unstable versions switched on 3.8",
            "it has the feature metadata.version: KRaft"
        ]
    );
    assert_eq!(
        infer(&offer(Release::V2_1, Mode::ZooKeeper)).known_by,
        ["ListOffsets goes no further than 4: 2.1 or earlier", "LeaderAndIsr is offered: ZooKeeper"]
    );
    assert_eq!(
        infer(&offer(Release::V2_6, Mode::ZooKeeper)).known_by,
        ["ListGroups goes up to 4: 2.6 or later", "Fetch goes no further than 11: 2.6 or earlier", "LeaderAndIsr is offered: ZooKeeper"]
    );
    assert_eq!(infer(&offer(Release::V3_9, Mode::ZooKeeper)).known_by[1], "LeaderAndIsr is offered: 3.9 or earlier");
    assert_eq!(infer(&offer(Release::V3_1, Mode::KRaft)).known_by.last().unwrap(), "LeaderAndIsr is not offered: KRaft");
    let mut first = offer(Release::V4_0, Mode::KRaft);
    set(&mut first, 11, 2, 9);
    assert!(infer(&first).known_by.contains(&"JoinGroup begins at 2: 4.0.0".to_owned()));
}

/// Each sentence must hold for every release that it leaves, and for none that it excludes.
#[test]
fn bounds_are_the_tightest() {
    for (release, mode) in candidates() {
        let known_by = infer(&offer(release, mode)).known_by;
        let lower = known_by.iter().any(|why| why.ends_with(&format!(": {release} or later")));
        let upper = known_by.iter().any(|why| why.ends_with(&format!(": {release} or earlier")));
        // 3.4 and 4.x in KRaft mode: the feature tells.
        let feature = known_by.iter().any(|why| why.ends_with(&format!("): {release}")) || why.contains(&format!("): {release}, or")));
        assert!(release == Release::OLDEST || lower || feature, "{release} {mode}: {known_by:?}");
        assert!(release == Release::NEWEST || upper || feature, "{release} {mode}: {known_by:?}");
    }
}

#[test]
fn a_later_release_is_called_later() {
    let mut later = offer(Release::V4_4, Mode::KRaft);
    set(&mut later, 1, 4, 19);
    let inference = infer(&later);
    assert_eq!((inference.to_string().as_str(), inference.exact()), ("later than 4.4", None));
    assert_eq!(inference.known_by, ["Fetch goes up to 19, in 4.4 it goes to 18"]);
    let mut later = offer(Release::V4_4, Mode::KRaft);
    later.supported_features[0].max = 40;
    assert_eq!(infer(&later).known_by, ["supported metadata.version goes up to level 40, beyond that of 4.4"]);
}

#[test]
fn another_product_is_called_unknown() {
    let nothing = Offer { ranges: Vec::new(), ..offer(Release::V2_1, Mode::ZooKeeper) };
    let inference = infer(&nothing);
    assert_eq!((inference.to_string().as_str(), inference.oldest, inference.newest, inference.mode), ("unknown", None, None, None));
    assert_eq!(inference.known_by.len(), 1);
    let mut odd = offer(Release::V3_1, Mode::ZooKeeper);
    set(&mut odd, 3, 0, 5);
    let inference = infer(&odd);
    assert_eq!(inference.oldest, None);
    assert!(inference.known_by[0].starts_with("Metadata goes up to 5, which is so in no release from 2.1 to 4.4; it may be"), "{inference:?}");
    set(&mut odd, 3, 0, 7);
    let expected = "Fetch goes up to 13, as in 3.1 and later, yet Metadata goes up to 7, as in 2.2 and earlier; it may be built from another source";
    assert!(infer(&odd).known_by[0].starts_with(expected), "{:?}", infer(&odd));
    // A proxy that leaves the brokers' own APIs out.
    let mut between = offer(Release::V2_6, Mode::ZooKeeper);
    between.ranges.retain(|range| !matches!(range.api_key, 4..=7));
    assert_eq!(infer(&between).oldest, None);
}

#[test]
fn hostile_offers_do_no_harm() {
    for (min, max) in [(i16::MIN, i16::MAX), (i16::MAX, i16::MIN), (-1, -1)] {
        let ranges = (-3..120).map(|api_key| VersionRange { api_key, min, max }).collect();
        let feature = Feature { name: METADATA_VERSION.to_owned(), min, max };
        let inference =
            infer(&Offer { ranges, supported_features: vec![feature], finalized_epoch: 0, finalized_features: Vec::new(), zk_migration_ready: true });
        assert!(inference.exact().is_none());
    }
    // A key that comes again and again costs nothing, and the first one counts.
    let mut again = offer(Release::V2_6, Mode::ZooKeeper);
    let fetch = again.range(1).unwrap();
    again.ranges.extend(std::iter::repeat_n(VersionRange { max: 99, ..fetch }, 1_000_000));
    assert_eq!(infer(&again).exact(), Some(Release::V2_6));
}
