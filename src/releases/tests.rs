use super::*;

#[test]
fn names_are_read_and_written() {
    assert_eq!(Release::all().count(), 23);
    for release in Release::all() {
        assert_eq!(release.name().parse(), Ok(Version::from(release)));
        assert_eq!(format!("{release}.7").parse(), Ok(Version { release, patch: Some(7) }));
        assert!(release.name().starts_with(&release.major().to_string()), "{release}");
        assert_eq!(Version { release, patch: Some(3) }.to_string(), format!("{release}.3"));
    }
    assert!(Release::all().is_sorted());
    assert_eq!((Release::all().next(), Release::all().next_back()), (Some(Release::OLDEST), Some(Release::NEWEST)));
    for text in ["", "2", "2.", "2.0", "4.5", "10.1", "v2.1", "2.1.", "2.1.x", "2.1.-1", "2.1.+1", "2.1.0.1", "2.1.99999"] {
        assert_eq!(text.parse::<Version>(), Err(UnknownRelease { text: text.to_owned() }), "{text}");
    }
}

#[test]
fn modes_have_their_releases() {
    let of = |mode| Release::all().filter(|release| release.runs_in(mode)).map(Release::name).collect::<Vec<_>>();
    assert_eq!((of(Mode::ZooKeeper).first(), of(Mode::ZooKeeper).last()), (Some(&"2.1"), Some(&"3.9")));
    assert_eq!((of(Mode::KRaft).first(), of(Mode::KRaft).last()), (Some(&"3.0"), Some(&"4.4")));
}

#[test]
fn formats_follow_the_releases() {
    for release in Release::all() {
        // Each KRaft release has a metadata.version of its own, higher than the one before.
        let level = |release: Release| release.metadata_version().map(|version| version.level);
        assert_eq!(level(release).is_some(), release.runs_in(Mode::KRaft), "{release}");
        for newer in Release::all().filter(|newer| *newer > release && level(release).is_some()) {
            assert!(level(newer) > level(release), "{release} {newer}");
        }
        let protocol = release.inter_broker_protocol();
        assert_eq!(protocol.is_some(), release.runs_in(Mode::ZooKeeper), "{release}");
        assert!(protocol.is_none_or(|(short, whole)| short == release.name() && whole.starts_with(&format!("{short}-IV"))));
        assert_eq!(settings::exists(settings::INTER_BROKER_PROTOCOL, release), Some(protocol.is_some()));
        assert_eq!(settings::exists(settings::MESSAGE_FORMAT, release), Some(release.message_format() != formats::MessageFormat::Removed));
        // Every level that it may tell stands for it, and for no more than two releases.
        for level in 1..=40 {
            let tellers: Vec<_> = Release::all().filter(|release| release.may_support_up_to(level)).collect();
            assert!(tellers.len() <= 2, "{level}: {tellers:?}");
        }
    }
    assert_eq!(V3_9.metadata_version().map(|version| (version.level, version.name)), Some((21, "3.9-IV0")));
    assert_eq!(V4_3.metadata_version().map(|version| (version.level, version.name)), Some((30, "4.3-IV0")));
    assert_eq!(formats::metadata_version_of(formats::LEAST_LEVEL_OF_4).map(|version| version.name), Some("3.3-IV3"));
    let back = |older: Release, newer: Release| formats::metadata_can_go_back(older.into(), newer.into());
    assert!(back(V3_8, V3_9) && back(V4_1, V4_2));
    assert!(!back(V3_6, V3_7) && !back(V3_9, V4_0) && !back(V3_1, V3_2) && !back(V2_8, V3_9));
}

#[test]
fn java_overlaps_from_release_to_release_but_for_the_step_to_4() {
    for (older, newer) in Release::all().zip(Release::all().skip(1)) {
        assert!(older.java().1 >= newer.java().0, "{older} to {newer}: no Java runs both");
    }
    assert!(V2_8.java().1 < V4_0.java().0 && Release::BRIDGE.java().1 >= V4_0.java().0);
}
