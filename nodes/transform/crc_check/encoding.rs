//! Frames that travel as text: hex and base64.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use schemars::JsonSchema;
use serde::Deserialize;

/// How the frame is written in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Encoding {
    /// The bytes themselves.
    #[default]
    Binary,
    /// Two hex digits a byte.
    Hex,
    /// Base64.
    Base64,
}

const LOOSE: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LOOSE);
const BASE64_OF_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LOOSE);

impl Encoding {
    /// Reads the frame into `frame`, in the place of what is there; `false` if the payload is not so written.
    pub(super) fn decode(self, payload: &[u8], frame: &mut Vec<u8>) -> bool {
        frame.clear();
        match self {
            Self::Binary => {
                frame.extend_from_slice(payload);
                true
            }
            Self::Hex => decode_hex(payload, frame),
            Self::Base64 => {
                let payload = payload.trim_ascii();
                let is_of_urls = payload.iter().any(|sign| matches!(sign, b'-' | b'_'));
                let engine = if is_of_urls { &BASE64_OF_URLS } else { &BASE64 };
                engine.decode_vec(payload, frame).is_ok()
            }
        }
    }

    /// Writes a frame as text; `None` for the bytes themselves.
    pub(super) fn encode(self, frame: &[u8]) -> Option<String> {
        match self {
            Self::Binary => None,
            Self::Hex => Some(encode_hex(frame)),
            Self::Base64 => Some(BASE64.encode(frame)),
        }
    }
}

/// White space may stand between the bytes, as in `01 03 00`.
fn decode_hex(payload: &[u8], frame: &mut Vec<u8>) -> bool {
    let mut digits = payload.iter().filter(|sign| !sign.is_ascii_whitespace());
    let value = |sign: &u8| char::from(*sign).to_digit(16);
    while let Some(high) = digits.next() {
        let (Some(high), Some(low)) = (value(high), digits.next().and_then(value)) else { return false };
        frame.push((high << 4 | low) as u8);
    }
    true
}

fn encode_hex(frame: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    frame.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_people_write_it_and_written_plainly() {
        for (encoding, text, plain) in [
            (Encoding::Hex, "01 03 C4 0b\n", "0103c40b"),
            (Encoding::Hex, "", ""),
            (Encoding::Base64, "AQPECw==\n", "AQPECw=="),
            (Encoding::Base64, "AQPECw", "AQPECw=="),
            (Encoding::Base64, "-_8", "+/8="),
        ] {
            let mut frame = vec![9];
            assert!(encoding.decode(text.as_bytes(), &mut frame), "{text}");
            assert_eq!(encoding.encode(&frame).as_deref(), Some(plain), "{text}");
        }
    }

    #[test]
    fn what_is_not_so_written_is_refused() {
        for (encoding, text) in [
            (Encoding::Hex, "010"),
            (Encoding::Hex, "0x01"),
            (Encoding::Hex, "é1"),
            (Encoding::Base64, "A"),
            (Encoding::Base64, "A*=="),
        ] {
            assert!(!encoding.decode(text.as_bytes(), &mut Vec::new()), "{text}");
        }
    }
}
