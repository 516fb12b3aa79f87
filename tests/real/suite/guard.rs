//! The promise itself: each broker is restarted, one after the other, under the load of many clients. Through Leeward none of them sees anything; without it
//! they see errors and lose records that they were told are stored.

use crate::front::{Arm, Front};
use crate::guard::{Blow, Claim, Play, Stage, judge, play, prepare, rows};
use crate::release::{KAFKA_3_9_1, KAFKA_4_3_1, Release};
use crate::selection::{Selection, admit_alone};
use crate::steps::{Steps, say};

/// A single replica is away from SIGKILL until the controller has missed its broker for 9 s, and the broker has started again.
pub(super) const HOLD_MAX: &str = "guard.hold_max=45s";

#[test]
fn guard_4_3_1_sigterm() {
    test("guard-4.3.1-sigterm", &KAFKA_4_3_1, Blow::Term, Selection::All, &[Arm::Direct, Arm::Leeward]);
}

#[test]
fn guard_4_3_1_sigkill() {
    test("guard-4.3.1-sigkill", &KAFKA_4_3_1, Blow::Kill, Selection::Ci, &[Arm::Leeward]);
}

#[test]
fn guard_3_9_1_sigterm() {
    test("guard-3.9.1-sigterm", &KAFKA_3_9_1, Blow::Term, Selection::Ci, &[Arm::Direct, Arm::Leeward]);
}

#[test]
fn guard_3_9_1_sigkill() {
    test("guard-3.9.1-sigkill", &KAFKA_3_9_1, Blow::Kill, Selection::All, &[Arm::Leeward]);
}

/// `arms` are those of the selection `Ci`; in `All` every test has both.
fn test(name: &str, release: &'static Release, blow: Blow, least: Selection, arms: &[Arm]) {
    let Some(_admission) = admit_alone(name, least) else { return };
    let rows = rows(release);
    crate::cluster::fetch(&[release]);
    crate::clients::java::prepare(release);
    prepare(&rows, release);
    let mut steps = Steps::new(name);
    let mut stage = steps.must("three brokers", || Stage::new(name, release));
    for arm in arms_of_this_run(arms) {
        let label = format!("{arm:?}").to_lowercase();
        let what = Play { arm, label: &label, rows: &rows, settings: &[HOLD_MAX] };
        let (outcome, mut front) = steps.must(&format!("{label}: each broker is restarted"), || {
            play(&mut stage, &what, |stage| {
                for id in stage.cluster.node_ids() {
                    stage.restart(id, blow);
                }
            })
        });
        outcome.print(name);
        match arm {
            Arm::Direct => steps.run("direct: clients see errors, and lose what they were told is stored", || {
                assert!(outcome.sum(|written| written.errors) > 0, "no errors: what is asked of Leeward holds without it");
                assert!(outcome.sum(|written| written.lost) > 0, "nothing lost: what is asked of Leeward holds without it");
            }),
            Arm::Leeward => {
                judge(&mut steps, &outcome, |_, _| Claim::Unnoticed);
                steps.run("the report tells of three restarts", || assert_restarts_told(&front, 3));
                end(&mut steps, &mut front);
            }
        }
    }
    steps.finish();
}

pub(super) fn end(steps: &mut Steps, front: &mut Front) {
    steps.run("no client reached past Leeward", || front.assert_no_leak());
    steps.run("Leeward ends gracefully", || front.assert_graceful_end());
}

pub(super) fn assert_restarts_told(front: &Front, least: u64) {
    let report = front.command(&["report", "-o", "json"]).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let told = report["episode"]["broker_restarts"].as_u64();
    assert!(told >= Some(least), "{report:#}");
    // For whoever reads the test's output: what it took.
    say("ledger", &format!("{:#}", report["total"]));
}

/// `LEEWARD_REAL_ARM`, or what the selection asks for.
fn arms_of_this_run(arms: &[Arm]) -> Vec<Arm> {
    match std::env::var("LEEWARD_REAL_ARM").as_deref() {
        Ok("both") => vec![Arm::Direct, Arm::Leeward],
        Err(_) | Ok("") if Selection::from_env() == Selection::All => vec![Arm::Direct, Arm::Leeward],
        Err(_) | Ok("") => arms.to_vec(),
        Ok(_) => vec![Arm::from_env()],
    }
}
