//! Brokers are drained and undrained: leaderships leave, stay away, and come back in the order of before, also when Leeward is killed in between.

use std::time::{Duration, Instant};

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateAclsRequest, CreateTopicsRequest, ElectLeadersRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::prepare;
use crate::cluster::sasl::LEEWARD;
use crate::cluster::{Assignment, Cluster};
use crate::front::Front;
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_4_3_1, Release};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};

/// The one that is drained.
const DRAINED: i32 = 5;
const LIMIT: Duration = Duration::from_secs(60);

/// Kafka's own preferred election comes every second and is content with no imbalance: it would undo in a moment what it can undo.
const EAGER: &[(&str, &str)] = &[("leader.imbalance.check.interval.seconds", "1"), ("leader.imbalance.per.broker.percentage", "0")];

#[test]
fn kafka_4_3_1() {
    drained(&KAFKA_4_3_1, Selection::Ci);
}

#[test]
fn kafka_2_6_3() {
    drained(&KAFKA_2_6_3, Selection::All);
}

#[test]
fn kafka_2_1_0() {
    drained(&KAFKA_2_1_0, Selection::All);
}

fn drained(release: &'static Release, least: Selection) {
    let name = format!("drain-{}", release.version);
    let Some(_admission) = admit(&name, least) else { return };
    prepare(&[release], &[], false);
    let mut steps = Steps::new(&name);
    let mut cluster = steps.must("three brokers", || Cluster::start_changed(&name, release, false, EAGER));
    let mut front = steps.must("Leeward is ready", || {
        let state = format!("state.directory={}", cluster.scrap().join("state").display());
        // Before 2.4 brokers have no API for it.
        let zookeeper = cluster.zookeeper().filter(|_| !release.reassignment()).map(|address| format!("upstream.zookeeper={address}"));
        let settings: Vec<&str> = std::iter::once(state.as_str()).chain(zookeeper.as_deref()).collect();
        Front::start_with(&cluster, &cluster.node_ids(), "leeward.log", &settings)
    });
    if !front.is_leeward() {
        return;
    }
    let before = steps.must("topics with three replicas and with one", || {
        create(&cluster, "wide", 24, 3);
        create(&cluster, "lonely", 6, 1);
        settled(&cluster)
    });
    let lonely = alone(&before);
    assert!(!lonely.is_empty(), "{before:?}");
    steps.run("a dry run changes nothing", || {
        let told = front.command(&["broker", "drain", "5", "--reason", "test", "--dry-run"]).unwrap();
        assert!(told.contains("dry run: broker 5: 0 of "), "{told}");
        assert_eq!(cluster.assignment().unwrap(), before);
    });
    steps.run("drained: it leads what has one replica, which is named, and nothing else", || {
        let told = front.command(&["broker", "drain", "5", "--reason", "test", "--yes", "--wait", "--timeout", "2m"]).unwrap();
        assert!(told.contains("broker 5 is drained (test)") && told.contains("and cannot move") && told.contains(&lonely[0]), "{told}");
        assert_drained(&cluster, &before);
        assert_even(&cluster);
    });
    steps.run("no preferred election undoes it, neither one by hand nor Kafka's own", || {
        if release.reassignment() {
            let all = ElectLeadersRequest::default().with_topic_partitions(None).with_timeout_ms(10_000);
            cluster.ask_controller(&all, 1, |answer| {
                let first = answer.replica_election_results.first().and_then(|topic| topic.partition_result.first());
                first.map_or(answer.error_code, |partition| partition.error_code)
            });
        }
        // That nothing happens can be seen only in time: Kafka's own comes each second.
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            assert_drained(&cluster, &before);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    steps.run("a second broker is refused", || {
        let said = front.attempt_command(&["broker", "drain", "42", "--reason", "test", "--yes"]).unwrap().unwrap_err();
        assert!(said.starts_with("exit status: 3") && said.contains("broker 5 is drained already") && said.contains("--force"), "{said}");
    });
    steps.run("undrained: every order is as it was", || {
        let told = front.command(&["broker", "undrain", "5", "--yes", "--wait", "--timeout", "2m"]).unwrap();
        assert!(told.contains("broker 5 is serving") && told.contains("have the order of before"), "{told}");
        await_restored(&cluster, &before);
    });
    steps.run("Leeward is killed in the middle of a drain and of an undrain", || killed_in_between(&mut front, &cluster, &before));
    steps.run("the audit file tells of all that", || {
        let told = front.command(&["maintenance", "audit"]).unwrap();
        let times = |what: &str| told.lines().filter(|line| line.contains(what)).count();
        assert!(times("drain begun") == 4 && times("undrain begun") == 2 && times("undrained") == 2 && times("drain refused") == 1, "{told}");
    });
    steps.run_in_all("a broker is down: refused; by force the leaderships go to the one that stays", || {
        let mut cluster = CrippledCluster::new(&mut cluster, 42);
        let said = front.attempt_command(&["broker", "drain", "5", "--reason", "test", "--yes"]).unwrap().unwrap_err();
        assert!(said.starts_with("exit status: 3") && said.contains("broker 42 is down"), "{said}");
        front.command(&["broker", "drain", "5", "--reason", "test", "--yes", "--force", "--wait", "--timeout", "2m"]).unwrap();
        let now = cluster.cluster.assignment().unwrap();
        assert!(now.iter().filter(|((topic, _), _)| topic == "wide").all(|(_, (_, leader))| *leader == 1), "{now:?}");
        cluster.heal();
        front.command(&["broker", "undrain", "5", "--yes", "--wait", "--timeout", "2m"]).unwrap();
        await_restored(cluster.cluster, &before);
    });
    if let Some(zookeeper) = cluster.zookeeper().filter(|_| !release.reassignment()) {
        steps.run("Leeward ends gracefully", || front.assert_graceful_end());
        front = by_hand(&mut steps, &cluster, &zookeeper, &before);
    }
    steps.run("Leeward ends gracefully", || front.assert_graceful_end());
    steps.finish();
}

/// Both go on where they were.
fn killed_in_between(front: &mut Front, cluster: &Cluster, before: &Assignment) {
    front.command(&["broker", "drain", "5", "--reason", "again", "--yes"]).unwrap();
    front.crash(cluster);
    let told = front.command(&["broker", "drain", "5", "--reason", "again", "--yes", "--wait", "--timeout", "2m"]).unwrap();
    assert!(told.contains("broker 5 is drained (again)"), "{told}");
    assert_drained(cluster, before);
    front.crash(cluster);
    front.command(&["broker", "undrain", "5", "--yes"]).unwrap();
    front.crash(cluster);
    // It may have come to its end by itself before it is asked.
    match front.attempt_command(&["broker", "undrain", "5", "--yes", "--wait", "--timeout", "2m"]).unwrap() {
        Ok(told) => assert!(told.contains("broker 5 is serving"), "{told}"),
        Err(said) => assert!(said.contains("broker 5 is not draining or drained"), "{said}"),
    }
    await_restored(cluster, before);
}

/// A Leeward that does not know where ZooKeeper is says what to run, follows what a person does, and goes on.
fn by_hand(steps: &mut Steps, cluster: &Cluster, zookeeper: &str, before: &Assignment) -> Front {
    let state = format!("state.directory={}", cluster.scrap().join("state-by-hand").display());
    let front = steps.must("a Leeward that does not know ZooKeeper", || Front::start_with(cluster, &cluster.node_ids(), "leeward-by-hand.log", &[&state]));
    let commands = |verb: &str| {
        let ask: &[&str] = if verb == "drain" { &["broker", "drain", "5", "--reason", "by hand", "--yes"] } else { &["broker", "undrain", "5", "--yes"] };
        until("what is to be run", LIMIT, || {
            // Once it is done an undrain has nothing to answer.
            let Ok(text) = front.attempt_command(&[ask, &["-o", "json"]].concat()).unwrap() else { return Ok(None) };
            let view: serde_json::Value = serde_json::from_str(&text).unwrap();
            let hands = view["drain"]["by_hand"].clone();
            if view["drain"]["phase"] == "drained" {
                return Ok(None);
            }
            if hands.is_null() { Err(format!("nothing yet: {view}")) } else { Ok(Some(hands)) }
        })
    };
    let run = |hands: &serde_json::Value| {
        for (field, class, option) in [
            ("reassignment", "kafka.admin.ReassignPartitionsCommand", "--reassignment-json-file"),
            ("election", "kafka.admin.PreferredReplicaLeaderElectionCommand", "--path-to-json-file"),
        ] {
            let Some(content) = hands[field].as_str() else { continue };
            let file = cluster.scrap().join(format!("{field}.json"));
            std::fs::write(&file, content).unwrap();
            let execute: &[&str] = if field == "reassignment" { &["--execute"] } else { &[] };
            cluster.run_class(class, &[&["--zookeeper", zookeeper, option, file.to_str().unwrap()], execute].concat());
        }
    };
    for verb in ["drain", "undrain"] {
        steps.run(&format!("by hand: {verb}"), || {
            // Orders, then the election where Kafka's own was not faster; more of each only while Leeward has not read the outcome.
            let mut rounds = 0;
            while let Some(hands) = commands(verb) {
                rounds += 1;
                assert!(rounds <= 10, "still to be run: {hands}");
                run(&hands);
            }
            assert!(rounds > 0);
            if verb == "drain" { assert_drained(cluster, before) } else { await_restored(cluster, before) }
        });
    }
    front
}

/// A cluster one of whose brokers was killed. It is started again when this is dropped, so that the next step has all of them.
struct CrippledCluster<'a> {
    cluster: &'a mut Cluster,
    node_id: Option<i32>,
}

impl<'a> CrippledCluster<'a> {
    fn new(cluster: &'a mut Cluster, node_id: i32) -> Self {
        cluster.kill(node_id);
        // Every partition of three replicas has another leader.
        until("its leaderships gone", LIMIT, || {
            let now = cluster.assignment()?;
            let led = now.iter().filter(|(_, (replicas, leader))| replicas.len() > 1 && (*leader == node_id || *leader < 0)).count();
            if led == 0 { Ok(()) } else { Err(format!("{led} are left")) }
        });
        Self { cluster, node_id: Some(node_id) }
    }

    fn heal(&mut self) {
        if let Some(node_id) = self.node_id.take() {
            self.cluster.restart(node_id);
            self.cluster.await_in_sync();
        }
    }
}

impl Drop for CrippledCluster<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.heal();
        }
    }
}

