//! The codecs as the fuzz targets of `tests/fuzz/` call them: bytes in, a panic where something is wrong. With the feature
//! `fuzzing` only; nothing else may use it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Findings, Quality, Tally, Value};
use serde_json::json;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::address::{Address, Table};
use super::codec::{Half, Kind, Layout, Order, Pad, Part};
use super::config::Config;
use super::frame::{PDU, Reply, Request, mbap, rtu};
use super::plan::{Bounds, Limits, Need, plan};
use super::wire::{Failure, Framing, Wire};

/// The unit that is asked.
const UNIT: u8 = 7;
/// The wait for an answer, and the silence that ends nonsense.
const WAIT: Duration = Duration::from_millis(50);
const QUIET: Duration = Duration::from_millis(5);

/// One of each function, by number.
fn request(number: u8) -> Request {
    let at = 3;
    let read = |table, count| Request::Read(Need { table, start: at, count });
    match number % 10 {
        0 => read(Table::Coil, 9),
        1 => read(Table::Discrete, 2000),
        2 => read(Table::Holding, 2),
        3 => read(Table::Input, 125),
        4 => read(Table::Holding, 125),
        5 => Request::WriteCoil { at, on: true },
        6 => Request::WriteRegister { at, word: 0x1234 },
        7 => Request::WriteCoils { at, bits: vec![true; 9] },
        8 => Request::WriteRegisters { at, words: vec![1, 2] },
        _ => Request::MaskRegister { at, and: 0xF2, or: 0x25 },
    }
}

/// The PDU that alone gives this reply, and how long it is: the last byte of some bits, which is filled up, is left out.
fn answer(request: &Request, reply: &Reply) -> (Vec<u8>, usize) {
    let pdu = request.encode().unwrap_or_default();
    let function = pdu.first().copied().unwrap_or_default();
    let pdu = match reply {
        Reply::Exception(code) => vec![function | 0x80, *code],
        Reply::Words(words) => {
            let data = words.iter().flat_map(|word| word.to_be_bytes());
            [function, 2 * words.len() as u8].into_iter().chain(data).collect()
        }
        Reply::Bits(bits) => {
            let bytes =
                bits.chunks_exact(8).map(|bits| bits.iter().rev().fold(0, |byte, on| byte << 1 | u8::from(*on)));
            [function, bits.len().div_ceil(8) as u8].into_iter().chain(bytes).collect()
        }
        Reply::Done => match request {
            Request::WriteCoils { .. } | Request::WriteRegisters { .. } => pdu.get(..5).unwrap_or_default().to_vec(),
            _ => pdu,
        },
    };
    let length = if let Reply::Bits(bits) = reply { 2 + bits.len().div_ceil(8) } else { pdu.len() };
    (pdu, length)
}

/// An answer of Modbus TCP: the first byte names the request, the rest is what came.
pub fn tcp_answer(data: &[u8]) {
    let Some((&number, bytes)) = data.split_first() else { return };
    if let Ok(Some(frame)) = mbap::parse(bytes) {
        assert!(frame.taken <= bytes.len() && frame.pdu.len() <= PDU && !frame.pdu.is_empty(), "{frame:?}");
        let whole = mbap::encode(frame.transaction.unwrap_or_default(), frame.unit, frame.pdu);
        assert_eq!(Some(whole.as_slice()), bytes.get(..frame.taken), "the frame is what came");
        decode(number, frame.pdu);
    }
    decode(number, bytes);
    conversation(Framing::Mbap, data);
}

/// An answer on a serial line: the first byte names the request, the rest is what came, with or without its check sum.
pub fn rtu_answer(data: &[u8]) {
    let Some((&number, bytes)) = data.split_first() else { return };
    let whole = bytes.split_first().map(|(unit, pdu)| rtu::encode(*unit, pdu)).unwrap_or_default();
    for bytes in [bytes, &whole] {
        if let Ok(Some(frame)) = rtu::parse(bytes) {
            assert!(frame.taken <= bytes.len() && frame.pdu.len() <= PDU && !frame.pdu.is_empty(), "{frame:?}");
            let again = rtu::encode(frame.unit, frame.pdu);
            assert_eq!(Some(again.as_slice()), bytes.get(..frame.taken), "the check sum is right");
            decode(number, frame.pdu);
        }
    }
}

/// A whole conversation in frames of a serial line, as a serial server passes them on.
pub fn rtu_over_tcp(data: &[u8]) {
    conversation(Framing::Rtu(QUIET), data);
}

fn decode(number: u8, pdu: &[u8]) {
    let request = request(number);
    if let Ok(reply) = request.decode(pdu) {
        is_complete(&request, &reply);
        let (begin, length) = answer(&request, &reply);
        assert!(pdu.starts_with(&begin) && pdu.len() == length, "{reply:?} of {pdu:?}");
    }
}

