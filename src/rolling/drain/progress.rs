//! How far a drain is, in a sentence.

use super::check::{count, named};
use super::{Drain, Hindrance, LeftAs, Phase, Plan, Restoring, partitions_by_name};
use crate::rolling::census::Census;

/// How far a drain is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Of the leaderships that it had (draining), or of the orders that were saved (undraining), those that are where they should be.
    pub moved: usize,
    /// All of them.
    pub of: usize,
    /// Partitions that the broker leads now.
    pub leads: usize,
    /// Partitions that the cluster is still to be asked for.
    pub pending: usize,
    /// `topic-partition` of those that cannot be moved, or stay as they are.
    pub unmoved: Vec<String>,
    /// All of this in a sentence.
    pub sentence: String,
}

impl Progress {
    pub fn of_drain(census: &Census, node_id: i32, drain: &Drain, plan: &Plan) -> Self {
        let partitions = partitions_by_name(census);
        let gave_up = |leader: Option<i32>| leader.is_some_and(|leader| leader != node_id);
        let led = drain.saved.iter().filter(|saved| saved.led);
        let moved = led.filter(|saved| partitions.get(&(saved.topic.as_str(), saved.partition)).is_some_and(|now| gave_up(now.leader))).count();
        let leads = census.led_by(node_id).count();
        let of = moved + leads;
        let head = match (moved, of) {
            (0, 0) => "it leads nothing".to_owned(),
            (moved, of) if moved == of => format!("all {} moved", count(of, "leader")),
            (moved, of) => format!("{moved} of {} moved", count(of, "leader")),
        };
        let mut parts = vec![head];
        for (why, one, more) in [
            (Hindrance::OneReplica, "has one replica and cannot move", "have one replica and cannot move"),
            (
                Hindrance::NoneInSync,
                "has no other replica in sync on a broker that stays, and waits",
                "have no other replica in sync on a broker that stays, and wait",
            ),
            (Hindrance::Reassigning, "waits for its reassignment to end", "wait for their reassignment to end"),
        ] {
            let names: Vec<String> = plan.stuck.iter().filter(|stuck| stuck.why == why).map(|stuck| format!("{}-{}", stuck.topic, stuck.partition)).collect();
            parts.extend(said(&names, one, more));
        }
        let unmoved = plan.stuck.iter().map(|stuck| format!("{}-{}", stuck.topic, stuck.partition)).collect();
        Progress { moved, of, leads, pending: plan.moves.len(), unmoved, sentence: format!("broker {node_id}: {}", parts.join("; ")) }
    }

    pub fn of_undrain(census: &Census, node_id: i32, drain: &Drain, restoring: &Restoring) -> Self {
        let of = drain.saved.len();
        let head = match (restoring.restored, of) {
            (0, 0) => "there was nothing to restore".to_owned(),
            (moved, of) if moved == of => format!("all {} have the order of before", count(of, "partition")),
            (moved, of) => format!("{moved} of {} have the order of before", count(of, "partition")),
        };
        let mut parts = vec![head];
        let waiting: Vec<String> = restoring.waiting.iter().map(|(topic, partition)| format!("{topic}-{partition}")).collect();
        parts.extend(said(&waiting, "waits for the broker to be in sync", "wait for the broker to be in sync"));
        let names =
            |why| restoring.left.iter().filter(move |left| left.why == why).map(|left| format!("{}-{}", left.topic, left.partition)).collect::<Vec<_>>();
        let reassigned = names(LeftAs::Reassigned);
        parts.extend(said(&reassigned, "was reassigned meanwhile and stays as it is", "were reassigned meanwhile and stay as they are"));
        parts.extend(said(&names(LeftAs::Gone), "is gone", "are gone"));
        let unmoved = [waiting, reassigned].concat();
        Progress {
            moved: restoring.restored,
            of,
            leads: census.led_by(node_id).count(),
            pending: restoring.moves.len(),
            unmoved,
            sentence: format!("broker {node_id}: {}", parts.join("; ")),
        }
    }

    /// Before anything was read.
    pub fn unknown(node_id: i32, phase: Phase) -> Self {
        Progress { sentence: format!("broker {node_id}: {}; the cluster is being read", phase.label()), ..Progress::default() }
    }
}

fn said(names: &[String], one: &str, more: &str) -> Option<String> {
    match names {
        [] => None,
        [name] => Some(format!("1 {one} ({name})")),
        names => Some(format!("{} {more} ({})", names.len(), named(names))),
    }
}
