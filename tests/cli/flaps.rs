//! Devices that hang up again and again cost the program no descriptor.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::Site;

const DEVICES: usize = 10;
const FLAPS: usize = 30;

/// Answers each request with zeros. Once it may flap, it hangs up at the second request of each connection, so many times;
/// the first answer of each connection is told.
fn device(listener: &TcpListener, may_flap: &AtomicBool, told: &SyncSender<()>) -> Option<()> {
    let mut flaps = 0;
    for stream in listener.incoming() {
        let mut stream = stream.ok()?;
        let mut is_first = true;
        let mut request = [0; 12];
        while stream.read_exact(&mut request).is_ok() {
            if !is_first && flaps < FLAPS && may_flap.load(Ordering::Relaxed) {
                flaps += 1;
                break;
            }
            let [a, b, .., count] = request;
            let mut answer = vec![a, b, 0, 0, 0, 3 + 2 * count, request[6], request[7], 2 * count];
            answer.resize(answer.len() + 2 * usize::from(count), 0);
            stream.write_all(&answer).ok()?;
            if std::mem::take(&mut is_first) {
                told.send(()).ok()?;
            }
        }
    }
    None
}

#[test]
fn three_hundred_flaps_of_ten_devices_leave_as_many_descriptors_as_there_were() {
    let (told, heard) = sync_channel(DEVICES * (FLAPS + 1));
    let may_flap = Arc::new(AtomicBool::new(false));
    let mut nodes = "version: 1\nname: flaps\nnodes:\n  out: { type: console }\n".to_owned();
    let mut edges = "edges:\n".to_owned();
    for n in 0..DEVICES {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tags = format!("{{ t{n}: {{ at: \"holding:{n}\" }} }}");
        writeln!(nodes, "  d{n}: {{ type: modbus, url: \"tcp://{address}\", every: 20ms, tags: {tags} }}").unwrap();
        writeln!(edges, "  - d{n} -> out").unwrap();
        let (may_flap, told) = (Arc::clone(&may_flap), told.clone());
        thread::spawn(move || device(&listener, &may_flap, &told));
    }
    let site = Site::of(&format!("{nodes}{edges}"));
    let mut run = site.run(&["--listen", "off"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let connected = |times| {
        for nth in 0..times {
            heard.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("connection {nth} of {times}"));
        }
    };
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", run.id())).unwrap().count();
    connected(DEVICES);
    let before = descriptors();
    may_flap.store(true, Ordering::Relaxed);
    connected(DEVICES * FLAPS);
    let after = descriptors();
    run.kill().unwrap();
    run.wait().unwrap();
    println!("{before} descriptors before {} flaps, {after} after", DEVICES * FLAPS);
    assert!(DEVICES < before && before.abs_diff(after) <= 2, "{before} before, {after} after");
}
