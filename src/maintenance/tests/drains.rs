//! Drains in front of a cluster that does as it is told, or not, and over crashes at every step.

use std::sync::Mutex;

use tokio::time::timeout;

use super::*;
use crate::control::{NotChanged, OperatorError};
use crate::maintenance::cluster::Answer;
use crate::maintenance::drainer::Report;
use crate::rolling::census::Broker as CensusBroker;
use crate::rolling::drain::{Move, Phase};
use crate::rolling::{Census, Partition};

/// Of a clock that stands still while anybody works; beyond every pause of the drainer.
const LIMIT: Duration = Duration::from_secs(120);

/// What becomes of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Manner {
    #[default]
    Done,
    /// The account has no right.
    Forbidden,
    /// The brokers are older than the API.
    TooOld,
    /// Done, but nobody hears of it.
    DoneInSilence,
    /// Never asked: whoever asks has died before.
    Silence,
}

/// A cluster in memory.
#[derive(Debug, Default)]
pub(super) struct FakeCluster {
    census: Mutex<Census>,
    manner: Mutex<Manner>,
    /// Changes that were asked for, and how many of them may still be answered before the manner is another.
    changes: Mutex<usize>,
    then: Mutex<Option<(usize, Manner)>>,
    /// The state file, which must hold every order before it is changed.
    state: Mutex<Option<std::path::PathBuf>>,
}

impl Cluster for FakeCluster {
    fn census(&self) -> Answer<'_, Census> {
        Box::pin(async { Ok(self.census.lock().unwrap().clone()) })
    }

    fn needs_hands(&self, _: &Census) -> bool {
        *self.manner.lock().unwrap() == Manner::TooOld
    }

    fn change<'a>(&'a self, moves: &'a [Move]) -> Answer<'a, Vec<NotChanged>> {
        Box::pin(async move {
            let api = "AlterPartitionReassignments";
            match self.next_manner() {
                Manner::Done => {
                    self.apply(moves);
                    Ok(Vec::new())
                }
                Manner::Forbidden => Err(OperatorError::MayNotAlter { api }),
                Manner::TooOld => {
                    let address = HostPort { host: "kafka".to_owned(), port: 9092 };
                    Err(OperatorError::TooOld { address, api, wanted: "0".to_owned(), since: "2.4" })
                }
                Manner::DoneInSilence => {
                    self.apply(moves);
                    std::future::pending().await
                }
                Manner::Silence => std::future::pending().await,
            }
        })
    }
}

impl FakeCluster {
    /// Brokers 1 to 3; broker 2 leads three partitions that can move and one that cannot.
    fn new(directory: &Path) -> Arc<Self> {
        let address = HostPort { host: "kafka".to_owned(), port: 9092 };
        let broker = |node_id| (node_id, CensusBroker { node_id, address: address.clone(), rack: None, is_listed: true, is_reachable: true, offer: None });
        let partition = |topic: &str, index, replicas: &[i32]| Partition {
            topic: topic.into(),
            index,
            leader: replicas.first().copied(),
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            min_insync_replicas: None,
        };
        let partitions = vec![
            partition("a", 0, &[2, 1, 3]),
            partition("a", 1, &[2, 3, 1]),
            partition("a", 2, &[1, 2, 3]),
            partition("b", 0, &[2, 3]),
            partition("one", 0, &[2]),
        ];
        let census = Census { brokers: (1..=3).map(broker).collect(), partitions, ..Census::default() };
        let state = Mutex::new(Some(directory.join("state.json")));
        Arc::new(FakeCluster { census: Mutex::new(census), state, ..FakeCluster::default() })
    }