fn is_complete(request: &Request, reply: &Reply) {
    match (request, reply) {
        (Request::Read(need), Reply::Words(words)) => assert_eq!(usize::from(need.count), words.len()),
        (Request::Read(need), Reply::Bits(bits)) => assert_eq!(usize::from(need.count), bits.len()),
        (Request::Read(_), Reply::Done) => panic!("a read is not done by a word"),
        _ => {}
    }
}

thread_local! {
    /// Time stands still in it, and jumps to the next moment that anybody waits for.
    static RUNTIME: RefCell<Runtime> = RefCell::new({
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap_or_else(|error| panic!("{error}"))
    });
}

/// Three requests, and a device that sends what the bytes say whether it was asked or not. Nothing may come out that it did
/// not send in a frame for just this request.
fn conversation(framing: Framing, data: &[u8]) {
    let Some((&number, script)) = data.split_first() else { return };
    let heartbeat: &[u8] = if number & 0x80 == 0 { &[] } else { &[0xFE, 0xFD] };
    let mut sent = Vec::new();
    let mut steps = Vec::new();
    let mut rest = script;
    while let Some((&control, after)) = rest.split_first() {
        let (piece, after) = after.split_at(after.len().min(usize::from(control >> 3)));
        rest = after;
        let transaction = u16::from(control >> 1 & 3);
        let bytes = match (control & 7, framing) {
            (0 | 1, Framing::Mbap) => mbap::encode(transaction + 1, UNIT, piece),
            (2, Framing::Mbap) => mbap::encode(1, UNIT + 1, piece),
            (0 | 1, Framing::Rtu(_)) => rtu::encode(UNIT, piece),
            (2, Framing::Rtu(_)) => rtu::encode(UNIT + 1, piece),
            (3, _) => {
                steps.push((Duration::from_millis((control >> 3).into()), Vec::new()));
                continue;
            }
            (4, _) => heartbeat.to_vec(),
            _ => piece.to_vec(),
        };
        sent.extend(&bytes);
        steps.push((Duration::ZERO, bytes));
    }
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let wire = Wire::new(Box::new(ours), framing, Arc::from(heartbeat));
    RUNTIME.with_borrow_mut(|runtime| {
        runtime.block_on(async { tokio::join!(ask(wire, framing, number, &sent), send(theirs, &steps)) });
    });
}

async fn send(mut line: DuplexStream, steps: &[(Duration, Vec<u8>)]) {
    for (pause, bytes) in steps {
        sleep(*pause).await;
        if line.write_all(bytes).await.is_err() {
            return;
        }
    }
    // It stays open until everybody has waited long enough.
    sleep(10 * WAIT).await;
}

