//! `crc_check`: takes the frames whose check sum is right, and says what becomes of the others.

mod algorithm;
mod catalogue;
mod names;
mod place;
mod sums;

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, TagSelector, Tally, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::algorithm::{Algorithm, Checksum};
use self::place::{Place, Position};
use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::encoding::Encoding;
use crate::transform::kit::endian::Endian;
use crate::transform::kit::rules::Rules;

/// `type: crc_check`
pub(crate) struct CrcCheck;

/// Checks the CRC or check sum of raw frames, strips it off, and rejects, drops or marks frames that fail.
///
/// A frame fails if its check sum is wrong, if it is too short to have one with something to check in front of it, or if it
/// is not written as `encoding` says. Failed frames are counted as `crc_failed`; those among them that would have been right
/// in the other byte order as `crc_other_endian` too: many of these mean that `endian` is wrong.
///
/// Numbers, booleans, Null and (with `encoding: binary`) text keep their value and get the quality `bad:type_mismatch`.
/// What leaves by `rejected` is the record as it came.
///
/// Bad quality: such a record passes as it came, unchecked.
/// Restart: nothing to keep.
/// Time: none; the records keep theirs.
/// Memory: which tag is checked, bounded by the table of tags, and 32 KiB of tables.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// A CRC of 8, 16, 24, 32, 40 or 64 bits by its name in the reveng catalogue, such as `CRC-16/MODBUS` (upper and lower
    /// case are the same), or one of `sum8`, `xor8`, `lrc`, `fletcher-16` and `adler-32`. Names of several, such as `crc16` or
    /// `ccitt`, are refused and the candidates told. Or all parameters of a CRC:
    /// `{ width: 16, poly: 0x1021, init: 0xFFFF, refin: true, refout: true, xorout: 0, check: 0x6F91 }`, `check` as you like.
    pub(crate) algorithm: Algorithm,
    /// The tags that are checked: a name, a pattern such as `dtu.*`, or a list of them. Others pass as they came. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// Where the check sum stands in the frame: `tail`, or its first byte counted from 0; from the end of the frame if
    /// negative, so -2 is a sum of one byte with one end byte behind it. Default `tail`.
    #[serde(default)]
    pub(crate) at: Position,
    /// The bytes that are checked, `[start, end]`, the end not among them; counted from 0, or from the end of the frame where
    /// negative. An end of 0 is the end of the frame. `[6, -2]` leaves out a head of 6 bytes and the last 2. Default: all
    /// before the check sum, or all behind it where it stands first.
    #[serde(default)]
    pub(crate) over: Option<[i32; 2]>,
    /// The byte order of the check sum in the frame: `little`, low byte first, or `big`. Default `little`.
    #[serde(default = "Endian::little")]
    pub(crate) endian: Endian,
    /// How the frame is written in the value: `binary`, bytes; `hex` or `base64`, text or bytes that hold it. What is stripped
    /// is written the same way, hex in lower-case digits. Default `binary`.
    #[serde(default)]
    pub(crate) encoding: Written,
    /// Whether a frame that passes leaves without its check sum. Default true.
    #[serde(default = "yes")]
    pub(crate) strip: bool,
    /// What becomes of a frame that fails: `reject` sends it to `rejected`, `drop` lets it go, `mark` lets it pass as it came
    /// with the quality `bad:decoding`. Default `reject`.
    #[serde(default)]
    pub(crate) on_fail: OnFail,
}

fn yes() -> bool {
    true
}

/// How the frame is written in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Written {
    /// The bytes themselves.
    #[default]
    Binary,
    /// Two hex digits a byte.
    Hex,
    /// Base64.
    Base64,
}

impl Written {
    fn encoding(self) -> Option<Encoding> {
        match self {
            Self::Binary => None,
            Self::Hex => Some(Encoding::Hex),
            Self::Base64 => Some(Encoding::Base64),
        }
    }
}

/// What becomes of a frame that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum OnFail {
    /// To the port `rejected`.
    #[default]
    Reject,
    /// Let go.
    Drop,
    /// Passed on with Bad quality.
    Mark,
}

