//! A request that writes, what the server answers to it, and what it holds afterwards.

use opcua::core::ResponseMessage;
use opcua::types::{AttributeId, DataValue, Error, ReadValueId, StatusCode, WriteRequest, WriteValue};
use tokio::time::sleep;

use super::form::told;
use super::outcome::{Fault, is_outdated, is_too_much, of_request, of_value};
use super::scalar::date;
use super::writer::{Command, Ended, Writer};
use crate::command::amount::shown;
use crate::command::book::{Deed, Underway};
use crate::command::gates::AGAIN;
use crate::opcua::refusal::{Refusal, name};
use crate::opcua::session::value_of;
use crate::opcua::values::{self, Made};

/// What became of a request.
pub(super) enum Sending {
    /// Each of its values has an outcome.
    Done,
    /// Nothing was written, and it can be tried again, perhaps in smaller parts.
    Again,
    /// Nothing was written, and the connection is lost.
    Lost(Refusal),
}

/// What the server answered.
enum Answer {
    Values(Vec<StatusCode>),
    Fault(StatusCode),
    /// It did not, or not to that.
    Lost(Error),
}

impl Writer {
    /// Sends commands in one request, and notes how each of them ended.
    pub(super) async fn send(&mut self, group: Vec<Command<'_>>, ended: &mut [Option<Ended>]) -> Sending {
        let Some(session) = &mut self.session else {
            return Sending::Lost(Refusal::link("the connection is not open"));
        };
        if session.channel.is_closed() {
            let refusal = session.channel.closed().await;
            return Sending::Lost(self.lost(refusal));
        }
        let nodes = group.iter().map(|command| self.value(command)).collect();
        let underway: Vec<Underway> = group.iter().map(|command| self.note(command)).collect();
        let answer = self.ask(nodes, group.len()).await;
        let fault = match &answer {
            Answer::Fault(status) => Some(of_request(*status)),
            Answer::Values(_) | Answer::Lost(_) => None,
        };
        match (fault, &answer) {
            (Some(Fault::Size), _) if 1 < group.len() => {
                underway.into_iter().for_each(Underway::forget);
                if let Some(session) = &mut self.session {
                    session.profile.writes = group.len() / 2;
                }
                self.server.tally.add("batch_halved", 1);
                return Sending::Again;
            }
            (Some(Fault::Busy), _) => {
                underway.into_iter().for_each(Underway::forget);
                sleep(AGAIN).await;
                return Sending::Again;
            }
            (Some(Fault::Session), Answer::Fault(status)) => {
                underway.into_iter().for_each(Underway::forget);
                let refusal = Refusal::code(format_args!("{}: nothing was written", self.server.url()), *status);
                return Sending::Lost(self.lost(refusal));
            }
            _ => {}
        }
        self.gates.sent(group.iter().map(|command| command.record.tag));
        let mut outcomes = self.outcomes(&group, answer);
        self.read_back(&group, &mut outcomes).await;
        for ((command, underway), outcome) in group.iter().zip(underway).zip(outcomes) {
            let outcome = match outcome {
                Ok(word) => Ok(underway.end(word, String::new())),
                Err((word, reason)) => Err(underway.failed(word, reason)),
            };
            if let Some(slot) = ended.get_mut(command.at) {
                *slot = Some(outcome);
            }
        }
        Sending::Done
    }

    fn value(&self, command: &Command<'_>) -> WriteValue {
        let source_timestamp = if self.source_time { date(command.record.time) } else { None };
        WriteValue {
            node_id: command.node.clone(),
            attribute_id: AttributeId::Value as u32,
            index_range: self.targets.get(command.target).map(|target| target.part.clone()).unwrap_or_default(),
            value: DataValue { value: Some(command.value.clone()), source_timestamp, ..DataValue::null() },
        }
    }

    fn note(&self, command: &Command<'_>) -> Underway {
        self.gates.book.begin(Deed {
            tag: command.record.tag.name(),
            address: self.targets.get(command.target).map(super::target::Target::address).unwrap_or_default(),
            value: shown(&command.record.value),
            raw: told(&command.value, command.form.scalar),
            old: None,
        })
    }

