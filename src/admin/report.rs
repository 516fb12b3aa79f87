//! `/v1/report`: the ledger as JSON, which `leeward report` shows.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::handlers::refuse;
use crate::guard::time::millis;
use crate::guard::{HoldEnd, NotNumbered};
use crate::telemetry::ledger::{Codes, Episode, Figures, Which};

/// One episode: a maintenance window, or a time of lost brokers without one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub episode: EpisodeHead,
    /// Everything together.
    pub total: Counts,
    /// By the broker that a client's connection was for; those first that were away.
    pub brokers: Vec<BrokerReport>,
    /// By client id and API; those first that errors reached. In a closed episode the client ids beyond 500 are one row, `(others)`.
    pub clients: Vec<ClientReport>,
}

/// `/v1/report/episodes`: newest first; the 32 that ended last and the present one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episodes {
    pub episodes: Vec<EpisodeHead>,
}

/// What an episode is, and what it comes down to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeHead {
    /// Its number since Leeward started, from 1 on; `?episode=` takes it.
    pub number: u64,
    /// `window` or `restart`.
    pub kind: String,
    /// The window's reason, or which broker was lost.
    pub reason: String,
    /// RFC 3339.
    pub began: String,
    /// RFC 3339; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// From its beginning to its end, or till now.
    pub seconds: f64,
    /// From its beginning till now.
    pub age_seconds: f64,
    /// Times that a broker was lost.
    pub broker_restarts: u64,
    /// Brokers that are not back, by node id.
    pub away: Vec<i32>,
    /// Error codes and lost connections that clients did not see.
    pub absorbed: u64,
    /// Errors that clients saw.
    pub reached: u64,
    /// Requests that are held now, or were when it ended.
    pub held: i64,
    pub longest_hold_seconds: f64,
}

/// Sums. `holds`: carried + begun = resent + answered + abandoned + held.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// By Kafka's name of the error.
    pub absorbed_errors: BTreeMap<String, u64>,
    /// Requests that lost their connection to a broker.
    pub absorbed_losses: u64,
    pub holds: Holds,
    /// Produce requests with acks 0 or 1 that went on with acks=all.
    pub acks_raised: u64,
    /// Batches that got a producer id of Leeward's.
    pub batches_numbered: u64,
    /// Batches that could get none, by reason.
    pub batches_not_numbered: BTreeMap<String, u64>,
    /// Batches sent again that the broker had already.
    pub duplicates_dropped: u64,
    /// Requests sent again.
    pub resent: u64,
    /// Errors that clients saw, by Kafka's name.
    pub reached_errors: BTreeMap<String, u64>,
    /// Client connections that stayed although their broker's was lost, and those whose broker's came back.
    pub connections_kept: u64,
    pub connections_restored: u64,
}

/// Requests that were kept until they could be sent again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Holds {
    /// Held already when the episode began.
    pub carried: i64,
    pub begun: u64,
    /// Sent again, and the broker answered.
    pub resent: u64,
    /// Given up: the client got an error.
    pub answered: u64,
    /// The client left before.
    pub abandoned: u64,
    /// Held still.
    pub held: i64,
    pub longest_seconds: f64,
    pub total_seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerReport {
    /// Absent for the bootstrap endpoint, whose sessions may be with any broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<i32>,
    pub restarts: Vec<RestartReport>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// One time that a broker was away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RestartReport {
    /// RFC 3339.
    pub lost: String,
    /// RFC 3339; absent while it is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientReport {
    /// Empty for clients that name none; cut after 120 bytes.
    pub client_id: String,
    pub api: String,
    #[serde(flatten)]
    pub counts: Counts,
}

/// What may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A number, or `last`.
    #[serde(default)]
    episode: Option<String>,
}

pub(super) async fn report(State(state): State<AdminState>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = asked.map(|Query(asked)| asked.episode.unwrap_or_else(|| "last".to_owned()));
    let which = asked.map_err(|error| error.body_text()).and_then(|text| which(&text));
    let which = match which {
        Ok(which) => which,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, "ask for ?episode=last, or for a number of /v1/report/episodes"),
    };
    let now = SystemTime::now();
    match (state.telemetry.episode(which, now), which) {
        (Some(episode), _) => Json(Report::of(&episode, now)).into_response(),
        (None, Which::Last) => {
            let error = "there is nothing to report: since Leeward started no maintenance window was open and no broker was lost";
            refuse(StatusCode::NOT_FOUND, error, "open a window (leeward maintenance on), or restart a broker, and ask again")
        }
        (None, Which::Number(number)) => {
            let error = format!("episode {number} is not known, or not any more");
            refuse(StatusCode::NOT_FOUND, &error, "see which there are: leeward report --list")
        }
    }
}

fn which(text: &str) -> Result<Which, String> {
    match text {
        "last" => Ok(Which::Last),
        number => number.parse().map(Which::Number).map_err(|_| format!("{number:?} is no episode")),
    }
}

pub(super) async fn episodes(State(state): State<AdminState>) -> Json<Episodes> {
    let now = SystemTime::now();
    Json(Episodes { episodes: state.telemetry.episodes(now).iter().map(|episode| EpisodeHead::of(episode, now)).collect() })
}

impl Report {
    fn of(episode: &Episode, now: SystemTime) -> Self {
        let account = &episode.account;
        let client = |(client_id, api, figures): (&str, &str, &Figures)| ClientReport {
            client_id: client_id.to_owned(),
            api: api.to_owned(),
            counts: Counts::of(figures),
        };
        Report {
            episode: EpisodeHead::of(episode, now),
            total: Counts::of(&episode.total),
            brokers: brokers(episode),
            clients: account.rows().into_iter().map(client).collect(),
        }
    }
}

