//! Leeward as an operator of the cluster: questions and changes for a person, each on a connection of its own that ends with it.
//!
//! Nothing here stands on a client's path, and nothing is asked unless somebody asks for it.

mod census;
mod changes;
mod journal;
mod layout;
mod moves;
mod zookeeper;

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::protocol::Request;
use tokio::sync::watch;
use tokio::time::timeout;

use super::exchange::{Exchange, ExchangeError};
use crate::cluster::View;
use crate::config::{HostPort, Upstream};
use crate::net::dial::dial;
use crate::protocol::records::RecordsError;
use crate::protocol::versions::Offer;
use crate::telemetry::error_name;

pub use changes::NotChanged;
pub use journal::{Journal, Reading, is_certain};

/// How long a broker may take for one answer; a controller that is busy electing takes its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks and changes the cluster for a person.
#[derive(Debug, Clone)]
pub struct Operator {
    view: watch::Receiver<Arc<View>>,
    upstream: watch::Receiver<Upstream>,
}

/// Why the cluster did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("no broker is known that answers; see leeward status")]
    NoBroker,
    #[error("broker {node_id} is not known; leeward cluster lists those that are")]
    UnknownBroker { node_id: i32 },
    #[error("{address} could not be asked: {problem}")]
    Unanswered { address: HostPort, problem: String },
    #[error("{address} knows {api} only in versions that Leeward does not use ({wanted}); brokers have it since Kafka {since}")]
    TooOld { address: HostPort, api: &'static str, wanted: String, since: &'static str },
    #[error("the cluster refused {api} with error {code} {name}: {message}")]
    Refused { api: &'static str, code: i16, name: &'static str, message: String },
    #[error("Leeward's account may not alter the cluster ({api} is refused: CLUSTER_AUTHORIZATION_FAILED); give it the right ALTER on the cluster")]
    MayNotAlter { api: &'static str },
    #[error("topic {topic} has no leader yet, or was made just now")]
    Unled { topic: String },
    #[error("topic {topic} holds what this Leeward cannot read: {error}")]
    Unreadable { topic: String, error: RecordsError },
    #[error("ZooKeeper did not take the change: {problem}")]
    ZooKeeper { problem: String },
}

impl OperatorError {
    /// The cluster's refusal of a request of this kind.
    pub(super) fn refused(api: &'static str, code: i16, message: Option<&str>) -> Self {
        let message = message.filter(|message| !message.is_empty()).unwrap_or("no reason was given").to_owned();
        OperatorError::Refused { api, code, name: error_name(code), message }
    }
}

/// A connection to one broker, logged in if Leeward has an account.
pub(super) struct Talk {
    pub(super) address: HostPort,
    pub(super) offer: Offer,
    exchange: Exchange,
}

impl Operator {
    pub(super) fn new(view: watch::Receiver<Arc<View>>, upstream: watch::Receiver<Upstream>) -> Self {
        Operator { view, upstream }
    }

    /// The picture of now.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// A connection to whichever broker answers first, tried in order.
    pub(super) async fn any(&self) -> Result<Talk, OperatorError> {
        let mut last = OperatorError::NoBroker;
        for address in self.view().homes() {
            match self.to(&address).await {
                Ok(talk) => return Ok(talk),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A connection to this broker.
    pub(super) async fn node(&self, node_id: i32) -> Result<Talk, OperatorError> {
        let address = self.view().brokers.get(&node_id).map(|broker| broker.upstream.clone());
        self.to(&address.ok_or(OperatorError::UnknownBroker { node_id })?).await
    }

    /// A connection to where changes go: the controller that the metadata names. With KRaft that is any broker, which passes them on.
    pub(super) async fn controller(&self) -> Result<Talk, OperatorError> {
        match self.view().controller_id {
            Some(node_id) if self.view().brokers.get(&node_id).is_some_and(|broker| broker.reachable) => self.node(node_id).await,
            Some(_) | None => self.any().await,
        }
    }

    async fn to(&self, address: &HostPort) -> Result<Talk, OperatorError> {
        let upstream = self.upstream.borrow().clone();
        let opened = async {
            let (stream, _) = dial(vec![address.clone()], upstream.connect_timeout, |_, _| {}).await.map_err(|error| error.to_string())?;
            Exchange::open(stream, upstream.sasl_plain.as_ref()).await.map_err(|error| error.to_string())
        };
        let (exchange, offer) = in_time(address, opened).await?;
        Ok(Talk { address: address.clone(), offer, exchange })
    }
}

impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Talk").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Talk {
    /// Who leads the first partition of a topic, -1 while nobody does; `None`: there is no such topic.
    pub(super) async fn leader_of(&mut self, topic: &str) -> Result<Option<i32>, OperatorError> {
        let wanted = [Arc::from(topic)];
        let asked = async { self.exchange.leaders(&self.offer, Some(&wanted)).await.map_err(|error| error.to_string()) };
        let (_, reports) = in_time(&self.address, asked).await?;
        let first = reports.first().and_then(|report| report.partitions.iter().find(|partition| partition.index == 0));
        Ok(first.map(|partition| partition.leader.node_id))
    }

    /// Asks with the newest version that the broker has of `first..=last`. `since`: the release that brought `first`, for the error's text.
    pub(super) async fn ask<Q: Request>(
        &mut self,
        api: &'static str,
        first: i16,
        last: i16,
        since: &'static str,
        request: &Q,
    ) -> Result<Q::Response, OperatorError> {
        let range = self.offer.range(Q::KEY);
        let version = range.map(|range| range.max.min(last)).filter(|version| *version >= first && range.is_some_and(|range| range.min <= *version));
        let Some(version) = version else {
            return Err(OperatorError::TooOld { address: self.address.clone(), api, wanted: format!("{first} to {last}"), since });
        };
        let asked = async { self.exchange.ask(version, request).await.map_err(|error: ExchangeError| error.to_string()) };
        in_time(&self.address, asked).await
    }
}

async fn in_time<T>(address: &HostPort, work: impl Future<Output = Result<T, String>>) -> Result<T, OperatorError> {
    let problem = match timeout(ANSWER_TIMEOUT, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(problem)) => problem,
        Err(_) => format!("no answer within {ANSWER_TIMEOUT:?}"),
    };
    Err(OperatorError::Unanswered { address: address.clone(), problem })
}
