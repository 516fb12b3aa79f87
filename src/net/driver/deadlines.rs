//! When a session has to end, or to look again at what it shelters.

use std::task::Context;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::{ClientStream, Driver};
use crate::session::{Close, CloseCause};

impl<C, H> Driver<C, H>
where
    C: ClientStream + 'static,
    H: AsyncRead + AsyncWrite + Unpin + 'static,
{
    /// The next moment at which this session has to end if nothing happens before, and why.
    fn deadline(&self) -> (u64, CloseCause) {
        let limits = self.context.limits.borrow();
        let mut next = (u64::MAX, CloseCause::Idle);
        let mut consider = |since: u64, limit: Duration, cause| {
            let at = since.saturating_add(nanos(limit));
            if at < next.0 {
                next = (at, cause);
            }
        };
        if !self.session.is_greeted() {
            consider(self.accepted, limits.first_request_timeout, CloseCause::FirstRequestTimeout);
        }
        if self.session.requests_in_flight() == 0 && self.outbox.to_client.is_empty() && self.outbox.to_home.is_empty() {
            consider(self.active, limits.idle_timeout, CloseCause::Idle);
        }
        if self.stuck.client > 0 {
            consider(self.stuck.client, limits.write_timeout, CloseCause::ClientStalled);
        }
        if self.stuck.home > 0 {
            consider(self.stuck.home, limits.write_timeout, CloseCause::BrokerStalled);
        }
        next
    }

    /// Activity only moves deadlines away, so the timer is left to fire early and set again, rather than moved each time.
    pub(super) fn check_deadlines(&mut self, cx: &mut Context<'_>, woken_for_nothing: bool) -> Result<(), Close> {
        let now = self.context.now();
        let look = self.session.next_look(now).unwrap_or(u64::MAX);
        let mut at = self.deadline().0.min(look);
        // A timer that has fired wakes nobody any more.
        let is_running = self.timer.is_some() && self.timer_at > now;
        if is_running && self.timer_at <= at && !woken_for_nothing {
            return Ok(());
        }
        loop {
            let timer_due = match &mut self.timer {
                Some(timer) if self.timer_at <= at => timer.as_mut().poll(cx).is_ready(),
                Some(_) | None => true,
            };
            if !timer_due {
                return Ok(());
            }
            let now = self.context.now();
            let (due, cause) = self.deadline();
            if now >= due {
                return Err(Close::new(cause, "its time is over"));
            }
            if now >= look {
                // There is something to do for what is sheltered, or a broker that says nothing for long.
                if self.decide(|session, moment, outbox| session.is_home_gone(moment, outbox)) {
                    self.lose_home(Close::new(CloseCause::BrokerStalled, "it owes an answer for long, and has left the cluster"))?;
                }
                cx.waker().wake_by_ref();
                return Ok(());
            }
            // With no deadline at all (requests in flight may take as long as they like) it is looked at again after the idle time.
            at = due.min(look).min(now.saturating_add(nanos(self.context.limits.borrow().idle_timeout)));
            let deadline = Instant::from_std(self.context.instant(at));
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(sleep_until(deadline))),
            }
            self.timer_at = at;
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
