//! What a worker tells of its clients: the connections that there are, and what was gathered of them and of those that ended.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clients::{Contact, Table};
use crate::guard::time::{Millis, millis};
use crate::history::TopicAmounts;
use crate::session::{About, Tally};

/// One client's connection now.
#[derive(Debug, Clone)]
pub struct Connection {
    pub peer: SocketAddr,
    /// Whose virtual broker it came to; `None`: the bootstrap endpoint.
    pub node_id: Option<i32>,
    pub since: Millis,
    /// When the last request came, or the connection.
    pub last: Millis,
    pub about: About,
    pub tally: Tally,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

/// What there is to tell.
#[derive(Debug, Default)]
pub struct Census {
    /// What was gathered since the last time.
    pub table: Table,
    /// The same for topics.
    pub topics: TopicAmounts,
    pub connections: Vec<Connection>,
}

/// Where a connection came from and went to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) peer: SocketAddr,
    pub(super) node_id: Option<i32>,
    pub(super) since: SystemTime,
}

/// What was counted of a session, and what of it was told already.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tally: Tally,
    bytes: (u64, u64),
    /// As both were when they were told last; a connection that is new has not been told of.
    told: Option<Box<(Tally, (u64, u64))>>,
}

impl Seen {
    pub(super) fn is(&mut self, tally: Tally, bytes: (u64, u64)) {
        (self.tally, self.bytes) = (tally, bytes);
    }

    /// Tells `table` what is new. `now` is of the clock of the tally, `at` the same moment of the machine's.
    pub(super) fn tell(&mut self, table: &mut Table, about: &About, address: IpAddr, now: u64, at: SystemTime) {
        let (before, bytes_before) = self.told();
        let contact = Contact {
            about,
            address,
            tally: self.tally,
            before,
            read_bytes: self.bytes.0.saturating_sub(bytes_before.0),
            written_bytes: self.bytes.1.saturating_sub(bytes_before.1),
            is_new: before.requests == 0,
        };
        table.note(&contact, self.last(now, at));
        **self.told.get_or_insert_default() = (self.tally, self.bytes);
    }

    fn told(&self) -> (Tally, (u64, u64)) {
        self.told.as_deref().copied().unwrap_or_default()
    }

    fn last(&self, now: u64, at: SystemTime) -> Millis {
        wall(at).saturating_sub(millis(Duration::from_nanos(now.saturating_sub(self.tally.last))))
    }
}

impl Census {
    pub(super) fn take(&mut self, seen: &mut Seen, about: &About, place: Place, now: u64, at: SystemTime) {
        // Nothing new of one that was silent: it is not looked at again.
        let (told, told_bytes) = seen.told();
        if seen.tally.requests != told.requests || seen.bytes != told_bytes {
            seen.tell(&mut self.table, about, place.peer.ip(), now, at);
        }
        let since = wall(place.since);
        self.connections.push(Connection {
            peer: place.peer,
            node_id: place.node_id,
            since,
            last: if seen.tally.last == 0 { since } else { seen.last(now, at) },
            about: about.clone(),
            tally: seen.tally,
            read_bytes: seen.bytes.0,
            written_bytes: seen.bytes.1,
        });
    }

    pub(super) fn add(&mut self, other: Census) {
        self.table.add(other.table);
        self.topics.merge(other.topics);
        self.connections.extend(other.connections);
    }
}

fn wall(at: SystemTime) -> Millis {
    at.duration_since(UNIX_EPOCH).map_or(0, millis)
}
