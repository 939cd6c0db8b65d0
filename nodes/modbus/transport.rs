//! How the connection to an endpoint is opened.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_serial::{SerialPortBuilderExt as _, SerialStream};

use super::endpoint::{Endpoint, Host, Parity, Serial};
use super::line::Keys;
#[cfg(feature = "modbus-tls")]
use super::tls;
use super::wire::Stream;

/// Opens a connection. Waits as long as it takes: the caller sets the limit. `authenticating` is called when the other side is
/// there, and is to prove who it is.
pub(super) async fn open(endpoint: &Endpoint, keys: &Keys, authenticating: impl Fn()) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Tcp(host) | Endpoint::RtuTcp(host) => Ok(Box::new(tcp(host).await?)),
        #[cfg(not(feature = "modbus-tls"))]
        Endpoint::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        #[cfg(feature = "modbus-tls")]
        Endpoint::Tls(host) => {
            let stream = tcp(host).await?;
            authenticating();
            let unset = || io::Error::new(io::ErrorKind::InvalidInput, "no certificates were named");
            let (config, name) = keys.tls.as_ref().ok_or_else(unset)?;
            let name = name.as_deref().unwrap_or(&host.host);
            Ok(Box::new(tls::secure(config.clone(), name, stream).await?))
        }
        Endpoint::Rtu(serial) => Ok(Box::new(port(serial)?)),
        Endpoint::Listen(_) => {
            authenticating();
            let device = keys.device.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
            let stream = device.accept().await?;
            keep_alive(&stream)?;
            Ok(Box::new(stream))
        }
        #[cfg(test)]
        Endpoint::Memory(name) => super::peer::memory(name),
    }
}

async fn tcp(Host { host, port }: &Host) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    // A request is one small packet; waiting for more to send with it would only add to the latency.
    stream.set_nodelay(true)?;
    keep_alive(&stream)?;
    Ok(stream)
}

/// Has the system find out by itself that the other side is gone, also while nobody asks for anything.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let every = Duration::from_secs(15);
    let keep_alive = socket2::TcpKeepalive::new().with_time(2 * every).with_interval(every);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// Opens a serial port, for this process alone.
fn port(serial: &Serial) -> io::Result<SerialStream> {
    let parity = match serial.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop = if serial.stop == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One };
    let data = if serial.data == 7 { tokio_serial::DataBits::Seven } else { tokio_serial::DataBits::Eight };
    let port = tokio_serial::new(&serial.path, serial.baud).parity(parity).stop_bits(stop).data_bits(data);
    port.open_native_async().map_err(io::Error::from)
}
