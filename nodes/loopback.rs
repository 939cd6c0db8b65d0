//! What counts as this machine: secrets may go there in the clear, and made-up values may be written there.

use std::net::IpAddr;

/// Whether a host is this machine, whoever resolves its name.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_name_and_its_addresses() {
        for here in ["localhost", "127.0.0.1", "127.8.0.1", "::1"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["0.0.0.0", "10.0.0.7", "localhost.example", "127.0.0.1.example", "plc", "", "::"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
