//! The one owner of the reassignment: takes commands, readings of the cluster, and what became of what it has begun, one after the other.

mod look;
mod orders;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::api::RunRequest;
use super::latency::Latency;
use super::{Means, Order, Reply, now};
use crate::control::OperatorError;
use crate::maintenance::{Happening, Refusal, RefusalKind};
use crate::rolling::Census;
use crate::rolling::reassign::run::{Act, Run, Sizes, State};
use look::Reading;

/// Between two readings of the cluster while partitions move.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// While nothing is left but the throttles of brokers that do not answer.
const WHILE_AWAY: Duration = Duration::from_secs(5);

/// Between two readings of what clients' writes take.
const LATENCY_EVERY: Duration = Duration::from_millis(crate::rolling::reassign::throttle::PACE_EVERY);

/// Who acts when nobody does.
const ITSELF: &str = "leeward";

/// The reassignments of a running Leeward, of which one at most is not over.
pub struct Reassigner {
    means: Means,
    inbox: mpsc::Receiver<Order>,
    shown: Arc<ArcSwap<Option<Run>>>,
    run: Option<Run>,
    /// As it was kept last, by this Leeward or by another one that shares it.
    kept: Option<Run>,
    /// This Leeward is the one that walks; of several, one does.
    walks: bool,
    work: JoinSet<Done>,
    is_reading: bool,
    /// What a look has called for is not done yet.
    is_acting: bool,
    /// Since when it is as it was asked for; a reading that began before says nothing.
    next_look: Instant,
    latency: Latency,
    next_latency: Instant,
}

/// Something that was begun is over.
enum Done {
    Read(Box<Result<Reading, OperatorError>>),
    ToRun(Box<RunRequest>, Result<(Census, Sizes), OperatorError>, Reply),
    Acted(Outcome),
}

/// What became of what a look has called for.
#[derive(Default)]
struct Outcome {
    /// In sentences.
    problems: Vec<String>,
    /// What stays so until somebody does something about it.
    lasting: Option<String>,
}

impl Reassigner {
    pub(super) fn new(means: Means, inbox: mpsc::Receiver<Order>, shown: Arc<ArcSwap<Option<Run>>>) -> Self {
        let run = Option::clone(&shown.load());
        let (work, latency, at) = (JoinSet::new(), Latency::default(), Instant::now());
        let kept = run.clone();
        Reassigner { means, inbox, shown, run, kept, walks: false, work, is_reading: false, is_acting: false, next_look: at, latency, next_latency: at }
    }

    /// Goes on until nobody holds a handle any more.
    pub async fn run(mut self) {
        let mut changes = self.means.maintenance.changes();
        loop {
            self.follow_walker();
            self.shown.store(Arc::new(self.run.clone()));
            let looks = self.walks && self.run.as_ref().is_some_and(|run| !run.rests()) && !self.is_reading && !self.is_acting;
            tokio::select! {
                order = self.inbox.recv() => match order {
                    Some(order) => self.on_order(order).await,
                    None => return,
                },
                Some(done) = self.work.join_next() => match done {
                    Ok(done) => self.on_done(done).await,
                    Err(error) => {
                        (self.is_reading, self.is_acting) = (false, false);
                        self.stop("something that the reassignment had begun ended without a result", &error.to_string()).await;
                    }
                },
                Ok(()) = changes.changed() => self.take_in(),
                () = tokio::time::sleep_until(self.next_latency) => {
                    self.latency.note(&self.means.telemetry);
                    self.next_latency = Instant::now() + LATENCY_EVERY;
                }
                () = tokio::time::sleep_until(self.next_look), if looks => self.read(),
            }
        }
    }

    /// Goes on where whoever walked before has left it: this Leeward before a crash, or another one.
    fn follow_walker(&mut self) {
        let walks = self.means.maintenance.acts();
        if walks && !self.walks {
            self.take_in();
            self.next_look = Instant::now();
            if let Some(run) = self.run.as_mut().filter(|run| !run.rests()) {
                run.recover(now());
                tracing::info!(reassignment = %run.id, how_far = %run.progress(now()).sentence, "a reassignment goes on");
            }
        }
        self.walks = walks;
    }

    /// What another Leeward has made of it takes the place of what this one knew.
    fn take_in(&mut self) {
        let kept = self.means.maintenance.reassign();
        if kept != self.kept {
            (self.run, self.kept) = (kept.clone(), kept);
        }
    }

