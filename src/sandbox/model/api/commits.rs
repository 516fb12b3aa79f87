//! Offsets of groups.
