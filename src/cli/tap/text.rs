//! One request for people: when, what, how large and how fast; then whose, and what of it; then what went wrong and what the guard did.

use crate::admin::tap::{TapBytes, TapGuard, TapRecord, TapRequest, TapStanding, TapTopic};
use crate::cli::output::{Paint, cut, indented};

/// Where lines behind the first begin.
const INDENT: &str = "              ";

/// Partitions that are told of one topic, and characters of a key or a value.
const PARTITIONS_MAX: usize = 8;
const TEXT_MAX: usize = 60;

pub(super) fn lines(request: &TapRequest, paint: Paint) -> Vec<String> {
    let mut lines = vec![first(request)];
    let names = if request.answered.iter().any(|topic| topic.partitions.iter().any(|partition| partition.bytes.is_some())) {
        &request.answered
    } else {
        &request.topics
    };
    let mut what = format!("{} at {}", if request.client_id.is_empty() { "(no client id)" } else { &request.client_id }, request.peer);
    let more = if std::ptr::eq(names, &request.topics) { request.more } else { request.answered_more };
    if !names.is_empty() {
        let told: Vec<_> = names.iter().map(topic).collect();
        what += &format!(": {}", told.join("; "));
    }
    if more > 0 {
        what += &format!("; {more} more");
    }
    if let Some(acks) = request.acks {
        what += &format!("; acks={}", if acks == -1 { "all".to_owned() } else { acks.to_string() });
    }
    lines.extend(block(&what));
    if !request.errors.is_empty() {
        lines.extend(block(&format!("error {}", errors_of(request))).into_iter().map(|line| paint.bad(&line)));
    }
    if let Some(guard) = &request.guard {
        lines.extend(block(&told_of(guard)).into_iter().map(|line| paint.good(&line)));
    }
    lines.extend(request.records.iter().map(record));
    lines
}

/// At most 100 columns wide.
fn first(request: &TapRequest) -> String {
    let time = request.at.get(11..23).unwrap_or(&request.at);
    let api = format!("{} v{}", request.api, request.api_version);
    let node = request.node_id.map_or_else(|| "bootstrap".to_owned(), |node_id| format!("node {node_id}"));
    let answer = match (request.response_bytes, request.end.as_str()) {
        (_, "unanswered") => "wants no answer".to_owned(),
        (_, "abandoned") => format!("no answer in {}", millis(request.micros)),
        (Some(bytes), end) => {
            let kept = if end == "swallowed" { " (kept from the client)" } else { "" };
            format!("{:>9} in {} + {}{kept}", size(bytes), millis(request.broker_micros.unwrap_or(0)), millis(request.own_micros.unwrap_or(0)))
        }
        (None, end) => end.to_owned(),
    };
    cut(&format!("{time}  {api:<24} {node:<10} {:>9} → {answer}", size(request.request_bytes)))
}

fn topic(topic: &TapTopic) -> String {
    let name = topic.name.as_deref().or(topic.id.as_deref()).unwrap_or("?");
    let told = topic.partitions.iter().take(PARTITIONS_MAX).map(|partition| {
        let records = partition.records.filter(|records| *records > 0).map(|records| format!("{records} records, "));
        let of = partition.bytes.filter(|bytes| *bytes > 0).map(|bytes| format!(" ({}{})", records.unwrap_or_default(), size(bytes)));
        format!("{}{}", partition.partition, of.unwrap_or_default())
    });
    let mut told: Vec<_> = told.collect();
    if topic.partitions.len() > PARTITIONS_MAX {
        told.push(format!("{} more", topic.partitions.len() - PARTITIONS_MAX));
    }
    if told.is_empty() { name.to_owned() } else { format!("{name} {}", told.join(", ")) }
}

