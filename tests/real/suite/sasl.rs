//! Clients that log in to brokers through Leeward: every mechanism but GSSAPI (which would need a KDC), in every framing, with and without an account of Leeward's own.

use std::process::Command;
use std::time::{Duration, Instant};

use kafka_protocol::messages::SaslHandshakeRequest;
use kafka_protocol::protocol::StrBytes;

use super::prepare;
use super::sasl_shelter::{Login, a_broker_goes};
use super::stored::{BASE_OFFSET_END, batches, odd_batch};
use crate::cache::{self, KafkaPython};
use crate::clients::java::Java;
use crate::clients::librdkafka;
use crate::clients::python::Python;
use crate::cluster::Cluster;
use crate::cluster::sasl::{self, ALICE, Account, BOB, LEEWARD, SCRAM_512_SESSION_MS};
use crate::front::Front;
use crate::records::{Shape, TestRecord, assert_same, make};
use crate::release::{KAFKA_2_1_0, KAFKA_3_9_1};
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};
use crate::wire::Wire;

const SCRAM: &str = include_str!("../clients/python/scram.py");
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn clients_log_in() {
    let Some(_admission) = admit("sasl", Selection::Ci) else { return };
    prepare(&[&KAFKA_3_9_1], &[&KAFKA_3_9_1], true);
    let mut steps = Steps::new("sasl");
    let cluster = steps.must("three brokers that ask for a login", || Cluster::start_sasl("sasl", &KAFKA_3_9_1));
    let account = format!("upstream.sasl_plain.username={}", LEEWARD.name);
    let password = format!("upstream.sasl_plain.password={}", LEEWARD.password);
    let mut scene = Scene {
        front: steps
            .must("Leeward logs in with an account of its own", || Front::start_with(&cluster, &cluster.node_ids(), "leeward.log", &[&account, &password])),
        cluster,
    };
    with_an_account(&mut steps, &mut scene);
    if scene.front.is_leeward() {
        without_an_account(&mut steps, &mut scene);
    }
    steps.finish();
}

#[test]
fn clients_log_in_to_brokers_of_2_1() {
    let Some(_admission) = admit("sasl-2.1", Selection::All) else { return };
    prepare(&[&KAFKA_2_1_0], &[&KAFKA_3_9_1], false);
    let mut steps = Steps::new("sasl-2.1");
    let cluster = steps.must("three brokers that ask for a login", || Cluster::start_sasl("sasl-2.1", &KAFKA_2_1_0));
    let account = format!("upstream.sasl_plain.username={}", LEEWARD.name);
    let password = format!("upstream.sasl_plain.password={}", LEEWARD.password);
    let node_ids = cluster.node_ids();
    let with = Front::start_with(&cluster, &node_ids, "leeward.log", &[&account, &password]);
    let mut scene = Scene { front: with, cluster };
    for name in ["with", "without"] {
        if name == "without" {
            scene.front = steps.must("a Leeward without an account is ready", || Front::start_with(&scene.cluster, &node_ids, "leeward-without.log", &[]));
        }
        steps.run(&format!("{name} an account: every broker at its virtual broker, behind PLAIN"), || assert_advertised(&scene.front, &scene.cluster));
        steps.run(&format!("{name} an account: raw tokens behind SaslHandshake v0, then Metadata, Produce and Fetch"), || {
            raw(&scene, &mut scene.java("PLAIN", ALICE), name, "PLAIN");
        });
        steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
        steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    }
    steps.finish();
}

pub(super) struct Scene {
    pub(super) front: Front,
    pub(super) cluster: Cluster,
}

