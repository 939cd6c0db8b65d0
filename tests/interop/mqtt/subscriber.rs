//! `mosquitto_sub`: what a broker gives to others, and whether all of it came.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::broker::PATIENCE;

/// A retained message: who gets it is subscribed.
const READY: &str = "subscriber/ready";

/// Each subscriber has a name of its own.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// `mosquitto_sub`: what a broker gives to others.
pub(crate) struct Subscriber {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    /// Subscribes with QoS 1, as `mosquitto_sub` 2.0.11 takes many messages of QoS 2 for an error; returns when the broker knows
    /// it. What is retained comes after READY, which is named first.
    pub(crate) async fn new(port: u16, filter: &str) -> Self {
        let port = port.to_string();
        let ready = ["-p", &port, "-t", READY, "-r", "-m", "ready"];
        assert!(Command::new("mosquitto_pub").args(ready).status().await.unwrap().success());
        let filters = ["-p", &port, "-V", "5", "-q", "1", "--nodelay", "-t", READY, "-t", filter];
        let id = format!("subscriber-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let session = ["-i", &id, "-F", "%r %t %P %x"];
        let mut command = Command::new("mosquitto_sub");
        command.args(filters).args(session).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut subscriber = Self { lines: BufReader::new(child.stdout.take().unwrap()).lines(), _child: child };
        while subscriber.any().await.expect("the subscriber gets ready").topic != READY {}
        subscriber
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let message = self.any().await.expect("a message comes in time");
            // That one comes after each reconnect.
            if message.topic != READY {
                return message;
            }
        }
    }

    async fn any(&mut self) -> Option<Message> {
        let line = timeout(PATIENCE, self.lines.next_line()).await.ok()?;
        Some(Message::read(&line.unwrap().expect("the subscriber runs")))
    }

    /// Takes messages until this many different numbers have come, or none comes any more.
    pub(crate) async fn more(&mut self, numbers: &mut Numbers, wanted: usize) {
        while numbers.times.len() < wanted {
            match self.any().await {
                Some(message) if message.topic != READY => numbers.add(&message),
                Some(_) => {}
                None => break,
            }
        }
    }

    /// The same from the beginning.
    pub(crate) async fn numbers(&mut self, wanted: usize) -> Numbers {
        let mut numbers = Numbers::default();
        self.more(&mut numbers, wanted).await;
        numbers
    }
}

/// A message as `mosquitto_sub` shows it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) is_retained: bool,
    pub(crate) topic: String,
    /// `name:value` for each user property.
    pub(crate) properties: String,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    fn read(line: &str) -> Self {
        let (retained, rest) = line.split_once(' ').unwrap();
        let (topic, rest) = rest.split_once(' ').unwrap();
        let (properties, payload) = rest.rsplit_once(' ').unwrap();
        let digit = |at| u8::from_str_radix(&payload[at..at + 2], 16).unwrap();
        Self {
            is_retained: retained == "1",
            topic: topic.to_owned(),
            properties: properties.to_owned(),
            payload: (0..payload.len()).step_by(2).map(digit).collect(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// The numbers that came, as values of `json` payloads.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// How often each came.
    times: BTreeMap<u64, usize>,
    last: Option<u64>,
    /// Numbers that first came after a greater one.
    turned_round: Vec<u64>,
}

impl Numbers {
    fn add(&mut self, message: &Message) {
        let number = message.json()["value"].as_u64().unwrap();
        let times = self.times.entry(number).or_default();
        *times += 1;
        if *times == 1 {
            if self.last > Some(number) {
                self.turned_round.push(number);
            }
            self.last = self.last.max(Some(number));
        }
    }

    /// Those that came, each of which came once and in order.
    pub(crate) fn once_in_order(&self) -> Vec<u64> {
        assert_eq!(self.turned_round, [0; 0], "some came out of order");
        assert!(self.times.values().all(|times| *times == 1), "some came twice");
        self.times.keys().copied().collect()
    }

    /// All of them came, in order; how many of them came again.
    pub(crate) fn all_in_order(&self, count: usize) -> usize {
        let missing: Vec<u64> = (0..count as u64).filter(|n| !self.times.contains_key(n)).take(10).collect();
        assert_eq!((missing, self.times.len()), (vec![], count), "some are lost");
        assert_eq!(self.turned_round, [0; 0], "some came out of order");
        self.times.values().map(|times| times - 1).sum()
    }
}
