//! What people call the algorithms: the catalogue's names, and what is meant by others.

use std::fmt::Write as _;

use crc::Algorithm;
use strsim::damerau_levenshtein;

use super::algorithm::CHECKED;
use super::catalogue::{CATALOGUE, PARTS_OF_BYTES, hex};
use super::sums::Sum;

/// A CRC of the catalogue by its name there, or a plain sum.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    Crc(&'static Algorithm<u64>),
    Sum(Sum),
}

/// A name that means nothing here or several things, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unclear {
    pub(super) message: String,
    pub(super) help: String,
}

/// Names that several CRCs go by, squeezed, with those that are meant by them in the field, the most frequent first.
const AMBIGUOUS: &[(&[&str], &[&str])] = &[
    (
        &["crc8", "crc"],
        &["CRC-8/SMBUS", "CRC-8/MAXIM-DOW", "CRC-8/SAE-J1850", "CRC-8/ROHC", "CRC-8/I-432-1", "CRC-8/AUTOSAR"],
    ),
    (
        &["crc16", "16bit"],
        &[
            "CRC-16/MODBUS",
            "CRC-16/ARC",
            "CRC-16/IBM-3740",
            "CRC-16/KERMIT",
            "CRC-16/XMODEM",
            "CRC-16/IBM-SDLC",
            "CRC-16/MCRF4XX",
            "CRC-16/USB",
            "CRC-16/UMTS",
            "CRC-16/GENIBUS",
            "CRC-16/SPI-FUJITSU",
            "CRC-16/DNP",
            "CRC-16/EN-13757",
            "CRC-16/PROFIBUS",
        ],
    ),
    (
        &["ccitt", "crcccitt", "crc16ccitt", "ccitt16", "ccittcrc16"],
        &[
            "CRC-16/IBM-3740",
            "CRC-16/KERMIT",
            "CRC-16/XMODEM",
            "CRC-16/IBM-SDLC",
            "CRC-16/MCRF4XX",
            "CRC-16/GENIBUS",
            "CRC-16/SPI-FUJITSU",
        ],
    ),
    (
        &["ibm", "crcibm", "crc16ibm", "ansi", "crc16ansi"],
        &["CRC-16/ARC", "CRC-16/MODBUS", "CRC-16/USB", "CRC-16/UMTS"],
    ),
    (
        &["crc32", "32bit"],
        &["CRC-32/ISO-HDLC", "CRC-32/ISCSI", "CRC-32/MPEG-2", "CRC-32/BZIP2", "CRC-32/CKSUM", "CRC-32/JAMCRC"],
    ),
    (
        &["crc24"],
        &["CRC-24/OPENPGP", "CRC-24/BLE", "CRC-24/FLEXRAY-A", "CRC-24/FLEXRAY-B", "CRC-24/LTE-A", "CRC-24/LTE-B"],
    ),
    (&["crc64"], &["CRC-64/XZ", "CRC-64/ECMA-182", "CRC-64/GO-ISO", "CRC-64/NVME"]),
    (&["autosar", "crcautosar"], &["CRC-8/AUTOSAR", "CRC-16/IBM-3740", "CRC-32/AUTOSAR"]),
    (&["maxim", "dallas", "onewire", "1wire"], &["CRC-8/MAXIM-DOW", "CRC-16/MAXIM-DOW"]),
    (&["sum", "checksum"], &["sum8", "lrc", "xor8", "fletcher-16", "adler-32"]),
];