/// Whoever alone may alter the cluster: nobody whom Leeward is.
const OWNER: &str = "User:owner";

#[test]
fn without_the_right_to_alter() {
    let name = "drain-forbidden";
    let Some(_admission) = admit(name, Selection::Ci) else { return };
    prepare(&[&KAFKA_4_3_1], &[], false);
    let mut steps = Steps::new(name);
    let cluster = steps.must("three brokers with an authorizer, for which brokers are nobody in particular", || {
        let authorizer = [
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("super.users", "User:ANONYMOUS"),
            ("allow.everyone.if.no.acl.found", "true"),
        ];
        Cluster::start_changed(name, &KAFKA_4_3_1, true, &authorizer)
    });
    steps.must("only the owner may alter the cluster", || {
        let text = StrBytes::from_static_str;
        let rule = AclCreation::default().with_resource_type(4).with_resource_name(text("kafka-cluster")).with_resource_pattern_type(3);
        let rule = rule.with_principal(text(OWNER)).with_host(text("*")).with_operation(2).with_permission_type(3);
        let answer = cluster.ask_controller(&CreateAclsRequest::default().with_creations(vec![rule]), 2, |answer| answer.results[0].error_code);
        assert_eq!(answer.results[0].error_code, 0);
        create(&cluster, "wide", 6, 3);
    });
    let (account, password) = (format!("upstream.sasl_plain.username={}", LEEWARD.name), format!("upstream.sasl_plain.password={}", LEEWARD.password));
    let state = format!("state.directory={}", cluster.scrap().join("state").display());
    let front = steps.must("Leeward is ready", || Front::start_with(&cluster, &cluster.node_ids(), "leeward.log", &[&account, &password, &state]));
    if !front.is_leeward() {
        return;
    }
    let before = settled(&cluster);
    steps.run("it says so, and moves nothing", || {
        let said = front.attempt_command(&["broker", "drain", "5", "--reason", "test", "--yes", "--wait", "--timeout", "1m"]).unwrap().unwrap_err();
        assert!(said.starts_with("exit status: 3") && said.contains("Leeward's account may not alter the cluster"), "{said}");
        assert!(said.contains("routing alone goes on") && said.contains("broker 5 is draining"), "{said}");
        assert_eq!(cluster.assignment().unwrap(), before);
    });
    steps.run("given the right it goes on by itself", || {
        let text = StrBytes::from_static_str;
        let rule = AclCreation::default().with_resource_type(4).with_resource_name(text("kafka-cluster")).with_resource_pattern_type(3);
        let rule = rule.with_principal(text("User:leeward")).with_host(text("*")).with_operation(2).with_permission_type(3);
        cluster.ask_controller(&CreateAclsRequest::default().with_creations(vec![rule]), 2, |answer| answer.results[0].error_code);
        until("drained", LIMIT, || match front.attempt_command(&["broker", "drain", "5", "--reason", "test", "--yes", "--wait"]).unwrap() {
            Ok(told) => Ok(told),
            Err(said) => Err(said),
        });
        assert_drained(&cluster, &before);
    });
    steps.finish();
}

