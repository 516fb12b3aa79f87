//! A roll: brokers are restarted one after the other, each drained before and whole again after.
//!
//! ```text
//!  Waiting ─▶ Draining ─▶ Gate ─▶ Stopping ─▶ Starting ─▶ CatchingUp ─▶ Undraining ─▶ Done
//!                │          │                                              ▲
//!                └──────────┴───────────── aborted ───────────────────────┘
//! ```
//!
//! [`Roll::advance`] looks at what is so, goes as far as that allows, and says what is to be done next. A roll is written down whenever it changes, before anything
//! of it is done; so one that was broken off goes on where it was. What it asks for can be asked for twice: a drain that is there goes on, and the operator's
//! commands are run again only while the broker is not yet where they should bring it.
//!
//! **Invariant: one at a time.** A broker leaves [`Step::Waiting`] only when every other one is waiting or done.
//!
//! **Invariant: never past a check.** Nothing is stopped but through the gate, and nothing begins before the broker before it is in every ISR again. A check that
//! fails for too long, or a command that fails, stops the roll with the problem and what to do about it.

mod order;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use order::{OrderError, order};
pub use story::Progress;

use super::census::Census;
use super::drain::Phase;
use super::gate::{Guarantee, may_stop};
use super::resume::may_continue;
use crate::guard::time::Millis;

/// Milliseconds for which nothing moves after a window was opened. What was sent before has no number, so a resend of it could be stored twice: it has so long to be
/// answered, several times what acks=all takes on a busy cluster.
pub const WINDOW_SETTLES: Millis = 5_000;

/// One walk over the brokers of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roll {
    pub id: String,
    pub reason: String,
    pub author: String,
    pub begun: Millis,
    pub ended: Option<Millis>,
    pub settings: Settings,
    /// The maintenance window that it opened.
    pub window: Option<String>,
    /// Where every broker of the cluster was when it began (`host:port`): a Leeward that is started again while one is down finds the cluster by the others.
    #[serde(default)]
    pub known: Vec<String>,
    /// When it opened that.
    #[serde(default)]
    pub window_since: Millis,
    /// In the order in which they go, except that the active controller goes last.
    pub legs: Vec<Leg>,
    pub state: State,
    /// The broker that is not whole is made so, and no further one begins.
    pub is_ending: bool,
}

/// How a roll goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Run by a shell to stop a broker; `None`: a person does it.
    pub stop_command: Option<String>,
    /// Run by a shell to start a broker; `None`: a person does it.
    pub start_command: Option<String>,
    /// Whether leadership leaves a broker before it stops.
    pub drains: bool,
    /// Whether a maintenance window is open meanwhile.
    pub opens_window: bool,
    pub guarantee: Guarantee,
    /// So many checks in a row must be green, of the gate before a stop and of the ISRs after a start.
    pub checks: u32,
    /// Milliseconds from one check to the next.
    pub check_every: Millis,
    /// Milliseconds that a step may take; no step waits for a person under it.
    pub step_max: Millis,
}

/// One broker's part of a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    pub node_id: i32,
    pub step: Step,
    /// When that step began.
    pub since: Millis,
    pub begun: Option<Millis>,
    pub ended: Option<Millis>,
    /// What this step calls for was asked for.
    pub is_asked: bool,
    /// When it was there again after its stop.
    pub restarted: Option<Millis>,
    /// Checks of this step in a row that were green.
    pub greens: u32,
    pub next_check: Millis,
    /// For what it waits, in a sentence.
    pub waits_for: Option<String>,
    /// HOST:PORT, as the metadata last had it: a Leeward that is started while the broker is away learns it from nobody.
    #[serde(default)]
    pub address: Option<String>,
}

/// Where a broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Waiting,
    Draining,
    Gate,
    Stopping,
    Starting,
    CatchingUp,
    Undraining,
    Done,
}

/// Where a roll stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum State {
    Running,
    /// By a person.
    Paused {
        by: String,
        why: String,
    },
    /// A check failed for too long, or something could not be done.
    Stuck {
        problem: String,
        hint: String,
    },
    /// By a person. `left`: what is not as it was before, and what to do about it.
    Aborted {
        left: Vec<String>,
    },
    Done,
}

