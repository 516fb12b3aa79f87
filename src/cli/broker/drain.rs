//! `leeward broker drain N` and `undrain N`: leaderships leave a broker, and come back in the order of before.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::admin::ApiError;
use crate::cli::client::{BLOCKED, user_at_host};
use crate::cli::maintenance::{Ask, confirmed, may_ask, preflight};
use crate::cli::output::{Output, indented};
use crate::cli::{Exit, Failure, Format, Outcome};
use crate::config::{parse_duration, show_duration};
use crate::maintenance::api::{DrainAnswer, DrainRequest, DrainView, UndrainRequest};

pub(super) const DRAIN_EXAMPLES: &str = "\
Examples:
  leeward broker drain 3 --reason \"upgrade to 4.3\" --wait
  leeward broker drain 3 --reason \"upgrade to 4.3\" --dry-run
  leeward broker drain 3 --reason disks --wait --timeout 30m --yes && systemctl stop kafka

Exit codes: 0 done, 1 failed, 3 blocked by a check, or Leeward may not alter the cluster, 4 not drained in time.";

pub(super) const UNDRAIN_EXAMPLES: &str = "\
Examples:
  leeward broker undrain 3 --wait
  leeward broker undrain 3 --dry-run

Exit codes: 0 done, 1 failed, 3 Leeward may not alter the cluster, 4 not restored in time.";

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// A longer file is not shown among sentences.
const SHOWN_BYTES_MAX: usize = 4000;

#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    #[command(flatten)]
    common: Common,
    /// Why; the audit file keeps it
    #[arg(long)]
    reason: String,
    /// Although a check finds danger, or another broker is drained
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct UndrainArgs {
    #[command(flatten)]
    common: Common,
    /// Why; by default the drain's own reason
    #[arg(long)]
    reason: Option<String>,
}

/// What both take.
#[derive(Debug, Args)]
struct Common {
    /// The broker's node id
    #[arg(value_name = "NODE_ID")]
    node_id: i32,
    #[command(flatten)]
    ask: Ask,
    /// Who; by default the user and the host
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Wait until it is done
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "wait", value_parser = parse_duration)]
    timeout: Duration,
}

impl DrainArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let Common { node_id, ask, author: by, dry_run, yes, .. } = &self.common;
        may_ask(*yes, *dry_run)?;
        let drain = |dry_run| {
            let request = DrainRequest { reason: self.reason.clone(), force: self.force, dry_run, author: Some(by.clone().unwrap_or_else(user_at_host)) };
            ask.admin.post_json(&format!("/v1/brokers/{node_id}/drain"), &request)
        };
        let mut answer = drain(true)?;
        if answer.status == BLOCKED && !dry_run {
            // Once more in earnest, so that the attempt stands in the audit file.
            answer = drain(false)?;
        }
        if answer.status == BLOCKED {
            let refusal: ApiError = answer.parse()?;
            match ask.output {
                Format::Json => output.json(&refusal)?,
                Format::Table => output.line(preflight(&refusal.preflight.clone().unwrap_or_default(), output.paint())),
            }
            return Err(answer.refusal());
        }
        let planned: DrainAnswer = answer.expect()?;
        if let (Format::Table, Some(found)) = (ask.output, &planned.preflight) {
            output.line(preflight(found, output.paint()));
            output.line("");
        }
        self.common.go_on(output, &planned, "drain", |output| {
            let begun: DrainAnswer = drain(false)?.expect()?;
            self.common.end(output, begun, "drained")
        })
    }
}

impl UndrainArgs {
    pub(super) fn run(self, output: &mut Output) -> Outcome {
        let Common { node_id, ask, author: by, dry_run, yes, .. } = &self.common;
        may_ask(*yes, *dry_run)?;
        let undrain = |dry_run| {
            let request = UndrainRequest { reason: self.reason.clone(), dry_run, author: Some(by.clone().unwrap_or_else(user_at_host)) };
            ask.admin.post_json(&format!("/v1/brokers/{node_id}/undrain"), &request)?.expect::<DrainAnswer>()
        };
        let planned = undrain(true)?;
        self.common.go_on(output, &planned, "undrain", |output| {
            let begun = undrain(false)?;
            self.common.end(output, begun, "serving")
        })
    }
}

impl Common {
    /// Ends a dry run, or asks and does it.
    fn go_on(&self, output: &mut Output, planned: &DrainAnswer, verb: &str, begin: impl FnOnce(&mut Output) -> Outcome) -> Outcome {
        let plan = format!("{} ({} to change)", planned.drain.sentence, partitions(planned.drain.pending));
        if self.dry_run {
            self.ask.show(planned, output, |planned, _| format!("{}{}", indented("dry run: ", &plan), hands(&planned.drain)))?;
            return Ok(Exit::Done);
        }
        confirmed(self.yes, output, &format!("{plan}\n{verb} broker {}?", self.node_id))?;
        begin(output)
    }