pub(super) fn create(cluster: &Cluster, topic: &str, partitions: i32, factor: i16) {
    let name = TopicName(StrBytes::from_string(topic.to_owned()));
    let mut topic_of = CreatableTopic::default().with_name(name).with_num_partitions(partitions).with_replication_factor(factor);
    if factor == 1 {
        let config = kafka_protocol::messages::create_topics_request::CreatableTopicConfig::default();
        let config = config.with_name(StrBytes::from_static_str("min.insync.replicas")).with_value(Some(StrBytes::from_static_str("1")));
        topic_of = topic_of.with_configs(vec![config]);
    }
    let request = CreateTopicsRequest::default().with_topics(vec![topic_of]).with_timeout_ms(30_000);
    let answer = cluster.ask_controller(&request, 3, |answer| answer.topics[0].error_code);
    assert_eq!(answer.topics[0].error_code, 0, "{topic}: {:?}", answer.topics[0].error_message);
    cluster.await_topic(topic);
}

/// The assignment when every preferred leader leads and every replica is in sync.
pub(super) fn settled(cluster: &Cluster) -> Assignment {
    cluster.await_in_sync();
    until("preferred leaders lead", LIMIT, || {
        let now = cluster.assignment()?;
        if now.values().all(|(replicas, leader)| replicas[0] == *leader) { Ok(now) } else { Err(format!("{now:?}")) }
    })
}

