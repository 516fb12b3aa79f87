//! Real Kafka for the demo: fetched through Maven, three brokers and what keeps their metadata on 127.0.0.1, all of it gone at the end.

mod fetch;
mod release;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::child::Supervised;
use super::client::{ClientError, Connection, Topology};
use super::cluster::BROKERS;
use super::load::Side;
use super::ports::free_stretch;
use super::screen::Screen;
use super::story::{Build, Going};
use super::{DemoError, KafkaOptions};
use fetch::Java;
use release::{Quorum, Release};
use server::{Plan, Role};

/// Three brokers that start together on two busy cores take half a minute.
const START_LIMIT: Duration = Duration::from_secs(180);
/// A controlled shutdown takes 2 to 6 s; what all of them at once cannot finish is killed, for the data goes anyway.
const END_LIMIT: Duration = Duration::from_secs(15);
/// In a rolling restart each broker may take its time: it hands its leaders over first.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks at a port that does not answer yet.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of a server's log that are shown when it does not start.
const LAST_WORDS: usize = 8;

/// A running cluster. Dropping it kills it.
pub(super) struct Kafka {
    release: Release,
    upgrade: Option<Target>,
    plan: Plan,
    brokers: Vec<Broker>,
    quorum: Supervised,
}

/// What its brokers are upgraded to.
struct Target {
    release: Release,
    jars: PathBuf,
}

struct Broker {
    node_id: i32,
    address: SocketAddr,
    /// `None` while it is away.
    process: Option<Supervised>,
}

