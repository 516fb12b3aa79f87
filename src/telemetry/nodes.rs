//! What goes to each broker: a row for each that a thread ever sent something to.
//!
//! Brokers are few and seldom new, so a thread looks through its rows one after the other; only a broker beyond the last row makes it allocate.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::counter::Counter;
use crate::session::{Departures, Purpose};

/// Rows that are allocated at once: most clusters have no more brokers.
const CHUNK_ROWS: usize = 16;

/// 1024 brokers. What goes to one beyond them counts as going to a broker that is not known; node ids come from brokers, and must not fill the memory.
const CHUNKS_MAX: usize = 64;

/// The rows of one thread. Its worker alone adds to them; anybody reads.
#[derive(Debug, Default)]
pub(super) struct NodeShard {
    /// What went to an address of which it is not known whose it is.
    unknown: NodeRow,
    first: Chunk,
}

#[derive(Debug, Default)]
struct Chunk {
    rows: [NodeRow; CHUNK_ROWS],
    next: OnceLock<Box<Chunk>>,
}

/// One broker's counters.
#[derive(Debug, Default)]
pub(super) struct NodeRow {
    /// Whose row it is; rows are taken from the first to the last.
    node_id: OnceLock<i32>,
    pub(super) sessions: Counter,
    pub(super) received_bytes: Counter,
    /// By [`Purpose`].
    sent: [SentShard; Purpose::ALL.len()],
}

#[derive(Debug, Default)]
struct SentShard {
    requests: Counter,
    frame_bytes: Counter,
}

impl NodeShard {
    /// The row of a broker; a new one where there is none.
    pub(super) fn row(&self, node_id: Option<i32>) -> &NodeRow {
        let Some(node_id) = node_id else { return &self.unknown };
        let mut chunk = &self.first;
        for _ in 1..CHUNKS_MAX {
            if let Some(row) = chunk.row(node_id) {
                return row;
            }
            chunk = chunk.next.get_or_init(Box::default);
        }
        chunk.row(node_id).unwrap_or(&self.unknown)
    }

    /// Every row that is taken, and that of nobody known.
    fn rows(&self) -> impl Iterator<Item = (Option<i32>, &NodeRow)> {
        let chunks = std::iter::successors(Some(&self.first), |chunk| chunk.next.get().map(|next| &**next));
        let taken = chunks.flat_map(|chunk| &chunk.rows).map_while(|row| row.node_id.get().map(|node_id| (Some(*node_id), row)));
        taken.chain([(None, &self.unknown)])
    }
}

impl Chunk {
    /// The row of this broker, or the first free one, which is its from now on.
    fn row(&self, node_id: i32) -> Option<&NodeRow> {
        self.rows.iter().find(|row| *row.node_id.get_or_init(|| node_id) == node_id)
    }
}

impl NodeRow {
    pub(super) fn sent(&self, departures: &Departures) {
        for (row, departed) in self.sent.iter().zip(&departures.kinds).filter(|(_, departed)| departed.requests > 0) {
            row.requests.add(departed.requests);
            row.frame_bytes.add(departed.frame_bytes);
        }
    }
}

/// What all threads counted for one broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeTotals {
    /// Sessions whose requests go to it now, apart from their detours.
    pub sessions: u64,
    /// What was sent to it since the start.
    pub sent: Departures,
    /// Bytes that came from it since the start.
    pub received_bytes: u64,
}

/// All threads' rows, by node id; `None` stands for addresses of which it is not known whose they are.
pub(super) fn totals<'a>(shards: impl IntoIterator<Item = &'a NodeShard>) -> BTreeMap<Option<i32>, NodeTotals> {
    let mut totals: BTreeMap<Option<i32>, NodeTotals> = BTreeMap::new();
    for (node_id, row) in shards.into_iter().flat_map(NodeShard::rows) {
        let node = totals.entry(node_id).or_default();
        node.sessions = node.sessions.wrapping_add(row.sessions.value());
        node.received_bytes = node.received_bytes.wrapping_add(row.received_bytes.value());
        for (total, sent) in node.sent.kinds.iter_mut().zip(&row.sent) {
            total.requests = total.requests.wrapping_add(sent.requests.value());
            total.frame_bytes = total.frame_bytes.wrapping_add(sent.frame_bytes.value());
        }
    }
    // A session is opened and closed on the same thread, so a sum below zero is a torn reading.
    totals.values_mut().for_each(|node| node.sessions = u64::try_from(node.sessions.cast_signed()).unwrap_or(0));
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Departed;

    fn departures(produces: u64) -> Departures {
        let mut departures = Departures::default();
        departures.kinds[Purpose::Produce as usize] = Departed { requests: produces, frame_bytes: 10 * produces };
        departures
    }

    #[test]
    fn threads_are_summed_up_by_broker_and_each_has_its_own_rows() {
        let shards = [NodeShard::default(), NodeShard::default()];
        shards[0].row(Some(3)).sent(&departures(2));
        shards[1].row(Some(1)).sent(&departures(1));
        shards[1].row(Some(3)).sent(&departures(5));
        shards[1].row(None).sent(&departures(7));
        shards[0].row(Some(3)).sessions.change(1);
        [200, 300].iter().zip(&shards).for_each(|(bytes, shard)| shard.row(Some(3)).received_bytes.add(*bytes));
        shards[0].row(Some(-1)).sessions.change(0);
        let totals = totals(&shards);
        assert_eq!(totals.keys().copied().collect::<Vec<_>>(), [None, Some(-1), Some(1), Some(3)]);
        assert_eq!(totals[&Some(3)], NodeTotals { sessions: 1, sent: departures(7), received_bytes: 500 });
        assert_eq!((totals[&Some(1)].sent, totals[&None].sent), (departures(1), departures(7)));
    }

    #[test]
    fn rows_grow_with_brokers_up_to_a_bound() {
        let shard = NodeShard::default();
        let most = i32::try_from(CHUNK_ROWS * CHUNKS_MAX).unwrap();
        for _ in 0..2 {
            (0..most + 3).for_each(|node_id| shard.row(Some(node_id)).sent(&departures(1)));
        }
        let totals = totals([&shard]);
        assert_eq!(totals.len(), CHUNK_ROWS * CHUNKS_MAX + 1);
        assert!((0..most).all(|node_id| totals[&Some(node_id)].sent == departures(2)));
        assert_eq!(totals[&None].sent, departures(6), "beyond the bound nobody in particular");
    }
}
