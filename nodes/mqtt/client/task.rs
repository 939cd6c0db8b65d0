//! The task that owns a connection: it alone reads and writes, and it never waits for anybody who waits for it.
//!
//! It stops reading while the node takes nothing or has too much that is not acknowledged, and so the broker keeps the rest.
//! All that it holds is bounded: one packet, the hand-off, what is under way, and what is to be written.

mod incoming;

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::codec::{self, Message, Qos, Step, Version};
use super::connection::{Inbound, Session};
use super::dial::Stream;
use super::reason::Refusal;
use super::sent::{Sent, Tell};
use super::window::Window;

/// Nothing more is taken to be written while so much waits.
const OUT: usize = 128 << 10;
/// Room for what comes, at least.
const IN: usize = 32 << 10;

/// What a node asks for beside publishing.
pub(super) enum Control {
    Subscribe(Vec<(String, u8)>, Tell<Vec<u8>>),
    Unsubscribe(Vec<String>, Tell<Vec<u8>>),
    Close(oneshot::Sender<()>),
}

/// What waits for SUBACK or UNSUBACK.
struct Asked {
    id: u16,
    filters: usize,
    tell: Tell<Vec<u8>>,
}

/// See the module.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) reader: ReadHalf<Box<dyn Stream>>,
    pub(super) writer: WriteHalf<Box<dyn Stream>>,
    /// Came, and was not looked at.
    pub(super) came: BytesMut,
    pub(super) inbound: mpsc::Sender<Inbound>,
    pub(super) window: Window,
    pub(super) session: Session,
    pub(super) controls: mpsc::Receiver<Control>,
    pub(super) publishes: mpsc::Receiver<(Message, Tell<()>)>,
    pub(super) limits: Bounds,
    pub(super) keep_alive: Duration,
    /// How long something may be without an answer.
    pub(super) patience: Duration,
    pub(super) state: State,
}

/// How much this side takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Longest packet.
    pub(super) packet: u32,
    /// Messages that are not acknowledged.
    pub(super) open: usize,
    /// Bytes in the hand-off.
    pub(super) held: usize,
}

/// What changes as it runs.
pub(super) struct State {
    out: BytesMut,
    written: u64,
    is_unflushed: bool,
    sent: Sent,
    asked: Vec<Asked>,
    next_id: u16,
    /// Bytes of a payload that is too long, still to come.
    skip: usize,
    /// A message that the hand-off has no room for.
    stalled: Option<Inbound>,
    ready: Vec<(u16, Qos)>,
    last_sent: Instant,
    is_pinging: bool,
    was_reading: bool,
    /// When something that was published was last answered, and when something else was.
    published: Instant,
    answered: Instant,
}

impl State {
    pub(super) fn new(most_sent: u16) -> Self {
        let now = Instant::now();
        Self {
            out: BytesMut::new(),
            written: 0,
            is_unflushed: false,
            sent: Sent::new(most_sent),
            asked: Vec::new(),
            next_id: u16::MAX,
            skip: 0,
            stalled: None,
            ready: Vec::new(),
            last_sent: now,
            is_pinging: false,
            was_reading: true,
            published: now,
            answered: now,
        }
    }
}

/// What happened.
enum Event {
    /// Bytes were written; none: what was written has left.
    Written(io::Result<usize>),
    Read(io::Result<usize>),
    Publish(Message, Tell<()>),
    Control(Control),
    /// The hand-off has room, or nobody takes from it any more.
    Room(bool),
    Time,
}

