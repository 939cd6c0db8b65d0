//! One connection to one broker, from CONNACK to its end. What belongs to it ends with it: acknowledgements of its messages,
//! messages that were under way. A node that wants to go on opens another one.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use fieldflow_contract::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::codec::{self, ConnAck, Connect, Limits, Message, Packet, Version};
use super::dial::{self, Failure, Stream};
use super::options::Options;
use super::reason::Refusal;
use super::sent::{Receipt, Tell, gone};
use super::task::{Bounds, Control, State, Task};
use super::tls::{self, Identity};
use super::window::Window;

/// A message as it came in, and how to acknowledge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inbound {
    /// The message.
    pub(crate) message: Message,
    /// For [`Window::done`]; `None` for QoS 0, which nobody acknowledges.
    pub(crate) receipt: Option<u64>,
    /// Whether the topic is one that may be published to. If not, what is no UTF-8 in it was replaced.
    pub(crate) is_sound: bool,
    /// Whether the payload was too long and is not here.
    pub(crate) is_cut: bool,
    /// When nobody is to act upon it any more, if it expires.
    pub(crate) expires: Option<Instant>,
    /// Bytes of its packet.
    pub(super) bytes: usize,
}

/// What outlives a connection: numbers of messages of QoS 2 that were taken over and not released. In memory only.
#[derive(Debug, Clone, Default)]
pub(super) struct Session(Arc<Mutex<HashSet<u16>>>);

impl Session {
    fn ids(&self) -> MutexGuard<'_, HashSet<u16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn receive(&self, id: u16) {
        self.ids().insert(id);
    }
    pub(super) fn has_received(&self, id: u16) -> bool {
        self.ids().contains(&id)
    }
    pub(super) fn release(&self, id: u16) {
        self.ids().remove(&id);
    }
}

/// Publishes on a connection. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    publishes: mpsc::Sender<(Message, Tell<()>)>,
    limits: Arc<Limits>,
    version: Version,
}

impl Publisher {
    /// Hands a message to the connection; waits while as many are under way as the broker allows. It leaves after those that
    /// were handed over before it. What the broker can never take is refused here.
    pub(crate) async fn publish(&self, message: Message) -> Result<Receipt, Refusal> {
        self.check(&message)?;
        let (tell, told) = oneshot::channel();
        self.publishes.send((message, tell)).await.map_err(|_| gone())?;
        Ok(Receipt(told))
    }

    /// Whether the broker can take this message at all.
    pub(crate) fn check(&self, message: &Message) -> Result<(), Refusal> {
        let refuse = |code| Err(Refusal::code("a message cannot be published", code, None).of_message());
        let topic = &message.topic;
        let longest = usize::from(u16::MAX);
        if topic.is_empty() || longest < topic.len() || topic.contains(['\0', '+', '#']) {
            return refuse(0x90);
        }
        if self.limits.maximum_qos < message.qos {
            return refuse(0x9B);
        }
        if message.retain && !self.limits.retain_available {
            return refuse(0x9A);
        }
        let most = self.limits.maximum_packet_size as usize;
        let length = message.packet_len(self.version);
        if most < length {
            let what = format!("a message of {length} bytes, the broker takes {most}");
            return Err(Refusal::code(what, 0x95, None).of_message());
        }
        if message.properties.as_ref().is_some_and(|properties| !properties.are_sound()) {
            return refuse(0x99);
        }
        Ok(())
    }
}

/// Longest time that a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Longest CONNACK, with whatever the broker says of itself.
const CONNACK: u32 = 64 << 10;

/// The broker's reason codes, or why there are none.
pub(crate) type Answered = Result<Vec<u8>, Refusal>;

/// See the module.
pub(crate) struct Connection {
    /// What the broker allows.
    pub(crate) limits: Arc<Limits>,
    /// Whether the broker still knew this client, its subscriptions, and what it had not acknowledged.
    pub(crate) session_present: bool,
    /// Acknowledges what came in.
    pub(crate) window: Window,
    publisher: Publisher,
    inbound: mpsc::Receiver<Inbound>,
    controls: mpsc::Sender<Control>,
    ended: Arc<OnceLock<Refusal>>,
    /// Ends with this.
    tasks: JoinSet<()>,
}

