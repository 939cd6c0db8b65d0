//! A WebSocket as a stream of bytes (RFC 6455): what firewalls let pass that know the web only.
//!
//! MQTT travels in binary frames whose ends mean nothing. A frame is read piece by piece, so a length that is a lie costs no
//! memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BufMut as _, BytesMut};
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Longest answer to the request for a WebSocket.
const HEAD: usize = 16 << 10;
/// Most bytes of one frame that goes out, and of what waits to go out.
const FRAME: usize = 64 << 10;

/// An open WebSocket.
pub(super) struct WebSocket<S> {
    stream: S,
    /// What has come and was not looked at.
    raw: BytesMut,
    /// Bytes of the present frame that are still to come, and whether they are MQTT.
    left: u64,
    /// Frames that are to go out.
    out: BytesMut,
    is_closed: bool,
    random: fastrand::Rng,
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Asks for a WebSocket on a connection.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    path: &str,
) -> io::Result<WebSocket<S>> {
    let mut random = fastrand::Rng::new();
    let mut nonce = [0; 16];
    random.fill(&mut nonce);
    let key = STANDARD.encode(nonce);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut raw = BytesMut::with_capacity(1024);
    let end = loop {
        if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if HEAD < raw.len() {
            return Err(wrong("its answer to the request for a WebSocket has no end"));
        }
        if stream.read_buf(&mut raw).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    raw.advance(end + 4);
    check_head(&head, &key)?;
    Ok(WebSocket { stream, raw, left: 0, out: BytesMut::new(), is_closed: false, random })
}

fn check_head(head: &str, key: &str) -> io::Result<()> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        let status: String = status.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(wrong(format!("it opens no WebSocket there: it answered \"{status}\"")));
    }
    let header = |wanted: &str| {
        head.split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    let proof = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    if header("Sec-WebSocket-Accept") != Some(proof.as_str()) {
        return Err(wrong("its answer is not to this request for a WebSocket"));
    }
    match header("Sec-WebSocket-Protocol") {
        Some("mqtt") => Ok(()),
        _ => Err(wrong("the WebSocket there is none for MQTT")),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Puts a frame behind those that are to go out, masked as the standard wants it.
    fn put(&mut self, opcode: u8, payload: &[u8]) {
        let mask: [u8; 4] = self.random.u32(..).to_ne_bytes();
        self.out.put_u8(0x80 | opcode);
        match payload.len() {
            short @ ..126 => self.out.put_u8(0x80 | short as u8),
            long @ ..=0xFFFF => {
                self.out.put_u8(0x80 | 126);
                self.out.put_u16(long as u16);
            }
            longer => {
                self.out.put_u8(0x80 | 127);
                self.out.put_u64(longer as u64);
            }
        }
        self.out.put_slice(&mask);
        self.out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads the head of a frame; what is none of MQTT is dealt with here. `false`: more bytes are needed.
    fn head(&mut self) -> io::Result<bool> {
        let Some(&[first, second]) = self.raw.get(..2) else { return Ok(false) };
        if second & 0x80 != 0 || first & 0x70 != 0 {
            return Err(wrong("a frame of the WebSocket that no server may send"));
        }
        let (head, length) = match second {
            126 => match self.raw.get(2..4) {
                Some(&[a, b]) => (4, u64::from(u16::from_be_bytes([a, b]))),
                _ => return Ok(false),
            },
            127 => match self.raw.get(2..10).map(<[u8; 8]>::try_from) {
                Some(Ok(length)) => (10, u64::from_be_bytes(length)),
                _ => return Ok(false),
            },
            short => (2, u64::from(short)),
        };
        match first & 0x0F {
            0 | 2 => {
                self.raw.advance(head);
                self.left = length;
            }
            opcode @ 8..=10 => {
                if 125 < length {
                    return Err(wrong("a control frame of the WebSocket is too long"));
                }
                let end = head + length as usize;
                if self.raw.len() < end {
                    return Ok(false);
                }
                let payload = self.raw.split_to(end).split_off(head);
                match opcode {
                    8 => self.is_closed = true,
                    // Whoever asks without end is not answered without end.
                    9 if self.out.len() < FRAME => self.put(10, &payload),
                    _ => {}
                }
            }
            1 => return Err(wrong("text on a WebSocket for MQTT")),
            _ => return Err(wrong("a frame of the WebSocket of an unknown kind")),
        }
        Ok(true)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.out.is_empty() {
                // The answer to a ping; it may wait, but not for the next write.
                if let Poll::Ready(Err(error)) = this.poll_drain(context) {
                    return Poll::Ready(Err(error));
                }
            }
            if this.is_closed || into.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if this.left != 0 && !this.raw.is_empty() {
                let most = usize::try_from(this.left).unwrap_or(usize::MAX);
                let count = this.raw.len().min(into.remaining()).min(most);
                into.put_slice(&this.raw.split_to(count));
                this.left -= count as u64;
                return Poll::Ready(Ok(()));
            }
            if this.left == 0 && this.head()? {
                continue;
            }
            let mut room = [0; 8192];
            let mut room = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.raw.extend_from_slice(room.filled());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if FRAME < this.out.len() {
            ready!(this.poll_drain(context))?;
        }
        let count = bytes.len().min(FRAME);
        this.put(2, &bytes[..count]);
        if let Poll::Ready(Err(error)) = this.poll_drain(context) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_closed {
            this.is_closed = true;
            this.put(8, &1000_u16.to_be_bytes());
        }
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}
