//! `/v1/cluster` and `/v1/brokers/…`: the cluster read afresh for whoever asks, and what the gate makes of it.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::handlers::{NoQuery, NodeId, refuse};
use super::traffic::BrokerTraffic;
use crate::guard::time::{millis, rfc3339};
use crate::protocol::versions::Offer;
use crate::releases::formats::{METADATA_VERSION, metadata_version_of};
use crate::releases::infer;
use crate::rolling::census::Broker;
use crate::rolling::gate::{Guarantee, PartitionName, may_stop};
use crate::rolling::resume::may_continue;
use crate::rolling::roster::{Standing, Totals, roster, totals};
use crate::rolling::{Census, Drains};
use crate::telemetry::traffic::NodeTraffic;

/// `/v1/cluster`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterPicture {
    /// RFC 3339.
    pub at: String,
    pub cluster_id: Option<String>,
    /// Of ZooKeeper the broker that is the active controller; with KRaft the leader of the quorum, which need not be a broker.
    pub controller_id: Option<i32>,
    /// The level of `metadata.version` that the cluster has finalized, by name; absent with ZooKeeper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_version: Option<String>,
    pub brokers: Vec<BrokerPicture>,
    pub partitions: Totals,
    /// Absent where brokers do not tell them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reassigning: Option<Vec<PartitionName>>,
    /// Absent with ZooKeeper, and where brokers do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumPicture>,
    /// What could not be read, and why.
    pub gaps: Vec<String>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerPicture {
    pub node_id: i32,
    pub address: String,
    pub rack: Option<String>,
    /// Whether the metadata names it, and whether its listener answers.
    pub listed: bool,
    pub reachable: bool,
    #[serde(flatten)]
    pub standing: Standing,
    /// Absent until it has once answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleasePicture>,
    /// `inter.broker.protocol.version`; absent with KRaft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inter_broker_protocol: Option<String>,
    /// What Leeward sends to it.
    pub traffic: BrokerTraffic,
}

/// Which Kafka a broker is, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasePicture {
    /// For people: `2.6`, or `3.0 to 3.1`.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// `ZooKeeper` or `KRaft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    pub known_by: Vec<String>,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumPicture {
    pub leader_id: i32,
    pub voters: Vec<VoterPicture>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterPicture {
    pub node_id: i32,
    /// Records behind the leader.
    pub lag: Option<u64>,
    pub caught_up_ms_ago: Option<u64>,
}

impl ClusterPicture {
    pub(super) fn of(census: &Census, drains: &Drains, traffic: &BTreeMap<Option<i32>, NodeTraffic>, at: SystemTime) -> Self {
        let standings = roster(census, drains);
        let finalized = census.brokers.values().filter(|broker| broker.is_reachable).find_map(|broker| finalized(broker.offer.as_deref()?));
        ClusterPicture {
            at: rfc3339(at.duration_since(UNIX_EPOCH).map_or(0, millis)),
            cluster_id: census.cluster_id.clone(),
            controller_id: census.controller_id,
            metadata_version: finalized,
            brokers: census.brokers.values().filter_map(|broker| Some(BrokerPicture::of(broker, *standings.get(&broker.node_id)?, census, traffic))).collect(),
            partitions: totals(census),
            reassigning: census.reassignments.as_ref().map(|running| {
                let name = |moving: &crate::rolling::census::Reassignment| PartitionName { topic: moving.topic.to_string(), partition: moving.partition };
                running.iter().map(name).collect()
            }),
            quorum: census.quorum.as_ref().map(|quorum| QuorumPicture {
                leader_id: quorum.leader_id,
                voters: quorum
                    .voters
                    .iter()
                    .map(|voter| VoterPicture { node_id: voter.node_id, lag: voter.lag, caught_up_ms_ago: voter.caught_up_ms_ago })
                    .collect(),
            }),
            gaps: census.gaps.iter().map(|gap| gap.text.clone()).collect(),
        }
    }
}

impl BrokerPicture {
    fn of(broker: &Broker, standing: Standing, census: &Census, traffic: &BTreeMap<Option<i32>, NodeTraffic>) -> Self {
        BrokerPicture {
            node_id: broker.node_id,
            address: broker.address.to_string(),
            rack: broker.rack.clone(),
            listed: broker.is_listed,
            reachable: broker.is_reachable,
            standing,
            release: broker.offer.as_deref().map(ReleasePicture::of),
            traffic: traffic.get(&Some(broker.node_id)).copied().map(BrokerTraffic::from).unwrap_or_default(),
            inter_broker_protocol: census.inter_broker_protocols.get(&broker.node_id).cloned(),
        }
    }
}

impl ReleasePicture {
    fn of(offer: &Offer) -> Self {
        let known = infer(offer);
        ReleasePicture {
            text: known.to_string(),
            oldest: known.oldest.map(|release| release.to_string()),
            newest: known.newest.map(|release| release.to_string()),
            mode: known.mode.map(|mode| mode.to_string()),
            known_by: known.known_by,
        }
    }
}

/// The finalized `metadata.version`, by name where it is known here.
fn finalized(offer: &Offer) -> Option<String> {
    let level = offer.finalized_features.iter().find(|feature| feature.name == METADATA_VERSION)?.max;
    Some(metadata_version_of(level).map_or_else(|| format!("level {level}"), |version| version.name.to_owned()))
}

pub(super) async fn cluster(State(state): State<AdminState>) -> Response {
    match census(&state).await {
        Ok(census) => {
            Json(ClusterPicture::of(&census, &state.maintenance.drains(), &state.telemetry.traffic(Instant::now()), SystemTime::now())).into_response()
        }
        Err(refusal) => refusal,
    }
}

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    guarantee: Guarantee,
}

pub(super) async fn stop(State(state): State<AdminState>, NodeId(node_id): NodeId, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text(), "ask with ?guarantee=strict, available or none, or without"),
    };
    match census(&state).await {
        Ok(census) => Json(may_stop(&census, node_id, asked.guarantee, &state.maintenance.draining().borrow().0)).into_response(),
        Err(refusal) => refusal,
    }
}

pub(super) async fn go_on(State(state): State<AdminState>, NodeId(node_id): NodeId, _: NoQuery) -> Response {
    match census(&state).await {
        Ok(census) => Json(may_continue(&census, node_id, state.maintenance.drains().led_before(node_id, &census))).into_response(),
        Err(refusal) => refusal,
    }
}

pub(super) async fn census(state: &AdminState) -> Result<Census, Response> {
    state.operator.census().await.map_err(|error| {
        let hint = "look at the brokers, and at leeward status; where they ask for a login, set upstream.sasl_plain";
        refuse(StatusCode::SERVICE_UNAVAILABLE, &format!("the cluster could not be read: {error}"), hint)
    })
}
