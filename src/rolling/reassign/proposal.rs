//! What a reassignment would do, told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Assignment;
use super::estimate::{Shorter, Time};
use super::layout::{Layout, Standing};

/// A plan, or what another tool's plan comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// By topic and partition.
    pub moves: Vec<Move>,
    /// Replicas that are made on a broker that has none of that partition.
    pub copies: usize,
    /// What these copies take. Where `copies_of_unknown_size` is not 0, at least.
    pub bytes: u64,
    pub copies_of_unknown_size: usize,
    /// Partitions that get another preferred leader.
    pub leader_changes: usize,
    /// What was looked at: partitions of the topics that were asked for.
    pub partitions: usize,
    pub replicas: usize,
    pub brokers: Vec<Share>,
    /// Partitions that have more replicas on one rack than they must.
    pub crowded_before: usize,
    pub crowded_after: usize,
    /// Whether it is certain that nothing as even takes fewer copies; absent of another tool's plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_fewest: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    pub shorter_retention: Shorter,
    /// Why it must not be carried out.
    pub problems: Vec<String>,
    /// What to know besides.
    pub notes: Vec<String>,
}

/// A partition whose replicas, or their order, would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub topic: String,
    pub partition: i32,
    pub from: Vec<i32>,
    pub to: Vec<i32>,
    /// The brokers that have to copy it.
    pub copies: Vec<i32>,
    /// What one copy takes; absent where it is not known.
    pub copy_bytes: Option<u64>,
}

/// What one broker has and would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub node_id: i32,
    pub rack: Option<String>,
    pub standing: Standing,
    pub replicas_before: usize,
    pub replicas_after: usize,
    pub leaders_before: usize,
    pub leaders_after: usize,
    /// What it has to copy.
    pub bytes_to_copy: u64,
}

impl Move {
    pub fn changes_leader(&self) -> bool {
        self.from.first() != self.to.first()
    }
}

impl Proposal {
    /// What the partitions that change are to have.
    pub fn after(&self) -> Assignment {
        Assignment(self.moves.iter().map(|one| ((Arc::from(one.topic.as_str()), one.partition), one.to.clone())).collect())
    }

    /// What the same partitions have now: the way back.
    pub fn before(&self) -> Assignment {
        Assignment(self.moves.iter().map(|one| ((Arc::from(one.topic.as_str()), one.partition), one.from.clone())).collect())
    }

    /// Of partitions that `after` says nothing of, those that are `selected` are counted and stay as they are.
    pub(super) fn of(layout: &Layout, after: &Assignment, selected: impl Fn(&str) -> bool, throttle: Option<u64>, retention_ms: i64) -> Self {
        let mut moves = Vec::new();
        let mut shares: BTreeMap<i32, Share> =
            layout.brokers.iter().map(|seat| (seat.node_id, Share::of(seat.node_id, seat.rack.clone(), seat.standing))).collect();
        let racks = Racks::of(layout);
        let (mut partitions, mut replicas, mut crowded) = (0, 0, (0, 0));
        for (topic, part) in layout.topics.iter().filter(|topic| selected(&topic.name)).flat_map(|topic| topic.partitions.iter().map(move |part| (topic, part)))
        {
            let to = after.replicas(&topic.name, part.index).unwrap_or(&part.replicas);
            partitions += 1;
            replicas += part.replicas.len();
            crowded.0 += usize::from(racks.is_crowded(&part.replicas));
            crowded.1 += usize::from(racks.is_crowded(to));
            for (list, is_after) in [(part.replicas.as_slice(), false), (to, true)] {
                for (at, node_id) in list.iter().enumerate() {
                    let share = shares.entry(*node_id).or_insert_with(|| Share::of(*node_id, None, Standing::Away));
                    let (replicas, leaders) =
                        if is_after { (&mut share.replicas_after, &mut share.leaders_after) } else { (&mut share.replicas_before, &mut share.leaders_before) };
                    *replicas += 1;
                    *leaders += usize::from(at == 0);
                }
            }
            if to != part.replicas {
                let copies: Vec<i32> = to.iter().copied().filter(|node_id| !part.replicas.contains(node_id)).collect();
                for node_id in &copies {
                    shares.get_mut(node_id).into_iter().for_each(|share| share.bytes_to_copy += part.bytes.unwrap_or(0));
                }
                moves.push(Move {
                    topic: topic.name.clone(),
                    partition: part.index,
                    from: part.replicas.clone(),
                    to: to.to_vec(),
                    copies,
                    copy_bytes: part.bytes,
                });
            }
        }
        Proposal {
            copies: moves.iter().map(|one| one.copies.len()).sum(),
            bytes: moves.iter().map(|one| one.copy_bytes.unwrap_or(0).saturating_mul(one.copies.len() as u64)).sum(),
            copies_of_unknown_size: moves.iter().filter(|one| one.copy_bytes.is_none()).map(|one| one.copies.len()).sum(),
            leader_changes: moves.iter().filter(|one| one.changes_leader()).count(),
            partitions,
            replicas,
            brokers: shares.into_values().collect(),
            crowded_before: crowded.0,
            crowded_after: crowded.1,
            is_fewest: None,
            time: throttle.map(|throttle| Time::of(layout, &moves, throttle)),
            shorter_retention: Shorter::of(layout, &moves, retention_ms),
            problems: Vec::new(),
            notes: layout.gaps.clone(),
            moves,
        }
    }
}

impl Share {
    fn of(node_id: i32, rack: Option<String>, standing: Standing) -> Self {
        Share { node_id, rack, standing, replicas_before: 0, replicas_after: 0, leaders_before: 0, leaders_after: 0, bytes_to_copy: 0 }
    }
}

/// The racks of brokers that serve, and how many brokers each has.
struct Racks<'a> {
    of: BTreeMap<i32, &'a str>,
    sizes: BTreeMap<&'a str, usize>,
}

impl<'a> Racks<'a> {
    fn of(layout: &'a Layout) -> Self {
        let of: BTreeMap<i32, &str> = layout.brokers.iter().filter_map(|seat| Some((seat.node_id, seat.rack.as_deref()?))).collect();
        let mut sizes = BTreeMap::new();
        for rack in layout.brokers.iter().filter(|seat| seat.standing == Standing::Serving).filter_map(|seat| seat.rack.as_deref()) {
            *sizes.entry(rack).or_default() += 1;
        }
        Racks { of, sizes }
    }

    /// Whether one rack has two more replicas than another one has that has room.
    fn is_crowded(&self, replicas: &[i32]) -> bool {
        let racks: Vec<&str> = replicas.iter().filter_map(|node_id| self.of.get(node_id).copied()).collect();
        let count = |rack: &str| racks.iter().filter(|other| **other == rack).count();
        let most = racks.iter().map(|rack| count(rack)).max().unwrap_or(0);
        most >= 2 && self.sizes.iter().any(|(rack, size)| count(rack) < *size && count(rack) + 2 <= most)
    }
}
