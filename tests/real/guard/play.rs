//! One play: clients work, brokers go, clients end, all is counted.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::account::{Read, Stored, Written};
use super::journal::{Name, now};
use super::load::{Load, Row, Topic};
use super::stage::Stage;
use super::verdict::{Outcome, Told};
use crate::front::{Arm, Front};
use crate::steps::until;

/// Clients at work before anything happens.
const WARM_UP: Duration = Duration::from_secs(3);
/// Clients at work after everything has happened: what holds on to how it was before must have had the time to show it.
const REST: Duration = Duration::from_secs(1);
const WINDOW_LIMIT: Duration = Duration::from_secs(30);
/// Readers that were late catch up: those of share groups get what a lost member held after its lock has ended.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(40);
/// In the control arm nothing is asked of readers.
const CATCH_UP_LIMIT_DIRECT: Duration = Duration::from_secs(10);

/// What is played.
pub(crate) struct Play<'a> {
    pub(crate) arm: Arm,
    /// Part of the names of its topics and groups, so that several plays can have one stage.
    pub(crate) label: &'a str,
    pub(crate) rows: &'a [Row],
    /// Settings of Leeward's.
    pub(crate) settings: &'a [&'a str],
}

/// Plays it; `script` is what happens to the brokers. Leeward runs on, with its window open, in what is given back.
pub(crate) fn play(stage: &mut Stage, play: &Play<'_>, script: impl FnOnce(&mut Stage)) -> (Outcome, Front) {
    let open = |front: &Front| {
        // It is refused while a broker does not answer, as one may not on a busy machine right after its start.
        until("a window is open", WINDOW_LIMIT, || front.attempt_command(&["maintenance", "on", "--reason", play.label, "--for", "1h", "--yes"]).transpose());
    };
    perform(stage, play, open, |stage, _| script(stage))
}

/// As `play`, but no window is open unless `script`, which is given Leeward as well, sees to that.
pub(crate) fn play_without_window(stage: &mut Stage, play: &Play<'_>, script: impl FnOnce(&mut Stage, &mut Front)) -> (Outcome, Front) {
    perform(stage, play, |_| (), script)
}

fn perform(stage: &mut Stage, play: &Play<'_>, prepare: impl FnOnce(&Front), script: impl FnOnce(&mut Stage, &mut Front)) -> (Outcome, Front) {
    let &Play { arm, label, rows, settings } = play;
    stage.set_up(rows, label);
    let mut front = front(stage, play, settings);
    prepare(&front);
    let begun = Instant::now();
    let load = Load::start(label, rows, stage.clients, &stage.cluster, front.bootstrap(), label);
    load.await_started();
    stage.say(&format!("{label}: {} clients work", rows.len()));
    std::thread::sleep(WARM_UP);
    script(stage, &mut front);
    let recovered = now();
    std::thread::sleep(REST);
    stage.say("writers end");
    load.stop_writers();
    stage.cluster.await_in_sync();
    let topics: Vec<Topic> = [Topic::Load, Topic::Single, Topic::Exact].into_iter().filter(|topic| rows.iter().any(|row| row.topics.contains(topic))).collect();
    let stored: Vec<(Topic, Stored)> = topics.into_iter().map(|topic| (topic, stage.stored(topic, label))).collect();
    let readable: HashSet<Name> = stored.iter().filter(|(topic, _)| *topic != Topic::Exact).flat_map(|(_, stored)| stored.names()).collect();
    stage.say(&format!("{} records are stored; readers end", readable.len()));
    let journals = load.finish(&readable, if arm == Arm::Direct { CATCH_UP_LIMIT_DIRECT } else { CATCH_UP_LIMIT });
    stage.say(&format!("done after {:.0} s", begun.elapsed().as_secs_f32()));
    if let Some(report) = front.attempt_command(&["report", "-o", "json"]) {
        // For whoever looks into a failure.
        std::fs::write(stage.cluster.log_path(&format!("report-{label}.json")), report.unwrap_or_else(|said| said)).unwrap();
    }
    let told = journals.into_iter().map(|(row, journal)| {
        let of = |topic: Topic| stored.iter().find(|(of, _)| *of == topic).map(|(_, stored)| stored).unwrap();
        let written = (!row.reads()).then(|| Written::new(row.name, &journal, of(row.topics[0])));
        let read = row.reads().then(|| Read::new(&journal, &readable));
        Told { row, journal, written, read }
    });
    let outcome = Outcome {
        label: label.to_owned(),
        told: told.collect(),
        outage: stage.outage,
        recovered,
        leeward_log: front.log_file().map(std::path::Path::to_owned),
    };
    (outcome, front)
}

/// What the clients are given.
fn front(stage: &Stage, play: &Play<'_>, settings: &[&str]) -> Front {
    let state = format!("state.directory={}", stage.cluster.scrap().join(format!("state-{}", play.label)).display());
    let filter = std::env::var("LEEWARD_REAL_LOG").ok().map(|filter| format!("log.filter={filter}"));
    let settings: Vec<&str> = settings.iter().copied().chain([state.as_str()]).chain(filter.as_deref()).collect();
    Front::start_arm(play.arm, &stage.cluster, &stage.cluster.node_ids(), &format!("leeward-{}.log", play.label), &settings)
}
