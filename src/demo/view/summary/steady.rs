//! The end of a steady load: what became of the records, latencies and rates.

use std::fmt::Write;

use super::{Counted, SideEnd, Summary, both, conclusion, counted, name, named, own_figures, row};
use crate::demo::histogram::Histogram;
use crate::demo::load::{Kind, Side};
use crate::demo::view::words::{count, millis, number, rate, seconds};

pub(super) fn write(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let ended = if summary.interrupted { ", ended early" } else { "" };
    writeln!(out, "\n{} in front of {}{ended}\n", seconds(summary.lasted), summary.title)?;
    row(out, "", name(Side::Direct), name(Side::Leeward))?;
    let fates: [(&str, Counted); 6] = [
        ("records acknowledged", |fate| fate.acknowledged),
        ("records stored (brokers' own logs)", |fate| fate.stored),
        ("records read by the group", |fate| fate.read),
        ("acknowledged but lost", |fate| fate.lost + fate.gone),
        ("stored more than once", |fate| fate.stored_again),
        ("read more than once", |fate| fate.read_again),
    ];
    counted(out, summary, &fates)?;
    both(out, summary, "errors seen by clients", |end| number(end.errors_seen.values().chain(end.errors_handled.values()).sum()))?;
    named(out, summary, |end| &end.errors_seen)?;
    named(out, summary, |end| &end.errors_handled)?;
    both(out, summary, "group generations / offset commits", |end| format!("{} / {}", end.generations, number(end.commits)))?;
    writeln!(out, "\nsteady load, both at once: p50 / p99 ms")?;
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::AcksNone) {
        let of = |end: &SideEnd| end.kinds.get(&kind).map_or_else(|| "-".to_owned(), |kind| quantiles(&kind.steady));
        both(out, summary, &format!("  {}, batches of {}", kind.label(), count(kind.batch_records(), "record")), of)?;
    }
    both(out, summary, "  from sending to reading", |end| quantiles(&end.group))?;
    writeln!(out, "\nfull speed, in turns: acknowledged records/s, p50 / p99 ms")?;
    for kind in Kind::ALL {
        let of = |side: Side| {
            let lasted = summary.full_speed.get(&side).copied().unwrap_or_default().as_secs_f64();
            let end = summary.side(side);
            let Some(kind) = end.kinds.get(&kind).filter(|_| lasted > 0.0) else { return "-".to_owned() };
            let quantiles = if kind.full.count() > 0 { format!(", {}", quantiles(&kind.full)) } else { String::new() };
            format!("{}{quantiles}", rate(kind.at_full_speed as f64 / lasted))
        };
        row(out, &format!("  {}", kind.label()), &of(Side::Direct), &of(Side::Leeward))?;
    }
    if let Some(end) = &summary.leeward {
        writeln!(out)?;
        own_figures(out, end)?;
    }
    writeln!(out)?;
    conclusion(out, summary, "Nothing was lost, nothing came twice, everything was read.")
}

fn quantiles(histogram: &Histogram) -> String {
    format!("{} / {}", millis(histogram.quantile(0.5)), millis(histogram.quantile(0.99)))
}
