//! One open connection: a request out, its answer in, and nothing that could be another one's answer.
//!
//! Modbus TCP has a transaction id: an answer that comes after its time is known for what it is, counted as `late` and thrown
//! away, and the wait goes on. A serial line has nothing of the kind. There, what arrived before the request went out is
//! thrown away, and after anything went wrong the line is drained until it is quiet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fieldflow_contract::Tally;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{Fault, Frame, Reply, Request, mbap, rtu};

/// What bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How frames are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Modbus TCP.
    Mbap,
    /// Frames of a serial line, and the silence after which the line is quiet.
    Rtu(Duration),
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing came in time.
    Timeout,
    /// What came is not its answer.
    Mismatch(Fault),
    /// The connection ended.
    Closed(Option<io::Error>),
    /// The connection had ended before anything was sent.
    Ended,
}

/// An open connection.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    framing: Framing,
    /// What a device sends by itself to keep its link up; thrown away between frames.
    heartbeat: Arc<[u8]>,
    buffer: Vec<u8>,
    /// How many requests went out; at most half the range of transaction ids.
    asked: u16,
    /// When it was used last.
    last: Instant,
    /// Whether an answer ever came.
    heard: bool,
}

/// Room for what came. Two frames of the largest size: an answer, and a late one before it.
const ROOM: usize = 520;
/// A line that never becomes quiet is drained no longer than this.
const DRAIN: Duration = Duration::from_secs(2);

impl Wire {
    /// A connection that was just opened.
    pub(super) fn new(stream: Box<dyn Stream>, framing: Framing, heartbeat: Arc<[u8]>) -> Self {
        let buffer = Vec::with_capacity(ROOM);
        Self { stream, framing, heartbeat, buffer, asked: 0, last: Instant::now(), heard: false }
    }

    /// The silence that ends nonsense, where the framing needs it.
    pub(super) fn quiet(&self) -> Option<Duration> {
        match self.framing {
            Framing::Mbap => None,
            Framing::Rtu(quiet) => Some(quiet),
        }
    }

    /// When it was used last.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// Whether an answer ever came.
    pub(super) fn heard(&self) -> bool {
        self.heard
    }

    /// What is to be thrown away if it comes by itself between two frames.
    fn is_heartbeat(&self) -> bool {
        !self.heartbeat.is_empty() && self.buffer.starts_with(&self.heartbeat)
    }

    /// A transaction id that cannot be taken for a heartbeat.
    pub(super) fn transaction(&self, mut last: u16) -> u16 {
        loop {
            last = last.wrapping_add(1);
            let bytes = last.to_be_bytes();
            let shared = self.heartbeat.len().min(2);
            if shared == 0 || self.heartbeat.get(..shared) != bytes.get(..shared) {
                return last;
            }
        }
    }

    /// Sends a request and waits for its answer. `owes` tells of units whose answer may still come, late.
    pub(super) async fn exchange(
        &mut self,
        (transaction, unit): (u16, u8),
        request: &Request,
        wait: Duration,
        owes: impl Fn(u8) -> bool,
        tally: &Tally,
    ) -> Result<Reply, Failure> {
        let pdu = request.encode().ok_or(Failure::Mismatch(Fault::Length))?;
        let until = Instant::now() + wait;
        let frame = match self.framing {
            Framing::Mbap => {
                if self.has_ended() {
                    return Err(Failure::Ended);
                }
                mbap::encode(transaction, unit, &pdu)
            }
            Framing::Rtu(quiet) => {
                if self.purge().map_err(|_| Failure::Ended)? {
                    // The rest of it may still be on its way.
                    tally.add("late", 1);
                    self.drain(quiet).await?;
                }
                rtu::encode(unit, &pdu)
            }
        };
        let sent = async {
            self.stream.write_all(&frame).await?;
            self.stream.flush().await
        };
        // Half a request may be on its way, so the connection is no good any more.
        let stuck = |_| Failure::Closed(Some(io::ErrorKind::TimedOut.into()));
        timeout_at(until, sent).await.map_err(stuck)?.map_err(|error| Failure::Closed(Some(error)))?;
        self.last = Instant::now();
        let older = self.asked;
        self.asked = self.asked.saturating_add(1).min(0x7FFF);
        let answer = self.answer(transaction, older, unit, request, owes, tally);
        let reply = timeout_at(until, answer).await.map_err(|_| Failure::Timeout)??;
        (self.last, self.heard) = (Instant::now(), true);
        Ok(reply)
    }

