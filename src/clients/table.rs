//! Rows by client id and software, and a last one for all that there is no room for.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::row::{News, Row};
use crate::guard::time::Millis;
use crate::session::{About, Software, Tally, cut};

/// Client ids, each with each software that it was used with, that have rows of their own: more than most clusters have, at about 1 KiB each, and up to 2 KiB more where all
/// topics are there that are kept.
pub const CLIENTS_MAX: usize = 10_000;

/// The client id of the row that all further clients share.
pub const OTHERS: &str = "(others)";

/// Whose row it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Empty for clients that name none.
    pub client_id: Box<str>,
    /// What it said of itself.
    pub software: Option<Software>,
}

/// A session that is told to the table.
#[derive(Debug, Clone, Copy)]
pub struct Contact<'a> {
    pub about: &'a About,
    pub address: IpAddr,
    /// What the session has counted, and what of it was told before.
    pub tally: Tally,
    pub before: Tally,
    /// What is new: bytes from the client and to it.
    pub read_bytes: u64,
    pub written_bytes: u64,
    /// It was not told before.
    pub is_new: bool,
}

/// All rows.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: HashMap<Key, Row>,
    others: Option<Box<Row>>,
}

impl Table {
    /// Takes in what is new of one session, which was active at `at`. One that has sent no request is left out: it is no client yet.
    pub fn note(&mut self, contact: &Contact<'_>, at: Millis) {
        if contact.tally.requests == 0 {
            return;
        }
        let key = Key { client_id: cut(&contact.about.client_id).into(), software: contact.about.traits.software.clone() };
        let news = News { sessions: u64::from(contact.is_new), read_bytes: contact.read_bytes, written_bytes: contact.written_bytes };
        self.row(key).note(&contact.about.traits, &contact.tally, &contact.before, news, contact.address, at);
    }

    /// Adds what another table has.
    pub fn add(&mut self, other: Table) {
        for (key, row) in other.rows {
            self.insert(key, &row);
        }
        if let Some(row) = other.others {
            self.others.get_or_insert_default().add(&row);
        }
    }

    /// Adds one row.
    pub fn insert(&mut self, key: Key, row: &Row) {
        if &*key.client_id == OTHERS { self.others.get_or_insert_default().add(row) } else { self.row(key).add(row) }
    }

    /// Makes rates of what was counted in the last `seconds`.
    pub fn roll(&mut self, seconds: f64) {
        self.rows.values_mut().chain(self.others.as_deref_mut()).for_each(|row| row.roll(seconds));
    }

    /// Forgets what was last seen before `moment`.
    pub fn forget_before(&mut self, moment: Millis) {
        self.rows.retain(|_, row| row.last >= moment);
        self.others = self.others.take().filter(|row| row.last >= moment);
        self.rows.values_mut().chain(self.others.as_deref_mut()).for_each(|row| row.forget_before(moment));
    }

    /// Every row, by its key; the last is that of the others, where there is one.
    pub fn rows(&self) -> Vec<(Key, &Row)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(key, row)| (key.clone(), row)).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.extend(self.others.as_deref().map(|row| (Key { client_id: OTHERS.into(), software: None }, row)));
        rows
    }

    /// Rows, the others' included.
    pub fn len(&self) -> usize {
        self.rows.len() + usize::from(self.others.is_some())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn row(&mut self, key: Key) -> &mut Row {
        if self.rows.len() >= CLIENTS_MAX && !self.rows.contains_key(&key) {
            return self.others.get_or_insert_default();
        }
        self.rows.entry(key).or_default()
    }
}
