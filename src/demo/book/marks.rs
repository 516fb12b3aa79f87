//! A set of numbers that begin at 0 and are dense.

/// One bit for each number, and how often one came again.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    words: Vec<u64>,
    count: u64,
    again: u64,
}

/// More than any demo sends; a number beyond it is nobody's.
const NUMBERS_MAX: u64 = 1 << 32;

impl Marks {
    /// Returns whether it was not marked before.
    pub(super) fn mark(&mut self, number: u64) -> bool {
        let word = usize::try_from(number.min(NUMBERS_MAX) / 64).unwrap_or(usize::MAX);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (number % 64);
        let Some(word) = self.words.get_mut(word) else { return false };
        let is_new = *word & bit == 0;
        if is_new {
            self.count += 1;
        } else {
            self.again += 1;
        }
        *word |= bit;
        is_new
    }

    /// Different numbers.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Marks of numbers that were marked before.
    pub(super) fn again(&self) -> u64 {
        self.again
    }

    /// Numbers that are marked here and not in `other`.
    pub(super) fn missing_in(&self, other: &Marks) -> u64 {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        self.words.iter().zip(others).map(|(here, there)| u64::from((here & !there).count_ones())).sum()
    }
}
