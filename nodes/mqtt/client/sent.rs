//! Messages that were sent and are not answered yet.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::codec::{Qos, Step};
use super::reason::Refusal;

/// What became of something that was asked of the broker.
pub(super) type Tell<T> = oneshot::Sender<Result<T, Refusal>>;

/// Resolves when the broker has taken the message over: PUBACK, PUBCOMP, or the network's own buffer for QoS 0.
#[derive(Debug)]
pub(crate) struct Receipt(pub(super) oneshot::Receiver<Result<(), Refusal>>);

impl Future for Receipt {
    type Output = Result<(), Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or_else(|_| Err(gone())))
    }
}

/// The connection has ended, and nobody said why.
pub(super) fn gone() -> Refusal {
    Refusal::link("the connection to the broker was closed")
}

/// Messages under way to the broker, each by its number.
#[derive(Debug)]
pub(super) struct Sent {
    /// At `id - 1`; as many places as may be under way.
    places: Vec<Option<Waiting>>,
    free: VecDeque<u16>,
    /// Messages of QoS 0, by how much must be written until they are gone.
    unwritten: VecDeque<(u64, Tell<()>)>,
}

#[derive(Debug)]
struct Waiting {
    qos: Qos,
    is_received: bool,
    tell: Tell<()>,
}

/// What an acknowledgement asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing; it was progress.
    Done,
    /// To release the message.
    Release,
    /// It fits nothing that was sent.
    Unknown,
}

impl Sent {
    pub(super) fn new(most: u16) -> Self {
        Self { places: (0..most).map(|_| None).collect(), free: (1..=most).collect(), unwritten: VecDeque::new() }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Whether an acknowledgement is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.free.len() < self.places.len()
    }

    /// A number for a message of QoS 1 or 2.
    pub(super) fn put(&mut self, qos: Qos, tell: Tell<()>) -> u16 {
        // Callers look for room first; 0 is never answered, and so fails with the connection.
        let Some(id) = self.free.pop_front() else { return 0 };
        if let Some(place) = self.places.get_mut(usize::from(id) - 1) {
            *place = Some(Waiting { qos, is_received: false, tell });
        }
        id
    }

    /// A message of QoS 0 that is gone when so many bytes are written.
    pub(super) fn put_unwritten(&mut self, until: u64, tell: Tell<()>) {
        self.unwritten.push_back((until, tell));
    }

    pub(super) fn written(&mut self, total: u64) {
        while let Some((_, tell)) = self.unwritten.pop_front_if(|(until, _)| *until <= total) {
            let _ = tell.send(Ok(()));
        }
    }

    pub(super) fn acknowledge(&mut self, step: Step, id: u16, code: u8, reason: Option<&str>) -> Next {
        let Some(place) = self.places.get_mut(usize::from(id).wrapping_sub(1)) else { return Next::Unknown };
        let is_refused = 0x80 <= code;
        match (place.as_mut(), step) {
            (Some(Waiting { qos: Qos::ExactlyOnce, is_received, .. }), Step::PubRec) if !is_refused => {
                *is_received = true;
                return Next::Release;
            }
            (Some(Waiting { qos: Qos::AtLeastOnce, .. }), Step::PubAck)
            | (Some(Waiting { qos: Qos::ExactlyOnce, .. }), Step::PubRec)
            | (Some(Waiting { qos: Qos::ExactlyOnce, is_received: true, .. }), Step::PubComp) => {}
            _ => return Next::Unknown,
        }
        if let Some(Waiting { tell, .. }) = place.take() {
            self.free.push_back(id);
            // A broker that does not know the number any more has taken the message over before.
            let is_over = step == Step::PubComp || !is_refused;
            let told = if is_over {
                Ok(())
            } else {
                Err(Refusal::code("the broker refused a message", code, reason).of_message())
            };
            let _ = tell.send(told);
        }
        Next::Done
    }

    /// The connection has ended: none of them is known to have arrived.
    pub(super) fn fail(&mut self, why: &Refusal) {
        let waiting = self.places.iter_mut().filter_map(Option::take).map(|waiting| waiting.tell);
        waiting.chain(self.unwritten.drain(..).map(|(_, tell)| tell)).for_each(|tell| {
            let _ = tell.send(Err(why.clone()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_told_by_its_own_acknowledgement_in_any_order() {
        let mut sent = Sent::new(2);
        let ((tell_one, mut one), (tell_two, mut two)) = (oneshot::channel(), oneshot::channel());
        let (first, second) = (sent.put(Qos::AtLeastOnce, tell_one), sent.put(Qos::ExactlyOnce, tell_two));
        assert!(!sent.has_room());
        assert_eq!(sent.acknowledge(Step::PubAck, second, 0, None), Next::Unknown, "that is one of QoS 2");
        assert_eq!(sent.acknowledge(Step::PubComp, second, 0, None), Next::Unknown, "not received yet");
        assert_eq!(sent.acknowledge(Step::PubRec, second, 0x10, None), Next::Release);
        assert_eq!(sent.acknowledge(Step::PubComp, second, 0x92, None), Next::Done);
        assert_eq!(two.try_recv().unwrap(), Ok(()));
        assert!(one.try_recv().is_err(), "nothing is said of it yet");
        assert_eq!(sent.acknowledge(Step::PubAck, first, 0x87, None), Next::Done);
        assert_eq!(one.try_recv().unwrap().unwrap_err().code, Some(0x87));
        for id in [0, 3, u16::MAX] {
            assert_eq!(sent.acknowledge(Step::PubAck, id, 0, None), Next::Unknown);
        }
        assert!(sent.has_room() && !sent.is_waiting());
    }

    #[test]
    fn what_is_under_way_fails_with_the_connection() {
        let mut sent = Sent::new(1);
        let ((tell_one, mut one), (tell_two, mut two)) = (oneshot::channel(), oneshot::channel());
        sent.put(Qos::AtLeastOnce, tell_one);
        sent.put_unwritten(10, tell_two);
        sent.written(9);
        sent.fail(&Refusal::link("gone"));
        assert!(one.try_recv().unwrap().is_err() && two.try_recv().unwrap().is_err());
    }
}