    async fn ask(&self, nodes: Vec<WriteValue>, asked: usize) -> Answer {
        let Some(session) = &self.session else {
            return Answer::Lost(Error::new(StatusCode::BadNotConnected, "not connected"));
        };
        let request = WriteRequest { request_header: session.head(), nodes_to_write: Some(nodes) };
        match session.channel.ask(request).await {
            Ok(ResponseMessage::Write(answer)) if answer.response_header.service_result.is_bad() => {
                Answer::Fault(answer.response_header.service_result)
            }
            Ok(ResponseMessage::Write(answer)) => match answer.results {
                Some(results) if results.len() == asked => Answer::Values(results),
                _ => Answer::Lost(Error::new(StatusCode::BadUnknownResponse, "another number of results")),
            },
            Ok(ResponseMessage::ServiceFault(fault)) => Answer::Fault(fault.response_header.service_result),
            Ok(_) => Answer::Lost(Error::new(StatusCode::BadUnknownResponse, "the answer to another request")),
            // It is too long for this side, or for the server, and so was not taken.
            Err(error) if is_too_much(error.status()) => Answer::Fault(error.status()),
            Err(error) => Answer::Lost(error),
        }
    }

    /// What the answer says of each command.
    fn outcomes(&mut self, group: &[Command<'_>], answer: Answer) -> Vec<Ended> {
        match answer {
            Answer::Values(results) => {
                for (command, status) in group.iter().zip(&results) {
                    if is_outdated(*status)
                        && let Some(target) = self.targets.get_mut(command.target)
                    {
                        let why = format!("the server has refused it ({})", name(*status));
                        (target.place, target.looked) = (Err(why), None);
                    }
                }
                results.into_iter().map(of_value).collect()
            }
            Answer::Fault(status) => {
                let ended = match of_request(status) {
                    Fault::Refused(reason) => Err(("refused", reason)),
                    Fault::Size => {
                        let why = format!("it is too long for the server ({}); write a part of it", name(status));
                        Err(("refused", why))
                    }
                    _ => Err((
                        "unknown",
                        format!("outcome unknown: the server says {}; it is not sent again", name(status)),
                    )),
                };
                vec![ended; group.len()]
            }
            Answer::Lost(error) => {
                let what = format_args!("{}: a write was sent", self.server.url());
                let refusal = Refusal::of(what, &error);
                self.lost(refusal);
                let cause = Refusal::of("then", &error).message;
                let why = format!("outcome unknown: it was sent, and {cause}; it is not sent again");
                vec![Err(("unknown", why)); group.len()]
            }
        }
    }

    /// Reads what was written, where that is wanted.
    async fn read_back(&mut self, group: &[Command<'_>], outcomes: &mut [Ended]) {
        let mut asked: Vec<(usize, ReadValueId)> = Vec::new();
        for (place, (command, outcome)) in group.iter().zip(outcomes.iter()).enumerate() {
            let target = self.targets.get(command.target).filter(|target| target.verify && outcome.is_ok());
            if let Some(target) = target {
                let mut what = value_of(command.node.clone());
                what.index_range = target.part.clone();
                asked.push((place, what));
            }
        }
        if asked.is_empty() {
            return;
        }
        let (places, what): (Vec<usize>, Vec<ReadValueId>) = asked.into_iter().unzip();
        let read = match &mut self.session {
            Some(session) => session.read_all(&what, |_| Ok(())).await,
            None => Err(Error::new(StatusCode::BadNotConnected, "not connected")),
        };
        let unread = |why: String| Err(("unverified", format!("it was written, but could not be read back: {why}")));
        let values = match read {
            Ok(values) => values,
            Err(error) => {
                let refusal =
                    self.lost(Refusal::of(format_args!("{}: the read after a write", self.server.url()), &error));
                for place in places {
                    if let Some(outcome) = outcomes.get_mut(place) {
                        *outcome = unread(refusal.message.clone());
                    }
                }
                return;
            }
        };
        for (place, value) in places.into_iter().zip(values) {
            let (Some(command), Some(outcome)) = (group.get(place), outcomes.get_mut(place)) else { continue };
            let status = value.status.unwrap_or(StatusCode::Good);
            *outcome = match value.value {
                _ if status.is_bad() => unread(name(status)),
                None => unread("there is no value".to_owned()),
                Some(read) if command.form.agrees(&command.value, &read) => Ok("verified"),
                Some(read) => {
                    let held = match values::make(&read, false) {
                        Made::One(value) => shown(&value),
                        _ => "something else".to_owned(),
                    };
                    Err(("mismatch", format!("it was written, but {held} was read back")))
                }
            };
        }
    }
}
