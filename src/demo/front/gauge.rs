//! What Leeward says of itself in `/metrics`, as far as the demo shows it.

use std::time::Duration;

/// Sums at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::demo) struct Gauges {
    pub(in crate::demo) sessions: u64,
    pub(in crate::demo) requests: u64,
    pub(in crate::demo) errors: u64,
    pub(in crate::demo) cpu_seconds: f64,
    pub(in crate::demo) memory_bytes: u64,
    /// Upper bound in seconds and how many took at most so long, ascending; over all APIs.
    own_time: Vec<(f64, u64)>,
}

impl Gauges {
    /// Reads Prometheus's text format; what is not known is passed over.
    pub(super) fn read(text: &str) -> Self {
        let mut gauges = Gauges::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            // Counts of a demo are far below where a float loses ones.
            let count = value.max(0.0) as u64;
            match name {
                "leeward_sessions" => gauges.sessions += count,
                "leeward_requests_total" => gauges.requests += count,
                "leeward_errors_total" => gauges.errors += count,
                "process_cpu_seconds_total" => gauges.cpu_seconds = value,
                "process_resident_memory_bytes" => gauges.memory_bytes = count,
                "leeward_own_time_seconds_bucket" => gauges.add_bucket(labels, count),
                _ => {}
            }
        }
        gauges.own_time.sort_by(|a, b| a.0.total_cmp(&b.0));
        gauges
    }

    /// Leeward's own time for requests since `earlier`: the bound that the share `q` of them kept.
    pub(in crate::demo) fn own_time_since(&self, earlier: &Gauges, q: f64) -> Option<Duration> {
        let before = |bound: f64| earlier.own_time.iter().find(|(known, _)| *known == bound).map_or(0, |(_, count)| *count);
        let since: Vec<(f64, u64)> = self.own_time.iter().map(|&(bound, count)| (bound, count.saturating_sub(before(bound)))).collect();
        let total = since.last().map(|(_, count)| *count).filter(|total| *total > 0)?;
        let rank = (total as f64 * q).ceil() as u64;
        let bound = since.iter().find(|(_, count)| *count >= rank)?.0;
        Duration::try_from_secs_f64(bound).ok()
    }

    fn add_bucket(&mut self, labels: &str, count: u64) {
        let bound = labels.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"'));
        let Some(bound) = bound.and_then(|(bound, _)| if bound == "+Inf" { Some(f64::INFINITY) } else { bound.parse().ok() }) else { return };
        match self.own_time.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, sum)) => *sum += count,
            None => self.own_time.push((bound, count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauges(fast: u64, all: u64) -> Gauges {
        Gauges::read(&format!(
            "# HELP leeward_requests ...\nleeward_requests_total{{api=\"Produce\"}} {all}\nleeward_requests_total{{api=\"Fetch\"}} 2\nleeward_sessions 26\n\
             leeward_own_time_seconds_bucket{{le=\"0.000025\",api=\"Produce\"}} {fast}\nleeward_own_time_seconds_bucket{{le=\"0.0001\",api=\"Produce\"}} {all}\n\
             leeward_own_time_seconds_bucket{{le=\"+Inf\",api=\"Produce\"}} {all}\nleeward_own_time_seconds_bucket{{le=\"0.000025\",api=\"Fetch\"}} 2\n\
             leeward_own_time_seconds_bucket{{le=\"0.0001\",api=\"Fetch\"}} 2\nleeward_own_time_seconds_bucket{{le=\"+Inf\",api=\"Fetch\"}} 2\n\
             process_cpu_seconds_total 1.25\nprocess_resident_memory_bytes 12345678\nstrange line\n"
        ))
    }

    #[test]
    fn sums_go_over_apis() {
        let gauges = gauges(5, 10);
        assert_eq!((gauges.sessions, gauges.requests, gauges.cpu_seconds, gauges.memory_bytes), (26, 12, 1.25, 12_345_678));
    }

    #[test]
    fn own_time_counts_what_came_since() {
        let (earlier, later) = (gauges(5, 10), gauges(95, 110));
        assert_eq!(later.own_time_since(&earlier, 0.5), Some(Duration::from_micros(25)));
        assert_eq!(later.own_time_since(&earlier, 0.99), Some(Duration::from_micros(100)));
        assert_eq!(later.own_time_since(&later, 0.5), None);
    }
}
