//! Quality: an OPC UA status code, with words for the codes that fieldflow itself gives.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// How far a value can be trusted, in the 32-bit layout of an OPC UA `StatusCode` (OPC UA Part 4, 7.39): the two top bits
/// are the severity, 0 is Good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quality(pub u32);

/// The severity of a quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The value can be used.
    Good,
    /// The value may be wrong; use it with care.
    Uncertain,
    /// The value must not be used.
    Bad,
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $word:literal;)*) => {
        impl Quality {
            $($(#[$doc])* pub const $name: Self = Self($code);)*
        }
        const WORDS: &[(Quality, &str)] = &[$((Quality::$name, $word)),*];
    };
}

words! {
    /// Good: nothing to add.
    GOOD = 0x0000_0000, "good";
    /// Good, and kept within its limits.
    GOOD_CLAMPED = 0x0030_0000, "good:clamped";
    /// Uncertain: no more is known.
    UNCERTAIN = 0x4000_0000, "uncertain";
    /// Uncertain: the last value that was known; nothing newer has come.
    UNCERTAIN_LAST_USABLE = 0x4090_0000, "uncertain:last_usable";
    /// Uncertain: put in the place of a value that is missing.
    UNCERTAIN_SUBSTITUTE = 0x4091_0000, "uncertain:substitute";
    /// Uncertain: the value from before a restart.
    UNCERTAIN_INITIAL = 0x4092_0000, "uncertain:initial";
    /// Uncertain: outside of what the sensor can measure.
    UNCERTAIN_OUT_OF_RANGE = 0x4094_0000, "uncertain:out_of_range";
    /// Uncertain: derived from fewer values than there should be.
    UNCERTAIN_SUB_NORMAL = 0x4095_0000, "uncertain:sub_normal";
    /// Bad: no more is known.
    BAD = 0x8000_0000, "bad";
    /// The link to the device broke while the value was being read.
    BAD_COMMUNICATION = 0x8005_0000, "bad:communication";
    /// What came could not be decoded.
    BAD_DECODING = 0x8007_0000, "bad:decoding";
    /// No answer within the time-out.
    BAD_TIMEOUT = 0x800A_0000, "bad:timeout";
    /// The device is busy or out of resources.
    BAD_BUSY = 0x8004_0000, "bad:busy";
    /// The gateway cannot reach the device behind it.
    BAD_NO_COMMUNICATION = 0x8031_0000, "bad:no_communication";
    /// The value lies outside what can be represented or was asked for.
    BAD_OUT_OF_RANGE = 0x803C_0000, "bad:out_of_range";
    /// The device does not know the function.
    BAD_NOT_SUPPORTED = 0x803D_0000, "bad:not_supported";
    /// The device does not know the address, or the configuration does not fit it.
    BAD_CONFIGURATION = 0x8089_0000, "bad:configuration";
    /// There is no connection to the device.
    BAD_NOT_CONNECTED = 0x808A_0000, "bad:not_connected";
    /// The device reports a failure of its own.
    BAD_DEVICE_FAILURE = 0x808B_0000, "bad:device_failure";
    /// The device reports a failure of the sensor: a sentinel in place of the value.
    BAD_SENSOR_FAILURE = 0x808C_0000, "bad:sensor_failure";
    /// There is no value for that time.
    BAD_NO_DATA = 0x809B_0000, "bad:no_data";
    /// Values are missing: they were lost on the way.
    BAD_DATA_LOST = 0x809D_0000, "bad:data_lost";
    /// The value is of a type that the node cannot work on.
    BAD_TYPE_MISMATCH = 0x8074_0000, "bad:type_mismatch";
}

impl Quality {
    /// Good, Uncertain or Bad, by the two top bits.
    pub fn level(self) -> Level {
        match self.0 >> 30 {
            0 => Level::Good,
            1 => Level::Uncertain,
            _ => Level::Bad,
        }
    }

    /// Whether the value can be used.
    pub fn is_good(self) -> bool {
        self.level() == Level::Good
    }

    /// Whether the value must not be used.
    pub fn is_bad(self) -> bool {
        self.level() == Level::Bad
    }
}

impl fmt::Display for Quality {
    /// A word of this crate, else the severity with the code in hex: `bad:0x80AB0000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, word)) = WORDS.iter().find(|(code, _)| code == self) {
            return f.write_str(word);
        }
        let level = match self.level() {
            Level::Good => "good",
            Level::Uncertain => "uncertain",
            Level::Bad => "bad",
        };
        write!(f, "{level}:0x{:08X}", self.0)
    }
}

impl<'de> Deserialize<'de> for Quality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Quality {
    fn schema_name() -> Cow<'static, str> {
        "Quality".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-format": "quality", "examples": ["bad:timeout"] })
    }
}

impl FromStr for Quality {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((code, _)) = WORDS.iter().find(|(_, word)| *word == text) {
            return Ok(*code);
        }
        text.split_once(":0x")
            .and_then(|(level, hex)| Some((level, Self(u32::from_str_radix(hex, 16).ok()?))))
            .filter(|(level, code)| code.to_string().starts_with(level))
            .map(|(_, code)| code)
            .ok_or_else(|| format!("`{text}` is not a quality: say good, uncertain, bad or bad:timeout"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_is_in_the_two_top_bits() {
        assert_eq!(Quality(0x0000_0480).level(), Level::Good, "the overflow bit leaves a value good");
        assert_eq!(Quality(0x4090_0000).level(), Level::Uncertain);
        assert_eq!(Quality(0xC000_0000).level(), Level::Bad);
    }

    #[test]
    fn every_word_and_every_code_comes_back() {
        for (code, word) in WORDS {
            assert_eq!(code.to_string(), *word);
            assert_eq!(word.parse(), Ok(*code));
        }
        assert_eq!("bad:0x80AB0000".parse(), Ok(Quality(0x80AB_0000)));
        assert!("good:0x80AB0000".parse::<Quality>().is_err());
        assert!("fine".parse::<Quality>().is_err());
    }
}