    async fn answer(
        &mut self,
        transaction: u16,
        older: u16,
        unit: u8,
        request: &Request,
        owes: impl Fn(u8) -> bool,
        tally: &Tally,
    ) -> Result<Reply, Failure> {
        loop {
            while self.is_heartbeat() {
                self.buffer.drain(..self.heartbeat.len());
            }
            let begins_heartbeat = self.buffer.len() < self.heartbeat.len()
                && !self.buffer.is_empty()
                && self.heartbeat.starts_with(&self.buffer);
            let parsed = match self.framing {
                _ if begins_heartbeat => Ok(None),
                Framing::Mbap => mbap::parse(&self.buffer),
                Framing::Rtu(_) => rtu::parse(&self.buffer),
            };
            let stranger = match (self.framing, self.buffer.first()) {
                // Bytes of another unit are not waited for to the end: nonsense could name any length.
                (Framing::Rtu(_), Some(first)) => *first != unit && !owes(*first) && !begins_heartbeat,
                _ => false,
            };
            if stranger {
                return Err(Failure::Mismatch(Fault::Unit));
            }
            if let Some(frame) = parsed.map_err(Failure::Mismatch)? {
                let taken = frame.taken;
                let is_late = match frame.transaction {
                    Some(of) => of != transaction && (1..=older).contains(&transaction.wrapping_sub(of)),
                    None => frame.unit != unit,
                };
                let verdict = if is_late { None } else { Some(fitting(frame, transaction, unit, request)) };
                self.buffer.drain(..taken);
                match verdict {
                    Some(verdict) => return verdict.map_err(Failure::Mismatch),
                    None => tally.add("late", 1),
                }
                continue;
            }
            let mut bytes = [0; ROOM];
            let room = bytes.get_mut(self.buffer.len()..).filter(|room| !room.is_empty());
            let room = room.ok_or(Failure::Mismatch(Fault::Length))?;
            match self.stream.read(room).await.map_err(|error| Failure::Closed(Some(error)))? {
                0 => return Err(Failure::Closed(None)),
                read => self.buffer.extend(&room[..read]),
            }
        }
    }

    /// Throws away what has arrived already, without waiting; tells whether there was anything.
    fn purge(&mut self) -> Result<bool, Failure> {
        let mut any = !self.buffer.is_empty();
        self.buffer.clear();
        let mut bytes = [0; ROOM];
        // Nobody waits for the stream now, so nobody has to be woken.
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let mut room = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
                Poll::Pending => return Ok(any),
                Poll::Ready(Err(error)) => return Err(Failure::Closed(Some(error))),
                Poll::Ready(Ok(())) if room.filled().is_empty() => return Err(Failure::Closed(None)),
                Poll::Ready(Ok(())) => any |= !self.is_only_heartbeats(room.filled()),
            }
        }
    }

    /// Whether the other side has closed the connection, as far as is known here. What has arrived is kept.
    pub(super) fn has_ended(&mut self) -> bool {
        let mut bytes = [0; ROOM];
        let mut context = Context::from_waker(Waker::noop());
        while let Some(room) = bytes.get_mut(self.buffer.len()..).filter(|room| !room.is_empty()) {
            let mut room = ReadBuf::new(room);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => return true,
                Poll::Ready(Ok(())) if room.filled().is_empty() => return true,
                Poll::Ready(Ok(())) => self.buffer.extend(room.filled()),
            }
        }
        false
    }

    fn is_only_heartbeats(&self, bytes: &[u8]) -> bool {
        !self.heartbeat.is_empty() && bytes.chunks(self.heartbeat.len()).all(|chunk| *chunk == *self.heartbeat)
    }

    /// Throws away what comes until nothing has come for so long; tells whether there was anything.
    pub(super) async fn drain(&mut self, quiet: Duration) -> Result<bool, Failure> {
        let until = Instant::now() + DRAIN.max(quiet);
        let mut bytes = [0; ROOM];
        let mut any = !self.buffer.is_empty();
        self.buffer.clear();
        while Instant::now() < until {
            match timeout(quiet, self.stream.read(&mut bytes)).await {
                Err(_) => break,
                Ok(Ok(0)) => return Err(Failure::Closed(None)),
                Ok(Ok(_)) => any = true,
                Ok(Err(error)) => return Err(Failure::Closed(Some(error))),
            }
        }
        Ok(any)
    }
}

/// The reply in a frame, if it is the answer to just this request.
fn fitting(frame: Frame<'_>, transaction: u16, unit: u8, request: &Request) -> Result<Reply, Fault> {
    if frame.transaction.is_some_and(|of| of != transaction) {
        return Err(Fault::Transaction);
    }
    if frame.unit != unit {
        return Err(Fault::Unit);
    }
    request.decode(frame.pdu)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
