//! Clients that nobody else can log in (SCRAM-SHA-256), through a refusal that passes and through a restart of their broker; with Leeward and without.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    CreateTopicsRequest, IncrementalAlterConfigsRequest, ListGroupsRequest, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::cache::{self, KafkaPython};
use crate::cluster::Cluster;
use crate::cluster::sasl::{BOB, LEEWARD};
use crate::front::{Arm, Front};
use crate::guard::{Blow, Journal, Read, Stored, Written, kinds, log};
use crate::process::{Spec, Supervised};
use crate::release::KAFKA_3_9_1;
use crate::selection::{Selection, admit};
use crate::steps::{Steps, until};
use crate::suite::prepare;
use crate::suite::sasl_shelter::{Login, authenticate};
use crate::wire::Wire;

const LOAD: &str = include_str!("../../guard/python/load.py");
const PROOF: &str = include_str!("../../clients/python/scram.py");
const TOO_FEW: &str = "too few replicas";
const LIMIT: Duration = Duration::from_secs(60);
/// For how long a broker refuses what it would have to acknowledge with too few replicas: well within what Leeward holds.
const REFUSAL: Duration = Duration::from_secs(6);
/// Clients at work before anything happens, and after.
const AT_WORK: Duration = Duration::from_secs(2);

#[test]
fn clients_that_nobody_else_can_log_in_are_sheltered() {
    let Some(_admission) = admit("scram", Selection::Ci) else { return };
    prepare(&[&KAFKA_3_9_1], &[], true);
    let mut steps = Steps::new("scram");
    let mut cluster = steps.must("three brokers that ask for a login", || Cluster::start_sasl("scram", &KAFKA_3_9_1));
    let mut outcomes = Vec::new();
    for arm in [Arm::Leeward, Arm::Direct] {
        let mut front = steps.must(&format!("{arm:?}: the front is there"), || front(arm, &cluster));
        outcomes.push(steps.must(&format!("{arm:?}: too few replicas for {REFUSAL:?}"), || too_few_replicas(arm, &front, &mut cluster)));
        outcomes.push(steps.must(&format!("{arm:?}: the broker of a partition is restarted"), || a_restart(arm, Blow::Term, &front, &mut cluster)));
        outcomes.push(steps.must(&format!("{arm:?}: it crashes"), || a_restart(arm, Blow::Kill, &front, &mut cluster)));
        steps.run(&format!("{arm:?}: no client reached past Leeward"), || front.assert_no_leak());
        steps.run(&format!("{arm:?}: it ends gracefully"), || front.assert_graceful_end());
    }
    for line in table(&outcomes) {
        steps.say(&line);
    }
    steps.run("what was held reached nobody, nothing was lost, and the address of a broker that is away took logins", || judge(&outcomes));
    steps.finish();
}

