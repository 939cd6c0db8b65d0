//! What a broker may send, as the fuzz target `mqtt_packets` of `tests/fuzz/` calls it. With the feature `fuzzing` only.

use bytes::{Buf as _, BytesMut};

use super::{Packet, Version, decode};

/// Longest packet that is taken, so that the limit is met.
const MOST: u32 = 512;

/// A stream of packets of either version: however it is cut into pieces, it means the same.
pub fn mqtt_packets(data: &[u8]) {
    let Some((&version, data)) = data.split_first() else { return };
    let version = if version & 1 == 0 { Version::V5 } else { Version::V3 };
    let piece = usize::from(version == Version::V3) * 3 + 1;
    let (whole, pieces) = (read(data, data.len().max(1), version), read(data, piece, version));
    assert_eq!(whole, pieces);
    for packet in &whole.0 {
        if let Packet::Publish(published) = packet {
            let message = &published.message;
            // What was changed, or lost its payload, may be longer or shorter than it came.
            let is_whole = published.is_sound && published.cut == 0;
            assert!(!is_whole || message.topic.len() + message.payload.len() <= MOST as usize);
        }
    }
}

/// The packets of a stream that comes in pieces, and whether it ends in nonsense.
fn read(data: &[u8], piece: usize, version: Version) -> (Vec<Packet>, bool) {
    let (mut came, mut packets, mut skip) = (BytesMut::new(), Vec::new(), 0);
    for piece in data.chunks(piece) {
        came.extend_from_slice(piece);
        loop {
            let skipped = came.len().min(skip);
            came.advance(skipped);
            skip -= skipped;
            match decode(&mut came, version, MOST) {
                Ok(Some(packet)) => {
                    if let Packet::Publish(published) = &packet {
                        skip = published.cut;
                    }
                    packets.push(packet);
                }
                Ok(None) => break,
                Err(_) => return (packets, true),
            }
        }
    }
    (packets, false)
}