    fn next_manner(&self) -> Manner {
        let mut changes = self.changes.lock().unwrap();
        *changes += 1;
        match *self.then.lock().unwrap() {
            Some((count, manner)) if *changes == count => manner,
            Some(_) | None => *self.manner.lock().unwrap(),
        }
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The change with this number, from now on, goes another way.
    fn set_once(&self, number: usize, manner: Manner) {
        *self.changes.lock().unwrap() = 0;
        *self.then.lock().unwrap() = Some((number, manner));
    }

    /// One step after the other, as a controller: the orders first; whoever is to lead where the order is there already.
    fn apply(&self, moves: &[Move]) {
        let saved = self.state.lock().unwrap().as_ref().map(|path| fs::read_to_string(path).unwrap());
        let mut census = self.census.lock().unwrap();
        for one in moves {
            if let Some(saved) = &saved {
                let saved: serde_json::Value = serde_json::from_str(saved).unwrap();
                let drains = saved["drains"].as_object().expect("a drain is on the disk");
                let is_saved = |drain: &serde_json::Value| {
                    drain["saved"].as_array().unwrap().iter().any(|order| order["topic"] == *one.topic && order["partition"] == one.partition)
                };
                assert!(drains.values().any(is_saved), "{}-{} is moved before its order is on the disk: {saved}", one.topic, one.partition);
            }
            let partition = census.partitions.iter_mut().find(|partition| partition.topic == one.topic && partition.index == one.partition).unwrap();
            if one.reorders() {
                partition.replicas.clone_from(&one.to);
            } else if one.elect {
                partition.leader = one.to.first().copied();
            }
        }
    }

    fn orders(&self) -> Vec<(Vec<i32>, Option<i32>)> {
        self.census.lock().unwrap().partitions.iter().map(|partition| (partition.replicas.clone(), partition.leader)).collect()
    }

    fn leads(&self, node_id: i32) -> usize {
        self.census.lock().unwrap().led_by(node_id).count()
    }
}

impl Running {
    async fn drain(&self, node_id: i32, force: bool, dry_run: bool) -> Result<DrainAnswer, Refusal> {
        self.handle.drain(node_id, DrainRequest { reason: "r".to_owned(), force, dry_run, author: Some("alice".to_owned()) }).await
    }

    async fn undrain(&self, node_id: i32) -> Result<DrainAnswer, Refusal> {
        self.handle.undrain(node_id, UndrainRequest::default()).await
    }

