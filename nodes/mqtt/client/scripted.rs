//! A broker for tests that does what a test tells it to, right or wrong.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A port at which a test is the broker.
pub(crate) struct Scripted(TcpListener);

/// One client of it.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    came: BytesMut,
}

/// CONNACK of MQTT 5 without properties.
pub(crate) const WELCOME: &[u8] = &[0x20, 3, 0, 0, 0];

impl Scripted {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) async fn at(address: std::net::SocketAddr) -> Self {
        Self(TcpListener::bind(address).await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.0.local_addr().unwrap())
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = self.0.accept().await.unwrap();
        Peer { stream, came: BytesMut::new() }
    }

    /// Takes a client in, and answers its CONNECT with this.
    pub(crate) async fn welcome(&self, connack: &[u8]) -> Peer {
        let mut peer = self.accept().await;
        peer.expect(1).await;
        peer.send(connack).await;
        peer
    }
}

impl Peer {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet: its first byte and its body; `None` at the end of the connection.
    pub(crate) async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(packet) = self.whole() {
                return Some(packet);
            }
            if self.stream.read_buf(&mut self.came).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    fn whole(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut length = 0;
        for (place, byte) in self.came.iter().skip(1).take(4).enumerate() {
            length |= usize::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                if self.came.len() < place + 2 + length {
                    return None;
                }
                let first = self.came[0];
                self.came.advance(place + 2);
                return Some((first, self.came.split_to(length).to_vec()));
            }
        }
        None
    }

    /// The body of the next packet, which is to be of this kind; pings are answered on the way.
    pub(crate) async fn expect(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let (first, body) = self.packet().await.expect("the client has gone");
            if first >> 4 == 12 && kind != 12 {
                self.send(&[0xD0, 0]).await;
                continue;
            }
            assert_eq!(first >> 4, kind, "{first:02X} {body:02X?}");
            return body;
        }
    }

    /// Answers the next SUBSCRIBE with these codes.
    pub(crate) async fn grant(&mut self, codes: &[u8]) -> Vec<u8> {
        let body = self.expect(8).await;
        let mut answer = vec![0x90, 3 + codes.len() as u8, body[0], body[1], 0];
        answer.extend(codes);
        self.send(&answer).await;
        body
    }

    /// Publishes, with MQTT 5.
    pub(crate) async fn publish(&mut self, topic: &[u8], qos: u8, id: u16, payload: &[u8]) {
        self.publish_with(&[], topic, qos, id, payload).await;
    }

    /// The same, with properties.
    pub(crate) async fn publish_with(&mut self, properties: &[u8], topic: &[u8], qos: u8, id: u16, payload: &[u8]) {
        let mut body = (topic.len() as u16).to_be_bytes().to_vec();
        body.extend(topic);
        if qos != 0 {
            body.extend(id.to_be_bytes());
        }
        body.push(properties.len() as u8);
        body.extend(properties);
        body.extend(payload);
        assert!(properties.len() < 128 && body.len() < 128 * 128, "short ones only");
        let mut packet = vec![0x30 | qos << 1, body.len() as u8];
        if 128 <= body.len() {
            packet[1] |= 0x80;
            packet.push((body.len() >> 7) as u8);
        }
        packet.extend(body);
        self.send(&packet).await;
    }
}
