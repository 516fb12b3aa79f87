//! PURE. One client's connection as a state machine.

pub mod close;

pub use close::CloseCause;

/// What a session tells about the traffic that it carries. Called on the hot path: an implementation counts, it neither locks nor allocates.
pub trait Observer {
    /// A request was read whole enough to be sent on (or answered here). `frame_bytes` includes the length field.
    fn request(&self, api_key: i16, frame_bytes: usize);
    /// A response was handed to the client's side. `broker_nanos`: from the request's leaving to the answer's arrival; `own_nanos`: all the other time since the request arrived.
    fn response(&self, api_key: i16, frame_bytes: usize, broker_nanos: u64, own_nanos: u64);
    /// A broker's response carries this error code.
    fn error(&self, api_key: i16, code: i16);
    /// Reading from the client paused.
    fn paused(&self, reason: Pause);
}

/// Why reading from a client paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pause {
    /// The broker does not take the bytes.
    BrokerBusy,
    /// Too many request bytes are unanswered.
    BytesInFlight,
    /// Too many requests are unanswered.
    RequestsInFlight,
}

impl Pause {
    /// Every reason, in the order of its index.
    pub const ALL: [Pause; 3] = [Pause::BrokerBusy, Pause::BytesInFlight, Pause::RequestsInFlight];

    /// The value of the metric's label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Pause::BrokerBusy => "broker_busy",
            Pause::BytesInFlight => "bytes_in_flight",
            Pause::RequestsInFlight => "requests_in_flight",
        }
    }
}
