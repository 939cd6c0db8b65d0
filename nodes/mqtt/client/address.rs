//! Where a broker is: `mqtt://host:port` and its kin.

use std::fmt;

use fieldflow_contract::{Owned, Thing};

use crate::loopback::is_loopback;

/// A way to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
    /// Whether it is inside TLS.
    pub(crate) is_secret: bool,
    /// The path of a WebSocket; `None` for plain MQTT.
    pub(crate) path: Option<String>,
}

/// What is wrong with a text, and what to write instead.
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) help: String,
}

const FORM: &str = "write mqtt://HOST:PORT, such as mqtt://127.0.0.1:1883, or mqtts://, ws:// or wss://HOST:PORT/PATH";

impl Address {
    /// Reads a url as it stands in the file.
    pub(crate) fn parse(url: &str) -> Result<Self, Problem> {
        let wrong = |message: String| Problem { message, help: FORM.to_owned() };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(wrong(format!("`{url}` is not a url")));
        };
        let (is_secret, is_web, default) = match scheme {
            "mqtt" | "tcp" => (false, false, 1883),
            "mqtts" | "ssl" | "tls" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            _ => return Err(wrong(format!("`{scheme}://` is no way to a broker"))),
        };
        if rest.contains('@') {
            return Err(Problem {
                message: "a url holds no user and password".to_owned(),
                help: "write them as `username` and `password`, the password as \"${env:NAME}\"".to_owned(),
            });
        }
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match place.strip_prefix('[') {
            Some(place) => place.split_once(']').ok_or_else(|| wrong(format!("`{url}` has no end of its address")))?,
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || "?#[]".contains(c)) {
            return Err(wrong(format!("`{url}` names no host")));
        }
        let port = match port.strip_prefix(':').map(str::parse::<u16>) {
            None if port.is_empty() => default,
            Some(Ok(port)) if port != 0 => port,
            _ => return Err(wrong(format!("`{url}` has no port between 1 and 65535"))),
        };
        let path = match (is_web, path) {
            (true, "" | "/") => Some("/mqtt".to_owned()),
            (true, path) if path.is_ascii() && !path.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                Some(path.to_owned())
            }
            (true, _) => return Err(wrong(format!("`{path}` is no path of a url"))),
            (false, "" | "/") => None,
            (false, _) => return Err(wrong(format!("`{scheme}://` has no path"))),
        };
        Ok(Self { host: host.to_ascii_lowercase(), port, is_secret, path })
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Host and port, as a connection or a header wants them.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.is_secret, self.path.is_some()) {
            (false, false) => "mqtt",
            (true, false) => "mqtts",
            (false, true) => "ws",
            (true, true) => "wss",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path.as_deref().unwrap_or_default())
    }
}

/// A client id at each of these brokers, none of which lets two clients have it; none if the file leaves it to the node.
pub(crate) fn client_ids<'a>(id: Option<&str>, urls: impl Iterator<Item = &'a str>) -> Vec<Owned> {
    let Some(id) = id else { return Vec::new() };
    let brokers = urls.filter_map(|url| Address::parse(url).ok());
    let what = |broker: Address| Thing::Other(format!("the client id {id} at {}", broker.authority()));
    brokers.map(|broker| Owned { at: "client_id".into(), what: what(broker) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_again() {
        for (url, shown) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("tcp://10.0.0.7:1884/", "mqtt://10.0.0.7:1884"),
            ("mqtts://Broker.example", "mqtts://broker.example:8883"),
            ("ws://broker:8080", "ws://broker:8080/mqtt"),
            ("wss://broker/a/b", "wss://broker:443/a/b"),
            ("mqtt://[::1]:1883", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(Address::parse(url).ok().map(|address| address.to_string()).as_deref(), Some(shown), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_told() {
        for (url, said) in [
            ("broker:1883", "is not a url"),
            ("http://broker", "no way to a broker"),
            ("mqtt://", "names no host"),
            ("mqtt://broker:0", "has no port"),
            ("mqtt://broker:port", "has no port"),
            ("mqtt://broker/path", "has no path"),
            ("mqtt://me:secret@broker", "no user and password"),
            ("mqtt://[::1", "has no end"),
        ] {
            let problem = Address::parse(url).err().map(|problem| problem.message).unwrap_or_default();
            assert!(problem.contains(said), "{url}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
