//! A WebSocket, right and wrong, from the other side.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::websocket::{WebSocket, open};

const MOST: usize = 1 << 20;

async fn opened() -> (WebSocket<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (client, server) = duplex(1 << 20);
    #[expect(clippy::result_large_err, reason = "the library's own signature")]
    let answer = |request: &Request, mut response: Response| {
        assert_eq!(request.uri().path(), "/mqtt");
        assert_eq!(request.headers()["host"], "broker:80");
        let protocol = request.headers()["sec-websocket-protocol"].clone();
        assert_eq!(protocol, "mqtt");
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let (socket, server) = tokio::join!(open(client, "broker:80", "/mqtt", MOST), accept_hdr_async(server, answer));
    (socket.unwrap(), server.unwrap())
}

#[tokio::test]
async fn bytes_pass_whatever_the_messages_are() {
    let (mut socket, mut server) = opened().await;
    for message in [
        Message::binary(&b"hi"[..]),
        Message::Ping("?".into()),
        Message::binary(&b""[..]),
        Message::binary(&b"there"[..]),
    ] {
        server.send(message).await.unwrap();
    }
    let mut came = [0; 7];
    socket.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"hithere");
    for length in [0, 1, 126, 65_535, 65_536, 200_000] {
        let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
        let write = async {
            socket.write_all(&bytes).await.unwrap();
            socket.flush().await.unwrap();
        };
        let read = async {
            let mut all = Vec::new();
            while all.len() < length {
                match server.next().await.unwrap().unwrap() {
                    Message::Pong(payload) => assert_eq!(payload, "?", "the answer to the ping"),
                    message => all.extend(message.into_data()),
                }
            }
            all
        };
        let ((), all) = tokio::join!(write, read);
        assert!(all == bytes, "{length}");
    }
    let (closed, last) = tokio::join!(socket.shutdown(), server.next());
    closed.unwrap();
    assert!(last.unwrap().unwrap().is_close());
}

#[tokio::test]
async fn what_is_no_websocket_for_mqtt_is_told() {
    for (answer, said) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", "opens no WebSocket there: it answered \"404 Not Found\""),
        ("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "Sec-WebSocket-Accept"),
        ("MQTT\r\n\r\n", "the WebSocket: "),
        (&"x".repeat(200_000), "the WebSocket: "),
    ] {
        let (client, mut server) = duplex(256 << 10);
        server.write_all(answer.as_bytes()).await.unwrap();
        let error = open(client, "broker:80", "/mqtt", MOST).await.err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(said)), "{error:?}");
    }
}

#[tokio::test]
async fn what_no_broker_sends_ends_it_and_a_length_that_is_a_lie_is_refused() {
    for (frame, said) in [
        (&[0x82, 0x81, 0, 0, 0, 0, 1][..], "masked"),
        (&[0xC2, 1, 1], "the WebSocket: "),
        (&[0x81, 1, b'x'], "text on a WebSocket"),
        (&[0x82, 127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, b'x'], "too long"),
        (&[0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1], "too long"),
    ] {
        let (mut socket, mut server) = opened().await;
        server.get_mut().write_all(frame).await.unwrap();
        let error = socket.read_u8().await.unwrap_err().to_string();
        assert!(error.contains(said), "{frame:02X?}: {error}");
    }
}
