//! The plain check sums of the field that are no CRC.

/// A check sum of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    /// The sum of the bytes, modulo 256: DL/T 645, M-Bus.
    Sum8,
    /// All bytes by exclusive or: the block check character, NMEA 0183.
    Xor8,
    /// What brings the sum of the bytes to 0 modulo 256: Modbus ASCII.
    Lrc,
    /// Two sums modulo 255, the second of the first.
    Fletcher16,
    /// Two sums modulo 65521, the second of the first: zlib.
    Adler32,
}

impl Sum {
    pub(super) const ALL: [Self; 5] = [Self::Sum8, Self::Xor8, Self::Lrc, Self::Fletcher16, Self::Adler32];

    /// Its name in the file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sum8 => "sum8",
            Self::Xor8 => "xor8",
            Self::Lrc => "lrc",
            Self::Fletcher16 => "fletcher-16",
            Self::Adler32 => "adler-32",
        }
    }

    /// Its bits.
    pub(super) fn width(self) -> u8 {
        match self {
            Self::Sum8 | Self::Xor8 | Self::Lrc => 8,
            Self::Fletcher16 => 16,
            Self::Adler32 => 32,
        }
    }

    pub(super) fn of(self, bytes: &[u8]) -> u64 {
        let sum = || bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
        match self {
            Self::Sum8 => u64::from(sum()),
            Self::Xor8 => u64::from(bytes.iter().fold(0, |all, byte| all ^ byte)),
            Self::Lrc => u64::from(sum().wrapping_neg()),
            Self::Fletcher16 => {
                let (first, second) = double(bytes, 0, 255);
                second << 8 | first
            }
            Self::Adler32 => {
                let (first, second) = double(bytes, 1, 65_521);
                second << 16 | first
            }
        }
    }
}

/// The sum of the bytes and the sum of that sum after each byte.
fn double(bytes: &[u8], start: u64, modulus: u64) -> (u64, u64) {
    let (mut first, mut second) = (start, 0);
    // 64 bits have room for the sums of 4096 bytes many times over.
    for some in bytes.chunks(4096) {
        for byte in some {
            first += u64::from(*byte);
            second += first;
        }
        first %= modulus;
        second %= modulus;
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_books() {
        let of = |bytes: &[u8]| Sum::ALL.map(|sum| sum.of(bytes));
        assert_eq!(of(b"123456789"), [0xDD, 0x31, 0x23, 0x1EDE, 0x091E_01DE]);
        assert_eq!(Sum::Fletcher16.of(b"abcdefgh"), 0x0627);
        assert_eq!(Sum::Adler32.of(b"Wikipedia"), 0x11E6_0398);
        // Modbus ASCII, read one register: the sum of all with the LRC is 0.
        assert_eq!(Sum::Lrc.of(&[0x01, 0x03, 0x00, 0x6B, 0x00, 0x03]), 0x8E);
        let long = vec![0xFF; 100_000];
        assert_eq!(Sum::Adler32.of(&long), naive(&long));
    }

    fn naive(bytes: &[u8]) -> u64 {
        let (first, second) = bytes.iter().fold((1_u64, 0_u64), |(first, second), byte| {
            let first = (first + u64::from(*byte)) % 65_521;
            (first, (second + first) % 65_521)
        });
        second << 16 | first
    }
}
