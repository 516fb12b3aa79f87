//! One line for each moment, where there is no terminal.

use super::words::{count, number, rate, seconds};
use super::{Picture, SidePicture};

/// The moment in one line.
pub(in crate::demo) fn plain(picture: &Picture) -> String {
    let side = |side: &SidePicture| {
        let written: f64 = side.kinds.iter().map(|row| row.per_second).sum();
        let errors: u64 = side.kinds.iter().map(|row| row.errors).sum::<u64>() + side.group.errors;
        let lag = number(u64::try_from(side.group.lag).unwrap_or(0));
        format!("{} written/s, {} read/s, lag {lag}, {}", rate(written), rate(side.group.per_second), count(errors, "error"))
    };
    let said: Vec<String> = ["direct", "through Leeward"].iter().zip(&picture.sides).map(|(name, picture)| format!("{name}: {}", side(picture))).collect();
    format!("{:>5} of {}  {} | {}", seconds(picture.elapsed), seconds(picture.total), picture.doing, said.join(" | "))
}