/// Names that one CRC or sum goes by elsewhere, squeezed.
const ALIASES: &[(&str, &str)] = &[
    ("ccittfalse", "CRC-16/IBM-3740"),
    ("crcccittfalse", "CRC-16/IBM-3740"),
    ("crc16ccittfalse", "CRC-16/IBM-3740"),
    ("crc16autosar", "CRC-16/IBM-3740"),
    ("ccitttrue", "CRC-16/KERMIT"),
    ("crc16ccitttrue", "CRC-16/KERMIT"),
    ("x25", "CRC-16/IBM-SDLC"),
    ("crcx25", "CRC-16/IBM-SDLC"),
    ("crc16x25", "CRC-16/IBM-SDLC"),
    ("hdlc", "CRC-16/IBM-SDLC"),
    ("crc16hdlc", "CRC-16/IBM-SDLC"),
    ("augccitt", "CRC-16/SPI-FUJITSU"),
    ("crc16augccitt", "CRC-16/SPI-FUJITSU"),
    ("buypass", "CRC-16/UMTS"),
    ("crc16buypass", "CRC-16/UMTS"),
    ("crca", "CRC-16/ISO-IEC-14443-3-A"),
    ("mavlink", "CRC-16/MCRF4XX"),
    ("itu", "CRC-8/I-432-1"),
    ("crc8itu", "CRC-8/I-432-1"),
    ("crc8maxim", "CRC-8/MAXIM-DOW"),
    ("crc8j1850", "CRC-8/SAE-J1850"),
    ("crc32c", "CRC-32/ISCSI"),
    ("castagnoli", "CRC-32/ISCSI"),
    ("crc32castagnoli", "CRC-32/ISCSI"),
    ("zip", "CRC-32/ISO-HDLC"),
    ("pkzip", "CRC-32/ISO-HDLC"),
    ("ethernet", "CRC-32/ISO-HDLC"),
    ("crc32ethernet", "CRC-32/ISO-HDLC"),
    ("crc32ieee", "CRC-32/ISO-HDLC"),
    ("crc32stm32", "CRC-32/MPEG-2"),
    ("stm32", "CRC-32/MPEG-2"),
    ("posix", "CRC-32/CKSUM"),
    ("bcc", "xor8"),
    ("xor", "xor8"),
    ("nmea", "xor8"),
    ("modsum", "sum8"),
    ("modbusascii", "lrc"),
];

/// What a name of the file stands for; upper and lower case are the same.
pub(super) fn find(name: &str) -> Result<Known, Unclear> {
    let name = name.trim();
    if let Some(known) = get(name) {
        return Ok(known);
    }
    if let Some(part) = PARTS_OF_BYTES.iter().find(|part| part.eq_ignore_ascii_case(name)) {
        return Err(Unclear {
            message: format!("`{part}` is no whole number of bytes wide, so its place in a frame is not known"),
            help: "CRCs of 8, 16, 24, 32, 40 and 64 bits can be checked".to_owned(),
        });
    }
    let squeezed = squeeze(name);
    let ambiguous = AMBIGUOUS.iter().find(|(words, _)| words.contains(&squeezed.as_str()));
    let mut meant: Vec<&str> = ambiguous.map_or(Vec::new(), |(_, names)| names.to_vec());
    if meant.is_empty() {
        let same = |known: &&str| {
            squeeze(known) == squeezed || squeeze(known.split('/').next_back().unwrap_or_default()) == squeezed
        };
        meant = ALIASES.iter().filter(|(alias, _)| *alias == squeezed).map(|(_, name)| *name).collect();
        meant.extend(names().filter(same).filter(|_| !squeezed.is_empty()));
        meant.dedup();
    }
    match meant[..] {
        [] => Err(unknown(name)),
        [only] => Err(Unclear {
            message: format!("no algorithm is called `{name}` here"),
            help: format!("say {}: the catalogue's name is unmistakable", described(only)),
        }),
        _ => {
            let list: Vec<String> = meant.iter().map(|name| described(name)).collect();
            Err(Unclear {
                message: format!("several algorithms go by the name `{name}`: {}", list.join(", ")),
                help: "take the one whose check value, which is what it makes of the text 123456789, is that of the \
                       device; give `width`, `poly`, `init`, `refin`, `refout` and `xorout` if it is none of them"
                    .to_owned(),
            })
        }
    }
}

fn unknown(name: &str) -> Unclear {
    let wanted = name.to_ascii_uppercase();
    let near = names().map(|known| (damerau_levenshtein(&wanted, &known.to_ascii_uppercase()), known)).min();
    let help = match near {
        Some((steps, known)) if steps <= 2 + wanted.len() / 5 => format!("did you mean {}?", described(known)),
        _ => "names are those of the reveng catalogue, such as CRC-16/MODBUS, or sum8, xor8, lrc, fletcher-16, \
              adler-32; or give `width`, `poly`, `init`, `refin`, `refout` and `xorout`"
            .to_owned(),
    };
    Unclear { message: format!("no algorithm is called `{name}`"), help }
}

