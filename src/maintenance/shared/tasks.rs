//! Reads the topic, and appends to it. Both end with whoever listens to them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::timestamp;
use crate::control::{Journal, JournalReading, OperatorError};
use crate::protocol::records::Plain;

/// Between two attempts to read.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the tasks tell.
#[derive(Debug)]
pub(in crate::maintenance) enum News {
    /// `asked`: when.
    Read {
        reading: JournalReading,
        asked: Instant,
    },
    Unread(OperatorError),
    /// The append of this number is done, or may not be.
    Appended {
        number: u64,
        result: Result<(), OperatorError>,
    },
}

/// One batch. Number 0: nobody waits for it.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) number: u64,
    pub(super) records: Vec<Plain>,
}

pub(super) async fn read(mut journal: Journal, news: mpsc::Sender<News>) {
    loop {
        let asked = Instant::now();
        let (told, pause) = match journal.read().await {
            Ok(reading) => (News::Read { reading, asked }, None),
            Err(error) => (News::Unread(error), Some(AGAIN_AFTER)),
        };
        if news.send(told).await.is_err() {
            return;
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
}

pub(super) async fn append(mut journal: Journal, mut inbox: mpsc::Receiver<Append>, news: mpsc::Sender<News>) {
    while let Some(Append { number, records }) = inbox.recv().await {
        let result = journal.append(&records, timestamp()).await;
        if let Err(error) = &result {
            tracing::debug!(%error, "an append to the shared state failed");
        }
        if number != 0 && news.send(News::Appended { number, result }).await.is_err() {
            return;
        }
    }
}
