//! What a listener wants to see.

use std::fmt;
use std::num::NonZeroU32;

/// What a listener gets in a second when it does not say.
pub const PER_SECOND_DEFAULT: u32 = 200;

/// The most that a listener may ask for in a second.
pub const PER_SECOND_MAX: u32 = 5_000;

/// The most requests of which a listener may ask for one.
pub const SAMPLE_MAX: u32 = 1_000_000;

/// What a listener wants; an empty list wants everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub clients: Vec<Pattern>,
    pub topics: Vec<Pattern>,
    /// API keys.
    pub apis: Vec<i16>,
    pub errors: Errors,
    /// One of so many requests, as chance has it, of those that `clients` and `apis` let through.
    pub sample: NonZeroU32,
    /// Requests in a second at most.
    pub per_second: NonZeroU32,
    /// Bytes of each frame that are kept; 0: none are.
    pub frame_bytes: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            clients: Vec::new(),
            topics: Vec::new(),
            apis: Vec::new(),
            errors: Errors::Whatever,
            sample: NonZeroU32::MIN,
            per_second: NonZeroU32::new(PER_SECOND_DEFAULT).unwrap_or(NonZeroU32::MIN),
            frame_bytes: 0,
        }
    }
}

/// Which answers are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errors {
    /// With an error or without.
    Whatever,
    /// With any error, also one that the client does not see.
    Any,
    /// With one of these codes, also where the client does not see it.
    These(Vec<i16>),
}

impl Errors {
    /// Whether an answer with these codes is wanted.
    pub fn want(&self, codes: &[i16]) -> bool {
        match self {
            Errors::Whatever => true,
            Errors::Any => !codes.is_empty(),
            Errors::These(wanted) => codes.iter().any(|code| wanted.contains(code)),
        }
    }
}

/// A name, or the beginning of names when it ends with `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Pattern(text.into())
    }

    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == &*self.0,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether one of these matches, or there is none.
pub(super) fn any_matches(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}