fn get(name: &str) -> Option<Known> {
    let crc = CATALOGUE.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, crc)| Known::Crc(crc));
    let sum = || Sum::ALL.iter().find(|sum| sum.name().eq_ignore_ascii_case(name)).map(|sum| Known::Sum(*sum));
    crc.or_else(sum)
}

fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|(name, _)| *name).chain(Sum::ALL.iter().map(|sum| sum.name()))
}

/// The name with its check value.
fn described(name: &str) -> String {
    let mut text = name.to_owned();
    let _ = match get(name) {
        Some(Known::Crc(crc)) => write!(text, " (check {})", hex(crc.check, crc.width)),
        Some(Known::Sum(sum)) => write!(text, " (check {})", hex(sum.of(CHECKED), sum.width())),
        None => Ok(()),
    };
    text
}

/// What is left of a name when people have done with its signs: `crc_16` and `CRC-16` are one.
fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unclear(name: &str) -> Unclear {
        find(name).expect_err(name)
    }

    #[test]
    fn a_name_of_the_catalogue_is_found_in_any_case() {
        for name in ["CRC-16/MODBUS", "crc-16/modbus", " Crc-16/Modbus "] {
            assert!(matches!(find(name), Ok(Known::Crc(crc)) if crc.check == 0x4B37), "{name}");
        }
        assert!(matches!(find("SUM8"), Ok(Known::Sum(Sum::Sum8))));
    }

    #[test]
    fn a_name_of_several_lists_them_with_their_check_values() {
        for (name, listed) in [
            ("crc16", ["CRC-16/MODBUS (check 0x4B37)", "CRC-16/MCRF4XX (check 0x6F91)"]),
            ("CRC_16", ["CRC-16/ARC (check 0xBB3D)", "CRC-16/XMODEM (check 0x31C3)"]),
            ("crc-ccitt", ["CRC-16/IBM-3740 (check 0x29B1)", "CRC-16/KERMIT (check 0x2189)"]),
            ("CRC32", ["CRC-32/ISO-HDLC (check 0xCBF43926)", "CRC-32/CKSUM (check 0x765E7680)"]),
            ("crc8", ["CRC-8/SMBUS (check 0xF4)", "CRC-8/ROHC (check 0xD0)"]),
            ("gsm-a", ["CRC-8/GSM-A", ""]),
            ("NRSC-5", ["CRC-8/NRSC-5 (check 0xF7)", "CRC-16/NRSC-5 (check 0xA066)"]),
        ] {
            let Unclear { message, help } = unclear(name);
            assert!(listed.iter().all(|one| format!("{message} {help}").contains(one)), "{name}: {message}: {help}");
        }
    }

    #[test]
    fn a_name_from_elsewhere_leads_to_the_one_of_the_catalogue() {
        for (name, said) in [
            ("X-25", "CRC-16/IBM-SDLC (check 0x906E)"),
            ("CCITT-FALSE", "CRC-16/IBM-3740"),
            ("crc32c", "CRC-32/ISCSI (check 0xE3069283)"),
            ("modbus", "CRC-16/MODBUS"),
            ("crc16-modbus", "CRC-16/MODBUS"),
            ("CRC-16/MODBUSS", "did you mean CRC-16/MODBUS (check 0x4B37)?"),
            ("adler32", "adler-32 (check 0x091E01DE)"),
            ("CRC-15/CAN", "CRCs of 8, 16"),
            ("", "reveng"),
            ("md5", "reveng"),
        ] {
            let Unclear { help, .. } = unclear(name);
            assert!(help.contains(said), "{name}: {help}");
        }
    }

    #[test]
    fn every_name_that_is_told_is_in_the_catalogue_and_no_two_squeeze_to_the_same() {
        for name in AMBIGUOUS.iter().flat_map(|(_, names)| *names).chain(ALIASES.iter().map(|(_, name)| name)) {
            assert!(get(name).is_some(), "{name}");
        }
        let mut squeezed: Vec<String> = names().map(squeeze).collect();
        squeezed.extend(ALIASES.iter().map(|(alias, _)| (*alias).to_owned()));
        squeezed.extend(AMBIGUOUS.iter().flat_map(|(words, _)| *words).map(|word| (*word).to_owned()));
        let count = squeezed.len();
        squeezed.sort();
        squeezed.dedup();
        assert_eq!(squeezed.len(), count);
    }
}
