use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::super::output::Paint;
use super::*;

fn row(name: &str, requests: f64, errors: f64, held: f64) -> TopRow {
    TopRow {
        name: name.to_owned(),
        requests,
        request_bytes: requests * 1024.0,
        response_bytes: requests * 64.0,
        errors,
        held,
        broker_p50_ms: Some(1.5),
        broker_p99_ms: Some(12.0),
        own_p50_ms: Some(0.02),
        own_p99_ms: Some(0.3),
        ..TopRow::default()
    }
}

fn picture() -> TopPicture {
    let brokers = TopRows { rows: vec![row("2", 120.0, 0.0, 0.0), row("10", 100.0, 0.0, 3.0), row("1", 80.0, 2.0, 0.0)], more: 0 };
    let clients = TopRows { rows: (0..40).map(|number| row(&format!("client-{number}"), f64::from(100 - number), 0.0, 0.0)).collect(), more: 7 };
    let whole = row("", 300.0, 2.0, 3.0);
    TopPicture { one_of: 1.0, sessions: 4, requests: 300.0, held_requests: 2, held_bytes: 2048, whole, brokers, clients, ..TopPicture::default() }
}

fn drawn(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame, Instant::now())).unwrap();
    let buffer = terminal.backend().buffer();
    (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned()).collect()
}

fn press(screen: &mut Screen, code: KeyCode) -> bool {
    on_key(screen, KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn all_columns_are_shown_where_there_is_room_and_the_name_and_rate_where_there_is_little() {
    let mut screen = Screen::new(By::Broker, Sort::Rate);
    assert!(drawn(&mut screen, 100, 10)[1].contains("waiting"));
    screen.take(picture(), Instant::now());
    let wide = drawn(&mut screen, 110, 10);
    assert!(wide[0].starts_with("leeward top by broker, most rate first"), "{wide:#?}");
    assert!(wide[1].starts_with("4 sessions, 300 req/s, 2 held (2.0KiB), broker p50/p99 1.5ms/12.0ms, Leeward 20us/300us"), "{wide:#?}");
    assert!(wide[2].starts_with("BROKER") && text::HEADINGS.iter().all(|heading| wide[2].contains(heading)), "{wide:#?}");
    let names: Vec<&str> = wide[3..6].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ["2", "10", "1"]);
    let narrow = drawn(&mut screen, 28, 10);
    assert_eq!(narrow[2].split_whitespace().collect::<Vec<_>>(), ["BROKER", "REQ/S", "BRK", "p99"], "{narrow:#?}");
    for (width, height) in [(1, 1), (3, 3), (10, 2), (300, 80)] {
        drawn(&mut screen, width, height);
    }
}

#[test]
fn a_row_with_errors_is_red_and_one_with_holds_is_yellow() {
    let mut screen = Screen::new(By::Broker, Sort::Name);
    screen.take(picture(), Instant::now());
    let mut terminal = Terminal::new(TestBackend::new(100, 10)).unwrap();
    terminal.draw(|frame| screen.draw(frame, Instant::now())).unwrap();
    let colours: Vec<_> = (3..6).map(|y| terminal.backend().buffer()[(0, y)].fg).collect();
    assert_eq!(colours, [Color::Red, Color::Reset, Color::Yellow], "brokers 1, 2 and 10");
}

#[test]
fn keys_change_what_is_shown() {
    let mut screen = Screen::new(By::Broker, Sort::Name);
    screen.take(picture(), Instant::now());
    let names = |lines: &[String]| lines[3..6].iter().map(|line| line.split_whitespace().next().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&drawn(&mut screen, 80, 10)), ["1", "2", "10"], "node ids as numbers");
    assert!(press(&mut screen, KeyCode::Char('c')));
    let clients = drawn(&mut screen, 80, 10);
    assert!(clients[2].starts_with("CLIENT (7 more)"), "{clients:#?}");
    (0..3).for_each(|_| assert!(press(&mut screen, KeyCode::Down)));
    assert_ne!(names(&drawn(&mut screen, 80, 10)), names(&clients));
    (0..9).for_each(|_| assert!(press(&mut screen, KeyCode::PageDown)));
    let end = drawn(&mut screen, 80, 10);
    assert!(!end[8].is_empty(), "not beyond the last row: {end:#?}");
    assert!(press(&mut screen, KeyCode::Home));
    assert_eq!(names(&drawn(&mut screen, 80, 10)), names(&clients));
    assert!(press(&mut screen, KeyCode::Char('t')));
    assert!(drawn(&mut screen, 80, 10)[2].contains("no request of the last seconds names a topic"));
    assert!(press(&mut screen, KeyCode::Tab) && press(&mut screen, KeyCode::Char('s')) && press(&mut screen, KeyCode::Char('p')));
    let paused = drawn(&mut screen, 80, 10);
    assert!(paused[0].contains("by client, most rate first") && paused[0].contains("PAUSED"), "{paused:#?}");
    screen.take(TopPicture { sessions: 99, ..picture() }, Instant::now());
    assert!(drawn(&mut screen, 80, 10)[1].starts_with("4 sessions"), "paused");
    screen.problem("no Leeward\u{1b}[2J answers".to_owned());
    assert!(drawn(&mut screen, 80, 10)[1].starts_with("no Leeward [2J answers"));
    assert!(!press(&mut screen, KeyCode::Char('q')) && !press(&mut screen, KeyCode::Esc));
    assert!(!on_key(&mut screen, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
}

#[test]
fn a_picture_is_a_table_of_a_hundred_columns_where_there_is_no_screen() {
    let mut picture = picture();
    picture.one_of = 12.5;
    picture.brokers.rows[0].name = "a name\u{7} that is far too long to be shown as a whole in any table".to_owned();
    let text = text::picture(&picture, By::Broker, Sort::Errors, Paint { colour: false });
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("~ 1 of 12.5") && text.lines().nth(2).unwrap().starts_with("1 "), "{text}");
    assert!(text::picture(&picture, By::Topic, Sort::Rate, Paint { colour: false }).ends_with("no request of the last seconds names a topic"));
}

#[test]
fn the_order_is_what_was_asked_for() {
    let rows = [row("b", 1.0, 5.0, 0.0), row("a", 2.0, 0.0, 9.0), row("c", 3.0, 1.0, 1.0)];
    for (sort, names) in [(Sort::Rate, "cab"), (Sort::Bytes, "cab"), (Sort::Errors, "bca"), (Sort::Held, "acb"), (Sort::Name, "abc"), (Sort::Broker, "abc")] {
        assert_eq!(sort.sorted(&rows).iter().map(|row| row.name.as_str()).collect::<String>(), names, "{sort:?}");
    }
    assert_eq!(Sort::ALL.iter().fold(Sort::Rate, |sort, _| sort.next()), Sort::Rate);
}
