use super::*;
use crate::cli::output::{Paint, WIDTH};

fn text(from: &str, to: &str, mode: Mode, colour: bool) -> Option<String> {
    let plan = releases::plan(from.parse().unwrap(), to.parse().unwrap(), mode).ok()?;
    Some(text::plan(&plan, Paint { colour }))
}

const GOLDEN: &str = "\
Kafka 2.1 to 2.2, with ZooKeeper: a minor step. 4 stages, 1 point of no return. A stage begins when
the one before it is done and the cluster is well.

1.  See that every partition has all its replicas in sync, and that nothing is being reassigned
    run:
        bin/kafka-topics.sh --zookeeper HOST:2181 --describe --under-replicated-partitions
    Why: a partition that lacks a replica loses another one when its broker is restarted.

2.  Restart every broker, one by one, the controller last, on 2.2, pinned to 2.1
    in each broker's properties:
        inter.broker.protocol.version=2.1
        log.message.format.version=2.1
    Why: brokers of 2.1 that are still there do not understand the protocol of 2.2, so the new ones
    speak that of 2.1 until all are new; where log.message.format.version names an older one
    already, leave that.

3.  See that 2.2 does what it should, for as long as you want
    run:
        bin/kafka-topics.sh --bootstrap-server HOST:9092 --describe --under-replicated-partitions
    Why: with inter.broker.protocol.version still that of 2.1, every broker can go back to 2.1 by
    being restarted on it; after the next stage none can.

4.  Restart every broker, one by one, the controller last, with the protocol of 2.2
    in each broker's properties:
        inter.broker.protocol.version=2.2
        log.message.format.version=2.2
    Why: every broker understands the protocol of 2.2 now; taking the line out does the same, since
    2.2 is what 2.2 speaks by default; both formats store records alike (v2), so one restart raises
    both, but where the format was pinned below 0.11, raise it in a restart of its own, when
    consumers are of 0.11 or later.
    POINT OF NO RETURN. From the first broker that speaks the protocol of 2.2 on, the cluster cannot
    go back to 2.1.

What else is different afterwards:
    2.2 new: kafka-topics takes --bootstrap-server
         → leave --zookeeper behind; brokers of 2.1 are asked with the tool of 2.1 [KIP-377,
           TopicCommand]
    2.2 new: kafka-preferred-replica-election takes --bootstrap-server
         → use it in place of --zookeeper [KIP-183, PreferredReplicaLeaderElectionCommand]";

#[test]
fn a_plan_is_written_for_people() {
    assert_eq!(text("2.1", "2.2", Mode::ZooKeeper, false).unwrap(), GOLDEN);
    let painted = text("2.1", "2.2", Mode::ZooKeeper, true).unwrap();
    assert!(painted.contains("\u{1b}[31m    POINT OF NO RETURN."), "{painted}");
    let plain = painted.replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
    assert_eq!(plain, GOLDEN);
    assert_eq!(text("2.6", "2.6", Mode::ZooKeeper, false).unwrap(), "Kafka 2.6 to 2.6: nothing to do");
}

/// All but what has to be copied whole.
#[test]
fn every_plan_fits() {
    for (from, to) in Release::all().flat_map(|from| Release::all().map(move |to| (from, to))) {
        for text in Mode::ALL.into_iter().filter_map(|mode| text(from.name(), to.name(), mode, false)) {
            for line in text.lines() {
                let whole = line.starts_with("        ") && (line.contains('=') || line.contains("bin/"));
                assert!(line.chars().count() <= usize::from(WIDTH) || whole, "{from} {to}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn the_mode_is_asked_for_only_where_there_is_a_choice() {
    for release in Release::all() {
        match mode(release, None) {
            Ok(mode) => assert!(release.runs_in(mode) && Mode::ALL.into_iter().filter(|mode| release.runs_in(*mode)).count() == 1),
            Err(failure) => assert!(failure.exit == Exit::Usage && release >= Release::V3_0 && release <= Release::V3_9, "{release}"),
        }
        assert_eq!(mode(release, Some(ModeName::KRaft)), Ok(Mode::KRaft));
    }
}
