//! Modbus frames byte for byte: what is asked, and whether what came is the answer to just that.
//!
//! Pure: bytes in, a verdict out. Whatever comes from the wire is hostile, so each length is checked before it is used, no
//! frame is longer than the standard allows, and each way of being wrong has its own word, under which it is counted.

pub(super) mod mbap;
pub(super) mod rtu;
#[cfg(test)]
mod tests;

use super::address::Table;
use super::plan::Need;

/// Most bytes of a protocol data unit: the function and what follows it.
pub(super) const PDU: usize = 253;

/// Why what came is not the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The protocol id of the header is not 0.
    Protocol,
    /// The frame is shorter or longer than its function allows.
    Length,
    /// It answers a transaction that nobody asked for on this connection.
    Transaction,
    /// Another unit answered.
    Unit,
    /// It answers another function.
    Function,
    /// It has not as many values as were asked for.
    ByteCount,
    /// The check sum is wrong.
    Crc,
    /// The answer to a write does not repeat what was to be written.
    Echo,
}

impl Fault {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 8] = [
        Self::Protocol,
        Self::Length,
        Self::Transaction,
        Self::Unit,
        Self::Function,
        Self::ByteCount,
        Self::Crc,
        Self::Echo,
    ];

    /// The word under which it is counted.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Length => "length",
            Self::Transaction => "transaction",
            Self::Unit => "unit",
            Self::Function => "function",
            Self::ByteCount => "byte_count",
            Self::Crc => "crc",
            Self::Echo => "echo",
        }
    }

    /// The same for a person.
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Protocol => "what came is no Modbus frame: its protocol id is not 0",
            Self::Length => "what came is no Modbus frame: its length is wrong",
            Self::Transaction => "an answer of another transaction came",
            Self::Unit => "an answer of another unit came",
            Self::Function => "an answer of another function came",
            Self::ByteCount => "the answer has not as many values as were asked for",
            Self::Crc => "the check sum of the answer is wrong",
            Self::Echo => "the answer does not repeat what was to be written",
        }
    }
}

/// What a unit is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Functions 1 to 4.
    Read(Need),
    /// Function 5.
    WriteCoil {
        /// The coil.
        at: u16,
        /// Its new state.
        on: bool,
    },
    /// Function 6.
    WriteRegister {
        /// The register.
        at: u16,
        /// Its new content.
        word: u16,
    },
    /// Function 15: 1 to 1968 coils.
    WriteCoils {
        /// The first coil.
        at: u16,
        /// The new states.
        bits: Vec<bool>,
    },
    /// Function 16: 1 to 123 registers.
    WriteRegisters {
        /// The first register.
        at: u16,
        /// The new contents.
        words: Vec<u16>,
    },
    /// Function 22: the register becomes `(old & and) | (or & !and)`, without a moment in between.
    MaskRegister {
        /// The register.
        at: u16,
        /// The bits that stay.
        and: u16,
        /// The bits to set among those that do not stay.
        or: u16,
    },
}

/// What a unit gave for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// Coils or discrete inputs, as many as were asked for.
    Bits(Vec<bool>),
    /// Registers, as many as were asked for.
    Words(Vec<u16>),
    /// Written.
    Done,
    /// Refused, with this code.
    Exception(u8),
}

/// A frame that came, without what carried it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// The transaction, where the framing has one.
    pub(super) transaction: Option<u16>,
    /// The unit that answers.
    pub(super) unit: u8,
    /// The function and what follows it; never empty.
    pub(super) pdu: &'a [u8],
    /// How many bytes of the stream it took.
    pub(super) taken: usize,
}

impl Request {
    /// The function code.
    pub(super) fn function(&self) -> u8 {
        match self {
            Self::Read(need) => match need.table {
                Table::Coil => 1,
                Table::Discrete => 2,
                Table::Holding => 3,
                Table::Input => 4,
            },
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
            Self::MaskRegister { .. } => 22,
        }
    }

