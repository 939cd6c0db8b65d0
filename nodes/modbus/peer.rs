//! For tests: a Modbus TCP device that does just what its script says, byte by byte, and a source that reads from it.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{BuildContext, Quality, Record, Source as _, Tally, Timestamp};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::config::Config;
use super::source::Poller;
use crate::follower::Follower;

/// A listening device.
pub(super) struct Peer(TcpListener);

/// A request as it came: transaction, unit, function, address, count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) transaction: u16,
    pub(super) unit: u8,
    pub(super) function: u8,
    pub(super) start: u16,
    pub(super) count: u16,
}

impl Peer {
    pub(super) async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn url(&self) -> String {
        format!("tcp://{}", self.0.local_addr().unwrap())
    }

    pub(super) async fn accept(&self) -> Line {
        let (stream, _) = self.0.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Line(stream)
    }
}

/// One connection, seen from the device.
pub(super) struct Line(TcpStream);

impl Line {
    pub(super) async fn request(&mut self) -> Asked {
        let mut frame = [0; 12];
        self.0.read_exact(&mut frame).await.unwrap();
        let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
        assert_eq!((word(2), word(4)), (0, 6), "protocol and length");
        Asked { transaction: word(0), unit: frame[6], function: frame[7], start: word(8), count: word(10) }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Waits until the other side has closed the connection.
    pub(super) async fn closed(&mut self) {
        let mut rest = [0; 64];
        while matches!(self.0.read(&mut rest).await, Ok(read) if read != 0) {}
    }

    /// Answers the next request with registers that hold their own address.
    pub(super) async fn serve_one(&mut self) -> Asked {
        let asked = self.request().await;
        self.send(&asked.own_addresses()).await;
        asked
    }
}

impl Asked {
    /// A whole frame with this function and payload, as an answer to this request.
    pub(super) fn frame(self, function: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = self.transaction.to_be_bytes().to_vec();
        frame.extend([0, 0]);
        frame.extend(u16::try_from(payload.len() + 2).unwrap().to_be_bytes());
        frame.extend([self.unit, function]);
        frame.extend(payload);
        frame
    }

    /// These registers as the answer.
    pub(super) fn registers(self, words: &[u16]) -> Vec<u8> {
        let mut payload = vec![u8::try_from(2 * words.len()).unwrap()];
        payload.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        self.frame(self.function, &payload)
    }

    /// Registers that hold their own address as the answer.
    pub(super) fn own_addresses(self) -> Vec<u8> {
        self.registers(&(self.start..self.start + self.count).collect::<Vec<_>>())
    }

