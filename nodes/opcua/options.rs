//! The options that say where a server is, how the connection to it is secured, and who logs in.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{At, Findings};
use opcua::client::IdentityToken;
use opcua::crypto::{CertificateStore, SecurityPolicy, X509};
use opcua::types::MessageSecurityMode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::profile::Kind;

/// How the connection is secured.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct SecurityOptions {
    /// How keys are exchanged and messages secured. The server must offer it; none other is used in its place.
    #[serde(default)]
    policy: Policy,
    /// What is done with each message: `SignAndEncrypt`, the default; `Sign`; or `None`, which goes with policy `None`.
    mode: Option<Mode>,
    /// Whether the connection may be insecure: policy `None`, or one that is broken by now.
    #[serde(default)]
    allow_insecure: bool,
    /// Whether the certificate of the server may be made out to another host than that of `url`, as behind a router. It is
    /// still that very certificate that must be trusted.
    #[serde(default)]
    any_host: bool,
}

/// How keys are exchanged and messages secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub(super) enum Policy {
    /// Not at all. Only with `allow_insecure`.
    None,
    /// SHA-1 and RSA 1.5: broken. Only with `allow_insecure`.
    Basic128Rsa15,
    /// SHA-1: broken. Only with `allow_insecure`.
    Basic256,
    /// What nearly every server knows.
    #[default]
    Basic256Sha256,
    /// For small devices.
    #[serde(rename = "Aes128_Sha256_RsaOaep")]
    Aes128Sha256RsaOaep,
    /// The strongest.
    #[serde(rename = "Aes256_Sha256_RsaPss")]
    Aes256Sha256RsaPss,
}

/// What is done with each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Mode {
    /// Nothing.
    None,
    /// Nobody can change it.
    Sign,
    /// Nobody can change it or read it.
    SignAndEncrypt,
}

/// How the connection is secured; found right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Security {
    pub(super) policy: SecurityPolicy,
    pub(super) mode: MessageSecurityMode,
    pub(super) any_host: bool,
}

impl SecurityOptions {
    /// Reads the options; `None` if one of them is wrong.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Security> {
        let at = |option: &str| At::from("security").key(option);
        let is_none = self.policy == Policy::None;
        let mode = self.mode.unwrap_or(if is_none { Mode::None } else { Mode::SignAndEncrypt });
        let before = findings.0.len();
        if is_none != (mode == Mode::None) {
            findings
                .error(
                    at("mode"),
                    format!("mode `{mode:?}` does not go with policy `{}`", self.policy.policy().to_str()),
                )
                .help(if is_none {
                    "leave `mode` out, or name a policy such as Basic256Sha256"
                } else {
                    "write SignAndEncrypt or Sign; a connection without security has policy: None"
                });
        }
        let broken = matches!(self.policy, Policy::Basic128Rsa15 | Policy::Basic256);
        if !self.allow_insecure && (is_none || broken) {
            let what = if is_none {
                "anybody on the way can read and change what is sent"
            } else {
                "this policy rests on SHA-1, which is broken"
            };
            findings
                .error(at("policy"), what)
                .help("write Basic256Sha256 or better, or say allow_insecure: true beside it if it must be so");
        } else if self.allow_insecure && (is_none || broken) {
            let what =
                if is_none { "is neither signed nor encrypted" } else { "is secured by a policy that is broken" };
            findings.warning(at("policy"), format!("the connection {what}"));
        } else if self.allow_insecure {
            findings
                .warning(at("allow_insecure"), "the connection is secure, so nothing insecure needs to be allowed")
                .help("leave it out");
        }
        let mode = match mode {
            Mode::None => MessageSecurityMode::None,
            Mode::Sign => MessageSecurityMode::Sign,
            Mode::SignAndEncrypt => MessageSecurityMode::SignAndEncrypt,
        };
        let wrong = findings.0.iter().skip(before).any(|found| found.severity == fieldflow_contract::Severity::Error);
        (!wrong).then(|| Security { policy: self.policy.policy(), mode, any_host: self.any_host })
    }
}

