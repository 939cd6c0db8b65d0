//! A WebSocket as a stream of bytes: what firewalls let pass that know the web only.
//!
//! MQTT travels in binary messages whose ends mean nothing. The WebSocket is tungstenite's; the stream below it, with its TLS,
//! is ours.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest as _};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// What waits to go out, at most, beside the last write.
const OUT: usize = 128 << 10;

/// An open WebSocket.
pub(super) struct WebSocket<S> {
    socket: WebSocketStream<S>,
    /// What is left of the message that came last.
    came: Bytes,
}

/// Asks for a WebSocket on a connection; no message longer than `most` is taken on it.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    path: &str,
    most: usize,
) -> io::Result<WebSocket<S>> {
    // The scheme is for who opens the stream as well; here it is open.
    let mut request = format!("ws://{host}{path}").into_client_request().map_err(words)?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let config = WebSocketConfig::default()
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
        .write_buffer_size(0)
        .max_write_buffer_size(OUT);
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(words)?;
    Ok(WebSocket { socket, came: Bytes::new() })
}

/// An error as one of the stream below, where it was that, or said in words.
fn words(error: Error) -> io::Error {
    let said = match error {
        Error::Io(error) => return error,
        Error::ConnectionClosed | Error::AlreadyClosed => return io::ErrorKind::UnexpectedEof.into(),
        Error::Http(answer) => format!("it opens no WebSocket there: it answered \"{}\"", answer.status()),
        Error::Capacity(error) => format!("a WebSocket message that is too long: {error}"),
        error => format!("the WebSocket: {error}"),
    };
    io::Error::new(io::ErrorKind::InvalidData, said)
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.came.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(words(error))),
                Some(Ok(Message::Binary(bytes))) => self.came = bytes,
                Some(Ok(Message::Text(_))) => {
                    let text = "text on a WebSocket for MQTT";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                // Tungstenite answers pings, and goodbyes, by itself.
                Some(Ok(_)) => {}
            }
        }
        let count = self.came.len().min(into.remaining());
        into.put_slice(&self.came[..count]);
        self.came.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(words)?;
        let count = bytes.len().min(OUT / 2);
        let message = Message::Binary(Bytes::copy_from_slice(&bytes[..count]));
        Pin::new(&mut self.socket).start_send(message).map_err(words)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(words)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(context).map_err(words)
    }
}
