//! Where a device is: `tcp://host:port`, `rtu:///dev/ttyUSB0?baud=9600` and their kin.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::address::Problem;

/// A way to a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    /// Modbus TCP.
    Tcp(Host),
    /// Frames of a serial line through TCP, as serial servers pass them on.
    RtuTcp(Host),
    /// Modbus TCP inside TLS.
    Tls(Host),
    /// A serial line.
    Rtu(Serial),
    /// The device dials in here.
    Listen(SocketAddr),
    /// For tests: a pipe inside this process, by its name.
    #[cfg(test)]
    Memory(String),
}

/// A name or address with a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host {
    /// A name or an IP address, without brackets.
    pub(super) host: String,
    /// The TCP port.
    pub(super) port: u16,
}

/// A serial port and how it is set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Serial {
    /// The device file, such as `/dev/ttyUSB0`.
    pub(super) path: String,
    /// Bits in a second.
    pub(super) baud: u32,
    /// The parity bit.
    pub(super) parity: Parity,
    /// Stop bits: 1 or 2.
    pub(super) stop: u8,
    /// Data bits: 7 or 8.
    pub(super) data: u8,
}

/// The parity bit of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parity {
    /// No parity bit.
    None,
    /// An even number of ones.
    Even,
    /// An odd number of ones.
    Odd,
}

/// Modbus TCP, as registered.
const PORT: u16 = 502;
/// Modbus TCP inside TLS, as registered.
const TLS_PORT: u16 = 802;
const FORM: &str = "write tcp://HOST:PORT, such as tcp://192.168.1.10:502, or rtu:///dev/ttyUSB0?baud=9600&parity=even, \
                    rtu+tcp://HOST:PORT, tls://HOST:PORT or listen://ADDRESS:PORT";

impl Endpoint {
    /// Reads a url as it stands in the file.
    pub(super) fn parse(url: &str) -> Result<Self, Problem> {
        let Some((scheme, rest)) = url.split_once("://") else {
            let is_host = !url.starts_with('/') && host(url, url, Some(PORT)).is_ok();
            let help = if is_host { format!("write `tcp://{url}`") } else { FORM.to_owned() };
            return Err(Problem::new(format!("`{url}` is not a url"), help));
        };
        match scheme {
            "tcp" => host(url, rest, Some(PORT)).map(Self::Tcp),
            "rtu+tcp" => host(url, rest, None).map(Self::RtuTcp),
            "tls" => host(url, rest, Some(TLS_PORT)).map(Self::Tls),
            "rtu" => serial(rest).map(Self::Rtu),
            "listen" => rest.parse().map(Self::Listen).map_err(|_| {
                Problem::new(
                    format!("`{rest}` is not an address with a port to listen at"),
                    "write an address of this machine, such as listen://127.0.0.1:5020; listen://0.0.0.0:5020 takes \
                     devices from every network that this machine is in",
                )
            }),
            #[cfg(test)]
            "memory" => Ok(Self::Memory(rest.to_owned())),
            _ => Err(Problem::new(format!("`{scheme}://` is no way to a Modbus device"), FORM)),
        }
    }

    /// Whether the frames are those of a serial line.
    pub(super) fn is_rtu(&self) -> bool {
        match self {
            Self::RtuTcp(_) | Self::Rtu(_) => true,
            Self::Tcp(_) | Self::Tls(_) | Self::Listen(_) => false,
            #[cfg(test)]
            Self::Memory(name) => name.starts_with("rtu"),
        }
    }

    /// What it is known by: one serial port is one line, however it is set.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Rtu(serial) => format!("rtu://{}", serial.path),
            other => other.to_string(),
        }
    }
}

impl Serial {
    /// How long one character takes on the wire.
    pub(super) fn character(&self) -> Duration {
        let bits = 1 + self.data + u8::from(self.parity != Parity::None) + self.stop;
        Duration::from_secs(1) * u32::from(bits) / self.baud.max(1)
    }

    /// The silence between two frames: 3.5 characters, and 1.75 ms from 19200 baud on.
    pub(super) fn silence(&self) -> Duration {
        if 19_200 < self.baud { Duration::from_micros(1750) } else { self.character() * 7 / 2 }
    }
}

fn host(url: &str, rest: &str, default: Option<u16>) -> Result<Host, Problem> {
    let wrong = || Problem::new(format!("`{url}` is not a host with a port"), FORM);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let strange = |c: char| c.is_whitespace() || "/?#@[]".contains(c);
    if host.is_empty() || host.contains(strange) {
        return Err(wrong());
    }
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| wrong())?,
        None if port.is_empty() => default.ok_or_else(wrong)?,
        None => return Err(wrong()),
    };
    Ok(Host { host: host.to_ascii_lowercase(), port })
}

