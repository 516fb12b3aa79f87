//! Reports for people.

use std::collections::BTreeMap;

use comfy_table::Cell;

use super::By;
use crate::admin::report::{BrokerReport, ClientReport, Counts, EpisodeHead, Episodes, Report};
use crate::cli::output::relative as of_seconds;
use crate::cli::output::{Paint, table};

/// Rows of clients that are written; a ticket with more is read by nobody.
const ROWS_MAX: usize = 40;

/// Characters of a client id; the other columns need the rest of the width.
const CLIENT_ID_CHARS_MAX: usize = 22;

/// Characters of a reason in the list.
const REASON_CHARS_MAX: usize = 30;

/// The whole report.
pub(super) fn report(report: &Report, by: By, paint: Paint) -> String {
    let mut parts = vec![head(&report.episode), String::new()];
    parts.extend(sums(&report.total));
    if !report.brokers.is_empty() {
        parts.push(String::new());
        parts.push(brokers(&report.brokers, paint));
    }
    let errors = errors(&report.total, paint);
    parts.extend(errors.map(|errors| format!("\n{errors}")));
    match by {
        By::Client => parts.extend(clients(&report.clients, paint)),
        By::Api => parts.extend(apis(&report.clients, paint)),
        By::Broker => {}
    }
    parts.join("\n")
}

/// Every episode, a line each.
pub(super) fn list(episodes: &Episodes, paint: Paint) -> String {
    if episodes.episodes.is_empty() {
        return "since Leeward started no maintenance window was open and no broker was lost".to_owned();
    }
    let rows = episodes.episodes.iter().map(|episode| {
        vec![
            Cell::new(episode.number),
            Cell::new(&episode.kind),
            Cell::new(format!("{} ago", relative(episode.age_seconds))),
            Cell::new(if episode.ended.is_some() { relative(episode.seconds) } else { "goes on".to_owned() }),
            Cell::new(episode.broker_restarts),
            Cell::new(grouped(episode.absorbed)),
            paint.cell(grouped(episode.reached), episode.reached > 0),
            Cell::new(plain(&episode.reason, REASON_CHARS_MAX)),
        ]
    });
    table(&["NO", "KIND", "BEGAN", "LASTED", "RESTARTS", "ABSORBED", "REACHED", "REASON"], rows, paint)
}

/// The sentence that a change ticket wants.
fn head(episode: &EpisodeHead) -> String {
    let what = match episode.kind.as_str() {
        "window" => format!("window '{}'", plain(&episode.reason, usize::MAX)),
        _ => plain(&episode.reason, usize::MAX),
    };
    let restarts = match episode.broker_restarts {
        1 => "1 broker restart".to_owned(),
        count => format!("{count} broker restarts"),
    };
    let mut sentence = format!(
        "{what}, {}, {restarts}: {} absorbed, longest hold {}, {} reached clients",
        span(&episode.began, episode.ended.as_deref()),
        errors_in_words(episode.absorbed),
        lasted(episode.longest_hold_seconds),
        errors_in_words(episode.reached)
    );
    if !episode.away.is_empty() {
        let away: Vec<_> = episode.away.iter().map(ToString::to_string).collect();
        sentence += &format!("; not back: broker {}", away.join(", "));
    }
    wrapped(&sentence)
}

fn sums(total: &Counts) -> Vec<String> {
    let holds = &total.holds;
    let carried = if holds.carried == 0 { String::new() } else { format!(" and {} from before", holds.carried) };
    let not: Vec<_> = total.batches_not_numbered.iter().map(|(reason, count)| format!("{} {reason}", grouped(*count))).collect();
    let not = if not.is_empty() { String::new() } else { format!(", not numbered {}", not.join(", ")) };
    vec![
        wrapped(&format!(
            "holds     {}{carried} = {} sent again + {} answered with an error + {} abandoned by the client + {} held now",
            grouped(holds.begun),
            grouped(holds.resent),
            grouped(holds.answered),
            grouped(holds.abandoned),
            holds.held
        )),
        wrapped(&format!("produce   acks raised {}, batches numbered {}{not}", grouped(total.acks_raised), grouped(total.batches_numbered))),
        wrapped(&format!("resent    requests {}, duplicates that the broker dropped {}", grouped(total.resent), grouped(total.duplicates_dropped))),
        wrapped(&format!(
            "kept      connections {}, of which the broker's is up again {}; requests that lost theirs {}",
            grouped(total.connections_kept),
            grouped(total.connections_restored),
            grouped(total.absorbed_losses)
        )),
    ]
}

fn brokers(brokers: &[BrokerReport], paint: Paint) -> String {
    let rows = brokers.iter().map(|broker| {
        let away: Vec<_> = broker.restarts.iter().map(|restart| format!("{}–{}", clock(&restart.lost), restart.back.as_deref().map_or("now", clock))).collect();
        let longest = broker.restarts.iter().filter_map(|restart| restart.seconds).fold(0.0, f64::max);
        vec![
            Cell::new(broker.node_id.map_or_else(|| "bootstrap".to_owned(), |id| id.to_string())),
            paint.cell(if away.is_empty() { "-".to_owned() } else { away.join(" ") }, broker.restarts.iter().any(|restart| restart.back.is_none())),
            Cell::new(if longest > 0.0 { lasted(longest) } else { "-".to_owned() }),
            Cell::new(grouped(broker.counts.absorbed())),
            Cell::new(grouped(broker.counts.absorbed_losses)),
            Cell::new(grouped(broker.counts.holds.begun)),
            Cell::new(lasted(broker.counts.holds.longest_seconds)),
            paint.cell(grouped(broker.counts.reached()), broker.counts.reached() > 0),
        ]
    });
    table(&["BROKER", "AWAY", "LONGEST", "ABSORBED", "LOST", "HOLDS", "LONGEST HOLD", "REACHED"], rows, paint)
}

