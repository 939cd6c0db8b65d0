//! Mosquitto on the same box, and a client without anything around it: what can be reached at all.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

const BROKER: &str = "/usr/sbin/mosquitto";
/// PUBLISH with QoS 1, and PUBACK.
const PUBLISH: u8 = 0x32;
const PUBACK: u8 = 0x40;

/// A running broker. It is killed with this handle.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
}

impl Mosquitto {
    /// Starts it with these lines of configuration beside the usual ones; `None` if there is none, which is said.
    #[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
    #[expect(clippy::disallowed_methods, reason = "nothing is told when a broker begins to listen")]
    pub(crate) fn start(folder: &Path, more: &str) -> Option<Self> {
        if !Path::new(BROKER).exists() {
            println!("SKIPPED: there is no {BROKER} (apt-get install mosquitto)");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
        let config = folder.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n{more}\n");
        std::fs::write(&config, text).expect("the folder can be written");
        let mut command = Command::new(BROKER);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("Mosquitto starts");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { child, port })
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It holds nothing that anybody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection of MQTT 3.1.1, its bytes as they come.
pub(crate) struct Bare {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Bare {
    /// Connects by this name; a session that is there goes on unless it is to be a clean one.
    pub(crate) fn connect(broker: &Mosquitto, name: &str, is_clean: bool) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", broker.port)).expect("the broker is there");
        stream.set_nodelay(true).expect("a TCP connection");
        let mut bare = Self { stream, came: Vec::new() };
        let mut connect = vec![0x10, 12 + name.len() as u8, 0, 4];
        connect.extend(b"MQTT\x04");
        connect.extend([if is_clean { 2 } else { 0 }, 0, 0, 0, name.len() as u8]);
        connect.extend(name.as_bytes());
        bare.stream.write_all(&connect).expect("the broker is there");
        bare.expect(0x20, &mut [0; 4]);
        bare
    }

    /// Subscribes with QoS 1.
    pub(crate) fn subscribe(&mut self, filter: &str) {
        let mut subscribe = vec![0x82, 5 + filter.len() as u8, 0, 1, 0, filter.len() as u8];
        subscribe.extend(filter.as_bytes());
        subscribe.push(1);
        self.stream.write_all(&subscribe).expect("the broker is there");
        self.expect(0x90, &mut [0; 5]);
    }

    /// Reads the answer of this kind and length, and nothing of the messages that may come right behind it.
    fn expect(&mut self, kind: u8, answer: &mut [u8]) {
        self.stream.read_exact(answer).expect("the broker is there");
        assert_eq!(answer[0], kind, "the broker answers");
    }

    /// Acknowledges messages as they come, until so many have; how long that took.
    pub(crate) fn count(&mut self, messages: u64) -> Duration {
        let (began, mut count) = (Instant::now(), 0);
        while count < messages {
            let mut acks = Vec::new();
            self.read(|kind, body| {
                if kind == PUBLISH {
                    let id = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    acks.extend([PUBACK, 2, body[id], body[id + 1]]);
                    count += 1;
                }
            });
            self.stream.write_all(&acks).expect("the broker is there");
        }
        began.elapsed()
    }

    /// Publishes so many messages, at most a window of them under way; how long that took to the last acknowledgement.
    pub(crate) fn publish(&mut self, messages: u64, window: u64, topic: &str, payload: &[u8]) -> Duration {
        let (began, mut sent, mut done) = (Instant::now(), 0, 0);
        while done < messages {
            let mut out = Vec::new();
            while sent < messages && sent - done < window {
                out.extend([PUBLISH, (4 + topic.len() + payload.len()) as u8, 0, topic.len() as u8]);
                out.extend(topic.as_bytes());
                out.extend((sent % 1000 + 1).to_be_bytes()[6..].iter());
                out.extend(payload);
                sent += 1;
            }
            self.stream.write_all(&out).expect("the broker is there");
            self.read(|kind, _| done += u64::from(kind == PUBACK));
        }
        began.elapsed()
    }

    /// Reads once, and gives the packets that are whole: kind and body, which are no longer than 127 bytes here.
    fn read(&mut self, mut packet: impl FnMut(u8, &[u8])) {
        let mut buffer = [0; 16 << 10];
        let read = self.stream.read(&mut buffer).expect("the broker is there");
        assert!(0 < read, "the broker has closed the connection");
        self.came.extend(&buffer[..read]);
        let mut at = 0;
        while let [kind, length, rest @ ..] = &self.came[at..]
            && let Some(body) = rest.get(..usize::from(*length))
        {
            assert!(*length < 128, "a packet of this bench is short");
            packet(*kind, body);
            at += 2 + body.len();
        }
        self.came.drain(..at);
    }
}