/// A row for each broker that was away or has figures.
fn brokers(episode: &Episode) -> Vec<BrokerReport> {
    let mut rows: BTreeMap<Option<i32>, BrokerReport> = BTreeMap::new();
    let none = |node_id| BrokerReport { node_id, restarts: Vec::new(), counts: Counts::default() };
    for restart in &episode.restarts {
        let row = rows.entry(Some(restart.node_id)).or_insert_with(|| none(Some(restart.node_id)));
        let seconds = restart.back.map(|back| between(restart.lost, back));
        row.restarts.push(RestartReport { lost: rfc3339(restart.lost), back: restart.back.map(rfc3339), seconds });
    }
    for (node_id, figures) in episode.account.nodes() {
        rows.entry(*node_id).or_insert_with(|| none(*node_id)).counts = Counts::of(figures);
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| (row.node_id.is_none(), row.restarts.is_empty()));
    rows
}

impl EpisodeHead {
    pub(super) fn of(episode: &Episode, now: SystemTime) -> Self {
        let mut away: Vec<_> = episode.restarts.iter().filter(|restart| restart.back.is_none()).map(|restart| restart.node_id).collect();
        away.sort_unstable();
        away.dedup();
        EpisodeHead {
            number: episode.number,
            kind: episode.kind.label().to_owned(),
            reason: episode.reason.clone(),
            began: rfc3339(episode.began),
            ended: episode.ended.map(rfc3339),
            seconds: between(episode.began, episode.ended.unwrap_or(now)),
            age_seconds: between(episode.began, now),
            broker_restarts: u64::try_from(episode.restarts.len()).unwrap_or(u64::MAX).saturating_add(episode.restarts_left_out),
            away,
            absorbed: episode.total.absorbed_in_all(),
            reached: episode.total.reached.sum(),
            held: episode.total.held(),
            longest_hold_seconds: seconds(episode.total.hold_longest_nanos),
        }
    }
}

impl Counts {
    fn of(figures: &Figures) -> Self {
        let not_numbered = NotNumbered::ALL.iter().zip(figures.not_numbered).filter(|(_, count)| *count > 0);
        Counts {
            absorbed_errors: named(&figures.absorbed),
            absorbed_losses: figures.losses,
            holds: Holds {
                carried: figures.holds_carried,
                begun: figures.holds_begun,
                resent: figures.ended(HoldEnd::Resent),
                answered: figures.ended(HoldEnd::Answered),
                abandoned: figures.ended(HoldEnd::Abandoned),
                held: figures.held(),
                longest_seconds: seconds(figures.hold_longest_nanos),
                total_seconds: seconds(figures.hold_nanos),
            },
            acks_raised: figures.acks_raised,
            batches_numbered: figures.numbered,
            batches_not_numbered: not_numbered.map(|(reason, count)| (reason.label().to_owned(), count)).collect(),
            duplicates_dropped: figures.duplicates_dropped,
            resent: figures.resent,
            reached_errors: named(&figures.reached),
            connections_kept: figures.homes_lost,
            connections_restored: figures.homes_back,
        }
    }

    /// Error codes and lost connections together.
    pub fn absorbed(&self) -> u64 {
        self.absorbed_losses + self.absorbed_errors.values().sum::<u64>()
    }

    /// Errors that clients saw.
    pub fn reached(&self) -> u64 {
        self.reached_errors.values().sum()
    }

    /// Adds other rows of the same episode.
    pub fn add(&mut self, other: &Counts) {
        for (sums, counts) in [
            (&mut self.absorbed_errors, &other.absorbed_errors),
            (&mut self.batches_not_numbered, &other.batches_not_numbered),
            (&mut self.reached_errors, &other.reached_errors),
        ] {
            counts.iter().for_each(|(name, count)| *sums.entry(name.clone()).or_default() += count);
        }
        for (sum, count) in [
            (&mut self.absorbed_losses, other.absorbed_losses),
            (&mut self.acks_raised, other.acks_raised),
            (&mut self.batches_numbered, other.batches_numbered),
            (&mut self.duplicates_dropped, other.duplicates_dropped),
            (&mut self.resent, other.resent),
            (&mut self.connections_kept, other.connections_kept),
            (&mut self.connections_restored, other.connections_restored),
            (&mut self.holds.begun, other.holds.begun),
            (&mut self.holds.resent, other.holds.resent),
            (&mut self.holds.answered, other.holds.answered),
            (&mut self.holds.abandoned, other.holds.abandoned),
        ] {
            *sum += count;
        }
        self.holds.carried += other.holds.carried;
        self.holds.held += other.holds.held;
        self.holds.longest_seconds = self.holds.longest_seconds.max(other.holds.longest_seconds);
        self.holds.total_seconds += other.holds.total_seconds;
    }
}

fn named(codes: &Codes) -> BTreeMap<String, u64> {
    codes.by_name().map(|(name, count)| (name.to_owned(), count)).collect()
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

/// Zero where the clock was set back.
fn between(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).map_or(0.0, |between| between.as_secs_f64())
}

/// A moment in RFC 3339, UTC; the beginning of 1970 for one before it.
fn rfc3339(at: SystemTime) -> String {
    crate::guard::time::rfc3339(at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis))
}