impl Policy {
    fn policy(self) -> SecurityPolicy {
        match self {
            Self::None => SecurityPolicy::None,
            Self::Basic128Rsa15 => SecurityPolicy::Basic128Rsa15,
            Self::Basic256 => SecurityPolicy::Basic256,
            Self::Basic256Sha256 => SecurityPolicy::Basic256Sha256,
            Self::Aes128Sha256RsaOaep => SecurityPolicy::Aes128Sha256RsaOaep,
            Self::Aes256Sha256RsaPss => SecurityPolicy::Aes256Sha256RsaPss,
        }
    }
}

/// A password. Shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Who logs in: with a name and a password, or with a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct User {
    /// The name.
    name: Option<String>,
    /// The password, best as `"${env:OPC_PASSWORD}"`. Never sent over a connection that is not encrypted.
    password: Option<Secret>,
    /// The user's certificate, as a DER or PEM file beside the pipeline file.
    certificate: Option<String>,
    /// The key of the certificate, as a PEM file.
    key: Option<String>,
}

impl User {
    /// Reports what is wrong by itself.
    pub(super) fn check(&self, security: Security, findings: &mut Findings) {
        let at = |option: &str| At::from("user").key(option);
        match (&self.name, &self.password, &self.certificate, &self.key) {
            (Some(name), Some(_), None, None) => {
                if name.is_empty() {
                    findings
                        .error(at("name"), "the name is empty")
                        .help("leave `user` out to log in as nobody in particular");
                }
                if security.mode != MessageSecurityMode::SignAndEncrypt {
                    findings
                        .error(at("password"), "a password is never sent over a connection that is not encrypted")
                        .help("security: { policy: Basic256Sha256, mode: SignAndEncrypt }, which is what you get without `security`");
                }
            }
            (None, None, Some(_), Some(_)) => {
                if security.mode == MessageSecurityMode::None {
                    findings
                        .error(at("certificate"), "a certificate proves nothing on a connection that is not signed")
                        .help("leave `security` out, or write mode: Sign");
                }
            }
            _ => {
                findings
                    .error("user", "a user has a name and a password, or a certificate and its key")
                    .help("write user: { name: op, password: \"${env:OPC_PASSWORD}\" }");
            }
        }
    }

    /// Who it is, with what the files hold. An error names the option that is wrong.
    pub(super) fn token(&self, folder: &Path) -> Result<IdentityToken, (&'static str, String)> {
        if let (Some(name), Some(Secret(password))) = (&self.name, &self.password) {
            return Ok(IdentityToken::UserName(name.clone(), password.as_str().into()));
        }
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(IdentityToken::Anonymous);
        };
        let path = folder.join(certificate);
        let wrong = |why: String| ("certificate", format!("{} cannot be read as a certificate: {why}", path.display()));
        let bytes = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let certificate = X509::from_der(&bytes).or_else(|_| X509::from_pem(&bytes));
        let certificate = certificate.map_err(|_| wrong("it is neither DER nor PEM".to_owned()))?;
        let path = folder.join(key);
        let key = CertificateStore::read_pkey(&path)
            .map_err(|_| ("key", format!("{} cannot be read as a PEM key", path.display())))?;
        Ok(IdentityToken::X509(Box::new(certificate), Box::new(key)))
    }
}

/// How a server is reached; found right.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) url: String,
    pub(super) security: Security,
    pub(super) user: Option<User>,
    pub(super) timeout: Duration,
    /// What kind of server it is, if a person has said so.
    pub(super) kind: Option<Kind>,
    /// Most nodes that one request names, if a person has said so.
    pub(super) batch: Option<u32>,
    /// How long what is in a session shall outlive the connection.
    pub(super) lifetime: Duration,
}

impl Access {
    /// Reads the options that say so; `None` if the address or its security is wrong.
    pub(super) fn resolve(
        (url, security, user): (&str, &SecurityOptions, Option<&User>),
        (timeout, kind, batch): (Duration, Option<Kind>, Option<u32>),
        findings: &mut Findings,
    ) -> Option<Self> {
        let url = address(url, findings);
        let security = security.resolve(findings);
        if let (Some(user), Some(security)) = (user, &security) {
            user.check(*security, findings);
        }
        let (url, security) = (url?, security?);
        Some(Self { url, security, user: user.cloned(), timeout, kind, batch, lifetime: Duration::ZERO })
    }
}

