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
        (one(r#"{"topic":"t","partition":0,"replicas":[1],"log_dirs":["/data"]}"#), "t-0 names the log directory /data"),
        (one(r#"{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[2]}"#), "t-0 stands in it twice"),
    ] {
        let error = Assignment::from_json(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
