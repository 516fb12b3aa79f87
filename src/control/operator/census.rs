//! The census: every broker is asked whether it is there, and one of them what the cluster is.

mod questions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Operator, OperatorError, Talk};
use crate::cluster::View;
use crate::config::HostPort;
use crate::protocol::versions::Offer;
use crate::rolling::census::{Broker, Gap};
use crate::rolling::{Census, Partition};
use questions::{DESCRIBE_QUORUM, LIST_REASSIGNMENTS, Place, Told, ZOOKEEPER_BROKERS_ONLY};

/// How long a broker may take to say that it is there. One that needs longer serves nobody.
const ROLL_CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the whole census may take: whoever asked over HTTP waits for 15 s.
const CENSUS_TIMEOUT: Duration = Duration::from_secs(12);

impl Operator {
    /// One reading of the whole cluster, within 12 s. What could not be read is named in its gaps.
    ///
    /// Every broker is connected to, so that one whose listener does not answer at this moment is known as such. Partitions that Leeward's account may not
    /// describe are not seen: brokers leave them out without a word.
    ///
    /// # Errors
    /// No broker told the metadata.
    pub async fn census(&self) -> Result<Census, OperatorError> {
        let mut reading = Reading { operator: self.clone(), end: Instant::now() + CENSUS_TIMEOUT, asked: BTreeMap::new(), gaps: Vec::new() };
        let view = self.view();
        let known = view.brokers.values().map(|broker| broker.upstream.clone());
        reading.roll_call(known.collect()).await;
        let (address, told) = reading.metadata(&view).await?;
        reading.roll_call(told.brokers.values().map(|listed| listed.address.clone()).collect()).await;
        Ok(reading.whole(&view, &address, told).await)
    }
}

/// A census in the making.
struct Reading {
    operator: Operator,
    end: Instant,
    /// Every address that was called.
    asked: BTreeMap<HostPort, Called>,
    gaps: Vec<Gap>,
}

/// How a broker answered to its call.
struct Called {
    /// `None`: its listener did not answer.
    offer: Option<Arc<Offer>>,
    talk: Result<Talk, OperatorError>,
}

impl Reading {
    /// Calls at those addresses that were not called yet, all at once.
    async fn roll_call(&mut self, addresses: BTreeSet<HostPort>) {
        let mut calls = JoinSet::new();
        for address in addresses.into_iter().filter(|address| !self.asked.contains_key(address)) {
            let operator = self.operator.clone();
            calls.spawn(async move {
                let called = operator.call(&address).await;
                (address, called)
            });
        }
        while let Some(called) = calls.join_next().await {
            // A call that panicked is one that nobody answered.
            self.asked.extend(called.ok());
        }
    }

    /// The metadata of whichever broker tells it first, the controller before others: what changes reaches it first.
    async fn metadata(&mut self, view: &View) -> Result<(HostPort, Told), OperatorError> {
        let controller = view.controller_id.and_then(|node_id| view.brokers.get(&node_id)).map(|broker| broker.upstream.clone());
        // Before any broker is known, and when none of them answers, there are still the addresses of the configuration.
        let mut addresses: Vec<HostPort> = controller.into_iter().chain(self.asked.keys().cloned()).collect();
        let configured = self.operator.upstream.borrow().bootstrap.clone();
        for address in view.homes().into_iter().chain(configured) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        self.roll_call(addresses.iter().cloned().collect()).await;
        let mut last = OperatorError::NoBroker;
        for address in addresses {
            let told = match self.asked.get_mut(&address).map(|called| &mut called.talk) {
                Some(Ok(talk)) => in_rest(self.end, &address, talk.metadata()).await,
                Some(Err(_)) | None => continue,
            };
            match told {
                Ok(told) => return Ok((address, told)),
                Err(error) => last = error,
            }
        }
        if matches!(last, OperatorError::NoBroker)
            && let Some(called) = std::mem::take(&mut self.asked).into_values().find(|called| called.talk.is_err())
        {
            called.talk?;
        }
        Err(last)
    }

    /// Everything else, of the broker that told the metadata.
    async fn whole(mut self, view: &View, address: &HostPort, told: Told) -> Census {
        let Told { cluster_id, controller_id, brokers: listed, mut partitions } = told;
        self.min_insync_replicas(address, &mut partitions).await;
        let offer = self.asked.get(address).and_then(|called| called.offer.clone());
        let has = |api_key| offer.as_ref().is_some_and(|offer| offer.range(api_key).is_some());
        let by_zookeeper = has(ZOOKEEPER_BROKERS_ONLY);
        let quorum = if has(DESCRIBE_QUORUM) {
            self.ask(address, "the controller quorum", async |talk| talk.quorum().await).await
        } else {
            if !by_zookeeper {
                self.cannot("the controller quorum is not told here: brokers tell it since Kafka 3.3; look at the controllers' own logs and metrics");
            }
            None
        };
        let reassignments = if has(LIST_REASSIGNMENTS) {
            // With ZooKeeper only the active controller tells them.
            let controller = controller_id.filter(|_| by_zookeeper).and_then(|node_id| listed.get(&node_id)).map(|broker| broker.address.clone());
            self.ask(&controller.unwrap_or_else(|| address.clone()), "running reassignments", async |talk| talk.reassignments().await).await
        } else {
            self.cannot("running reassignments are not told by brokers before Kafka 2.4: look with kafka-reassign-partitions --verify, or in ZooKeeper");
            None
        };
        let inter_broker_protocols = if by_zookeeper { self.inter_broker_protocols(&listed).await } else { BTreeMap::new() };
        let mut brokers: BTreeMap<i32, Broker> = view.brokers.values().map(|broker| (broker.node_id, self.away(broker))).collect();
        for (node_id, place) in listed {
            let called = self.asked.get(&place.address);
            let is_reachable = called.is_some_and(|called| called.offer.is_some());
            // What it said when it was last there is still its release.
            let offer = called.and_then(|called| called.offer.clone()).or_else(|| brokers.get(&node_id)?.offer.clone());
            brokers.insert(node_id, Broker { node_id, address: place.address, rack: place.rack, is_listed: true, is_reachable, offer });
        }
        brokers.retain(|node_id, broker| {
            let is_forgotten = !broker.is_listed && view.brokers.get(node_id).is_some_and(|broker| broker.is_forgotten);
            !is_forgotten || partitions.iter().any(|partition| partition.replicas.contains(node_id))
        });
        // Of KRaft's brokers the metadata names any as the controller.
        let controller_id = quorum.as_ref().map(|quorum| quorum.leader_id).or(controller_id.filter(|_| by_zookeeper));
        Census { cluster_id, controller_id, brokers, partitions, reassignments, quorum, inter_broker_protocols, gaps: self.gaps }
    }

