use proptest::prelude::*;

use super::*;
use crate::history::codec::{QUARTERS_BYTES_MAX, decode, decode_quarters, encode};

/// So many looks: seconds since the one before (which may be less than nothing), how long they lasted, and what they brought.
type Look = (i64, u64, Vec<(usize, u8, u64)>);

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let row = (0..3_usize, 0..60_u8, 0..5_000_u64);
    proptest::collection::vec((-4000..9000_i64, 1..30_u64, proptest::collection::vec(row, 0..60)), 1..40)
}

fn history(looks: &[Look]) -> (History, Vec<(Kind, String, Amount)>) {
    let (mut history, mut at, mut all) = (History::default(), NOON, Vec::new());
    for (step, lasted, rows) in looks {
        at = at.saturating_add_signed(step * 1000);
        let mut named: BTreeMap<(Kind, String), u64> = BTreeMap::new();
        rows.iter().for_each(|(kind, name, bytes)| *named.entry((Kind::ALL[*kind], format!("n{name}"))).or_default() += bytes);
        let rows: Vec<_> = named.iter().map(|((kind, name), bytes)| (*kind, &**name, *bytes)).collect();
        history.note(at, Duration::from_secs(*lasted), &news(&rows));
        all.extend(rows.iter().map(|(kind, name, bytes)| (*kind, (*name).to_owned(), amount(*bytes))));
    }
    (history, all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// However looks fall, minutes, hours and quarter hours hold what they brought.
    #[test]
    fn nothing_is_lost_or_made_up(looks in looks()) {
        let (history, all) = history(&looks);
        let hours = sums(history.recent().flat_map(|day| Kind::ALL.into_iter().flat_map(move |kind| {
            day.rows[kind as usize].iter().flat_map(move |(name, hours)| hours.iter().map(move |(_, amount)| (kind, &**name, *amount)))
        })));
        prop_assert_eq!(&hours, &sums(all.iter().map(|(kind, name, amount)| (*kind, &**name, *amount))));
        let by_kind = |rows: &BTreeMap<(Kind, String), Amount>| sums(rows.iter().map(|((kind, _), amount)| (*kind, "", *amount)));
        let minutes = sums(history.recent().flat_map(|day| day.minutes.values().flat_map(|minute| minute.rows.iter().map(|(kind, name, amount)| (*kind, &**name, *amount)))));
        prop_assert_eq!(by_kind(&minutes), by_kind(&hours));
        let (mut quarters, mut totals) = (Amount::default(), Amount::default());
        history.quarters().flat_map(|(_, quarters)| quarters).for_each(|quarter| quarters += quarter.amount);
        history.recent().flat_map(|day| day.minutes.values()).for_each(|minute| totals += minute.total);
        let clients: u64 = all.iter().filter(|row| row.0 == Kind::Client).map(|row| row.2.bytes()).sum();
        prop_assert_eq!((quarters.bytes(), totals.bytes()), (clients, clients));
    }

    /// What is read is what was written, and goes on like that.
    #[test]
    fn a_restart_changes_nothing(looks in looks(), more in looks()) {
        let (before, _) = history(&looks);
        let mut after = History::default();
        for day in before.recent() {
            let bytes = encode(day);
            let read = decode(&bytes).unwrap();
            let (number, quarters) = decode_quarters(&bytes[..bytes.len().min(QUARTERS_BYTES_MAX)]).unwrap();
            prop_assert_eq!((number, &quarters), (day.number, day.quarters()));
            prop_assert_eq!(&read.rows, &day.rows);
            prop_assert_eq!(read.minutes.keys().collect::<Vec<_>>(), day.minutes.keys().collect::<Vec<_>>());
            after.insert(read);
        }
        let mut before = before;
        for (step, _, _) in &more {
            let at = NOON.saturating_add_signed(step * 1000);
            for history in [&mut before, &mut after] {
                history.note(at, LOOK, &news(&[(Kind::Client, "n1", 3)]));
            }
        }
        for kind in Kind::ALL {
            for step in [Step::Minute, Step::Hour] {
                let asked = Asked { top: 5, ..asked(kind, NOON - DAY, NOON + DAY, step) };
                prop_assert_eq!(reported(&before, &asked).total, reported(&after, &asked).total);
                if step == Step::Hour {
                    prop_assert_eq!(reported(&before, &asked), reported(&after, &asked));
                }
            }
        }
    }

    /// Bytes that are not a day are refused, and make nothing of their counts.
    #[test]
    fn damage_is_found(looks in looks(), at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<prop::sample::Index>()) {
        let (history, _) = history(&looks);
        let day = history.recent().next().unwrap();
        let bytes = encode(day);
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(decode(&flipped).is_err());
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn parts_with_a_right_checksum_and_nonsense_in_them_are_refused(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 3)) {
        let mut bytes = b"LWH1".to_vec();
        for part in parts {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(crc32c::crc32c(&part).to_be_bytes());
            bytes.extend(part);
        }
        // Whether by chance they are one or not, they are read without harm.
        let _ = (decode(&bytes), decode_quarters(&bytes));
    }
}
