//! Where a value lies in a device: `holding:0`, or the six digits of a Modicon number.
//!
//! The canonical form counts from 0, as the wire does. A bare number of five digits has two readings that lie one table or
//! forty thousand registers apart, so it is refused rather than guessed, unless the node says which of them its map uses.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

/// One of the four tables of a Modbus device. Each has its own addresses from 0 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// Bits that can be read and written.
    Coil,
    /// Bits that can be read.
    Discrete,
    /// Registers of 16 bits that can be read.
    Input,
    /// Registers of 16 bits that can be read and written.
    Holding,
}

impl Table {
    /// All tables, with the word for each and its first digit in Modicon's numbers.
    pub(super) const ALL: [(Self, &'static str, char); 4] = [
        (Self::Coil, "coil", '0'),
        (Self::Discrete, "discrete", '1'),
        (Self::Input, "input", '3'),
        (Self::Holding, "holding", '4'),
    ];

    /// Whether it holds single bits rather than registers.
    pub(super) fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    fn of_digit(digit: char) -> Option<Self> {
        Self::ALL.iter().find(|(_, _, first)| *first == digit).map(|(table, ..)| *table)
    }

    fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == word).map(|(table, ..)| *table)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(table, ..)| table == self).map_or("", |(_, word, _)| word))
    }
}

/// What a bare number means where an address is wanted; the manual of the option `address_style` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum AddressStyle {
    Modicon,
    Pdu,
}

/// A place in a table, counted from 0 as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// The table.
    pub(super) table: Table,
    /// The place in it.
    pub(super) start: u16,
    /// The bit, where the short form `holding:5.3` names one.
    pub(super) bit: Option<u8>,
}

/// What is wrong with an option, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) help: String,
}

