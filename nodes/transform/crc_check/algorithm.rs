//! The option `algorithm`: a name or all parameters of a CRC.

use std::borrow::Cow;
use std::fmt;

use crc::{Crc, Table};
use fieldflow_contract::{At, Findings};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::catalogue::{CATALOGUE, hex, name_of};
use super::names::{Known, find};
use super::sums::Sum;

/// The text of which every CRC has its check value.
pub(super) const CHECKED: &[u8] = b"123456789";

/// What is computed over the frame.
#[derive(Debug, Clone)]
pub(crate) enum Algorithm {
    Named(String),
    Parameters(Parameters),
}

/// A CRC by its parameters, as the reveng catalogue gives them. Numbers may be written `0x1021`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Its bits: 8, 16, 24, 32, 40, 48, 56 or 64.
    pub(crate) width: u8,
    /// The polynomial, highest bit first and without its leading 1: 0x8005, not its mirror image 0xA001.
    pub(crate) poly: u64,
    /// The register at the start.
    pub(crate) init: u64,
    /// Whether the lowest bit of each byte goes first.
    pub(crate) refin: bool,
    /// Whether the register is mirrored at the end.
    pub(crate) refout: bool,
    /// What the result is combined with by exclusive or.
    pub(crate) xorout: u64,
    /// What it makes of the text 123456789, to be sure. Default: not compared.
    #[serde(default)]
    pub(crate) check: Option<u64>,
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Algorithm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an algorithm, such as CRC-16/MODBUS, or the parameters of a CRC")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Algorithm, E> {
                Ok(Algorithm::Named(name.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Algorithm, A::Error> {
                Parameters::deserialize(MapAccessDeserializer::new(map)).map(Algorithm::Parameters)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Algorithm {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let parameters = generator.subschema_for::<Parameters>();
        json_schema!({ "anyOf": [{ "type": "string" }, parameters], "examples": ["CRC-16/MODBUS"] })
    }
}

/// What computes a check sum.
pub(super) enum Checksum {
    /// One CRC has 16 tables, so that frames of more than a few bytes are done 16 bytes at a time.
    Crc(Box<Crc<u64, Table<16>>>),
    Sum(Sum),
}

impl Checksum {
    /// Says nothing on what is wrong with the options: that is for [`check`].
    pub(super) fn new(algorithm: &Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Named(name) => match find(name).ok()? {
                Known::Crc(crc) => Self::Crc(Box::new(Crc::<u64, Table<16>>::new(crc))),
                Known::Sum(sum) => Self::Sum(sum),
            },
            Algorithm::Parameters(parameters) => {
                if !is_whole(parameters.width) || wide(parameters).next().is_some() {
                    return None;
                }
                // The crate wants its parameters to live for ever: half a cache line for each node of a file.
                let crc: &'static crc::Algorithm<u64> = Box::leak(Box::new(parameters.crc()));
                Self::Crc(Box::new(Crc::<u64, Table<16>>::new(crc)))
            }
        })
    }

    pub(super) fn of(&self, bytes: &[u8]) -> u64 {
        match self {
            Self::Crc(crc) => crc.checksum(bytes),
            Self::Sum(sum) => sum.of(bytes),
        }
    }

    /// How many bytes it takes in a frame.
    pub(super) fn bytes(&self) -> usize {
        let width = match self {
            Self::Crc(crc) => crc.algorithm.width,
            Self::Sum(sum) => sum.width(),
        };
        usize::from(width / 8)
    }
}

impl Parameters {
    fn crc(&self) -> crc::Algorithm<u64> {
        let Self { width, poly, init, refin, refout, xorout, .. } = *self;
        crc::Algorithm { width, poly, init, refin, refout, xorout, check: 0, residue: 0 }
    }

    fn named(&self) -> [(&'static str, u64); 4] {
        [("poly", self.poly), ("init", self.init), ("xorout", self.xorout), ("check", self.check.unwrap_or(0))]
    }
}

fn is_whole(width: u8) -> bool {
    width.is_multiple_of(8) && (8..=64).contains(&width)
}

/// The parameters that have more bits than the CRC.
fn wide(parameters: &Parameters) -> impl Iterator<Item = (&'static str, u64)> {
    let most = mask(parameters.width);
    parameters.named().into_iter().filter(move |(_, value)| most < *value)
}

fn mask(width: u8) -> u64 {
    u64::MAX.checked_shr(64_u32.saturating_sub(u32::from(width))).unwrap_or(0)
}

/// Reports what is wrong with the algorithm.
pub(super) fn check(algorithm: &Algorithm, findings: &mut Findings) {
    match algorithm {
        Algorithm::Named(name) => {
            if let Err(unclear) = find(name) {
                findings.error("algorithm", unclear.message).help(unclear.help);
            }
        }
        Algorithm::Parameters(parameters) => check_parameters(parameters, findings),
    }
}

fn check_parameters(parameters: &Parameters, findings: &mut Findings) {
    let Parameters { width, poly, .. } = *parameters;
    let at = |key: &str| At::from("algorithm").key(key);
    if !is_whole(width) {
        let message = format!("a CRC of {width} bits: its place in a frame is known only for whole bytes");
        findings.error(at("width"), message).help("8, 16, 24, 32, 40, 48, 56 or 64");
        return;
    }
    for (key, value) in wide(parameters) {
        let message = format!("{} has more than {width} bits", hex(value, width));
        let found = findings.error(at(key), message);
        if key == "poly" && value >> width == 1 {
            found.help(format!("its leading 1 is left out: {}", hex(value & mask(width), width)));
        }
    }
    if poly == 0 {
        findings.error(at("poly"), "a polynomial of 0 makes the same of every frame");
    } else if let Some(mirrored) = mirrored(poly, width) {
        findings
            .warning(at("poly"), format!("{} is the mirror image of {}", hex(poly, width), hex(mirrored, width)))
            .help(format!("write `poly: {}`; `refin: true` does the mirroring", hex(mirrored, width)));
    }
    let Some(wanted) = parameters.check else { return };
    let Some(computed) = Checksum::new(&Algorithm::Parameters(*parameters)).map(|sum| sum.of(CHECKED)) else { return };
    if computed != wanted {
        let name = name_of(&parameters.crc()).map(|name| format!(", {name}")).unwrap_or_default();
        let message = format!(
            "with these parameters 123456789 gives {}{name}, and the check value is {}",
            hex(computed, width),
            hex(wanted, width)
        );
        let found = findings.error(at("check"), message);
        let same = |(_, known): &&(&str, crc::Algorithm<u64>)| known.width == width && known.check == wanted;
        if let Some((name, known)) = CATALOGUE.iter().find(same) {
            found.help(format!(
                "{name} has that check value: poly {}, init {}, refin {}, refout {}, xorout {}",
                hex(known.poly, width),
                hex(known.init, width),
                known.refin,
                known.refout,
                hex(known.xorout, width)
            ));
        }
    }
}

/// A known polynomial of which this one is the mirror image, unless it is known itself.
fn mirrored(poly: u64, width: u8) -> Option<u64> {
    let known = |poly| CATALOGUE.iter().any(|(_, crc)| crc.width == width && crc.poly == poly);
    let mirror = poly.reverse_bits() >> (64 - u32::from(width));
    (!known(poly) && known(mirror)).then_some(mirror)
}
