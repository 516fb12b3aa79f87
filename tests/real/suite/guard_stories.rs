//! What goes wrong with brokers beside orderly restarts, under the load of many clients behind Leeward: brokers that stand still, overlapping restarts, the
//! controller, coordinators, the whole cluster, an upgrade.

use std::time::Duration;

use super::guard::{HOLD_MAX, assert_restarts_told, end};
use crate::cluster::Cluster;
use crate::front::Arm;
use crate::guard::{Blow, Claim, Coordinator, Duty, Play, Row, Stage, Topic, judge, play, prepare, rows};
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_3_9_1, KAFKA_4_3_1, Release};
use crate::selection::{Selection, admit_alone};
use crate::steps::Steps;

/// Of everything that Leeward holds for these clients, and more than it has without.
const MEMORY_MAX: u64 = 400 << 20;
/// Between two things that happen.
const REST: Duration = Duration::from_secs(2);

/// What the shortest limit among these clients leaves: 80 % of the 30 s of Java and sarama, less the time that a leader takes to be in sync.
const HELD_AT_LEAST: Duration = Duration::from_secs(20);

/// On a busy machine a broker may be away for longer than clients wait.
fn within_limits(_: &Row, outage: Duration) -> Claim {
    if outage < HELD_AT_LEAST { Claim::Unnoticed } else { Claim::Honest }
}

/// The controller takes a broker that is silent for 9 s for dead.
#[test]
fn guard_a_leader_stands_still() {
    let Some(mut story) = Story::begin("guard-still", Selection::All, (&KAFKA_3_9_1, &KAFKA_3_9_1)) else { return };
    let rows = rows(&KAFKA_3_9_1);
    for seconds in [5, 15, 40] {
        // No client waits for 40 s: those of the single replica are told so.
        let claim = |row: &Row, _| if seconds == 40 && row.topics.contains(&Topic::Single) && !row.reads() { Claim::Honest } else { Claim::Unnoticed };
        let label = format!("{seconds}s");
        story.play(&label, &rows, (&[HOLD_MAX], 0), claim, |stage| {
            let leader = stage.cluster.leader(&Topic::Load.name(&label), 0);
            stage.pause(leader, Duration::from_secs(seconds));
        });
    }
    story.steps.finish();
}

#[test]
fn guard_two_brokers_overlap() {
    let Some(mut story) = Story::begin("guard-overlap", Selection::All, (&KAFKA_4_3_1, &KAFKA_4_3_1)) else { return };
    story.play("overlap", &rows(&KAFKA_4_3_1), (&[HOLD_MAX], 2), within_limits, |stage| {
        let ids = stage.cluster.node_ids();
        stage.down(ids[0], Blow::Term);
        stage.cluster.launch(ids[0]);
        stage.down(ids[1], Blow::Term);
        stage.cluster.launch(ids[1]);
        stage.await_up(ids[0]);
        stage.await_up(ids[1]);
    });
    story.steps.finish();
}

#[test]
fn guard_controller_and_coordinators() {
    let Some(mut story) = Story::begin("guard-coordinators", Selection::Ci, (&KAFKA_4_3_1, &KAFKA_4_3_1)) else { return };
    story.play(
        "coordinators",
        &rows(&KAFKA_4_3_1),
        (&[HOLD_MAX], 2),
        |_, _| Claim::Unnoticed,
        |stage| {
            stage.say("the controller: Kill");
            stage.cluster.restart_controller();
            stage.cluster.await_in_sync();
            std::thread::sleep(REST);
            for (kind, key) in [(Coordinator::Group, "java-classic-coordinators"), (Coordinator::Transactions, "java-exact-coordinators")] {
                let id = stage.coordinator(kind, key);
                stage.say(&format!("broker {id} coordinates {key}"));
                stage.restart(id, Blow::Kill);
            }
        },
    );
    story.steps.finish();
}

