//! With ZooKeeper: new software behind pins, then the pins are raised; beyond 3.9, over to KRaft.

use super::stages::{everybody, remove, satisfied, set, stage, well, which_patch};
use super::{Action, PointOfNoReturn, Setting, Stage, kraft, migration};
use crate::releases::formats::MessageFormat;
use crate::releases::settings::{INTER_BROKER_PROTOCOL, MESSAGE_FORMAT};
use crate::releases::{Mode, Release};

/// Where clusters older than 2.4 stop on their way to 3.6 and later, while their ZooKeeper ensemble is upgraded (KIP-902).
const ENSEMBLE_STOP: Release = Release::V3_5;
/// The first release that came with ZooKeeper 3.5.
const WITH_ZOOKEEPER_3_5: Release = Release::V2_4;
/// The first release whose ZooKeeper client asks for an ensemble of 3.5 or later.
const NEEDS_ZOOKEEPER_3_5: Release = Release::V3_6;

pub(super) fn stages(from: Release, to: Release) -> Vec<Stage> {
    let last = to.min(Release::BRIDGE);
    let mut stages = vec![well(from, Mode::ZooKeeper)];
    if from < last {
        stages.extend(software(from, last));
        stages.push(satisfied(from, last, INTER_BROKER_PROTOCOL));
        stages.push(raise(from, last));
    }
    if to > last {
        if let (true, Some(first)) = (from == last, stages.first_mut()) {
            // Nothing was raised on the way.
            first.settings = protocol(last);
        }
        stages.extend(migration::stages());
        stages.extend(kraft::from_well(Release::BRIDGE, to));
    }
    if let (true, Some(stage)) = (to > last, stages.iter_mut().find(|stage| stage.action == Action::Software && stage.release == last)) {
        stage.why.push_str("; run 3.9 on Java 17 already, since 4.0 needs it");
    }
    stages
}

/// The line that names the protocol of `release`.
fn protocol(release: Release) -> Vec<Setting> {
    release.inter_broker_protocol().map(|(name, _)| set(INTER_BROKER_PROTOCOL, name)).into_iter().collect()
}

/// What a broker is pinned to before it is started on a newer release.
fn pins(from: Release) -> Vec<Setting> {
    let mut pins = protocol(from);
    if let MessageFormat::Applies { default } = from.message_format() {
        pins.push(set(MESSAGE_FORMAT, default));
    }
    pins
}

fn software(from: Release, last: Release) -> Vec<Stage> {
    let pinned = |release: Release, settings: Vec<Setting>| {
        let title = format!("Restart {} on {release}, pinned to {from}", everybody(Mode::ZooKeeper));
        let mut why = format!(
            "brokers of {from} that are still there do not understand the protocol of {release}, so the new ones speak that of {from} until all are new"
        );
        if settings.iter().any(|setting| setting.name == MESSAGE_FORMAT) {
            why.push_str("; where log.message.format.version names an older one already, leave that");
        }
        why.push_str(which_patch(release));
        let mut stage = stage(Action::Software, title, release, why, "docs/upgrade.html, \"For a rolling upgrade\"");
        stage.settings = settings;
        stage
    };
    if from >= WITH_ZOOKEEPER_3_5 || last < NEEDS_ZOOKEEPER_3_5 {
        return vec![pinned(last, pins(from))];
    }
    vec![pinned(ENSEMBLE_STOP, pins(from)), ensemble(), pinned(last, Vec::new())]
}

fn ensemble() -> Stage {
    let title = format!("Upgrade the ZooKeeper ensemble to the one that comes with {ENSEMBLE_STOP}, if it is older than 3.5");
    let why = format!(
        "the client in {NEEDS_ZOOKEEPER_3_5} and later does not work with the 3.4 ensemble that came with Kafka before {WITH_ZOOKEEPER_3_5}; \
         without snapshot files in its data directory, snapshot.trust.empty=true is needed in zookeeper.properties"
    );
    stage(Action::Provision, title, ENSEMBLE_STOP, why, "KIP-902, docs/upgrade.html 3.6.0, ZOOKEEPER-3056")
}

fn raise(from: Release, to: Release) -> Stage {
    let title = format!("Restart {} with the protocol of {to}", everybody(Mode::ZooKeeper));
    let mut why = format!("every broker understands the protocol of {to} now; taking the line out does the same, since {to} is what {to} speaks by default");
    let mut settings = protocol(to);
    match (from.message_format(), to.message_format()) {
        (MessageFormat::Applies { .. }, MessageFormat::Applies { default }) => {
            settings.push(set(MESSAGE_FORMAT, default));
            why.push_str("; both formats store records alike (v2), so one restart raises both, but where the format was pinned below 0.11, raise it in a restart of its own, when consumers are of 0.11 or later");
        }
        (MessageFormat::Applies { .. }, _) => {
            settings.push(remove(MESSAGE_FORMAT));
            why.push_str("; log.message.format.version has no effect from protocol 3.0 on");
        }
        (_, _) => {}
    }
    let mut stage = stage(Action::Settings, title, to, why, "docs/upgrade.html, \"For a rolling upgrade\"; KIP-724");
    stage.settings = settings;
    let lost = format!("From the first broker that speaks the protocol of {to} on, the cluster cannot go back to {from}");
    stage.point_of_no_return = Some(PointOfNoReturn { lost });
    stage
}
