//! Real Kafka for the demo: fetched through Maven, three brokers and what keeps their metadata on 127.0.0.1, all of it gone at the end.

mod fetch;
mod release;
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::DemoError;
use super::child::Supervised;
use super::client::{ClientError, Connection, Topology};
use super::cluster::BROKERS;
use super::load::Side;
use super::ports::free_stretch;
use super::screen::Screen;
use fetch::Java;
use release::{Quorum, Release};
use server::{Plan, Role};

/// Three brokers that start together on two busy cores take half a minute.
const START_LIMIT: Duration = Duration::from_secs(180);
/// A controlled shutdown takes 2 to 6 s; what all of them at once cannot finish is killed, for the data goes anyway.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Between two looks at a port that does not answer yet.
const LOOK: Duration = Duration::from_millis(100);
/// Lines of a server's log that are shown when it does not start.
const LAST_WORDS: usize = 8;

/// A running cluster. Dropping it kills it.
pub(super) struct Kafka {
    release: Release,
    brokers: Vec<Broker>,
    quorum: Supervised,
}

struct Broker {
    node_id: i32,
    address: SocketAddr,
    process: Supervised,
}

impl Kafka {
    /// Fetches what is not there yet, and starts a cluster with its data in `directory`.
    ///
    /// # Errors
    /// What is missing or did not work, and what to do about it.
    pub(super) async fn start(version: &str, directory: &Path, screen: &mut Screen) -> Result<Self, DemoError> {
        let release = Release::parse(version).map_err(DemoError::Kafka)?;
        let java = Java::find(&release).await.map_err(DemoError::Kafka)?;
        let jars = fetch::jars(&release, directory, screen).await.map_err(DemoError::Kafka)?;
        screen.line(&format!("starting three brokers of Apache Kafka {version} and their {}", release.quorum.label()));
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
            brokers.push(Broker { node_id: role.node_id(), address, process: plan.start(role).map_err(system)? });
        }
        let mut kafka = Kafka { release, brokers, quorum };
        kafka.until_up(screen).await?;
        Ok(kafka)
    }

    pub(super) fn version(&self) -> &str {
        &self.release.version
    }

    pub(super) fn brokers(&self) -> Vec<(i32, SocketAddr)> {
        self.brokers.iter().map(|broker| (broker.node_id, broker.address)).collect()
    }

    /// SIGTERM to the brokers, then to what they depend on.
    pub(super) async fn end(self) {
        let mut ending = tokio::task::JoinSet::new();
        for broker in self.brokers {
            ending.spawn(broker.process.end(END_LIMIT));
        }
        while ending.join_next().await.is_some() {}
        let _code = self.quorum.end(END_LIMIT).await;
    }

    async fn until_up(&mut self, screen: &mut Screen) -> Result<(), DemoError> {
        let failed = |who: String, how: &str, process: &Supervised| {
            DemoError::Kafka(format!("{who} of Kafka {} {how}; it said:\n{}", self.release.version, process.last_words(LAST_WORDS)))
        };
        for broker in &mut self.brokers {
            let who = format!("broker {}", broker.node_id);
            let ended = tokio::select! {
                up = timeout(START_LIMIT, until_it_knows_all(broker.address)) => match up {
                    Ok(()) => None,
                    Err(_) => Some(format!("did not answer within {START_LIMIT:?}")),
                },
                code = broker.process.exited() => Some(format!("ended with exit code {code}")),
                code = self.quorum.exited() => {
                    return Err(failed(format!("the {}", self.release.quorum.label()), &format!("ended with exit code {code}"), &self.quorum));
                }
            };
            if let Some(how) = ended {
                return Err(failed(who, &how, &broker.process));
            }
            screen.line(&format!("{who} serves on {}", broker.address));
        }
        Ok(())
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
