mod scale;
mod work;

use super::*;
use crate::rolling::census::Partition;

fn assignment(entries: &[(&str, i32, &[i32])]) -> Assignment {
    Assignment(entries.iter().map(|(topic, partition, replicas)| ((Arc::from(*topic), *partition), replicas.to_vec())).collect())
}

#[test]
fn an_assignment_is_what_every_partition_has() {
    let partition =
        |index, replicas: &[i32]| Partition { topic: "t".into(), index, leader: None, replicas: replicas.to_vec(), isr: Vec::new(), min_insync_replicas: None };
    let census = Census { partitions: vec![partition(1, &[3, 1]), partition(0, &[2, 3])], ..Census::default() };
    let read = Assignment::of(&census);
    assert_eq!(read, assignment(&[("t", 0, &[2, 3]), ("t", 1, &[3, 1])]));
    assert_eq!((read.replicas("t", 1), read.replicas("t", 2)), (Some(&[3, 1][..]), None));
}

#[test]
fn kafkas_json_both_ways() {
    let written = assignment(&[("b.\"x\"", 10, &[3]), ("a", 0, &[2, 1, 3])]);
    let text = written.to_json();
    let expected = r#"{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[2,1,3],"log_dirs":["any","any","any"]},{"topic":"b.\"x\"","partition":10,"replicas":[3],"log_dirs":["any"]}]}"#;
    assert_eq!(text, expected);
    assert_eq!(Assignment::from_json(text.as_bytes()).unwrap(), written);
    // As people write it: without directories, in lines, in any order.
    let by_hand = r#" { "partitions": [ {"replicas": [7], "partition": 1, "topic": "t", "note": "big"} ],
        "version": 1 }
