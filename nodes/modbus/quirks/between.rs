//! What sits between a client and the simulated device: frames pass here, changed as the quirks have it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::super::address::Table;
use super::super::frame::PDU;
use super::super::plan::Need;
use super::super::wire::Stream;
use super::{Quirk, Quirks, Rule, Wrong};

/// Bytes before the unit, and with the unit.
const HEADER: usize = 6;
/// The time between two pieces of an answer.
const PIECE: Duration = Duration::from_millis(5);
/// Nonsense that is no frame: its protocol would be 0xA5A5.
const NONSENSE: u8 = 0xA5;

/// Passes on what one client and the device say to each other, until one of them ends.
pub(in super::super) async fn run(client: impl Stream, device: impl Stream, quirks: Arc<Quirks>) {
    let Ok(_seat) = quirks.seat() else { return };
    // A connection that breaks off is no news.
    let _ = relay(client, device, &quirks).await;
}

async fn relay(mut client: impl Stream, mut device: impl Stream, quirks: &Quirks) -> io::Result<()> {
    let opened = Instant::now();
    for count in quirks.now().filter_map(|quirk| quirk.garbage) {
        client.write_all(&vec![NONSENSE; count.into()]).await?;
    }
    let (mut before, mut held) = (None, Vec::new());
    loop {
        let idle = quirks.now().filter_map(|quirk| quirk.idle_close).min();
        let request = match idle {
            Some(idle) => timeout(idle.0, frame(&mut client)).await??,
            None => frame(&mut client).await?,
        };
        let deaf = quirks.now().filter_map(|quirk| quirk.deaf).max();
        if deaf.is_some_and(|deaf| opened.elapsed() < deaf.0) {
            continue;
        }
        let rules = quirks.of(request.get(HEADER).copied().unwrap_or_default());
        let any = |is: fn(&Quirk) -> bool| rules.iter().any(|rule| is(&rule.quirk));
        let mut answer = ask(&request, &rules, &mut device).await?;
        for wrong in rules.iter().filter_map(|rule| rule.quirk.wrong) {
            wrong.spoil(&mut answer);
        }
        if any(|quirk| quirk.stale) {
            match before.replace(answer) {
                Some(last) => answer = last,
                None => continue,
            }
        } else {
            before = Some(answer.clone());
        }
        if any(|quirk| quirk.hang_up) {
            return Ok(());
        }
        if any(|quirk| quirk.silent) {
            continue;
        }
        if let Some(late) = rules.iter().filter_map(|rule| rule.quirk.late).max() {
            sleep(late.0).await;
        }
        if any(|quirk| quirk.joined) && held.is_empty() {
            held = answer;
            continue;
        }
        held.append(&mut answer);
        let pieces = rules.iter().filter_map(|rule| rule.quirk.split).max().unwrap_or(1);
        for (nth, piece) in held.chunks(held.len().div_ceil(pieces.max(1).into()).max(1)).enumerate() {
            if nth != 0 {
                sleep(PIECE).await;
            }
            client.write_all(piece).await?;
            client.flush().await?;
        }
        held.clear();
    }
}

/// The next frame.
async fn frame(stream: &mut impl Stream) -> io::Result<Vec<u8>> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let [.., high, low] = header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(2..=PDU + 1).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    Ok([header.as_slice(), &rest].concat())
}

