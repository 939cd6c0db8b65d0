//! The connection of the sink: what comes on it is always taken, so that acknowledgements are never stuck behind it.

use std::collections::VecDeque;
use std::pin::{Pin, pin};

use crate::mqtt::client::{Connection, Inbound, Message, Receipt, Refusal};

/// Messages that came and were not looked at; more of them are thrown away.
const MOST_HELD: usize = 16;
/// How many messages are taken at once.
const AT_ONCE: usize = 64;

/// See the module.
pub(super) struct Link {
    pub(super) connection: Connection,
    came: VecDeque<Message>,
    taken: Vec<Inbound>,
}

/// A message that is under way, by its number.
pub(super) type UnderWay = VecDeque<(usize, Receipt)>;

/// What became of a message that was under way.
pub(super) type Answer = (usize, Result<(), Refusal>);

impl Link {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, came: VecDeque::new(), taken: Vec::new() }
    }

    /// Waits until something has come or the connection has ended. Nothing is lost if this is dropped meanwhile.
    pub(super) async fn listen(&mut self) -> Result<(), Refusal> {
        self.connection.receive(&mut self.taken, AT_ONCE).await?;
        for inbound in self.taken.drain(..) {
            if let Some(receipt) = inbound.receipt {
                self.connection.window.done(receipt..receipt + 1);
            }
            if self.came.len() < MOST_HELD {
                self.came.push_back(inbound.message);
            }
        }
        Ok(())
    }

    /// What has come, oldest first.
    pub(super) fn heard(&mut self) -> std::collections::vec_deque::Drain<'_, Message> {
        self.came.drain(..)
    }

    /// Hands a message to the connection. `answered` is told what is answered meanwhile, oldest first; if it says so, the message
    /// is not sent after all.
    pub(super) async fn publish(
        &mut self,
        message: Message,
        under_way: &mut UnderWay,
        mut answered: impl FnMut(Answer) -> bool,
    ) -> Option<Result<Receipt, Refusal>> {
        let publisher = self.connection.publisher().clone();
        let mut publish = pin!(publisher.publish(message));
        loop {
            tokio::select! {
                biased;
                answer = front(under_way), if !under_way.is_empty() => {
                    if answered(answer) {
                        return None;
                    }
                }
                receipt = &mut publish => return Some(receipt),
                came = self.listen() => {
                    if let Err(refusal) = came {
                        return Some(Err(refusal));
                    }
                }
            }
        }
    }

    /// Waits for the answer to the oldest message.
    pub(super) async fn answer(&mut self, under_way: &mut UnderWay) -> Answer {
        loop {
            tokio::select! {
                biased;
                answer = front(under_way) => return answer,
                came = self.listen() => {
                    if let Err(refusal) = came {
                        // Those that were answered before the end know it.
                        let (number, receipt) = under_way.pop_front().map_or((0, None), |(n, receipt)| (n, Some(receipt)));
                        let told = match receipt {
                            Some(receipt) => receipt.await,
                            None => Err(refusal),
                        };
                        return (number, told);
                    }
                }
            }
        }
    }
}

/// The answer to the oldest message; it is under way no longer then.
async fn front(under_way: &mut UnderWay) -> Answer {
    let told = match under_way.front_mut() {
        Some((_, receipt)) => Pin::new(receipt).await,
        None => std::future::pending().await,
    };
    (under_way.pop_front().map_or(0, |(number, _)| number), told)
}
