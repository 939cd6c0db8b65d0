//! Frames of Modbus TCP: a header with a transaction id, which tells a late answer from the one that is waited for.

use super::{Fault, Frame, PDU};

const HEADER: usize = 6;

/// A whole frame.
pub(in super::super) fn encode(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + 1 + pdu.len());
    frame.extend(transaction.to_be_bytes());
    frame.extend([0, 0]);
    // A PDU has 253 bytes at most.
    frame.extend((pdu.len() as u16 + 1).to_be_bytes());
    frame.push(unit);
    frame.extend(pdu);
    frame
}

/// The frame at the beginning of these bytes; `None` if it is not whole yet.
pub(in super::super) fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>, Fault> {
    if bytes.get(2).is_some_and(|high| *high != 0) || bytes.get(3).is_some_and(|low| *low != 0) {
        return Err(Fault::Protocol);
    }
    let Some(&[a, b, _, _, high, low]) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    // The unit and a function at least.
    if !(2..=PDU + 1).contains(&length) {
        return Err(Fault::Length);
    }
    let Some((&unit, pdu)) = bytes.get(HEADER..HEADER + length).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    Ok(Some(Frame { transaction: Some(u16::from_be_bytes([a, b])), unit, pdu, taken: HEADER + length }))
}