impl NodeSpec for CrcCheck {
    const TYPE: &'static str = "crc_check";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
algorithm: CRC-16/MODBUS
at: tail
endian: little
strip: true
on_fail: reject
";
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        let takes = if config.encoding == Written::Binary { Carries::Bytes } else { Carries::Any };
        Ports::transform(takes, Carries::Same).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        algorithm::check(&config.algorithm, findings);
        if let Some(checksum) = Checksum::new(&config.algorithm) {
            place::check(config.at, config.over, checksum.bytes(), findings);
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let Some(checksum) = Checksum::new(&config.algorithm) else {
            return Err(BuildError("the algorithm is none that can be computed".to_owned()));
        };
        Ok(Node::transform(Checker {
            place: Place::new(config.at, config.over, checksum.bytes()),
            checksum,
            tags: Rules::one(config.tags, ()),
            endian: config.endian,
            encoding: config.encoding.encoding(),
            strip: config.strip,
            on_fail: config.on_fail,
            tally: context.tally.clone(),
            frame: Vec::new(),
        }))
    }
}

struct Checker {
    checksum: Checksum,
    place: Place,
    tags: Rules<()>,
    endian: Endian,
    /// How the frame is written, if it is text.
    encoding: Option<Encoding>,
    strip: bool,
    on_fail: OnFail,
    tally: Tally,
    /// The frame at hand, where it is written as text.
    frame: Vec<u8>,
}

enum Verdict {
    /// It passes as it is.
    Keep,
    /// It passes without its check sum.
    Strip(Value),
    /// It holds no frame.
    Spoil,
    Fail,
}

impl Checker {
    fn judge(&mut self, record: &Record) -> Verdict {
        if record.quality.is_bad() || !self.tags.names(record.tag) {
            return Verdict::Keep;
        }
        let payload: &[u8] = match &record.value {
            Value::Bytes(bytes) => bytes,
            Value::Text(text) if self.encoding.is_some() => text.as_bytes(),
            _ => return Verdict::Spoil,
        };
        let frame = match self.encoding {
            None => payload,
            Some(encoding) if encoding.read(payload, &mut self.frame) => &self.frame,
            Some(_) => return Verdict::Fail,
        };
        let Some(parts) = self.place.find(frame) else { return Verdict::Fail };
        let computed = self.checksum.of(parts.covered);
        if self.endian.number(parts.sum) != computed {
            if 1 < parts.sum.len() && self.endian.other().number(parts.sum) == computed {
                self.tally.add("crc_other_endian", 1);
            }
            return Verdict::Fail;
        }
        if !self.strip {
            return Verdict::Keep;
        }
        let stripped: Vec<u8>;
        let left = match (parts.before, parts.behind) {
            (before, []) => before,
            ([], behind) => behind,
            (before, behind) => {
                stripped = [before, behind].concat();
                &stripped
            }
        };
        Verdict::Strip(match (self.encoding.map(|encoding| encoding.write(left)), &record.value) {
            (None, _) => Value::Bytes(left.into()),
            (Some(text), Value::Text(_)) => Value::Text(text.into()),
            (Some(text), _) => Value::Bytes(text.as_bytes().into()),
        })
    }
}

impl Transform for Checker {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let mut failed = 0;
        edit(batch, out, |record| match self.judge(record) {
            Verdict::Keep => Fate::Passes,
            Verdict::Strip(value) => Fate::Becomes(Record { value, ..*record }),
            Verdict::Spoil => Fate::Becomes(Record { quality: Quality::BAD_TYPE_MISMATCH, ..record.clone() }),
            Verdict::Fail => {
                failed += 1;
                match self.on_fail {
                    OnFail::Reject => Fate::Rejected,
                    OnFail::Drop => Fate::Goes("crc_failed"),
                    OnFail::Mark => Fate::Becomes(Record { quality: Quality::BAD_DECODING, ..record.clone() }),
                }
            }
        });
        if failed != 0 {
            self.tally.add("crc_failed", failed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
