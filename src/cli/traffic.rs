//! What goes to each broker, as a table.

use comfy_table::Cell;

use super::output::{Paint, relative, table};
use crate::admin::traffic::BrokerTraffic;

/// One row for each broker; over the last 10 s, as Leeward sent it.
pub(super) fn traffic<'a>(brokers: impl IntoIterator<Item = (i32, &'a BrokerTraffic)>, paint: Paint) -> String {
    let row = |(node_id, traffic): (i32, &BrokerTraffic)| {
        let (now, rate) = (traffic.now, |rate: f64| Cell::new(format!("{rate:.1}")));
        let last = traffic.produce_or_fetch_seconds_ago.map_or_else(|| "none yet".to_owned(), |ago| format!("{} ago", relative(ago)));
        vec![
            Cell::new(node_id),
            Cell::new(traffic.sessions),
            rate(now.requests()),
            rate(now.produce),
            rate(now.fetch),
            Cell::new(size(now.bytes)),
            Cell::new(last),
        ]
    };
    let heading = ["NODE", "SESSIONS", "REQUESTS/S", "PRODUCE/S", "FETCH/S", "BYTES/S", "LAST PRODUCE OR FETCH"];
    table(&heading, brokers.into_iter().map(row), paint)
}

/// In the largest unit of which there is one.
pub(super) fn size(bytes: f64) -> String {
    const STEP: f64 = 1024.0;
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB"] {
        if value < STEP {
            return if unit == "B" { format!("{value:.0}B") } else { format!("{value:.1}{unit}") };
        }
        value /= STEP;
    }
    format!("{value:.1}GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::traffic::TrafficRates;

    #[test]
    fn sizes_have_the_unit_that_is_read_best() {
        for (bytes, text) in [(0.0, "0B"), (1023.0, "1023B"), (1024.0, "1.0KiB"), (5.5 * 1024.0 * 1024.0, "5.5MiB"), (3e12, "2794.0GiB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn each_broker_has_a_row() {
        let now = TrafficRates { produce: 120.04, fetch: 2.0, other: 0.5, bytes: 123_456.0 };
        let busy = BrokerTraffic { sessions: 4, now, minute: now, produce_or_fetch_seconds_ago: Some(0) };
        let idle = BrokerTraffic { produce_or_fetch_seconds_ago: Some(75), ..BrokerTraffic::default() };
        let expected = "\
NODE  SESSIONS  REQUESTS/S  PRODUCE/S  FETCH/S  BYTES/S   LAST PRODUCE OR FETCH
1     4         122.5       120.0      2.0      120.6KiB  0s ago
2     0         0.0         0.0        0.0      0B        1m15s ago
3     0         0.0         0.0        0.0      0B        none yet";
        assert_eq!(traffic([(1, &busy), (2, &idle), (3, &BrokerTraffic::default())], Paint { colour: false }), expected);
    }
}
