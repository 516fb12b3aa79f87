use super::*;
use crate::releases::settings;

fn planned(from: Release, to: Release, mode: Mode) -> Result<Plan, Refusal> {
    plan(from.into(), to.into(), mode)
}

fn must(from: &str, to: &str, mode: Mode) -> Plan {
    plan(from.parse().unwrap(), to.parse().unwrap(), mode).unwrap()
}

fn refused(from: &str, to: &str, mode: Mode) -> String {
    plan(from.parse().unwrap(), to.parse().unwrap(), mode).unwrap_err().to_string()
}

/// Every pair of releases in both modes.
fn pairs() -> impl Iterator<Item = (Release, Release, Mode)> {
    let from_to = Release::all().flat_map(|from| Release::all().map(move |to| (from, to)));
    from_to.flat_map(|(from, to)| Mode::ALL.map(|mode| (from, to, mode)))
}

/// Those that have a plan with something to do.
fn ways() -> impl Iterator<Item = Plan> {
    pairs().filter_map(|(from, to, mode)| planned(from, to, mode).ok()).filter(|plan| plan.from != plan.to)
}

#[test]
fn every_pair_has_a_plan_or_a_reason() {
    let (mut plans, mut nothing, mut refusals) = (0, 0, 0);
    for (from, to, mode) in pairs() {
        match planned(from, to, mode) {
            Ok(plan) if from == to => {
                assert!(plan.stages.is_empty() && plan.before.is_empty() && plan.changes.is_empty() && plan.step == Step::None);
                nothing += 1;
            }
            Ok(plan) => {
                assert!(from < to && from.runs_in(mode));
                assert_eq!(plan.step == Step::Major, from.major() != to.major(), "{from} {to}");
                assert_eq!(plan.stages.first().map(|stage| (stage.action, stage.release)), Some((Action::Check, from)));
                assert_eq!(plan.stages.last().map(|stage| stage.release), Some(to), "{from} {to} {mode}");
                plans += 1;
            }
            Err(Refusal::NoSuchMode { .. }) => {
                assert!(!from.runs_in(mode));
                refusals += 1;
            }
            Err(Refusal::Downgrade { .. }) => {
                assert!(to < from && from.runs_in(mode));
                refusals += 1;
            }
            Err(Refusal::Preview { .. }) => {
                assert!(mode == Mode::KRaft && from < to && to < Release::V3_3);
                refusals += 1;
            }
        }
    }
    // ZooKeeper: 18 releases to the later ones of 23; KRaft: 15, less the three ways within the preview.
    let (zookeeper, kraft): (usize, usize) = ((0..18).map(|place| 22 - place).sum(), (0..15).sum());
    assert_eq!((plans, nothing, refusals), (zookeeper + kraft - 3, 18 + 15, 23 * 23 * 2 - (zookeeper + kraft - 3) - 33));
}

#[test]
fn points_of_no_return_are_counted() {
    for plan in ways() {
        let (from, to) = (plan.from.release, plan.to.release);
        let raised = usize::from(plan.mode == Mode::ZooKeeper && from < Release::BRIDGE);
        let migrated = usize::from(plan.mode == Mode::ZooKeeper && to > Release::BRIDGE);
        let finalized = match plan.mode {
            Mode::ZooKeeper => usize::from(to > Release::BRIDGE),
            Mode::KRaft => 1 + usize::from(from < Release::V3_3 && to >= Release::V4_0),
        };
        assert_eq!(plan.points_of_no_return(), raised + migrated + finalized, "{from} {to} {}", plan.mode);
    }
    assert_eq!(must("2.1", "2.6", Mode::ZooKeeper).points_of_no_return(), 1);
    assert_eq!(must("2.1", "4.4", Mode::ZooKeeper).points_of_no_return(), 3);
    assert_eq!(must("3.9", "4.3", Mode::KRaft).points_of_no_return(), 1);
    assert_eq!(must("3.0", "4.0", Mode::KRaft).points_of_no_return(), 2);
}

