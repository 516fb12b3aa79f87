//! Those who listen to single requests now. While there is nobody, a request costs one reading of a flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use crate::tap::{LISTENERS_MAX, Listener, Memory, Sink, Standing, Told, Wanted};

/// What waits for one listener to take it: half a second at a busy rate. More is left out, and counted.
const QUEUE_MAX: usize = 1024;

/// Everybody who listens.
#[derive(Debug, Default)]
pub struct Taps {
    is_open: AtomicBool,
    listeners: ArcSwap<Vec<Arc<Listener>>>,
    /// Held while somebody comes or goes.
    change: Mutex<()>,
    memory: Arc<Memory>,
}

/// One who listens, until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    taps: Arc<Taps>,
    listener: Arc<Listener>,
    queue: mpsc::Receiver<Arc<Told>>,
}

/// As many listen as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{LISTENERS_MAX} listen already, as many as may")]
pub struct TooMany;

#[derive(Debug)]
struct Queue(mpsc::Sender<Arc<Told>>);

impl Sink for Queue {
    fn offer(&self, told: Arc<Told>) -> bool {
        self.0.try_send(told).is_ok()
    }
}

impl Taps {
    /// Listens from now on.
    ///
    /// # Errors
    /// There are [`LISTENERS_MAX`] listeners.
    pub fn subscribe(self: &Arc<Self>, wanted: Wanted) -> Result<Subscription, TooMany> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listeners = Vec::clone(&self.listeners.load());
        if listeners.len() >= LISTENERS_MAX {
            return Err(TooMany);
        }
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let listener = Arc::new(Listener::new(wanted, Arc::clone(&self.memory), Box::new(Queue(sender))));
        listeners.push(Arc::clone(&listener));
        self.listeners.store(Arc::new(listeners));
        self.is_open.store(true, Ordering::Relaxed);
        Ok(Subscription { taps: Arc::clone(self), listener, queue })
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.listeners.load().len()
    }

    /// Asks those who listen; `None`: nobody does.
    pub(super) fn ask<R>(&self, ask: impl FnOnce(&[Arc<Listener>]) -> R) -> Option<R> {
        self.is_open.load(Ordering::Relaxed).then(|| ask(&self.listeners.load()))
    }

    fn leave(&self, listener: &Arc<Listener>) {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listeners = Vec::clone(&self.listeners.load());
        listeners.retain(|other| !Arc::ptr_eq(other, listener));
        self.is_open.store(!listeners.is_empty(), Ordering::Relaxed);
        self.listeners.store(Arc::new(listeners));
    }
}

impl Subscription {
    /// The next request that is wanted. Ends never by itself.
    pub async fn next(&mut self) -> Option<Arc<Told>> {
        self.queue.recv().await
    }

    /// What it was given, and what was left out.
    pub fn standing(&self) -> Standing {
        self.listener.standing()
    }

    pub fn wanted(&self) -> &Wanted {
        self.listener.wanted()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.taps.leave(&self.listener);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_asked_until_it_goes() {
        let taps = Arc::new(Taps::default());
        assert_eq!(taps.ask(<[_]>::len), None, "nobody listens");
        let first = taps.subscribe(Wanted::default()).unwrap();
        let second = taps.subscribe(Wanted::default()).unwrap();
        assert_eq!(taps.ask(<[_]>::len), Some(2));
        drop(first);
        assert_eq!(taps.ask(<[_]>::len), Some(1));
        drop(second);
        assert_eq!(taps.ask(<[_]>::len), None, "off again");
    }

    #[test]
    fn there_is_a_bound_on_listeners() {
        let taps = Arc::new(Taps::default());
        let listening: Vec<_> = (0..LISTENERS_MAX).map(|_| taps.subscribe(Wanted::default()).unwrap()).collect();
        assert_eq!(taps.subscribe(Wanted::default()).unwrap_err(), TooMany);
        drop(listening);
        assert!(taps.subscribe(Wanted::default()).is_ok(), "a place is free again");
    }
}