"#;
    assert_eq!(Assignment::from_json(by_hand.as_bytes()).unwrap(), assignment(&[("t", 1, &[7])]));
    assert_eq!(Assignment::from_json(br#"{"version":1,"partitions":[]}"#).unwrap(), Assignment::default());
}

#[test]
fn of_what_generate_prints_the_proposal_is_read() {
    let printed = "Current partition replica assignment\n\
        {\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":0,\"replicas\":[1,2],\"log_dirs\":[\"any\",\"any\"]}]}\n\n\
        Proposed partition reassignment configuration\n\
        {\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":0,\"replicas\":[4,1],\"log_dirs\":[\"any\",\"any\"]}]}\n";
    assert_eq!(Assignment::from_json(printed.as_bytes()).unwrap(), assignment(&[("t", 0, &[4, 1])]));
}

#[test]
fn directories_are_left_to_the_brokers() {
    let text = |directory: &str| format!(r#"{{"version":1,"partitions":[{{"topic":"t","partition":0,"replicas":[1],"log_dirs":["{directory}"]}}]}}"#);
    for (directory, is_named) in [("any", false), ("/data", true)] {
        let read = Assignment::with_directories(text(directory).as_bytes()).unwrap();
        assert_eq!(read, (assignment(&[("t", 0, &[1])]), is_named));
    }
}

#[test]
fn what_is_no_assignment_is_told_in_a_sentence() {
    let one = |entry: &str| format!(r#"{{"version":1,"partitions":[{entry}]}}"#);
    for (text, expected) in [
        ("[]".to_owned(), "it is not the JSON of kafka-reassign-partitions (invalid length 0"),
        (r#"{"version":1}"#.to_owned(), "missing field `partitions`"),
        (r#"{"version":2,"partitions":[]}"#.to_owned(), "its version is 2"),
        (one(r#"{"topic":"t","partition":"0","replicas":[1]}"#), "invalid type: string"),
        (one(r#"{"topic":"","partition":0,"replicas":[1]}"#), "-0 has no topic name"),
        (one(r#"{"topic":"t","partition":-1,"replicas":[1]}"#), "t--1 has no topic name or a partition below 0"),
        (one(r#"{"topic":"t","partition":0,"replicas":[]}"#), "t-0 has no replicas"),
        (one(r#"{"topic":"t","partition":0,"replicas":[1,-5]}"#), "t-0 has broker -5"),
        (one(r#"{"topic":"t","partition":0,"replicas":[1,2,1]}"#), "t-0 has broker 1 twice"),
        (one(r#"{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[2]}"#), "t-0 stands in it twice"),
    ] {
        let error = Assignment::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

fn seat(node_id: i32, rack: Option<&str>, standing: Standing) -> Seat {
    Seat { node_id, rack: rack.map(str::to_owned), standing }
}

fn part(index: i32, replicas: &[i32], bytes: Option<u64>) -> Part {
    Part { index, leader: replicas.first().copied(), replicas: replicas.to_vec(), bytes, is_reassigning: false }
}

/// Ten partitions of three replicas on brokers 1 to 3, 1 MiB each; nothing else.
fn layout(brokers: Vec<Seat>) -> Layout {
    let partitions = (0..10).map(|index| part(index, &[[1, 2, 3], [2, 3, 1], [3, 1, 2]][index as usize % 3], Some(1 << 20))).collect();
    Layout { brokers, topics: vec![Topic { name: "orders".to_owned(), retention: None, partitions }], gaps: Vec::new() }
}

fn serving(node_ids: &[i32]) -> Vec<Seat> {
    node_ids.iter().map(|node_id| seat(*node_id, None, Standing::Serving)).collect()
}

/// Of each broker: replicas and leaders.
fn shares(proposal: &Proposal) -> Vec<(usize, usize)> {
    proposal.brokers.iter().map(|share| (share.replicas_after, share.leaders_after)).collect()
}

#[test]
fn a_fourth_broker_gets_its_share() {
    let asked = Asked { throttle: Some(1 << 20), ..Asked::default() };
    let proposal = plan(&layout(serving(&[1, 2, 3, 4])), &asked).unwrap();
    assert_eq!((proposal.copies, proposal.bytes, proposal.partitions, proposal.replicas), (7, 7 << 20, 10, 30));
    let mut even = shares(&proposal);
    even.sort_unstable();
    assert_eq!(even.iter().map(|share| share.0).collect::<Vec<_>>(), [7, 7, 8, 8]);
    assert!(even.iter().all(|share| (2..=3).contains(&share.1)), "{even:?}");
    assert_eq!((proposal.leader_changes, proposal.is_fewest), (2, Some(true)));
    // The fourth copies seven logs of 1 MiB, at 1 MiB a second.
    let time = proposal.time.unwrap();
    assert_eq!((time.seconds_at_once, time.seconds_by_topic), (7, 7));
    assert_eq!(proposal.after().0.keys().collect::<Vec<_>>(), proposal.before().0.keys().collect::<Vec<_>>());
    let way_back = check(&layout(serving(&[1, 2, 3, 4])), &proposal.before(), None, 0);
    assert!(way_back.moves.is_empty(), "what is now changes nothing");
}

#[test]
fn a_whole_move_is_a_copy_for_each_replica() {
    let asked = Asked { brokers: Some([4, 5, 6].into()), ..Asked::default() };
    let proposal = plan(&layout(serving(&[1, 2, 3, 4, 5, 6])), &asked).unwrap();
    assert_eq!((proposal.copies, proposal.bytes), (30, 30 << 20));
    assert_eq!(shares(&proposal)[..3], [(0, 0), (0, 0), (0, 0)]);
    assert!(shares(&proposal)[3..].iter().all(|share| share.0 == 10 && (3..=4).contains(&share.1)), "{:?}", shares(&proposal));
}

#[test]
fn who_is_away_or_draining_keeps_what_it_has() {
    let brokers = vec![seat(1, None, Standing::Away), seat(2, None, Standing::Draining), seat(3, None, Standing::Serving), seat(4, None, Standing::Serving)];
    let proposal = plan(&layout(brokers.clone()), &Asked::default()).unwrap();
    assert_eq!(shares(&proposal)[..2], [(10, 4), (10, 3)]);
    assert_eq!(shares(&proposal)[2..].iter().map(|share| share.0).collect::<Vec<_>>(), [5, 5]);
    assert_eq!(
        proposal.notes,
        ["broker 1 does not answer: it keeps what it has and gets nothing", "broker 2 is draining: it keeps what it has and gets nothing"]
    );
    for (named, expected) in [
        ([1, 3], "broker 1 does not answer, so nothing can be copied to it"),
        ([2, 3], "broker 2 is draining; undrain it first"),
        ([3, 9], "there is no broker 9 in the cluster"),
        ([3, 4], "orders has partitions of 3 replicas, and only 2 brokers are to have them"),
    ] {
        let error = plan(&layout(brokers.clone()), &Asked { brokers: Some(named.into()), ..Asked::default() }).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = plan(&layout(brokers), &Asked { topics: vec!["payments*".to_owned()], ..Asked::default() }).unwrap_err();
    assert_eq!(error, PlanError::NoTopic("payments*".to_owned()));
}

#[test]
fn racks_are_kept_apart_and_mended() {
    let racks: Vec<Seat> = [(1, "a"), (2, "b"), (3, "c"), (4, "c")].map(|(node_id, rack)| seat(node_id, Some(rack), Standing::Serving)).into();
    let proposal = plan(&layout(racks.clone()), &Asked::default()).unwrap();
    // One replica on each rack: only those of broker 3 can go to broker 4.
    assert_eq!((proposal.crowded_after, proposal.copies), (0, 5));
    assert_eq!(shares(&proposal).iter().map(|share| share.0).collect::<Vec<_>>(), [10, 10, 5, 5]);
    let crowded = Layout { topics: vec![Topic { name: "t".to_owned(), retention: None, partitions: vec![part(0, &[3, 4], Some(5))] }], ..layout(racks) };
    let proposal = plan(&crowded, &Asked::default()).unwrap();
    assert_eq!((proposal.crowded_before, proposal.crowded_after, proposal.copies), (1, 0, 1));
    let back = check(&crowded, &assignment(&[("t", 0, &[4, 3])]), None, 0);
    assert_eq!((back.copies, back.leader_changes, back.crowded_after, back.problems.len()), (0, 1, 1, 0));
}

#[test]
fn another_tools_plan_is_checked() {
    let mut layout =
        layout(vec![seat(1, None, Standing::Serving), seat(2, None, Standing::Serving), seat(3, None, Standing::Serving), seat(4, None, Standing::Away)]);
    layout.topics[0].partitions[2].is_reassigning = true;
    let given = assignment(&[("orders", 0, &[4, 2, 3]), ("orders", 1, &[9, 3]), ("orders", 2, &[1, 2, 3]), ("nothing", 5, &[1])]);
    let proposal = check(&layout, &given, None, 0);
    assert_eq!(
        proposal.problems,
        [
            "there is no partition nothing-5",
            "orders-2 is being reassigned already; wait, or cancel that first",
            "1 of the copies are to go to broker 4, which does not answer",
            "1 of the copies are to go to broker 9, which is not there",
        ]
    );
    assert_eq!(proposal.notes, ["1 partitions get another number of replicas than they have"]);
}

#[test]
fn time_is_that_of_the_busiest_broker_and_topics_come_one_after_the_other() {
    let topic = |name: &str, bytes| Topic { name: name.to_owned(), retention: None, partitions: vec![part(0, &[1], Some(bytes)), part(1, &[2], Some(bytes))] };
    let layout = Layout { brokers: serving(&[1, 2, 3, 4]), topics: vec![topic("a", 100), topic("b", 50)], gaps: Vec::new() };
    // a: broker 1 sends 200; b: broker 3 receives 100.
    let given = assignment(&[("a", 0, &[1, 3, 4]), ("b", 0, &[3, 1]), ("b", 1, &[3, 2])]);
    let time = check(&layout, &given, Some(10), 0).time.unwrap();
    // All at once broker 1 sends 250 and broker 3 receives 200.
    assert_eq!((time.seconds_by_topic, time.seconds_at_once), (20 + 10, 25));
}

#[test]
fn shorter_retention_saves_between_nothing_and_all() {
    const DAY: i64 = 86_400_000;
    let topic = |name: &str, deletes, ms| Topic {
        name: name.to_owned(),
        retention: Some(Retention { deletes, ms, bytes: -1 }),
        partitions: vec![part(0, &[1], Some(700))],
    };
    let topics = vec![topic("compacted", false, 7 * DAY), topic("for ever", true, -1), topic("short", true, DAY / 2), topic("week", true, 7 * DAY)];
    let given: Vec<(&str, i32, &[i32])> = topics.iter().map(|topic| (topic.name.as_str(), 0, &[2][..])).collect();
    let given = assignment(&given);
    let shorter = check(&Layout { brokers: serving(&[1, 2]), topics, gaps: Vec::new() }, &given, None, DAY).shorter_retention;
    assert_eq!(shorter, Shorter { retention_ms: DAY, topics: 2, unlimited: 1, bytes_at_most: 1400, bytes_about: 600 });
}
