//! What the sink says of itself: that it is there, that it is gone, and the births of a Sparkplug edge node.

use fieldflow_contract::NodeError;
use tokio::time::{Instant, timeout_at};

use super::link::{Link, UnderWay};
use super::sink::{Forward, Kind};
use crate::mqtt::client::{Message, Qos, Refusal, Will};

impl Forward {
    /// Says goodbye, and that this node is gone.
    pub(super) async fn leave(&mut self) {
        let last = match &mut self.kind {
            Kind::Sparkplug(node) => Some(node.death(self.clock.now())),
            Kind::Messages(_) => self.status(1),
        };
        if let Some(message) = last {
            // If it does not arrive, the broker says it by the will.
            let _ = self.tell(message).await;
        }
        if let Some(link) = self.link.take() {
            link.connection.close().await;
        }
    }

    /// What the broker is to say when it has lost this client.
    pub(super) fn will(&mut self) -> Option<Will> {
        let message = match &mut self.kind {
            Kind::Sparkplug(node) => Some(node.will(self.clock.now())),
            Kind::Messages(_) => self.status(1),
        };
        message.map(|message| Will { message, delay: 0 })
    }

    /// The status message: 0 for being there, 1 for not.
    pub(super) fn status(&self, which: usize) -> Option<Message> {
        let (topic, words) = self.status.as_ref()?;
        Some(Message {
            topic: topic.clone(),
            payload: words.get(which).cloned().unwrap_or_default().into(),
            qos: Qos::AtLeastOnce,
            retain: true,
            ..Message::default()
        })
    }

    /// What is said first on a new connection.
    pub(super) async fn introduction(&mut self, link: &mut Link) -> Result<Option<Message>, Refusal> {
        if let Kind::Sparkplug(node) = &mut self.kind {
            node.connected();
            let state = node.primary.iter().map(|primary| (primary.topic().to_owned(), 1));
            let filters: Vec<(String, u8)> = std::iter::once((node.commands(), 1)).chain(state).collect();
            let codes = link.connection.subscribe(filters.clone()).await?;
            if let Some(((filter, _), code)) = filters.iter().zip(&codes).find(|(_, code)| 0x80 <= **code) {
                return Err(Refusal::code(format!("the broker refused `{filter}`"), *code, None));
            }
        }
        Ok(self.status(0))
    }

    /// Publishes a message about the node itself, and waits until the broker has it.
    pub(super) async fn tell(&mut self, message: Message) -> Result<(), NodeError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let mut under_way = UnderWay::new();
        let told = match link.publish(message, &mut under_way, |_| false).await {
            Some(Ok(receipt)) => {
                under_way.push_back((0, receipt));
                link.answer(&mut under_way).await.1
            }
            Some(Err(refusal)) => Err(refusal),
            None => Ok(()),
        };
        told.map_err(|refusal| self.trouble(&refusal))
    }

    /// Looks at what has come.
    pub(super) fn hear(&mut self) {
        if let (Some(link), Kind::Sparkplug(node)) = (&mut self.link, &mut self.kind) {
            link.heard().for_each(|message| node.hear(&message));
        }
    }

    /// Waits until the primary host is online, for as long as it may take to open a connection.
    pub(super) async fn host_comes(&mut self) -> Result<(), NodeError> {
        let until = Instant::now() + self.client.options.timeout;
        while self.why_silent().is_some() {
            let Some(link) = &mut self.link else { break };
            match timeout_at(until, link.listen()).await {
                Ok(Ok(())) => self.hear(),
                Ok(Err(refusal)) => return Err(self.lost(&refusal)),
                Err(_) => break,
            }
        }
        let Some(refusal) = self.why_silent() else { return Ok(()) };
        self.tally.add("primary_host_offline", 1);
        // Nothing was born here, so nothing has died.
        if let Some(link) = self.link.take() {
            link.connection.close().await;
        }
        Err(self.lost(&refusal))
    }

    /// Leaves the broker if the primary host is not online there any more.
    pub(super) async fn host_is_there(&mut self) -> Result<(), NodeError> {
        let Some(refusal) = self.why_silent() else { return Ok(()) };
        self.tally.add("primary_host_offline", 1);
        self.leave().await;
        Err(self.lost(&refusal))
    }

    /// Why nothing may be published, if so.
    fn why_silent(&self) -> Option<Refusal> {
        match &self.kind {
            Kind::Sparkplug(node) => node.primary.as_ref()?.refusal(),
            Kind::Messages(_) => None,
        }
    }

    /// Publishes births, if any are due.
    pub(super) async fn births(&mut self) -> Result<(), NodeError> {
        let Kind::Sparkplug(node) = &mut self.kind else { return Ok(()) };
        let births = node.births(self.clock.now());
        for draft in births {
            let message = self.message(&draft, None);
            self.tell(message).await?;
        }
        if let Kind::Sparkplug(node) = &mut self.kind {
            node.born();
        }
        Ok(())
    }
}
