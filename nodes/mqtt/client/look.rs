//! What `validate --connect` sees of brokers: whether each can be reached, is trusted, and takes the login. It connects under a
//! name of its own, so that the client that runs is not thrown out, and leaves nothing behind: no session, no will.

use std::time::Duration;

use fieldflow_contract::{At, BuildContext, BuildError, Looking, Seen};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::brokers::{Trust, trust};
use super::connection::{Connection, Session};
use super::dial::Failure;
use super::options::Options;
use super::reason::Refusal;
use super::{Address, Version};

/// Prepares a look at all brokers of these options, which stand at `url` or in `urls`; nothing is opened yet.
pub(crate) fn look(
    options: Options,
    is_list: bool,
    context: &BuildContext,
    within: Duration,
) -> Result<Looking, BuildError> {
    let tls = trust(&options, context)?;
    let within = within.min(options.timeout);
    // Every broker takes an id of up to 23 characters.
    let client_id = format!("fieldflow-check-{:06x}", fastrand::u32(..1 << 24));
    let options = Options { client_id, is_clean: true, session_expiry: 0, will: None, ..options };
    Ok(Box::pin(async move {
        let looks = options.addresses.iter().map(|address| at(address, &options, tls.as_ref(), within));
        let mut seen = Seen::default();
        for (index, (address, found)) in options.addresses.iter().zip(join_all(looks).await).enumerate() {
            let place = if is_list { At::from("urls").index(index) } else { At::from("url") };
            match found {
                Ok(()) if options.username.is_some() => {
                    seen.said.push(format!("{} takes the login", address.authority()));
                }
                Ok(()) => seen.said.push(format!("{} takes a client without a user name", address.authority())),
                Err(failure) => tell(failure, place, &options, &mut seen),
            }
        }
        seen
    }))
}

async fn at(address: &Address, options: &Options, tls: Option<&Trust>, within: Duration) -> Result<(), Failure> {
    let (name, session) = (address.to_string(), Session::default());
    let open = Connection::open(&name, address, options, tls, &session, None, || {});
    match timeout(within, open).await {
        Ok(Ok(connection)) => {
            connection.close().await;
            Ok(())
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::Link(Refusal::link(format!("{name} did not take the connection within {within:?}")))),
    }
}

/// Reports a refusal at the option that is to blame for it.
fn tell(failure: Failure, url: At, options: &Options, seen: &mut Seen) {
    match failure {
        Failure::Distrust(refusal) => {
            let at = if options.tls.is_some() { At::from("tls") } else { url };
            seen.findings.error(at, refusal.message);
        }
        Failure::Link(refusal) => match refusal.code {
            // Bad user name or password; not authorized.
            Some(0x86 | 0x87) if options.username.is_some() => {
                seen.findings.error("username", refusal.message);
            }
            Some(0x86 | 0x87) => {
                seen.findings
                    .error(url, refusal.message)
                    .help("the broker asks for a login: write `username` and `password`");
            }
            // The name was made up here: the one of the file may be let in.
            Some(0x85) => {
                let help = match options.version {
                    Version::V5 => "it lets in certain client ids only, and this look has one of its own",
                    Version::V3 => "this look has a client id of its own: perhaps it lets in certain ones only",
                };
                seen.findings.warning(url, refusal.message).help(help);
            }
            Some(_) => {
                seen.findings.error(url, refusal.message);
            }
            None => {
                seen.findings
                    .error(url, refusal.message)
                    .help("check the host, the port, and whether the broker wants mqtts:// there");
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Scripted, WELCOME};
    use super::super::tests::client;
    use super::*;

    async fn looked(urls: &[String], change: impl FnOnce(&mut Options)) -> Seen {
        let (client, context, _dir) = client(urls, change);
        look(client.options, true, &context, Duration::from_secs(5)).unwrap().await
    }

    #[tokio::test]
    async fn each_broker_is_logged_in_at_under_another_name_and_left_in_peace() {
        let brokers = [Scripted::start().await, Scripted::start().await];
        let urls = brokers.each_ref().map(Scripted::url);
        let change = |options: &mut Options| {
            "running".clone_into(&mut options.client_id);
            options.username = Some("user".to_owned());
            (options.is_clean, options.session_expiry) = (false, 600);
        };
        let scripted = async {
            let mut connects = Vec::new();
            for broker in &brokers {
                let mut peer = broker.accept().await;
                connects.push(peer.expect(1).await);
                peer.send(WELCOME).await;
                assert_eq!(peer.packet().await.map(|(first, _)| first), Some(0xE0), "it says goodbye and nothing else");
            }
            connects
        };
        let (seen, connects) = tokio::join!(looked(&urls, change), scripted);
        let told = urls.each_ref().map(|url| format!("{} takes the login", url.trim_start_matches("mqtt://")));
        assert_eq!((seen.said.as_slice(), seen.findings.0.as_slice()), (&told[..], &[][..]));
        for connect in connects {
            let text = String::from_utf8_lossy(&connect).into_owned();
            assert!(text.contains("fieldflow-check-") && !text.contains("running"), "{text}");
            // Protocol name, version, then the flags: a user name and a clean start, no will.
            assert_eq!(connect[7], 0x82);
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_at_the_option_that_is_to_blame() {
        for (code, user, at, is_error) in [
            (0x86, Some("user"), "username", true),
            (0x87, None, "urls[0]", true),
            (0x85, None, "urls[0]", false),
            (0x8A, Some("user"), "urls[0]", true),
        ] {
            let broker = Scripted::start().await;
            let urls = [broker.url()];
            let change = |options: &mut Options| options.username = user.map(str::to_owned);
            let connack = [0x20, 3, 0, code, 0];
            let (seen, _peer) = tokio::join!(looked(&urls, change), broker.welcome(&connack));
            let [found] = &seen.findings.0[..] else { panic!("{seen:?}") };
            let severity = found.severity == fieldflow_contract::Severity::Error;
            assert_eq!((found.at.to_string().as_str(), severity), (at, is_error), "{found:?}");
            assert!(found.message.contains("refused the connection: "), "{found:?}");
            assert!(seen.said.is_empty());
        }
    }
}
