//! The options of a tag, as they stand in the file.

use std::collections::BTreeMap;

use fieldflow_contract::Span;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::modbus::codec::{Half, Kind, Pad};

/// Where a tag lies in the device, and how its bits are read.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::modbus) struct TagOptions {
    /// Table and address: `holding:0`, `input:3`, `coil:0`, `discrete:7`, counted from 0 as on the wire; `holding:0x10` in
    /// hex. `holding:5.3` is bit 3 of a register. Modicon numbers of six digits, which count from 1, are taken too:
    /// `"400001"` is `holding:0`. What any other bare number means is for `address_style` to say.
    #[schemars(extend("examples" = ["holding:0"]))]
    pub(in crate::modbus) at: String,
    /// The type. Integers: `u8 i8` are half a register, `u16 i16` one, `u24 i24 u32 i32` two, `u48 i48` three, `u64 i64` four.
    /// IEEE floats: `f16` is one register, `f32` two, `f64` four. `bcd16 bcd32` have a decimal digit in each four bits; a digit
    /// above 9 is `bad:decoding`. `sm16 sm32` have the sign in the top bit and the magnitude below it. `mod10k` has four
    /// decimal digits in each of 2 to 4 registers, each from −9999 to 9999. `bool` is a coil, or a register that is not zero.
    /// `bit` is one bit of a register. `string` is text, `bytes` is raw. A register is `u16` and a coil or discrete input is
    /// `bool` if left out.
    #[serde(rename = "as")]
    pub(in crate::modbus) kind: Option<Kind>,
    /// Which bit of the register, 0 (the least) to 15. Only and always with `as: bit`.
    #[schemars(range(max = 15))]
    pub(in crate::modbus) bit: Option<u8>,
    /// Which half of the register: the `high` byte, which comes first over the wire, or the `low` one. For `u8` and `i8`,
    /// and for a text with `chars: 1`. `low` if left out.
    pub(in crate::modbus) half: Option<Half>,
    /// How many registers: 1 to 125 for `string` and `bytes`, 2 to 4 for `mod10k`. Only and always with these.
    #[schemars(range(min = 1, max = 125))]
    pub(in crate::modbus) length: Option<u16>,
    /// How many characters lie in each register of a `string`, 1 or 2. 2 if left out.
    #[schemars(range(min = 1, max = 2))]
    pub(in crate::modbus) chars: Option<u8>,
    /// What lies behind the text of a `string`: with `nul` it ends at the first NUL, with `space` it is filled up with spaces.
    /// If left out, NULs and spaces at the end do not belong to the text.
    pub(in crate::modbus) pad: Option<Pad>,
    /// The sequence of the bytes on the wire, `A` being the most significant: `AB` or `BA` for 16 bits, `ABCD`, `CDAB` (words
    /// swapped), `BADC` (bytes swapped), `DCBA` or any other for 32 bits, six letters for 48 and eight for 64 bits. 24 bits
    /// have `_` for the byte that means nothing, `_ABC`. A text takes `BA` if the characters of each register are swapped.
    /// Most significant first if left out, but `mod10k` has its lowest register first.
    #[schemars(extend("examples" = ["CDAB"]))]
    pub(in crate::modbus) order: Option<String>,
    /// Reads so many values of the same kind, one behind the other, as tags of their own: `name.0`, `name.1` and so on. Bits
    /// follow each other in one register and then in the next; anything else begins with a register of its own.
    #[schemars(range(min = 1))]
    pub(in crate::modbus) count: Option<u16>,
    /// How often this tag is read, if not as often as the node says.
    pub(in crate::modbus) every: Option<Span>,
    /// Raw values that mean "no value", as unsigned integers of the width of the type, such as `[0x8000]`. They give no value
    /// and the quality `bad:sensor_failure`. A negative number stands for its bits in a signed type. For floats, a decimal
    /// such as `-9999.0` stands for its bits, and `nan` for whatever is not a number. For `bool`, `bit` and `bits` the whole
    /// register is compared.
    #[serde(default)]
    pub(in crate::modbus) invalid: Vec<Sentinel>,
    /// Raw values that mean "at the end of the range", written like those of `invalid`, such as `[0x7FFF]`. The value is kept
    /// with the quality `uncertain:out_of_range`.
    #[serde(default)]
    pub(in crate::modbus) saturated: Vec<Sentinel>,
    /// Words for numbers, such as `{ 0: off, 1: on }`; the value becomes a text. A number that is not there stays a number,
    /// with the quality `uncertain`. For whole numbers, `bool` and `bit`.
    #[serde(rename = "enum", default)]
    pub(in crate::modbus) names: BTreeMap<String, String>,
    /// More tags out of the bits of the same value, by their full names: `{ pump.run: 0, pump.mode: [4, 2] }`. A number is one
    /// bit that is true or false, 0 being the least; a pair is the first bit of a number and how many it has. For `u8` to
    /// `u64`. The tag itself keeps the whole value.
    #[serde(default)]
    pub(in crate::modbus) bits: BTreeMap<String, Bits>,
    /// Multiplies the value by what another register says, as SunSpec's scale factors do. That register is read as often as
    /// the tag, and its last good value is kept. While there is none, the tag is `bad:no_data`.
    pub(in crate::modbus) factor_from: Option<FactorFrom>,
}

/// A raw value that stands for something else.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::modbus) enum Sentinel {
    /// The bits as they are.
    Bits(u64),
    /// A number below zero, as the type holds it.
    Negative(i64),
    /// A float, as the type holds it.
    Float(f64),
    /// Whatever is not a number.
    Word(NotANumber),
}

/// The word for a float that is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::modbus) enum NotANumber {
    Nan,
}

/// Some bits of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(in crate::modbus) enum Bits {
    /// One bit that is true or false.
    One(u8),
    /// The first bit of a number, and how many it has.
    Several(u8, u8),
}

/// A register that says what to multiply with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::modbus) struct FactorFrom {
    /// Table and address of the register, as for a tag.
    #[schemars(extend("examples" = ["holding:40"]))]
    pub(in crate::modbus) at: String,
    /// Its type, any number. `i16` if left out.
    #[serde(rename = "as")]
    pub(in crate::modbus) kind: Option<Kind>,
    /// The sequence of its bytes on the wire, as for a tag.
    pub(in crate::modbus) order: Option<String>,
    /// What it says: an `exponent` of ten from −10 to 10 (−2 makes 1234 to 12.34), or the `factor` itself, not 0. `exponent`
    /// if left out. What is neither counts as not read.
    #[serde(default)]
    pub(in crate::modbus) means: Means,
    /// Raw values that mean "no value", as for a tag.
    #[serde(default)]
    pub(in crate::modbus) invalid: Vec<Sentinel>,
}

/// What a register says about a factor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::modbus) enum Means {
    #[default]
    Exponent,
    Factor,
}
