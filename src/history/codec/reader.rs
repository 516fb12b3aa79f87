//! Numbers and names out of bytes.

use crate::history::amount::Amount;

/// What has not been read. Every count is followed by at least a byte for each element, so that the bytes bound what is made of them.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits)?;
            if byte & 0x80 == 0 {
                return T::try_from(number).ok();
            }
        }
        None
    }

    /// Passes numbers by, whatever they are.
    pub(super) fn skip(&mut self, numbers: usize) -> Option<()> {
        for _ in 0..numbers {
            let end = self.0.iter().position(|byte| byte & 0x80 == 0)?;
            self.0 = self.0.get(end + 1..)?;
        }
        Some(())
    }

    pub(super) fn name(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let (name, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(name).ok()
    }

    pub(super) fn amount(&mut self) -> Option<Amount> {
        Some(Amount { requests: self.number()?, to_brokers: self.number()?, to_clients: self.number()? })
    }
}
