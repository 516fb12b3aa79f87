//! `leeward quiet-hours`: when in the week there is least traffic.

mod when;

use clap::Args;
use comfy_table::Cell;
use jiff::tz::TimeZone;

use super::client::{AdminAddress, encoded};
use super::output::{Output, Paint, indented, table};
use super::traffic::size;
use super::{Exit, Failure, Format, Outcome};
use crate::admin::history::{QuietHours, QuietPeriod};

pub(super) use when::{WEEK, When};

const EXAMPLES: &str = "\
Examples:
  leeward quiet-hours
  leeward quiet-hours --time-zone Europe/Berlin --for 3h
  leeward quiet-hours -o json | jq .quietest.cron
  leeward maintenance schedule add --reason patches --quiet --for 3h

A period is quiet where each of its quarter hours has at most half the week's mean. It is
about the last five weeks, over restarts; time in which Leeward did not run counts as
unknown, not as quiet.";

/// Periods in a table.
const PERIODS_MAX: usize = 14;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QuietHoursArgs {
    #[command(flatten)]
    admin: AdminAddress,
    /// IANA time zone, such as Europe/Berlin [default: the system's]
    #[arg(long = "time-zone", value_name = "ZONE")]
    zone: Option<String>,
    /// How long the quietest period is to be that is named, such as 3h
    #[arg(long = "for", value_name = "DURATION", default_value = "2h")]
    lasts: String,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// The time zone that was said, or the system's.
pub(super) fn zone(said: Option<&str>) -> String {
    let of_system = || TimeZone::try_system().ok().and_then(|zone| zone.iana_name().map(str::to_owned));
    said.map(str::to_owned).or_else(of_system).unwrap_or_else(|| "UTC".to_owned())
}

impl QuietHoursArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let quiet = ask(&self.admin, &zone(self.zone.as_deref()), &self.lasts)?;
        match self.output {
            Format::Json => output.json(&quiet)?,
            Format::Table => output.line(text(&quiet, output.paint())),
        }
        Ok(Exit::Done)
    }
}

/// Asks a running Leeward.
pub(super) fn ask(admin: &AdminAddress, zone: &str, lasts: &str) -> Result<QuietHours, Failure> {
    admin.get(&format!("/v1/quiet-hours?zone={}&for={}", encoded(zone), encoded(lasts)))?.expect()
}

/// For people.
pub(super) fn text(quiet: &QuietHours, paint: Paint) -> String {
    let mut parts = vec![indented("", &head(quiet))];
    parts.extend(quiet.problem.as_ref().map(|problem| paint.bad(&indented("", problem))));
    if let Some(warning) = warning(quiet) {
        parts.push(paint.bad(&indented("", &warning)));
    }
    if quiet.periods.is_empty() {
        let none = format!("No hour is quiet: none stays at or below {:.0} % of the mean.", quiet.quiet_share * 100.0);
        parts.extend((quiet.week_share_seen > 0.0).then_some(none));
    } else {
        let rows = quiet.periods.iter().take(PERIODS_MAX).map(row);
        parts.push(table(&["QUIET PERIOD", "LONG", "OF THE MEAN", "ON AVERAGE", "AT MOST", "WEEKS"], rows, paint));
    }
    if let Some(quietest) = &quiet.quietest {
        parts.push(indented("", &format!("The quietest {}: {}.", long(quietest.minutes), described(quietest))));
    }
    parts.join("\n\n")
}

fn head(quiet: &QuietHours) -> String {
    let mean = size(quiet.mean_bytes_per_second);
    format!("{} seen, in the time of {}; {mean}/s on average, both ways", seen(quiet.weeks_seen), quiet.zone)
}

fn seen(weeks: f64) -> String {
    if weeks < 1.0 { format!("{:.1} days", weeks * 7.0) } else { format!("{weeks:.1} weeks") }
}

/// What keeps the figures from being believed.
pub(super) fn warning(quiet: &QuietHours) -> Option<String> {
    let share = quiet.week_share_seen * 100.0;
    if quiet.week_share_seen == 0.0 {
        return Some("Nothing of the week was seen yet, so that nothing can be said: ask again in a week.".to_owned());
    }
    if !quiet.is_enough {
        return Some(format!("Only {share:.0} % of the week was seen, which is too little: the rest may be quieter. This is about what was seen."));
    }
    (quiet.weeks_seen < 2.0).then(|| "Most of the week was seen only once: one that is unlike the others, with a holiday in it, would not be known.".to_owned())
}

fn row(period: &QuietPeriod) -> Vec<Cell> {
    vec![
        Cell::new(span(period)),
        Cell::new(long(period.minutes)),
        Cell::new(percent(period.share_of_mean)),
        Cell::new(format!("{}/s", size(period.mean_bytes_per_second))),
        Cell::new(format!("{}/s", size(period.peak_bytes_per_second))),
        Cell::new(period.weeks),
    ]
}

/// `Sunday 02:00–05:00, 4 % of the weekly mean, 12.0MiB/s at most`.
pub(super) fn described(period: &QuietPeriod) -> String {
    format!("{}, {} of the weekly mean, {}/s at most", span(period), percent(period.share_of_mean), size(period.peak_bytes_per_second))
}

fn span(period: &QuietPeriod) -> String {
    let QuietPeriod { start_day, start, end_day, end, .. } = period;
    // Midnight belongs to the day that it ends.
    if start_day == end_day && period.minutes < 24 * 60 || end == "00:00" && period.minutes <= 24 * 60 {
        let end = if end == "00:00" { "24:00" } else { end };
        return format!("{start_day} {start}–{end}");
    }
    format!("{start_day} {start}–{end_day} {end}")
}

/// Small shares are not nothing.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn long(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}

#[cfg(test)]
mod tests;
