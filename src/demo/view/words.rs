//! Numbers as people read them.

use std::time::Duration;

/// With a comma between each three digits.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn rate(per_second: f64) -> String {
    number(per_second.round().max(0.0) as u64)
}

/// Milliseconds, with as many decimals as say something.
pub(super) fn millis(latency: Option<Duration>) -> String {
    let Some(latency) = latency else { return "-".to_owned() };
    let millis = latency.as_secs_f64() * 1_000.0;
    let decimals = if millis < 10.0 {
        2
    } else if millis < 100.0 {
        1
    } else {
        0
    };
    format!("{millis:.decimals$}")
}

/// As short as it goes, with its unit.
pub(super) fn span(latency: Option<Duration>) -> String {
    match latency {
        None => "-".to_owned(),
        Some(latency) if latency < Duration::from_millis(1) => format!("{} µs", latency.as_micros()),
        Some(latency) if latency < Duration::from_secs(1) => format!("{} ms", millis(Some(latency))),
        Some(latency) => format!("{:.2} s", latency.as_secs_f64()),
    }
}

pub(super) fn seconds(time: Duration) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

/// `1 error`, `2 errors`.
pub(super) fn count(number_of: u64, what: &str) -> String {
    if number_of == 1 { format!("1 {what}") } else { format!("{} {what}s", number(number_of)) }
}