/// What is so, as far as a roll needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The latest reading and when it began; `None`: there was none yet. What is older than a step says nothing of it.
    pub census: Option<(&'a Census, Millis)>,
    pub drains: &'a dyn DrainsSeen,
    /// Whether the roll's window is open.
    pub is_window_open: bool,
    /// What became of the command of the step that is at hand.
    pub command: &'a Command,
    /// Whether the broker at hand was seen to be away since its step began.
    pub was_away: bool,
}

/// Which brokers are drained.
pub trait DrainsSeen: std::fmt::Debug + Sync {
    fn phase(&self, node_id: i32) -> Option<Phase>;
    /// Why the drain of a broker does not get on, or how far it is.
    fn sentence(&self, node_id: i32) -> Option<String>;
    /// Why it will not get on until somebody does something about it.
    fn problem(&self, node_id: i32) -> Option<String>;
}

/// One of the operator's commands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Command {
    /// None was run in this step since Leeward began.
    #[default]
    NotRun,
    Runs,
    Succeeded,
    /// In a sentence.
    Failed(String),
}

/// Something to do now. Each is safe to do again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    OpenWindow,
    CloseWindow(String),
    Drain(i32),
    Undrain(i32),
    Stop { node_id: i32, command: String },
    Start { node_id: i32, command: String },
}

impl Step {
    pub fn label(self) -> &'static str {
        match self {
            Step::Waiting => "waiting",
            Step::Draining => "draining",
            Step::Gate => "asking whether it may stop",
            Step::Stopping => "stopping",
            Step::Starting => "starting",
            Step::CatchingUp => "catching up",
            Step::Undraining => "taking its leaders back",
            Step::Done => "done",
        }
    }
}

impl Leg {
    pub fn new(node_id: i32) -> Self {
        Leg {
            node_id,
            step: Step::Waiting,
            since: 0,
            begun: None,
            ended: None,
            is_asked: false,
            restarted: None,
            greens: 0,
            next_check: 0,
            waits_for: None,
            address: None,
        }
    }

    fn note_address(&mut self, census: &Census) {
        if let Some(broker) = census.brokers.get(&self.node_id) {
            self.address = Some(broker.address.to_string());
        }
    }

    fn enter(&mut self, step: Step, now: Millis) {
        (self.step, self.since, self.is_asked) = (step, now, false);
        (self.greens, self.next_check, self.waits_for) = (0, now, None);
        self.begun = self.begun.or(Some(now));
        match step {
            Step::Waiting => self.begun = None,
            Step::CatchingUp => self.restarted = self.restarted.or(Some(now)),
            Step::Done => self.ended = Some(now),
            Step::Draining | Step::Gate | Step::Stopping | Step::Starting | Step::Undraining => {}
        }
    }
}

/// What a look at a step comes to.
enum Look {
    /// It is over; this one is next.
    Next(Step),
    /// Not yet, and for what it waits.
    Wait(String),
    Problem {
        problem: String,
        hint: String,
    },
}

