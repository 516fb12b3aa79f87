//! `leeward roll` walks real brokers under the load of many clients: restarts, crashes of Leeward meanwhile, and upgrades from one release to another.

mod walk;

use std::collections::BTreeMap;

use self::walk::{Walk, Walked};
use super::guard::{HOLD_MAX, assert_restarts_told, end};
use crate::cluster::Cluster;
use crate::front::{Arm, Front};
use crate::guard::{Claim, Play, Row, Stage, Topic, judge, play_without_window, prepare, resending_rows, rows};
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_3_9_1, KAFKA_4_3_1, Release};
use crate::selection::{Admission, Selection, admit_alone};
use crate::steps::Steps;

#[test]
fn roll_4_3_1() {
    let Some(mut story) = Story::begin("roll-4.3.1", Selection::Ci, &KAFKA_4_3_1, &KAFKA_4_3_1) else { return };
    let rows = replicated(rows(&KAFKA_4_3_1));
    // All three take two minutes.
    let brokers = if Selection::from_env() == Selection::All { vec![] } else { vec![5] };
    let restarts = if brokers.is_empty() { 3 } else { 1 };
    let walks = [Walk { brokers, listens: true, ..Walk::default() }];
    let front = story.play("roll", &rows, |_| Claim::Unnoticed, |stage, front, steps| story_of(stage, front, steps, walks));
    if let Some(mut front) = front {
        story.steps.run("the report tells of every restart", || assert_restarts_told(&front, restarts));
        end(&mut story.steps, &mut front);
    }
    story.steps.finish();
}

/// Leeward is killed while a broker waits for its stop, and while one waits for its start. Connections end with it, so clients that send nothing again see
/// errors; what they are told is true all the same.
#[test]
fn roll_4_3_1_leeward_killed_twice() {
    let Some(mut story) = Story::begin("roll-killed", Selection::All, &KAFKA_4_3_1, &KAFKA_4_3_1) else { return };
    let rows: Vec<Row> = replicated(rows(&KAFKA_4_3_1)).into_iter().chain(resending_rows()).collect();
    let again = resending_rows().map(|row| row.name);
    let claim = |row: &Row| if again.contains(&row.name) { Claim::Reconnected } else { Claim::Honest };
    let walks = [Walk { listens: true, crashes: true, ..Walk::default() }];
    let front = story.play("killed", &rows, claim, |stage, front, steps| story_of(stage, front, steps, walks));
    if let Some(mut front) = front {
        end(&mut story.steps, &mut front);
    }
    story.steps.finish();
}

/// The gate lets a broker stop that alone has partitions only when it is told so; their clients are held until it is back.
#[test]
fn roll_4_3_1_single_replicas() {
    let Some(mut story) = Story::begin("roll-single", Selection::All, &KAFKA_4_3_1, &KAFKA_4_3_1) else { return };
    let walks = [Walk { guarantee: "available", ..Walk::default() }];
    let front = story.play("single", &rows(&KAFKA_4_3_1), |_| Claim::Unnoticed, |stage, front, steps| story_of(stage, front, steps, walks));
    if let Some(mut front) = front {
        end(&mut story.steps, &mut front);
    }
    story.steps.finish();
}

#[test]
fn roll_upgrade_2_1_to_2_6() {
    let Some(mut story) = Story::begin("roll-upgrade-2", Selection::All, &KAFKA_2_1_0, &KAFKA_2_6_3) else { return };
    crate::cluster::fetch(&[&KAFKA_2_6_3]);
    let walks = [Cluster::pins("2.1.0"), BTreeMap::new()].map(|changes| Walk { on: Some((&KAFKA_2_6_3, changes)), ..Walk::default() });
    let front = story.play("upgrade", &replicated(rows(&KAFKA_2_6_3)), |_| Claim::Unnoticed, |stage, front, steps| story_of(stage, front, steps, walks));
    if let Some(mut front) = front {
        story.steps.run("every broker is one of 2.6 now", || assert_release(&front, "2.6"));
        end(&mut story.steps, &mut front);
    }
    story.steps.finish();
}