    /// An exception as the answer.
    pub(super) fn exception(self, code: u8) -> Vec<u8> {
        self.frame(self.function | 0x80, &[code])
    }
}

/// A source of these tags, with other options beside them, and its counters.
pub(super) fn source(url: &str, tags: &Json, options: &Json) -> (Poller, Tally) {
    let mut all = json!({ "tags": tags });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let poller = sources(url, &[all]).remove(0);
    let tally = poller.tally.clone();
    (poller, tally)
}

/// Several sources on one line.
pub(super) fn sources(url: &str, options: &[Json]) -> Vec<Poller> {
    let clock = Arc::new(Follower::from(Timestamp(0)));
    let poller = |options: &Json| {
        let mut all = json!({ "url": url, "every": "1ms", "timeout": "30s" });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(all).unwrap();
        let context = BuildContext::alone("plc", std::path::Path::new("."), clock.clone());
        super::poller(&config, &context).unwrap()
    };
    options.iter().map(poller).collect()
}

/// Time that stands still but for `tokio::time::advance`, until this is dropped.
///
/// Paused time alone would jump ahead whenever the test waits for a socket; a blocking task keeps it from that.
pub(super) struct FrozenTime(
    #[expect(dead_code, reason = "its drop ends the blocking task")] std::sync::mpsc::SyncSender<()>,
);

impl FrozenTime {
    pub(super) fn begin() -> Self {
        let (hold, released) = std::sync::mpsc::sync_channel::<()>(1);
        drop(tokio::task::spawn_blocking(move || released.recv()));
        tokio::time::pause();
        Self(hold)
    }
}

/// The devices at the other ends of pipes, by the name of the pipe.
static PIPES: std::sync::Mutex<std::collections::BTreeMap<String, tokio::sync::mpsc::Sender<DuplexStream>>> =
    std::sync::Mutex::new(std::collections::BTreeMap::new());

/// Opens a pipe, for `transport`.
pub(super) fn memory(name: &str) -> std::io::Result<Box<dyn super::wire::Stream>> {
    let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let (ours, theirs) = tokio::io::duplex(1024);
    let device = PIPES.lock().unwrap().get(name).cloned().ok_or_else(refused)?;
    device.try_send(theirs).map_err(|_| refused())?;
    Ok(Box::new(ours))
}

/// Listens at `memory://NAME`: each connection comes out here. Pipes are in step with paused time, sockets are not.
pub(super) fn pipe(name: &str) -> tokio::sync::mpsc::Receiver<DuplexStream> {
    let (device, connections) = tokio::sync::mpsc::channel(8);
    PIPES.lock().unwrap().insert(name.to_owned(), device);
    connections
}

/// The next request that comes through a pipe, in either framing; `None` at its end.
pub(super) async fn asked(pipe: &mut DuplexStream, is_rtu: bool) -> Option<Asked> {
    let mut frame = [0; 12];
    let frame = &mut frame[if is_rtu { 6 } else { 0 }..];
    pipe.read_exact(frame).await.ok()?;
    let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    if is_rtu {
        let mut sum = [0; 2];
        // Six bytes were read; the check sum is two more.
        pipe.read_exact(&mut sum).await.ok()?;
        return Some(Asked { transaction: 0, unit: frame[0], function: frame[1], start: word(2), count: word(4) });
    }
    Some(Asked { transaction: word(0), unit: frame[6], function: frame[7], start: word(8), count: word(10) })
}

impl Asked {
    /// These registers as the answer, in a frame of a serial line.
    pub(super) fn rtu_registers(self, words: &[u16]) -> Vec<u8> {
        let mut pdu = vec![self.function, u8::try_from(2 * words.len()).unwrap()];
        pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        super::frame::rtu::encode(self.unit, &pdu)
    }
}

/// What a device does with a request.
pub(super) enum Do {
    /// Answers.
    Answer,
    /// Says nothing.
    Nothing,
    /// Answers after so long.
    Late(u64),
    /// Answers with this exception.
    Refuse(u8),
    /// Sends just this.
    Send(Vec<u8>),
    /// Closes the connection.
    HangUp,
}

/// Serves each connection in turn with registers that hold their own address, or as the script has it.
pub(super) async fn device(mut connections: Receiver<DuplexStream>, is_rtu: bool, mut script: impl FnMut(Asked) -> Do) {
    while let Some(mut line) = connections.recv().await {
        while let Some(asked) = asked(&mut line, is_rtu).await {
            let words: Vec<u16> = (0..asked.count).map(|n| asked.start.wrapping_add(n)).collect();
            let answer = if is_rtu { asked.rtu_registers(&words) } else { asked.registers(&words) };
            let bytes = match script(asked) {
                Do::Answer => answer,
                Do::Nothing => continue,
                Do::Late(ms) => {
                    sleep(Duration::from_millis(ms)).await;
                    answer
                }
                Do::Refuse(code) => asked.exception(code),
                Do::Send(bytes) => bytes,
                Do::HangUp => break,
            };
            if line.write_all(&bytes).await.is_err() {
                break;
            }
        }
    }
}

/// Runs the device while the test runs, and no longer.
macro_rules! beside {
    ($device:expr, $test:expr) => {
        tokio::select! {
            () = $device => panic!("the device ended"),
            result = $test => result,
        }
    };
}
pub(super) use beside;

/// The records of the next batch: `name=value` or `name=quality`.
pub(super) async fn poll(source: &mut Poller) -> Vec<String> {
    let batch = source.read().await.unwrap().batch;
    let text = |record: &Record| match record.quality {
        Quality::GOOD => format!("{}={}", record.tag, record.value.as_f64().unwrap()),
        bad => format!("{}={bad}", record.tag),
    };
    batch.records().iter().map(text).collect()
}
