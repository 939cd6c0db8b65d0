//! Why a broker says no, in words, and who is to do something about it.

use std::fmt;

use fieldflow_contract::{Cause, NodeError, Quality};

/// Who is to do something about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reaction {
    /// Time: the same again after a while.
    Retry,
    /// Another broker of the list, if there is one; else time.
    OtherServer,
    /// A person: said once and loudly; tried again seldom.
    Person,
}

/// Something that a broker, or the way to it, did not let happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What was tried and what happened.
    pub(crate) message: String,
    /// Who is to do something.
    pub(crate) reaction: Reaction,
    /// The reason code of MQTT 5, if the broker gave one.
    pub(crate) code: Option<u8>,
    /// What records get because of it.
    pub(crate) quality: Quality,
    /// Whether it is about one message only, and the connection goes on.
    pub(crate) is_of_message: bool,
}

impl Refusal {
    /// The way to the broker is at fault.
    pub(crate) fn link(message: impl Into<String>) -> Self {
        let quality = Quality::BAD_NOT_CONNECTED;
        Self { message: message.into(), reaction: Reaction::Retry, code: None, quality, is_of_message: false }
    }

    /// The broker gave this reason code.
    pub(crate) fn code(what: impl fmt::Display, code: u8, said: Option<&str>) -> Self {
        let said = said.map(|said| format!(" (\"{}\")", shown(said))).unwrap_or_default();
        let (words, help) = words(code);
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        let message = format!("{what}: {words}, 0x{code:02X}{said}{help}");
        let quality = match reaction(code) {
            Reaction::Person => Quality::BAD_CONFIGURATION,
            _ => Quality::BAD_NOT_CONNECTED,
        };
        Self { message, reaction: reaction(code), code: Some(code), quality, is_of_message: false }
    }

    /// For a person to act upon.
    pub(crate) fn person(message: impl Into<String>) -> Self {
        let quality = Quality::BAD_CONFIGURATION;
        Self { message: message.into(), reaction: Reaction::Person, code: None, quality, is_of_message: false }
    }

    /// The same, about one message only.
    #[must_use]
    pub(crate) fn of_message(self) -> Self {
        Self { is_of_message: true, ..self }
    }

    /// As a cause, for the runtime.
    pub(crate) fn cause(&self) -> Cause {
        Cause::new(self.message.clone()).with_quality(self.quality)
    }
}

impl From<Refusal> for NodeError {
    fn from(refusal: Refusal) -> Self {
        Self::Disconnected(refusal.cause())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a broker says, fit for one line: it may say anything.
fn shown(said: &str) -> String {
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Who is to do something about a reason code. One that is not known may be gone next time.
pub(crate) fn reaction(code: u8) -> Reaction {
    match code {
        0x9C | 0x9D => Reaction::OtherServer,
        0x84..=0x87 | 0x8A | 0x8C | 0x8E | 0x8F | 0x90 | 0x95 | 0x98 | 0x99 | 0x9A | 0x9B | 0x9E | 0xA1 | 0xA2 => {
            Reaction::Person
        }
        _ => Reaction::Retry,
    }
}

/// A reason code in words, and what to do about it.
pub(crate) fn words(code: u8) -> (&'static str, &'static str) {
    match code {
        0x00 => ("success", ""),
        0x04 => ("disconnected, with the will", ""),
        0x10 => ("nobody has subscribed to it", ""),
        0x11 => ("there was no such subscription", ""),
        0x80 => ("no reason given", ""),
        0x81 => ("what it got is no MQTT", ""),
        0x82 => ("what it got is not allowed by the protocol", ""),
        0x83 => ("its own reason", ""),
        0x84 => ("it does not speak this version", "set `version` to the other one, 5 or 3.1.1"),
        0x85 => ("it does not take this client id", "set another `client_id`"),
        0x86 => ("wrong user name or password", "mend `username` and `password`"),
        0x87 => ("not authorised", "have the broker allow it for this user"),
        0x88 => ("it is not available", ""),
        0x89 => ("it is busy", ""),
        0x8A => ("this client is banned", "ask who runs the broker"),
        0x8B => ("it is shutting down", ""),
        0x8C => {
            ("it wants another way to authenticate", "only a user name and password, or a certificate, can be given")
        }
        0x8D => ("it heard nothing in time", ""),
        0x8E => {
            ("another client has taken the session over", "two clients have the same `client_id`: give each its own")
        }
        0x8F => ("it does not take this topic filter", "mend `topics`"),
        0x90 => ("it does not take this topic", "mend `topic`"),
        0x91 => ("the number of the packet is in use", ""),
        0x92 => ("the number of the packet is not known", ""),
        0x93 => ("too many messages under way", ""),
        0x94 => ("topic alias not known", ""),
        0x95 => ("the packet is too long", "make it shorter, or have the broker take longer ones"),
        0x96 => ("messages come too fast", ""),
        0x97 => ("a quota is used up", ""),
        0x98 => ("somebody ended the connection there", "ask who runs the broker"),
        0x99 => ("the payload is not what was said", "mend `payload`"),
        0x9A => ("it keeps no retained messages", "leave `retain` out"),
        0x9B => ("it has not this quality of service", "set a lower `qos`"),
        0x9C => ("another server is to be used", ""),
        0x9D => ("the server has moved", ""),
        0x9E => ("it has no shared subscriptions", "leave `$share/…` out"),
        0x9F => ("connections come too fast", ""),
        0xA0 => ("longest time of a connection", ""),
        0xA1 => ("it has no subscription identifiers", ""),
        0xA2 => ("it has no wildcards in subscriptions", "name each topic"),
        _ => ("a reason that is not known", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_happened_and_who_is_to_act() {
        let refusal = Refusal::code("mqtt://a:1883 refused the connection", 0x86, Some("go\naway"));
        assert_eq!(
            refusal.message,
            "mqtt://a:1883 refused the connection: wrong user name or password, 0x86 (\"go away\"); mend `username` and \
             `password`"
        );
        assert_eq!(refusal.reaction, Reaction::Person);
    }

    #[test]
    fn every_code_has_a_reaction_and_words() {
        for (code, wanted) in [
            (0x80, Reaction::Retry),
            (0x83, Reaction::Retry),
            (0x88, Reaction::Retry),
            (0x89, Reaction::Retry),
            (0x8B, Reaction::Retry),
            (0x97, Reaction::Retry),
            (0x9F, Reaction::Retry),
            (0x9C, Reaction::OtherServer),
            (0x9D, Reaction::OtherServer),
            (0x84, Reaction::Person),
            (0x87, Reaction::Person),
            (0x90, Reaction::Person),
            (0x95, Reaction::Person),
            (0x9A, Reaction::Person),
            (0xFE, Reaction::Retry),
        ] {
            assert_eq!(reaction(code), wanted, "0x{code:02X}");
        }
        assert!((0..=u8::MAX).all(|code| !words(code).0.is_empty()));
    }
}