impl Connection {
    /// Opens it. The caller bounds the time that this may take.
    pub(super) async fn open(
        name: &str,
        address: &super::Address,
        options: &Options,
        tls: Option<&(Identity, Option<String>)>,
        session: &Session,
        patience: Option<Duration>,
        authenticating: impl FnOnce(),
    ) -> Result<Self, Failure> {
        let mut stream = dial::dial(address, tls, options.maximum_packet_size).await?;
        authenticating();
        let mut came = BytesMut::with_capacity(4096);
        let connack = hello(name, &mut stream, &mut came, options).await?;
        if !connack.session_present {
            session.ids().clear();
        }
        let (version, limits) = (options.version, Arc::new(connack.limits));
        let keep_alive =
            limits.server_keep_alive.map_or(options.keep_alive, |seconds| Duration::from_secs(seconds.into()));
        let (give_out, to_publish) = mpsc::channel(1);
        let (controls, asked) = mpsc::channel(8);
        let open = usize::from(options.receive_maximum);
        let (give, inbound) = mpsc::channel(open.max(64));
        let window = Window::default();
        let ended = Arc::new(OnceLock::new());
        let (reader, writer) = split(stream);
        // Without a keep-alive there is still an end to patience.
        let keep_alive = if keep_alive.is_zero() { Duration::from_secs(60) } else { keep_alive };
        let task = Task {
            name: name.to_owned(),
            version,
            reader,
            writer,
            came,
            inbound: give,
            window: window.clone(),
            session: session.clone(),
            controls: asked,
            publishes: to_publish,
            limits: Bounds { packet: options.maximum_packet_size, open, held: options.held() },
            keep_alive,
            patience: patience.unwrap_or_else(|| keep_alive.mul_f64(1.5)),
            state: State::new(options.in_flight.min(limits.receive_maximum)),
        };
        let mut tasks = JoinSet::new();
        let why = Arc::clone(&ended);
        tasks.spawn(task.run(move |refusal| {
            let _ = why.set(refusal);
        }));
        let publisher = Publisher { publishes: give_out, limits: Arc::clone(&limits), version };
        let session_present = connack.session_present;
        Ok(Self { limits, session_present, window, publisher, inbound, controls, ended, tasks })
    }

    /// Publishes on this connection, from any task.
    pub(crate) fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Subscribes to filters, each with its byte of options; the broker's reason code for each.
    pub(crate) async fn subscribe(&self, filters: Vec<(String, u8)>) -> Result<Vec<u8>, Refusal> {
        self.ask(|tell| Control::Subscribe(filters, tell)).await
    }

    /// Ends subscriptions.
    pub(crate) async fn unsubscribe(&self, filters: Vec<String>) -> Result<Vec<u8>, Refusal> {
        self.ask(|tell| Control::Unsubscribe(filters, tell)).await
    }

    async fn ask(&self, control: impl FnOnce(Tell<Vec<u8>>) -> Control) -> Result<Vec<u8>, Refusal> {
        ask(&self.controls, control).await.unwrap_or_else(|| Err(self.why()))
    }