impl Roll {
    /// Goes as far as `facts` allow. What it gives is to be done after the roll, as it is now, was written down.
    pub fn advance(&mut self, facts: &Facts<'_>, now: Millis) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.state != State::Running {
            return acts;
        }
        if self.legs.iter().all(|leg| leg.step == Step::Done) || self.is_ending && self.at_hand().is_none() {
            self.end(facts, &mut acts, now);
            return acts;
        }
        if self.settings.opens_window && !facts.is_window_open {
            acts.push(Act::OpenWindow);
            return acts;
        }
        if self.settings.opens_window && now.saturating_sub(self.window_since) < WINDOW_SETTLES {
            return acts;
        }
        let Some((census, read_at)) = facts.census else { return acts };
        let Some(at) = self.at_hand().or_else(|| self.next_leg(census)) else { return acts };
        if let Some(leg) = self.legs.get_mut(at) {
            leg.note_address(census);
        }
        if self.legs.get(at).is_some_and(|leg| leg.since <= read_at) {
            self.step(at, census, facts, &mut acts, now);
        } else {
            self.ask(at, &mut acts);
        }
        acts
    }

    /// The cluster could not be read.
    pub fn unread(&mut self, problem: &str, now: Millis) {
        let step_max = self.settings.step_max;
        let Some(leg) = self.at_hand().and_then(|at| self.legs.get_mut(at)).filter(|_| self.state == State::Running) else { return };
        let what = format!("the cluster could not be read: {problem}");
        if now.saturating_sub(leg.since) >= step_max {
            let problem = late(leg, &what, now);
            self.state = problem;
        } else {
            leg.waits_for = Some(what);
        }
    }

    /// Whether nothing is different but how long it waits, and for what.
    pub fn is_where(&self, other: &Roll) -> bool {
        let plain = |roll: &Roll| {
            let mut roll = roll.clone();
            for leg in &mut roll.legs {
                *leg = Leg { greens: 0, next_check: 0, waits_for: None, ..leg.clone() };
            }
            roll
        };
        plain(self) == plain(other)
    }

    /// The broker that is neither waiting nor done, as an index of the legs.
    pub fn at_hand(&self) -> Option<usize> {
        self.legs.iter().position(|leg| !matches!(leg.step, Step::Waiting | Step::Done))
    }

    /// The window that it asked for is open.
    pub fn window_opened(&mut self, id: &str, now: Millis) {
        (self.window, self.window_since) = (Some(id.to_owned()), now);
    }

    /// What it asked for could not be done.
    pub fn failed(&mut self, problem: impl Into<String>, hint: impl Into<String>) {
        if self.state == State::Running {
            self.state = State::Stuck { problem: problem.into(), hint: hint.into() };
        }
    }

    /// Begins nothing more until it is resumed. False: it is not running.
    pub fn pause(&mut self, by: &str, why: &str) -> bool {
        let can = matches!(self.state, State::Running | State::Stuck { .. });
        if can {
            self.state = State::Paused { by: by.to_owned(), why: why.to_owned() };
        }
        can
    }

    /// Goes on, and gives the step at hand its whole time again. False: it neither pauses nor is stuck.
    pub fn resume(&mut self, now: Millis) -> bool {
        if !matches!(self.state, State::Paused { .. } | State::Stuck { .. }) {
            return false;
        }
        self.state = State::Running;
        self.again(now);
        true
    }

    /// Leeward was started again: commands that ran then are not known about any more.
    pub fn recover(&mut self, now: Millis) {
        if self.state == State::Running {
            self.again(now);
        }
    }

    fn again(&mut self, now: Millis) {
        if let Some(leg) = self.at_hand().and_then(|at| self.legs.get_mut(at)) {
            leg.enter(leg.step, now);
        }
    }

    /// Makes the broker at hand whole, and begins no other; with `at_once`, or when it is told twice, leaves everything as it is. False: it is over already.
    pub fn abort(&mut self, at_once: bool, now: Millis) -> bool {
        if self.is_over() {
            return false;
        }
        if at_once || self.is_ending {
            self.state = State::Aborted { left: self.left() };
            self.ended = Some(now);
            return true;
        }
        self.is_ending = true;
        self.state = State::Running;
        if let Some(leg) = self.at_hand().and_then(|at| self.legs.get_mut(at)) {
            let next = if leg.step < Step::Stopping { Step::Undraining } else { leg.step };
            leg.enter(next, now);
        }
        true
    }

    /// Where it stands, in a word of [`Roll::LABELS`].
    pub fn label(&self) -> &'static str {
        match &self.state {
            State::Running if self.is_ending => "ending",
            State::Running => "running",
            State::Paused { .. } => "paused",
            State::Stuck { .. } => "stuck",
            State::Aborted { .. } => "aborted",
            State::Done => "done",
        }
    }

    /// Every word that [`Roll::label`] may say.
    pub const LABELS: [&'static str; 6] = ["running", "ending", "paused", "stuck", "aborted", "done"];

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Aborted { .. } | State::Done)
    }

    /// It is over only when its window is closed, so that no crash leaves that open.
    fn end(&mut self, facts: &Facts<'_>, acts: &mut Vec<Act>, now: Millis) {
        if let Some(id) = self.window.as_ref().filter(|_| facts.is_window_open) {
            acts.push(Act::CloseWindow(id.clone()));
            return;
        }
        self.window = None;
        self.state = if self.is_ending && self.legs.iter().any(|leg| leg.step != Step::Done) { State::Aborted { left: Vec::new() } } else { State::Done };
        self.ended = Some(now);
    }

    /// What a roll that ends here leaves behind.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if let Some(leg) = self.at_hand().and_then(|at| self.legs.get(at)) {
            let node_id = leg.node_id;
            if matches!(leg.step, Step::Stopping | Step::Starting) {
                left.push(format!("broker {node_id} may be down: start it, and ask leeward broker may-continue {node_id}"));
            }
            if self.settings.drains {
                left.push(format!("broker {node_id} stays drained: leeward broker undrain {node_id} gives its leaders back"));
            }
        }
        left.extend(self.window.iter().map(|id| format!("window {id} stays open until it expires: leeward maintenance off --id {id} closes it")));
        left
    }

    fn step(&mut self, at: usize, census: &Census, facts: &Facts<'_>, acts: &mut Vec<Act>, now: Millis) {
        // Waiting, draining and the gate can be over in one look.
        for _ in 0..3 {
            let Some(leg) = self.legs.get_mut(at) else { return };
            match look(leg, &self.settings, self.is_ending, census, facts, now) {
                Look::Next(step) => {
                    leg.enter(step, now);
                    // What is known was known before this step began.
                    if step != Step::Draining && step != Step::Gate {
                        self.ask(at, acts);
                        return;
                    }
                }
                Look::Wait(what) => {
                    let is_late = now.saturating_sub(leg.since) >= self.settings.step_max && !self.settings.waits_for_person(leg.step);
                    if is_late {
                        self.state = late(leg, &what, now);
                    } else {
                        self.ask(at, acts);
                    }
                    if let Some(leg) = self.legs.get_mut(at) {
                        leg.waits_for = Some(what);
                    }
                    return;
                }
                Look::Problem { problem, hint } => {
                    self.state = State::Stuck { problem, hint };
                    return;
                }
            }
        }
    }

    /// What the step at hand calls for, once.
    fn ask(&mut self, at: usize, acts: &mut Vec<Act>) {
        let Some(leg) = self.legs.get_mut(at).filter(|leg| !leg.is_asked) else { return };
        leg.is_asked = true;
        let node_id = leg.node_id;
        acts.extend(match leg.step {
            Step::Draining => Some(Act::Drain(node_id)),
            Step::Undraining => Some(Act::Undrain(node_id)),
            Step::Stopping => self.settings.stop_command.clone().map(|command| Act::Stop { node_id, command }),
            Step::Starting => self.settings.start_command.clone().map(|command| Act::Start { node_id, command }),
            Step::Waiting | Step::Gate | Step::CatchingUp | Step::Done => None,
        });
    }

    /// The next broker to go: the first that waits, but the active controller only when no other does.
    fn next_leg(&self, census: &Census) -> Option<usize> {
        let waits = |leg: &Leg| leg.step == Step::Waiting;
        let other = self.legs.iter().position(|leg| waits(leg) && Some(leg.node_id) != census.controller_id);
        other.or_else(|| self.legs.iter().position(waits))
    }
}

