//! What the kernel says about this process, from `/proc/self`. A figure that cannot be read is absent, never zero.

use std::fs;

/// Figures of this process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessFigures {
    pub cpu_seconds: Option<f64>,
    pub resident_bytes: Option<u64>,
    pub open_fds: Option<u64>,
    pub max_fds: Option<u64>,
    /// Since 1970.
    pub start_seconds: Option<f64>,
    pub threads: Option<u64>,
}

impl ProcessFigures {
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let open_fds = fs::read_dir("/proc/self/fd").ok().and_then(|entries| u64::try_from(entries.count()).ok());
        // The directory handle that counts them is one of them.
        Self { open_fds: open_fds.map(|count| count.saturating_sub(1)), ..Self::parse(&stat, &boot, &limits, &status) }
    }

    fn parse(stat: &str, boot: &str, limits: &str, status: &str) -> Self {
        // The second field is the program's name in parentheses and may hold anything: count from behind it.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
        let field = |number: usize| fields.get(number.checked_sub(3)?).and_then(|text| text.parse::<u64>().ok());
        let boot_seconds = boot.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|text| text.trim().parse::<u64>().ok());
        let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files")).and_then(|rest| rest.split_whitespace().next());
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next());
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| ticks_to_seconds(user + system)),
            resident_bytes: resident.and_then(|kib| kib.parse::<u64>().ok()).map(|kib| kib * 1024),
            open_fds: None,
            max_fds: max_fds.and_then(|count| count.parse().ok()),
            start_seconds: boot_seconds.zip(field(22)).map(|(boot, start)| ticks_to_seconds(boot * TICKS_PER_SECOND + start)),
            threads: field(20),
        }
    }
}

/// The unit of times in `/proc/self/stat`: `USER_HZ`, which Linux fixes at 100 for user space on every architecture that we build for.
const TICKS_PER_SECOND: u64 = 100;

#[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^53")]
fn ticks_to_seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_shifts_nothing() {
        let stat = "7 (lee) ward (x) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0 1000 9999 42 18446744073709551615";
        let figures =
            ProcessFigures::parse(stat, "cpu 1\nbtime 1700000000\n", "Max open files            1024                 4096  files\n", "VmRSS:\t  2048 kB\n");
        assert_eq!((figures.cpu_seconds, figures.threads, figures.start_seconds), (Some(3.0), Some(5), Some(1_700_000_010.0)));
        assert_eq!((figures.max_fds, figures.resident_bytes), (Some(1024), Some(2 << 20)));
    }

    #[test]
    fn nothing_readable_is_nothing() {
        assert_eq!(ProcessFigures::parse("", "", "", ""), ProcessFigures::default());
    }

    #[test]
    fn this_process_has_figures() {
        let figures = ProcessFigures::read();
        assert!(figures.resident_bytes.is_some_and(|bytes| bytes > 1 << 20), "{figures:?}");
        assert!(figures.open_fds.is_some_and(|count| count >= 3) && figures.threads.is_some_and(|count| count >= 1), "{figures:?}");
        assert!(figures.start_seconds.is_some_and(|since| since > 1.6e9), "{figures:?}");
    }
}
