//! What sessions tell of the guard's work; the ledger and the metrics are made of it. All of it is off the hot path except [`Event::AcksRaised`] and
//! [`Event::Numbered`], which come once for a Produce inside a window.

/// Whose traffic an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientRef<'a> {
    /// As the request's header has it; empty where there is none.
    pub client_id: &'a str,
    /// The broker that the session's virtual broker stands for; `None` at the bootstrap endpoint.
    pub node_id: Option<i32>,
}

/// One thing that the guard did, or (with `Policy::watch_only`) would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A broker's error code that the client does not see; for Produce once for each partition.
    Absorbed { api_key: i16, code: i16 },
    /// A request whose broker's connection was lost, which the client does not see.
    AbsorbedLoss { api_key: i16 },
    /// The client's connection stays although its home upstream is gone; once for each loss.
    HomeLost,
    /// A home upstream that was lost is up again.
    HomeBack,
    /// A request is kept unanswered until it can be sent again. Told with the same client as its [`Event::HoldEnded`].
    HoldBegan { api_key: i16, frame_bytes: usize },
    /// Its hold is over. For each [`Event::HoldBegan`] there is exactly one.
    HoldEnded { api_key: i16, frame_bytes: usize, end: HoldEnd, nanos: u64 },
    /// A Produce with acks 0 or 1 went on with acks=-1.
    AcksRaised,
    /// So many batches without a producer id got one of Leeward's.
    Numbered { batches: u32 },
    /// A batch that should have been numbered was not.
    NotNumbered { reason: NotNumbered },
    /// A resent batch was in the log already: the broker answered DUPLICATE_SEQUENCE_NUMBER, or success with the time of records that it had.
    DuplicateDropped,
    /// A request was sent again.
    Resent { api_key: i16 },
    /// An answer with an error that the guard could not absorb, or made itself, went to the client.
    Reached { api_key: i16, code: i16 },
}

/// How a hold ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HoldEnd {
    /// It was sent again and the broker answered.
    Resent,
    /// Its time was over, or it could not be repeated: the client got an error.
    Answered,
    /// The client left before.
    Abandoned,
}

impl HoldEnd {
    /// Every end, in the order of its index.
    pub const ALL: [HoldEnd; 3] = [HoldEnd::Resent, HoldEnd::Answered, HoldEnd::Abandoned];

    /// The value of the metric's label `end`.
    pub fn label(self) -> &'static str {
        match self {
            HoldEnd::Resent => "resent",
            HoldEnd::Answered => "answered",
            HoldEnd::Abandoned => "abandoned",
        }
    }
}

/// Why a batch inside a window has no producer id of Leeward's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotNumbered {
    /// A message format before v2.
    OldFormat,
    /// The brokers gave no producer id.
    Refused,
    /// The session is not sheltered, so nothing of it would be sent again.
    Unsheltered,
}

impl NotNumbered {
    /// Every reason, in the order of its index.
    pub const ALL: [NotNumbered; 3] = [NotNumbered::OldFormat, NotNumbered::Refused, NotNumbered::Unsheltered];

    /// The value of the metric's label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            NotNumbered::OldFormat => "old_format",
            NotNumbered::Refused => "refused",
            NotNumbered::Unsheltered => "unsheltered",
        }
    }
}
