use super::show;
use crate::cli::output::Paint;
use crate::roll::api::{LegView, RollView};

#[test]
fn a_roll_is_shown_with_a_bar_and_a_row_for_each_broker() {
    let leg = |broker, step: &str| LegView { broker, step: step.to_owned(), ..LegView::default() };
    let done = LegView { took_seconds: Some(90), ..leg(1, "done") };
    let waits_for = Some("t-0 has just as many replicas in sync as min.insync.replicas ".repeat(3));
    let at_hand = LegView { seconds_in_step: Some(12), waits_for, ..leg(2, "asking whether it may stop") };
    let roll = RollView {
        id: "r4".to_owned(),
        state: "running".to_owned(),
        sentence: "1 of 3 brokers done; broker 2 is asking whether it may stop".to_owned(),
        fraction: 0.425,
        seconds_left: Some(150),
        reason: "patches".to_owned(),
        author: "alice".to_owned(),
        begun: "2026-03-01T12:00:00Z".to_owned(),
        seconds: 102,
        window: Some("w7".to_owned()),
        brokers: vec![done, at_hand, leg(3, "waiting")],
        ..RollView::default()
    };
    let text = show::roll(&roll, Paint { colour: false });
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    for words in
        ["roll r4 (patches), by alice", "[#################.......................]  42 %, about ", "window w7 is open", "waits for", "min.insync.replicas"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(show::order(&roll), "brokers 1, 2, 3, in this order, the active controller last");
    assert!(show::news(&roll).starts_with(" 42 % 1 of 3"));
}
