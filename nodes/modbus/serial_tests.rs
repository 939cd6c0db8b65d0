//! Frames of a serial line, where nothing but silence tells one answer from the next.

use std::time::Duration;

use fieldflow_contract::Source as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use super::peer::{Asked, Do, asked, beside, device, pipe, poll, source};

#[tokio::test(start_paused = true)]
async fn a_late_answer_on_a_serial_line_is_drained_and_never_taken_for_the_next_one() {
    let connections = pipe("rtu-late");
    let mut times = 0_u16;
    // The value is how often it was asked. The second answer comes 50 ms after its time, the fourth one 250 ms.
    let server = async {
        let mut connections = connections;
        let mut line = connections.recv().await.unwrap();
        while let Some(asked) = asked(&mut line, true).await {
            times += 1;
            sleep(Duration::from_millis(match times {
                2 => 250,
                4 => 450,
                _ => 10,
            }))
            .await;
            line.write_all(&asked.rtu_registers(&[times])).await.unwrap();
        }
    };
    let (mut source, tally) = source(
        "memory://rtu-late",
        &json!({ "a": { "at": "holding:1" } }),
        &json!({ "every": "300ms", "timeout": "200ms" }),
    );
    beside!(server, async {
        source.connect().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.extend(poll(&mut source).await);
        }
        assert_eq!(seen, ["a=1", "a=bad:timeout", "a=3", "a=bad:timeout", "a=5", "a=6"]);
    });
    assert_eq!((tally.snapshot()["late"], tally.snapshot()["timeout"]), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn nonsense_on_a_serial_line_is_drained_and_the_line_stays_open() {
    let connections = pipe("rtu-noise");
    let mut times = 0;
    let script = |asked: Asked| {
        times += 1;
        let good = asked.rtu_registers(&[asked.start]);
        match times {
            1 => Do::Send([&[0xFF, 0x00, 0x13], good.as_slice()].concat()),
            2 => Do::Send(Asked { unit: 9, ..asked }.rtu_registers(&[1])),
            3 => Do::Send(Asked { function: 4, ..asked }.rtu_registers(&[1])),
            4 => Do::Send(asked.rtu_registers(&[1, 2])),
            5 => Do::Send(good.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 4)).collect()),
            6 => Do::Send([good.as_slice(), &[1, 2, 3]].concat()),
            _ => Do::Answer,
        }
    };
    let (mut source, tally) = source(
        "memory://rtu-noise",
        &json!({ "a": { "at": "holding:1" } }),
        &json!({ "every": "2s", "timeout": "200ms", "demote_after": 100 }),
    );
    beside!(device(connections, true, script), async {
        source.connect().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.extend(poll(&mut source).await);
        }
        let bad = "a=bad:communication";
        assert_eq!(seen, [bad, bad, bad, bad, bad, "a=1", "a=1"]);
    });
    let counts: Vec<_> = tally.snapshot().into_iter().filter(|(_, count)| *count != 0).collect();
    assert_eq!(counts, [("byte_count", 1), ("crc", 1), ("function", 1), ("late", 1), ("unit", 2)]);
}

#[tokio::test]
async fn a_serial_port_is_a_line() {
    use tokio_serial::SerialPort as _;

    let (mut device, port) = tokio_serial::SerialStream::pair().unwrap();
    let url = format!("rtu://{}?baud=115200&parity=none", port.name().unwrap());
    let (mut source, _) =
        source(&url, &json!({ "a": { "at": "input:5", "as": "u32" } }), &json!({ "timeout": "5s", "unit": 3 }));
    drop(port);
    source.connect().await.unwrap();
    let (records, ()) = tokio::join!(poll(&mut source), async {
        let mut request = [0; 8];
        tokio::io::AsyncReadExt::read_exact(&mut device, &mut request).await.unwrap();
        assert_eq!(request[..6], [3, 4, 0, 5, 0, 2]);
        let answer = Asked { transaction: 0, unit: 3, function: 4, start: 5, count: 2 }.rtu_registers(&[1, 2]);
        device.write_all(&answer).await.unwrap();
    });
    assert_eq!(records, ["a=65538"]);
}

#[tokio::test]
async fn a_device_that_dials_in_is_known_by_its_first_bytes_and_its_heartbeat_is_no_answer() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = json!({ "timeout": "5s", "register": { "id": "DTU-7" }, "heartbeat": "hex:FEFD" });
    let (mut source, _) = source(&format!("listen://{port}"), &json!({ "a": { "at": "holding:5" } }), &options);
    let dial = async {
        let mut stream = loop {
            match tokio::net::TcpStream::connect(port).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        stream.write_all(b"DTU-7\xFE\xFD").await.unwrap();
        stream
    };
    let (connected, mut stream) = tokio::join!(source.connect(), dial);
    connected.unwrap();
    let (records, ()) = tokio::join!(poll(&mut source), async {
        let mut request = [0; 8];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut request).await.unwrap();
        let answer = Asked { transaction: 0, unit: 1, function: 3, start: 5, count: 1 }.rtu_registers(&[9]);
        stream.write_all(&[&[0xFE, 0xFD, 0xFE], [0xFD].as_slice(), &answer].concat()).await.unwrap();
    });
    assert_eq!(records, ["a=9"]);
}
