use std::time::UNIX_EPOCH;

use super::account::CLIENT_ID_BYTES_MAX;
use super::*;
use crate::guard::{ClientRef, Event, HoldEnd, NotNumbered};

/// A ledger of two threads, and wall-clock times in seconds.
struct Desk {
    ledger: Ledger,
    pages: Vec<Arc<Mutex<Page>>>,
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn client(client_id: &str, node_id: i32) -> ClientRef<'_> {
    ClientRef { client_id, node_id: Some(node_id) }
}

const BEGAN: Event = Event::HoldBegan { api_key: 0, frame_bytes: 100 };

fn ended(end: HoldEnd, nanos: u64) -> Event {
    Event::HoldEnded { api_key: 0, frame_bytes: 100, end, nanos }
}

impl Desk {
    fn new() -> Self {
        let pages: Vec<_> = (0..2).map(|_| Arc::default()).collect();
        Desk { ledger: Ledger::new(pages.clone()), pages }
    }

    fn tell(&self, page: usize, client: ClientRef<'_>, event: Event) {
        lock(&self.pages[page]).note(client, event, Instant::now);
    }

    fn last(&self, seconds: u64) -> Episode {
        self.ledger.episode(Which::Last, at(seconds)).expect("an episode")
    }

    fn numbers(&self, seconds: u64) -> Vec<(u64, EpisodeKind, bool)> {
        self.ledger.episodes(at(seconds)).iter().map(|episode| (episode.number, episode.kind, episode.ended.is_some())).collect()
    }
}

#[track_caller]
fn is_conserved(figures: &Figures) {
    let begun = figures.holds_carried + i64::try_from(figures.holds_begun).unwrap();
    let ends: u64 = HoldEnd::ALL.iter().map(|end| figures.ended(*end)).sum();
    assert_eq!(begun, i64::try_from(ends).unwrap() + figures.held(), "{figures:?}");
}

