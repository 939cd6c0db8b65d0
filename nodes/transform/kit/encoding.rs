//! Bytes that travel as text: hex and base64.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// An encoding that makes text of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Two digits a byte; read in either case, written in lower case.
    Hex,
    /// Read in either alphabet, with or without its `=`; written in the standard one, with it.
    Base64,
}

const fn base64(padding: DecodePaddingMode) -> GeneralPurpose {
    // Some devices do not clear the bits that are over at the end.
    let loose = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&STANDARD, loose.with_decode_padding_mode(padding))
}
const FILLED: GeneralPurpose = base64(DecodePaddingMode::RequireCanonical);
const BARE: GeneralPurpose = base64(DecodePaddingMode::RequireNone);

impl Encoding {
    /// The bytes that a text stands for, if it is so written.
    pub(crate) fn bytes(self, text: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(text, &mut bytes).then_some(bytes)
    }

    /// Reads text into `bytes`, in the place of what is there; `false` if it is not so written. White space does not count.
    pub(crate) fn read(self, text: &[u8], bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        let mut signs = text.iter().copied().filter(|sign| !sign.is_ascii_whitespace());
        match self {
            Self::Hex => {
                let digit = |sign: u8| char::from(sign).to_digit(16);
                while let Some(high) = signs.next() {
                    let (Some(high), Some(low)) = (digit(high), signs.next().and_then(digit)) else { return false };
                    bytes.push((high << 4 | low) as u8);
                }
                true
            }
            Self::Base64 => {
                let of_urls = |sign| match sign {
                    b'-' => b'+',
                    b'_' => b'/',
                    other => other,
                };
                let signs: Vec<u8> = signs.map(of_urls).collect();
                let engine = if signs.ends_with(b"=") { FILLED } else { BARE };
                engine.decode_vec(signs, bytes).is_ok()
            }
        }
    }

    /// Writes bytes as text.
    pub(crate) fn write(self, bytes: &[u8]) -> String {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        match self {
            Self::Hex => bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect(),
            Self::Base64 => FILLED.encode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
        encoding.bytes(text.as_bytes())
    }

    #[test]
    fn hex_is_read_in_either_case_and_with_spaces() {
        assert_eq!(read(Encoding::Hex, "01 fF\r\n a0").as_deref(), Some([1, 0xff, 0xa0].as_slice()));
        assert_eq!(read(Encoding::Hex, "").as_deref(), Some([].as_slice()));
        assert_eq!(Encoding::Hex.write(&[1, 0xff, 0xa0]), "01ffa0");
        for wrong in ["0", "012", "0x01", "+1", "zz", "é1"] {
            assert_eq!(read(Encoding::Hex, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn base64_is_read_as_its_standard_says() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9v\nYmFy\n", "foobar")]
        {
            assert_eq!(read(Encoding::Base64, text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(read(Encoding::Base64, "-_+/").as_deref(), Some([0xfb, 0xff, 0xbf].as_slice()));
        assert_eq!(Encoding::Base64.write(&[0xfb, 0xff]), "+/8=");
        for wrong in ["Z", "Zg=", "Zg===", "====", "Z=g=", "Zm9v=", "Zm9v!"] {
            assert_eq!(read(Encoding::Base64, wrong), None, "{wrong}");
        }
    }
}