/// What became of one story's clients.
struct Outcome {
    arm: Arm,
    story: &'static str,
    written: Written,
    /// The producer's errors, the most frequent first.
    errors: Vec<String>,
    read: Read,
    /// What a login at the address of the broker that is away came to; empty where none is.
    logins: Vec<(&'static str, Result<String, String>)>,
}

fn front(arm: Arm, cluster: &Cluster) -> Front {
    let account = format!("upstream.sasl_plain.username={}", LEEWARD.name);
    let password = format!("upstream.sasl_plain.password={}", LEEWARD.password);
    let state = format!("state.directory={}", cluster.scrap().join("state").display());
    let filter = std::env::var("LEEWARD_REAL_LOG").ok().map(|filter| format!("log.filter={filter}"));
    let settings: Vec<&str> = [account.as_str(), &password, &state].into_iter().chain(filter.as_deref()).collect();
    let front = Front::start_arm(arm, cluster, &cluster.node_ids(), "leeward.log", &settings);
    until("a window is open", LIMIT, || front.attempt_command(&["maintenance", "on", "--reason", "scram", "--for", "1h", "--yes"]).transpose());
    front
}

/// A follower is stopped, and the topic asks for three replicas in sync; then for two.
///
/// The clients come in between: what is in flight when the follower leaves has been appended, so that the broker waits with its answer itself.
fn too_few_replicas(arm: Arm, front: &Front, cluster: &mut Cluster) -> Outcome {
    let topic = format!("refused-{arm:?}").to_lowercase();
    create(cluster, &topic, 1, 3);
    let leader = cluster.leader(&topic, 0);
    let follower = cluster.node_ids().into_iter().find(|id| *id != leader).unwrap();
    cluster.stop(follower);
    let clients = Clients::start(front, cluster, &topic, 1, "all");
    std::thread::sleep(REFUSAL);
    require_in_sync(cluster, leader, &topic, 2);
    clients.await_at_work();
    cluster.restart(follower);
    cluster.await_in_sync();
    clients.finish(arm, TOO_FEW, cluster, &topic, 1, Vec::new())
}

/// The leader of a partition goes, others log in where it was, and it comes back.
fn a_restart(arm: Arm, blow: Blow, front: &Front, cluster: &mut Cluster) -> Outcome {
    let topic = format!("{blow:?}-{arm:?}").to_lowercase();
    create(cluster, &topic, 3, 2);
    let clients = Clients::start(front, cluster, &topic, 3, "1");
    clients.await_at_work();
    let leader = cluster.leader(&topic, 0);
    match blow {
        Blow::Term => drop(cluster.stop(leader)),
        Blow::Kill => cluster.kill(leader),
    }
    let address = front.address(cluster, leader);
    let plain = |wire: &mut Wire| {
        authenticate(wire, Login::Plain);
        Ok(())
    };
    let (scram, plain) = (log_in_away(&address, scram), log_in_away(&address, plain));
    let told = |login: &Result<(Wire, String), String>| login.as_ref().map(|(_, told)| told.clone()).map_err(Clone::clone);
    let logins = vec![("SCRAM-SHA-256", told(&scram)), ("PLAIN", told(&plain))];
    if blow == Blow::Kill {
        // The controller has to notice by itself: until then there is no other leader.
        until("another leader", LIMIT, || if cluster.leader(&topic, 0) == leader { Err("not yet".to_owned()) } else { Ok(()) });
        std::thread::sleep(AT_WORK);
    }
    cluster.restart(leader);
    cluster.await_in_sync();
    if let (Ok((mut scram, _)), Ok((mut plain, _))) = (scram, plain) {
        // Whoever stood in for it does so no longer.
        until("the client is sent to its own broker", LIMIT, || if scram.metadata(None).is_err() { Ok(()) } else { Err("not yet".to_owned()) });
        let groups = plain.ask(&ListGroupsRequest::default(), 0).unwrap();
        assert_eq!(groups.error_code, 0, "behind PLAIN the connection stays, and the broker itself answers");
    }
    std::thread::sleep(AT_WORK);
    let story = match blow {
        Blow::Term => "restart",
        Blow::Kill => "crash",
    };
    clients.finish(arm, story, cluster, &topic, 3, logins)
}

/// A login at an address whose broker is away, and what the connection is good for then.
fn log_in_away(address: &str, login: impl FnOnce(&mut Wire) -> Result<(), String>) -> Result<(Wire, String), String> {
    let mut wire = Wire::connect(address)?;
    login(&mut wire)?;
    let brokers = wire.metadata(None)?.brokers.len();
    Ok((wire, format!("{brokers} brokers")))
}

fn scram(wire: &mut Wire) -> Result<(), String> {
    let handshake = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("SCRAM-SHA-256"));
    assert_eq!(wire.ask(&handshake, 1)?.error_code, 0);
    let first = format!("n={},r={:032x}", BOB.name, fastrand::u128(..));
    let mut say = |token: Vec<u8>| {
        let answer = wire.ask(&SaslAuthenticateRequest::default().with_auth_bytes(token.into()), 1)?;
        if answer.error_code == 0 { Ok(answer.auth_bytes) } else { Err(format!("{}: {:?}", answer.error_code, answer.error_message)) }
    };
    let challenge = String::from_utf8(say(format!("n,,{first}").into_bytes())?.to_vec()).unwrap();
    let output = Command::new(cache::python(KafkaPython::V3_0_12)).args(["-c", PROOF, BOB.password, &first, &challenge]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdict = say(output.stdout)?;
    assert!(verdict.starts_with(b"v="), "{verdict:?}");
    Ok(())
}

/// A producer without retries and a consumer in a group, both kafka-python's.
struct Clients {
    directory: PathBuf,
    processes: Vec<Supervised>,
}

impl Clients {
    fn start(front: &Front, cluster: &Cluster, topic: &str, partitions: i32, acks: &str) -> Self {
        let directory = cluster.log_path(topic);
        std::fs::create_dir_all(&directory).unwrap();
        let script = directory.join("load.py");
        std::fs::write(&script, LOAD).unwrap();
        let start = |task: &str| {
            let files = [("journal", task), ("stop", &format!("stop-{task}"))].map(|(key, file)| format!("{key}={}", directory.join(file).display()));
            let login = [format!("user={}", BOB.name), format!("password={}", BOB.password), "mechanism=SCRAM-SHA-256".to_owned()];
            let what = [format!("topic={topic}"), format!("task={task}"), format!("partitions={partitions}"), format!("acks={acks}")];
            let spec = Spec::new(cache::python(KafkaPython::V3_0_12)).arg(&script).arg(format!("bootstrap={}", front.bootstrap()));
            let spec = spec.arg("rate=50").arg(format!("row={topic}")).args(files).args(login).args(what);
            Supervised::start(&format!("{task} {topic}"), &spec, &directory.join(format!("{task}.log")))
        };
        let processes = vec![start("produce"), start("read")];
        Clients { directory, processes }
    }

    /// Waits until records are produced and read, and a little longer.
    fn await_at_work(&self) {
        until("records are produced and read", LIMIT, || {
            let (written, read) = (self.journal("produce"), self.journal("read"));
            if written.acknowledged.is_empty() || read.read.is_empty() { Err(format!("{:?} {:?}", written.failed.last(), read.exceptions)) } else { Ok(()) }
        });
        std::thread::sleep(AT_WORK);
    }