#[test]
fn labels_stand_at_their_index() {
    assert!(HoldEnd::ALL.iter().enumerate().all(|(index, end)| *end as usize == index));
    assert!(NotNumbered::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
}

#[test]
fn an_episode_has_what_every_thread_counted() {
    let desk = Desk::new();
    desk.ledger.began(EpisodeKind::Window, "upgrade", at(10));
    for page in [0, 1] {
        desk.tell(page, client("a", 1), Event::Absorbed { api_key: 0, code: 6 });
        desk.tell(page, client("a", 2), Event::Absorbed { api_key: 1, code: 6 });
        desk.tell(page, client("a", 1), Event::AbsorbedLoss { api_key: 0 });
        desk.tell(page, client("b", 1), BEGAN);
        desk.tell(page, client("b", 1), ended(HoldEnd::Resent, 5 + page as u64));
        desk.tell(page, client("b", 1), Event::AcksRaised);
        desk.tell(page, client("b", 1), Event::Numbered { batches: 3 });
        desk.tell(page, client("b", 1), Event::NotNumbered { reason: NotNumbered::Refused });
        desk.tell(page, client("b", 1), Event::DuplicateDropped);
        desk.tell(page, client("b", 1), Event::Resent { api_key: 0 });
        desk.tell(page, client("b", 1), Event::Reached { api_key: 0, code: 7 });
        desk.tell(page, client("b", 1), Event::HomeLost);
        desk.tell(page, client("b", 1), Event::HomeBack);
    }
    let episode = desk.last(20);
    assert_eq!((episode.number, episode.reason.as_str(), episode.began, episode.ended), (1, "upgrade", at(10), None));
    let rows = episode.account.rows();
    let named: Vec<_> = rows.iter().map(|(client_id, api, _)| (*client_id, *api)).collect();
    assert_eq!(named, [("b", "Produce"), ("a", "Produce"), ("a", "Fetch")], "what reached a client comes first");
    let b = rows[0].2;
    assert_eq!((b.holds_begun, b.ended(HoldEnd::Resent), b.hold_nanos, b.hold_longest_nanos), (2, 2, 11, 6));
    assert_eq!((b.acks_raised, b.numbered, b.not_numbered, b.duplicates_dropped, b.resent), (2, 6, [0, 2, 0], 2, 2));
    assert_eq!(b.reached.by_name().collect::<Vec<_>>(), [("REQUEST_TIMED_OUT", 2)]);
    assert_eq!((rows[1].2.absorbed_in_all(), rows[2].2.absorbed_in_all()), (4, 2));
    let nodes = episode.account.nodes();
    assert_eq!((nodes[&Some(1)].absorbed_in_all(), nodes[&Some(2)].absorbed_in_all(), nodes[&Some(1)].homes_lost), (4, 2, 2));
    assert_eq!((episode.total.absorbed_in_all(), episode.total.homes_back), (6, 2));

    desk.ledger.ended(at(30));
    let closed = desk.last(40);
    assert_eq!((closed.ended, closed.total == episode.total), (Some(at(30)), true));
    assert_eq!(closed.account.rows(), rows);
    desk.tell(0, client("a", 1), Event::AcksRaised);
    assert_eq!(desk.last(40).total, closed.total, "what comes after it is not in it");
}

#[test]
fn a_restart_begins_with_a_loss_and_ends_when_nothing_is_away_or_held() {
    let desk = Desk::new();
    // Sessions notice before control does.
    desk.tell(0, client("a", 1), Event::AbsorbedLoss { api_key: 0 });
    desk.tell(1, client("a", 1), BEGAN);
    assert!(desk.ledger.episode(Which::Last, at(1)).is_none());
    desk.ledger.broker_lost(1, at(10));
    desk.ledger.broker_lost(2, at(11));
    desk.ledger.broker_lost(2, at(12));
    desk.ledger.broker_back(1, at(20));
    desk.ledger.broker_back(2, at(21));
    let restarts = [Restart { node_id: 1, lost: at(10), back: Some(at(20)) }, Restart { node_id: 2, lost: at(11), back: Some(at(21)) }];
    let open = desk.last(22);
    assert_eq!((open.ended, open.kind, open.restarts.as_slice(), open.total.held()), (None, EpisodeKind::Restart, &restarts[..], 1));
    desk.tell(1, client("a", 1), ended(HoldEnd::Answered, 9));
    desk.ledger.settle(at(23));
    let over = desk.last(50);
    assert_eq!((over.ended, over.total.losses, over.total.ended(HoldEnd::Answered), over.reason.as_str()), (Some(at(23)), 1, 1, "broker 1 was lost"));
    desk.ledger.broker_back(7, at(60));
    assert_eq!(desk.numbers(60), [(1, EpisodeKind::Restart, true)], "a broker that was not lost begins nothing");
}

#[test]
fn windows_and_losses_make_one_episode_where_they_belong_together() {
    let desk = Desk::new();
    desk.ledger.broker_lost(1, at(100));
    desk.ledger.began(EpisodeKind::Window, "detected", at(101));
    desk.ledger.began(EpisodeKind::Window, "by hand", at(110));
    assert_eq!((desk.last(111).reason.as_str(), desk.last(111).began), ("detected; by hand", at(100)));
    desk.ledger.ended(at(120));
    desk.ledger.broker_back(1, at(121));
    assert_eq!(desk.numbers(122), [(1, EpisodeKind::Window, false)], "the second window is open");
    desk.ledger.ended(at(130));
    assert_eq!(desk.numbers(131), [(1, EpisodeKind::Window, true)]);

    // A broker that has been away for long is another trouble than the window that opens now; the window knows that it is away.
    desk.ledger.broker_lost(3, at(200));
    desk.ledger.began(EpisodeKind::Window, "planned", at(300));
    assert_eq!(desk.numbers(301), [(3, EpisodeKind::Window, false), (2, EpisodeKind::Restart, true), (1, EpisodeKind::Window, true)]);
    assert_eq!(desk.last(302).restarts, [Restart { node_id: 3, lost: at(200), back: None }]);
    // Closed, it waits for the broker, but a new window is a new episode, and no broker is waited for without end.
    desk.ledger.ended(at(310));
    assert_eq!(desk.last(311).ended, None);
    desk.ledger.began(EpisodeKind::Window, "next", at(320));
    assert_eq!(desk.last(321).number, 4);
    desk.ledger.ended(at(330));
    assert_eq!(desk.last(330 + WAIT_MAX.as_secs()).ended, None);
    assert_eq!(desk.last(331 + WAIT_MAX.as_secs()).ended, Some(at(331 + WAIT_MAX.as_secs())));
}

#[test]
fn holds_are_conserved_whatever_happens_and_whenever_it_is_asked() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let (desk, mut held, mut closed_carried) = (Desk::new(), vec![0_u32; 8], None);
        for second in 0..200 {
            let (place, node_id) = (random.usize(..held.len()), random.i32(0..3));
            let (page, name) = (place % 2, format!("client-{}", place / 2));
            match random.u32(..12) {
                0 => desk.ledger.began(EpisodeKind::Window, "w", at(second)),
                1 => desk.ledger.ended(at(second)),
                2 => desk.ledger.broker_lost(node_id, at(second)),
                3 => desk.ledger.broker_back(node_id, at(second)),
                4..=7 => {
                    held[place] += 1;
                    desk.tell(page, client(&name, 1), BEGAN);
                }
                _ if held[place] > 0 => {
                    held[place] -= 1;
                    desk.tell(page, client(&name, 1), ended(HoldEnd::ALL[random.usize(..3)], 1));
                }
                _ => {}
            }
            let now_held = i64::from(held.iter().sum::<u32>());
            let totals = desk.ledger.totals();
            assert_eq!(totals.apis[0].held(), now_held);
            let Some(episode) = desk.ledger.episode(Which::Last, at(second)) else { continue };
            is_conserved(&episode.total);
            episode.account.rows().iter().for_each(|(_, _, figures)| is_conserved(figures));
            let by_rows: i64 = episode.account.rows().iter().map(|(_, _, figures)| figures.held()).sum();
            assert_eq!(by_rows, episode.total.held());
            if episode.ended.is_none() {
                assert_eq!(episode.total.held(), now_held);
                closed_carried = Some(episode.number);
            }
        }
        assert!(closed_carried.is_some(), "some episode was open");
    }
}

