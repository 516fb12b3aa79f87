use super::text::text;
use crate::cli::output::Paint;
use crate::rolling::reassign::{Asked, Layout, Part, Retention, Seat, Standing, Topic, plan};

fn layout() -> Layout {
    let seat = |node_id, rack: &str, standing| Seat { node_id, rack: Some(rack.to_owned()), standing };
    let replicas = |index: i32| vec![1 + index % 3, 1 + (index + 1) % 3];
    let part = |index| Part { index, leader: Some(1 + index % 3), replicas: replicas(index), bytes: Some(3 << 30), is_reassigning: false };
    let topic = |name: &str| Topic {
        name: name.to_owned(),
        retention: Some(Retention { deletes: true, ms: 7 * 86_400_000, bytes: -1 }),
        partitions: (0..6).map(part).collect(),
    };
    use Standing::{Away, Serving};
    Layout {
        brokers: vec![seat(1, "a", Serving), seat(2, "b", Serving), seat(3, "c", Serving), seat(4, "a", Serving), seat(5, "b", Away)],
        topics: vec![topic("orders"), topic("payments")],
        gaps: Vec::new(),
    }
}

#[test]
fn a_plan_for_a_person() {
    let asked = Asked { throttle: Some(50 << 20), retention_ms: 86_400_000, ..Asked::default() };
    let told = text(&plan(&layout(), &asked).unwrap(), true, Some("in five days"), Paint { colour: false });
    let expected = "\
plan        6 copies of 6 partitions (18.0GiB), 4 preferred leaders change
looked at   12 partitions with 24 replicas
fewest      nothing that is as even takes fewer copies
time        6m10s one topic after the other, 6m9s all at once, at 50.0MiB a second for each broker;
            what is written meanwhile comes on top
retention   with retention.ms=86400000 (24h) set first where topics keep longer (2 topics): up to
            18.0GiB less to copy, about 15.4GiB if these were written evenly
quiet       in five days

NODE  RACK  STATE    REPLICAS  THEN  LEADERS  THEN  TO COPY
1     a     serving  8         6     4        3     0B
2     b     serving  8         6     4        3     0B
3     c     serving  8         6     4        3     0B
4     a     serving  0         6     0        3     18.0GiB
5     b     away     0         0     0        0     0B

TOPIC     PARTITIONS  COPIES  BYTES   LEADERS CHANGE
orders    4           3       9.0GiB  3
payments  3           3       9.0GiB  1

besides:
  - broker 5 does not answer: it keeps what it has and gets nothing

Kafka places new topics on a new broker by itself; what exists stays until it is moved.";
    assert_eq!(told, expected);
}

#[test]
fn a_plan_that_is_carried_out_leaves_nothing() {
    let (mut layout, asked) = (layout(), Asked::default());
    let after = plan(&layout, &asked).unwrap().after();
    for (topic, part) in layout.topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut().map(|part| (topic.name.clone(), part))) {
        part.replicas = after.replicas(&topic, part.index).map_or_else(|| part.replicas.clone(), <[i32]>::to_vec);
    }
    let told = text(&plan(&layout, &asked).unwrap(), true, None, Paint { colour: false });
    assert!(told.starts_with("plan        nothing to move\nlooked at   12 partitions with 24 replicas\n\nNODE"), "{told}");
}
