//! `/v1/history` and `/v1/quiet-hours`: how much traffic there was, and when there is least of it.

mod view;

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::AdminState;
use super::handlers::refuse;
use crate::config::parse_duration;
use crate::guard::time::millis;
use crate::history::quiet::{SLOTS, Week};
use crate::history::report::{self, Step};
use crate::history::{DAYS_KEPT, Kind, day_of};

pub use view::{HistoryRow, Point, QuietHours, QuietPeriod, TrafficHistory};

/// Rows that are named unless more are asked for, and at most.
const TOP: usize = 10;
const TOP_MAX: usize = 1000;
/// Up to so long points are minutes where nothing is said.
const MINUTES_UP_TO: Duration = Duration::from_secs(3 * 60 * 60);
/// So far back there are minutes, and hours.
const MINUTES_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const HOURS_KEPT: Duration = Duration::from_secs((DAYS_KEPT as u64 - 1) * 24 * 60 * 60);
const QUARTER: Duration = Duration::from_secs(15 * 60);

/// What may be asked of the history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    by: Option<Kind>,
    #[serde(default)]
    last: Option<String>,
    #[serde(default)]
    top: Option<usize>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    step: Option<StepName>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StepName {
    Minute,
    Hour,
}

/// What may be asked of the quiet hours.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedQuiet {
    #[serde(default)]
    zone: Option<String>,
    #[serde(rename = "for", default)]
    lasts: Option<String>,
}

const HISTORY_HINT: &str = "ask for /v1/history, or for /v1/history?by=topic&last=7d&top=20 (by: topic, client, broker; step: minute, hour)";
const QUIET_HINT: &str = "ask for /v1/quiet-hours, or for /v1/quiet-hours?zone=Europe/Berlin&for=3h";

pub(super) async fn history(State(state): State<AdminState>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let asked = match asked.map_err(|error| error.body_text()).and_then(|Query(asked)| wanted(asked)) {
        Ok(asked) => asked,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, HISTORY_HINT),
    };
    let Some(turn) = state.register.report_turn().await else { return ending() };
    let Some(traffic) = state.register.traffic().await else { return ending() };
    aside(move || {
        // Whoever asked may have gone: the next one waits for this report all the same.
        let _turn = turn;
        let (kind, name, last, step, top) = asked;
        let asked = report::Asked { kind, name, from: traffic.at.saturating_sub(millis(last)), until: traffic.at, step, top };
        TrafficHistory::of(&asked, &report::report(&asked, |day| traffic.day(day)), &traffic)
    })
    .await
}

pub(super) async fn quiet_hours(State(state): State<AdminState>, asked: Result<Query<AskedQuiet>, QueryRejection>) -> Response {
    let (name, zone, slots) = match asked.map_err(|error| error.body_text()).and_then(|Query(asked)| wanted_quiet(&asked)) {
        Ok(asked) => asked,
        Err(problem) => return refuse(StatusCode::BAD_REQUEST, &problem, QUIET_HINT),
    };
    let Some(traffic) = state.register.traffic().await else { return ending() };
    aside(move || {
        let week = Week::of(traffic.history.quarters(), day_of(traffic.at), &zone);
        QuietHours::of(&week, name, slots, &traffic)
    })
    .await
}

/// Makes an answer where nobody waits for the thread: older days are on the disk, and a thousand rows of five weeks are tens of MiB of text.
async fn aside<T: Serialize>(make: impl FnOnce() -> T + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(move || Json(make()).into_response()).await {
        Ok(response) => response,
        Err(_) => ending(),
    }
}

type Wanted = (Kind, Option<String>, Duration, Step, usize);

fn wanted(asked: Asked) -> Result<Wanted, String> {
    let last = asked.last.as_deref().filter(|text| !text.is_empty()).map_or(Ok(Duration::from_secs(24 * 60 * 60)), parse_long)?;
    let top = asked.top.unwrap_or(TOP);
    if top > TOP_MAX {
        return Err(format!("top is {top}; at most {TOP_MAX} rows are named"));
    }
    let step = match asked.step {
        Some(StepName::Minute) => Step::Minute,
        Some(StepName::Hour) => Step::Hour,
        None if last <= MINUTES_UP_TO => Step::Minute,
        None => Step::Hour,
    };
    let (kept, said) = match step {
        Step::Minute => (MINUTES_KEPT, "minutes are kept for 24h"),
        Step::Hour => (HOURS_KEPT, "hours are kept for 35d"),
    };
    if last.is_zero() || last > kept {
        return Err(format!("last is {}; it is more than nothing, and {said}", asked.last.unwrap_or_default()));
    }
    Ok((asked.by.unwrap_or(Kind::Topic), asked.name.filter(|name| !name.is_empty()), last, step, top))
}

fn wanted_quiet(asked: &AskedQuiet) -> Result<(String, TimeZone, usize), String> {
    let name = asked.zone.as_deref().filter(|zone| !zone.is_empty()).unwrap_or("UTC");
    let zone = TimeZone::get(name).map_err(|_| format!("there is no time zone \"{name}\"; name one of the IANA database, such as Europe/Berlin"))?;
    let lasts = asked.lasts.as_deref().filter(|text| !text.is_empty()).map_or(Ok(Duration::from_secs(2 * 60 * 60)), parse_long)?;
    // A longer window than was asked for is still one.
    let slots = usize::try_from(millis(lasts).div_ceil(millis(QUARTER))).unwrap_or(usize::MAX);
    if slots == 0 || slots > SLOTS {
        return Err("for is more than nothing, and at most a week".to_owned());
    }
    Ok((zone.iana_name().unwrap_or(name).to_owned(), zone, slots))
}

/// A duration that may have days and weeks: `7d`, `2w`, `36h`, `1h30m`.
fn parse_long(text: &str) -> Result<Duration, String> {
    let days = [("d", 1_u64), ("w", 7)].into_iter().find_map(|(unit, days)| Some((text.trim().strip_suffix(unit)?.parse::<u64>().ok()?, days)));
    match days {
        Some((number, days)) => number.checked_mul(days * 86_400).map(Duration::from_secs).ok_or_else(|| format!("\"{}\" is too long", text.escape_debug())),
        None => parse_duration(text).map_err(|problem| format!("{problem}; write 90m, 24h, 7d or 2w")),
    }
}

fn ending() -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "Leeward is ending", "ask again when it runs")
}