impl Kafka {
    /// Fetches what is not there yet, and starts a cluster with its data in `directory`.
    ///
    /// # Errors
    /// What is missing or did not work, and what to do about it.
    pub(super) async fn start(options: &KafkaOptions, directory: &Path, screen: &mut Screen) -> Result<Self, DemoError> {
        let release = Release::parse(&options.version).map_err(DemoError::Kafka)?;
        let target = options.upgrade_to.as_ref().map(|version| release.upgrade_to(version)).transpose().map_err(DemoError::Kafka)?;
        let java = Java::find(&release).await.map_err(DemoError::Kafka)?;
        let jars = fetch::jars(&release, directory, screen).await.map_err(DemoError::Kafka)?;
        let upgrade = match target {
            Some(target) => {
                // One Java runs both, or it is said now and not in the middle.
                Java::find(&target).await.map_err(DemoError::Kafka)?;
                let jars = fetch::jars(&target, directory, screen).await.map_err(DemoError::Kafka)?;
                Some(Target { release: target, jars })
            }
            None => None,
        };
        screen.line(&format!("starting three brokers of Apache Kafka {} and their {}", release.version, release.quorum.label()));
        let system = |error| DemoError::System { what: "a server of Kafka", error };
        let ports = free_stretch(4).map_err(system)?;
        let plan = Plan::new(&release, java, &jars, directory, ports).map_err(system)?;
        if release.quorum == Quorum::KRaft {
            plan.format(Role::Quorum).await?;
            // One after the other: each takes both cores for a second or two.
            for role in plan.brokers() {
                plan.format(role).await?;
            }
        }
        let quorum = plan.start(Role::Quorum).map_err(system)?;
        let mut brokers = Vec::new();
        for role in plan.brokers() {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plan.port(role)));
            let process = Some(plan.start(role).map_err(system)?);
            brokers.push(Broker { node_id: role.node_id(), address, process });
        }
        let mut kafka = Kafka { release, upgrade, plan, brokers, quorum };
        for (node_id, address) in kafka.brokers() {
            kafka.until_up(node_id).await?;
            screen.line(&format!("broker {node_id} serves on {address}"));
        }
        Ok(kafka)
    }

    /// Its version, and the one that it is upgraded to.
    pub(super) fn versions(&self) -> String {
        let version = &self.release.version;
        self.upgrade.as_ref().map_or_else(|| version.clone(), |target| format!("{version} that are upgraded to {}", target.release.version))
    }

    pub(super) fn brokers(&self) -> Vec<(i32, SocketAddr)> {
        self.brokers.iter().map(|broker| (broker.node_id, broker.address)).collect()
    }

    /// SIGTERM to the brokers, then to what they depend on.
    pub(super) async fn end(self) {
        let mut ending = tokio::task::JoinSet::new();
        for process in self.brokers.into_iter().filter_map(|broker| broker.process) {
            ending.spawn(process.end(END_LIMIT));
        }
        while ending.join_next().await.is_some() {}
        let _code = self.quorum.end(END_LIMIT).await;
    }

    /// SIGTERM or SIGKILL to a broker; returns when it is gone.
    ///
    /// # Errors
    /// There is no such process, or it does not go.
    pub(super) async fn stop(&mut self, node_id: i32, going: Going) -> Result<(), DemoError> {
        let process = self.broker(node_id)?.process.take().ok_or_else(|| DemoError::Kafka(format!("broker {node_id} does not run")))?;
        match going {
            Going::Killed => process.kill().await,
            Going::Stopped => {
                if process.end(STOP_LIMIT).await.is_none() {
                    return Err(DemoError::Kafka(format!("broker {node_id} did not stop within {STOP_LIMIT:?} and was killed")));
                }
            }
        }
        Ok(())
    }

    /// Starts a broker with the data that it had; returns when it serves.
    ///
    /// # Errors
    /// It does not start, with its last words.
    pub(super) async fn start_broker(&mut self, node_id: i32, build: Build) -> Result<(), DemoError> {
        let system = |error| DemoError::System { what: "a server of Kafka", error };
        let (role, line) = (Role::Broker(node_id), self.release.line());
        let process = match (&self.upgrade, build) {
            (None, _) | (Some(_), Build::Same) => self.plan.start(role),
            (Some(target), Build::Pinned) => self.plan.start_upgraded(role, &target.jars, Some(&line)),
            (Some(target), Build::Unpinned) => self.plan.start_upgraded(role, &target.jars, None),
        };
        self.broker(node_id)?.process = Some(process.map_err(system)?);
        self.until_up(node_id).await
    }

    fn broker(&mut self, node_id: i32) -> Result<&mut Broker, DemoError> {
        self.brokers.iter_mut().find(|broker| broker.node_id == node_id).ok_or_else(|| DemoError::Kafka(format!("there is no broker {node_id}")))
    }

    /// Waits until a running broker serves and knows all others.
    async fn until_up(&mut self, node_id: i32) -> Result<(), DemoError> {
        let version = self.release.version.clone();
        let failed = |who: String, how: &str, process: &Supervised| {
            DemoError::Kafka(format!("{who} of Kafka {version} {how}; it said:\n{}", process.last_words(LAST_WORDS)))
        };
        let quorum_label = self.release.quorum.label();
        let Some(broker) = self.brokers.iter_mut().find(|broker| broker.node_id == node_id) else { return Ok(()) };
        let Some(process) = &mut broker.process else { return Ok(()) };
        let who = format!("broker {node_id}");
        let ended = tokio::select! {
            up = timeout(START_LIMIT, until_it_knows_all(broker.address)) => match up {
                Ok(()) => return Ok(()),
                Err(_) => format!("did not answer within {START_LIMIT:?}"),
            },
            code = process.exited() => format!("ended with exit code {code}"),
            code = self.quorum.exited() => {
                return Err(failed(format!("the {quorum_label}"), &format!("ended with exit code {code}"), &self.quorum));
            }
        };
        Err(failed(who, &ended, process))
    }
}

/// Waits until a broker answers and lists all brokers.
async fn until_it_knows_all(address: SocketAddr) {
    let known = async || {
        let mut connection = Connection::open(address, "demo-setup").await?;
        // The topic is not there yet: the brokers are what is asked for.
        Ok::<_, ClientError>(Topology::ask(&mut connection, Side::Direct.topic()).await?.brokers.len())
    };
    while !matches!(known().await, Ok(known) if known >= BROKERS) {
        sleep(LOOK).await;
    }
}
