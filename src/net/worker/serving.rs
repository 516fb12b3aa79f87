//! One client from accept to end.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;

use super::{Seat, SessionCount, WorkerContext};
use crate::config::HostPort;
use crate::net::dial::dial;
use crate::net::driver::{Dialing, Driver};
use crate::net::listeners::{Endpoint, Permit};
use crate::session::{Close, CloseCause, Waiting};
use crate::telemetry::events::{DialFailed, SessionClosed};

/// A client on its way to its thread.
pub(in crate::net) struct Accepted {
    pub(in crate::net) stream: std::net::TcpStream,
    pub(in crate::net) peer: SocketAddr,
    pub(in crate::net) endpoint: Endpoint,
    pub(in crate::net) permit: Permit,
}

/// A client that has a seat.
pub(super) struct Served {
    context: Rc<WorkerContext>,
    key: usize,
    driver: Driver<TcpStream, TcpStream>,
    permit: Permit,
    count: SessionCount,
}

impl Served {
    pub(super) fn new(context: &Rc<WorkerContext>, accepted: Accepted, count: SessionCount) -> Option<Self> {
        let Accepted { stream, peer, endpoint, permit } = accepted;
        context.metrics.session_opened();
        let client = match TcpStream::from_std(stream) {
            Ok(client) => client,
            Err(error) => {
                context.metrics.session_closed(CloseCause::ClientReset);
                tracing::debug!(%peer, %error, "the accepted socket could not be used");
                return None;
            }
        };
        let key = context.sessions.borrow_mut().insert(Seat::new(peer, endpoint.node_id()));
        let driver = Driver::new(Rc::clone(context), endpoint, client, dial_home);
        Some(Served { context: Rc::clone(context), key, driver, permit, count })
    }
}

/// One client to its end.
#[expect(clippy::manual_async_fn, reason = "the arguments of an async fn have their room twice")]
pub(super) fn serve(mut served: Served) -> impl Future<Output = ()> {
    async move {
        let close = std::future::poll_fn(|cx| {
            let Served { context, key, driver, .. } = &mut served;
            let polled = driver.poll(cx);
            if let Some(seat) = context.sessions.borrow_mut().get_mut(*key) {
                // A task's waker stays good for the task's life.
                seat.waker.get_or_insert_with(|| cx.waker().clone());
                driver.tell_tapped(seat.peer, polled.is_ready());
                let session = driver.session();
                seat.awaits_offer = session.waiting() == Some(Waiting::Offer);
                seat.is_sheltering = session.is_sheltering();
                seat.home = driver.home_node();
                seat.seen.is(session.tally(), driver.client_bytes());
                if seat.about_changes != session.about_changes() {
                    (seat.about_changes, seat.about) = (session.about_changes(), session.about());
                }
            }
            polled
        })
        .await;
        // In a box, so that the task of a session that goes on has no room for its end.
        Box::pin(end(served, close)).await;
    }
}

async fn end(served: Served, close: Close) {
    let Served { context, key, driver, permit, count } = served;
    let seat = context.sessions.borrow_mut().remove(key);
    let (peer, node_id) = (seat.peer, seat.node_id);
    context.farewell(seat);
    let ended = SessionClosed { peer, node_id, cause: close.cause, detail: &close.detail, requests: driver.session().requests(), lasted: driver.lasted() };
    ended.emit(&context.metrics);
    driver.finish(close.cause).await;
    drop(permit);
    count.one_ended();
}

fn dial_home(context: &Rc<WorkerContext>, endpoint: Endpoint) -> Dialing<TcpStream> {
    let (homes, connect_timeout) = (context.homes(endpoint), context.limits.borrow().connect_timeout);
    let context = Rc::clone(context);
    Box::pin(async move {
        let failed = |address: &HostPort, error: &io::Error| DialFailed { address, node_id: endpoint.node_id(), error }.emit(&context.metrics);
        let (stream, address) = dial(homes, connect_timeout, failed).await?;
        Ok((stream, context.node_at(endpoint, &address)))
    })
}