fn serial(rest: &str) -> Result<Serial, Problem> {
    const HELP: &str = "write rtu:///dev/ttyUSB0?baud=9600&parity=even&stop=1&data=8; what is left out is 19200, even, 1 and \
                        8, as the standard has it (two stop bits without parity)";
    let wrong = |message: String| Err(Problem::new(message, HELP));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !path.starts_with('/') || path.len() < 2 {
        return wrong(format!("`{path}` is not the path of a serial port"));
    }
    let (mut baud, mut parity, mut stop, mut data) = (19_200, Parity::Even, None, 8);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name, value) {
            ("baud", value) => match value.parse() {
                Ok(rate @ 50..=4_000_000) => baud = rate,
                _ => return wrong(format!("`{value}` is no baud rate between 50 and 4000000")),
            },
            ("parity", "none") => parity = Parity::None,
            ("parity", "even") => parity = Parity::Even,
            ("parity", "odd") => parity = Parity::Odd,
            ("parity", value) => return wrong(format!("the parity `{value}` is none of none, even, odd")),
            ("stop", "1") => stop = Some(1),
            ("stop", "2") => stop = Some(2),
            ("data", "8") => data = 8,
            ("data", "7") => data = 7,
            ("stop" | "data", value) => return wrong(format!("`{name}={value}` is not known to serial ports")),
            (name, _) => return wrong(format!("`{name}` is none of baud, parity, stop, data")),
        }
    }
    let stop = stop.unwrap_or(if parity == Parity::None { 2 } else { 1 });
    Ok(Serial { path: path.to_owned(), baud, parity, stop, data })
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::RtuTcp(host) => write!(f, "rtu+tcp://{host}"),
            Self::Tls(host) => write!(f, "tls://{host}"),
            Self::Rtu(serial) => {
                let parity = match serial.parity {
                    Parity::None => "none",
                    Parity::Even => "even",
                    Parity::Odd => "odd",
                };
                let Serial { path, baud, stop, data, .. } = serial;
                write!(f, "rtu://{path}?baud={baud}&parity={parity}&stop={stop}&data={data}")
            }
            Self::Listen(address) => write!(f, "listen://{address}"),
            #[cfg(test)]
            Self::Memory(name) => write!(f, "memory://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_way_to_a_device() {
        for (url, shown) in [
            ("tcp://127.0.0.1:1502", "tcp://127.0.0.1:1502"),
            ("tcp://PLC-7.plant", "tcp://plc-7.plant:502"),
            ("tcp://[::1]:1502", "tcp://[::1]:1502"),
            ("tcp://[::1]", "tcp://[::1]:502"),
            ("tls://plc", "tls://plc:802"),
            ("rtu+tcp://moxa:4001", "rtu+tcp://moxa:4001"),
            ("rtu:///dev/ttyUSB0", "rtu:///dev/ttyUSB0?baud=19200&parity=even&stop=1&data=8"),
            ("rtu:///dev/ttyS1?baud=9600&parity=none", "rtu:///dev/ttyS1?baud=9600&parity=none&stop=2&data=8"),
            ("rtu:///dev/ttyS1?stop=1&parity=none&data=7", "rtu:///dev/ttyS1?baud=19200&parity=none&stop=1&data=7"),
            ("listen://0.0.0.0:5020", "listen://0.0.0.0:5020"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn one_serial_port_is_one_line_however_it_is_set() {
        let key = |url| Endpoint::parse(url).unwrap().key();
        assert_eq!(key("rtu:///dev/ttyS1?baud=9600"), key("rtu:///dev/ttyS1"));
        assert_ne!(key("tcp://a:1"), key("rtu+tcp://a:1"));
    }

    #[test]
    fn a_character_and_the_silence_follow_from_the_baud_rate() {
        let serial = |url| match Endpoint::parse(url) {
            Ok(Endpoint::Rtu(serial)) => serial,
            other => panic!("{other:?}"),
        };
        let slow = serial("rtu:///dev/a?baud=9600");
        assert_eq!((slow.character().as_micros(), slow.silence().as_micros()), (1145, 4010));
        assert_eq!(serial("rtu:///dev/a?baud=115200").silence().as_micros(), 1750);
    }

    #[test]
    fn what_is_no_url_of_a_device_is_refused() {
        for (url, said) in [
            ("127.0.0.1:502", "not a url"),
            ("udp://h:1", "`udp://` is no way"),
            ("rtu+tcp://h", "not a host"),
            ("tcp://", "not a host"),
            ("tcp://:502", "not a host"),
            ("tcp://host:port", "not a host"),
            ("tcp://host:70000", "not a host"),
            ("tcp://host/", "not a host"),
            ("tcp://me@host", "not a host"),
            ("tcp://::1:502", "not a host"),
            ("tcp://[::1]502", "not a host"),
            ("rtu://ttyUSB0", "not the path"),
            ("rtu:///", "not the path"),
            ("rtu:///dev/a?baud=fast", "no baud rate"),
            ("rtu:///dev/a?baud=0", "no baud rate"),
            ("rtu:///dev/a?parity=mark", "the parity `mark`"),
            ("rtu:///dev/a?stop=3", "`stop=3`"),
            ("rtu:///dev/a?speed=1", "`speed` is none"),
            ("listen://5020", "not an address"),
            ("listen://host:5020", "not an address"),
        ] {
            let problem = Endpoint::parse(url).unwrap_err();
            assert!(problem.message.contains(said), "{url}: {}", problem.message);
        }
    }
}
