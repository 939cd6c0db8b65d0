//! A WebSocket, right and wrong, from the other side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::websocket::{WebSocket, open};

/// Reads the request; the proof that belongs to its key.
async fn request(server: &mut DuplexStream) -> (String, String) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(server.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let proof = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    (request.clone(), proof)
}

async fn opened() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (client, mut server) = duplex(256 << 10);
    let serve = async {
        let (request, proof) = request(&mut server).await;
        assert!(request.starts_with("GET /mqtt HTTP/1.1\r\nHost: broker:80\r\n"), "{request}");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: Upgrade\r\nsec-websocket-accept: {proof}\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        server.write_all(answer.as_bytes()).await.unwrap();
        // A frame in the same breath.
        server.write_all(&[0x82, 2, b'h', b'i']).await.unwrap();
        server
    };
    let (socket, server) = tokio::join!(open(client, "broker:80", "/mqtt"), serve);
    (socket.unwrap(), server)
}

/// A frame of the client: its opcode and its payload, without the mask.
async fn frame(server: &mut DuplexStream) -> (u8, Vec<u8>) {
    let (first, second) = (server.read_u8().await.unwrap(), server.read_u8().await.unwrap());
    assert_eq!((first & 0x80, second & 0x80), (0x80, 0x80), "whole and masked");
    let length = match second & 0x7F {
        126 => usize::from(server.read_u16().await.unwrap()),
        127 => server.read_u64().await.unwrap() as usize,
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    server.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; length];
    server.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    (first & 0x0F, payload)
}

#[tokio::test]
async fn bytes_pass_whatever_the_frames_are() {
    let (mut socket, mut server) = opened().await;
    let mut came = [0; 9];
    socket.read_exact(&mut came[..2]).await.unwrap();
    // In pieces, with a ping between them, and an empty frame.
    server.write_all(&[0x02, 3, b'a', b'b']).await.unwrap();
    server.write_all(&[b'c', 0x89, 1, b'?', 0x00, 0, 0x80, 126, 0, 4, b'd', b'e', b'f', b'g']).await.unwrap();
    socket.read_exact(&mut came[2..]).await.unwrap();
    assert_eq!(&came, b"hiabcdefg");
    for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
        let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let write = async {
            socket.write_all(&bytes).await.unwrap();
            socket.flush().await.unwrap();
        };
        let read = async {
            let mut all = Vec::new();
            while all.len() < length {
                let (opcode, payload) = frame(&mut server).await;
                if opcode == 10 {
                    assert_eq!(payload, b"?", "the answer to the ping");
                } else {
                    assert_eq!(opcode, 2);
                    all.extend(payload);
                }
            }
            all
        };
        let ((), all) = tokio::join!(write, read);
        assert!(all == bytes, "{length}");
    }
    let (closed, last) = tokio::join!(socket.shutdown(), frame(&mut server));
    closed.unwrap();
    assert_eq!(last, (8, vec![3, 0xE8]));
}

#[tokio::test]
async fn what_is_no_websocket_for_mqtt_is_told() {
    for (answer, said) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "opens no WebSocket there: it answered \"HTTP/1.1 404 Not Found\""),
        ("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: wrong\r\n\r\n", "not to this request"),
        ("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: PROOF\r\n\r\n", "none for MQTT"),
        (&"x".repeat(20_000), "has no end"),
    ] {
        let (client, mut server) = duplex(64 << 10);
        let serve = async {
            let (_, proof) = request(&mut server).await;
            server.write_all(answer.replace("PROOF", &proof).as_bytes()).await.unwrap();
        };
        let (told, ()) = tokio::join!(open(client, "broker:80", "/mqtt"), serve);
        let error = told.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn frames_that_no_server_may_send_end_it_and_a_long_one_costs_no_memory() {
    for (frame, said) in [
        (&[0x82, 0x81, 0, 0, 0, 0, 1][..], "no server may send"),
        (&[0xC2, 1, 1], "no server may send"),
        (&[0x81, 1, b'x'], "text"),
        (&[0x83, 0], "unknown kind"),
        (&[0x89, 126, 1, 0], "too long"),
    ] {
        let (mut socket, mut server) = opened().await;
        socket.read_exact(&mut [0; 2]).await.unwrap();
        server.write_all(frame).await.unwrap();
        let error = socket.read_u8().await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let (mut socket, mut server) = opened().await;
    server.write_all(&[0x82, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, b'x']).await.unwrap();
    let mut came = [0; 3];
    socket.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"hix");
    server.write_all(&[0xAA; 2]).await.unwrap();
    assert_eq!(socket.read_u16().await.unwrap(), 0xAAAA);
    drop(server);
    assert!(socket.read_u8().await.is_err(), "the end of it");
}
