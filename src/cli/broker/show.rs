//! The gate's answers for a person.

use super::Decision;
use crate::cli::output::{Paint, indented};
use crate::rolling::gate::{PartitionName, Risks, Verdict, named};
use crate::rolling::resume::Return;

/// In front of every sentence.
const BULLET: &str = "  - ";

impl Decision for Verdict {
    fn is_yes(&self) -> bool {
        self.may_stop
    }

    fn text(&self, paint: Paint) -> String {
        let (node_id, guarantee) = (self.node_id, self.guarantee.label());
        let head = if self.may_stop {
            paint.good(&format!("yes: broker {node_id} may stop ({guarantee})"))
        } else {
            paint.bad(&format!("no: broker {node_id} may not stop ({guarantee})"))
        };
        let mut parts = vec![head];
        parts.extend(self.blockers.iter().map(|blocker| indented(BULLET, &blocker.text)));
        listed(&mut parts, "what its stop would do:", risks(&self.risks));
        listed(&mut parts, "besides:", self.notes.clone());
        parts.join("\n")
    }

    fn reason(&self) -> String {
        self.blockers.iter().map(|blocker| blocker.text.as_str()).collect::<Vec<_>>().join("; ")
    }
}

impl Decision for Return {
    fn is_yes(&self) -> bool {
        self.may_continue
    }

    fn text(&self, paint: Paint) -> String {
        let node_id = self.node_id;
        let head = if self.may_continue {
            paint.good(&format!("yes: broker {node_id} is back, go on"))
        } else {
            paint.bad(&format!("no: broker {node_id} is not back yet"))
        };
        let mut parts = vec![head];
        parts.extend(self.missing.iter().map(|missing| indented(BULLET, &missing.text)));
        let share = self.share;
        let load = format!(
            "load: in sync with {} of {} replicas, leads {} of the {} partitions that prefer it",
            share.in_sync, share.replicas, share.preferred_led, share.preferred
        );
        parts.push(load);
        listed(&mut parts, "besides:", self.notes.clone());
        parts.join("\n")
    }

    fn reason(&self) -> String {
        self.missing.iter().map(|missing| missing.text.as_str()).collect::<Vec<_>>().join("; ")
    }
}

fn listed(parts: &mut Vec<String>, heading: &str, sentences: Vec<String>) {
    if !sentences.is_empty() {
        parts.push(heading.to_owned());
        parts.extend(sentences.iter().map(|sentence| indented(BULLET, sentence)));
    }
}

fn risks(risks: &Risks) -> Vec<String> {
    let rows: [(&str, &[PartitionName], &str); 4] = [
        ("rf1_offline", &risks.rf1_offline, "their only replica is on it, so they are neither written nor read until it is back"),
        ("unavailable", &risks.unavailable, "no other replica is in sync, so they have no leader until it is back"),
        ("full_acks_produce_unavailable", &risks.full_acks_produce_unavailable, "acks=all is refused, acks=1 and reading go on"),
        (
            "acks1_data_loss",
            &risks.acks1_data_loss,
            "it leads them: records with acks=1 that no follower has yet are lost; drain it first, or open a window (leeward maintenance on)",
        ),
    ];
    let told = rows.into_iter().filter(|(_, partitions, _)| !partitions.is_empty());
    told.map(|(name, partitions, meaning)| format!("{name}: {}: {meaning}", named(partitions))).collect()
}