impl Settings {
    /// Whether the step is a person's: nobody can say how long that takes.
    fn waits_for_person(&self, step: Step) -> bool {
        match step {
            Step::Stopping => self.stop_command.is_none(),
            Step::Starting => self.start_command.is_none(),
            Step::Waiting | Step::Draining | Step::Gate | Step::CatchingUp | Step::Undraining | Step::Done => false,
        }
    }
}

fn look(leg: &mut Leg, settings: &Settings, is_ending: bool, census: &Census, facts: &Facts<'_>, now: Millis) -> Look {
    let node_id = leg.node_id;
    let broker = census.brokers.get(&node_id);
    let is_up = broker.is_some_and(|broker| broker.is_reachable);
    let address = leg.address.clone();
    let where_it_is = || address.as_ref().map_or_else(String::new, |address| format!(" ({address})"));
    match leg.step {
        Step::Waiting => Look::Next(if settings.drains { Step::Draining } else { Step::Gate }),
        Step::Draining => match facts.drains.phase(node_id) {
            Some(Phase::Drained) => Look::Next(Step::Gate),
            Some(_) if facts.drains.problem(node_id).is_some() => cannot_drain(node_id, &facts.drains.problem(node_id).unwrap_or_default()),
            Some(Phase::Draining | Phase::Undraining) | None => {
                Look::Wait(facts.drains.sentence(node_id).unwrap_or_else(|| format!("leaders leave broker {node_id}")))
            }
        },
        Step::Gate => {
            if now < leg.next_check {
                return Look::Wait(leg.waits_for.clone().unwrap_or_else(|| "the next check".to_owned()));
            }
            let draining = if settings.drains { [node_id].into() } else { BTreeSet::new() };
            let verdict = may_stop(census, node_id, settings.guarantee, &draining);
            checked(leg, settings, verdict.blockers.iter().map(|blocker| blocker.text.as_str()).collect(), Step::Stopping, now)
        }
        Step::Stopping => match (facts.command, &settings.stop_command) {
            (Command::Failed(problem), Some(command)) => failed_command(node_id, "stop", command, problem),
            (Command::Runs, Some(_)) => Look::Wait(format!("the command that stops broker {node_id} runs")),
            _ if !is_up || facts.was_away => Look::Next(Step::Starting),
            (_, Some(_)) => Look::Wait(format!("broker {node_id}{} answers still", where_it_is())),
            (_, None) => Look::Wait(format!("a person: stop broker {node_id}{} now", where_it_is())),
        },
        Step::Starting => match (facts.command, &settings.start_command) {
            _ if is_up && broker.is_some_and(|broker| broker.is_listed) => Look::Next(Step::CatchingUp),
            (Command::Failed(problem), Some(command)) => failed_command(node_id, "start", command, problem),
            (_, Some(_)) => Look::Wait(format!("broker {node_id}{} does not answer yet, or is not in the metadata", where_it_is())),
            (_, None) => Look::Wait(format!("a person: start broker {node_id}{} now", where_it_is())),
        },
        Step::CatchingUp => {
            if now < leg.next_check {
                return Look::Wait(leg.waits_for.clone().unwrap_or_else(|| "the next check".to_owned()));
            }
            let back = may_continue(census, node_id, None);
            let next = if settings.drains { Step::Undraining } else { Step::Done };
            checked(leg, settings, back.missing.iter().map(|missing| missing.text.as_str()).collect(), next, now)
        }
        Step::Undraining => match facts.drains.phase(node_id) {
            // A roll that ends before this broker was stopped leaves it as one that never went.
            None if is_ending && leg.restarted.is_none() => Look::Next(Step::Waiting),
            None => Look::Next(Step::Done),
            Some(Phase::Draining | Phase::Drained | Phase::Undraining) => {
                Look::Wait(facts.drains.sentence(node_id).unwrap_or_else(|| format!("leaders come back to broker {node_id}")))
            }
        },
        Step::Done => Look::Wait(String::new()),
    }
}

