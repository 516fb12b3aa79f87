//! Reads one partition for a member of a group, for as long as it is assigned.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Lane, RETRY_BACKOFF};
use crate::demo::client::{ClientError, Connection, batch, fetch_once};
use crate::demo::load::Stamp;

/// How long a broker keeps an empty Fetch (`fetch.max.wait.ms`).
const WAIT: Duration = Duration::from_millis(500);
/// The offset that was asked for is gone, or not there yet.
const OFFSET_OUT_OF_RANGE: i16 = 1;

/// Where a member is in each partition: the next offset to read.
pub(super) type Positions = Arc<Mutex<BTreeMap<i32, i64>>>;

/// Reads from `offset` on, for ever.
pub(super) async fn run(lane: Arc<Lane>, partition: i32, mut offset: i64, positions: Positions) {
    let client_id = format!("demo-{}", lane.side.group());
    loop {
        let error = match lane.connect_to_leader(partition, &client_id).await {
            Ok(connection) => read(&lane, partition, &mut offset, connection, &positions).await,
            Err(error) => error,
        };
        lane.book.group_error(&error);
        tokio::time::sleep(RETRY_BACKOFF).await;
    }
}

async fn read(lane: &Lane, partition: i32, offset: &mut i64, mut connection: Connection, positions: &Positions) -> ClientError {
    loop {
        match fetch_once(&mut connection, lane.topic(), partition, *offset, WAIT).await {
            Ok(fetched) => {
                let mut stamps = Vec::new();
                match batch::read(&fetched.records, *offset, &mut |record| stamps.push(Stamp::read(record.value))) {
                    Ok(next) => *offset = next,
                    Err(error) => return error.into(),
                }
                positions.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, *offset);
                lane.book.read(partition, &stamps, fetched.high_watermark - *offset, Instant::now(), lane.epoch);
            }
            Err(error) => {
                if error.code() == Some(OFFSET_OUT_OF_RANGE) {
                    // What was removed before it was read shows in the end as unread; the reading goes on from what there is.
                    *offset = 0;
                }
                return error;
            }
        }
    }
}