/// What cannot be undone comes after a look at what it is built on, and never with new software.
#[test]
fn a_point_of_no_return_has_a_check_before_it() {
    for plan in ways() {
        for (place, stage) in plan.stages.iter().enumerate().filter(|(_, stage)| stage.point_of_no_return.is_some()) {
            assert_ne!(stage.action, Action::Software, "{stage:?}");
            let before: Vec<Action> =
                plan.stages[..place].iter().rev().take_while(|stage| stage.point_of_no_return.is_none()).map(|stage| stage.action).collect();
            let migration = stage.title.contains("out of the migration");
            assert!(before.contains(&Action::Check) || migration, "{} {} {}: {}", plan.from, plan.to, plan.mode, stage.title);
        }
    }
}

#[test]
fn releases_never_go_back_and_every_new_one_is_a_software_stage() {
    for plan in ways() {
        let mut running = plan.from.release;
        for stage in &plan.stages {
            assert!(stage.release >= running);
            assert_eq!(stage.release > running, stage.action == Action::Software, "{} {} {}: {}", plan.from, plan.to, plan.mode, stage.title);
            running = stage.release;
        }
    }
}

/// A setting that is written exists in the release that reads it; one that is taken out existed in it, and is gone or without effect in what follows.
#[test]
fn settings_exist_where_they_are_written() {
    let mut seen = 0;
    for plan in ways() {
        for stage in &plan.stages {
            for setting in &stage.settings {
                assert_eq!(settings::exists(setting.name, stage.release), Some(true), "{} {} {}: {}", plan.from, plan.to, plan.mode, setting.name);
                seen += 1;
            }
            let names: Vec<_> = stage.settings.iter().map(|setting| (setting.of, setting.name)).collect();
            assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)), "{} twice in {}", plan.from, stage.title);
        }
    }
    assert!(seen > 1000, "{seen}");
}

/// Brokers of two protocols never run side by side without a pin that both know.
#[test]
fn with_zookeeper_the_pin_is_the_old_release_and_is_raised_once() {
    for plan in ways().filter(|plan| plan.mode == Mode::ZooKeeper && plan.from.release < Release::BRIDGE) {
        let (from, last) = (plan.from.release, plan.to.release.min(Release::BRIDGE));
        let values = |name: &str| -> Vec<(Action, Option<&str>)> {
            let of_stage = |stage: &'_ Stage| stage.settings.iter().find(|setting| setting.name == name).map(|setting| (stage.action, setting.value.clone()));
            let found: Vec<_> = plan.stages.iter().filter_map(of_stage).collect();
            found.into_iter().map(|(action, value)| (action, value.map(|value| &*value.leak()))).collect()
        };
        let mut protocol = vec![(Action::Software, Some(from.name())), (Action::Settings, Some(last.name()))];
        let gone = plan.to.release > Release::BRIDGE;
        protocol.extend(gone.then_some((Action::Settings, None)));
        assert_eq!(values(settings::INTER_BROKER_PROTOCOL), protocol, "{from} {}", plan.to);
        let format = values(settings::MESSAGE_FORMAT);
        match (from < Release::V3_0, last < Release::V3_0) {
            (true, true) => assert_eq!(format, [(Action::Software, Some(from.name())), (Action::Settings, Some(last.name()))]),
            (true, false) => assert_eq!(format[..2], [(Action::Software, Some(from.name())), (Action::Settings, None)]),
            (false, _) => assert!(format.iter().all(|(_, value)| value.is_none()) && format.len() == usize::from(gone)),
        }
    }
}

