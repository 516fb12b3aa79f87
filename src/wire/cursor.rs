//! A cursor over bytes that a peer sent. Every read is checked against what is really there.

/// Why bytes are not what the protocol says they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end before the field does. `needed` is how many bytes, counted from the start of the cursor's slice, would let the read go on.
    #[error("{needed} bytes needed, {available} there")]
    Truncated { needed: usize, available: usize },
    /// A length or count that no well-formed message has: negative where that is not allowed, or larger than the rest of the frame could hold.
    #[error("{what} of {value} at offset {offset} cannot be")]
    BadLength { what: &'static str, value: i64, offset: usize },
    /// A variable-length integer longer than five bytes, or one that overflows 32 bits (`Varint` in Kafka's `ByteUtils.java`).
    #[error("a varint at offset {offset} is longer than its type")]
    BadVarint { offset: usize },
    /// A field has a value that its type forbids, for example text that is not UTF-8.
    #[error("{what} at offset {offset} is malformed")]
    BadValue { what: &'static str, offset: usize },
}

/// Reads big-endian Kafka primitives from a slice; never past its end, never with a panic.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! fixed {
    ($name:ident, $type:ty, $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&mut self) -> Result<$type, WireError> {
            let raw = self.array::<{ size_of::<$type>() }>()?;
            Ok(<$type>::from_be_bytes(raw))
        }
    };
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Offset of the next byte from the start of the slice.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes that have not been read.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fixed!(i8, i8, "INT8.");
    fixed!(i16, i16, "INT16.");
    fixed!(u16, u16, "UINT16.");
    fixed!(i32, i32, "INT32.");
    fixed!(u32, u32, "UINT32.");
    fixed!(i64, i64, "INT64.");

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let slice = self.take(N)?;
        // `take` returned exactly N bytes, so the conversion cannot fail.
        slice.try_into().map_err(|_| self.truncated(N))
    }

    /// The next `n` bytes, borrowed.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(n).ok_or(WireError::BadLength { what: "length", value: i64::MAX, offset: self.at })?;
        let slice = self.bytes.get(self.at..end).ok_or_else(|| self.truncated(n))?;
        self.at = end;
        Ok(slice)
    }

    /// Passes over `n` bytes.
    pub fn skip(&mut self, n: usize) -> Result<(), WireError> {
        self.take(n).map(drop)
    }

    /// UNSIGNED_VARINT: at most five bytes, at most 32 bits.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, WireError> {
        // Nearly all are lengths and counts below 128.
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u32::from(*byte))
            }
            Some(_) | None => self.long_uvarint(),
        }
    }

    fn long_uvarint(&mut self) -> Result<u32, WireError> {
        let start = self.at;
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = u32::from(self.array::<1>()?[0]);
            if shift == 28 && byte > 0x0f {
                return Err(WireError::BadVarint { offset: start });
            }
            value |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::BadVarint { offset: start })
    }

    /// The length of a STRING, NULLABLE_STRING (INT16) or their COMPACT forms; `None` is null.
    pub fn string_length(&mut self, compact: bool) -> Result<Option<usize>, WireError> {
        let offset = self.at;
        let length = if compact { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i16()?) };
        checked_length("string length", length, i64::from(i16::MAX), offset)
    }

    /// The length of BYTES, NULLABLE_BYTES (INT32), RECORDS or their COMPACT forms; `None` is null. The bytes may lie beyond the slice.
    pub fn bytes_length(&mut self, compact: bool) -> Result<Option<usize>, WireError> {
        let offset = self.at;
        let length = if compact { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i32()?) };
        checked_length("bytes length", length, i64::from(i32::MAX), offset)
    }

    /// The count of an ARRAY (INT32) or COMPACT_ARRAY; `None` is null. The caller bounds it by what the frame can still hold.
    pub fn array_count(&mut self, compact: bool) -> Result<Option<usize>, WireError> {
        let offset = self.at;
        let count = if compact { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i32()?) };
        checked_length("array count", count, i64::from(i32::MAX), offset)
    }

    /// The bytes of a nullable string.
    pub fn nullable_string(&mut self, compact: bool) -> Result<Option<&'a [u8]>, WireError> {
        match self.string_length(compact)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// A string that must not be null, as text.
    pub fn string(&mut self, compact: bool) -> Result<&'a str, WireError> {
        let offset = self.at;
        let bytes = self.nullable_string(compact)?.ok_or(WireError::BadValue { what: "null string", offset })?;
        std::str::from_utf8(bytes).map_err(|_| WireError::BadValue { what: "text that is not UTF-8", offset })
    }

    /// Passes over a tagged-field section: count, then tag, size, data of each (KIP-482).
    pub fn skip_tags(&mut self) -> Result<(), WireError> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let size = self.uvarint()?;
            self.skip(size as usize)?;
        }
        Ok(())
    }

    fn truncated(&self, n: usize) -> WireError {
        WireError::Truncated { needed: self.at.saturating_add(n), available: self.bytes.len() }
    }
}

fn checked_length(what: &'static str, value: i64, max: i64, offset: usize) -> Result<Option<usize>, WireError> {
    match value {
        -1 => Ok(None),
        0.. if value <= max => Ok(Some(value as usize)),
        _ => Err(WireError::BadLength { what, value, offset }),
    }
}

#[cfg(test)]
mod tests;
