//! How a CRC-32C changes when bytes in front of it change.

use std::sync::LazyLock;

/// Powers of two that a length may be made of: lengths are 32 bits.
const POWERS: usize = 32;
/// Nibbles of a CRC.
const NIBBLES: usize = 8;

/// For each power of two, and each nibble of a CRC at its place: what becomes of it when so many zero bytes follow. The map is linear, so a CRC's image is the sum of
/// its nibbles' images. 16 KiB in all, made once.
type Tables = Vec<[[u32; 16]; NIBBLES]>;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let image = |power: usize, value: u32| crc32c::crc32c_combine(value, 0, 1 << power);
    let nibble = |power, at: usize| std::array::from_fn(|value| image(power, u32::try_from(value).unwrap_or_default() << (4 * at)));
    (0..POWERS).map(|power| std::array::from_fn(|at| nibble(power, at))).collect()
});

/// What a difference of two CRCs becomes when `bytes` equal bytes follow: the difference of the CRCs of the whole.
///
/// The cost grows with the bits of `bytes` that are set, about 5 ns each.
pub(super) fn carried_over(difference: u32, bytes: u32) -> u32 {
    TABLES.iter().enumerate().filter(|(power, _)| bytes >> power & 1 == 1).fold(difference, |crc, (_, table)| {
        table.iter().enumerate().fold(0, |image, (at, nibble)| image ^ nibble.get((crc >> (4 * at) & 15) as usize).copied().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_combining_gives() {
        let mut rng = fastrand::Rng::with_seed(3);
        for bytes in [0, 1, 2, 3, 255, 16_384, 16_385, 1_000_000, 0x7fff_ffff] {
            let difference = rng.u32(..);
            assert_eq!(carried_over(difference, bytes), crc32c::crc32c_combine(difference, 0, bytes as usize), "{bytes}");
        }
    }
}
