//! One roll from its start to its end: the tests are the operator, and the service manager that its commands ask.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::front::Front;
use crate::guard::{Blow, Stage};
use crate::manager::{Asked, Manager, Verb};
use crate::release::Release;
use crate::requests::{Requests, listen};
use crate::steps::{say, until};

/// For one broker, with all that it waits for; they take about half a minute.
const LIMIT: &str = "5m";
/// The end of a roll leaves nothing to come but the last leaders.
const SETTLED_LIMIT: Duration = Duration::from_secs(60);
/// How long a broker's requests are counted: some hundreds for one that leads.
const LISTEN: Duration = Duration::from_secs(2);

/// How a roll goes.
pub(super) struct Walk {
    /// Which brokers go; by default all.
    pub(super) brokers: Vec<i32>,
    /// What brokers are started on, with these changes to their properties; by default what they were.
    pub(super) on: Option<(&'static Release, BTreeMap<String, String>)>,
    pub(super) guarantee: &'static str,
    /// Whether each broker's requests are counted before it stops.
    pub(super) listens: bool,
    /// Whether Leeward is killed, twice.
    pub(super) crashes: bool,
}

impl Default for Walk {
    fn default() -> Self {
        Self { brokers: Vec::new(), on: None, guarantee: "strict", listens: false, crashes: false }
    }
}

/// What came of it.
pub(super) struct Walked {
    pub(super) listened: bool,
    /// What brokers were asked before the roll: of this one, and what each was asked when it was drained.
    busy: BTreeMap<i32, Requests>,
    idle: BTreeMap<i32, Requests>,
    /// What `leeward roll status --wait` printed.
    told: String,
    took: Duration,
    roll: serde_json::Value,
}

impl Walk {
    /// Panics unless it comes to its end, with everything as it was before.
    pub(super) fn go(&self, stage: &mut Stage, front: &mut Front) -> Walked {
        let ids = if self.brokers.is_empty() { stage.cluster.node_ids() } else { self.brokers.clone() };
        let before = until("every preferred leader leads", SETTLED_LIMIT, || {
            let now = stage.cluster.assignment()?;
            if now.values().all(|(replicas, leader)| replicas[0] == *leader) { Ok(now) } else { Err("not yet".to_owned()) }
        });
        let busy = if self.listens { ids.iter().map(|&id| (id, listen(&stage.cluster, id, LISTEN))).collect() } else { BTreeMap::new() };
        let manager = Manager::new(&stage.cluster);
        let begun = Instant::now();
        self.start(&manager, front);
        let (told, idle, stopped) = self.manage(&manager, stage, front);
        let took = begun.elapsed();
        assert_eq!(stopped, ids.iter().map(|id| (*id, 1)).collect(), "how often each broker was stopped");
        for id in stage.cluster.node_ids() {
            assert!(stage.cluster.is_running(id), "broker {id} is down");
        }
        assert_whole(front);
        until("every order and leader as before", SETTLED_LIMIT, || {
            let now = stage.cluster.assignment()?;
            let other: Vec<_> = now.iter().filter(|(partition, state)| before.get(*partition).is_some_and(|was| was != *state)).collect();
            if other.is_empty() { Ok(()) } else { Err(format!("{other:?}")) }
        });
        let roll = json(front, &["roll", "status", "-o", "json"]);
        Walked { listened: self.listens, busy, idle, told, took, roll }
    }

    fn start(&self, manager: &Manager, front: &Front) {
        let (stop, start) = (manager.command(Verb::Stop), manager.command(Verb::Start));
        let fixed = ["roll", "start", "--reason", "patches", "--author", "tests", "--checks", "2", "--every", "500ms", "--yes"];
        let ids: Vec<String> = self.brokers.iter().map(i32::to_string).collect();
        let ids = ids.join(",");
        let brokers: &[&str] = if ids.is_empty() { &[] } else { &["--brokers", &ids] };
        let more = ["--step-timeout", LIMIT, "--guarantee", self.guarantee, "--stop-cmd", &stop, "--start-cmd", &start];
        front.command(&[&fixed[..], &more, brokers].concat()).unwrap();
    }

