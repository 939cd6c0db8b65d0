//! Devices that dial in, as cellular gateways behind a provider's network do.
//!
//! One port serves many devices. Each says who it is by the first bytes that it sends, and waits here until the line that
//! knows it wants a connection. No task of its own: whoever waits for a device takes in all that come meanwhile.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// A port at which devices dial in.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    /// The devices that are known, and the newest connection of each that nobody has taken yet.
    known: Mutex<BTreeMap<Vec<u8>, Option<TcpStream>>>,
    arrived: Notify,
    door: tokio::sync::Mutex<Door>,
}

#[derive(Debug, Default)]
struct Door {
    listener: Option<TcpListener>,
    strangers: Vec<Stranger>,
}

/// A connection that has not said yet whose it is.
#[derive(Debug)]
struct Stranger {
    stream: TcpStream,
    said: Vec<u8>,
    until: Instant,
}

/// A device that is expected, as long as this lives.
#[derive(Debug)]
pub(super) struct Expected {
    port: Arc<Port>,
    id: Vec<u8>,
}

/// How long a connection may take to say whose it is, and how many may be about to.
const REGISTER: Duration = Duration::from_secs(10);
const STRANGERS: usize = 256;
/// Longest registration.
pub(super) const LONGEST: usize = 64;

/// The ports of this process.
static PORTS: Mutex<BTreeMap<SocketAddr, Weak<Port>>> = Mutex::new(BTreeMap::new());

impl Expected {
    /// Expects a device that says this first; opens nothing. An empty id is whoever comes. The error names an id that could
    /// be taken for this one.
    pub(super) fn at(address: SocketAddr, id: &[u8]) -> Result<Self, Vec<u8>> {
        let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        ports.retain(|_, port| port.strong_count() != 0);
        let port = ports.get(&address).and_then(Weak::upgrade).unwrap_or_else(|| {
            Arc::new(Port {
                address,
                known: Mutex::default(),
                arrived: Notify::new(),
                door: tokio::sync::Mutex::default(),
            })
        });
        ports.insert(address, Arc::downgrade(&port));
        let alike = port.known().keys().find(|known| known.starts_with(id) || id.starts_with(known)).cloned();
        if let Some(alike) = alike {
            return Err(alike);
        }
        port.known().insert(id.to_vec(), None);
        Ok(Self { port, id: id.to_vec() })
    }

    /// Waits until the device has dialled in and said who it is.
    pub(super) async fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let arrived = self.port.arrived.notified();
            if let Some(stream) = self.port.known().get_mut(&self.id).and_then(Option::take) {
                return Ok(stream);
            }
            tokio::select! {
                () = arrived => {}
                mut door = self.port.door.lock() => {
                    if door.listener.is_none() {
                        door.listener = Some(TcpListener::bind(self.port.address).await?);
                    }
                    // From time to time to see off who says nothing.
                    let step = poll_fn(|context| door.step(context, &self.port));
                    if let Ok(result) = timeout(Duration::from_secs(1), step).await {
                        result?;
                    }
                }
            }
        }
    }

    /// Where it really listens; for port 0.
    #[cfg(test)]
    pub(super) async fn address(&self) -> SocketAddr {
        let mut door = self.port.door.lock().await;
        if door.listener.is_none() {
            door.listener = Some(TcpListener::bind(self.port.address).await.unwrap());
        }
        door.listener.as_ref().unwrap().local_addr().unwrap()
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.port.known().remove(&self.id);
    }
}

impl Port {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Option<TcpStream>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a connection to the device that has said this; what it is to do next if that cannot be told.
    fn place(&self, said: &[u8]) -> Verdict {
        let known = self.known();
        match known.keys().find(|id| said.starts_with(id)) {
            Some(id) => Verdict::Known(id.clone()),
            None if known.keys().any(|id| id.starts_with(said)) => Verdict::MoreIsNeeded,
            None => Verdict::Unknown,
        }
    }
}

enum Verdict {
    Known(Vec<u8>),
    MoreIsNeeded,
    Unknown,
}

impl Door {
    /// Takes in who comes and hears who they are; ready when some device has come.
    fn step(&mut self, context: &mut Context<'_>, port: &Port) -> Poll<io::Result<()>> {
        let now = Instant::now();
        while let Some(listener) = &self.listener
            && let Poll::Ready(accepted) = listener.poll_accept(context)
        {
            let (stream, _) = accepted?;
            let _ = stream.set_nodelay(true);
            // The oldest has had the most time.
            if self.strangers.len() == STRANGERS {
                self.strangers.remove(0);
            }
            self.strangers.push(Stranger { stream, said: Vec::new(), until: now + REGISTER });
        }
        let mut any = false;
        for mut stranger in std::mem::take(&mut self.strangers) {
            match stranger.listen(context, port) {
                Poll::Pending if now < stranger.until => self.strangers.push(stranger),
                Poll::Ready(Some(id)) => {
                    // A device that dials anew has given its last connection up.
                    if let Some(place) = port.known().get_mut(&id) {
                        *place = Some(stranger.stream);
                        any = true;
                    }
                }
                Poll::Pending | Poll::Ready(None) => {}
            }
        }
        if any {
            port.arrived.notify_waiters();
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl Stranger {
    /// Whose it is; `None` if it is nobody's.
    fn listen(&mut self, context: &mut Context<'_>, port: &Port) -> Poll<Option<Vec<u8>>> {
        loop {
            match port.place(&self.said) {
                Verdict::Known(id) => return Poll::Ready(Some(id)),
                Verdict::Unknown => return Poll::Ready(None),
                Verdict::MoreIsNeeded => {}
            }
            // What follows the registration answers nothing that was asked, so nothing is lost if it is read with it.
            let mut bytes = [0; LONGEST];
            let mut room = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !room.filled().is_empty() => self.said.extend(room.filled()),
                Poll::Ready(_) => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn each_line_gets_the_device_that_says_its_id_and_strangers_get_nothing() {
        let port = "127.0.0.1:0".parse().unwrap();
        let one = Expected::at(port, b"DTU-1").unwrap();
        let two = Expected::at(port, &[0xD7, 0x02]).unwrap();
        assert_eq!(Expected::at(port, b"DTU-17").unwrap_err(), b"DTU-1", "could be either");
        let address = one.address().await;
        let dial = async |said: &[u8]| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said).await.unwrap();
            stream
        };
        let _silent = TcpStream::connect(address).await.unwrap();
        let stranger = dial(b"GET / HTTP/1.1").await;
        let second = dial(&[0xD7, 0x02, 0xFE]).await;
        let mut first = dial(b"DTU").await;
        let (got_one, got_two, ()) = tokio::join!(one.accept(), two.accept(), async {
            first.write_all(b"-1").await.unwrap();
        });
        assert_eq!(got_one.unwrap().peer_addr().unwrap(), first.local_addr().unwrap());
        assert_eq!(got_two.unwrap().peer_addr().unwrap(), second.local_addr().unwrap());
        let mut rest = [0; 1];
        assert_eq!(tokio::io::AsyncReadExt::read(&mut { stranger }, &mut rest).await.unwrap_or(0), 0, "turned away");
        drop(one);
        assert!(Expected::at(port, b"DTU-17").is_ok(), "nobody has the other one any more");
    }
}
