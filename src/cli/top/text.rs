//! What both ways of showing it have in common, and the table.

use comfy_table::Cell;

use super::super::output::{Paint, cut, table};
use super::super::traffic::size;
use super::{By, Sort};
use crate::admin::top::{TopPicture, TopRow};

/// Of every column but the name: its heading.
pub(super) const HEADINGS: [&str; 10] = ["REQ/S", "IN/S", "OUT/S", "BRK p50", "BRK p99", "OWN p50", "OWN p99", "ERR/S", "ABSORB/S", "HELD/S"];

/// Those of them that a table of a hundred columns has room for, beside a name of so many characters.
const PLAIN: [usize; 8] = [0, 1, 2, 4, 6, 7, 8, 9];
const PLAIN_NAME_MAX: usize = 26;

/// The cells under [`HEADINGS`].
pub(super) fn cells(row: &TopRow) -> [String; 10] {
    [
        rate(row.requests),
        size(row.request_bytes),
        size(row.response_bytes),
        time(row.broker_p50_ms),
        time(row.broker_p99_ms),
        time(row.own_p50_ms),
        time(row.own_p99_ms),
        rate(row.errors),
        rate(row.absorbed),
        rate(row.held),
    ]
}

/// Everything together, in a line.
pub(super) fn head(picture: &TopPicture) -> String {
    let held =
        if picture.held_requests == 0 { "nothing held".to_owned() } else { format!("{} held ({})", picture.held_requests, size(picture.held_bytes as f64)) };
    let estimated = if picture.one_of > 1.005 { format!(", ~ 1 of {:.1}", picture.one_of) } else { String::new() };
    let latency = |p50: Option<f64>, p99: Option<f64>| format!("{}/{}", time(p50), time(p99));
    format!(
        "{} sessions, {} req/s, {}, broker p50/p99 {}, Leeward {}{estimated}",
        picture.sessions,
        rate(picture.requests),
        held,
        latency(picture.whole.broker_p50_ms, picture.whole.broker_p99_ms),
        latency(picture.whole.own_p50_ms, picture.whole.own_p99_ms),
    )
}

/// A picture for where there is no screen.
pub(super) fn picture(picture: &TopPicture, by: By, sort: Sort, paint: Paint) -> String {
    let rows = by.rows(picture);
    if rows.rows.is_empty() {
        return format!("{}\n{}", cut(&head(picture)), nothing(by));
    }
    let name = by.label().to_uppercase();
    let heading: Vec<&str> = std::iter::once(name.as_str()).chain(PLAIN.iter().filter_map(|column| HEADINGS.get(*column).copied())).collect();
    let row = |row: &TopRow| {
        let cells = cells(row);
        let figures = PLAIN.iter().filter_map(|column| cells.get(*column)).map(|cell| paint.cell(cell.clone(), row.errors > 0.0));
        std::iter::once(Cell::new(clean(&row.name, PLAIN_NAME_MAX))).chain(figures).collect()
    };
    let table = table(&heading, sort.sorted(&rows.rows).into_iter().map(row), paint);
    let more = if rows.more > 0 { format!("\nand {} more", rows.more) } else { String::new() };
    format!("{}\n{table}{more}", cut(&head(picture)))
}

/// What is said where there are no rows.
pub(super) fn nothing(by: By) -> String {
    format!("no request of the last seconds names a {}", by.label())
}

/// At most so many characters, without what a terminal would take as a command.
pub(super) fn clean(name: &str, most: usize) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most + 1).collect();
    if clean.chars().count() <= most { clean } else { clean.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

fn rate(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 99.95 => format!("{rate:.1}"),
        rate if rate < 99_950.0 => format!("{rate:.0}"),
        rate => format!("{:.0}k", rate / 1000.0),
    }
}

/// Of milliseconds.
fn time(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 0.9995 => format!("{:.0}us", ms * 1000.0),
        Some(ms) if ms < 99.95 => format!("{ms:.1}ms"),
        Some(ms) if ms < 999.5 => format!("{ms:.0}ms"),
        Some(ms) => format!("{:.1}s", ms / 1000.0),
    }
}
