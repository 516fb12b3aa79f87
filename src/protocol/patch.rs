//! Puts virtual brokers in the place of brokers' addresses, wherever a response names one that a client would connect to.
//!
//! Two ways, by where the addresses stand. **Head** ([`head`]): Metadata, FindCoordinator and DescribeCluster name brokers at the front; the head is rewritten
//! with a new length field and the rest passes untouched. **Tail** ([`ResponseWalk`]): Produce, Fetch, ShareFetch and ShareAcknowledge name them at the very end
//! (KIP-951), when the length field has long left; the tail is rewritten to exactly as many bytes as it had.

mod endpoints;
mod head;
mod walk;

pub use head::{Head, head};
pub use walk::{ResponseWalk, Step};

use crate::wire::{WireError, api};

/// Who stands in for which broker.
pub trait Addresses {
    /// Host and port that clients are to use for the broker `node_id`; `None` when it has no virtual broker yet.
    fn virtual_broker(&self, node_id: i32) -> Option<(&str, u16)>;
}

/// A broker as a broker named it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    pub node_id: i32,
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
}

/// Where a response names addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// Nowhere: it passes as it is.
    None,
    /// At the front: [`head`].
    Head,
    /// At the very end: [`ResponseWalk`].
    Tail,
}

/// Where the response to a request of this key and version names addresses.
pub fn rewrite_of(api_key: i16, api_version: i16) -> Rewrite {
    match api_key {
        api::METADATA | api::FIND_COORDINATOR | api::DESCRIBE_CLUSTER => Rewrite::Head,
        api::PRODUCE if api_version >= PRODUCE_ENDPOINTS_SINCE => Rewrite::Tail,
        api::FETCH if api_version >= FETCH_ENDPOINTS_SINCE => Rewrite::Tail,
        api::SHARE_FETCH | api::SHARE_ACKNOWLEDGE => Rewrite::Tail,
        _ => Rewrite::None,
    }
}

/// Whether the response to a request of this key and version can be passed on without naming a broker's own address.
///
/// False for versions of an address-bearing API that are newer than those known: such a request is refused, as a broker refuses a version that it does not know.
pub fn understands(api_key: i16, api_version: i16) -> bool {
    last_version(api_key).is_none_or(|last| (0..=last).contains(&api_version))
}

/// The newest version of an API whose response (or, for Produce, whose request) Leeward must read; `None` for every API that it need not understand.
pub fn last_version(api_key: i16) -> Option<i16> {
    match api_key {
        api::PRODUCE => Some(13),
        api::FETCH => Some(18),
        api::METADATA => Some(13),
        api::FIND_COORDINATOR => Some(6),
        api::DESCRIBE_CLUSTER => Some(2),
        api::SHARE_FETCH | api::SHARE_ACKNOWLEDGE => Some(2),
        _ => None,
    }
}

/// The first Produce version with `NodeEndpoints` (KIP-951).
const PRODUCE_ENDPOINTS_SINCE: i16 = 10;
/// The first Fetch version with `NodeEndpoints` (KIP-951).
const FETCH_ENDPOINTS_SINCE: i16 = 16;

/// The longest head that is gathered before it is rewritten, in bytes. A thousand brokers with hosts and racks of 255 bytes need 0.5 MiB, and a FindCoordinator for
/// ten thousand groups about 1 MiB.
pub const HEAD_BYTES_MAX: usize = 4 << 20;
/// The longest tail that is gathered before it is rewritten, in bytes: endpoints of a thousand brokers with hosts and racks of 255 bytes need 0.5 MiB.
pub const TAIL_BYTES_MAX: usize = 1 << 20;

/// Why a response cannot be passed on. The connection must be closed: what was not rewritten would leak a broker's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("the response is malformed: {0}")]
    Malformed(#[from] WireError),
    /// A field reaches beyond the frame.
    #[error("the response ends inside a field: {missing} bytes are missing in the frame")]
    Truncated { missing: usize },
    /// The message ends before the frame does, so it is not what its version says.
    #[error("{0} bytes follow the end of the response")]
    Trailing(usize),
    #[error("the response of {} version {api_version} is not known", api::name(*api_key))]
    Version { api_key: i16, api_version: i16 },
    /// Above [`HEAD_BYTES_MAX`] or [`TAIL_BYTES_MAX`].
    #[error("{what} takes {bytes} bytes, more than {max}")]
    TooLarge { what: &'static str, bytes: usize, max: usize },
    /// An array, string or struct is null where the message does not allow it.
    #[error("{0} is null")]
    Null(&'static str),
    /// A broker without a node id or port that could be put into an address.
    #[error("node {node_id} at port {port} is no broker's address")]
    Address { node_id: i32, port: i32 },
    /// Controllers are no virtual brokers (KIP-919); brokers never name them.
    #[error("controllers are named where brokers were expected")]
    Controllers,
    /// The broker's own tagged fields leave no room to fill up the tail.
    #[error("the tail of {bytes} bytes cannot be rewritten at the same length")]
    NoRoom { bytes: usize },
}

#[cfg(test)]
mod testing;
