//! Encodings that make text of bytes: hex and base64.

use schemars::JsonSchema;
use serde::Deserialize;

/// An encoding to undo before the payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum First {
    Hex,
    Base64,
}

impl First {
    /// The bytes that the text stands for, or `None` if it is not of this encoding.
    pub(super) fn undo(self, text: &[u8]) -> Option<Vec<u8>> {
        let signs = text.iter().copied().filter(|sign| !sign.is_ascii_whitespace());
        match self {
            Self::Hex => join(signs.map(hex_digit), 4),
            Self::Base64 => {
                let filled = signs.clone().rev().take_while(|sign| *sign == b'=').count();
                let count = signs.clone().count().checked_sub(filled)?;
                // One digit over is six bits of a byte; and what is filled up, is filled up to four.
                let is_whole = count % 4 != 1 && (filled == 0 || (filled <= 2 && (count + filled).is_multiple_of(4)));
                is_whole.then(|| join(signs.take(count).map(base64_digit), 6)).flatten()
            }
        }
    }
}

/// Bytes out of digits of so many bits. Fewer than eight bits are over at the end: none in hex, up to four in base64.
fn join(digits: impl Iterator<Item = Option<u8>>, bits: u32) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut waiting) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        held = (held << bits | u32::from(digit?)) & 0xFFFF;
        waiting += bits;
        if 8 <= waiting {
            waiting -= 8;
            bytes.push((held >> waiting) as u8);
        }
    }
    (bits != 4 || waiting == 0).then_some(bytes)
}

fn hex_digit(sign: u8) -> Option<u8> {
    char::from(sign).to_digit(16).map(|digit| digit as u8)
}

fn base64_digit(sign: u8) -> Option<u8> {
    Some(match sign {
        b'A'..=b'Z' => sign - b'A',
        b'a'..=b'z' => sign - b'a' + 26,
        b'0'..=b'9' => sign - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_in_either_case_and_with_spaces() {
        assert_eq!(First::Hex.undo(b"01 fF\r\n a0").as_deref(), Some([1, 0xff, 0xa0].as_slice()));
        assert_eq!(First::Hex.undo(b"").as_deref(), Some([].as_slice()));
        for wrong in ["0", "012", "0x01", "+1", "zz"] {
            assert_eq!(First::Hex.undo(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn base64_is_read_as_its_standard_says() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob"), ("Zm9v\nYmFy", "foobar")]
        {
            assert_eq!(First::Base64.undo(text.as_bytes()).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(First::Base64.undo(b"-_+/").as_deref(), Some([0xfb, 0xff, 0xbf].as_slice()));
        for wrong in ["Z", "Zg=", "Zg===", "====", "Z=g=", "Zm9v=", "Zm9v!"] {
            assert_eq!(First::Base64.undo(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
