//! One line for each moment, where there is no terminal.

use std::time::Duration;

use super::words::{count, number, rate, seconds};
use super::{Picture, SidePicture};
use crate::demo::observe::Moment;

/// A sentence, and when it was so.
pub(in crate::demo) fn said(at: Duration, said: &str) -> String {
    format!("{:>5}  {said}", seconds(at))
}

/// The moment in one line.
pub(in crate::demo) fn plain(picture: &Picture) -> String {
    let side = |side: &SidePicture| {
        let written: f64 = side.kinds.iter().map(|row| row.per_second).sum();
        let errors: u64 = side.kinds.iter().map(|row| row.errors).sum::<u64>() + side.group.errors;
        let lag = number(u64::try_from(side.group.lag).unwrap_or(0));
        format!("{} written/s, {} read/s, lag {lag}, {}", rate(written), rate(side.group.per_second), count(errors, "error"))
    };
    let said: Vec<String> = ["direct", "through Leeward"].iter().zip(&picture.sides).map(|(name, picture)| format!("{name}: {}", side(picture))).collect();
    let Moment { elapsed, total, doing, .. } = &picture.moment;
    let time = total.map_or_else(|| seconds(*elapsed), |total| format!("{:>5} of {}", seconds(*elapsed), seconds(total)));
    format!("{time:>5}  {doing} | {}", said.join(" | "))
}