    /// Does what the commands ask for until the roll is over; gives what the command that waited for that said, what drained brokers were
    /// asked, and how often each broker was stopped.
    fn manage(&self, manager: &Manager, stage: &mut Stage, front: &mut Front) -> (String, BTreeMap<i32, Requests>, BTreeMap<i32, u32>) {
        /// A command waits as long for somebody to look.
        const LOOK: Duration = Duration::from_millis(20);
        let output = stage.cluster.log_path("roll-status.log");
        let mut waiting = front.begin(&["roll", "status", "--wait", "--timeout", "10m"], &output).unwrap();
        let (mut idle, mut stopped, mut stops, mut starts) = (BTreeMap::new(), BTreeMap::new(), 0, 0);
        let code = loop {
            if let Some(code) = waiting.exited() {
                break code;
            }
            let Some(asked) = manager.asked() else {
                std::thread::sleep(LOOK);
                continue;
            };
            assert_eq!(asked.address, stage.cluster.address(asked.node_id), "where the command was told that its broker is");
            match asked.verb {
                Verb::Stop => {
                    stops += 1;
                    if stage.cluster.is_running(asked.node_id) {
                        *stopped.entry(asked.node_id).or_default() += 1;
                    }
                    self.stop(stage, front, asked, (self.crashes && stops == 1, &mut idle));
                }
                Verb::Start => {
                    starts += 1;
                    if self.crashes && starts == 2 {
                        crash(stage, front);
                    }
                    self.launch(stage, asked);
                }
            }
        };
        let told = std::fs::read_to_string(&output).unwrap();
        assert_eq!(code, 0, "leeward roll status --wait said:\n{told}");
        (told, idle, stopped)
    }

    fn stop(&self, stage: &mut Stage, front: &mut Front, asked: Asked, (crashes, idle): (bool, &mut BTreeMap<i32, Requests>)) {
        let id = asked.node_id;
        // A command that is run again finds it done.
        if stage.cluster.is_running(id) {
            stage.cluster.now_in_sync().unwrap_or_else(|reason| panic!("broker {id} is to stop, but {reason}"));
            if self.listens {
                idle.insert(id, listen(&stage.cluster, id, LISTEN));
            }
            if crashes {
                crash(stage, front);
                assert_waits_for_its_stop(front, id);
            }
            stage.down(id, Blow::Term);
        }
        asked.done();
    }

    fn launch(&self, stage: &mut Stage, asked: Asked) {
        let id = asked.node_id;
        let is_down = !stage.cluster.is_running(id);
        if is_down {
            if let Some((release, changes)) = &self.on {
                stage.cluster.set_release(id, release, changes.clone());
            }
            stage.cluster.launch(id);
        }
        // A service manager does not wait until its service is well: Leeward does.
        asked.done();
        if is_down {
            stage.await_up(id);
        }
    }
}

impl Walked {
    pub(super) fn print(&self, stage: &Stage) {
        stage.say(&format!("the roll took {:.0} s; leeward roll status --wait said:\n{}", self.took.as_secs_f32(), self.told));
        for leg in self.roll["brokers"].as_array().unwrap() {
            say("roll", &format!("broker {}: {} s", leg["broker"], leg["took_seconds"]));
        }
        for (id, requests) in &self.idle {
            let count = |requests: &Requests| format!("{} Produce and {} Fetch of clients", requests.of_clients("PRODUCE"), requests.of_clients("FETCH"));
            say("roll", &format!("broker {id} in {LISTEN:?}: {} before the roll, {} when it was drained", count(&self.busy[id]), count(requests)));
            say("roll", &format!("broker {id}, drained, was asked: {}", requests.in_words()));
        }
    }

    /// Panics unless no client asked a drained broker for anything that a leader does, while it asked for a lot before.
    pub(super) fn assert_idle(&self) {
        assert_eq!(self.idle.len(), self.busy.len());
        for (id, requests) in &self.idle {
            assert!(self.busy[id].of_clients("PRODUCE") > 0, "broker {id} was never busy: that it is idle shows nothing");
            assert_eq!(requests.of_clients("PRODUCE"), 0, "Produce to broker {id}, which is drained: {}", requests.in_words());
            assert_eq!(requests.of_clients("FETCH"), 0, "Fetch to broker {id}, which is drained: {}", requests.in_words());
        }
    }
}

fn crash(stage: &Stage, front: &mut Front) {
    stage.say("Leeward: Kill");
    front.crash(&stage.cluster);
    stage.say("Leeward is ready again");
}

/// A Leeward that was started again takes no broker for stopped that it has not reached yet: for several readings of the cluster.
fn assert_waits_for_its_stop(front: &Front, id: i32) {
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let roll = json(front, &["roll", "status", "-o", "json"]);
        let leg = roll["brokers"].as_array().unwrap().iter().find(|leg| leg["broker"] == id).unwrap();
        assert_eq!(leg["step"], "stopping", "broker {id} was not stopped yet: {roll:#}");
    }
}

/// No window is open, and no drain is left.
fn assert_whole(front: &Front) {
    let maintenance = json(front, &["maintenance", "status", "-o", "json"]);
    assert_eq!(maintenance["open"], serde_json::json!([]));
    let cluster = json(front, &["cluster", "-o", "json"]);
    for broker in cluster["brokers"].as_array().unwrap() {
        assert_eq!(broker["state"], "serving", "{broker:#}");
    }
}

fn json(front: &Front, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&front.command(arguments).unwrap()).unwrap()
}