#[test]
fn kraft_comes_before_4_and_3_3_before_it() {
    for plan in ways().filter(|plan| plan.to.release >= Release::V4_0 && plan.from.release < Release::V4_0) {
        let first = plan.stages.iter().position(|stage| stage.release >= Release::V4_0).unwrap();
        let before = &plan.stages[..first];
        let written = |name: &str, value: &str| {
            before.iter().any(|stage| stage.settings.iter().any(|setting| setting.name == name && setting.value.as_deref() == Some(value)))
        };
        let commands: Vec<&str> = before.iter().flat_map(|stage| &stage.commands).map(String::as_str).collect();
        match plan.mode {
            Mode::ZooKeeper => {
                assert!(
                    written(settings::PROCESS_ROLES, "controller")
                        && written(settings::PROCESS_ROLES, "broker")
                        && written(settings::INTER_BROKER_PROTOCOL, "3.9")
                );
                assert_eq!(before.last().map(|stage| stage.release), Some(Release::BRIDGE));
            }
            Mode::KRaft if plan.from.release < Release::V3_3 => assert!(commands.iter().any(|command| command.ends_with("upgrade --metadata 3.9"))),
            Mode::KRaft => assert!(commands.iter().any(|command| command.ends_with("describe") && command.contains("kafka-features"))),
        }
        for told in ["Java 17", "older than Kafka 2.1", "Log4j 2", "MirrorMaker 1"] {
            assert!(plan.before.iter().any(|change| change.what.contains(told)), "{} {}: {told}", plan.from, plan.to);
        }
    }
}

#[test]
fn metadata_is_finalized_with_the_words_of_the_release() {
    for plan in ways().filter(|plan| plan.mode == Mode::KRaft || plan.to.release >= Release::V4_0) {
        let last = plan.stages.last().unwrap();
        let to = plan.to;
        let option = if to.release >= Release::V4_0 { "--release-version" } else { "--metadata" };
        assert_eq!(last.commands, [format!("bin/kafka-features.sh --bootstrap-server HOST:9092 upgrade {option} {to}")]);
        assert_eq!(last.title, format!("Finalize metadata.version {}", to.release.metadata_version().unwrap().name));
    }
}

/// kafka-topics knows no --bootstrap-server before 2.2, and no --zookeeper from 3.0 on; kafka-features came with 2.7, its metadata.version and kafka-metadata-quorum with 3.3.
#[test]
fn commands_are_known_to_the_release_that_runs_them() {
    for plan in ways() {
        for (release, command) in plan.stages.iter().flat_map(|stage| stage.commands.iter().map(|command| (stage.release, command))) {
            assert!(
                !command.contains("kafka-topics") || command.contains(if release < Release::V2_2 { "--zookeeper" } else { "--bootstrap-server" }),
                "{release}: {command}"
            );
            assert!(release < Release::V3_0 || !command.contains("--zookeeper"));
            assert!(release >= Release::V3_3 || !(command.contains("kafka-features") || command.contains("kafka-metadata-quorum")), "{release}: {command}");
            assert!(release >= Release::V4_0 || !command.contains("--release-version"));
            assert!(release < Release::V4_0 || !command.contains("zookeeper-shell"));
        }
    }
}

/// Kafka 3.6 and later do not work with the ensemble that came with Kafka before 2.4.
#[test]
fn an_old_ensemble_is_upgraded_on_the_way() {
    for plan in ways().filter(|plan| plan.mode == Mode::ZooKeeper) {
        let needed = plan.from.release < Release::V2_4 && plan.to.release >= Release::V3_6;
        let place = plan.stages.iter().position(|stage| stage.title.contains("ensemble"));
        assert_eq!(place.is_some(), needed, "{} {}", plan.from, plan.to);
        if let Some(place) = place {
            assert_eq!((plan.stages[place - 1].release, plan.stages[place + 1].release), (Release::V3_5, plan.to.release.min(Release::BRIDGE)));
        }
    }
}

