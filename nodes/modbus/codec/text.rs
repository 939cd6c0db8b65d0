//! Text and raw bytes in registers.

use fieldflow_contract::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Layout;
use super::kind::Kind;
use super::order::Half;

/// How a text lies in its registers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(in crate::modbus) struct TextForm {
    /// The half of each register that holds a character; `None` where both do.
    pub(in crate::modbus) half: Option<Half>,
    /// What fills the registers behind the text; `None` takes NULs and spaces for it.
    pub(in crate::modbus) pad: Option<Pad>,
}

/// What fills the registers behind a text: with `nul` it ends at the first NUL, with `space` spaces follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::modbus) enum Pad {
    Nul,
    Space,
}

impl Layout {
    /// How many bytes of text there is room for.
    pub(in crate::modbus) fn room(&self) -> usize {
        usize::from(self.registers) * if self.text.half.is_some() { 1 } else { 2 }
    }

    /// The text or the bytes in these registers.
    pub(super) fn text(&self, words: &[u16]) -> Value {
        let register = |word: &u16| self.order.gather(word.to_be_bytes().into_iter()) as u16;
        let bytes: Vec<u8> = words.iter().map(register).flat_map(|word| self.characters(word)).collect();
        if self.kind == Kind::Bytes {
            return Value::Bytes(bytes.into());
        }
        let end = match self.text.pad {
            None => bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1),
            Some(Pad::Nul) => bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()),
            Some(Pad::Space) => bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1),
        };
        let bytes = bytes.get(..end).unwrap_or_default();
        // Latin-1 where it is not UTF-8, as older devices have it.
        let text =
            std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned);
        Value::Text(text.into())
    }

    fn characters(&self, word: u16) -> impl Iterator<Item = u8> + use<> {
        let [high, low] = word.to_be_bytes();
        let (first, second) = match self.text.half {
            None => (high, Some(low)),
            Some(Half::High) => (high, None),
            Some(Half::Low) => (low, None),
        };
        [Some(first), second].into_iter().flatten()
    }

    /// The bytes on the wire that hold this text, or these bytes.
    pub(super) fn text_wire(&self, value: &Value) -> Result<Vec<u8>, String> {
        let bytes: &[u8] = match (self.kind, value) {
            (Kind::Bytes, Value::Bytes(bytes)) if bytes.len() == self.room() => bytes,
            (Kind::Bytes, Value::Bytes(bytes)) => {
                return Err(format!(
                    "{} bytes are not the {} of {} registers",
                    bytes.len(),
                    self.room(),
                    self.registers
                ));
            }
            (Kind::String, Value::Text(text)) => text.as_bytes(),
            (kind, _) => {
                return Err(format!("the value is not {}", if kind == Kind::Bytes { "raw bytes" } else { "text" }));
            }
        };
        if self.room() < bytes.len() {
            return Err(format!("a text of {} bytes does not fit, there is room for {}", bytes.len(), self.room()));
        }
        if self.text.pad == Some(Pad::Nul) && self.kind == Kind::String && bytes.contains(&0) {
            return Err("the text has a NUL in it, which ends it".to_owned());
        }
        let pad = if self.text.pad == Some(Pad::Space) { b' ' } else { 0 };
        let mut bytes = bytes.iter().copied().chain(std::iter::repeat(pad));
        let mut next = || u64::from(bytes.next().unwrap_or(pad));
        let mut wire = Vec::with_capacity(2 * usize::from(self.registers));
        for _ in 0..self.registers {
            let word = match self.text.half {
                None => next() << 8 | next(),
                Some(Half::High) => next() << 8,
                Some(Half::Low) => next(),
            };
            wire.extend(self.order.scatter(word));
        }
        Ok(wire)
    }
}