    /// Whether asking twice does no harm.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    /// What it asks for, for people: `holding:20`.
    pub(super) fn what(&self) -> String {
        match self {
            Self::Read(Need { table, start, .. }) => format!("{table}:{start}"),
            Self::WriteCoil { at, .. } | Self::WriteCoils { at, .. } => format!("the writing of coil:{at}"),
            Self::WriteRegister { at, .. } | Self::WriteRegisters { at, .. } | Self::MaskRegister { at, .. } => {
                format!("the writing of holding:{at}")
            }
        }
    }

    /// The bytes from the function on; `None` for more or less than one request may hold.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut pdu = Vec::with_capacity(16);
        pdu.push(self.function());
        let mut put = |word: u16| pdu.extend(word.to_be_bytes());
        match self {
            Self::Read(need) => {
                let most = if need.table.is_bits() { 2000 } else { 125 };
                if !(1..=most).contains(&need.count) || 65_536 < need.end() {
                    return None;
                }
                put(need.start);
                put(need.count);
            }
            Self::WriteCoil { at, on } => {
                put(*at);
                put(if *on { 0xFF00 } else { 0 });
            }
            Self::WriteRegister { at, word } => {
                put(*at);
                put(*word);
            }
            Self::WriteCoils { at, bits } => {
                put(*at);
                put(count(bits.len(), 1968, *at)?);
                pdu.push(u8::try_from(bits.len().div_ceil(8)).ok()?);
                pdu.extend(
                    bits.chunks(8)
                        .map(|bits| bits.iter().enumerate().fold(0, |byte, (place, on)| byte | u8::from(*on) << place)),
                );
            }
            Self::WriteRegisters { at, words } => {
                put(*at);
                put(count(words.len(), 123, *at)?);
                pdu.push(u8::try_from(2 * words.len()).ok()?);
                pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            }
            Self::MaskRegister { at, and, or } => {
                put(*at);
                put(*and);
                put(*or);
            }
        }
        Some(pdu)
    }

    /// What the unit says, if this is an answer to just this request.
    pub(super) fn decode(&self, pdu: &[u8]) -> Result<Reply, Fault> {
        let (&function, rest) = pdu.split_first().ok_or(Fault::Length)?;
        if function == self.function() | 0x80 {
            return match rest {
                [code] => Ok(Reply::Exception(*code)),
                _ => Err(Fault::Length),
            };
        }
        if function != self.function() {
            return Err(Fault::Function);
        }
        if let Self::Read(need) = self {
            return values(*need, rest);
        }
        let echo = match self {
            Self::WriteCoils { .. } | Self::WriteRegisters { .. } => 4,
            _ => usize::MAX,
        };
        let asked = self.encode().ok_or(Fault::Echo)?;
        let asked = asked.get(1..).unwrap_or_default();
        let asked = asked.get(..echo).unwrap_or(asked);
        if rest.len() != asked.len() {
            return Err(Fault::Length);
        }
        if rest == asked { Ok(Reply::Done) } else { Err(Fault::Echo) }
    }
}

fn count(count: usize, most: u16, at: u16) -> Option<u16> {
    let count = u16::try_from(count).ok().filter(|count| (1..=most).contains(count))?;
    (u32::from(at) + u32::from(count) <= 65_536).then_some(count)
}

fn values(need: Need, rest: &[u8]) -> Result<Reply, Fault> {
    let count = usize::from(need.count);
    let bytes = if need.table.is_bits() { count.div_ceil(8) } else { 2 * count };
    let (&said, data) = rest.split_first().ok_or(Fault::Length)?;
    if usize::from(said) != bytes || data.len() != bytes {
        return Err(Fault::ByteCount);
    }
    if need.table.is_bits() {
        // The last byte is filled up with bits that mean nothing.
        let bits = data.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1 == 1));
        return Ok(Reply::Bits(bits.take(count).collect()));
    }
    let words = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    Ok(Reply::Words(words.collect()))
}