/// Partitions that the drained broker alone has.
fn alone(assignment: &Assignment) -> Vec<String> {
    assignment.iter().filter(|(_, (replicas, _))| replicas == &[DRAINED]).map(|((topic, partition), _)| format!("{topic}-{partition}")).collect()
}

fn assert_drained(cluster: &Cluster, before: &Assignment) {
    let now = cluster.assignment().unwrap();
    let led: Vec<String> = now.iter().filter(|(_, (_, leader))| *leader == DRAINED).map(|((topic, partition), _)| format!("{topic}-{partition}")).collect();
    assert_eq!(led, alone(before));
    for (partition, (replicas, _)) in &now {
        assert!(replicas.len() == 1 || before[partition].0[0] != DRAINED || replicas.last() == Some(&DRAINED), "{partition:?}: {replicas:?}");
    }
}

/// Those that stay lead equally much of the topic that every broker has.
fn assert_even(cluster: &Cluster) {
    let now = cluster.assignment().unwrap();
    let leads = |id: i32| now.iter().filter(|((topic, _), (_, leader))| topic == "wide" && *leader == id).count();
    assert!(leads(1).abs_diff(leads(42)) <= 2, "{} and {}", leads(1), leads(42));
}

fn await_restored(cluster: &Cluster, before: &Assignment) {
    until("every order and leader as before", LIMIT, || {
        let now = cluster.assignment()?;
        if now == *before { Ok(()) } else { Err(format!("now {now:?}\nbefore {before:?}")) }
    });
}
