//! What an operator should know of a client before a window opens.

use std::sync::Arc;
use std::time::Duration;

use super::{Session, Traits};
use crate::guard::deadline::{Library, client_limit};
use crate::protocol::peek::Peek;
use crate::wire::api;

/// Why a window cannot protect a client in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hindrance {
    /// It logs in with a mechanism that nobody else can repeat.
    Login,
    /// Its batches are of a message format before v2, which has no place for a producer id.
    OldFormat,
    /// It sends requests that are too large to be kept.
    LargeRequests,
}

impl Hindrance {
    /// Whether the loss of a broker reaches the client for it.
    pub fn lets_losses_through(self) -> bool {
        match self {
            Hindrance::Login | Hindrance::LargeRequests => true,
            Hindrance::OldFormat => false,
        }
    }

    /// What it means, as the end of a sentence about the client.
    pub fn meaning(self) -> &'static str {
        match self {
            Hindrance::Login => {
                "its login (SCRAM or GSSAPI) cannot be repeated on another connection, so only its own broker can help it, and a lost one reaches it"
            }
            Hindrance::OldFormat => "its message format is older than v2, so its batches cannot be numbered and an ambiguous one is not sent again",
            Hindrance::LargeRequests => "its requests of more than 16 MiB are not kept, so a lost broker ends its connection",
        }
    }
}

/// One connected client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    pub client_id: Box<str>,
    pub library: Library,
    /// The broker that its requests go to, apart from detours; `None`: none yet.
    pub home: Option<i32>,
    /// The request that it gives up first, by API key, and after how long.
    pub shortest: Option<(i16, Duration)>,
    /// After how long it gives up the Produce that it gives up first; `None`: it has sent none.
    pub produce_limit: Option<Duration>,
    pub hindrance: Option<Hindrance>,
    pub traits: Arc<Traits>,
}

/// The first Produce version that must carry message format v2.
const PRODUCE_V2_FORMAT_SINCE: i16 = 3;

impl Session {
    /// What is known of the client; changes when [`Session::about_changes`] does.
    pub fn about(&self) -> About {
        About {
            client_id: self.client_id.clone(),
            library: self.library,
            home: self.node_id,
            shortest: self.shortest,
            produce_limit: self.produce_limit,
            hindrance: self.hindrance,
            traits: Arc::clone(self.traits()),
        }
    }

    /// Counts the changes of [`Session::about`].
    pub fn about_changes(&self) -> u32 {
        self.about_changes
    }

    pub(super) fn note_limit(&mut self, peek: &Peek) {
        let limit = client_limit(self.library, peek.api_key, peek.produce.map(|produce| produce.timeout_ms));
        if peek.api_key == api::PRODUCE && self.produce_limit.is_none_or(|shortest| limit < shortest) {
            self.produce_limit = Some(limit);
            self.about_changes += 1;
        }
        if self.shortest.is_none_or(|(_, shortest)| limit < shortest) {
            self.shortest = Some((peek.api_key, limit));
            self.about_changes += 1;
        }
        if peek.produce.is_some() && peek.api_version < PRODUCE_V2_FORMAT_SINCE {
            self.note_hindrance(Hindrance::OldFormat);
        }
    }

    /// The first of them is kept: those above come first.
    pub(super) fn note_hindrance(&mut self, hindrance: Hindrance) {
        if self.hindrance.is_none_or(|known| hindrance < known) {
            self.hindrance = Some(hindrance);
            self.about_changes += 1;
        }
    }
}
