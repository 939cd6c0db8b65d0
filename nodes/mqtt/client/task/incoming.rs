//! What a connection does with each packet that comes.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::codec::{self, Packet, Published, Qos, Step, Version};
use super::super::connection::Inbound;
use super::super::reason::Refusal;
use super::super::sent::{Next, gone};
use super::Task;

impl Task {
    pub(super) fn take(&mut self, packet: Packet) -> Result<(), Refusal> {
        let state = &mut self.state;
        match packet {
            Packet::Publish(published) => return self.message(published),
            Packet::Acknowledge { step: Step::PubRel, id, .. } => {
                self.session.release(id);
                codec::acknowledge(&mut state.out, Step::PubComp, id);
            }
            Packet::Acknowledge { step, id, code, reason } => {
                match state.sent.acknowledge(step, id, code, reason.as_deref()) {
                    Next::Done => {}
                    Next::Release => codec::acknowledge(&mut state.out, Step::PubRel, id),
                    Next::Unknown => return Ok(()),
                }
                state.published = Instant::now();
            }
            Packet::SubAck { id, codes, .. } => self.answer(id, codes, true)?,
            Packet::UnsubAck { id, codes } => self.answer(id, codes, self.version == Version::V5)?,
            Packet::PingResp => (state.is_pinging, state.answered) = (false, Instant::now()),
            Packet::Disconnect { code, reason, server } => {
                let what = format!("{} ended the connection", self.name);
                let said = reason.or_else(|| server.map(|server| format!("use {server}")));
                return Err(Refusal::code(what, code, said.as_deref()));
            }
            Packet::ConnAck(_) => return Err(self.nonsense(&"a second CONNACK")),
        }
        Ok(())
    }

    fn answer(&mut self, id: u16, codes: Vec<u8>, is_counted: bool) -> Result<(), Refusal> {
        let state = &mut self.state;
        let Some(place) = state.asked.iter().position(|asked| asked.id == id) else { return Ok(()) };
        let asked = state.asked.swap_remove(place);
        state.answered = Instant::now();
        if is_counted && codes.len() != asked.filters {
            let what = format!("{} answers for {} filters where {} were asked", self.name, codes.len(), asked.filters);
            let _ = asked.tell.send(Err(Refusal::link(what.clone())));
            return Err(Refusal::link(what));
        }
        let _ = asked.tell.send(Ok(codes));
        Ok(())
    }

    fn message(&mut self, published: Published) -> Result<(), Refusal> {
        let Published { message, id, is_sound, cut } = published;
        self.state.skip = cut;
        if message.qos == Qos::ExactlyOnce {
            if self.session.has_received(id) {
                codec::acknowledge(&mut self.state.out, Step::PubRec, id);
                return Ok(());
            }
            if self.window.has(id, Qos::ExactlyOnce) {
                return Ok(());
            }
        }
        let receipt = (message.qos != Qos::AtMostOnce).then(|| self.window.open(id, message.qos));
        // The time that it waits here counts.
        let expiry = message.properties.as_ref().and_then(|properties| properties.expiry);
        let expires = expiry.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds.into())));
        let bytes = message.packet_len(self.version);
        self.window.hold(bytes);
        match self.inbound.try_send(Inbound { message, receipt, is_sound, is_cut: cut != 0, expires, bytes }) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(message)) => {
                self.state.stalled = Some(message);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
        }
    }

    pub(super) fn nonsense(&self, malformed: &impl std::fmt::Display) -> Refusal {
        Refusal::link(format!("{} sent what is no MQTT, or not what was agreed: {malformed}", self.name))
    }
}
