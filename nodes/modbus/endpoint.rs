//! The address of a device: `tcp://host:port`.

use std::fmt;

use super::address::Problem;

/// Where a device listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    /// A name or an IP address, without brackets.
    pub(super) host: String,
    /// The TCP port.
    pub(super) port: u16,
}

const PORT: u16 = 502;
const FORM: &str = "write tcp://HOST:PORT, such as tcp://192.168.1.10:502; the port may be left out, it is 502 then";

impl Endpoint {
    /// Reads a url as it stands in the file.
    pub(super) fn parse(url: &str) -> Result<Self, Problem> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Problem::new(format!("`{url}` is not a url"), FORM));
        };
        if scheme != "tcp" {
            return Err(Problem::new(format!("`{scheme}://` is not built: only tcp:// is so far"), FORM));
        }
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
            None if port.is_empty() => PORT,
            None => return Err(wrong()),
        };
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (url, shown) in [
            ("tcp://127.0.0.1:1502", "tcp://127.0.0.1:1502"),
            ("tcp://PLC-7.plant", "tcp://plc-7.plant:502"),
            ("tcp://[::1]:1502", "tcp://[::1]:1502"),
            ("tcp://[::1]", "tcp://[::1]:502"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_of_a_device_is_refused() {
        for (url, said) in [
            ("127.0.0.1:502", "not a url"),
            ("rtu:///dev/ttyUSB0", "`rtu://` is not built"),
            ("rtu+tcp://h:1", "`rtu+tcp://` is not built"),
            ("tcp://", "not a host"),
            ("tcp://:502", "not a host"),
            ("tcp://host:port", "not a host"),
            ("tcp://host:70000", "not a host"),
            ("tcp://host/", "not a host"),
            ("tcp://me@host", "not a host"),
            ("tcp://::1:502", "not a host"),
            ("tcp://[::1]502", "not a host"),
        ] {
            let problem = Endpoint::parse(url).unwrap_err();
            assert!(problem.message.contains(said), "{url}: {}", problem.message);
        }
    }
}