    /// Until the drain is as wanted. Time passes by itself while nobody works.
    async fn until_drain(&self, node_id: i32, what: impl Fn(&DrainView) -> bool) -> DrainView {
        let looked = async {
            loop {
                let view = self.handle.drain_status(node_id).unwrap();
                if what(&view) {
                    return view;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(LIMIT, looked).await.unwrap_or_else(|_| panic!("not in time: {:?}", self.handle.drain_status(node_id)))
    }

    async fn until_phase(&self, node_id: i32, phase: &str) -> DrainView {
        self.until_drain(node_id, |view| view.phase == phase).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_is_drained_and_comes_back_in_the_order_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    let before = cluster.orders();
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    let mut draining = running.handle.draining();
    assert_eq!(running.handle.drain_status(2).unwrap().phase, "serving");
    let begun = running.drain(2, false, false).await.unwrap();
    assert_eq!((begun.drain.phase.as_str(), begun.drain.of, begun.drain.window_open), ("draining", 4, false));
    assert!(begun.preflight.unwrap().findings.iter().any(|finding| finding.check == "window" && finding.level == Level::Note));
    assert_eq!(draining.borrow_and_update().0, BTreeSet::from([2]));
    let view = running.until_phase(2, "drained").await;
    assert_eq!(view.sentence, "broker 2: 3 of 4 leaders moved; 1 has one replica and cannot move (one-0)");
    assert_eq!((cluster.leads(2), view.unmoved.as_slice()), (1, ["one-0".to_owned()].as_slice()));
    assert_eq!(running.drain(2, false, false).await.unwrap().drain.phase, "drained", "once more changes nothing");

    // A topic is made whose leader is the drained broker: it is moved too, in its time.
    cluster.census.lock().unwrap().partitions.push(Partition {
        topic: "new".into(),
        index: 0,
        leader: Some(2),
        replicas: vec![2, 1],
        isr: vec![1, 2],
        min_insync_replicas: None,
    });
    let view = running.until_drain(2, |view| view.phase == "drained" && view.moved == 4).await;
    assert_eq!(view.sentence, "broker 2: 4 of 5 leaders moved; 1 has one replica and cannot move (one-0)");

    let undone = running.undrain(2).await.unwrap();
    assert_eq!((undone.drain.phase.as_str(), undone.drain.of), ("undraining", 4));
    let view = running.until_phase(2, "serving").await;
    assert_eq!(view.sentence, "broker 2: all 4 partitions have the order of before");
    assert_eq!(cluster.orders().split_at(before.len()).0, before);
    assert_eq!(draining.borrow_and_update().0, BTreeSet::new());
    assert_eq!(running.undrain(2).await.unwrap_err().kind, RefusalKind::Missing);
    running.end().await;
    assert_eq!(whats(directory.path()), ["drain begun", "orders saved", "drained", "orders saved", "drain goes on", "drained", "undrain begun", "undrained"]);
}

/// A record that was sent before the window has no number and may have acks=1: its leader may not go before it is answered.
#[tokio::test(start_paused = true)]
async fn nothing_moves_until_a_window_that_was_opened_just_now_has_settled() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    running.on("1h").await.unwrap();
    let opened = tokio::time::Instant::now();
    running.drain(2, false, false).await.unwrap();
    let view = running.until_drain(2, |view| view.problem.is_some()).await;
    assert!(view.problem.unwrap().starts_with("the window was opened just now: nothing moves for 5s"));
    running.until_drain(2, |view| view.moved > 0).await;
    assert!(opened.elapsed() >= Duration::from_secs(5), "{:?}", opened.elapsed());
    running.until_phase(2, "drained").await;
    // It has been open for long: what comes then moves at once.
    let undone = tokio::time::Instant::now();
    running.undrain(2).await.unwrap();
    running.until_phase(2, "serving").await;
    assert!(undone.elapsed() < Duration::from_secs(5), "{:?}", undone.elapsed());
    running.end().await;
}

/// Wherever Leeward dies, before or after the cluster has heard of a change, another one goes on from the disk.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_step_loses_no_order() {
    for silence in [Manner::Silence, Manner::DoneInSilence] {
        for (crash_draining, crash_undraining) in [(1, 1), (2, 1), (2, 2), (1, 2)] {
            let directory = tempfile::tempdir().unwrap();
            let cluster = FakeCluster::new(directory.path());
            let before = cluster.orders();
            cluster.set_once(crash_draining, silence);
            let first = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
            first.drain(2, false, false).await.unwrap();
            reach(&cluster, crash_draining).await;
            first.kill().await;
            let second = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
            assert_eq!(second.handle.draining().borrow().0, BTreeSet::from([2]), "from the first moment");
            second.until_phase(2, "drained").await;
            assert_eq!(cluster.leads(2), 1);
            second.kill().await;
            let third = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
            assert_eq!(third.handle.drain_status(2).unwrap().phase, "drained", "it stays");
            cluster.set_once(crash_undraining, silence);
            third.undrain(2).await.unwrap();
            reach(&cluster, crash_undraining).await;
            third.kill().await;
            let fourth = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
            assert!(fourth.handle.draining().borrow().0.is_empty());
            fourth.until_phase(2, "serving").await;
            assert_eq!(cluster.orders(), before, "{silence:?} at {crash_draining}, {crash_undraining}");
            fourth.end().await;
        }
    }
}

/// Until so many changes were asked for.
async fn reach(cluster: &FakeCluster, count: usize) {
    let asked = async {
        while *cluster.changes.lock().unwrap() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LIMIT, asked).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn one_broker_at_a_time_unless_it_is_forced() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    let before = cluster.orders();
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    running.views.send_replace(view(2, &[true, true, true]));
    running.drain(2, false, false).await.unwrap();
    running.until_phase(2, "drained").await;
    let refusal = running.drain(3, false, false).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Blocked);
    assert!(refusal.error.contains("broker 2 is drained already") && refusal.hint.contains("--force"), "{refusal:?}");
    assert_eq!(running.handle.drain_status(3).unwrap().phase, "serving");
    running.drain(3, true, false).await.unwrap();
    let view = running.until_drain(3, |view| view.pending == 0 && view.of > 0).await;
    // b-0 has the replicas 2 and 3 alone.
    assert!(view.phase == "draining" && view.sentence.contains("1 has no other replica in sync on a broker that stays, and waits (b-0)"), "{view:?}");
    for node_id in [2, 3] {
        running.undrain(node_id).await.unwrap();
        running.until_phase(node_id, "serving").await;
    }
    assert_eq!(cluster.orders(), before);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_it_says_so_and_goes_on_when_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    cluster.set(Manner::Forbidden);
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    running.drain(2, false, false).await.unwrap();
    let view = running.until_drain(2, |view| view.problem.is_some()).await;
    let problem = view.problem.unwrap();
    assert!(view.blocked && problem.contains("may not alter the cluster") && problem.contains("routing alone goes on"), "{problem}");
    assert_eq!(running.handle.draining().borrow().0, BTreeSet::from([2]), "routing goes on");
    cluster.set(Manner::Done);
    assert_eq!(running.until_phase(2, "drained").await.problem, None);
}

#[tokio::test(start_paused = true)]
async fn with_old_brokers_a_person_is_told_what_to_run_and_followed() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    cluster.set(Manner::TooOld);
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    let planned = running.drain(2, false, true).await.unwrap().drain.by_hand.unwrap();
    assert!(planned.reassignment.unwrap().contains(r#""replicas":[3,1,2]"#));
    running.drain(2, false, false).await.unwrap();
    let view = running.until_drain(2, |view| view.problem.is_some()).await;
    assert!(view.by_hand.unwrap().commands[0].starts_with("kafka-reassign-partitions.sh"));
    // A person runs it.
    let plan = |cluster: &FakeCluster| crate::rolling::drain::Plan::of(&cluster.census.lock().unwrap(), 2, &BTreeSet::new()).moves;
    cluster.apply(&plan(&cluster));
    let asks_for_election = |view: &DrainView| view.by_hand.as_ref().is_some_and(|hands| hands.election.is_some());
    let view = running.until_drain(2, asks_for_election).await;
    assert!(view.by_hand.unwrap().commands[0].starts_with("kafka-preferred-replica-election.sh"));
    cluster.apply(&plan(&cluster));
    assert_eq!(running.until_phase(2, "drained").await.by_hand, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_dangerous_is_refused_and_a_dry_run_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    let before = cluster.orders();
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    let planned = running.drain(2, false, true).await.unwrap();
    assert_eq!((planned.dry_run, planned.drain.pending, planned.drain.of), (true, 3, 4));
    assert_eq!((running.handle.drain_status(2).unwrap().phase.as_str(), running.handle.draining().borrow().0.len()), ("serving", 0));
    assert!(!directory.path().join("state.json").exists());
    assert_eq!(running.drain(9, false, false).await.unwrap_err().kind, RefusalKind::Missing);
    let nameless = running.handle.drain(2, DrainRequest { reason: "  ".to_owned(), ..DrainRequest::default() }).await;
    assert_eq!(nameless.unwrap_err().kind, RefusalKind::Wrong);
    cluster.census.lock().unwrap().partitions[0].isr = vec![2, 3];
    cluster.census.lock().unwrap().brokers.get_mut(&1).unwrap().is_reachable = false;
    let refusal = running.drain(2, false, false).await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Blocked);
    assert!(refusal.error.contains("broker 1 is down") && refusal.error.contains("a-0"), "{}", refusal.error);
    assert_eq!(cluster.orders(), before);
    running.drain(2, true, false).await.unwrap();
    running.until_drain(2, |view| view.moved == 3).await;
    assert_eq!(whats(directory.path())[..2], ["drain refused", "drain begun by force"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_moved_that_cannot_be_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = FakeCluster::new(directory.path());
    let before = cluster.orders();
    // A directory in the place of the temporary file: nobody can write there, whatever the user.
    fs::create_dir(directory.path().join("state.json.new")).unwrap();
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    assert_eq!(running.drain(2, true, false).await.unwrap_err().kind, RefusalKind::Storage);
    assert_eq!(running.handle.drain_status(2).unwrap().phase, "serving");
    fs::remove_dir(directory.path().join("state.json.new")).unwrap();
    cluster.set_once(1, Manner::Silence);
    running.drain(2, false, false).await.unwrap();
    reach(&cluster, 1).await;
    running.kill().await;
    // The disk fails between the begin of the drain and a partition that comes later.
    let running = Running::over(config(directory.path(), &[]), Arc::clone(&cluster));
    running.until_phase(2, "drained").await;
    fs::create_dir(directory.path().join("state.json.new")).unwrap();
    {
        let mut census = cluster.census.lock().unwrap();
        census.partitions[2].leader = Some(2);
    }
    let view = running.until_drain(2, |view| view.problem.is_some()).await;
    assert!(view.blocked && view.problem.unwrap().contains("could not be written down, so nothing is moved"));
    assert_eq!(cluster.orders()[2], (before[2].0.clone(), Some(2)));
}

#[test]
fn drains_are_kept_beside_windows_and_older_files_have_none() {
    let directory = kept();
    let path = directory.path().join("state.json");
    assert!(!fs::read_to_string(&path).unwrap().contains("drains"), "a Leeward of before drains reads it");
    let (mut store, mut contents) = Store::open(directory.path(), NOW);
    contents.drains.begin(2, "r", "a", false, NOW).unwrap();
    store.commit(&contents, &[]).unwrap();
    drop(store);
    let (_, read) = Store::open(directory.path(), NOW);
    assert_eq!((read.windows, read.drains.get(2).unwrap().phase), (windows(), Phase::Draining));
}

/// What a drain reports is small: it is sent with every step.
#[test]
fn a_report_is_small() {
    assert!(size_of::<Report>() <= 64, "{}", size_of::<Report>());
}
