//! The primary host of a Sparkplug edge node: nothing is published before it is online, and once it is gone the node leaves.

use serde::Deserialize;

use crate::mqtt::client::{Message, Reaction, Refusal};
use crate::mqtt::sparkplug::Topic;

/// What is known of the host on this connection.
pub(super) struct Primary {
    host: String,
    topic: String,
    is_online: bool,
    /// When it said so, in milliseconds.
    since: u64,
}

/// What a host says of itself.
#[derive(Deserialize)]
struct State {
    online: bool,
    timestamp: u64,
}

impl Primary {
    pub(super) fn new(host: String) -> Self {
        let topic = Topic::State(&host).to_string();
        Self { host, topic, is_online: false, since: 0 }
    }

    /// Where it says whether it is online.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// A connection is open: what another broker told of the host is no news of this one.
    pub(super) fn connected(&mut self) {
        (self.is_online, self.since) = (false, 0);
    }

    /// Takes a message. What is older than the last is no news: a death can come late.
    pub(super) fn hear(&mut self, message: &Message) {
        if message.topic != self.topic {
            return;
        }
        if let Ok(State { online, timestamp }) = serde_json::from_slice(&message.payload)
            && self.since <= timestamp
        {
            (self.is_online, self.since) = (online, timestamp);
        }
    }

    /// Why nothing may be published.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let message = || format!("the primary host `{}` is not online at this broker", self.host);
        (!self.is_online).then(|| Refusal { reaction: Reaction::OtherServer, ..Refusal::link(message()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_it_said_last_and_no_death_of_before_counts() {
        let mut primary = Primary::new("scada".to_owned());
        let say = |primary: &mut Primary, topic: &str, payload: &str| {
            let payload = payload.to_owned().into();
            primary.hear(&Message { topic: topic.to_owned(), payload, ..Message::default() });
            primary.refusal().is_none()
        };
        let topic = "spBv1.0/STATE/scada";
        for (topic, payload, is_online) in [
            ("spBv1.0/STATE/other", r#"{"online":true,"timestamp":9}"#, false),
            (topic, "ONLINE", false),
            (topic, r#"{"online":true,"timestamp":-1}"#, false),
            (topic, r#"{"online":true,"timestamp":5}"#, true),
            (topic, r#"{"online":false,"timestamp":4}"#, true),
            (topic, r#"{"online":false,"timestamp":5}"#, false),
            (topic, r#"{"online":true,"timestamp":6}"#, true),
        ] {
            assert_eq!(say(&mut primary, topic, payload), is_online, "{topic} {payload}");
        }
        primary.connected();
        assert!(primary.refusal().unwrap().message.contains("`scada` is not online"));
    }
}
