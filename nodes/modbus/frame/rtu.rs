//! Frames of a serial line: unit, PDU, check sum. Nothing tells where a frame ends but what it says itself.
//!
//! Silence between frames is no use to find their ends in user space, behind a USB adapter or through a network: the length
//! follows from the function and the byte count. Silence serves only to find the beginning again after nonsense.

use crc::{CRC_16_MODBUS, Crc};

use super::{Fault, Frame};

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
/// Most bytes of a frame.
const MOST: usize = 256;

/// A whole frame.
pub(in super::super) fn encode(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(pdu.len() + 3);
    frame.push(unit);
    frame.extend(pdu);
    // The low byte goes first.
    frame.extend(CRC.checksum(&frame).to_le_bytes());
    frame
}

/// The frame of an answer at the beginning of these bytes; `None` if it is not whole yet.
pub(in super::super) fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>, Fault> {
    let Some(length) = length(bytes)? else { return Ok(None) };
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    let Some((body, sum)) = frame.split_last_chunk::<2>() else { return Err(Fault::Length) };
    if CRC.checksum(body) != u16::from_le_bytes(*sum) {
        return Err(Fault::Crc);
    }
    let Some((&unit, pdu)) = body.split_first() else { return Err(Fault::Length) };
    Ok(Some(Frame { transaction: None, unit, pdu, taken: length }))
}

/// How long the answer is that begins so, once that can be told.
fn length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some(function) = bytes.get(1) else { return Ok(None) };
    let length = match function {
        0x80.. => 5,
        1..=4 => match bytes.get(2) {
            Some(count) => 5 + usize::from(*count),
            None => return Ok(None),
        },
        5 | 6 | 15 | 16 => 8,
        22 => 10,
        _ => return Err(Fault::Function),
    };
    if MOST < length { Err(Fault::Length) } else { Ok(Some(length)) }
}
