//! From an address to a stream of bytes: TCP, TLS in it, a WebSocket in that.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::Address;
use super::prompt::Prompt;
use super::reason::Refusal;
use super::tls::{self, Identity};
use super::websocket;

/// A WebSocket message may hold several packets, and is taken up to this length at least.
const MESSAGE: u32 = 1 << 20;

/// What a connection is made of.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failure {
    /// The way is at fault.
    Link(Refusal),
    /// The broker is not who it should be, or does not believe that this client is.
    Distrust(Refusal),
}

/// Opens the way to a broker, on which no packet is longer than `packet`.
pub(super) async fn dial(
    address: &Address,
    tls: Option<&(Identity, Option<String>)>,
    packet: u32,
) -> Result<Box<dyn Stream>, Failure> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| Failure::Link(no_connection(address, &error)))?;
    let stream = Prompt::new(stream);
    let mut stream: Box<dyn Stream> = match tls {
        Some((identity, name)) if address.is_secret => {
            let name = name.as_deref().unwrap_or(&address.host).to_owned();
            let name = ServerName::try_from(name)
                .map_err(|error| Failure::Distrust(Refusal::person(format!("{address}: {error}"))))?;
            let stream = TlsConnector::from(Arc::clone(identity)).connect(name, stream).await;
            Box::new(stream.map_err(|error| match tls::distrust(&error) {
                Some(words) => Failure::Distrust(Refusal::person(format!("{address} is not trusted: {words}"))),
                None => Failure::Link(no_connection(address, &error)),
            })?)
        }
        _ => Box::new(stream),
    };
    if let Some(path) = &address.path {
        let open = websocket::open(stream, &address.authority(), path, packet.max(MESSAGE) as usize).await;
        stream = Box::new(open.map_err(|error| Failure::Link(no_connection(address, &error)))?);
    }
    Ok(stream)
}

fn no_connection(address: &Address, error: &io::Error) -> Refusal {
    Refusal::link(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("{address} refused the connection: nothing listens there"),
        io::ErrorKind::UnexpectedEof => format!("{address} closed the connection before it was open"),
        _ => format!("{address} cannot be reached: {error}"),
    })
}