    async fn on_done(&mut self, done: Done) {
        match done {
            Done::Read(reading) => {
                self.is_reading = false;
                let is_over = self.run.as_ref().is_none_or(Run::is_over);
                self.next_look = Instant::now() + if is_over { WHILE_AWAY } else { LOOK_EVERY };
                match *reading {
                    Ok(reading) => self.look(&reading).await,
                    Err(error) => {
                        if let Some(run) = &mut self.run {
                            run.unread(&format!("the cluster could not be read: {error}"));
                        }
                    }
                }
            }
            Done::ToRun(request, read, reply) => {
                let answer = match read {
                    Ok((census, sizes)) => self.begin(*request, &census, &sizes).await,
                    Err(error) => {
                        Err(refusal(RefusalKind::Unread, format!("the cluster could not be read: {error}"), "see leeward status; nothing has changed"))
                    }
                };
                // Whoever asked may have gone.
                let _ = reply.send(answer);
            }
            Done::Acted(Outcome { problems, lasting }) => {
                self.is_acting = false;
                if let (Some(run), Some(problem)) = (&mut self.run, problems.first()) {
                    tracing::warn!(%problem, more = problems.len() - 1, "a reassignment was refused something");
                    run.unread(problem);
                }
                if let Some(problem) = lasting {
                    self.stop(&problem, "give Leeward's account that right, then leeward reassign resume").await;
                }
            }
        }
    }

    /// Writes it down. False: it could not be.
    async fn save(&mut self, told: Option<Happening>) -> bool {
        let Some(run) = &self.run else { return false };
        match self.means.maintenance.save_reassign(self.kept.clone(), run.clone(), told).await {
            Ok(()) => {
                self.kept.clone_from(&self.run);
                true
            }
            Err(Refusal { error, .. }) => {
                // Nothing of it has been done. The next look decides anew, from what is kept then.
                tracing::warn!(%error, "a reassignment waits, as what it does next is not kept");
                self.kept = self.means.maintenance.reassign();
                self.run.clone_from(&self.kept);
                if let Some(run) = &mut self.run {
                    run.unread(&error);
                }
                false
            }
        }
    }

    async fn stop(&mut self, problem: &str, hint: &str) {
        let Some(run) = &mut self.run else { return };
        let before = run.clone();
        run.failed(problem, hint);
        let told = happening(&before, run);
        self.save(told).await;
    }
}

/// What the audit file is to tell of a step, if anything: each topic that begins or is done, a problem, and the end.
fn happening(before: &Run, after: &Run) -> Option<Happening> {
    let is_new = before.state != after.state;
    let new = |is_so: fn(&crate::rolling::reassign::run::Leg) -> bool| {
        let mut both = before.topics.iter().zip(&after.topics);
        both.find(|(before, after)| !is_so(before) && is_so(after)).map(|(_, after)| after.topic.clone())
    };
    let (what, result) = match &after.state {
        State::Stuck { problem, .. } if is_new => ("reassignment stopped", problem.clone()),
        State::Done | State::RolledBack if is_new => ("reassignment ended", after.progress(after.ended.unwrap_or_default()).sentence),
        State::Running | State::Paused { .. } | State::Stuck { .. } | State::Done | State::RolledBack => {
            let begun = new(|leg| leg.begun.is_some()).map(|topic| ("reassignment moves a topic", topic));
            begun.or_else(|| Some(("reassignment is done with a topic", new(|leg| leg.ended.is_some())?)))?
        }
    };
    let (who, why) = (Some(ITSELF.to_owned()), after.reason.clone());
    Some(Happening { who, what, why, before: Some(brief(before)), after: Some(brief(after)), result })
}

/// A reassignment as the audit file shows it. The replicas are in the state.
fn brief(run: &Run) -> serde_json::Value {
    let topics: Vec<_> = run.topics.iter().map(|leg| json!({ "topic": leg.topic, "step": leg.step, "partitions": leg.partitions.len() })).collect();
    json!({ "id": run.id, "state": run.state, "back": run.is_back, "throttle": run.bounds, "throttled": run.noted, "topics": topics })
}

fn refusal(kind: RefusalKind, error: String, hint: &str) -> Refusal {
    Refusal { kind, error, hint: hint.to_owned(), preflight: None }
}
