//! A line to the broker that breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A line to the broker that breaks after so many bytes, again and again.
pub(crate) struct Line {
    pub(crate) port: u16,
    /// How often it has broken.
    pub(crate) cuts: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// How a line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// Both ends are told.
    Cut,
    /// Nothing comes through any more, and nobody is told.
    BlackHole,
    /// It does not break; what the broker says takes this time to come.
    Slow(Duration),
}

impl Line {
    /// Opens it on this port, and lets each connection carry so many bytes to the broker until it has broken as often as there
    /// are numbers.
    pub(crate) async fn to(broker: u16, own: u16, how: Break, after: Vec<usize>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", own)).await.unwrap();
        let cuts = Arc::new(AtomicUsize::new(0));
        let (mut tasks, count) = (JoinSet::new(), Arc::clone(&cuts));
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(("127.0.0.1", broker)).await else { continue };
                let most = after.get(count.load(Ordering::SeqCst)).copied();
                carried.spawn(carry(client, server, how, most, Arc::clone(&count)));
            }
        });
        Self { port: own, cuts, _tasks: tasks }
    }
}

async fn carry(client: TcpStream, server: TcpStream, how: Break, most: Option<usize>, cuts: Arc<AtomicUsize>) {
    // A line does not wait for more to carry.
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let up = async {
        let (mut carried, mut buffer) = (0, vec![0; 4096]);
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            carried += read;
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return false;
            }
            if most.is_some_and(|most| most <= carried) {
                return true;
            }
        }
        false
    };
    let down = async {
        if let Break::Slow(time) = how {
            let mut buffer = vec![0; 4096];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                sleep(time).await;
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        } else {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        }
        false
    };
    let is_broken = tokio::select! {
        broken = up => broken,
        broken = down => broken,
    };
    if is_broken {
        cuts.fetch_add(1, Ordering::SeqCst);
        if how == Break::BlackHole {
            let mut rest = Vec::new();
            let _ = from_client.read_to_end(&mut rest).await;
        }
    }
}
