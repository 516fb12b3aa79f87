use super::*;

fn range_of(release: Release, mode: Mode, api_key: i16) -> Option<(i16, i16)> {
    range(release, mode, api_key).map(|range| (range.min, range.max))
}

#[test]
fn the_table_is_well_formed() {
    assert!(keys().is_sorted_by(|a, b| a < b));
    for row in &ROWS {
        assert!(row.steps.is_sorted_by(|a, b| a.0 < b.0 && (a.1, a.2) != (b.1, b.2)), "{}", row.api_key);
        let since = row.zookeeper_since.into_iter().chain(row.kraft_since).min();
        assert_eq!(row.steps.first().map(|step| step.0), since, "{}: a first step before or after the first release", row.api_key);
        for (_, min, max) in row.steps {
            assert!(0 <= *min && min <= max);
        }
        // The wire's own table ends where this one does, over all releases.
        let known = api::Api::of(row.api_key).unwrap();
        assert!(known.max_version >= row.steps.last().unwrap().2, "{}", known.name);
    }
    for (release, key, version) in UNSTABLE {
        let stable = Mode::ALL.into_iter().filter_map(|mode| range(release, mode, key)).map(|range| range.max).max();
        assert_eq!(stable.map_or(version, |max| max + 1), version, "{release} {key}");
    }
}

#[test]
fn no_release_takes_away_a_highest_version() {
    for mode in Mode::ALL {
        for (older, newer) in Release::all().zip(Release::all().skip(1)).filter(|(older, newer)| older.runs_in(mode) && newer.runs_in(mode)) {
            for key in keys() {
                assert!(range(older, mode, key).map(|range| range.max) <= range(newer, mode, key).map(|range| range.max), "{mode} {newer} {key}");
            }
        }
    }
}

/// Spot checks against the tables of protocol.md and Kafka's own files.
#[test]
fn versions_are_those_of_the_releases() {
    let rows = [
        (V2_1, Mode::ZooKeeper, 0, Some((0, 7))),
        (V2_6, Mode::ZooKeeper, 1, Some((0, 11))),
        (V2_6, Mode::ZooKeeper, 60, None),
        (V3_9, Mode::ZooKeeper, 6, Some((0, 8))),
        (V3_9, Mode::KRaft, 6, None),
        (V3_9, Mode::KRaft, 1, Some((0, 17))),
        (V4_0, Mode::KRaft, 0, Some((3, 12))),
        (V4_0, Mode::ZooKeeper, 0, None),
        (V4_3, Mode::KRaft, 78, Some((1, 2))),
        (V4_4, Mode::KRaft, 18, Some((0, 5))),
        (V4_4, Mode::KRaft, 94, Some((0, 0))),
        (V2_8, Mode::KRaft, 0, None),
        (V4_4, Mode::KRaft, 999, None),
    ];
    for (release, mode, key, expected) in rows {
        assert_eq!(range_of(release, mode, key), expected, "{release} {mode} {key}");
    }
    assert_eq!(listed(V4_3, Mode::KRaft, 0).map(|range| range.min), Some(0));
    assert_eq!(listed(V4_3, Mode::KRaft, 1).map(|range| range.min), Some(4));
}

#[test]
fn a_request_is_accepted_or_not() {
    let of = |version: &str, mode, key, api_version| accepts(version.parse().unwrap(), mode, key, api_version);
    assert_eq!(of("3.9", Mode::KRaft, 0, 2), Accepted::Yes);
    assert_eq!(of("4.0", Mode::KRaft, 0, 2), Accepted::No);
    assert_eq!(of("4.3.1", Mode::KRaft, 1, 3), Accepted::No);
    assert_eq!(of("4.0.0", Mode::KRaft, 11, 1), Accepted::No);
    assert_eq!(of("4.0.1", Mode::KRaft, 11, 1), Accepted::Yes);
    assert!(matches!(of("4.0", Mode::KRaft, 11, 1), Accepted::Depends(which) if which.starts_with("4.0.1")));
    assert_eq!(of("4.0", Mode::KRaft, 11, 2), Accepted::Yes);
    assert_eq!(of("4.1", Mode::KRaft, 11, 0), Accepted::Yes);
    assert!(matches!(of("4.1", Mode::KRaft, 8, 10), Accepted::Depends(which) if which.contains("unstable")));
    assert_eq!(of("4.2", Mode::KRaft, 8, 10), Accepted::Yes);
    assert!(matches!(of("4.3", Mode::KRaft, 71, 0), Accepted::Depends(_)));
    assert_eq!(of("2.1", Mode::ZooKeeper, 43, 0), Accepted::No);
    assert_eq!(of("2.1", Mode::ZooKeeper, 0, -1), Accepted::No);
}

/// KIP-896, whole: what a 3.9 takes and a 4.x does not.
#[test]
fn what_is_lost_with_4_is_what_kip_896_names() {
    let lost = |to: &str| {
        lost((V3_9.into(), Mode::KRaft), (to.parse().unwrap(), Mode::KRaft)).into_iter().map(|range| (range.api_key, range.min, range.max)).collect::<Vec<_>>()
    };
    let with_4_4 = lost("4.4");
    let mut expected = vec![(0, 0, 2), (1, 0, 3), (2, 0, 0), (8, 0, 1), (9, 0, 0), (19, 0, 1), (20, 0, 0), (23, 0, 1), (27, 0, 0)];
    expected.extend([29, 30, 31, 32, 34, 35, 38, 39, 40, 41].map(|key| (key, 0, 0)));
    assert_eq!(with_4_4, expected);
    assert_eq!(lost("4.0.1"), expected);
    expected.insert(5, (11, 0, 1));
    assert_eq!(lost("4.0.0"), expected);
    // With ZooKeeper gone, the requests between its brokers go too.
    let from_zookeeper = super::lost((V3_9.into(), Mode::ZooKeeper), (V4_0.into(), Mode::KRaft));
    assert!([4, 5, 6, 7].into_iter().all(|key| from_zookeeper.iter().any(|range| range.api_key == key)));
    // Within 3.x nothing is.
    assert_eq!(super::lost((V3_0.into(), Mode::KRaft), (V3_9.into(), Mode::KRaft)), []);
    assert_eq!(super::lost((V2_1.into(), Mode::ZooKeeper), (V3_9.into(), Mode::ZooKeeper)), []);
}
