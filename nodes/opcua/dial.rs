//! The way to a server: TCP, and a guard that lets no chunk in that is longer than was agreed.
//!
//! The library would make room for as much as the head of a chunk claims, up to 4 GiB.

use std::io;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::StreamExt as _;
use opcua::client::transport::{Connector, RequestRecv, SecureChannelState, TransportConfiguration};
use opcua::core::comms::buffer::SendBuffer;
use opcua::core::comms::tcp_codec::{Message, TcpCodec};
use opcua::core::comms::tcp_types::{HelloMessage, MIN_CHUNK_SIZE};
use opcua::types::{DecodingOptions, EndpointDescription, Error, SimpleBinaryEncodable as _, StatusCode};
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::FramedRead;

use super::transport::Messages;

/// Longest chunk that is taken: what is offered to the server in Hello.
pub(super) const CHUNK: usize = 65_536;
/// Most chunks of a message. A message takes many times its length in memory once it is decoded.
pub(super) const CHUNKS: usize = 64;
/// Longest message.
pub(super) const MESSAGE: usize = CHUNK * CHUNKS;

/// What the library needs to open a connection.
pub(super) fn transport() -> TransportConfiguration {
    TransportConfiguration {
        send_buffer_size: CHUNK,
        recv_buffer_size: CHUNK,
        max_message_size: MESSAGE,
        max_chunk_count: CHUNKS,
    }
}

/// What is taken from a server.
pub(super) fn limits() -> DecodingOptions {
    DecodingOptions {
        max_message_size: MESSAGE,
        max_chunk_count: CHUNKS,
        max_string_length: 1 << 20,
        max_byte_string_length: 1 << 20,
        max_array_length: 1 << 17,
        ..DecodingOptions::default()
    }
}

/// Opens connections to one address, and keeps hold of the state of the last one: the library does not show it otherwise.
pub(super) struct Dial {
    host: String,
    port: u16,
    url: String,
    state: Mutex<Option<Arc<SecureChannelState>>>,
}

impl Dial {
    pub(super) fn new(url: &str, host: String, port: u16) -> Self {
        Self { host, port, url: url.to_owned(), state: Mutex::default() }
    }

    /// The secure channel of the last connection.
    pub(super) fn state(&self) -> Option<Arc<SecureChannelState>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Connector for Dial {
    type Transport = Messages<Guard<OwnedReadHalf>, OwnedWriteHalf>;

    async fn connect(
        &self,
        channel: Arc<SecureChannelState>,
        requests: RequestRecv,
        config: TransportConfiguration,
    ) -> Result<Self::Transport, Error> {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&channel));
        let (options, legacy) = {
            let channel = channel.secure_channel().read();
            (channel.decoding_options(), channel.security_policy().legacy_sequence_numbers())
        };
        let (host, port) = (&self.host, self.port);
        let shown =
            if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let failed = |error: io::Error| Error::new(StatusCode::BadCommunicationError, format!("{shown}: {error}"));
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (reader, mut writer) = stream.into_split();
        let mut reader = FramedRead::new(Guard::new(reader), TcpCodec::new(options));
        let hello = HelloMessage::new(
            &self.url,
            config.send_buffer_size,
            config.recv_buffer_size,
            config.max_message_size,
            config.max_chunk_count,
        );
        writer.write_all(&hello.encode_to_vec()).await.map_err(failed)?;
        let ack = match reader.next().await {
            Some(Ok(Message::Acknowledge(ack))) => ack,
            Some(Ok(Message::Error(error))) => return Err(Error::new(error.error, "the server does not greet")),
            Some(Err(error)) => return Err(failed(error)),
            Some(Ok(_)) | None => return Err(failed(io::Error::other("there is no OPC UA server"))),
        };
        if (ack.receive_buffer_size as usize) < MIN_CHUNK_SIZE {
            return Err(Error::new(StatusCode::BadTcpInternalError, "the server takes no chunk of any use"));
        }
        let mut out = SendBuffer::new(config.send_buffer_size, config.max_message_size, config.max_chunk_count, legacy);
        out.revise(ack.receive_buffer_size as usize, ack.max_message_size as usize, ack.max_chunk_count as usize);
        Ok(Messages::new(reader, writer, out, channel, requests, self.url.clone()))
    }

    fn default_endpoint(&self) -> EndpointDescription {
        EndpointDescription::from(self.url.as_str())
    }
}

/// Passes on whole chunks only, none of which is longer than [`CHUNK`].
pub(super) struct Guard<R> {
    inner: R,
    /// The head of the chunk that begins, as far as it is here.
    head: [u8; 8],
    filled: usize,
    /// Bytes of the chunk that are still to come.
    rest: usize,
}

impl<R> Guard<R> {
    fn new(inner: R) -> Self {
        Self { inner, head: [0; 8], filled: 0, rest: 0 }
    }

    /// Looks at bytes that came.
    fn watch(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if 0 < self.rest {
                let (_, after) = bytes.split_at(self.rest.min(bytes.len()));
                self.rest -= bytes.len() - after.len();
                bytes = after;
                continue;
            }
            for byte in bytes.iter().take(8 - self.filled) {
                if let Some(place) = self.head.get_mut(self.filled) {
                    *place = *byte;
                }
                self.filled += 1;
                bytes = bytes.split_at(1).1;
            }
            if self.filled == 8 {
                self.filled = 0;
                let [.., a, b, c, d] = self.head;
                let length = u32::from_le_bytes([a, b, c, d]) as usize;
                if !(8..=CHUNK).contains(&length) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a chunk of {length} bytes")));
                }
                self.rest = length - 8;
            }
        }
        Ok(())
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Guard<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.watch(came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(length: u32) -> Vec<u8> {
        let mut chunk = b"MSGF".to_vec();
        chunk.extend(length.to_le_bytes());
        chunk.resize((length as usize).clamp(8, 100), 0xFF);
        chunk
    }

    #[test]
    fn chunks_pass_however_they_are_cut() {
        let stream: Vec<u8> = [8, 9, 40, 100].into_iter().flat_map(chunk).collect();
        for size in 1..stream.len() {
            let mut guard = Guard::new(());
            for piece in stream.chunks(size) {
                guard.watch(piece).unwrap();
            }
            assert_eq!((guard.filled, guard.rest), (0, 0), "pieces of {size}");
        }
    }

    #[test]
    fn a_chunk_that_claims_too_much_is_refused_by_its_head() {
        for length in [0, 7, CHUNK as u32 + 1, 0x8000_0000, u32::MAX] {
            let mut guard = Guard::new(());
            guard.watch(&chunk(50)).unwrap();
            let error = guard.watch(&chunk(length)).unwrap_err();
            assert!(error.to_string().contains(&format!("a chunk of {length} bytes")), "{error}");
        }
        Guard::new(()).watch(&chunk(CHUNK as u32)).unwrap();
    }
}
