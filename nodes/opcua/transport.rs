//! Messages on their way: requests out, chunks in, and answers to who waits for them.
//!
//! The library's own transport would decode from where its depth cannot be watched (see `stream`), would count the age of keys
//! by the server's clock, and would go on with a server that sends chunks without end.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use opcua::client::transport::{OutgoingMessage, RequestRecv, SecureChannelState, Transport, TransportPollResult};
use opcua::core::comms::buffer::SendBuffer;
use opcua::core::comms::message_chunk::{MessageChunk, MessageIsFinalType};
use opcua::core::comms::sequence_number::SequenceNumberHandle;
use opcua::core::comms::tcp_codec::{Message, TcpCodec};
use opcua::core::{Message as _, RequestMessage, ResponseMessage};
use opcua::crypto::SecurityPolicy;
use opcua::types::{
    BinaryDecodable as _, ChannelSecurityToken, DateTime, Error, NodeId, OpenSecureChannelResponse, StatusCode,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::codec::FramedRead;

use super::dial::{CHUNKS, MESSAGE};
use super::stream::Stream;

/// Who waits for an answer, and what of it is here.
struct Waiting {
    tell: oneshot::Sender<Result<ResponseMessage, Error>>,
    until: Instant,
    /// The bodies of its chunks, one after the other.
    came: Vec<u8>,
    chunks: usize,
}

/// An open connection.
pub(super) struct Messages<R, W> {
    read: FramedRead<R, TcpCodec>,
    write: W,
    out: SendBuffer,
    channel: Arc<SecureChannelState>,
    requests: RequestRecv,
    url: String,
    numbers: SequenceNumberHandle,
    waiting: HashMap<u32, Waiting>,
    /// Whether the server was told goodbye.
    is_closing: bool,
    closed: Option<StatusCode>,
}

/// What a poll waits for.
enum Event {
    Sent(std::io::Result<()>),
    Asked(Option<OutgoingMessage>),
    Came(Option<Result<Message, std::io::Error>>),
    Late,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Messages<R, W> {
    pub(super) fn new(
        read: FramedRead<R, TcpCodec>,
        write: W,
        out: SendBuffer,
        channel: Arc<SecureChannelState>,
        requests: RequestRecv,
        url: String,
    ) -> Self {
        let legacy = channel.secure_channel().read().security_policy().legacy_sequence_numbers();
        let numbers = SequenceNumberHandle::new(legacy);
        let waiting = HashMap::new();
        Self { read, write, out, channel, requests, url, numbers, waiting, is_closing: false, closed: None }
    }

    async fn step(&mut self) -> Result<TransportPollResult, Error> {
        if self.out.should_encode_chunks() {
            let channel = self.channel.secure_channel().read();
            self.out.encode_next_chunk(&channel).map_err(|code| Error::new(code, "a chunk cannot be secured"))?;
        }
        let late = self.waiting.values().map(|waiting| waiting.until).min();
        let late = async move {
            match late {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let event = if self.out.can_read() {
            tokio::select! {
                sent = self.out.read_into_async(&mut self.write) => Event::Sent(sent),
                came = self.read.next() => Event::Came(came),
                () = late => Event::Late,
            }
        } else if self.is_closing {
            return Err(Error::new(StatusCode::Good, "closed"));
        } else {
            tokio::select! {
                asked = self.requests.recv() => Event::Asked(asked),
                came = self.read.next() => Event::Came(came),
                () = late => Event::Late,
            }
        };
        match event {
            Event::Sent(sent) => {
                sent.map_err(|error| Error::new(StatusCode::BadCommunicationError, error))?;
                Ok(TransportPollResult::OutgoingMessageSent)
            }
            Event::Asked(Some(message)) => self.ask(message),
            Event::Asked(None) => Err(Error::new(StatusCode::Good, "nobody will ask anything more")),
            Event::Came(Some(Ok(Message::Chunk(chunk)))) => {
                self.take(chunk).map(|()| TransportPollResult::IncomingMessage)
            }
            Event::Came(Some(Ok(Message::Error(error)))) => Err(Error::new(error.error, "the server has ended it")),
            Event::Came(Some(Ok(_))) => Err(Error::new(StatusCode::BadCommunicationError, "not a message")),
            Event::Came(Some(Err(error))) => Err(Error::new(StatusCode::BadConnectionClosed, error)),
            Event::Came(None) => Err(Error::new(StatusCode::BadCommunicationError, "closed by the server")),
            Event::Late => {
                self.give_up();
                Ok(TransportPollResult::RecoverableError(StatusCode::BadTimeout))
            }
        }
    }

    /// A request goes out.
    fn ask(&mut self, message: OutgoingMessage) -> Result<TransportPollResult, Error> {
        self.is_closing |= matches!(message.request, RequestMessage::CloseSecureChannel(_));
        let id = self.out.next_request_id();
        if let Some(tell) = message.callback {
            let until = Instant::from_std(message.deadline);
            self.waiting.insert(id, Waiting { tell, until, came: Vec::new(), chunks: 0 });
        }
        let channel = self.channel.secure_channel().read();
        let Err(error) = self.out.write(id, message.request, &channel) else {
            return Ok(TransportPollResult::OutgoingMessage);
        };
        drop(channel);
        // One that is too long is no trouble of the others.
        let code = error.status();
        let Some(waiting) = self.waiting.remove(&id).filter(|_| error.full_context().is_some()) else {
            return Err(error);
        };
        let _ = waiting.tell.send(Err(error));
        Ok(TransportPollResult::RecoverableError(code))
    }

    /// A chunk came.
    fn take(&mut self, chunk: MessageChunk) -> Result<(), Error> {
        let channel = self.channel.secure_channel().read();
        let chunk = channel.verify_and_remove_security(chunk.data)?;
        let info = chunk.chunk_info(&channel)?;
        let own = channel.secure_channel_id();
        drop(channel);
        if own != 0 && info.message_header.secure_channel_id != own {
            return Err(Error::new(StatusCode::BadSecureChannelIdInvalid, "a chunk of another channel"));
        }
        self.numbers.validate_and_increment(info.sequence_header.sequence_number)?;
        let id = info.sequence_header.request_id;
        // Nobody waits for it any more.
        let Some(waiting) = self.waiting.get_mut(&id) else { return Ok(()) };
        let end = info.body_offset.saturating_add(info.body_length);
        let body = chunk.data.get(info.body_offset..end);
        let body = body.ok_or_else(|| Error::decoding("a chunk that is shorter than it says"))?;
        waiting.chunks += 1;
        if CHUNKS < waiting.chunks || MESSAGE < waiting.came.len() + body.len() {
            return Err(Error::new(StatusCode::BadResponseTooLarge, "an answer without end"));
        }
        match info.message_header.is_final {
            MessageIsFinalType::Intermediate => {
                waiting.came.extend_from_slice(body);
                Ok(())
            }
            MessageIsFinalType::FinalError => {
                let code = body
                    .first_chunk::<4>()
                    .map_or(StatusCode::BadCommunicationError, |code| u32::from_le_bytes(*code).into());
                let Some(waiting) = self.waiting.remove(&id) else { return Ok(()) };
                let _ = waiting.tell.send(Err(Error::new(code, "the server has given the answer up")));
                Ok(())
            }
            MessageIsFinalType::Final => {
                let Some(mut waiting) = self.waiting.remove(&id) else { return Ok(()) };
                let whole = if waiting.came.is_empty() {
                    body
                } else {
                    waiting.came.extend_from_slice(body);
                    &waiting.came
                };
                let answer = self.decode(whole);
                if let Ok(ResponseMessage::OpenSecureChannel(response)) = &answer
                    && !response.response_header.service_result.is_bad()
                {
                    self.renew(response)?;
                }
                let _ = waiting.tell.send(answer);
                Ok(())
            }
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<ResponseMessage, Error> {
        let channel = self.channel.secure_channel().read();
        let context = channel.context();
        let context = context.context();
        let mut stream = Stream::new(bytes);
        let kind = NodeId::decode(&mut stream, &context)?;
        let kind = kind.as_object_id().map_err(|_| Error::decoding("a message of no known kind"))?;
        ResponseMessage::decode_by_object_id(&mut stream, kind, &context)
    }

    /// New keys. Their age is counted from now: the library takes the server's clock for it, and where that is slow or fast it
    /// asks for new ones with each request, or never.
    fn renew(&self, response: &OpenSecureChannelResponse) -> Result<(), Error> {
        let mut channel = self.channel.secure_channel().write();
        let token = &response.security_token;
        if channel.secure_channel_id() != 0 && channel.secure_channel_id() != token.channel_id {
            return Err(Error::new(StatusCode::BadSecureChannelIdInvalid, "the channel is another one now"));
        }
        channel.set_security_token(ChannelSecurityToken { created_at: DateTime::now(), ..token.clone() });
        if channel.security_policy() != SecurityPolicy::None {
            channel.validate_secure_channel_nonce_length(&response.server_nonce)?;
            channel.set_remote_nonce_from_byte_string(&response.server_nonce)?;
            channel.derive_keys();
        }
        Ok(())
    }

    /// Tells those who waited too long.
    fn give_up(&mut self) {
        let now = Instant::now();
        let late: Vec<u32> =
            self.waiting.iter().filter(|(_, waiting)| waiting.until <= now).map(|(id, _)| *id).collect();
        for waiting in late.iter().filter_map(|id| self.waiting.remove(id)).collect::<Vec<_>>() {
            let _ = waiting.tell.send(Err(Error::new(StatusCode::BadTimeout, "no answer in time")));
        }
    }

    /// Tells all who wait that there will be no answer.
    fn end(&mut self, code: StatusCode) {
        let code = if code.is_good() { StatusCode::BadConnectionClosed } else { code };
        let gone = || Err(Error::new(code, "the connection was closed"));
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.tell.send(gone());
        }
        self.requests.close();
        while let Ok(message) = self.requests.try_recv() {
            if let Some(tell) = message.callback {
                let _ = tell.send(gone());
            }
        }
    }
}

impl<R, W> Transport for Messages<R, W>
where
    R: AsyncRead + Unpin + Send + Sync + 'static,
    W: AsyncWrite + Unpin + Send + Sync + 'static,
{
    async fn poll(&mut self) -> TransportPollResult {
        if let Some(code) = self.closed {
            return TransportPollResult::Closed(code);
        }
        match self.step().await {
            Ok(done) => done,
            Err(error) => {
                let code = error.status();
                self.closed = Some(code);
                self.end(code);
                TransportPollResult::Closed(code)
            }
        }
    }

    fn connected_url(&self) -> &str {
        &self.url
    }
}