fn with_an_account(steps: &mut Steps, scene: &mut Scene) {
    let mut java = steps.must("java: SCRAM-SHA-512", || {
        let mut java = scene.java("SCRAM-SHA-512", BOB);
        by_java(scene, &mut java, "java-scram");
        java
    });
    // PLAIN, and SCRAM below, are the same path for every library.
    steps.run_in_all("java: PLAIN", || by_java(scene, &mut scene.java("PLAIN", ALICE), "java-plain"));
    steps.run("java: OAUTHBEARER", || by_java(scene, &mut scene.java("OAUTHBEARER", ALICE), "java-oauth"));
    steps.run("kafka-python 2.0.2: PLAIN", || by_python(scene, &mut java, KafkaPython::V2_0_2, "PLAIN", ALICE));
    steps.run("kafka-python 3.0.12: SCRAM-SHA-256", || by_python(scene, &mut java, KafkaPython::V3_0_12, "SCRAM-SHA-256", BOB));
    steps.run("librdkafka: PLAIN", || by_librdkafka(scene, &mut java, "librdkafka"));
    steps.run("raw tokens behind SaslHandshake v0: PLAIN", || raw(scene, &mut java, "raw-plain", "PLAIN"));
    steps.run("raw tokens behind SaslHandshake v0: SCRAM-SHA-256", || raw(scene, &mut java, "raw-scram", "SCRAM-SHA-256"));
    steps.run("a wrong password gets the broker's own answer", || wrong_password(scene));
    steps.run_in_all("a wrong password of SCRAM", || wrong_scram_password(scene));
    steps.run("a producer logs in again and again on the same connections", || again_and_again(scene, &mut java));
    if scene.front.is_leeward() {
        steps.run("Leeward's own connections outlive their login", || own_connections_last(scene));
    }
    for login in [Login::Plain, Login::OauthBearer] {
        steps.run(&format!("a broker is stopped behind {login:?}: the client's connection and its login stay good"), || a_broker_goes(scene, &mut java, login));
    }
    drop(java);
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
}

/// Leeward learns the brokers from what its clients read.
fn without_an_account(steps: &mut Steps, scene: &mut Scene) {
    let node_ids = scene.cluster.node_ids();
    scene.front = steps.must("a Leeward without an account is ready", || Front::start_with(&scene.cluster, &node_ids, "leeward-without.log", &[]));
    steps.run("it says that it does not know the brokers yet", || {
        let (status, body) = scene.front.ready().unwrap();
        assert!(status == 200 && body.contains("upstream.sasl_plain"), "{status} {body}");
    });
    steps.run("the first client gets every broker at its virtual broker", || assert_advertised(&scene.front, &scene.cluster));
    steps.must("librdkafka: PLAIN", || {
        let mut admin = scene.java("PLAIN", ALICE);
        by_librdkafka(scene, &mut admin, "without-librdkafka");
    });
    steps.run_in_all("java: OAUTHBEARER", || by_java(scene, &mut scene.java("OAUTHBEARER", ALICE), "without-java"));
    steps.run("it knows all brokers, and says once of each that it asks for a login", || {
        until("all brokers reachable", LIMIT, || match scene.front.ready().unwrap() {
            (200, body) if body.contains("all 3 reachable") => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        });
        let log = scene.front.log();
        let warned = log.lines().filter(|line| line.contains("cannot be read")).count();
        // One link for each bootstrap address; they are the brokers' own.
        assert!((1..=3).contains(&warned) && !log.contains("does not answer"), "{log}");
    });
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
}

impl Scene {
    fn java(&self, mechanism: &str, account: Account) -> Java {
        let log = self.cluster.log_path(&format!("java-{mechanism}-{}.log", fastrand::u32(..)));
        Java::start_with(&KAFKA_3_9_1, self.front.bootstrap(), &log, &sasl::java(mechanism, account))
    }

    pub(super) fn create(&self, java: &mut Java, topic: &str, partitions: i32) {
        java.run("create", &[("topic", topic), ("partitions", &partitions.to_string()), ("factor", "3")]);
        self.cluster.await_topic(topic);
    }