/// The errors of an answer, with the partitions that have them.
fn errors_of(request: &TapRequest) -> String {
    let of = |error: &String| {
        let partition = |topic: &TapTopic| {
            let name = topic.name.clone().or_else(|| topic.id.clone()).unwrap_or_default();
            let wrong = topic.partitions.iter().filter(|partition| partition.error.as_ref() == Some(error));
            wrong.map(|partition| format!("{name} {}", partition.partition)).collect::<Vec<_>>()
        };
        let places: Vec<_> = request.answered.iter().flat_map(partition).take(PARTITIONS_MAX).collect();
        if places.is_empty() { error.clone() } else { format!("{error} ({})", places.join(", ")) }
    };
    request.errors.iter().map(of).collect::<Vec<_>>().join("; ")
}

fn told_of(guard: &TapGuard) -> String {
    let mut told = Vec::new();
    match (guard.held, guard.held_micros, guard.hold_end.as_deref()) {
        (true, Some(micros), Some("resent")) => told.push(format!("held {}, then answered by a broker", millis(micros))),
        (true, Some(micros), Some("answered")) => told.push(format!("held {}, then answered with an error", millis(micros))),
        (true, Some(micros), _) => told.push(format!("held {} until the client left", millis(micros))),
        (true, None, _) => told.push("held".to_owned()),
        (false, _, _) => {}
    }
    match guard.resent {
        0 => {}
        1 => told.push("sent again once".to_owned()),
        times => told.push(format!("sent again {times} times")),
    }
    if !guard.absorbed.is_empty() {
        told.push(format!("kept from the client: {}", guard.absorbed.join(", ")));
    }
    if guard.losses > 0 {
        told.push(format!("{} lost connection{} kept from it", guard.losses, if guard.losses == 1 { "" } else { "s" }));
    }
    if guard.acks_raised {
        told.push("acks raised to all".to_owned());
    }
    if guard.numbered > 0 {
        told.push(format!("{} batches numbered", guard.numbered));
    }
    if let Some(reason) = &guard.not_numbered {
        told.push(format!("not numbered: {}", reason.replace('_', " ")));
    }
    if guard.duplicates_dropped > 0 {
        told.push(format!("{} duplicates dropped by the broker", guard.duplicates_dropped));
    }
    if !guard.reached.is_empty() {
        told.push(format!("not kept from it: {}", guard.reached.join(", ")));
    }
    format!("guard: {}", told.join("; "))
}

fn record(record: &TapRecord) -> String {
    let place = format!("{INDENT}{} {}", record.topic.as_deref().unwrap_or("?"), record.partition);
    if let Some(why) = &record.unopened {
        return cut(&format!("{place}: not opened: {why}"));
    }
    let shown = |bytes: &Option<TapBytes>| match bytes {
        None => "null".to_owned(),
        Some(TapBytes { text: Some(text), .. }) => format!("{:?}", text.chars().take(TEXT_MAX).collect::<String>()),
        Some(TapBytes { hex, bytes, .. }) => {
            format!("{bytes} bytes {}", hex.as_deref().unwrap_or_default().get(..TEXT_MAX).unwrap_or(hex.as_deref().unwrap_or_default()))
        }
    };
    cut(&format!("{place} +{}: {} = {}", record.offset.unwrap_or(0), shown(&record.key), shown(&record.value)))
}

pub(super) fn left_out(before: &TapStanding, now: &TapStanding, rate: u32) -> String {
    let mut why = Vec::new();
    let mut because = |count: u64, reason: String| {
        if count > 0 {
            why.push(format!("{count} {reason}"));
        }
    };
    because(now.too_fast - before.too_fast.min(now.too_fast), format!("more than {rate} in a second (--rate, --sample)"));
    because(now.not_read - before.not_read.min(now.not_read), "not read in time".to_owned());
    because(now.no_memory - before.no_memory.min(now.no_memory), "for which there was no memory".to_owned());
    format!("-- {} left out: {}", now.left_out - before.left_out.min(now.left_out), why.join(", "))
}

fn block(text: &str) -> Vec<String> {
    indented(INDENT, text).lines().map(cut).collect()
}

fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn millis(micros: u64) -> String {
    let millis = micros as f64 / 1000.0;
    if micros < 10_000 {
        format!("{millis:.2} ms")
    } else if micros < 10_000_000 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", millis / 1000.0)
    }
}
