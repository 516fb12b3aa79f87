//! What operators ask for.

use super::look::sizes;
use super::{Done, ITSELF, Reassigner, brief, refusal};
use crate::config::parse_size;
use crate::control::{Operator, OperatorError};
use crate::maintenance::{Happening, OVERTAKEN_MAX, Refusal, RefusalKind};
use crate::reassign::api::{PauseRequest, ReassignAnswer, ResumeRequest, RollbackRequest, RunRequest};
use crate::reassign::{Order, hands, now, shown};
use crate::rolling::Census;
use crate::rolling::reassign::Assignment;
use crate::rolling::reassign::run::{Leg, Run, Sizes, State, Unfit};
use crate::rolling::reassign::throttle::{Bounds, Pace};

/// Below it a broker's quota holds one fetch up for longer than the broker waits for it.
const THROTTLE_MIN: u64 = 1 << 10;

impl Reassigner {
    pub(super) async fn on_order(&mut self, order: Order) {
        // Whoever asked may have gone.
        match order {
            Order::Run(request, reply) => {
                let operator = self.means.operator.clone();
                self.work.spawn(async move {
                    let read = read(&operator, &request).await;
                    Done::ToRun(Box::new(request), read, reply)
                });
            }
            Order::Pause(PauseRequest { reason, at_once, author }, reply) => {
                let by = author.clone().unwrap_or_else(|| ITSELF.to_owned());
                let outcome = self.change("reassignment paused", &reason, author, |run| run.pause(&by, &reason, at_once), "it cannot pause").await;
                let _ = reply.send(outcome);
            }
            Order::Resume(ResumeRequest { reason, author }, reply) => {
                let outcome = self.change("reassignment resumed", &reason, author, Run::resume, "it neither pauses nor has it stopped").await;
                let _ = reply.send(outcome);
            }
            Order::Rollback(RollbackRequest { reason, author }, reply) => {
                let cannot = "it goes back already, or has";
                let outcome = self.change("reassignment rolled back", &reason, author, |run| run.roll_back(now()), cannot).await;
                let _ = reply.send(outcome);
            }
        }
        self.next_look = tokio::time::Instant::now();
    }

    async fn change(
        &mut self,
        what: &'static str,
        why: &str,
        who: Option<String>,
        change: impl Fn(&mut Run) -> bool,
        cannot: &str,
    ) -> Result<ReassignAnswer, Refusal> {
        let why = reason(why)?;
        let make = |run: Option<&Run>| {
            let Some(run) = run else {
                return Err(refusal(RefusalKind::Missing, "there is no reassignment".to_owned(), "leeward reassign run begins one"));
            };
            let mut changed = run.clone();
            if !change(&mut changed) {
                let error = format!("reassignment {}: {cannot} ({})", run.id, run.progress(now()).sentence);
                return Err(refusal(RefusalKind::Blocked, error, "leeward reassign status shows how far it is"));
            }
            let (who, why) = (who.clone(), why.clone());
            let told = Happening { who, what, why, before: Some(brief(run)), after: Some(brief(&changed)), result: "done".to_owned() };
            Ok((changed, told))
        };
        let changed = self.keep(make).await?;
        Ok(ReassignAnswer { dry_run: false, reassignment: shown(&self.means.maintenance, &changed) })
    }

    /// Writes down what an order makes of it. Where another Leeward has changed it meanwhile, it is made of that.
    async fn keep(&mut self, make: impl Fn(Option<&Run>) -> Result<(Run, Happening), Refusal>) -> Result<Run, Refusal> {
        let mut times = 0;
        loop {
            let (run, told) = make(self.run.as_ref())?;
            times += 1;
            match self.means.maintenance.save_reassign(self.kept.clone(), run.clone(), Some(told)).await {
                Ok(()) => {
                    self.kept = Some(run.clone());
                    self.run = Some(run.clone());
                    hands::tell(&run, &self.means.maintenance.configs().borrow().state.directory);
                    self.shown.store(std::sync::Arc::new(self.run.clone()));
                    return Ok(run);
                }
                Err(Refusal { kind: RefusalKind::Overtaken, .. }) if times < OVERTAKEN_MAX => self.take_in(),
                Err(refusal) => return Err(refusal),
            }
        }
    }