/// Errors by code, absorbed and not; nothing where there were none.
fn errors(total: &Counts, paint: Paint) -> Option<String> {
    let mut rows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    total.absorbed_errors.iter().for_each(|(name, count)| rows.entry(name).or_default().0 += count);
    total.reached_errors.iter().for_each(|(name, count)| rows.entry(name).or_default().1 += count);
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(name, (absorbed, reached))| (std::cmp::Reverse((*reached, *absorbed)), *name));
    let cells =
        rows.iter().map(|(name, (absorbed, reached))| vec![Cell::new(name), Cell::new(grouped(*absorbed)), paint.cell(grouped(*reached), *reached > 0)]);
    (!rows.is_empty()).then(|| table(&["ERROR", "ABSORBED", "REACHED"], cells, paint))
}

const COUNTS: [&str; 8] = ["ABSORBED", "HOLDS", "LONGEST", "RESENT", "RAISED", "NUMBERED", "DUPES", "REACHED"];

fn counts(counts: &Counts, paint: Paint) -> Vec<Cell> {
    vec![
        Cell::new(grouped(counts.absorbed())),
        Cell::new(grouped(counts.holds.begun)),
        Cell::new(lasted(counts.holds.longest_seconds)),
        Cell::new(grouped(counts.resent)),
        Cell::new(grouped(counts.acks_raised)),
        Cell::new(grouped(counts.batches_numbered)),
        Cell::new(grouped(counts.duplicates_dropped)),
        paint.cell(grouped(counts.reached()), counts.reached() > 0),
    ]
}

fn clients(clients: &[ClientReport], paint: Paint) -> Vec<String> {
    if clients.is_empty() {
        return Vec::new();
    }
    let rows = clients.iter().take(ROWS_MAX).map(|client| {
        let name = if client.client_id.is_empty() { "(none)".to_owned() } else { plain(&client.client_id, CLIENT_ID_CHARS_MAX) };
        [vec![Cell::new(name), Cell::new(&client.api)], counts(&client.counts, paint)].concat()
    });
    let mut parts = vec![String::new(), table(&[&["CLIENT", "API"], &COUNTS[..]].concat(), rows, paint)];
    if clients.len() > ROWS_MAX {
        parts.push(format!("and {} more rows; -o json has them all", clients.len() - ROWS_MAX));
    }
    parts
}

fn apis(clients: &[ClientReport], paint: Paint) -> Vec<String> {
    let mut apis: BTreeMap<&str, Counts> = BTreeMap::new();
    clients.iter().for_each(|client| apis.entry(&client.api).or_default().add(&client.counts));
    if apis.is_empty() {
        return Vec::new();
    }
    let mut rows: Vec<_> = apis.into_iter().collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse((counts.reached(), counts.absorbed(), counts.holds.begun)));
    let rows = rows.iter().map(|(api, sums)| [vec![Cell::new(api)], counts(sums, paint)].concat());
    vec![String::new(), table(&[&["API"], &COUNTS[..]].concat(), rows, paint)]
}

/// `2026-03-01 19:02–19:31 UTC`; the second date only where it is another.
fn span(began: &str, ended: Option<&str>) -> String {
    let (day, minute) = (|time: &str| time.get(..10).unwrap_or(time).to_owned(), |time: &str| time.get(11..16).unwrap_or(time).to_owned());
    match ended {
        None => format!("since {} {} UTC", day(began), minute(began)),
        Some(ended) if day(ended) == day(began) => format!("{} {}–{} UTC", day(began), minute(began), minute(ended)),
        Some(ended) => format!("{} {} – {} {} UTC", day(began), minute(began), day(ended), minute(ended)),
    }
}

/// The time of day of an RFC 3339 time.
fn clock(time: &str) -> &str {
    time.get(11..19).unwrap_or(time)
}

fn lasted(seconds: f64) -> String {
    match seconds {
        zero if zero <= 0.0 => "0 s".to_owned(),
        short if short < 0.0995 => format!("{:.0} ms", (short * 1e3).max(1.0)),
        seconds if seconds < 99.95 => format!("{seconds:.1} s"),
        seconds => relative(seconds),
    }
}

fn errors_in_words(count: u64) -> String {
    if count == 1 { "1 error".to_owned() } else { format!("{} errors", grouped(count)) }
}

/// `1,284`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A client's or an operator's words, without what a terminal would take for a command, and not longer than so many characters.
fn plain(text: &str, chars_max: usize) -> String {
    let mut shown: String = text.chars().take(chars_max).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Broken at blanks into lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 100;
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        let of_word = word.chars().count();
        if length > 0 && length + 1 + of_word > WIDTH {
            lines.push_str("\n  ");
            length = 2;
        } else if !lines.is_empty() {
            lines.push(' ');
            length += 1;
        }
        // A word longer than a line can only be a reason without blanks.
        let shown = plain(word, WIDTH - 2);
        length += shown.chars().count();
        lines.push_str(&shown);
    }
    lines
}

/// The two largest units, of a time that is not negative.
fn relative(seconds: f64) -> String {
    of_seconds(std::time::Duration::try_from_secs_f64(seconds).map_or(0, |time| time.as_secs()))
}
