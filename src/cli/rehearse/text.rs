//! The rehearsal for a person.

use std::collections::BTreeMap;

use crate::cli::output::{Paint, cut, indented};
use crate::cli::traffic::size;
use crate::rolling::gate::{PartitionName, named};
use crate::rolling::rehearsal::{Act, Concern, Rehearsal, Stop};

/// In front of every sentence.
const BULLET: &str = "  - ";

pub(super) fn text(rehearsal: &Rehearsal, acts: &[&Act], paint: Paint) -> String {
    let rates = rehearsal.requests_per_second;
    let mut parts = vec![format!(
        "broker {}: {}, {:.1} Produce, {:.1} Fetch and {:.1} other requests a second",
        rehearsal.node_id,
        count(rehearsal.sessions, "client connection", "client connections"),
        rates.produce,
        rates.fetch,
        rates.other
    )];
    for act in acts {
        parts.push(String::new());
        parts.push(heading(act, paint));
        parts.extend(sentences(act).iter().map(|sentence| indented(BULLET, sentence)));
        parts.extend(act.timed_out.iter().map(|concern| indented(BULLET, &said(concern))));
    }
    listed(&mut parts, "clients that cannot be sheltered in full:", rehearsal.unsheltered.iter().map(said).collect());
    listed(&mut parts, "besides:", rehearsal.notes.clone());
    parts.join("\n")
}

fn heading(act: &Act, paint: Paint) -> String {
    let how = match act.stop {
        Stop::Graceful => "a graceful stop (SIGTERM)",
        Stop::Crash => "a crash (SIGKILL, or a lost machine)",
    };
    let end = if act.errors { paint.bad("a client would see an error") } else { paint.good("no client would see an error") };
    format!("{how}: {end}")
}

fn sentences(act: &Act) -> Vec<String> {
    let mut told = Vec::new();
    let mut by_heir: BTreeMap<i32, usize> = BTreeMap::new();
    act.moves.iter().for_each(|moved| *by_heir.entry(moved.to).or_default() += 1);
    let heirs: Vec<String> = by_heir.iter().map(|(to, partitions)| format!("{partitions} to broker {to}")).collect();
    told.push(match act.moves.len() {
        0 => "no partition would move".to_owned(),
        1 => format!("1 partition would move, {}", heirs.join(", ").trim_start_matches("1 ")),
        moves => format!("{moves} partitions would move: {}", heirs.join(", ")),
    });
    told.extend(partitions(&act.offline, "would have no leader until it is back: neither written nor read"));
    told.extend(partitions(&act.not_writable, "would be refused acks=all until it is back; acks=1 and reading go on"));
    let held = act.held;
    told.push(format!(
        "at most {} would be held, for up to {} s: {} Produce, {} Fetch, {} other; {} of the {} that may be held",
        count(held.requests(), "request", "requests"),
        held.seconds,
        held.produce,
        held.fetch,
        held.other,
        size(held.bytes as f64),
        size(held.bytes_max as f64)
    ));
    told.push(act.expected.because.clone());
    told
}

fn partitions(partitions: &[PartitionName], meaning: &str) -> Option<String> {
    (!partitions.is_empty()).then(|| format!("{} {meaning}", named(partitions)))
}

fn said(concern: &Concern) -> String {
    let who = if concern.client_id.is_empty() { "a client without an id" } else { &concern.client_id };
    let connections = if concern.connections == 1 { String::new() } else { format!(" ({} connections)", concern.connections) };
    cut(who) + &connections + ": " + &concern.text
}

fn listed(parts: &mut Vec<String>, heading: &str, sentences: Vec<String>) {
    if !sentences.is_empty() {
        parts.push(String::new());
        parts.push(heading.to_owned());
        parts.extend(sentences.iter().map(|sentence| indented(BULLET, sentence)));
    }
}

fn count(number: u64, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rolling::rehearsal::{Expected, Held, Moved, Rates};

    fn name(partition: i32) -> PartitionName {
        PartitionName { topic: "orders".to_owned(), partition }
    }

    fn act(stop: Stop) -> Act {
        let moved = |partition, to| Moved { partition: name(partition), to };
        Act {
            stop,
            moves: vec![moved(0, 2), moved(3, 2), moved(6, 5)],
            offline: Vec::new(),
            not_writable: Vec::new(),
            stalled: Vec::new(),
            expected: Expected { seconds: 0.5, because: "it was assumed".to_owned() },
            held: Held { produce: 40, fetch: 3, other: 1, bytes: 45_000, bytes_max: 256 << 20, seconds: 0.5 },
            timed_out: Vec::new(),
            errors: false,
        }
    }

    fn rehearsal() -> Rehearsal {
        let timed_out = vec![Concern { client_id: "billing\u{1b}[31m".to_owned(), connections: 2, text: "it gives up".to_owned() }];
        Rehearsal {
            node_id: 1,
            sessions: 8,
            requests_per_second: Rates { produce: 100.0, fetch: 6.0, other: 0.25 },
            graceful: act(Stop::Graceful),
            crash: Act { offline: vec![name(9)], timed_out, errors: true, ..act(Stop::Crash) },
            unsheltered: vec![Concern { client_id: String::new(), connections: 1, text: "nobody can log in for it".to_owned() }],
            notes: vec!["one should know it".to_owned()],
        }
    }

    #[test]
    fn it_is_told_in_sentences() {
        let rehearsal = rehearsal();
        let expected = "\
broker 1: 8 client connections, 100.0 Produce, 6.0 Fetch and 0.2 other requests a second

a graceful stop (SIGTERM): no client would see an error
  - 3 partitions would move: 2 to broker 2, 1 to broker 5
  - at most 44 requests would be held, for up to 0.5 s: 40 Produce, 3 Fetch, 1 other; 43.9KiB of the
    256.0MiB that may be held
  - it was assumed

a crash (SIGKILL, or a lost machine): a client would see an error
  - 3 partitions would move: 2 to broker 2, 1 to broker 5
  - orders-9 would have no leader until it is back: neither written nor read
  - at most 44 requests would be held, for up to 0.5 s: 40 Produce, 3 Fetch, 1 other; 43.9KiB of the
    256.0MiB that may be held
  - it was assumed
  - billing [31m (2 connections): it gives up

clients that cannot be sheltered in full:
  - a client without an id: nobody can log in for it

besides:
  - one should know it";
        assert_eq!(text(&rehearsal, &[&rehearsal.graceful, &rehearsal.crash], Paint { colour: false }), expected);
    }

    #[test]
    fn one_partition_and_none_are_told_as_such() {
        let one = Act { moves: act(Stop::Crash).moves[..1].to_vec(), ..act(Stop::Crash) };
        assert_eq!(sentences(&one)[0], "1 partition would move, to broker 2");
        assert_eq!(sentences(&Act { moves: Vec::new(), ..one })[0], "no partition would move");
    }
}
