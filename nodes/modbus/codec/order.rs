//! The sequence in which the bytes of a value come over the wire.
//!
//! An order is a permutation of letters, `A` being the most significant byte of the value; `_` is a byte that means nothing.

use schemars::JsonSchema;
use serde::Deserialize;

use super::kind::Kind;
use crate::modbus::address::Problem;

/// The sequence in which the bytes of a value come over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::modbus) struct Order {
    /// For each byte on the wire, how far it is shifted left in the value; [`NOTHING`] for one that is no part of it.
    shifts: Vec<u8>,
}

/// Shifts a byte out of any value.
const NOTHING: u8 = 64;

/// Which half of a register: `high` is the more significant byte, which comes first over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::modbus) enum Half {
    High,
    Low,
}

impl Order {
    /// The order of a value for which none is named: most significant byte first, as the specification has it; but `mod10k`
    /// has its least significant register first.
    pub(in crate::modbus) fn standard(kind: Kind, registers: u16) -> Self {
        Self::of(&standard(kind, registers))
    }

    /// The order of a value that fills half a register.
    pub(in crate::modbus) fn of_half(half: Half) -> Self {
        Self::of(if half == Half::High { "A_" } else { "_A" })
    }

    /// Reads an order such as `CDAB` for a value of this kind and size.
    pub(in crate::modbus) fn parse(text: &str, kind: Kind, registers: u16) -> Result<Self, Problem> {
        let bytes = kind.bytes(registers);
        if bytes == 1 {
            let message = format!("the order `{text}` means nothing: {} has one byte", kind.word());
            return Err(Problem::new(
                message,
                "leave it out; `half: high` or `half: low` says which half of the register",
            ));
        }
        let standard = standard(kind, registers);
        if text.chars().count() != standard.len() {
            let of = if kind.is_text() { "each register of a text" } else { kind.word() };
            let gap = if standard.contains('_') { ", and `_` for the one that means nothing" } else { "" };
            let message = format!("the order `{text}` does not fit: {of} has {bytes} bytes, one letter each{gap}");
            return Err(Problem::new(message, help(&standard)));
        }
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        if sorted(text) != sorted(&standard) {
            let letters: String = sorted(&standard).into_iter().collect();
            return Err(Problem::new(
                format!("the order `{text}` must name each letter of {letters} once"),
                help(&standard),
            ));
        }
        Ok(Self::of(text))
    }

    /// Reads letters that are known to be right.
    fn of(letters: &str) -> Self {
        let bytes = letters.bytes().filter(u8::is_ascii_uppercase).count() as u8;
        let shift = |letter: u8| match letter.checked_sub(b'A') {
            Some(place) if place < bytes => 8 * (bytes - 1 - place),
            _ => NOTHING,
        };
        Self { shifts: letters.bytes().map(shift).collect() }
    }

    /// The value of the bytes as they came.
    pub(super) fn gather(&self, wire: impl Iterator<Item = u8>) -> u64 {
        let shifted = |(shift, byte): (&u8, u8)| u64::from(byte).checked_shl(u32::from(*shift)).unwrap_or(0);
        self.shifts.iter().zip(wire).map(shifted).fold(0, |raw, byte| raw | byte)
    }

    /// The bytes as they go; those that mean nothing are 0.
    pub(super) fn scatter(&self, raw: u64) -> impl Iterator<Item = u8> {
        self.shifts.iter().map(move |shift| raw.checked_shr(u32::from(*shift)).unwrap_or(0) as u8)
    }
}

fn standard(kind: Kind, registers: u16) -> String {
    let letters: Vec<char> = "ABCDEFGH".chars().take(kind.bytes(registers).into()).collect();
    match kind {
        Kind::U8 | Kind::I8 => "_A".to_owned(),
        Kind::U24 | Kind::I24 => "_ABC".to_owned(),
        Kind::Mod10k => letters.rchunks(2).flatten().collect(),
        _ => letters.into_iter().collect(),
    }
}

fn help(standard: &str) -> String {
    match standard.len() {
        2 => "write AB or BA: it is one register, whose two bytes can be swapped; only a value of several registers can have \
              its words swapped"
            .to_owned(),
        4 if standard.contains('_') => {
            "write _ABC, BC_A (words swapped), ABC_ or any other sequence of these".to_owned()
        }
        4 => "write ABCD, CDAB (words swapped), BADC (bytes swapped), DCBA or any other sequence of these letters".to_owned(),
        6 => "write ABCDEF, EFCDAB (words swapped), BADCFE (bytes swapped), FEDCBA or any other sequence of these letters"
            .to_owned(),
        _ => "write ABCDEFGH, GHEFCDAB (words swapped), BADCFEHG (bytes swapped), HGFEDCBA or any other sequence of these \
              letters"
            .to_owned(),
    }
}
