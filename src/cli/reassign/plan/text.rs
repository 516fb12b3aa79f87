//! A plan for a person.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::Cell;

use crate::cli::output::{Paint, cut, indented, relative, table};
use crate::cli::traffic::size;
use crate::config::show_duration;
use crate::rolling::reassign::{Move, Proposal, Share, Standing};

/// So many topics are shown, those with the most to copy; `-o json` has every partition.
const TOPICS_MAX: usize = 20;

/// In front of every sentence.
const BULLET: &str = "  - ";

/// `is_own`: not another tool's. `when`: what is said of the quiet hours.
pub(super) fn text(proposal: &Proposal, is_own: bool, when: Option<&str>, paint: Paint) -> String {
    let looked = format!("{} with {}", count(proposal.partitions, "partition"), count(proposal.replicas, "replica"));
    let mut parts = vec![indented("plan        ", &summary(proposal)), format!("looked at   {looked}")];
    if let Some(is_fewest) = proposal.is_fewest.filter(|_| proposal.copies > 0) {
        let told = if is_fewest { "nothing that is as even takes fewer copies" } else { "whether fewer copies would do was not found out in the time for it" };
        parts.push(indented("fewest      ", told));
    }
    if proposal.copies > 0 {
        parts.push(indented("time        ", &time(proposal)));
        parts.extend(retention(proposal).map(|told| indented("retention   ", &told)));
    }
    parts.extend(when.map(|when| indented("quiet       ", when)));
    if proposal.crowded_before > 0 || proposal.crowded_after > 0 {
        let told = format!("partitions with more replicas on one rack than they must: {} now, {} then", proposal.crowded_before, proposal.crowded_after);
        parts.push(indented("racks       ", &told));
    }
    parts.push(String::new());
    let heading = ["NODE", "RACK", "STATE", "REPLICAS", "THEN", "LEADERS", "THEN", "TO COPY"];
    parts.push(table(&heading, proposal.brokers.iter().map(|share| row(share, paint)), paint));
    topics(&mut parts, proposal, paint);
    listed(&mut parts, &paint.bad("it cannot be carried out:"), &proposal.problems);
    listed(&mut parts, "besides:", &proposal.notes);
    if is_own {
        parts.push(String::new());
        parts.push("Kafka places new topics on a new broker by itself; what exists stays until it is moved.".to_owned());
    }
    parts.join("\n")
}

fn summary(proposal: &Proposal) -> String {
    if proposal.moves.is_empty() {
        return "nothing to move".to_owned();
    }
    let copied = proposal.moves.iter().filter(|one| !one.copies.is_empty()).count();
    let size = match proposal.copies_of_unknown_size {
        0 => size(proposal.bytes as f64),
        unknown if unknown == proposal.copies => "of unknown size".to_owned(),
        unknown => format!("{}, and {unknown} of unknown size", size(proposal.bytes as f64)),
    };
    let copies = match copied {
        0 => "nothing to copy".to_owned(),
        copied => format!("{} of {} ({size})", count_of(proposal.copies, "copy", "copies"), count(copied, "partition")),
    };
    format!("{copies}, {}", count_of(proposal.leader_changes, "preferred leader changes", "preferred leaders change"))
}

fn time(proposal: &Proposal) -> String {
    if proposal.copies_of_unknown_size == proposal.copies {
        return "not known, since no broker tells what these logs take".to_owned();
    }
    let Some(time) = proposal.time else { return "say --throttle, such as 50MiB, to see how long it takes".to_owned() };
    let least = if proposal.copies_of_unknown_size > 0 { "at least " } else { "" };
    format!(
        "{least}{} one topic after the other, {} all at once, at {} a second for each broker; what is written meanwhile comes on top",
        relative(time.seconds_by_topic),
        relative(time.seconds_at_once),
        size(time.throttle as f64)
    )
}

/// Bounds, and a guess that says what it supposes.
fn retention(proposal: &Proposal) -> Option<String> {
    let shorter = proposal.shorter_retention;
    if shorter.topics == 0 {
        return None;
    }
    let kept = show_duration(Duration::from_millis(u64::try_from(shorter.retention_ms).unwrap_or(0)));
    let evenly =
        if shorter.topics > shorter.unlimited { format!(", about {} if these were written evenly", size(shorter.bytes_about as f64)) } else { String::new() };
    let forever = match shorter.unlimited {
        0 => String::new(),
        unlimited => format!("; {unlimited} of these without a limit, so that the age of what is there is not known"),
    };
    Some(format!(
        "with retention.ms={} ({kept}) set first where topics keep longer ({}): up to {} less to copy{evenly}{forever}",
        shorter.retention_ms,
        count(shorter.topics, "topic"),
        size(shorter.bytes_at_most as f64)
    ))
}

fn row(share: &Share, paint: Paint) -> Vec<Cell> {
    let state = match share.standing {
        Standing::Serving => "serving",
        Standing::Draining => "draining",
        Standing::Away => "away",
    };
    vec![
        Cell::new(share.node_id),
        Cell::new(share.rack.as_deref().unwrap_or("-")),
        paint.cell(state.to_owned(), share.standing != Standing::Serving),
        Cell::new(share.replicas_before),
        Cell::new(share.replicas_after),
        Cell::new(share.leaders_before),
        Cell::new(share.leaders_after),
        Cell::new(size(share.bytes_to_copy as f64)),
    ]
}

/// What moves of one topic.
struct OfTopic<'a> {
    topic: &'a str,
    partitions: usize,
    copies: usize,
    bytes: u64,
    leaders: usize,
}

fn topics(parts: &mut Vec<String>, proposal: &Proposal, paint: Paint) {
    let mut by_topic: BTreeMap<&str, Vec<&Move>> = BTreeMap::new();
    proposal.moves.iter().for_each(|one| by_topic.entry(&one.topic).or_default().push(one));
    let of = |(topic, moves): (_, Vec<&Move>)| OfTopic {
        topic,
        partitions: moves.len(),
        copies: moves.iter().map(|one| one.copies.len()).sum(),
        bytes: moves.iter().map(|one| one.copy_bytes.unwrap_or(0).saturating_mul(one.copies.len() as u64)).sum(),
        leaders: moves.iter().filter(|one| one.changes_leader()).count(),
    };
    let mut topics: Vec<OfTopic<'_>> = by_topic.into_iter().map(of).collect();
    if topics.is_empty() {
        return;
    }
    topics.sort_by_key(|one| (Reverse((one.bytes, one.copies)), one.topic));
    let more = topics.len().saturating_sub(TOPICS_MAX);
    let row = |one: &OfTopic<'_>| {
        vec![Cell::new(cut(one.topic)), Cell::new(one.partitions), Cell::new(one.copies), Cell::new(size(one.bytes as f64)), Cell::new(one.leaders)]
    };
    parts.push(String::new());
    parts.push(table(&["TOPIC", "PARTITIONS", "COPIES", "BYTES", "LEADERS CHANGE"], topics.iter().take(TOPICS_MAX).map(row), paint));
    if more > 0 {
        parts.push(format!("and {}; -o json has every partition", count(more, "more topic")));
    }
}

fn listed(parts: &mut Vec<String>, heading: &str, sentences: &[String]) {
    if !sentences.is_empty() {
        parts.push(String::new());
        parts.push(heading.to_owned());
        parts.extend(sentences.iter().map(|sentence| indented(BULLET, sentence)));
    }
}

fn count(number: usize, one: &str) -> String {
    count_of(number, one, &format!("{one}s"))
}

fn count_of(number: usize, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}
