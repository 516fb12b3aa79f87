//! What came of a play: a table to read, and a judgement for each client.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::account::{Read, Written, kinds};
use super::journal::{Fault, Journal};
use super::load::{Duty, Row};
use crate::steps::{Steps, say};

/// The end of an error that is not a retriable one, where the library tells them apart.
const FINAL: &str = "(final)";
/// How many kinds of faults are shown for each client.
const KINDS_SHOWN: usize = 4;

pub(crate) struct Outcome {
    pub(super) label: String,
    pub(super) told: Vec<Told>,
    /// The longest time for which a broker was away or stood still.
    pub(super) outage: Duration,
    /// When the brokers were whole again, in milliseconds since 1970.
    pub(super) recovered: u64,
    pub(super) leeward_log: Option<PathBuf>,
}

/// What a play claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Clients see nothing at all.
    Unnoticed,
    /// Connections may end; beside that clients see nothing.
    Reconnected,
    /// Clients may see errors; what they are told is true, and each one works on in the end without being restarted.
    Honest,
}

/// One client, and its figures: of a writer or of a reader.
pub(super) struct Told {
    pub(super) row: Row,
    pub(super) journal: Journal,
    pub(super) written: Option<Written>,
    pub(super) read: Option<Read>,
}

impl Outcome {
    /// The sum over all writers.
    pub(crate) fn sum(&self, figure: impl Fn(&Written) -> u64) -> u64 {
        self.told.iter().filter_map(|told| told.written.as_ref()).map(figure).sum()
    }

    pub(crate) fn print(&self, name: &str) {
        say(name, &format!("{}\n{}", self.label, self.table()));
    }

    fn table(&self) -> String {
        let mut text = format!(
            "| {:<17} | acks | {:>6} | {:>6} | {:>6} | {:>5} | {:>5} | {:>10} | {:>8} | {:>9} | {:>7} | {:>9} | {:>10} | closed |\n",
            "client", "sent", "acked", "errors", "open", "lost", "duplicates", "disorder", "misplaced", "stall s", "median ms", "waited s"
        );
        for told in &self.told {
            let Some(written) = &told.written else { continue };
            let acks = match told.row.duty {
                Duty::Produce { acks, .. } => acks,
                Duty::Resend { .. } => "all",
                Duty::Transact { .. } | Duty::Read { .. } | Duty::Share => "tx",
            };
            let Written { sent, acknowledged, errors, unanswered, lost, duplicates, disorder, misplaced, stall, wait, wait_max, examples: _ } = written;
            let (stall, wait_max, closed) = (seconds(*stall), seconds(*wait_max), told.closed());
            let _ = writeln!(
                text,
                "| {:<17} | {acks:<4} | {sent:>6} | {acknowledged:>6} | {errors:>6} | {unanswered:>5} | {lost:>5} | {duplicates:>10} | {disorder:>8} | {misplaced:>9} | {stall:>7} | {wait:>9} | {wait_max:>10} | {closed:>6} |",
                told.row.name
            );
        }
        let _ = writeln!(text, "| {:<17} | {:>6} | {:>6} | {:>6} | exceptions | {:>7} | closed |", "reader", "read", "missed", "twice", "stall s");
        for told in &self.told {
            let Some(Read { read, missed, twice, exceptions, stall }) = &told.read else { continue };
            let (stall, closed) = (seconds(*stall), told.closed());
            let _ = writeln!(text, "| {:<17} | {read:>6} | {missed:>6} | {twice:>6} | {exceptions:>10} | {stall:>7} | {closed:>6} |", told.row.name);
        }
        text
    }
}

impl Told {
    fn closed(&self) -> String {
        self.journal.closed.map_or_else(|| "?".to_owned(), |closed| closed.to_string())
    }

    /// The kinds of what went wrong, with the first of each.
    fn faults(&self) -> String {
        let mut text = String::new();
        for example in self.written.iter().flat_map(|written| &written.examples) {
            let _ = write!(text, "\n      {example}");
        }
        for (what, faults) in [("error", &self.journal.failed), ("exception", &self.journal.exceptions)] {
            for (count, Fault { at, place, said }) in kinds(faults).into_iter().take(KINDS_SHOWN) {
                let place = place.map_or_else(String::new, |place| format!(" partition {} record {}", place.partition, place.number));
                let _ = write!(text, "\n      {count} × {what}, first at {}{place}: {said}", clock(*at));
            }
        }
        text
    }

    /// Panics unless the claim holds for this client.
    fn assert(&self, claim: Claim, recovered: u64) {
        let mut wrong = Vec::new();
        let mut zero = |what: &str, figure: u64| {
            if figure > 0 {
                wrong.push(format!("{figure} {what}"));
            }
        };
        if let Some(written) = &self.written {
            zero("without an answer", written.unanswered);
            // Who asks for no answer cannot be told of what could not be stored in time.
            if claim != Claim::Honest || !matches!(self.row.duty, Duty::Produce { acks: "0", .. }) {
                zero("lost", written.lost);
            }
            zero("duplicates", written.duplicates);
            // A client that was told of an error reads metadata and goes on by another connection, while the one before may still have requests to be answered.
            if claim != Claim::Honest {
                zero("out of order", written.disorder);
            }
            zero("at another offset than told", written.misplaced);
        }
        if let Some(read) = &self.read {
            zero("missed", read.missed);
        }
        if claim != Claim::Honest {
            zero("errors", self.journal.failed.len() as u64);
            zero("exceptions", self.journal.exceptions.len() as u64);
        }
        let last = self.journal.failed.iter().filter(|fault| fault.said.ends_with(FINAL)).count();
        if claim == Claim::Honest && last > 0 {
            wrong.push(format!("{last} errors after which its library would not try again"));
        }
        if self.journal.sent.is_none() {
            wrong.push("it did not come to its end".to_owned());
        }
        if !self.journal.progress.values().flatten().any(|&at| at > recovered) {
            wrong.push(format!("nothing succeeded after {}, when the brokers were whole", clock(recovered)));
        }
        assert!(wrong.is_empty(), "{}: {}{}", self.row.name, wrong.join(", "), self.faults());
    }
}

/// A step for each client: what is claimed of it, after brokers were away for so long, holds.
pub(crate) fn judge(steps: &mut Steps, outcome: &Outcome, claim: impl Fn(&Row, Duration) -> Claim) {
    for told in &outcome.told {
        let claim = claim(&told.row, outcome.outage);
        let what = match claim {
            Claim::Unnoticed => "saw nothing, and is told the truth",
            Claim::Reconnected => "sees nothing but that connections end",
            Claim::Honest => "is told the truth, and works on",
        };
        steps.run(&format!("{}: {} {what}", outcome.label, told.row.name), || told.assert(claim, outcome.recovered));
        // A member of a group that is told of another coordinator leaves the one before by itself: for readers the table says how often.
        if let (Claim::Unnoticed, Some(closed), false) = (claim, told.journal.closed, told.row.reads()) {
            steps.run(&format!("{}: {} keeps its connections", outcome.label, told.row.name), || assert_eq!(closed, 0, "connections that were closed"));
        }
    }
    if let Some(log) = &outcome.leeward_log {
        steps.say(&format!("Leeward's log: {}", log.display()));
    }
}

/// As a log has it, in UTC.
fn clock(at: u64) -> String {
    let (seconds, millis) = (at / 1000, at % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn seconds(millis: u64) -> String {
    format!("{}.{:01}", millis / 1000, millis % 1000 / 100)
}