    /// A topic with a leader on every broker, and records for it as a list and as a file.
    fn topic(&self, java: &mut Java, topic: &str) -> (Vec<TestRecord>, String) {
        self.create(java, topic, 3);
        let records = make(51, 60, 3, Shape::NoNullHeaders);
        let path = self.cluster.scrap().join(format!("{topic}.records"));
        crate::records::write(&path, &records);
        (records, path.to_str().unwrap().to_owned())
    }
}

fn by_java(scene: &Scene, java: &mut Java, topic: &str) {
    let (records, file) = scene.topic(java, topic);
    java.run("produce", &[("topic", topic), ("file", &file), ("acks", "all")]);
    let received = java.records("consume", &[("topic", topic), ("group.id", topic), ("count", "60")]);
    assert_same(topic, &records, &received);
}

fn by_python(scene: &Scene, java: &mut Java, version: KafkaPython, mechanism: &str, account: Account) {
    let topic = format!("python-{mechanism}");
    let (records, file) = scene.topic(java, &topic);
    let directory = scene.cluster.scrap().join(&topic);
    let mut python = Python::new(version, scene.front.bootstrap(), &directory);
    let common = [("topic", topic.as_str()), ("mechanism", mechanism), ("user", account.name), ("password", account.password)];
    python.run("produce", &[common.as_slice(), &[("file", &file)]].concat());
    let received = python.records("consume", &[common.as_slice(), &[("group", &topic), ("count", "60")]].concat());
    assert_same(&topic, &records, &received);
}