impl Problem {
    /// A problem with its cure.
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

const FORMS: &str =
    "write the table and the address counted from 0, such as \"holding:0\", \"input:3\", \"coil:0\" or \"discrete:7\"";

impl Address {
    /// Reads an address as it stands in the file; the style says what a bare number means.
    pub(super) fn parse(text: &str, style: Option<AddressStyle>) -> Result<Self, Problem> {
        if let Some((word, place)) = text.split_once(':') {
            return named(text, word, place);
        }
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match (style, number(text)) {
            // Six digits have one reading only.
            _ if is_digits && text.len() == 6 => modicon(text),
            (Some(AddressStyle::Modicon), _) if is_digits && text.len() == 5 => modicon(text),
            (Some(AddressStyle::Pdu), Some(start)) => Ok(Self { table: Table::Holding, start, bit: None }),
            (Some(AddressStyle::Pdu), None) if is_digits => {
                Err(Problem::new(format!("`{text}` is past the last address 65535"), FORMS))
            }
            _ if is_digits => Err(bare(text)),
            _ => Err(Problem::new(format!("`{text}` is not a Modbus address"), FORMS)),
        }
    }
}

/// `holding:5`, `holding:0x10`, `holding:5.3`.
fn named(text: &str, word: &str, place: &str) -> Result<Address, Problem> {
    let Some(table) = Table::of_word(word) else {
        return Err(Problem::new(format!("the table `{word}` is none of coil, discrete, input, holding"), FORMS));
    };
    let (place, bit) = match place.split_once('.') {
        Some((place, bit)) => (place, Some(bit)),
        None => (place, None),
    };
    let start = number(place).ok_or_else(|| {
        Problem::new(
            format!("`{text}` does not end in an address from 0 to 65535"),
            "addresses count from 0, as on the wire; a manual that begins at 1 is one higher",
        )
    })?;
    let bit = match bit {
        None => None,
        Some(_) if table.is_bits() => {
            return Err(Problem::new(format!("a {table} is one bit already"), format!("write \"{table}:{start}\"")));
        }
        Some(bit) => Some(bit.parse().ok().filter(|bit| *bit < 16).ok_or_else(|| {
            Problem::new(format!("`{bit}` is not a bit of a register"), "bits count from 0, the least, to 15")
        })?),
    };
    Ok(Address { table, start, bit })
}

fn number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u16::from_str_radix(hex, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Five or six digits: the table, then the place counted from 1.
fn modicon(text: &str) -> Result<Address, Problem> {
    let wrong = || {
        let runs = match text.len() {
            5 => "Modicon numbers of five digits run from 00001, 10001, 30001 and 40001, each to 9999 places",
            _ => "Modicon numbers of six digits run from 000001, 100001, 300001 and 400001, each to 65536 places",
        };
        Problem::new(format!("`{text}` lies in no table"), runs)
    };
    let mut digits = text.chars();
    let table = digits.next().and_then(Table::of_digit).ok_or_else(wrong)?;
    let place: u32 = digits.as_str().parse().map_err(|_| wrong())?;
    let start = place.checked_sub(1).and_then(|start| u16::try_from(start).ok()).ok_or_else(wrong)?;
    Ok(Address { table, start, bit: None })
}

/// A number that is not six digits long could mean several things; says which.
fn bare(text: &str) -> Problem {
    let mut readings = Vec::new();
    if text.len() == 5 {
        let mut digits = text.chars();
        let table = digits.next().and_then(Table::of_digit);
        let place = digits.as_str().parse::<u16>().ok().and_then(|place| place.checked_sub(1));
        if let (Some(table), Some(start)) = (table, place) {
            readings.push(format!("\"{table}:{start}\" if the manual counts the Modicon way"));
        }
    }
    if let Some(start) = number(text) {
        readings.push(format!("\"holding:{start}\" if the number is what goes on the wire"));
    }
    let help = match &readings[..] {
        [] => FORMS.to_owned(),
        [only] => format!("write {only}"),
        _ => format!(
            "write {}; for a whole map, say `address_style: modicon` or `address_style: pdu` for the node",
            readings.join(", or ")
        ),
    };
    Problem::new(
        format!("`{text}` alone does not say which table is meant, and whether it counts from 0 or from 1"),
        help,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form() {
        for (text, table, start, bit) in [
            ("holding:0", Table::Holding, 0, None),
            ("input:3", Table::Input, 3, None),
            ("coil:65535", Table::Coil, 65535, None),
            ("discrete:7", Table::Discrete, 7, None),
            ("holding:0x64", Table::Holding, 100, None),
            ("holding:5.3", Table::Holding, 5, Some(3)),
            ("400001", Table::Holding, 0, None),
            ("465536", Table::Holding, 65535, None),
            ("300008", Table::Input, 7, None),
            ("100001", Table::Discrete, 0, None),
            ("000001", Table::Coil, 0, None),
        ] {
            assert_eq!(Address::parse(text, None), Ok(Address { table, start, bit }), "{text}");
        }
    }

    #[test]
    fn five_bare_digits_are_refused_with_both_readings() {
        let problem = Address::parse("40001", None).unwrap_err();
        assert!(problem.message.contains("which table"), "{}", problem.message);
        assert!(problem.help.contains("\"holding:0\""), "{}", problem.help);
        assert!(problem.help.contains("\"holding:40001\""), "{}", problem.help);
        assert!(problem.help.contains("address_style"), "{}", problem.help);
        let problem = Address::parse("20001", None).unwrap_err();
        assert_eq!(problem.help, "write \"holding:20001\" if the number is what goes on the wire");
    }

    #[test]
    fn the_style_of_the_node_says_what_a_bare_number_means() {
        for (text, style, table, start) in [
            ("40001", AddressStyle::Modicon, Table::Holding, 0),
            ("49999", AddressStyle::Modicon, Table::Holding, 9998),
            ("30008", AddressStyle::Modicon, Table::Input, 7),
            ("00001", AddressStyle::Modicon, Table::Coil, 0),
            ("400001", AddressStyle::Modicon, Table::Holding, 0),
            ("40001", AddressStyle::Pdu, Table::Holding, 40_001),
            ("0", AddressStyle::Pdu, Table::Holding, 0),
            ("0x9C41", AddressStyle::Pdu, Table::Holding, 40_001),
            ("400001", AddressStyle::Pdu, Table::Holding, 0),
            ("input:7", AddressStyle::Pdu, Table::Input, 7),
        ] {
            assert_eq!(Address::parse(text, Some(style)), Ok(Address { table, start, bit: None }), "{text}");
        }
        for (text, style, said) in [
            ("40000", AddressStyle::Modicon, "no table"),
            ("20001", AddressStyle::Modicon, "no table"),
            ("7", AddressStyle::Modicon, "which table"),
            ("0x10", AddressStyle::Modicon, "not a Modbus address"),
            ("65536", AddressStyle::Pdu, "past the last address"),
        ] {
            let problem = Address::parse(text, Some(style)).unwrap_err();
            assert!(problem.message.contains(said), "{text}: {}", problem.message);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, said) in [
            ("", "not a Modbus address"),
            ("%MW100", "not a Modbus address"),
            ("7", "which table"),
            ("4000010", "which table"),
            ("holdng:1", "`holdng` is none of"),
            ("holding:65536", "0 to 65535"),
            ("holding:-1", "0 to 65535"),
            ("holding:+1", "0 to 65535"),
            ("holding:0x", "0 to 65535"),
            ("holding:", "0 to 65535"),
            ("holding:5.16", "not a bit"),
            ("coil:5.1", "one bit already"),
            ("400000", "no table"),
            ("465537", "no table"),
            ("200001", "no table"),
        ] {
            let problem = Address::parse(text, None).unwrap_err();
            assert!(problem.message.contains(said), "{text}: {}", problem.message);
            assert!(!problem.help.is_empty(), "{text}");
        }
    }
}