/// For how many publishing intervals things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lasting {
    /// An empty message is sent after so many.
    pub(super) keep_alive: u32,
    /// The subscription is forgotten after so many without a request.
    pub(super) lifetime: u32,
}

impl Lasting {
    pub(super) fn new(publishing: Duration, keep_alive: Duration, lifetime: Duration) -> Self {
        let publishing = publishing.as_micros().max(1);
        let count = |span: Duration| u32::try_from(span.as_micros().div_ceil(publishing)).unwrap_or(u32::MAX).max(1);
        let keep_alive = count(keep_alive).min(u32::MAX / 3);
        Self { keep_alive, lifetime: count(lifetime).max(keep_alive * 3) }
    }
}

/// Reads the address of a server; `None` if it is none.
fn address(text: &str, findings: &mut Findings) -> Option<String> {
    let mut wrong = |message: String| {
        findings.error("url", message).help("write opc.tcp://HOST:PORT, such as opc.tcp://127.0.0.1:4840");
        None
    };
    // Said first, as the others show the address.
    if text.split("//").last().and_then(|rest| rest.split('/').next()).is_some_and(|host| host.contains('@')) {
        return wrong("nobody logs in by the address: that is for `user`".to_owned());
    }
    if !text.starts_with("opc.tcp://") {
        return wrong(format!("`{text}` is not the address of an OPC UA server over TCP"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return wrong("there is a blank in the address".to_owned());
    }
    if host(text).is_none() { wrong(format!("`{text}` names no host and port")) } else { Some(text.to_owned()) }
}

/// The host and the port of an address.
pub(super) fn host(url: &str) -> Option<(String, u16)> {
    let authority = url.strip_prefix("opc.tcp://")?.split(['/', '?', '#']).next()?;
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = port.map_or(Some(4840), |port| port.parse().ok().filter(|port| *port != 0))?;
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::Severity::{Error, Warning};

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (url, expected) in [
            ("opc.tcp://plc", Some(("plc", 4840))),
            ("opc.tcp://10.0.0.7:48010/server/path", Some(("10.0.0.7", 48010))),
            ("opc.tcp://[::1]:4841", Some(("::1", 4841))),
            ("opc.tcp://[::1]", Some(("::1", 4840))),
            ("opc.tcp://:4840", None),
            ("opc.tcp://plc:0", None),
            ("opc.tcp://plc:70000", None),
            ("opc.tcp://[::1", None),
        ] {
            assert_eq!(host(url), expected.map(|(host, port)| (host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn counts_are_of_publishing_intervals_and_a_lifetime_is_three_keep_alives_at_least() {
        let ms = Duration::from_millis;
        assert_eq!(Lasting::new(ms(500), ms(5000), ms(600_000)), Lasting { keep_alive: 10, lifetime: 1200 });
        assert_eq!(Lasting::new(ms(60_000), ms(5000), ms(15_000)), Lasting { keep_alive: 1, lifetime: 3 });
    }

    #[test]
    fn nothing_insecure_is_had_without_a_word() {
        let resolve = |json: &str| {
            let mut findings = Findings::default();
            let options: SecurityOptions = serde_json::from_str(json).unwrap();
            (options.resolve(&mut findings), findings.0.first().map(|found| found.severity))
        };
        let (secure, said) = resolve("{}");
        assert_eq!(
            secure.map(|it| (it.policy, it.mode)),
            Some((SecurityPolicy::Basic256Sha256, MessageSecurityMode::SignAndEncrypt))
        );
        assert_eq!(said, None);
        for (json, severity) in [
            (r#"{"policy":"None"}"#, Error),
            (r#"{"policy":"Basic256"}"#, Error),
            (r#"{"mode":"None"}"#, Error),
            (r#"{"policy":"None","mode":"Sign","allow_insecure":true}"#, Error),
            (r#"{"policy":"None","allow_insecure":true}"#, Warning),
            (r#"{"allow_insecure":true}"#, Warning),
        ] {
            let (security, said) = resolve(json);
            assert_eq!((security.is_some(), said), (severity == Warning, Some(severity)), "{json}");
        }
    }
}