/// Longer than any request is held: errors that are true, nothing lost, and everything works again by itself.
#[test]
fn guard_outage_beyond_the_deadline() {
    let Some(mut story) = Story::begin("guard-outage", Selection::Ci, (&KAFKA_3_9_1, &KAFKA_3_9_1)) else { return };
    story.play(
        "outage",
        &rows(&KAFKA_3_9_1),
        (&[], 3),
        |_, _| Claim::Honest,
        |stage| {
            let ids = stage.cluster.node_ids();
            ids.iter().for_each(|&id| stage.down(id, Blow::Kill));
            std::thread::sleep(Duration::from_secs(25));
            ids.iter().for_each(|&id| stage.cluster.launch(id));
            ids.iter().for_each(|&id| stage.await_up(id));
            // What a client puts off after many failures it does only now.
            std::thread::sleep(Duration::from_secs(5));
        },
    );
    story.steps.finish();
}

/// Nobody can stand in for the broker of a single replica: its clients wait until it is back.
#[test]
fn guard_single_replicas_are_held() {
    let Some(mut story) = Story::begin("guard-single", Selection::All, (&KAFKA_4_3_1, &KAFKA_4_3_1)) else { return };
    let writers = rows(&KAFKA_4_3_1).into_iter().filter(|row| matches!(row.duty, Duty::Produce { .. }) && row.topics == [Topic::Load]);
    let rows: Vec<Row> = writers.map(|row| Row { topics: &[Topic::Single], ..row }).collect();
    story.play("single", &rows, (&[HOLD_MAX], 3), within_limits, |stage| {
        for id in stage.cluster.node_ids() {
            stage.restart(id, Blow::Term);
        }
    });
    story.steps.finish();
}

#[test]
fn guard_upgrade_2_1_to_2_6() {
    let Some(mut story) = Story::begin("guard-upgrade", Selection::All, (&KAFKA_2_1_0, &KAFKA_2_6_3)) else { return };
    crate::cluster::fetch(&[&KAFKA_2_6_3]);
    story.play(
        "upgrade",
        &rows(&KAFKA_2_6_3),
        (&[HOLD_MAX], 6),
        |_, _| Claim::Unnoticed,
        |stage| {
            for changes in [Cluster::pins("2.1.0"), std::collections::BTreeMap::new()] {
                for id in stage.cluster.node_ids() {
                    stage.down(id, Blow::Term);
                    stage.cluster.restart_on(id, &KAFKA_2_6_3, changes.clone());
                    stage.await_up(id);
                    std::thread::sleep(REST);
                }
            }
        },
    );
    story.steps.finish();
}

/// One cluster, and what is played on it.
struct Story {
    steps: Steps,
    stage: Stage,
    _admission: crate::selection::Admission,
}

impl Story {
    /// `brokers` and the Java clients are of these releases.
    fn begin(name: &str, least: Selection, (brokers, clients): (&'static Release, &'static Release)) -> Option<Self> {
        let admission = admit_alone(name, least)?;
        crate::cluster::fetch(&[brokers]);
        crate::clients::java::prepare(clients);
        prepare(&rows(clients), clients);
        let mut steps = Steps::new(name);
        let stage = steps.must("three brokers", || Stage::with_clients(name, brokers, clients));
        Some(Self { steps, stage, _admission: admission })
    }

    /// Plays one, judges it, and ends Leeward. `least` is how many lost brokers its report must tell of.
    fn play(&mut self, label: &str, rows: &[Row], (settings, least): (&[&str], u64), claim: impl Fn(&Row, Duration) -> Claim, script: impl FnOnce(&mut Stage)) {
        let what = Play { arm: Arm::from_env(), label, rows, settings };
        let (steps, stage) = (&mut self.steps, &mut self.stage);
        let (outcome, mut front) = steps.must(&format!("{label}: played"), || play(stage, &what, script));
        outcome.print(label);
        if what.arm == Arm::Direct {
            return;
        }
        judge(steps, &outcome, claim);
        steps.run(&format!("{label}: Leeward's memory is bounded"), || {
            let memory = front.metric("process_resident_memory_bytes").unwrap();
            assert!(memory < MEMORY_MAX, "{} MiB", memory >> 20);
        });
        steps.run(&format!("{label}: the report tells of {least} lost brokers or more"), || assert_restarts_told(&front, least));
        end(steps, &mut front);
    }
}
