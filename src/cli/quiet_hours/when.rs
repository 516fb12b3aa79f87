//! When something that takes a while is done best: the next quiet period that is long enough.

use std::time::Duration;

use jiff::civil::Time;
use jiff::{ToSpan, Zoned};
use serde::Serialize;

use super::{described, warning};
use crate::admin::history::{QuietHours, QuietPeriod};
use crate::cli::output::relative;
use crate::guard::time::rfc3339;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Longer than this nothing is asked for: the week begins anew.
pub(in crate::cli) const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct When {
    /// How long it takes; absent where that is not known, and every quiet period is taken for long enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) seconds: Option<u64>,
    /// The next quiet period that is long enough, from now on if it goes on already; RFC 3339. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) end: Option<String>,
    /// The same for people, or why there is none.
    pub(in crate::cli) told: String,
}

impl When {
    /// `now` in the time zone of the quiet hours, which were asked for the length of `lasts`, or of a week if that is longer.
    pub(in crate::cli) fn of(quiet: &QuietHours, lasts: Option<Duration>, now: &Zoned) -> Self {
        let seconds = lasts.map(|lasts| lasts.as_secs());
        let none = |told: String| When { seconds, start: None, end: None, told };
        let doubt = warning(quiet);
        if !quiet.is_enough {
            return none(format!("there is no telling yet when it is quiet. {}", doubt.unwrap_or_default()));
        }
        let doubt = doubt.map(|doubt| format!(". {doubt}")).unwrap_or_default();
        let needed = lasts.unwrap_or_default();
        let next = quiet.periods.iter().filter_map(|period| Some((period, next(period, needed, now)?))).min_by_key(|(_, (start, _))| start.timestamp());
        if let Some((period, (start, end))) = next {
            let wait = match u64::try_from(start.timestamp().as_second() - now.timestamp().as_second()) {
                Ok(0) | Err(_) => "now".to_owned(),
                Ok(seconds) => format!("in {}", relative(seconds)),
            };
            let long_enough = if lasts.is_some() { " that is long enough" } else { "" };
            let told = format!("the next period{long_enough}, {wait}: {} (time of {}){doubt}", described(period), quiet.zone);
            return When { seconds, start: Some(written(&start)), end: Some(written(&end)), told };
        }
        none(match &quiet.quietest {
            _ if quiet.periods.is_empty() => {
                format!("no hour of the week is quiet: none stays at or below {:.0} % of the mean{doubt}", quiet.quiet_share * 100.0)
            }
            _ if needed > WEEK => format!("it takes longer than a week, and every quiet period ends before{doubt}"),
            Some(least) => format!("no quiet period is long enough; the least traffic for so long: {} (time of {}){doubt}", described(least), quiet.zone),
            None => format!("no quiet period is long enough{doubt}"),
        })
    }
}

fn written(moment: &Zoned) -> String {
    rfc3339(u64::try_from(moment.timestamp().as_millisecond()).unwrap_or(0))
}

/// Where so much of a period is still to come, and where that ends.
fn next(period: &QuietPeriod, needed: Duration, now: &Zoned) -> Option<(Zoned, Zoned)> {
    let day = DAYS.iter().position(|day| *day == period.start_day)?;
    let time: Time = period.start.parse().ok()?;
    let away = (i64::try_from(day).ok()? - i64::from(now.weekday().to_monday_zero_offset())).rem_euclid(7);
    // The one that began last week may go on.
    [away - 7, away, away + 7].into_iter().find_map(|days| {
        let start = now.date().checked_add(days.days()).ok()?.to_datetime(time);
        let end = start.checked_add(i64::try_from(period.minutes).ok()?.minutes()).ok()?;
        let zone = now.time_zone();
        let (start, end) = (start.to_zoned(zone.clone()).ok()?, end.to_zoned(zone.clone()).ok()?);
        let start = if start < *now { now.clone() } else { start };
        let left = end.timestamp().as_second() - start.timestamp().as_second();
        (left > 0 && u64::try_from(left).ok()? >= needed.as_secs()).then_some((start, end))
    })
}