    pub(super) async fn begin(&mut self, request: RunRequest, census: &Census, sizes: &Sizes) -> Result<ReassignAnswer, Refusal> {
        let (why, bounds) = (reason(&request.reason)?, bounds(&request)?);
        no_other(self.run.as_ref())?;
        let topics = measured(topics(&request, census)?, sizes);
        let latency = self.latency.of_minute();
        let make = |last: Option<&Run>| {
            no_other(last)?;
            let number = last.and_then(|run| run.id.strip_prefix('m')?.parse::<u64>().ok()).unwrap_or(0) + 1;
            let run = Run {
                id: format!("m{number}"),
                reason: why.clone(),
                author: request.author.clone().unwrap_or_else(|| ITSELF.to_owned()),
                begun: now(),
                ended: None,
                bounds,
                known: census.brokers.values().map(|broker| broker.address.to_string()).collect(),
                is_by_hand: Operator::moves_by_hand(census),
                topics: topics.clone(),
                is_back: false,
                pace: Pace::new(bounds, last.map_or(latency, |run| run.before_next(latency, now()))),
                // What is still to be cleared of a broker that was away.
                noted: last.map(|run| run.noted.clone()).unwrap_or_default(),
                state: State::Running,
            };
            let (who, why) = (request.author.clone(), why.clone());
            let told = Happening { who, what: "reassignment begun", why, before: None, after: Some(brief(&run)), result: "done".to_owned() };
            Ok((run, told))
        };
        if request.dry_run {
            let (run, _) = make(self.run.as_ref())?;
            return Ok(ReassignAnswer { dry_run: true, reassignment: shown(&self.means.maintenance, &run) });
        }
        let run = self.keep(make).await?;
        self.next_look = tokio::time::Instant::now();
        Ok(ReassignAnswer { dry_run: false, reassignment: shown(&self.means.maintenance, &run) })
    }
}

/// One at a time.
fn no_other(last: Option<&Run>) -> Result<(), Refusal> {
    let Some(run) = last.filter(|run| !run.is_over()) else { return Ok(()) };
    let error = format!("reassignment {} is not over: {}", run.id, run.progress(now()).sentence);
    Err(refusal(RefusalKind::Blocked, error, "wait for its end, or bring it back with leeward reassign rollback"))
}

/// The cluster, and the sizes of what the assignment moves. What is wrong with the assignment is told later.
async fn read(operator: &Operator, request: &RunRequest) -> Result<(Census, Sizes), OperatorError> {
    let census = operator.census().await?;
    let topics = topics(request, &census).unwrap_or_default();
    let sizes = sizes(operator, &topics).await;
    Ok((census, sizes))
}

fn topics(request: &RunRequest, census: &Census) -> Result<Vec<Leg>, Refusal> {
    let wanted = Assignment::from_json(request.assignment.as_bytes())
        .map_err(|error| refusal(RefusalKind::Wrong, format!("the assignment cannot be read: {error}"), "leeward reassign plan writes one"))?;
    Run::topics_of(census, &wanted).map_err(|Unfit { problem, hint, is_wrong }| {
        let kind = if is_wrong { RefusalKind::Wrong } else { RefusalKind::Blocked };
        refusal(kind, problem, hint)
    })
}

/// A partition is as large as its largest replica.
fn measured(mut topics: Vec<Leg>, sizes: &Sizes) -> Vec<Leg> {
    for leg in &mut topics {
        for shift in &mut leg.partitions {
            let on = |node_id: &i32| sizes.get(&(*node_id, leg.topic.clone(), shift.partition)).copied();
            shift.bytes = shift.from.iter().filter_map(on).max().unwrap_or(0);
        }
    }
    topics
}

fn bounds(request: &RunRequest) -> Result<Bounds, Refusal> {
    let size = |name: &str, text: &str| {
        parse_size(text).map_err(|error| refusal(RefusalKind::Wrong, format!("{name}: {error}"), "write it as \"10MiB\" (units: B, KiB, MiB, GiB), a second"))
    };
    let bounds = Bounds { min: size("throttle_min", &request.throttle_min)?, max: size("throttle_max", &request.throttle_max)? };
    if bounds.min < THROTTLE_MIN || bounds.max < bounds.min || i64::try_from(bounds.max).is_err() {
        let error = format!("a throttle from {} to {} is none", request.throttle_min, request.throttle_max);
        return Err(refusal(RefusalKind::Wrong, error, "throttle_min is 1KiB at least, and throttle_max not below it"));
    }
    Ok(bounds)
}

fn reason(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(refusal(RefusalKind::Wrong, "there is no reason".to_owned(), "say why, for whoever reads the audit file"));
    }
    Ok(text.to_owned())
}
