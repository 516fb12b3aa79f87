//! The coordinator's records.