fn by_librdkafka(scene: &Scene, java: &mut Java, topic: &str) {
    let (records, _) = scene.topic(java, topic);
    let settings = [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN"), ("sasl.username", ALICE.name), ("sasl.password", ALICE.password)];
    librdkafka::produce(scene.front.bootstrap(), topic, &records, &settings);
    let received = librdkafka::consume(scene.front.bootstrap(), topic, topic, records.len(), &settings);
    assert_same(topic, &records, &received);
}

/// A login in frames of our own, and then Metadata, Produce and Fetch on the same connection.
fn raw(scene: &Scene, java: &mut Java, topic: &str, mechanism: &'static str) {
    scene.create(java, topic, 1);
    let leader = scene.cluster.leader(topic, 0);
    let mut wire = Wire::connect(&scene.front.address(&scene.cluster, leader)).unwrap();
    match mechanism {
        "PLAIN" => login_plain(&mut wire, ALICE).unwrap(),
        _ => login_scram(&mut wire, BOB),
    }
    assert_eq!(wire.metadata(None).unwrap().brokers.len(), 3);
    let batch = odd_batch(1_700_000_000_000, 1);
    let answer = wire.produce(topic, 0, -1, batch.clone(), 3).unwrap();
    assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    let stored = batches(&wire.fetch(topic, 0, 0).unwrap());
    assert_eq!(stored.len(), 1);
    assert!(stored[0][BASE_OFFSET_END..] == batch[BASE_OFFSET_END..], "sent   {batch:02x?}\nstored {:02x?}", stored[0]);
}

fn handshake(wire: &mut Wire, mechanism: &'static str) {
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    assert_eq!(wire.ask(&request, 0).unwrap().error_code, 0, "{mechanism}");
}

fn login_plain(wire: &mut Wire, account: Account) -> Result<(), String> {
    handshake(wire, "PLAIN");
    let answer = wire.token(format!("\0{}\0{}", account.name, account.password).as_bytes())?;
    assert!(answer.is_empty(), "PLAIN ends with an empty token: {answer:02x?}");
    Ok(())
}

fn login_scram(wire: &mut Wire, account: Account) {
    handshake(wire, "SCRAM-SHA-256");
    let first = format!("n={},r={:032x}", account.name, fastrand::u128(..));
    let challenge = String::from_utf8(wire.token(format!("n,,{first}").as_bytes()).unwrap().to_vec()).unwrap();
    let output = Command::new(cache::python(KafkaPython::V3_0_12)).args(["-c", SCRAM, account.password, &first, &challenge]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdict = wire.token(&output.stdout).unwrap();
    assert!(verdict.starts_with(b"v="), "{:?}", String::from_utf8_lossy(&verdict));
}

/// Behind a login, every broker is where its virtual broker is, and a login there works too.
fn assert_advertised(front: &Front, cluster: &Cluster) {
    let expected: Vec<(i32, String)> = cluster.node_ids().into_iter().map(|id| (id, front.address(cluster, id))).collect();
    let bootstrap = front.bootstrap().split(',').next().unwrap();
    for address in std::iter::once(bootstrap).chain(expected.iter().map(|(_, address)| address.as_str())) {
        let mut wire = Wire::connect(address).unwrap();
        login_plain(&mut wire, ALICE).unwrap();
        let metadata = wire.metadata(None).unwrap();
        let mut found: Vec<(i32, String)> = metadata.brokers.iter().map(|broker| (broker.node_id.0, format!("{}:{}", &*broker.host, broker.port))).collect();
        found.sort();
        assert_eq!(found, expected, "as {address} says");
    }
}

fn wrong_password(scene: &Scene) {
    let impostor = Account { name: ALICE.name, password: "guessed" };
    let begun = Instant::now();
    let error = scene.java("PLAIN", impostor).attempt("topics", &[]).unwrap_err();
    assert!(error.contains("SaslAuthenticationException") && error.contains("Invalid username or password"), "PLAIN: {error}");
    assert!(begun.elapsed() < LIMIT, "the answer took {:?}", begun.elapsed());
    // Behind SaslHandshake v0 there is no room for an error: the broker closes.
    let mut wire = Wire::connect(scene.front.bootstrap().split(',').next().unwrap()).unwrap();
    let error = login_plain(&mut wire, impostor).unwrap_err();
    assert!(error.starts_with("read:"), "{error}");
}

fn wrong_scram_password(scene: &Scene) {
    let impostor = Account { name: BOB.name, password: "guessed" };
    let error = scene.java("SCRAM-SHA-512", impostor).attempt("topics", &[]).unwrap_err();
    assert!(error.contains("SaslAuthenticationException") && error.contains("invalid credentials"), "{error}");
}

/// Produces for longer than two logins hold, without retries: a connection that the broker closes would fail the producer.
fn again_and_again(scene: &Scene, java: &mut Java) {
    let topic = "again";
    let (records, file) = scene.topic(java, topic);
    let arguments = [("topic", topic), ("file", &file), ("client", "lasting"), ("acks", "1"), ("enable.idempotence", "false"), ("retries", "0")];
    java.run("produce", &arguments);
    let mut rounds = 1;
    let counts = || Some((scene.front.metric("leeward_requests_total{api=\"SaslHandshake\"")?, scene.front.metric("leeward_sessions_opened_total")?));
    let before = counts();
    let end = Instant::now() + Duration::from_millis(u64::from(SCRAM_512_SESSION_MS) * 12 / 5);
    while Instant::now() < end {
        java.run("produce", &arguments);
        rounds += 1;
        std::thread::sleep(Duration::from_millis(250)); // A pace, not a wait: all of the time counts.
    }
    if let (Some((handshakes, sessions)), Some((handshakes_after, sessions_after))) = (before, counts()) {
        assert!(handshakes_after >= handshakes + 2, "{handshakes} handshakes before, {handshakes_after} after");
        assert_eq!(sessions, sessions_after, "a connection was opened anew");
    }
    let sent: Vec<TestRecord> = std::iter::repeat_n(records, rounds).flatten().collect();
    assert_same(topic, &sent, &java.read_committed(topic));
}

fn own_connections_last(scene: &mut Scene) {
    let (status, body) = scene.front.ready().unwrap();
    assert!(status == 200 && body.contains("all 3 reachable"), "{status} {body}");
    let log = scene.front.log();
    assert!(!log.contains("does not answer") && !log.contains("cannot be read"), "{log}");
}
