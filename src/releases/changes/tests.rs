use super::*;

#[test]
fn rows_stand_by_age_and_say_what_to_do_and_where_it_is_from() {
    assert!(rows::CHANGES.is_sorted_by_key(|change| change.since));
    for change in &rows::CHANGES {
        assert!(!change.what.is_empty() && !change.instead.is_empty() && !change.source.is_empty(), "{change:?}");
        assert!(change.mode.is_none_or(|mode| change.since.runs_in(mode) || change.what.starts_with("ZooKeeper mode is gone")), "{change:?}");
        assert!(!change.what.ends_with('.') && !change.instead.ends_with('.'), "{change:?}");
    }
}

#[test]
fn only_what_lies_between_is_told() {
    let what = |from, to, mode| between(from, to, mode).map(|change| change.what).collect::<Vec<_>>();
    assert_eq!(what(Release::V2_2, Release::V2_2, Mode::ZooKeeper), Vec::<&str>::new());
    let tools = what(Release::V2_1, Release::V2_6, Mode::ZooKeeper);
    assert!(tools.contains(&"kafka-topics takes --bootstrap-server"));
    assert!(!tools.iter().any(|what| what.contains("no --zookeeper")));
    assert!(what(Release::V2_8, Release::V3_0, Mode::ZooKeeper).contains(&"kafka-topics and kafka-reassign-partitions have no --zookeeper"));
    // ZooKeeper is no matter of a KRaft cluster.
    assert!(what(Release::V3_9, Release::V4_0, Mode::ZooKeeper).iter().any(|what| what.starts_with("ZooKeeper mode is gone")));
    assert!(!what(Release::V3_9, Release::V4_0, Mode::KRaft).iter().any(|what| what.starts_with("ZooKeeper mode is gone")));
    // JoinGroup 0 and 1 came back with 4.0.1.
    let join_group = |to| what(Release::V3_9, to, Mode::KRaft).iter().any(|what| what.contains("JoinGroup"));
    assert!(join_group(Release::V4_0) && !join_group(Release::V4_1));
}
