//! A server that means harm: it is refused, the process lives, and takes no more memory than it may.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::with;
use crate::peers::port_that_no_client_gets;
use crate::pipeline::Pipeline;
use crate::turn::alone;

/// What a server does to who asks it for its endpoints.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Harm {
    /// It greets with a chunk that claims 2³¹ bytes, and sends bytes without end.
    HugeGreeting,
    /// Its answer has chunks without end.
    EndlessAnswer,
    /// Its answer has 400,000 diagnostic infos in each other.
    DeepAnswer,
    /// Its answer has a list of 2³¹ endpoints.
    LongList,
    /// Its answer has a text of 2³¹ bytes.
    LongText,
    /// It closes a chunk before it has begun.
    ShortChunk,
}

/// Most memory that a server may cost.
const MOST: u64 = 64 << 20;

fn head(kind: [u8; 4], length: usize) -> Vec<u8> {
    [kind.as_slice(), &(length as u32).to_le_bytes()].concat()
}

/// A chunk of this kind; the head of its security and its number are in front of the body.
fn chunk(kind: [u8; 4], security: &[u8], number: u32, request: &[u8], body: &[u8]) -> Vec<u8> {
    let rest = [1u32.to_le_bytes().as_slice(), security, &number.to_le_bytes(), request, body].concat();
    [head(kind, 8 + rest.len()), rest].concat()
}

/// The head of an answer of this kind, up to its diagnostic info.
fn answer(kind: u16) -> Vec<u8> {
    let [low, high] = kind.to_le_bytes();
    [[1, 0, low, high].as_slice(), &[0; 8], &[0; 4], &[0; 4]].concat()
}

async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
    let mut rest = vec![0; length - 8];
    stream.read_exact(&mut rest).await.ok()?;
    Some(rest)
}

/// Serves one connection; it ends when the other side has had enough.
async fn serve(mut stream: TcpStream, harm: Harm) -> Option<()> {
    message(&mut stream).await?;
    if harm == Harm::HugeGreeting {
        stream.write_all(&head(*b"ACKF", 1 << 31)).await.ok()?;
        loop {
            stream.write_all(&vec![0; 65_536]).await.ok()?;
        }
    }
    let sizes: Vec<u8> = [0u32, 65_536, 65_536, 0, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
    stream.write_all(&[head(*b"ACKF", 28), sizes].concat()).await.ok()?;
    let asked = message(&mut stream).await?;
    let policy = b"http://opcfoundation.org/UA/SecurityPolicy#None";
    let security = [(policy.len() as u32).to_le_bytes().as_slice(), policy, &[0xFF; 8]].concat();
    let request = asked.get(4 + security.len() + 4..)?.get(..4)?.to_vec();
    let token: Vec<u8> =
        [[1u32, 1].map(u32::to_le_bytes).concat(), vec![0; 8], 600_000u32.to_le_bytes().to_vec()].concat();
    let opened = [answer(449), vec![0], vec![0xFF; 4], vec![0; 3], vec![0; 4], token, vec![0xFF; 4]].concat();
    stream.write_all(&chunk(*b"OPNF", &security, 1, &request, &opened)).await.ok()?;
    let asked = message(&mut stream).await?;
    let request = asked.get(12..16)?.to_vec();
    let token = 1u32.to_le_bytes();
    let rest = [vec![0], vec![0xFF; 4], vec![0; 3]].concat();
    let body = match harm {
        Harm::EndlessAnswer => {
            for number in 2.. {
                stream.write_all(&chunk(*b"MSGC", &token, number, &request, &vec![0; 60_000])).await.ok()?;
            }
            return None;
        }
        Harm::DeepAnswer => [answer(431), vec![0x40; 400_000]].concat(),
        Harm::LongList => [answer(431), rest, vec![0xFF, 0xFF, 0xFF, 0x7F]].concat(),
        Harm::LongText => [answer(431), rest, 1u32.to_le_bytes().to_vec(), vec![0xFF, 0xFF, 0xFF, 0x7F]].concat(),
        Harm::ShortChunk => {
            stream.write_all(&head(*b"MSGF", 3)).await.ok()?;
            return message(&mut stream).await.map(|_| ());
        }
        Harm::HugeGreeting => return None,
    };
    let parts: Vec<&[u8]> = body.chunks(60_000).collect();
    for (index, part) in parts.iter().enumerate() {
        let kind = if index + 1 == parts.len() { *b"MSGF" } else { *b"MSGC" };
        stream.write_all(&chunk(kind, &token, 2 + index as u32, &request, part)).await.ok()?;
    }
    // Whoever is refused is left.
    message(&mut stream).await.map(|_| ())
}

/// The most memory that the pipeline took so far.
fn most_memory(pipeline: &Pipeline) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pipeline.id())).expect("the pipeline lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn a_server_that_means_harm_is_refused_and_costs_little() {
    let _turn = alone().await;
    let nobody = format!("opc.tcp://127.0.0.1:{}", port_that_no_client_gets());
    let options = "    timeout: 2s\n";
    let usual = with(&nobody, options, &[("value", "node: \"i=2258\"")]);
    sleep(Duration::from_secs(2)).await;
    let usually = most_memory(&usual);
    usual.stop().await;
    for harm in
        [Harm::HugeGreeting, Harm::EndlessAnswer, Harm::DeepAnswer, Harm::LongList, Harm::LongText, Harm::ShortChunk]
    {
        let listener = TcpListener::bind(("127.0.0.1", port_that_no_client_gets())).await.unwrap();
        let url = format!("opc.tcp://{}", listener.local_addr().unwrap());
        let pipeline = with(&url, options, &[("value", "node: \"i=2258\"")]);
        let mut serving = JoinSet::new();
        // Three are served and refused.
        for _ in 0..3 {
            let came = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await;
            let (stream, _) =
                came.unwrap_or_else(|_| panic!("{harm:?}: it does not come back:\n{}", pipeline.said())).unwrap();
            serving.spawn(serve(stream, harm));
        }
        let refused =
            tokio::time::timeout(Duration::from_secs(20), async { while serving.join_next().await.is_some() {} });
        assert!(refused.await.is_ok(), "{harm:?}: not refused:\n{}", pipeline.said());
        let took = most_memory(&pipeline).saturating_sub(usually);
        println!("{harm:?}: {} KiB more", took >> 10);
        assert!(took < MOST, "{harm:?} costs {took} bytes");
        let said = pipeline.said();
        assert!(said.contains("reconnecting") && !said.contains("panic"), "{harm:?}: {said}");
        pipeline.stop().await;
    }
}