    fn journal(&self, task: &str) -> Journal {
        Journal::read(&self.directory.join(task))
    }

    fn stop(&mut self, task: &str) {
        std::fs::write(self.directory.join(format!("stop-{task}")), "").unwrap();
        until(&format!("{task} ends"), LIMIT, || self.journal(task).sent.map(drop).ok_or_else(|| "it works".to_owned()));
    }

    fn finish(
        mut self,
        arm: Arm,
        story: &'static str,
        cluster: &Cluster,
        topic: &str,
        partitions: i32,
        logins: Vec<(&'static str, Result<String, String>)>,
    ) -> Outcome {
        self.stop("produce");
        let mut stored = Stored::default();
        (0..partitions).flat_map(|partition| log(cluster, topic, partition)).for_each(|(name, offset)| stored.add(name, offset));
        let names = stored.names();
        until("everything is read", LIMIT, || {
            let missed = Read::new(&self.journal("read"), &names).missed;
            if missed == 0 { Ok(()) } else { Err(format!("{missed} are not")) }
        });
        self.stop("read");
        for process in &mut self.processes {
            process.await_exit(LIMIT);
        }
        let journal = self.journal("produce");
        let errors = kinds(&journal.failed).into_iter().map(|(count, fault)| format!("{count} {}", fault.said.split(' ').next().unwrap())).collect();
        let read = Read::new(&self.journal("read"), &names);
        Outcome { arm, story, written: Written::new(topic, &journal, &stored), errors, read, logins }
    }
}

fn create(cluster: &Cluster, topic: &str, partitions: i32, in_sync: u32) {
    let config = CreatableTopicConfig::default().with_name("min.insync.replicas".into()).with_value(Some(in_sync.to_string().into()));
    let wanted = CreatableTopic::default().with_name(TopicName(topic.to_owned().into())).with_num_partitions(partitions).with_replication_factor(3);
    let request = CreateTopicsRequest::default().with_timeout_ms(30_000).with_topics(vec![wanted.with_configs(vec![config])]);
    let mut wire = Wire::connect_past(&cluster.inner_address(cluster.node_ids()[0])).unwrap();
    let answer = wire.ask(&request, 4).unwrap();
    assert!(answer.topics.iter().all(|topic| topic.error_code == 0), "{answer:?}");
    cluster.await_topic(topic);
    cluster.await_in_sync();
}

fn require_in_sync(cluster: &Cluster, at: i32, topic: &str, in_sync: u32) {
    const TOPIC: i8 = 2;
    let config = AlterableConfig::default().with_name("min.insync.replicas".into()).with_value(Some(in_sync.to_string().into()));
    let resource = AlterConfigsResource::default().with_resource_type(TOPIC).with_resource_name(topic.to_owned().into()).with_configs(vec![config]);
    let mut wire = Wire::connect_past(&cluster.inner_address(at)).unwrap();
    let answer = wire.ask(&IncrementalAlterConfigsRequest::default().with_resources(vec![resource]), 0).unwrap();
    assert!(answer.responses.iter().all(|response| response.error_code == 0), "{answer:?}");
}

fn table(outcomes: &[Outcome]) -> Vec<String> {
    let mut lines = vec!["arm      story             sent  ack'd  errors  lost  twice  longest wait  read  missed  exceptions".to_owned()];
    for Outcome { arm, story, written: of, errors, read, logins } in outcomes {
        lines.push(format!(
            "{:<8} {story:<16} {:>5} {:>6} {:>7} {:>5} {:>6} {:>10} ms {:>5} {:>7} {:>11}",
            format!("{arm:?}"),
            of.sent,
            of.acknowledged,
            of.errors,
            of.lost,
            of.duplicates,
            of.wait_max,
            read.read,
            read.missed,
            read.exceptions
        ));
        lines.extend(errors.iter().map(|error| format!("         {error}")));
        lines.extend(logins.iter().map(|(mechanism, came_to)| format!("         a login with {mechanism} where the broker is away: {came_to:?}")));
    }
    lines
}

fn judge(outcomes: &[Outcome]) {
    for Outcome { arm, story, written, read, logins, .. } in outcomes {
        match arm {
            Arm::Leeward => {
                assert_eq!((written.lost, written.duplicates, written.disorder, written.unanswered), (0, 0, 0, 0), "{story}: {:?}", written.examples);
                assert_eq!((read.missed, read.exceptions), (0, 0), "{story}");
                assert!(logins.iter().all(|(_, login)| *login == Ok("3 brokers".to_owned())), "{story}: {logins:?}");
                assert!(*story != TOO_FEW || written.errors == 0, "{story}: {} errors", written.errors);
            }
            // What is asked of Leeward is worth asking.
            Arm::Direct => {
                assert!(*story != TOO_FEW || written.errors > 0, "{story}");
                assert!(logins.iter().all(|(_, login)| login.is_err()), "{story}: {logins:?}");
            }
        }
    }
}
