//! PURE. The story of the demo: which brokers go, in which order and how, and what is said of it.

use std::time::Duration;

/// How a broker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    /// SIGTERM: it hands its leaders over and ends.
    Stopped,
    /// SIGKILL: as a crash.
    Killed,
}

/// What a broker comes back as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// What it was.
    Same,
    /// The later release, speaking and writing as the one before.
    Pinned,
    /// The later release as itself.
    Unpinned,
}

/// One broker goes and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Restart {
    pub(super) node_id: i32,
    pub(super) going: Going,
    pub(super) build: Build,
}

/// How long the parts take that take no time of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pauses {
    /// Steady load with all brokers up, before, between and after restarts.
    pub(super) calm: Duration,
}

/// With pauses of this length six restarts in front of the sandbox take about a minute.
const CALM_MAX: Duration = Duration::from_secs(4);
const CALM_MIN: Duration = Duration::from_millis(500);

impl Pauses {
    /// At full speed before anything is counted.
    pub(super) const WARM: Duration = Duration::from_secs(1);

    /// For a story that is to begin no restart after `within`.
    pub(super) fn of(within: Option<Duration>) -> Self {
        let calm = within.map_or(CALM_MAX, |within| (within / 15).clamp(CALM_MIN, CALM_MAX));
        Pauses { calm }
    }
}

/// Every broker twice: stopped, then killed; or both passes of an upgrade, in which nobody is killed.
pub(super) fn restarts(nodes: &[i32], is_upgrade: bool) -> Vec<Restart> {
    let passes = if is_upgrade {
        [(Going::Stopped, Build::Pinned), (Going::Stopped, Build::Unpinned)]
    } else {
        [(Going::Stopped, Build::Same), (Going::Killed, Build::Same)]
    };
    passes.into_iter().flat_map(|(going, build)| nodes.iter().map(move |&node_id| Restart { node_id, going, build })).collect()
}

impl Restart {
    pub(super) fn goes(&self) -> String {
        let node_id = self.node_id;
        match self.going {
            Going::Stopped => format!("broker {node_id} is told to stop (SIGTERM)"),
            Going::Killed => format!("broker {node_id} is killed (SIGKILL)"),
        }
    }

    pub(super) fn is_gone(&self) -> String {
        let node_id = self.node_id;
        match self.going {
            Going::Stopped => format!("broker {node_id} is stopped"),
            Going::Killed => format!("broker {node_id} is gone"),
        }
    }

    pub(super) fn starts(&self) -> String {
        let node_id = self.node_id;
        match self.build {
            Build::Same => format!("broker {node_id} is started again"),
            Build::Pinned => format!("broker {node_id} is started on the new release, which speaks and writes as the old one until all are new"),
            Build::Unpinned => format!("broker {node_id} is started without the pins to the old release"),
        }
    }

    pub(super) fn is_back(&self, after: Duration) -> String {
        format!("broker {} is back, every replica in sync after {:.1} s", self.node_id, after.as_secs_f64())
    }

    /// For the table of brokers, while it is away.
    pub(super) fn state(&self) -> &'static str {
        match self.going {
            Going::Stopped => "away (SIGTERM)",
            Going::Killed => "away (SIGKILL)",
        }
    }
}

/// What was done, for the summary: `each of 3 brokers stopped (SIGTERM) and started again, then each killed (SIGKILL) and started again`.
pub(super) fn account(planned: &[Restart], done: usize) -> String {
    let is_upgrade = planned.iter().any(|restart| restart.build != Build::Same);
    let (first, second) = if is_upgrade {
        ("upgraded with pins to the old release", "restarted without them")
    } else {
        ("stopped (SIGTERM) and started again", "killed (SIGKILL) and started again")
    };
    match done {
        done if done >= planned.len() => format!("every broker {first}, then every broker {second}"),
        0 => "no restart finished".to_owned(),
        done => format!("{done} of {} restarts", planned.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broker_goes_twice_and_one_at_a_time() {
        for is_upgrade in [false, true] {
            let restarts = restarts(&[1, 2, 3], is_upgrade);
            assert_eq!(restarts.iter().map(|restart| restart.node_id).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 3]);
            assert_eq!(restarts.iter().filter(|restart| restart.going == Going::Killed).count(), if is_upgrade { 0 } else { 3 });
        }
        let upgrade = restarts(&[1], true);
        assert_eq!(upgrade.iter().map(|restart| restart.build).collect::<Vec<_>>(), [Build::Pinned, Build::Unpinned]);
    }

    #[test]
    fn a_short_story_rests_less() {
        let calm = |seconds| Pauses::of(Some(Duration::from_secs(seconds))).calm;
        assert_eq!((calm(1), calm(15), calm(3_600)), (CALM_MIN, Duration::from_secs(1), CALM_MAX));
        assert_eq!(Pauses::of(None).calm, CALM_MAX);
    }

    #[test]
    fn what_was_done_is_said_in_a_few_words() {
        let rolling = restarts(&[1, 2, 3], false);
        assert_eq!(account(&rolling, 6), "every broker stopped (SIGTERM) and started again, then every broker killed (SIGKILL) and started again");
        assert_eq!(account(&rolling, 2), "2 of 6 restarts");
        assert_eq!(account(&restarts(&[1], true), 2), "every broker upgraded with pins to the old release, then every broker restarted without them");
        let stop = rolling[0];
        assert_eq!((stop.goes().as_str(), stop.is_gone().as_str()), ("broker 1 is told to stop (SIGTERM)", "broker 1 is stopped"));
        assert_eq!(stop.is_back(Duration::from_millis(1_290)), "broker 1 is back, every replica in sync after 1.3 s");
    }
}
