//! What became of a message, told to whoever wants to know.

use fieldflow_contract::{Outcome, Quality};
use serde_json::json;

use super::filter;
use super::outbox::Outbox;
use crate::mqtt::client::{Message, Properties, Qos};

/// Longest topic and longest correlation data that are answered.
const LONGEST: usize = 4096;
/// Characters of a reason that are told.
const REASON: usize = 500;

/// Who wants to know what becomes of a message.
pub(super) struct Answer {
    topic: String,
    message: Message,
    /// What was wrong with it from the start.
    reason: Option<String>,
    /// Whether it comes again when it is lost on its way.
    comes_again: bool,
}

/// Whether a message wants an answer that can be given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    None,
    Wanted,
    /// To where nothing can be published, or from where the answer would come back as a message.
    Refused,
}

/// What a message wishes.
pub(super) fn wish(message: &Message, filters: &[(String, u8)]) -> Wish {
    let Some(properties) = &message.properties else { return Wish::None };
    let Some(topic) = &properties.response_topic else { return Wish::None };
    let is_topic = !topic.is_empty() && !topic.starts_with('$') && !topic.contains(['+', '#', '\0']);
    let correlation = properties.correlation.as_ref().map_or(0, bytes::Bytes::len);
    let is_short = topic.len() <= LONGEST && correlation <= LONGEST;
    if is_topic && is_short && !filters.iter().any(|(filter, _)| filter::hears(filter, topic)) {
        Wish::Wanted
    } else {
        Wish::Refused
    }
}

impl Answer {
    /// The answer to a message that [`wish`] found one wanted for.
    pub(super) fn to(message: &Message, quality: Quality) -> Option<Self> {
        let properties = message.properties.as_ref()?;
        let answer = Properties {
            is_text: true,
            content_type: Some("application/json".to_owned()),
            correlation: properties.correlation.clone(),
            ..Properties::default()
        };
        Some(Self {
            topic: message.topic.clone(),
            message: Message {
                topic: properties.response_topic.clone()?,
                qos: Qos::AtLeastOnce,
                properties: Some(Box::new(answer)),
                ..Message::default()
            },
            reason: quality.is_bad().then(|| format!("what it says could not be read: {quality}")),
            comes_again: message.qos != Qos::AtMostOnce,
        })
    }

    /// Tells the outcome. Of what is lost and comes again nothing is told yet.
    pub(super) fn tell(self, outcome: Outcome, why: Option<&str>, outbox: &Outbox) {
        if outcome == Outcome::Failed && self.comes_again {
            return;
        }
        let mut said = json!({ "result": outcome.word(), "topic": self.topic });
        let why = why.map(|why| why.chars().take(REASON).collect());
        if let (Some(reason), Some(said)) = (self.reason.or(why), said.as_object_mut()) {
            said.insert("reason".to_owned(), reason.into());
        }
        outbox.put(Message { payload: said.to_string().into_bytes().into(), ..self.message });
    }
}