#[test]
fn a_patch_is_one_stage() {
    let plan = must("2.6.0", "2.6.3", Mode::ZooKeeper);
    assert_eq!((plan.step, plan.stages.len(), plan.points_of_no_return()), (Step::Patch, 1, 0));
    assert!(plan.stages[0].settings.is_empty() && plan.stages[0].title.ends_with("on 2.6.3"));
    assert_eq!(must("2.6.3", "2.6.3", Mode::ZooKeeper).step, Step::None);
    // Patches do not change the way between lines.
    assert_eq!(must("2.1.0", "2.6.3", Mode::ZooKeeper).stages, must("2.1", "2.6", Mode::ZooKeeper).stages);
}

#[test]
fn the_upgrade_from_2_1_to_2_6_is_the_one_that_is_known_to_work() {
    let plan = must("2.1", "2.6", Mode::ZooKeeper);
    let stages: Vec<(Action, Vec<String>)> = plan
        .stages
        .iter()
        .map(|stage| (stage.action, stage.settings.iter().map(|setting| format!("{}={}", setting.name, setting.value.as_deref().unwrap_or("-"))).collect()))
        .collect();
    let both = |version: &str| vec![format!("inter.broker.protocol.version={version}"), format!("log.message.format.version={version}")];
    assert_eq!(stages, [(Action::Check, vec![]), (Action::Software, both("2.1")), (Action::Check, vec![]), (Action::Settings, both("2.6"))]);
    assert_eq!(plan.step, Step::Minor);
}

#[test]
fn ways_back_are_refused_with_what_is_possible() {
    let zookeeper = refused("2.6", "2.1", Mode::ZooKeeper);
    assert!(
        zookeeper.starts_with("from 2.6 to 2.1 is a way back, and none is planned. As long as inter.broker.protocol.version is 2.1 or lower"),
        "{zookeeper}"
    );
    let possible = refused("3.9", "3.8", Mode::KRaft);
    assert!(possible.contains("downgrade --metadata 3.8; nothing in between changed the metadata"), "{possible}");
    assert!(refused("4.2", "4.1", Mode::KRaft).contains("downgrade --release-version 4.1"));
    assert!(refused("3.7", "3.6", Mode::KRaft).contains("once it is finalized, only a new cluster of 3.6"));
    assert!(refused("4.0", "3.2", Mode::KRaft).contains("KRaft was a preview in 3.2"));
    assert!(refused("3.3", "2.6", Mode::KRaft).contains("2.6 cannot read the metadata of a KRaft cluster"));
    assert!(refused("2.6.3", "2.6.1", Mode::ZooKeeper).contains("restarted one by one on 2.6.1 as they are"));
    assert!(refused("4.0", "4.1", Mode::ZooKeeper).ends_with("4.0 has no ZooKeeper mode, it went with 4.0: say --mode kraft"));
    assert!(refused("2.8", "3.9", Mode::KRaft).contains("early access"));
    assert!(refused("2.7", "3.9", Mode::KRaft).contains("it came with 3.0"));
    assert!(refused("3.0", "3.2", Mode::KRaft).contains("preview until 3.2"));
}

#[test]
fn sentences_are_sentences() {
    for plan in ways() {
        for stage in &plan.stages {
            assert!(!stage.why.is_empty() && !stage.why.ends_with('.') && !stage.title.ends_with('.') && !stage.source.is_empty(), "{stage:?}");
            assert!(stage.point_of_no_return.as_ref().is_none_or(|point| point.lost.starts_with(char::is_uppercase) && !point.lost.ends_with('.')));
        }
    }
}

#[test]
fn patches_that_make_trouble_are_named() {
    let named =
        |from: &str, to: &str, mode, patch: &str| must(from, to, mode).stages.iter().any(|stage| stage.action == Action::Software && stage.why.contains(patch));
    assert!(named("2.1", "3.9", Mode::ZooKeeper, "3.5.2 or later") && named("3.4", "3.5", Mode::KRaft, "3.5.2 or later"));
    assert!(named("3.9", "4.0", Mode::KRaft, "4.0.1 or later") && !named("3.9", "4.1", Mode::KRaft, "4.0.1"));
}