#[test]
fn what_is_long_ago_is_not_in_an_episode_but_what_is_held_is() {
    let (mut page, start) = (Page::default(), Instant::now());
    let second = |seconds| start + Duration::from_secs(seconds);
    page.note(client("old", 1), Event::AbsorbedLoss { api_key: 0 }, || second(0));
    page.note(client("held", 1), BEGAN, || second(1));
    page.note(client("recent", 1), Event::AbsorbedLoss { api_key: 0 }, || second(70));
    page.begin(second(75));
    let rows: Vec<_> = page.account().rows().iter().map(|(name, _, figures)| ((*name).to_owned(), figures.losses, figures.holds_carried)).collect();
    assert_eq!(rows, [("recent".to_owned(), 1, 0), ("held".to_owned(), 0, 1)]);
    let mut asked = false;
    page.note(client("held", 1), ended(HoldEnd::Resent, 1), || {
        asked = true;
        second(80)
    });
    assert!(!asked, "no clock is read while an episode is open");
    let account = page.end();
    is_conserved(&account.total());
    assert_eq!((account.total().held(), page.held()), (0, 0));
}

#[test]
fn rows_are_bounded() {
    let desk = Desk::new();
    desk.ledger.began(EpisodeKind::Window, "w", at(1));
    for number in 0..CLIENTS_MAX + 50 {
        desk.tell(0, client(&format!("{number}"), 1), Event::Absorbed { api_key: 0, code: 6 });
        desk.tell(1, client(&format!("x{number}"), 1), Event::Absorbed { api_key: 0, code: 6 });
    }
    for code in i16::MIN..i16::MAX {
        desk.tell(0, client("0", 1), Event::Reached { api_key: code, code });
    }
    desk.tell(0, client(&"ä".repeat(20_000), 1), Event::AcksRaised);
    let open = desk.last(2).account;
    let rows = open.rows();
    assert!(rows.len() <= CLIENTS_MAX + 200, "{}", rows.len());
    assert!(rows.iter().all(|(name, _, figures)| name.len() <= CLIENT_ID_BYTES_MAX && figures.reached.by_name().count() <= 136));
    let others: u64 = rows.iter().filter(|(name, _, _)| *name == OTHERS).map(|(_, _, figures)| figures.absorbed.sum()).sum();
    assert_eq!(others, 50 + 2_050, "nothing is lost, only the name is");
    desk.ledger.ended(at(3));
    let closed = desk.last(4);
    let names: std::collections::BTreeSet<_> = closed.account.rows().iter().map(|(name, _, _)| (*name).to_owned()).collect();
    assert_eq!((names.len(), closed.total.absorbed.sum()), (PAST_CLIENTS_MAX + 1, 4_100));
    assert_eq!(closed.account.rows().iter().map(|(_, _, figures)| figures.absorbed.sum()).sum::<u64>(), 4_100);

    for window in 0..100 {
        desk.ledger.began(EpisodeKind::Window, &"r".repeat(100_000), at(10 + window));
        desk.ledger.ended(at(10 + window));
    }
    assert_eq!(desk.numbers(200).len(), PAST_MAX);
    assert!(desk.last(200).reason.len() <= 400);
    assert_eq!((desk.ledger.episode(Which::Number(1), at(200)).is_some(), desk.ledger.episode(Which::Number(101), at(200)).is_some()), (false, true));
}