    /// What has begun, or with `--wait` how it ended.
    fn end(&self, output: &mut Output, begun: DrainAnswer, wanted: &str) -> Outcome {
        if !self.wait {
            self.ask.show(&begun, output, |begun, _| text(&begun.drain))?;
            return Ok(Exit::Done);
        }
        let (end, mut said) = (Instant::now() + self.timeout, String::new());
        let mut last = begun;
        loop {
            match self.ask.admin.get(&format!("/v1/brokers/{}/drain", self.node_id)).and_then(|answer| answer.expect::<DrainView>()) {
                Ok(view) => last.drain = view,
                // A Leeward that is started again goes on where it was.
                Err(failure) if Instant::now() >= end || failure.exit == Exit::Usage => return Err(failure),
                Err(failure) => last.drain.problem = Some(failure.message),
            }
            let view = &last.drain;
            let ended = if view.phase == wanted {
                Some(Ok(Exit::Done))
            } else if !is_on_its_way(view, wanted) {
                Some(Err(Failure::new(Exit::Failed, format!("broker {} is {} now: somebody has changed that meanwhile", self.node_id, view.phase))))
            } else if let Some(problem) = view.problem.as_ref().filter(|_| view.blocked) {
                Some(Err(Failure::new(Exit::Blocked, format!("broker {}: {problem}", self.node_id))))
            } else if Instant::now() >= end {
                let problem = view.problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
                let message = format!("not {wanted} within {}: {}{problem}", show_duration(self.timeout), view.sentence);
                Some(Err(Failure::new(Exit::TimedOut, message)))
            } else {
                None
            };
            if let Some(outcome) = ended {
                self.ask.show(&last, output, |last, _| text(&last.drain))?;
                return outcome;
            }
            let news = news(view);
            if news != said {
                output.error(&news);
                said = news;
            }
            thread::sleep(LOOK);
        }
    }
}

/// Whether it may still come to what is wanted.
fn is_on_its_way(view: &DrainView, wanted: &str) -> bool {
    match wanted {
        "drained" => view.phase == "draining",
        _ => view.phase == "undraining",
    }
}

/// A drain for people.
fn text(view: &DrainView) -> String {
    let window = if view.phase == "drained" && !view.window_open {
        "\nno maintenance window is open: before the broker stops, leeward maintenance on --reason …"
    } else {
        ""
    };
    format!("{}\n{}{window}", indented("", &heading(view)), news(view))
}

fn heading(view: &DrainView) -> String {
    let why = view.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let next = match view.phase.as_str() {
        "drained" => format!("; leeward broker undrain {} brings its leaders back", view.broker),
        _ => String::new(),
    };
    format!("broker {} is {}{why}{next}", view.broker, view.phase)
}

/// How far it is, why it does not go on, and what a person has to do.
fn news(view: &DrainView) -> String {
    let problem = view.problem.as_ref().map(|problem| format!("\n{}", indented("", problem))).unwrap_or_default();
    let old = view.old_view.as_ref().map(|old| format!("\n{}", indented("", old))).unwrap_or_default();
    format!("{}{problem}{old}{}", indented("", &view.sentence), hands(view))
}

/// What a person has to run, and the files for it.
fn hands(view: &DrainView) -> String {
    let Some(hands) = &view.by_hand else { return String::new() };
    let commands: String = hands.commands.iter().map(|command| format!("\n  {command}")).collect();
    let files = [("orders", "reassignment", &hands.reassignment), ("election", "election", &hands.election)].into_iter().filter_map(|(name, field, file)| {
        let file = file.as_ref()?;
        let name = format!("leeward-{}-{name}.json", view.broker);
        let content = if file.len() <= SHOWN_BYTES_MAX { file.clone() } else { format!("by_hand.{field} of GET /v1/brokers/{}/drain", view.broker) };
        Some(format!("\n  {name}: {content}"))
    });
    format!("\nto be run beside ZooKeeper:{commands}{}", files.collect::<String>())
}

fn partitions(count: usize) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maintenance::api::ByHandView;

    fn view(phase: &str) -> DrainView {
        DrainView { broker: 2, phase: phase.to_owned(), sentence: "broker 2: 1 of 2 leaders moved".to_owned(), ..DrainView::default() }
    }

    #[test]
    fn a_drain_is_told_in_sentences() {
        let drained = text(&DrainView { reason: Some("a\u{1b}[31m".to_owned()), ..view("drained") });
        let expected = "broker 2 is drained (a[31m); leeward broker undrain 2 brings its leaders back\nbroker 2: 1 of 2 leaders moved\n\
                        no maintenance window is open: before the broker stops, leeward maintenance on --reason …";
        assert_eq!(drained, expected);
        assert_eq!(text(&DrainView { window_open: true, ..view("draining") }), "broker 2 is draining\nbroker 2: 1 of 2 leaders moved");
    }

    #[test]
    fn what_is_to_be_run_stands_with_its_file_unless_that_is_long() {
        let by_hand = |content: &str| ByHandView { commands: vec!["run it".to_owned()], reassignment: Some(content.to_owned()), election: None };
        let told = |content: &str| hands(&DrainView { by_hand: Some(by_hand(content)), ..view("draining") });
        assert_eq!(told("{}"), "\nto be run beside ZooKeeper:\n  run it\n  leeward-2-orders.json: {}");
        let told = told(&"x".repeat(5000));
        assert!(told.ends_with("leeward-2-orders.json: by_hand.reassignment of GET /v1/brokers/2/drain"), "{told}");
    }

    #[test]
    fn only_what_may_still_come_is_waited_for() {
        assert!(is_on_its_way(&view("draining"), "drained") && is_on_its_way(&view("undraining"), "serving"));
        assert!(!is_on_its_way(&view("serving"), "drained") && !is_on_its_way(&view("drained"), "serving"));
    }
}