    /// Ends subscriptions, if any, and subscribes; the reason codes of the latter. Whoever waits for it has to take messages
    /// meanwhile: a broker may send all that it has kept before it answers.
    pub(crate) fn change(&self, gone: Vec<String>, filters: Vec<(String, u8)>) -> BoxFuture<'static, Answered> {
        let (controls, ended) = (self.controls.clone(), Arc::clone(&self.ended));
        Box::pin(async move {
            let why = || ended.get().cloned().unwrap_or_else(super::sent::gone);
            if !gone.is_empty() {
                let told = ask(&controls, |tell| Control::Unsubscribe(gone, tell)).await;
                told.unwrap_or_else(|| Err(why()))?;
            }
            ask(&controls, |tell| Control::Subscribe(filters, tell)).await.unwrap_or_else(|| Err(why()))
        })
    }

    /// Waits for messages, and gives all that are there, up to `most`. Nothing is lost if this is dropped meanwhile.
    pub(crate) async fn receive(&mut self, into: &mut Vec<Inbound>, most: usize) -> Result<(), Refusal> {
        let before = into.len();
        if self.inbound.recv_many(into, most.max(1)).await == 0 {
            return Err(self.why());
        }
        let bytes = into.iter().skip(before).map(|inbound| inbound.bytes).sum();
        self.window.release(bytes);
        Ok(())
    }

    /// Why it ended, if it has.
    pub(crate) fn ended(&self) -> Option<&Refusal> {
        self.ended.get()
    }

    fn why(&self) -> Refusal {
        self.ended.get().cloned().unwrap_or_else(gone)
    }

    /// Says goodbye, so that the broker publishes no will. What was handed over before leaves first; what is not acknowledged
    /// by then fails.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            let (tell, told) = oneshot::channel();
            if self.controls.send(Control::Close(tell)).await.is_ok() {
                let _ = told.await;
            }
        };
        // Who does not read does not hear it either.
        let _ = timeout(GOODBYE, goodbye).await;
        self.tasks.shutdown().await;
    }
}

/// What became of something that was asked for; `None` at the end of the connection.
async fn ask(controls: &mpsc::Sender<Control>, control: impl FnOnce(Tell<Vec<u8>>) -> Control) -> Option<Answered> {
    let (tell, told) = oneshot::channel();
    controls.send(control(tell)).await.ok()?;
    told.await.ok()
}

/// CONNECT and CONNACK.
async fn hello(
    name: &str,
    stream: &mut Box<dyn Stream>,
    came: &mut BytesMut,
    options: &Options,
) -> Result<ConnAck, Failure> {
    let broke = |error: io::Error| match tls::distrust(&error) {
        // With TLS 1.3 it is told only now.
        Some(words) => Failure::Distrust(Refusal::person(format!("{name}: {words}"))),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Failure::Link(Refusal::link(format!(
            "{name} closed the connection without an answer: it does not take this client, or is no MQTT broker"
        ))),
        None => Failure::Link(Refusal::link(format!("the connection to {name} broke before it was open: {error}"))),
    };
    let refuse = |what: String| Err(Failure::Link(Refusal::link(format!("{name} {what}"))));
    let mut out = BytesMut::new();
    let connect = Connect {
        client_id: &options.client_id,
        is_clean: options.is_clean,
        session_expiry: options.session_expiry,
        keep_alive: options.keep_alive.as_secs().min(u64::from(u16::MAX)) as u16,
        receive_maximum: options.receive_maximum,
        maximum_packet_size: options.maximum_packet_size,
        username: options.username.as_deref(),
        password: options.password.as_ref().map(|secret| secret.0.as_str()),
        will: options.will.as_ref(),
    };
    codec::connect(&mut out, options.version, &connect);
    stream.write_all(&out).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    loop {
        // Not to wait for the end of what never is one.
        if came.first().is_some_and(|first| *first != 0x20) {
            return refuse("does not answer with CONNACK: is it an MQTT broker?".to_owned());
        }
        match codec::decode(came, options.version, CONNACK) {
            Ok(Some(Packet::ConnAck(connack))) if connack.code == 0 => return Ok(connack),
            Ok(Some(Packet::ConnAck(ConnAck { code, reason, server, .. }))) => {
                let said = reason.or_else(|| server.map(|server| format!("use {server}")));
                let what = format!("{name} refused the connection");
                return Err(Failure::Link(Refusal::code(what, code, said.as_deref())));
            }
            Ok(_) => {}
            Err(malformed) => return refuse(format!("does not answer in MQTT: {malformed}")),
        }
        if stream.read_buf(came).await.map_err(broke)? == 0 {
            return Err(broke(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
