//! A reading of the cluster, and what is done about it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, Done, Outcome, Reassigner, happening};
use crate::control::{NotChanged, Operator, OperatorError};
use crate::guard::time::Millis;
use crate::reassign::{hands, now};
use crate::rolling::Census;
use crate::rolling::reassign::run::{Facts, Leg, Place, Run, Sizes, Values};

/// What was read, for one look.
pub(super) struct Reading {
    census: Census,
    throttles: BTreeMap<Place, Option<Values>>,
    sizes: Sizes,
    read_at: Millis,
}

impl Reading {
    async fn of(operator: Operator, places: Vec<Place>, leg: Option<Leg>) -> Result<Self, OperatorError> {
        let read_at = now();
        let census = operator.census().await?;
        let throttles = operator.throttles(&places).await;
        let sizes = match leg {
            Some(leg) => sizes(&operator, std::slice::from_ref(&leg)).await,
            None => Sizes::new(),
        };
        Ok(Reading { census, throttles, sizes, read_at })
    }
}

/// Bytes of these topics' partitions, at every broker concerned.
pub(super) async fn sizes(operator: &Operator, topics: &[Leg]) -> Sizes {
    let brokers: BTreeSet<i32> = topics.iter().flat_map(Leg::brokers).collect();
    let partitions = topics.iter().map(|leg| (leg.topic.clone(), leg.partitions.iter().map(|shift| shift.partition).collect())).collect();
    operator.sizes(&brokers, &partitions).await
}

impl Reassigner {
    pub(super) fn read(&mut self) {
        let Some(run) = &self.run else { return };
        self.is_reading = true;
        let (operator, places) = (self.means.operator.clone(), run.places());
        let leg = run.at_hand().and_then(|at| run.topics.get(at)).cloned();
        self.work.spawn(async move { Done::Read(Box::new(Reading::of(operator, places, leg).await)) });
    }

    /// Goes on as far as this reading allows.
    pub(super) async fn look(&mut self, reading: &Reading) {
        if !self.means.maintenance.acts() {
            return;
        }
        let latency = self.latency.lately();
        let Some(run) = &mut self.run else { return };
        let before = run.clone();
        let Reading { census, throttles, sizes, read_at } = reading;
        let mut acts = run.advance(&Facts { census, read_at: *read_at, throttles, sizes, latency }, now());
        if !run.is_where(&before) {
            let told = happening(&before, run);
            hands::tell(run, &self.means.maintenance.configs().borrow().state.directory);
            if !self.save(told).await {
                // With a full disk, too, throttles are cleared. What was there before stays noted.
                acts.retain(|act| before.restores(act));
            }
        }
        if acts.is_empty() {
            return;
        }
        self.is_acting = true;
        let operator = self.means.operator.clone();
        self.work.spawn(async move { Done::Acted(act(&operator, acts).await) });
    }
}

/// Does one after the other: throttles come before what they throttle.
async fn act(operator: &Operator, acts: Vec<Act>) -> Outcome {
    let mut outcome = Outcome::default();
    for act in acts {
        tracing::debug!(?act, "a reassignment acts");
        let done = match &act {
            Act::Throttle { place, values } => operator.set_throttle(place, values).await.map(|()| Vec::new()),
            Act::Reassign { topic, partitions } => operator.reassign(topic, partitions).await,
            Act::Elect { topic, partitions } => operator.elect(topic, partitions).await,
        };
        match done {
            Ok(refused) => outcome.problems.extend(refused.first().map(|first| not_changed(first, refused.len()))),
            Err(error @ OperatorError::MayNotAlter { .. }) => outcome.lasting = Some(error.to_string()),
            Err(error) => outcome.problems.push(error.to_string()),
        }
    }
    outcome
}

fn not_changed(first: &NotChanged, of: usize) -> String {
    let more = if of == 1 { String::new() } else { format!(", and {} more", of - 1) };
    format!("the controller did not change {}-{}: {}{more}; Leeward asks again", first.topic, first.partition, first.why)
}

impl Run {
    /// Whether an act sets again what was set before.
    fn restores(&self, act: &Act) -> bool {
        match act {
            Act::Throttle { place, values } => self.noted.iter().any(|noted| noted.place == *place && noted.before == *values),
            Act::Reassign { .. } | Act::Elect { .. } => false,
        }
    }
}