fn late(leg: &Leg, what: &str, now: Millis) -> State {
    let minutes = now.saturating_sub(leg.since) / 60_000;
    let problem = format!("broker {} is {} for {minutes} min: {what}", leg.node_id, leg.step.label());
    let hint = "look into it, then leeward roll resume gives it the same time again, and leeward roll abort ends the roll".to_owned();
    State::Stuck { problem, hint }
}

/// One check of those that must be green in a row; `against`: why this one is not.
fn checked(leg: &mut Leg, settings: &Settings, against: Vec<&str>, next: Step, now: Millis) -> Look {
    leg.next_check = now + settings.check_every;
    if !against.is_empty() {
        leg.greens = 0;
        return Look::Wait(against.join("; "));
    }
    leg.greens += 1;
    if leg.greens >= settings.checks {
        return Look::Next(next);
    }
    Look::Wait(format!("{} of {} checks in a row were green", leg.greens, settings.checks))
}

fn cannot_drain(node_id: i32, problem: &str) -> Look {
    let problem = format!("broker {node_id} cannot be drained: {problem}");
    let hint = "mend that and go on with leeward roll resume, or end the roll (leeward roll abort) and begin one that does not drain (--no-drain)".to_owned();
    Look::Problem { problem, hint }
}

fn failed_command(node_id: i32, verb: &str, command: &str, problem: &str) -> Look {
    let problem = format!("the command that is to {verb} broker {node_id} failed: {problem}");
    let hint =
        format!("it was: {command}; {verb} the broker by hand or mend what is wrong, then leeward roll resume runs it again unless that is done already");
    Look::Problem { problem, hint }
}