    /// A broker that the metadata does not name.
    fn away(&self, broker: &crate::cluster::Broker) -> Broker {
        let called = self.asked.get(&broker.upstream);
        let said = called.and_then(|called| called.offer.clone());
        Broker {
            node_id: broker.node_id,
            address: broker.upstream.clone(),
            rack: broker.rack.clone(),
            is_listed: false,
            is_reachable: said.is_some(),
            offer: said.or_else(|| broker.offer.clone()),
        }
    }

    async fn min_insync_replicas(&mut self, address: &HostPort, partitions: &mut Vec<Partition>) {
        let topics: BTreeSet<Arc<str>> = partitions.iter().map(|partition| Arc::clone(&partition.topic)).collect();
        let topics: Vec<Arc<str>> = topics.into_iter().collect();
        for some in topics.chunks(questions::CONFIGS_MAX) {
            let Some(told) = self.ask(address, "min.insync.replicas", async |talk| talk.min_insync_replicas(some).await).await else { return };
            for partition in partitions.iter_mut() {
                partition.min_insync_replicas = told.replicas.get(&partition.topic).copied().or(partition.min_insync_replicas);
            }
            // Deleted between two questions.
            partitions.retain(|partition| !told.gone.contains(&partition.topic));
            if let Some((topic, reason)) = told.refused.first() {
                let more = told.refused.len() - 1;
                let more = if more == 0 { String::new() } else { format!(" and {more} more topics") };
                self.could(format!("min.insync.replicas of {topic}{more} is not known: {reason}; allow Leeward's account DescribeConfigs"));
            }
        }
    }

    /// What each broker says of itself; those that do not are left out, since nothing is decided by it.
    async fn inter_broker_protocols(&mut self, listed: &BTreeMap<i32, Place>) -> BTreeMap<i32, String> {
        let mut told = BTreeMap::new();
        for (node_id, place) in listed {
            if let Some(Called { talk: Ok(talk), .. }) = self.asked.get_mut(&place.address)
                && let Ok(Some(version)) = in_rest(self.end, &place.address, talk.inter_broker_protocol(*node_id)).await
            {
                told.insert(*node_id, version);
            }
        }
        told
    }

    /// One question that is allowed to fail.
    async fn ask<T>(&mut self, address: &HostPort, what: &str, question: impl AsyncFnOnce(&mut Talk) -> Result<T, OperatorError>) -> Option<T> {
        let answer = match self.asked.get_mut(address).map(|called| &mut called.talk) {
            Some(Ok(talk)) => in_rest(self.end, address, question(talk)).await,
            Some(Err(_)) | None => Err(OperatorError::Unanswered { address: address.clone(), problem: "it does not answer".to_owned() }),
        };
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.could(format!("{what} could not be read: {error}"));
                None
            }
        }
    }

    fn could(&mut self, text: String) {
        self.gaps.push(Gap { text, can_close: true });
    }

    fn cannot(&mut self, text: &str) {
        self.gaps.push(Gap { text: text.to_owned(), can_close: false });
    }
}

impl Operator {
    async fn call(&self, address: &HostPort) -> Called {
        match timeout(ROLL_CALL_TIMEOUT, self.to(address)).await {
            Ok(Ok(talk)) => Called { offer: Some(Arc::new(talk.offer.clone())), talk: Ok(talk) },
            Ok(Err(error)) => Called { offer: None, talk: Err(error) },
            Err(_) => {
                let problem = format!("no answer within {ROLL_CALL_TIMEOUT:?}");
                Called { offer: None, talk: Err(OperatorError::Unanswered { address: address.clone(), problem }) }
            }
        }
    }
}

async fn in_rest<T>(end: Instant, address: &HostPort, question: impl Future<Output = Result<T, OperatorError>>) -> Result<T, OperatorError> {
    match timeout_at(end, question).await {
        Ok(answer) => answer,
        Err(_) => Err(OperatorError::Unanswered { address: address.clone(), problem: format!("the census was not done within {CENSUS_TIMEOUT:?}") }),
    }
}

#[cfg(test)]
mod tests;