#[test]
fn roll_upgrade_3_9_to_4_3() {
    let Some(mut story) = Story::begin("roll-upgrade-4", Selection::All, &KAFKA_3_9_1, &KAFKA_3_9_1) else { return };
    crate::cluster::fetch(&[&KAFKA_4_3_1]);
    let walks = [Walk { on: Some((&KAFKA_4_3_1, BTreeMap::new())), ..Walk::default() }];
    let front = story.play(
        "upgrade",
        &replicated(rows(&KAFKA_3_9_1)),
        |_| Claim::Unnoticed,
        |stage, front, steps| {
            stage.say("the controller goes to 4.3.1");
            stage.cluster.restart_controller_on(&KAFKA_4_3_1);
            stage.cluster.await_in_sync();
            story_of(stage, front, steps, walks);
            steps.run("metadata.version is raised", || {
                let raise = ["--bootstrap-server", front.bootstrap(), "upgrade", "--release-version", "4.3"];
                stage.cluster.run_class("org.apache.kafka.tools.FeatureCommand", &raise);
                stage.say("metadata.version is that of 4.3");
                // Clients that hold on to the features of before must have had the time to show it.
                std::thread::sleep(std::time::Duration::from_secs(5));
            });
        },
    );
    if let Some(mut front) = front {
        story.steps.run("every broker is one of 4.3 now", || assert_release(&front, "4.3"));
        end(&mut story.steps, &mut front);
    }
    story.steps.finish();
}

/// One cluster, and what is played on it.
struct Story {
    steps: Steps,
    stage: Stage,
    clients: &'static Release,
    _admission: Admission,
}

impl Story {
    /// `brokers` and the Java clients are of these releases.
    fn begin(name: &str, least: Selection, brokers: &'static Release, clients: &'static Release) -> Option<Self> {
        // Without Leeward there is nobody to walk.
        if Arm::from_env() == Arm::Direct {
            return None;
        }
        let admission = admit_alone(name, least)?;
        crate::cluster::fetch(&[brokers]);
        crate::clients::java::prepare(clients);
        prepare(&rows(clients), clients);
        let mut steps = Steps::new(name);
        let stage = steps.must("three brokers", || Stage::with_clients(name, brokers, clients));
        Some(Self { steps, stage, clients, _admission: admission })
    }

    /// Plays it, and judges each client by what is claimed of it.
    fn play(&mut self, label: &str, rows: &[Row], claim: impl Fn(&Row) -> Claim, script: impl FnOnce(&mut Stage, &mut Front, &mut Steps)) -> Option<Front> {
        prepare(rows, self.clients);
        let zookeeper = self.stage.cluster.zookeeper().map(|address| format!("upstream.zookeeper={address}"));
        let settings: Vec<&str> = [HOLD_MAX, "roll.allow_commands=true"].into_iter().chain(zookeeper.as_deref()).collect();
        let what = Play { arm: Arm::Leeward, label, rows, settings: &settings };
        let steps = &mut self.steps;
        let (outcome, front) = play_without_window(&mut self.stage, &what, |stage, front| script(stage, front, steps));
        outcome.print(label);
        judge(steps, &outcome, |row, _| claim(row));
        Some(front)
    }
}

/// Walks, one after the other, with a step for each.
fn story_of<const COUNT: usize>(stage: &mut Stage, front: &mut Front, steps: &mut Steps, walks: [Walk; COUNT]) {
    for (at, walk) in walks.into_iter().enumerate() {
        let walked: Walked = steps.must(&format!("walk {}: brokers are restarted, and all is as before", at + 1), || walk.go(stage, front));
        walked.print(stage);
        if walked.listened {
            steps.run("drained brokers are idle before they stop", || walked.assert_idle());
        }
    }
}

/// Those that work on what has three replicas alone: one replica is in the way of the gate's strict guarantee.
fn replicated(rows: Vec<Row>) -> Vec<Row> {
    let kept = rows.into_iter().filter(|row| row.topics != [Topic::Single]);
    kept.map(|row| if row.topics.contains(&Topic::Load) { Row { topics: &[Topic::Load], ..row } } else { row }).collect()
}

fn assert_release(front: &Front, release: &str) {
    let told = front.command(&["cluster", "-o", "json"]).unwrap();
    let view: serde_json::Value = serde_json::from_str(&told).unwrap();
    for broker in view["brokers"].as_array().unwrap() {
        assert!(broker["release"]["text"].as_str().is_some_and(|text| text.starts_with(release)), "{broker:#}");
    }
}
