use super::*;

#[test]
fn what_is_looked_into_stands_for_all() {
    for frame_bytes in [10, 2047, 2048, 5000, 40_000, 65_535, 65_536, 10 << 20] {
        let mut dice = Dice::new(7);
        let (mut looked, mut stood_for) = (0_u64, 0_u64);
        const FRAMES: u64 = 200_000;
        for _ in 0..FRAMES {
            if let Some(stands_for) = dice.falls(frame_bytes) {
                (looked, stood_for) = (looked + 1, stood_for + stands_for);
            }
        }
        let error = (stood_for as f64 / FRAMES as f64 - 1.0).abs();
        assert!(error < 0.05, "{frame_bytes}: {stood_for} for {FRAMES}");
        match frame_bytes {
            ..2048 => assert!(looked < FRAMES / 50, "{frame_bytes}: {looked}"),
            65_536.. => assert_eq!((looked, stood_for), (FRAMES, FRAMES), "each"),
            _ => assert!(looked > FRAMES / 50 && looked < FRAMES, "{frame_bytes}: {looked}"),
        }
    }
}

#[test]
fn sessions_look_at_different_frames() {
    let first = |seed| {
        let mut dice = Dice::new(seed);
        (0..1000).find(|_| dice.falls(100).is_some())
    };
    let firsts: std::collections::BTreeSet<_> = (0..50).map(first).collect();
    assert!(firsts.len() > 20, "{firsts:?}");
    // Whatever the seed, it goes on.
    assert!(first(0x9e37_79b9_7f4a_7c15).is_some());
}
