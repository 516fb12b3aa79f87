//! What can go wrong with a broker's connections beyond what the cluster itself does.

use std::collections::VecDeque;
use std::time::Duration;

/// A fault of one broker's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// New connections are refused, until cleared; those there are go on.
    Refuse,
    /// New connections are accepted and never read, until cleared.
    AcceptAndHang,
    /// Every response waits so long, until cleared.
    Delay(Duration),
    /// The next response to a request of this key (`None`: any) is cut after so many bytes, its length included, and the connection is reset. Once.
    ResetInResponse { api_key: Option<i16>, after: usize },
    /// The next request of this key (`None`: any) is not processed and the connection is reset. Once.
    ResetOnRequest { api_key: Option<i16> },
    /// The next request of this key (`None`: any) is processed, and the connection is reset in place of its response. Once.
    DropResponse { api_key: Option<i16> },
    /// The next response to a request of this key (`None`: any) carries another correlation id. Once.
    WrongCorrelationId { api_key: Option<i16> },
}

/// The faults in force at one broker.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) refuse: bool,
    pub(super) hang: bool,
    pub(super) delay: Duration,
    once: VecDeque<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Refuse => self.refuse = true,
            Fault::AcceptAndHang => self.hang = true,
            Fault::Delay(delay) => self.delay = delay,
            Fault::ResetInResponse { .. } | Fault::ResetOnRequest { .. } | Fault::DropResponse { .. } | Fault::WrongCorrelationId { .. } => {
                self.once.push_back(fault)
            }
        }
    }

    /// The fault to do with this request before it is processed.
    pub(super) fn on_request(&mut self, key: i16) -> Option<Fault> {
        self.take(|fault| matches!(fault, Fault::ResetOnRequest { api_key } if api_key.is_none_or(|wanted| wanted == key)))
    }

    /// The fault to do with the response to a request of this key.
    pub(super) fn on_response(&mut self, key: i16) -> Option<Fault> {
        self.take(|fault| match fault {
            Fault::ResetInResponse { api_key, .. } | Fault::DropResponse { api_key } | Fault::WrongCorrelationId { api_key } => {
                api_key.is_none_or(|wanted| wanted == key)
            }
            Fault::Refuse | Fault::AcceptAndHang | Fault::Delay(_) | Fault::ResetOnRequest { .. } => false,
        })
    }

    fn take(&mut self, is_due: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let at = self.once.iter().position(is_due)?;
        self.once.remove(at)
    }
}
