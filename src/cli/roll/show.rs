//! A roll for people.

use comfy_table::Cell;

use crate::cli::output::{Paint, indented, relative, table};
use crate::roll::api::{LegView, RollView};

/// Characters of the bar.
const BAR: usize = 40;

/// The whole roll: how far it is, and each broker.
pub(super) fn roll(roll: &RollView, paint: Paint) -> String {
    let head = format!("roll {} ({}), by {}, begun {}", roll.id, roll.reason, roll.author, ago(roll));
    let mut lines = vec![indented("", &head), format!("{} {:>3.0} %{}", bar(roll.fraction), roll.fraction * 100.0, left(roll))];
    lines.push(indented("", &roll.sentence));
    lines.extend(roll.old_view.as_ref().map(|old| paint.bad(&indented("", old))));
    if let Some(window) = &roll.window {
        lines.push(format!("maintenance window {window} is open"));
    }
    let rows = roll.brokers.iter().map(|leg| {
        let wrong = roll.state == "stuck" && leg.seconds_in_step.is_some();
        vec![Cell::new(leg.broker), paint.cell(leg.step.clone(), wrong), Cell::new(time(leg)), Cell::new(leg.waits_for.as_deref().unwrap_or(""))]
    });
    lines.push(String::new());
    lines.push(table(&["broker", "step", "time", "waits for"], rows, paint));
    lines.join("\n")
}

/// The brokers in their order, in a sentence.
pub(super) fn order(roll: &RollView) -> String {
    let brokers: Vec<String> = roll.brokers.iter().map(|leg| leg.broker.to_string()).collect();
    format!("brokers {}, in this order, the active controller last", brokers.join(", "))
}

/// What is new, in a line.
pub(super) fn news(roll: &RollView) -> String {
    format!("{:>3.0} % {}", roll.fraction * 100.0, roll.sentence)
}

fn ago(roll: &RollView) -> String {
    match &roll.ended {
        Some(ended) => format!("{}, ended {ended} after {}", roll.begun, relative(roll.seconds)),
        None => format!("{} ago", relative(roll.seconds)),
    }
}

fn left(roll: &RollView) -> String {
    roll.seconds_left.map(|seconds| format!(", about {} left", relative(seconds))).unwrap_or_default()
}

fn time(leg: &LegView) -> String {
    leg.took_seconds.or(leg.seconds_in_step).map(relative).unwrap_or_default()
}

fn bar(fraction: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the bar's length")]
    let full = (fraction.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full.min(BAR)))
}
