//! Why a server, or the way to it, says no: in words, and who is to do something about it.

use std::fmt;

use fieldflow_contract::{Cause, NodeError, Quality};
use opcua::types::{Error, StatusCode};

/// Something that a server, or the way to it, did not let happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What was tried, what happened, and what to do about it.
    pub(super) message: String,
    /// The status code, if the server or the client gave one.
    pub(super) code: StatusCode,
    /// Whether a person is to do something: tried again seldom only.
    pub(super) is_for_a_person: bool,
}

impl Refusal {
    /// A request was answered, or ended, with an error.
    pub(super) fn of(what: impl fmt::Display, error: &Error) -> Self {
        Self::code(what, error.status())
    }

    /// A request was answered with this status.
    pub(super) fn code(what: impl fmt::Display, code: StatusCode) -> Self {
        let (words, help) = words(code);
        let name = name(code);
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        let message = match words {
            "" => format!("{what}: {name}"),
            words => format!("{what}: {words} ({name}){help}"),
        };
        Self { message, code, is_for_a_person: !help.is_empty() }
    }

    /// The way to the server is at fault.
    pub(super) fn link(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: StatusCode::BadCommunicationError, is_for_a_person: false }
    }

    /// For a person to act upon.
    pub(super) fn person(message: impl Into<String>, code: StatusCode) -> Self {
        Self { message: message.into(), code, is_for_a_person: true }
    }

    /// What records get because of it.
    fn quality(&self) -> Quality {
        match self.code {
            StatusCode::BadTimeout => Quality::BAD_TIMEOUT,
            _ if self.is_for_a_person => Quality::BAD_CONFIGURATION,
            _ => Quality::BAD_NOT_CONNECTED,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Refusal> for NodeError {
    fn from(refusal: Refusal) -> Self {
        let quality = refusal.quality();
        Self::Disconnected(Cause::new(refusal.message).with_quality(quality))
    }
}

/// The name of a status code: `BadTimeout`.
pub(super) fn name(code: StatusCode) -> String {
    let named = code.to_string();
    // What the library calls one that it does not know.
    if named.is_empty() || named == "Invalid" { format!("0x{:08X}", code.bits()) } else { named }
}

/// What a status code means, and what a person can do about it, if only a person can.
fn words(code: StatusCode) -> (&'static str, &'static str) {
    match code {
        StatusCode::BadCertificateUntrusted | StatusCode::BadSecurityChecksFailed => (
            "the server does not trust this client's certificate",
            "have its administrator trust the certificate that `fieldflow pki show` names",
        ),
        StatusCode::BadCertificateTimeInvalid | StatusCode::BadCertificateIssuerTimeInvalid => (
            "the server finds this client's certificate out of date",
            "look at the clocks of both, and at the dates of the certificate that `fieldflow pki show` names",
        ),
        StatusCode::BadCertificateUriInvalid => (
            "the application uri is not that of the certificate",
            "if the certificate was put in place by hand, give it this client's application uri as a subject alternative name",
        ),
        StatusCode::BadCertificateHostNameInvalid => {
            ("the certificate is made out to another host", "make one out to this host")
        }
        StatusCode::BadCertificateRevoked | StatusCode::BadCertificateIssuerRevoked => {
            ("the server says that this client's certificate is revoked", "put a new one in its place")
        }
        StatusCode::BadCertificateInvalid
        | StatusCode::BadCertificateUseNotAllowed
        | StatusCode::BadCertificatePolicyCheckFailed
        | StatusCode::BadCertificateChainIncomplete
        | StatusCode::BadCertificateRevocationUnknown
        | StatusCode::BadApplicationSignatureInvalid => {
            ("the server does not accept this client's certificate", "see the log of the server for the reason")
        }
        StatusCode::BadSecurityPolicyRejected | StatusCode::BadSecurityModeRejected => {
            ("the server does not offer this security", "write a policy and a mode under `security` that it offers")
        }
        StatusCode::BadIdentityTokenRejected | StatusCode::BadIdentityTokenInvalid => (
            "the server does not accept this user",
            "check `user`; without it nobody in particular logs in (anonymous), which a server may not allow",
        ),
        StatusCode::BadUserAccessDenied => {
            ("the server does not let this user do that", "check `user` and its rights there")
        }
        StatusCode::BadUserSignatureInvalid => ("the key does not fit the user's certificate", "check `user`"),
        StatusCode::BadTcpEndpointUrlInvalid | StatusCode::BadServerUriInvalid => {
            ("the server does not know itself by this address", "check the path at the end of `url`")
        }
        StatusCode::BadTimeout | StatusCode::BadRequestTimeout => ("no answer in time", ""),
        StatusCode::BadTooManySessions => ("the server has as many sessions as it can have", ""),
        StatusCode::BadTooManySubscriptions => ("the server has as many subscriptions as it can have", ""),
        StatusCode::BadTooManyMonitoredItems => ("the server has as many monitored items as it can have", ""),
        StatusCode::BadTcpServerTooBusy | StatusCode::BadServerTooBusy => ("the server is too busy", ""),
        StatusCode::BadServerHalted | StatusCode::BadShutdown => ("the server is shutting down", ""),
        StatusCode::BadNotConnected | StatusCode::BadConnectionClosed | StatusCode::BadSecureChannelClosed => {
            ("the connection was closed", "")
        }
        StatusCode::BadCommunicationError => ("the connection broke", ""),
        StatusCode::BadSessionIdInvalid | StatusCode::BadSessionClosed | StatusCode::BadSessionNotActivated => {
            ("the server has ended the session", "")
        }
        StatusCode::BadSubscriptionIdInvalid | StatusCode::BadNoSubscription => {
            ("the server has no such subscription", "")
        }
        StatusCode::BadNodeIdUnknown => ("the server has no such node", ""),
        StatusCode::BadNodeIdInvalid => ("the server cannot read the id of this node", ""),
        StatusCode::BadNoMatch => ("there is no node at the end of this path", ""),
        StatusCode::BadIndexRangeNoData | StatusCode::BadIndexRangeInvalid => ("the array has no such elements", ""),
        StatusCode::BadNotReadable => ("the node cannot be read", ""),
        _ => ("", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_person_can_mend_is_told_from_what_time_mends() {
        let refusal = Refusal::code("opc.tcp://plc refused the session", StatusCode::BadIdentityTokenRejected);
        assert!(refusal.is_for_a_person);
        assert!(
            refusal.message.contains("does not accept this user (BadIdentityTokenRejected); check `user`"),
            "{refusal}"
        );
        assert_eq!(NodeError::from(refusal).to_string().matches("BadIdentity").count(), 1);
        let refusal = Refusal::code("opc.tcp://plc refused the session", StatusCode::BadTooManySessions);
        assert!(!refusal.is_for_a_person);
        let unknown = Refusal::code("x", StatusCode::BadOutOfMemory);
        assert_eq!(unknown.message, "x: BadOutOfMemory");
    }
}