async fn ask(mut wire: Wire, framing: Framing, number: u8, sent: &[u8]) {
    let tally = Tally::default();
    for transaction in 1..=3 {
        let request = request(number.wrapping_add(transaction as u8));
        let result = wire.exchange((transaction, UNIT), &request, WAIT, |unit| unit == UNIT + 1, &tally).await;
        match result {
            Ok(reply) => {
                is_complete(&request, &reply);
                let (pdu, length) = answer(&request, &reply);
                let came = match framing {
                    Framing::Rtu(_) if pdu.len() == length => rtu::encode(UNIT, &pdu),
                    Framing::Rtu(_) => [&[UNIT], pdu.as_slice()].concat(),
                    Framing::Mbap => {
                        [&transaction.to_be_bytes(), [0; 3].as_slice(), &[length as u8 + 1, UNIT], &pdu].concat()
                    }
                };
                assert!(sent.windows(came.len()).any(|bytes| bytes == came), "{reply:?} was never sent: {sent:?}");
            }
            Err(Failure::Closed(_) | Failure::Ended) => return,
            Err(Failure::Mismatch(_)) if wire.quiet().is_none() => return,
            Err(_) => {
                if let Some(quiet) = wire.quiet()
                    && wire.drain(quiet).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

/// Bytes that are taken one by one; 0 behind the last.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.next(), self.next()])
    }
}

/// A layout, and registers: what is read can be written, and is read as the same again.
pub fn values(data: &[u8]) {
    let mut bytes = Bytes(data);
    let layout = any_layout(&mut bytes);
    let words: Vec<u16> = (0..layout.registers).map(|_| bytes.word()).collect();
    let (value, quality) = layout.decode(&words);
    assert_eq!(value == Value::Null, !quality.is_good(), "{layout:?}");
    if quality.is_good() {
        same_again(&layout, &value, layout.kind.is_text());
    }
    let raw = i64::from_be_bytes(std::array::from_fn(|_| bytes.next()));
    for value in [
        Value::I64(raw),
        Value::U64(raw as u64),
        Value::F64(f64::from_bits(raw as u64)),
        Value::F32(f32::from_bits(raw as u32)),
        Value::Bool(raw & 1 == 1),
        Value::Text(String::from_utf8_lossy(bytes.0).into()),
        Value::Null,
    ] {
        same_again(&layout, &value, true);
    }
    let text = String::from_utf8_lossy(bytes.0);
    let _ = Address::parse(&text, None);
    let _ = Order::parse(&text, layout.kind, layout.registers);
}

fn any_layout(bytes: &mut Bytes<'_>) -> Layout {
    let kinds = Kind::ALL.len();
    let kind = Kind::ALL.get(usize::from(bytes.next()) % kinds).map_or(Kind::U16, |(kind, _)| *kind);
    let registers = match kind {
        Kind::Mod10k => 2 + u16::from(bytes.next() % 3),
        _ => 1 + u16::from(bytes.next() % 8),
    };
    let mut layout = Layout::new(kind, registers);
    let mut letters: Vec<char> = "ABCDEFGH".chars().take(kind.bytes(registers).into()).collect();
    letters.extend((letters.len() == 3).then_some('_'));
    for last in (1..letters.len()).rev() {
        letters.swap(last, usize::from(bytes.next()) % (last + 1));
    }
    if let Ok(order) = Order::parse(&letters.iter().collect::<String>(), kind, registers) {
        layout.order = order;
    }
    let options = bytes.next();
    let half = if options & 1 == 0 { Half::High } else { Half::Low };
    if matches!(kind, Kind::U8 | Kind::I8) {
        layout.order = Order::of_half(half);
    }
    if kind == Kind::String {
        layout.text.half = (options & 2 != 0).then_some(half);
        if layout.text.half.is_some() {
            // There is nothing to swap, and the options do not let anybody.
            layout.order = Order::standard(kind, registers);
        }
        layout.text.pad = [None, Some(Pad::Nul), Some(Pad::Space)][usize::from(options >> 2) % 3];
    }
    if kind == Kind::Bit {
        layout.part = Some(Part { first: options % 16, count: None });
    } else if kind.is_unsigned() && options & 0x80 != 0 {
        let width = 8 * kind.bytes(registers);
        let first = bytes.next() % width;
        let count = bytes.next() % (width - first + 1);
        layout.part = Some(Part { first, count: (count != 0).then_some(count) });
    }
    layout
}

/// What can be written is read again: exactly, or at least as a value that is written to the same registers.
fn same_again(layout: &Layout, value: &Value, may_be_refused: bool) {
    let Ok(words) = layout.encode(value) else {
        assert!(may_be_refused, "{value:?} cannot be written as {layout:?}");
        return;
    };
    assert_eq!(words.len(), usize::from(layout.registers), "{layout:?}");
    let outside = words.iter().zip(layout.mask()).any(|(word, mask)| word & !mask != 0);
    assert!(!outside, "{value:?} touches what is not its own: {words:x?} {layout:?}");
    let (read, quality) = layout.decode(&words);
    assert_eq!(quality, Quality::GOOD, "{value:?} was written as {words:x?} {layout:?}");
    let again = layout.encode(&read);
    if layout.kind == Kind::String {
        // What it was filled up with is no part of a text, and written anew.
        let again = again.map(|words| layout.decode(&words).0);
        assert_eq!(again.as_ref(), Ok(&read), "{value:?} {layout:?}");
    } else {
        assert_eq!(again.as_deref(), Ok(words.as_slice()), "{value:?} was read as {read:?} {layout:?}");
    }
}

/// A table of tags: whatever it says, the plan reads all its tags, within the limits.
pub fn tag_map(data: &[u8]) {
    let Ok(config) = serde_json::from_value::<Config>(json!({ "url": "tcp://plc", "tags_from": "map.csv" })) else {
        return;
    };
    let mut findings = Findings::default();
    let points = config.points_of_table(&String::from_utf8_lossy(data), &mut findings);
    let limits = Limits { registers: 125, bits: 2000, gap: u16::from(data.len() as u8) };
    let needs: Vec<Need> = points.iter().map(|point| point.need).collect();
    if !findings.0.is_empty() {
        return;
    }
    let mut served = vec![false; needs.len()];
    for request in plan(&needs, limits, &Bounds::default()) {
        let most = if request.read.table.is_bits() { limits.bits } else { limits.registers };
        assert!(request.read.count <= most && request.read.end() <= 65_536, "{request:?}");
        for index in request.serves {
            let need = needs[index];
            assert!(request.read.start <= need.start && need.end() <= request.read.end(), "{need:?}");
            served[index] = true;
        }
    }
    assert!(served.iter().all(|served| *served));
}