/// Writes some of it; where there is nothing to write, sees that what was written leaves.
async fn put(writer: &mut WriteHalf<Box<dyn Stream>>, out: &mut BytesMut) -> io::Result<usize> {
    if out.is_empty() {
        writer.flush().await?;
        return Ok(0);
    }
    match writer.write_buf(out).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// Why a connection ended.
enum End {
    Closed(oneshot::Sender<()>),
    Trouble(Refusal),
}

impl Task {
    /// Runs until the connection ends; why it did is told by `tell`.
    pub(super) async fn run(mut self, tell: impl FnOnce(Refusal)) {
        let end = loop {
            if let Err(refusal) = self.look() {
                break End::Trouble(refusal);
            }
            match self.step().await {
                Ok(None) => {}
                Ok(Some(closed)) => break End::Closed(closed),
                Err(refusal) => break End::Trouble(refusal),
            }
        };
        // What is safe by now does not come again.
        self.acknowledge();
        let code = if let End::Closed(_) = &end { 0 } else { 0x80 };
        while let (End::Closed(_), Ok((message, tell))) = (&end, self.publishes.try_recv()) {
            if message.qos == Qos::AtMostOnce || self.state.sent.has_room() {
                self.publish(&message, tell);
            }
        }
        codec::disconnect(&mut self.state.out, self.version, code);
        // Whoever is gone does not read this either: no longer than it takes on a slow link.
        let goodbye = async {
            self.writer.write_all_buf(&mut self.state.out).await?;
            self.state.sent.written(u64::MAX);
            self.writer.shutdown().await
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
        let (refusal, closed) = match end {
            End::Closed(closed) => (Refusal::link(format!("{} was closed", self.name)), Some(closed)),
            End::Trouble(refusal) => (refusal, None),
        };
        self.state.sent.fail(&refusal);
        self.state.asked.drain(..).for_each(|asked| {
            let _ = asked.tell.send(Err(refusal.clone()));
        });
        tell(refusal);
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    /// Deals with what is there, and with what the time asks for.
    fn look(&mut self) -> Result<(), Refusal> {
        let lost = !self.acknowledge();
        if lost {
            return Err(Refusal::link(format!("{}: messages were lost on their way and are to come again", self.name)));
        }
        while self.may_take() {
            let skipped = self.state.skip.min(self.came.len());
            self.came.advance(skipped);
            self.state.skip -= skipped;
            match codec::decode(&mut self.came, self.version, self.limits.packet) {
                Ok(Some(packet)) => self.take(packet)?,
                Ok(None) => break,
                Err(malformed) => return Err(self.nonsense(&malformed)),
            }
        }
        self.watch(Instant::now())
    }

    /// Acknowledges what is done; `false` if a message was lost.
    fn acknowledge(&mut self) -> bool {
        let is_whole = self.window.take(&mut self.state.ready).is_some();
        for (id, qos) in self.state.ready.drain(..) {
            let step = if qos == Qos::ExactlyOnce { Step::PubRec } else { Step::PubAck };
            if qos == Qos::ExactlyOnce {
                self.session.receive(id);
            }
            codec::acknowledge(&mut self.state.out, step, id);
        }
        is_whole
    }

    /// Whether what comes may be looked at: nothing that it leads to is without room.
    fn may_take(&self) -> bool {
        let (open, held) = self.window.load();
        // MQTT 5 has the broker keep to its number, and there is always something else to read. Where it does not (3.1.1 knows
        // no number; Mosquitto 2.0.11 forgets it when it resumes a session), the way is not to read.
        let has_room = open < self.limits.open + usize::from(self.version == Version::V5);
        self.state.stalled.is_none() && self.state.out.len() < OUT && has_room && held < self.limits.held
    }

    /// Waits for the next thing to happen, and does its part of it.
    async fn step(&mut self) -> Result<Option<oneshot::Sender<()>>, Refusal> {
        let may_take = self.may_take();
        let state = &mut self.state;
        if self.came.capacity() - self.came.len() < IN / 4 {
            self.came.reserve(IN);
        }
        let has_room = state.out.len() < OUT;
        let due = Self::due(state, self.keep_alive, self.patience, may_take);
        let event = tokio::select! {
            written = put(&mut self.writer, &mut state.out), if !state.out.is_empty() || state.is_unflushed => {
                Event::Written(written)
            }
            read = self.reader.read_buf(&mut self.came), if may_take => Event::Read(read),
            Some((message, tell)) = self.publishes.recv(), if has_room && state.sent.has_room() => {
                Event::Publish(message, tell)
            }
            Some(control) = self.controls.recv(), if has_room => Event::Control(control),
            permit = self.inbound.reserve(), if state.stalled.is_some() => Event::Room(permit.is_ok()),
            () = self.window.changed() => Event::Time,
            () = sleep_until(due) => Event::Time,
        };
        match event {
            Event::Written(written) => {
                let written = written.map_err(|error| lost(&self.name, &error))?;
                state.is_unflushed = written != 0;
                if written != 0 {
                    state.written += written as u64;
                    state.last_sent = Instant::now();
                    state.sent.written(state.written);
                }
            }
            Event::Read(read) => {
                if read.map_err(|error| lost(&self.name, &error))? == 0 {
                    return Err(Refusal::link(format!("{} closed the connection", self.name)));
                }
            }
            Event::Publish(message, tell) => self.publish(&message, tell),
            Event::Control(control) => return Ok(self.control(control)),
            Event::Room(is_there) => {
                // Nobody else sends, so the room is still there.
                let sent = state.stalled.take().is_some_and(|message| self.inbound.try_send(message).is_ok());
                if !(is_there && sent) {
                    return Err(super::sent::gone());
                }
            }
            Event::Time => {}
        }
        Ok(None)
    }

    fn publish(&mut self, message: &Message, tell: Tell<()>) {
        let state = &mut self.state;
        if message.qos == Qos::AtMostOnce {
            codec::publish(&mut state.out, self.version, message, 0);
            let until = state.written + state.out.len() as u64;
            return state.sent.put_unwritten(until, tell);
        }
        if !state.sent.is_waiting() {
            state.published = Instant::now();
        }
        let id = state.sent.put(message.qos, tell);
        codec::publish(&mut state.out, self.version, message, id);
    }

    fn control(&mut self, control: Control) -> Option<oneshot::Sender<()>> {
        let state = &mut self.state;
        let id = state.next_id;
        // The numbers of messages begin at 1 and stay far below.
        state.next_id = if id <= u16::MAX - 1000 { u16::MAX } else { id - 1 };
        let (filters, tell) = match control {
            Control::Close(closed) => return Some(closed),
            Control::Subscribe(filters, tell) => {
                codec::subscribe(&mut state.out, self.version, id, &filters);
                (filters.len(), tell)
            }
            Control::Unsubscribe(filters, tell) => {
                codec::unsubscribe(&mut state.out, self.version, id, &filters);
                (filters.len(), tell)
            }
        };
        if state.asked.is_empty() && !state.is_pinging {
            state.answered = Instant::now();
        }
        state.asked.push(Asked { id, filters, tell });
        None
    }

    /// When something is to be done even if nothing happens.
    fn due(state: &State, keep_alive: Duration, patience: Duration, is_reading: bool) -> Instant {
        let ping = state.last_sent + keep_alive.mul_f64(0.75);
        let published = (is_reading && state.sent.is_waiting()).then(|| state.published + patience);
        let answered = (is_reading && (state.is_pinging || !state.asked.is_empty())).then(|| state.answered + patience);
        let ping = if state.is_pinging { Instant::now() + keep_alive } else { ping };
        [published, answered].into_iter().flatten().fold(ping, Instant::min)
    }

    /// Keeps the connection alive, and gives it up when something is awaited for too long.
    fn watch(&mut self, now: Instant) -> Result<(), Refusal> {
        let is_reading = self.may_take();
        let state = &mut self.state;
        // What was not read because there was no room for it is not the broker's delay.
        if is_reading && !state.was_reading {
            (state.published, state.answered) = (now, now);
        }
        state.was_reading = is_reading;
        let patience = self.patience;
        let is_late = |is_awaited: bool, since: Instant| is_reading && is_awaited && since + patience <= now;
        let what = if is_late(state.sent.is_waiting(), state.published) {
            "acknowledged no message"
        } else if is_late(state.is_pinging || !state.asked.is_empty(), state.answered) {
            "did not answer"
        } else {
            if !state.is_pinging && state.last_sent + self.keep_alive.mul_f64(0.75) <= now {
                if state.asked.is_empty() {
                    state.answered = now;
                }
                (state.is_pinging, state.last_sent) = (true, now);
                codec::ping(&mut state.out);
            }
            return Ok(());
        };
        Err(Refusal::link(format!("{} {what} within {patience:?}: the connection is opened anew", self.name)))
    }
}

fn lost(name: &str, error: &io::Error) -> Refusal {
    Refusal::link(format!("the connection to {name} broke: {error}"))
}
