//! The endpoint's sockets, with bounds: a stuck operator's tool must not cost Leeward anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::events::Ending;

/// Connections at a time: a scraper, a few probes and people. One more waits in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// A request's headers must be there so long after the connection was accepted.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole exchange, the answer's reading included, unless the answer is [`Lasting`]. Commands have 10 s.
pub(super) const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);
/// A request's headers; browsers send about one KiB.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// After a failed `accept` (no descriptors): the next one waits, so that the error is not met in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The answer goes on until whoever gives it ends it, who looks after readers that have gone.
#[derive(Debug, Clone, Default)]
pub(super) struct Lasting {
    begun: Arc<AtomicBool>,
    over: CancellationToken,
}

impl Lasting {
    /// From now on, until what is returned is dropped.
    pub(super) fn begin(&self) -> DropGuard {
        self.begun.store(true, Ordering::Relaxed);
        self.over.clone().drop_guard()
    }

    /// Ready when it takes too long: it is none, or its end was not read for as long as a whole exchange may take.
    async fn takes_too_long(&self) {
        tokio::time::sleep(EXCHANGE_TIMEOUT).await;
        if self.begun.load(Ordering::Relaxed) {
            self.over.cancelled().await;
            tokio::time::sleep(EXCHANGE_TIMEOUT).await;
        }
    }
}

/// Answers until `shutdown`; then lets running exchanges end. One request for each connection: a bound on connections is then one on
/// everything, and an idle keep-alive connection holds no place.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let router = router.layer(Extension(Ending(shutdown.clone())));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let exchanges = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = async { (Arc::clone(&places).acquire_owned().await, listener.accept().await) } => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            (Ok(place), Ok((stream, _))) => {
                let router = router.clone();
                exchanges.spawn(async move {
                    exchange(stream, router).await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                debug!(%error, "admin endpoint cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            // The semaphore is never closed.
            (Err(_), Ok(_)) => break,
        }
    }
    drop(listener);
    exchanges.close();
    exchanges.wait().await;
}

async fn exchange(stream: TcpStream, router: Router) {
    let lasting = Lasting::default();
    let service = TowerToHyperService::new(router.layer(Extension(lasting.clone())));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            debug!(%error, "admin connection");
        },
        () = lasting.takes_too_long() => debug!("admin connection took too long"),
    }
}