/// What the device answers, but for what it refuses to do.
async fn ask(request: &[u8], rules: &[&Rule], device: &mut impl Stream) -> io::Result<Vec<u8>> {
    let mut changed = request.to_vec();
    let read = need(request);
    if let Some(code) = rules.iter().find_map(|rule| rule.refusal(read)) {
        return Ok(with_pdu(request, &[function(request) | 0x80, code]));
    }
    if let Some(need) = read {
        for quirk in rules.iter().map(|rule| &rule.quirk) {
            let Some(start) = need.start.checked_sub(quirk.shift.unwrap_or(0)) else {
                return Ok(with_pdu(request, &[function(request) | 0x80, 2]));
            };
            if let (Some(_), Some(place)) = (quirk.shift, changed.get_mut(HEADER + 2..HEADER + 4)) {
                place.copy_from_slice(&start.to_be_bytes());
            }
            if let (true, Table::Holding, Some(function)) = (quirk.mirror, need.table, changed.get_mut(HEADER + 1)) {
                *function = 4;
            }
        }
    }
    device.write_all(&changed).await?;
    let mut answer = frame(device).await?;
    let is_refused = 0x80 <= function(&answer);
    if let Some(place) = answer.get_mut(HEADER + 1) {
        *place = function(request) | if is_refused { 0x80 } else { 0 };
    }
    if let (Some(need), false) = (read.filter(|need| !need.table.is_bits()), is_refused) {
        for rule in rules {
            if let (Some(word), Some(words)) = (rule.quirk.sentinel, answer.get_mut(HEADER + 3..)) {
                words.chunks_exact_mut(2).for_each(|place| place.copy_from_slice(&word.to_be_bytes()));
            }
            if let (Some(range), Some(words)) = (rule.swapped, answer.get_mut(HEADER + 3..)) {
                swap(range, need, words);
            }
            if rule.wide.is_some_and(|wide| meet(wide, need)) {
                let words = answer.get(HEADER + 3..).unwrap_or_default().chunks_exact(2);
                let data: Vec<u8> = words.flat_map(|word| [&[0, 0], word].concat()).collect();
                let mut pdu = vec![function(request), u8::try_from(data.len()).unwrap_or(u8::MAX)];
                pdu.extend(data);
                answer = with_pdu(request, &pdu);
            }
        }
    }
    Ok(answer)
}

impl Rule {
    /// The exception with which it refuses a request.
    fn refusal(&self, read: Option<Need>) -> Option<u8> {
        let illegal_address = |need: Need| {
            self.holes.iter().any(|hole| meet(*hole, need))
                || self.quirk.from_zero && need.table.is_bits() && need.start != 0
        };
        let illegal_value = |need: Need| {
            self.quirk.most.is_some_and(|most| most < need.count)
                // Twice as many bytes as usual have to fit into an answer.
                || self.wide.is_some_and(|wide| meet(wide, need) && 62 < need.count)
        };
        match read {
            _ if self.quirk.refuse.is_some() => self.quirk.refuse,
            Some(need) if illegal_address(need) => Some(2),
            Some(need) if illegal_value(need) => Some(3),
            _ => None,
        }
    }
}

impl Wrong {
    fn spoil(self, answer: &mut [u8]) {
        let (place, by) = match self {
            // One that comes later: an earlier one would be a late answer.
            Self::Transaction => (1, 1),
            Self::Protocol => (3, 1),
            Self::Length => (4, 1),
            Self::Unit => (HEADER, 1),
            Self::Function => (HEADER + 1, 1),
            Self::ByteCount => (HEADER + 2, 2),
        };
        if let Some(byte) = answer.get_mut(place) {
            *byte = byte.wrapping_add(by);
        }
    }
}

/// Turns the pairs of registers round that lie in the range and in what was read.
fn swap(range: Need, read: Need, words: &mut [u8]) {
    if !meet(range, read) {
        return;
    }
    let first = match range.start.checked_sub(read.start) {
        Some(before) => before,
        // A pair whose first register was not read stays as it is.
        None => (read.start - range.start) % 2,
    };
    let end = usize::try_from(range.end().saturating_sub(read.start.into())).unwrap_or_default();
    let end = (2 * end).min(words.len());
    if let Some(words) = words.get_mut(2 * usize::from(first)..end) {
        words.chunks_exact_mut(4).for_each(|pair| pair.rotate_left(2));
    }
}

fn function(frame: &[u8]) -> u8 {
    frame.get(HEADER + 1).copied().unwrap_or_default()
}

/// What a request reads, if it reads.
fn need(request: &[u8]) -> Option<Need> {
    let &[function, a, b, c, d] = request.get(HEADER + 1..)? else { return None };
    let table = match function {
        1 => Table::Coil,
        2 => Table::Discrete,
        3 => Table::Holding,
        4 => Table::Input,
        _ => return None,
    };
    Some(Need { table, start: u16::from_be_bytes([a, b]), count: u16::from_be_bytes([c, d]) })
}

fn meet(one: Need, two: Need) -> bool {
    one.table == two.table && u32::from(one.start) < two.end() && u32::from(two.start) < one.end()
}

/// A frame with the ids of another one.
fn with_pdu(of: &[u8], pdu: &[u8]) -> Vec<u8> {
    let mut frame = of.get(..4).unwrap_or_default().to_vec();
    frame.extend(u16::try_from(pdu.len() + 1).unwrap_or(u16::MAX).to_be_bytes());
    frame.extend(of.get(HEADER));
    frame.extend(pdu);
    frame
}
